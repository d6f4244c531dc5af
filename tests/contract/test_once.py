"""coterie.sync.Once: one time in the process, whichever interpreter comes first."""

import threading

import pytest

import coterie
from coterie import interpreters, sync

pytestmark = pytest.mark.timeout(60)

both_ways = pytest.mark.parametrize("way", ["call", "get", "()"])
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def method(once, way):
    return once if way == "()" else getattr(once, way)


# ---- one time ----------------------------------------------------------------


@both_ways
def test_one_time(way):
    once, calls = sync.Once(), []
    assert once.done is False
    assert repr(once).endswith(": not done>")
    for number in range(3):
        found = method(once, way)(calls.append, number)
        assert found is None
        assert once.done is True
    assert calls == [0]
    assert repr(once).endswith(": done>")


def test_get_gives_the_one_value():
    once = sync.Once()
    value = once.get(lambda *args: [*args], 1, 2)
    assert value == [1, 2]
    assert once.get(lambda: 1 / 0) is value
    once.call(lambda: 1 / 0)


def test_get_after_call():
    once = sync.Once()
    once.call(lambda: 1)
    with pytest.raises(RuntimeError, match="done by call"):
        once.get(lambda: 1)


@both_ways
def test_a_failure_lets_the_next_one_try(way):
    once, calls = sync.Once(), []

    def fail():
        calls.append(None)
        if len(calls) < 3:
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            method(once, way)(fail)
        assert once.done is False
    for _ in range(2):
        method(once, way)(fail)
        assert once.done is True
    assert len(calls) == 3


@both_ways
def test_a_recursive_call(way, interp):
    once, errors = sync.Once(), []

    def again():
        for function in (once.call, once.get):
            with pytest.raises(RuntimeError, match="it would wait for itself"):
                function(again, timeout=1)
            errors.append(None)
        # The same thread, in another interpreter.
        with pytest.raises(interpreters.ExecutionFailed, match="wait for itself"):
            interp.call(once.call, int)
        assert repr(once).endswith(": running>")

    method(once, way)(again)
    assert len(errors) == 2
    assert once.done is True


@both_ways
@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing required argument: 'f'"),
        ((3,), {}, "f must be callable, not int"),
        ((print,), {"end": ""}, "unexpected keyword argument 'end'"),
        ((print,), {"timeout": "1"}, "timeout must be None or a number of seconds"),
    ],
)
def test_arguments_that_are_refused(way, args, kwargs, message):
    once = sync.Once()
    with pytest.raises(TypeError, match=message):
        method(once, way)(*args, **kwargs)
    assert once.done is False
    method(once, way)(int)


def test_a_value_that_cannot_be_sent():
    once = sync.Once()
    with pytest.raises(coterie.NotShareableError, match="value not shareable"):
        once.get(threading.Lock)
    assert once.done is False
    once.call(threading.Lock)
    assert once.done is True


# ---- between threads and interpreters ----------------------------------------


def count_up(count):
    return count.add(1)


def get_often(once, count):
    return {once.get(count_up, count) for _ in range(100)}


@while_peer_waits
def test_one_time_for_all(peer):
    for _ in range(20):
        once, count = sync.Once(), sync.AtomicInt(4)
        calls = [peer.start(get_often, once, count) for _ in range(3)]
        assert get_often(once, count) == {5}
        assert [call.result() for call in calls] == [{5}] * 3
        assert count.get() == 5


def make(tag):
    return {"tag": [tag]}


def get_twice(once, tag):
    one, other = once.get(make, tag), once.get(make, tag)
    return one is other, one


def test_each_interpreter_has_the_value_once(peer):
    once = sync.Once()
    assert peer(get_twice, once, "theirs") == (True, {"tag": ["theirs"]})
    assert get_twice(once, "ours") == (True, {"tag": ["theirs"]})
    assert peer(get_twice, once, "again") == (True, {"tag": ["theirs"]})


def tell_and_wait(begun, may_end):
    begun.set()
    may_end.wait()
    return "value"


@while_peer_waits
@both_ways
def test_others_wait_until_it_is_over(way, peer):
    once, begun, may_end = sync.Once(), sync.Event(), sync.Event()
    call = peer.start(once.get, tell_and_wait, begun, may_end)
    begun.wait()
    with pytest.raises(TimeoutError):
        method(once, way)(make, timeout=0.01)
    with pytest.raises(TimeoutError):
        method(once, way)(make, timeout=0)
    may_end.set()
    assert method(once, way)(make) == ("value" if way == "get" else None)
    assert call.result() == "value"


def tell_and_fail(begun, may_end):
    begun.set()
    may_end.wait()
    raise ZeroDivisionError


@while_peer_waits
def test_who_waits_tries_after_a_failure(peer, in_threads):
    once, begun, may_end = sync.Once(), sync.Event(), sync.Event()
    call = peer.start(once.call, tell_and_fail, begun, may_end)
    begun.wait()

    def wait_or_let(waits):
        if waits:
            return once.get(make, "ours")
        return may_end.set()

    assert in_threads(wait_or_let, [[1], [0]])[0] == {"tag": ["ours"]}
    with pytest.raises(ZeroDivisionError):
        call.result()


# ---- interrupts and ends -----------------------------------------------------


def tell_and_spin(begun):
    begun.put(None)
    while True:
        pass


def test_an_interrupt_in_the_middle(interp):
    once, begun = sync.Once(), coterie.Queue()
    thread = interp.call_in_thread(once.call, tell_and_spin, begun)
    begun.get()
    assert interp.interrupt() is True
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert once.get(make, 1) == {"tag": [1]}


def tell_and_call(once, begun):
    begun.put(None)
    once.call(int)


def test_an_interrupt_while_it_waits(interp):
    once, begun = sync.Once(), coterie.Queue()

    def interrupt():
        thread = interp.call_in_thread(tell_and_call, once, begun)
        begun.get()
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)

    once.call(interrupt)
    assert once.done is True


def test_a_worker_that_ends_in_the_middle(in_threads):
    once, begun = sync.Once(), coterie.Queue()
    pool = coterie.Executor(1, exit_grace=0)
    call = pool.submit(once.call, tell_and_spin, begun)
    begun.get()

    def wait_or_end(waits):
        if waits:
            return once.get(make, 1)
        pool._interrupt(False)
        pool.shutdown()
        return None

    assert in_threads(wait_or_end, [[1], [0]]) == [{"tag": [1]}, None]
    assert call.done()


def test_ctrl_c_leaves_the_wait(run_script):
    ended = run_script(
        """
        import coterie
        from child import signal_waiting_main
        from coterie import sync

        def wait(begun, may_end):
            begun.set()
            may_end.wait()

        with coterie.Executor(2) as pool:
            once, begun, may_end = sync.Once(), sync.Event(), sync.Event()
            call = pool.submit(once.call, wait, begun, may_end)
            begun.wait()
            pool.submit(signal_waiting_main)
            try:
                once.call(int)
            except KeyboardInterrupt:
                print("left")
            may_end.set()
            call.result()
            print(once.done)
        """
    )
    assert (ended.rc, ended.lines) == (0, ["left", "True"]), ended.stderr
