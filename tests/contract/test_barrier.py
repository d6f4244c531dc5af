"""coterie.sync.Barrier: the rules of threading, between threads and interpreters."""

import pickle
import threading

import pytest

import coterie
from coterie import interpreters, sync

pytestmark = pytest.mark.timeout(60)

both_kinds = pytest.mark.parametrize("module", [sync, threading])
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def wait_until(condition):
    """What another thread does is seen sooner or later."""
    while not condition():
        pass


def outcome_of(wait, *args):
    try:
        return wait(*args)
    except threading.BrokenBarrierError as error:
        return type(error).__name__, str(error)


BROKEN = ("BrokenBarrierError", "")


# ---- the rules of threading --------------------------------------------------


@both_kinds
def test_a_new_barrier(module):
    barrier = module.Barrier(3)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)
    assert repr(barrier).endswith(": waiters=0/3>")
    assert module.Barrier(parties=1, action=None, timeout=None).wait() == 0
    with pytest.raises(AttributeError):
        barrier.parties = 2


@both_kinds
@pytest.mark.parametrize("parties", [0, -1])
def test_parties_that_are_refused(module, parties):
    with pytest.raises(ValueError, match="^parties must be >"):
        module.Barrier(parties)


@both_kinds
@pytest.mark.parametrize("args", [(), ("2",), (None,)])
def test_parties_that_are_no_number(module, args):
    with pytest.raises(TypeError):
        module.Barrier(*args)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"action": 1}, TypeError, "action must be None or callable, not int"),
        (
            {"action": threading.Lock().acquire},
            coterie.NotShareableError,
            "action not shareable",
        ),
        ({"timeout": "1"}, TypeError, "timeout must be None or a number of seconds"),
        ({"timeout": float("nan")}, ValueError, "'timeout' must be"),
    ],
)
def test_arguments_that_are_refused(kwargs, error, message):
    with pytest.raises(error, match=message):
        sync.Barrier(2, **kwargs)


def test_a_timeout_that_is_refused_leaves_the_barrier_whole():
    barrier = sync.Barrier(1)
    with pytest.raises(TypeError, match="timeout must be None or a number"):
        barrier.wait("1")
    assert barrier.wait() == 0


@both_kinds
def test_each_gets_a_number(module, in_threads):
    barrier = module.Barrier(4)
    for _ in range(50):
        assert sorted(in_threads(barrier.wait, [[]] * 4)) == [0, 1, 2, 3]
    assert (barrier.n_waiting, barrier.broken) == (0, False)


@both_kinds
def test_the_action_runs_in_the_last_comer(module, in_threads):
    threads = []
    barrier = module.Barrier(3, action=lambda: threads.append(threading.get_ident()))

    def wait():
        number = barrier.wait()
        # It has run when the first one goes on.
        assert threads
        return number, threading.get_ident()

    numbers = dict(in_threads(wait, [[]] * 3))
    assert threads == [numbers[2]]


@both_kinds
def test_an_action_that_raises_breaks_the_barrier(module, in_threads):
    def fail():
        raise ZeroDivisionError("spam!")

    barrier = module.Barrier(3, fail)

    def wait():
        try:
            return outcome_of(barrier.wait)
        except ZeroDivisionError as error:
            return str(error)

    assert sorted(in_threads(wait, [[]] * 3), key=str) == [BROKEN, BROKEN, "spam!"]
    assert barrier.broken is True
    assert repr(barrier).endswith(": broken>")
    assert outcome_of(barrier.wait) == BROKEN
    assert barrier.n_waiting == 0


@both_kinds
@pytest.mark.parametrize("how", ["argument", "default", "negative", "now"])
def test_a_timeout_breaks_it(module, how, in_threads):
    barrier = module.Barrier(3, timeout=0.02 if how == "default" else None)
    timeouts = {"argument": [0.02], "default": [], "negative": [-1], "now": [0]}

    def wait(is_first):
        if is_first:
            if how in ("negative", "now"):
                wait_until(lambda: barrier.n_waiting == 1)
            return outcome_of(barrier.wait, *timeouts[how])
        return outcome_of(barrier.wait)

    assert in_threads(wait, [[True], [False]]) == [BROKEN, BROKEN]
    assert barrier.broken is True


@both_kinds
def test_an_argument_goes_before_the_default_timeout(module, in_threads):
    barrier = module.Barrier(2, timeout=0)
    assert sorted(in_threads(barrier.wait, [[20], [20]])) == [0, 1]


@both_kinds
def test_abort_and_reset(module, in_threads):
    barrier = module.Barrier(2)
    assert barrier.abort() is None
    assert barrier.broken is True
    assert outcome_of(barrier.wait) == BROKEN
    assert barrier.reset() is None
    assert barrier.broken is False
    assert sorted(in_threads(barrier.wait, [[], []])) == [0, 1]


@both_kinds
@pytest.mark.parametrize("name", ["abort", "reset"])
def test_abort_or_reset_while_some_wait(module, name, in_threads):
    barrier = module.Barrier(3)

    def wait_or_end(waits):
        if waits:
            return outcome_of(barrier.wait)
        wait_until(lambda: barrier.n_waiting == 2)
        return getattr(barrier, name)()

    assert in_threads(wait_or_end, [[1], [1], [0]]) == [BROKEN, BROKEN, None]
    assert barrier.broken is (name == "abort")
    barrier.reset()
    assert sorted(in_threads(barrier.wait, [[]] * 3)) == [0, 1, 2]


@both_kinds
def test_who_comes_during_the_action_is_of_the_next_round(module, in_threads):
    begun, may_end = module.Event(), module.Event()
    rounds = []

    def act():
        rounds.append(None)
        if len(rounds) == 1:
            begun.set()
            may_end.wait()

    barrier = module.Barrier(2, act)

    def wait(number):
        if number < 2:
            return barrier.wait()
        begun.wait()
        if number == 2:
            may_end.set()
        return barrier.wait(20)

    found = in_threads(wait, [[number] for number in range(4)])
    assert sorted(found[:2]) == sorted(found[2:]) == [0, 1]
    assert len(rounds) == 2


@both_kinds
def test_no_time_is_up_while_the_action_runs(module, in_threads):
    begun, never = module.Event(), module.Event()

    def act():
        begun.set()
        never.wait(0.1)  # meanwhile the other's time passes

    barrier = module.Barrier(2, act)

    def wait(is_first):
        if is_first:
            return outcome_of(barrier.wait, 0.05)
        wait_until(lambda: barrier.n_waiting == 1 or barrier.broken)
        return outcome_of(barrier.wait)

    while not begun.is_set():  # unless it passed before the other came
        barrier.reset()
        found = in_threads(wait, [[True], [False]])
    assert found == [0, 1]
    assert barrier.broken is False


def test_a_reset_by_the_action_breaks_its_round(in_threads):
    # In threading this is a dead lock.
    barriers = []
    barrier = sync.Barrier(2, lambda: barriers[0].reset())
    barriers.append(barrier)
    assert in_threads(lambda: outcome_of(barrier.wait), [[], []]) == [BROKEN, BROKEN]
    assert barrier.broken is False


def test_the_error():
    assert issubclass(sync.BrokenBarrierError, coterie.CoterieError)
    assert issubclass(sync.BrokenBarrierError, threading.BrokenBarrierError)
    with pytest.raises(sync.BrokenBarrierError):
        raise pickle.loads(pickle.dumps(sync.BrokenBarrierError("spam!")))


# ---- between interpreters ----------------------------------------------------


def meet(barrier, times):
    return [barrier.wait() for _ in range(times)]


@while_peer_waits
def test_all_meet(peer):
    barrier = sync.Barrier(4)
    calls = [peer.start(meet, barrier, 200) for _ in range(3)]
    found = [meet(barrier, 200), *(call.result() for call in calls)]
    for numbers in zip(*found, strict=True):
        assert sorted(numbers) == [0, 1, 2, 3]


@while_peer_waits
def test_the_action_travels(peer):
    count = sync.AtomicInt()
    barrier = sync.Barrier(2, lambda: count.add(1))
    call = peer.start(meet, barrier, 100)
    meet(barrier, 100)
    call.result()
    assert count.get() == 100


def wait_as_last(barrier):
    while barrier.n_waiting == 0:
        pass
    return barrier.wait()


@while_peer_waits
def test_an_action_that_raises_on_the_other_side(peer):
    barrier = sync.Barrier(2, lambda: 1 / 0)
    call = peer.start(wait_as_last, barrier)
    assert outcome_of(barrier.wait) == BROKEN
    with pytest.raises(ZeroDivisionError):
        call.result()


@while_peer_waits
def test_the_error_travels(peer):
    barrier = sync.Barrier(2)
    call = peer.start(meet, barrier, 1)
    wait_until(lambda: barrier.n_waiting == 1)
    barrier.abort()
    with pytest.raises(sync.BrokenBarrierError):
        call.result()


def act_until_interrupted(started):
    started.put(None)
    while True:
        pass


# ---- who waits, or acts, is interrupted or ends ------------------------------


def test_an_interrupt_breaks_it_for_all(interp, in_threads):
    barrier = sync.Barrier(3)

    def wait_or_interrupt(part):
        if part == "wait":
            return outcome_of(barrier.wait)
        thread = interp.call_in_thread(meet, barrier, 1)
        wait_until(lambda: barrier.n_waiting == 2)
        assert interp.interrupt() is True
        return type(thread.exception().__cause__)

    found = in_threads(wait_or_interrupt, [["wait"], ["interrupt"]])
    assert found == [BROKEN, KeyboardInterrupt]
    assert barrier.broken is True
    barrier.reset()
    assert barrier.n_waiting == 0


def test_an_interrupt_in_the_action_breaks_it(interp, in_threads):
    started = coterie.Queue()
    barrier = sync.Barrier(2, lambda: act_until_interrupted(started))

    def wait_or_interrupt(part):
        if part == "wait":
            return outcome_of(barrier.wait)
        thread = interp.call_in_thread(wait_as_last, barrier)
        started.get()
        assert interp.interrupt() is True
        return type(thread.exception().__cause__)

    found = in_threads(wait_or_interrupt, [["wait"], ["interrupt"]])
    assert found == [BROKEN, KeyboardInterrupt]
    assert barrier.broken is True


@pytest.mark.parametrize("part", ["waits", "acts"])
def test_an_interpreter_that_is_closed_meanwhile(part, interp, in_threads):
    started = coterie.Queue()
    barrier = sync.Barrier(3 if part == "waits" else 2,
                           lambda: act_until_interrupted(started))  # fmt: skip

    def wait_or_close(closes):
        if not closes:
            return outcome_of(barrier.wait)
        if part == "waits":
            thread = interp.call_in_thread(meet, barrier, 1)
            wait_until(lambda: barrier.n_waiting == 2)
        else:
            thread = interp.call_in_thread(wait_as_last, barrier)
            started.get()
        with pytest.raises(interpreters.InterpreterError):
            interp.close()
        interp.interrupt()
        assert thread.exception() is not None
        return interp.close()

    assert in_threads(wait_or_close, [[0], [1]]) == [BROKEN, None]
    assert barrier.broken is True


def test_workers_that_wait_end_with_their_pool(run_script):
    ended = run_script(
        """
        import coterie, threading
        from coterie import sync
        barrier = sync.Barrier(3)
        pool = coterie.Executor(1, exit_grace=0)
        call = pool.submit(barrier.wait)
        while barrier.n_waiting == 0:
            pass
        def wait():
            try:
                barrier.wait()
            except sync.BrokenBarrierError:
                print("broken", flush=True)
        threading.Thread(target=wait).start()
        while barrier.n_waiting == 1:
            pass
        """
    )
    assert (ended.rc, ended.lines) == (0, ["broken"]), ended.stderr


def test_ctrl_c_leaves_the_wait_and_breaks_it(run_script):
    ended = run_script(
        """
        import coterie
        from child import signal_waiting_main
        from coterie import sync
        with coterie.Executor(2) as pool:
            barrier = sync.Barrier(3)
            call = pool.submit(barrier.wait)
            while barrier.n_waiting == 0:
                pass
            pool.submit(signal_waiting_main)
            try:
                barrier.wait()
            except KeyboardInterrupt:
                print("left")
            print(type(call.exception()).__name__, barrier.broken)
        """
    )
    assert (ended.rc, ended.lines) == (0, ["left", "BrokenBarrierError True"]), (
        ended.stderr
    )
