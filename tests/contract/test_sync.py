"""coterie.sync: the rules of threading, between threads and interpreters."""

import pickle
import threading
import weakref

import pytest

import coterie
from coterie import interpreters, sync

pytestmark = pytest.mark.timeout(60)

both_kinds = pytest.mark.parametrize("module", [sync, threading])
both_locks = pytest.mark.parametrize("name", ["Lock", "RLock"])
EVERYTHING = [
    sync.Lock,
    sync.RLock,
    sync.Condition,
    sync.Event,
    sync.Semaphore,
    sync.BoundedSemaphore,
    lambda: sync.Barrier(2),
    sync.RWLock,
    sync.Once,
    sync.AtomicInt,
    sync.AtomicFlag,
    sync.AtomicReference,
]
everything = pytest.mark.parametrize("create", EVERYTHING)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


# ---- Lock and RLock ----------------------------------------------------------


@both_kinds
@both_locks
def test_acquire_and_release(module, name):
    lock = getattr(module, name)()
    assert lock.acquire() is True
    assert repr(lock).startswith("<locked ")
    assert lock.release() is None
    assert repr(lock).startswith("<unlocked ")
    assert lock.acquire(blocking=True, timeout=0.5) is True
    lock.release()
    with lock as entered:
        assert entered is True
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    assert lock.acquire(False) is True
    lock.release()


@both_kinds
def test_a_lock_that_is_held(module):
    lock = module.Lock()
    assert not lock.locked()
    lock.acquire()
    assert lock.locked()
    assert lock.acquire(False) is False
    assert lock.acquire(blocking=False, timeout=-1) is False
    assert lock.acquire(timeout=0) is False
    assert lock.acquire(True, 0.01) is False


@both_kinds
@pytest.mark.parametrize(
    ("name", "message"),
    [("Lock", "release unlocked lock"), ("RLock", "cannot release un-acquired lock")],
)
def test_release_of_what_is_not_held(module, name, message):
    lock = getattr(module, name)()
    with pytest.raises(RuntimeError) as caught:
        lock.release()
    assert str(caught.value) == message


@both_kinds
@both_locks
@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((False, 1), ValueError, "can't specify a timeout for a non-blocking call"),
        ((True, -2), ValueError, "timeout value must be a non-negative number"),
        ((True, float("nan")), ValueError, "Invalid value NaN"),
        ((True, 1e20), OverflowError, ""),
        ((True, float("inf")), OverflowError, ""),
        ((True, "1"), TypeError, ""),
        ((1, 2, 3), TypeError, "at most 2 arguments"),
    ],
)
def test_arguments_that_are_refused(module, name, args, error, message):
    lock = getattr(module, name)()
    with pytest.raises(error) as caught:
        lock.acquire(*args)
    assert message in str(caught.value)
    assert lock.acquire(False)


@both_kinds
def test_an_rlock_is_acquired_again_by_its_owner(module, in_threads):
    lock = module.RLock()
    with lock, lock:
        assert lock.acquire(False)
        assert in_threads(lock.acquire, [[False], [True, 0.01]]) == [False] * 2
        with pytest.raises(RuntimeError):
            in_threads(lock.release, [[]])
        lock.release()
    assert in_threads(lock.acquire, [[False]]) == [True]


@both_kinds
def test_anyone_may_release_a_lock(module, in_threads):
    lock = module.Lock()
    lock.acquire()
    in_threads(lock.release, [[]])
    assert not lock.locked()


def test_a_timeout_of_none_is_for_ever():
    assert sync.Lock().acquire(timeout=None) is True


def take_and_tell(lock, queue):
    with lock:
        queue.put("held")
    return "released"


@while_peer_waits
@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_a_lock_is_waited_for(create, peer):
    lock, queue = create(), coterie.Queue()
    with lock:
        taking = peer.start(take_and_tell, lock, queue)
        with pytest.raises(coterie.queue.Empty):
            queue.get(timeout=0.02)
    assert queue.get() == "held"
    assert taking.result() == "released"


def count(lock, box, times):
    for _ in range(times):
        with lock:
            number = box.get()
            box.put(number + 1)


@while_peer_waits
@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_one_at_a_time(create, peer):
    lock, box = create(), coterie.Queue()
    box.put(0)
    calls = [peer.start(count, lock, box, 500) for _ in range(3)]
    count(lock, box, 500)
    for call in calls:
        call.result()
    assert box.get() == 2000
    assert not lock.locked()


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_the_owner_is_interpreter_and_thread(create, interp):
    lock = create()
    with lock:
        # Same thread, other interpreter.
        assert interp.call(lock.acquire, False) is False
        if create is sync.RLock:
            with pytest.raises(interpreters.ExecutionFailed, match="un-acquired"):
                interp.call(lock.release)
    assert interp.call(lock.acquire, False) is True
    assert lock.acquire(False) is False


# ---- Event -------------------------------------------------------------------


@both_kinds
def test_an_event(module):
    event = module.Event()
    assert event.is_set() is False
    assert repr(event).endswith(": unset>")
    assert event.wait(0) is False
    assert event.wait(timeout=0.01) is False
    assert event.wait(-1) is False
    event.set()
    event.set()
    assert event.is_set() is True
    assert repr(event).endswith(": set>")
    assert event.wait() is True
    assert event.wait(0) is True
    event.clear()
    assert event.is_set() is False


def tell_and_wait(event, entered):
    entered.put(None)
    return event.wait()


@while_peer_waits
def test_an_event_is_waited_for(peer):
    event, entered = sync.Event(), coterie.Queue()
    waits = [peer.start(tell_and_wait, event, entered) for _ in range(3)]
    for _ in waits:
        entered.get()
    event.set()
    assert [wait.result() for wait in waits] == [True] * 3


def test_an_event_is_set_elsewhere(peer):
    event = sync.Event()
    peer(event.set)
    assert event.wait()


def test_an_interrupt_leaves_the_wait_for_an_event(interp):
    event, entered = sync.Event(), coterie.Queue()
    thread = interp.call_in_thread(tell_and_wait, event, entered)
    entered.get()
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    event.set()
    assert interp.call(event.wait) is True


# ---- Semaphore and BoundedSemaphore ------------------------------------------

both_semaphores = pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])


@both_kinds
@both_semaphores
def test_a_semaphore(module, name):
    semaphore = getattr(module, name)(2)
    assert semaphore.acquire() is True
    with semaphore as entered:
        assert entered is True
        assert semaphore.acquire(False) is False
        assert semaphore.acquire(timeout=0.01) is False
        assert semaphore.acquire(True, -1) is False
    assert semaphore.acquire(blocking=False) is True
    assert semaphore.release(2) is None
    assert getattr(module, name)(value=0).acquire(False) is False
    assert getattr(module, name)().acquire(False) is True


@both_kinds
@both_semaphores
def test_what_semaphores_refuse(module, name):
    cls = getattr(module, name)
    with pytest.raises(ValueError, match="^semaphore initial value must be >= 0$"):
        cls(-1)
    semaphore = cls(1)
    with pytest.raises(ValueError, match="^can't specify timeout for non-blocking"):
        semaphore.acquire(False, 1)
    for n in (0, -1):
        with pytest.raises(ValueError, match="^n must be one or more$"):
            semaphore.release(n)
    assert semaphore.acquire(False) is True
    assert semaphore.acquire(False) is False


@both_kinds
def test_a_semaphore_goes_as_high_as_one_likes(module):
    semaphore = module.Semaphore(0)
    semaphore.release(3)
    assert [semaphore.acquire(False) for _ in range(4)] == [True] * 3 + [False]


@both_kinds
def test_a_bounded_semaphore_does_not(module):
    semaphore = module.BoundedSemaphore(2)
    assert repr(semaphore).endswith(": value=2/2>")
    semaphore.acquire()
    with pytest.raises(ValueError, match="^Semaphore released too many times$"):
        semaphore.release(2)
    semaphore.release()
    with pytest.raises(ValueError, match="^Semaphore released too many times$"):
        semaphore.release()


def tell_and_count_down(semaphore, entered, times):
    entered.put(None)
    for _ in range(times):
        semaphore.acquire()


@while_peer_waits
def test_a_semaphore_is_waited_for(peer):
    semaphore, entered = sync.Semaphore(0), coterie.Queue()
    waits = [peer.start(tell_and_count_down, semaphore, entered, 100) for _ in range(3)]
    for _ in waits:
        entered.get()
    for _ in range(100):
        semaphore.release(3)
    for wait in waits:
        wait.result()
    assert semaphore.acquire(False) is False


def test_an_interrupt_takes_nothing_from_a_semaphore(interp):
    semaphore, entered = sync.Semaphore(0), coterie.Queue()
    thread = interp.call_in_thread(tell_and_count_down, semaphore, entered, 1)
    entered.get()
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    semaphore.release()
    assert interp.call(semaphore.acquire, False) is True


# ---- Condition ---------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("name", ["", "Lock", "RLock"])
def test_a_condition_has_a_lock(module, name):
    lock = getattr(module, name)() if name else None
    condition = module.Condition(lock)
    with condition as entered:
        assert entered is True
        assert condition.acquire(False) is (name != "Lock")
        assert condition.wait(0) is False
        assert condition.wait(timeout=0.01) is False
        assert condition.notify() is None
        assert condition.notify(n=3) is None
        assert condition.notify_all() is None
        if name == "Lock":
            assert lock.acquire(False) is False
        else:
            condition.release()
    with pytest.raises(RuntimeError):
        condition.release()
    if lock is not None:
        assert lock.acquire(False) is True


@both_kinds
def test_a_condition_wants_its_lock_held(module):
    condition = module.Condition()
    with pytest.raises(RuntimeError, match="^cannot wait on un-acquired lock$"):
        condition.wait()
    for notify in (condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError, match="^cannot notify on un-acquired lock$"):
            notify()


@both_kinds
def test_wait_for(module):
    condition = module.Condition()
    answers = iter([0, "", "spam!"])
    with condition:
        assert condition.wait_for(lambda: "at once", timeout=0) == "at once"
        assert condition.wait_for(list, timeout=0.01) == []
        assert condition.wait_for(list, -1) == []
        assert condition.wait_for(lambda: next(answers), 0.001) in ("", "spam!")
        with pytest.raises(ZeroDivisionError):
            condition.wait_for(lambda: 1 / 0)


@both_kinds
def test_a_wait_lets_go_of_a_recursive_lock_all_the_way(module, in_threads):
    condition = module.Condition()
    waits = threading.Event()

    def wait_or_notify(notifies):
        if notifies:
            waits.wait()
            with condition:
                condition.notify()
            return True
        with condition, condition:
            waits.set()
            notified = condition.wait()
            condition.release()
            condition.acquire()
        return notified

    assert in_threads(wait_or_notify, [[False], [True]]) == [True, True]
    assert condition.acquire(False)


def test_a_condition_with_what_is_not_ours():
    with pytest.raises(TypeError, match="must be a coterie.sync.Lock or RLock"):
        sync.Condition(threading.Lock())


def wait_for_turn(condition, entered):
    with condition:
        entered.put(None)
        return condition.wait()


@while_peer_waits
def test_a_condition_is_waited_for(peer):
    condition, entered = sync.Condition(), coterie.Queue()
    waits = [peer.start(wait_for_turn, condition, entered) for _ in range(3)]
    for _ in waits:
        entered.get()
    with condition:  # all wait, since the lock is free
        condition.notify(2)
    while sum(wait.done() for wait in waits) < 2:
        pass
    assert sum(wait.done() for wait in waits) == 2
    with condition:
        condition.notify_all()
    assert [wait.result() for wait in waits] == [True] * 3


def test_an_interrupt_leaves_the_wait_for_a_condition(interp):
    condition, entered = sync.Condition(), coterie.Queue()
    thread = interp.call_in_thread(wait_for_turn, condition, entered)
    entered.get()
    with condition:
        pass
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert repr(condition).endswith(": unlocked, 0>")
    assert condition.acquire(False)


def test_the_owner_of_a_conditions_lock_ends(interp, in_threads):
    condition, entered = sync.Condition(), coterie.Queue()

    def wait_or_close(closes):
        if closes:
            entered.get()
            interp.call(condition.acquire)
            interp.call(condition.notify)
            return interp.close()
        with condition:
            entered.put(None)
            with pytest.raises(sync.OwnerDied):
                condition.wait()
            # It holds the lock nevertheless.
            return condition.notify()

    assert in_threads(wait_or_close, [[False], [True]]) == [None, None]
    assert condition.acquire(False)


# ---- the owner ends ----------------------------------------------------------


@pytest.mark.parametrize("enter", [False, True])
@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_an_owner_that_ends_breaks_the_lock(create, enter, interp):
    lock, free_one = create(), create()
    interp.call(lock.acquire)
    interp.call(free_one.acquire)
    interp.call(free_one.release)
    assert lock.acquire(False) is False
    interp.close()
    with pytest.raises(sync.OwnerDied):
        lock.__enter__() if enter else lock.acquire()
    assert not lock.locked()
    assert lock.acquire(False) is True
    assert free_one.acquire(False) is True


def test_who_waits_is_told_of_the_owners_end(interp, in_threads):
    lock, entered = sync.Lock(), coterie.Queue()
    interp.call(lock.acquire)

    def wait(closes):
        if closes:
            for _ in range(3):
                entered.get()
            return interp.close()
        entered.put(None)
        try:
            with lock:
                return "held"
        except sync.OwnerDied:
            return "died"

    assert sorted(in_threads(wait, [[0], [0], [0], [1]])[:3]) == [
        "died", "held", "held",
    ]  # fmt: skip


def test_a_worker_that_ends_breaks_the_lock():
    lock = sync.Lock()
    with coterie.Executor(1) as pool:
        assert pool.submit(lock.acquire).result()
        assert not lock.acquire(False)
    with pytest.raises(sync.OwnerDied), lock:
        pass
    with lock:
        pass


def acquire_and_spin(lock, held):
    lock.acquire()
    held.put(None)
    while True:
        pass


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_an_interrupted_owner_keeps_the_lock_until_it_ends(create, interp):
    lock, held = create(), coterie.Queue()
    thread = interp.call_in_thread(acquire_and_spin, lock, held)
    held.get()
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert lock.acquire(False) is False
    interp.close()
    with pytest.raises(sync.OwnerDied):
        lock.acquire()
    assert lock.acquire(False) is True


def hold_and_spin(lock, held):
    with lock:
        held.put(None)
        while True:
            pass


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_an_interrupt_inside_with_releases_the_lock(create, interp):
    lock, held = create(), coterie.Queue()
    thread = interp.call_in_thread(hold_and_spin, lock, held)
    held.get()
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    interp.close()
    assert lock.acquire(False) is True


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_a_waiter_that_ends_breaks_nothing(create, interp):
    lock, entered = create(), coterie.Queue()
    with lock:
        thread = interp.call_in_thread(tell_and_acquire, lock, entered)
        entered.get()
        with pytest.raises(interpreters.InterpreterError):
            interp.close()
        interp.interrupt()
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
        interp.close()
    assert lock.acquire(False) is True


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_a_waiter_is_interrupted_and_then_the_owner_ends(create, interp):
    lock, entered = create(), coterie.Queue()
    with interpreters.create() as owner:
        owner.call(lock.acquire)
        thread = interp.call_in_thread(tell_and_acquire, lock, entered)
        entered.get()
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    # The one who left is not the one who was told.
    with pytest.raises(sync.OwnerDied):
        lock.acquire()
    assert lock.acquire(False) is True


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_a_call_that_is_interrupted_with_its_pool(create):
    lock, held = create(), coterie.Queue()
    pool = coterie.Executor(1, exit_grace=0)
    call = pool.submit(acquire_and_spin, lock, held)
    held.get()
    pool._interrupt(False)
    pool.shutdown()
    assert call.done()
    with pytest.raises(sync.OwnerDied):
        lock.acquire(timeout=20)
    assert lock.acquire(False) is True


def test_owner_died_is_an_error_of_ours():
    assert issubclass(sync.OwnerDied, coterie.CoterieError)
    assert issubclass(sync.OwnerDied, RuntimeError)
    with pytest.raises(sync.OwnerDied):
        raise pickle.loads(pickle.dumps(sync.OwnerDied("spam!")))


# ---- a wait that is left -----------------------------------------------------


def tell_and_acquire(lock, entered):
    entered.put(None)
    lock.acquire()


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock])
def test_an_interrupt_leaves_no_waiter_behind(create, interp):
    lock, entered = create(), coterie.Queue()
    with lock:
        thread = interp.call_in_thread(tell_and_acquire, lock, entered)
        entered.get()
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert lock.acquire(False) is True
    lock.release()
    assert interp.call(lock.acquire, False) is True


def test_ctrl_c_leaves_an_acquire(run_script):
    ended = run_script(
        """
        import coterie
        from child import signal_waiting_main
        from coterie import sync
        with coterie.Executor(1) as pool:
            lock = sync.Lock()
            lock.acquire()
            pool.submit(signal_waiting_main)
            try:
                lock.acquire()
            except KeyboardInterrupt:
                print("left")
            lock.release()
            print(lock.acquire(False))
        """
    )
    assert (ended.rc, ended.lines) == (0, ["left", "True"]), ended.stderr


@pytest.mark.parametrize(
    ("it", "wait", "then"),
    [
        ("RLock()", "it.acquire()", "it.release()"),
        ("Condition()", "it.wait_for(int)", "it.notify()"),
        ("Condition(sync.Lock())", "it.wait()", "it.notify()"),
        ("Semaphore(0)", "it.acquire()", "it.release()"),
        ("BoundedSemaphore(1)", "it.acquire()", "it.release()"),
        ("Event()", "it.wait()", "it.set()"),
    ],
)
def test_ctrl_c_leaves_each_wait(it, wait, then, run_script):
    ended = run_script(
        """
        import coterie, sys
        from child import signal_waiting_main
        from coterie import sync

        def prepare(it):
            if isinstance(it, (sync.RLock, sync.BoundedSemaphore)):
                it.acquire()

        def call(it, then):
            if not isinstance(it, sync.Condition):
                exec(then)

        with coterie.Executor(1) as pool:
            it = eval("sync." + sys.argv[1])
            pool.submit(prepare, it).result()
            if isinstance(it, sync.Condition):
                it.acquire()
            pool.submit(signal_waiting_main)
            try:
                exec(sys.argv[2])
            except KeyboardInterrupt:
                print("left")
            if isinstance(it, sync.Condition):
                exec(sys.argv[3])  # it is held still
                it.release()
                print(it.acquire(False))
            else:
                pool.submit(call, it, sys.argv[3]).result()
                print(it.wait(0) if hasattr(it, "wait") else it.acquire(False))
        """,
        it,
        wait,
        then,
    )
    assert (ended.rc, ended.lines) == (0, ["left", "True"]), ended.stderr


def test_a_signal_handler_runs_while_a_lock_is_waited_for(run_script):
    ended = run_script(
        """
        import coterie, signal
        from child import signal_waiting_main
        from coterie import sync
        lock = sync.Lock()
        lock.acquire()
        signal.signal(signal.SIGUSR1, lambda *_: lock.release())
        with coterie.Executor(1) as pool:
            pool.submit(signal_waiting_main, signal.SIGUSR1)
            print(lock.acquire())
        """
    )
    assert (ended.rc, ended.lines) == (0, ["True"]), ended.stderr


# ---- all of them -------------------------------------------------------------


def are_same(one, other):
    return one is other and one == other


def echo(obj):
    return obj


@everything
def test_it_is_the_same_on_the_other_side(create, peer):
    it, other = create(), create()
    assert peer(are_same, it, it) is True
    assert peer(are_same, it, other) is False
    assert peer(echo, [it])[0] is it
    assert peer(hash, it) == hash(it)
    assert it != other
    assert len({it, other, it}) == 2


@everything
def test_weak_references(create):
    it = create()
    reference = weakref.ref(it)
    assert reference() is it
    del it
    assert reference() is None


@everything
def test_it_is_not_pickled(create):
    with pytest.raises(TypeError, match="this process only"):
        pickle.dumps(create())


@everything
def test_no_subclasses(create):
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (type(create()),), {})
