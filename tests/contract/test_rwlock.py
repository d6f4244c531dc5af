"""coterie.sync.RWLock: many readers or one writer, of any interpreters."""

import pickle
import threading

import pytest

import coterie
from coterie import interpreters, sync

pytestmark = pytest.mark.timeout(60)

both_sides = pytest.mark.parametrize("side", ["read", "write"])
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def acquire(lock, side, *args):
    return getattr(lock, f"acquire_{side}")(*args)


def release(lock, side):
    return getattr(lock, f"release_{side}")()


def hold(lock, side):
    return getattr(lock, side)()


# ---- holding it --------------------------------------------------------------


def test_readers_or_a_writer():
    lock = sync.RWLock()
    assert lock.acquire_read() is True
    assert lock.acquire_read(blocking=True, timeout=1) is True
    assert repr(lock).endswith(": readers=2>")
    assert lock.acquire_write(False) is False
    assert lock.acquire_write(timeout=0.01) is False
    assert lock.release_read() is None
    assert lock.release_read() is None
    assert lock.acquire_write() is True
    assert repr(lock).endswith(": writer>")
    assert lock.acquire_read(False) is False
    assert lock.acquire_write(False) is False
    assert lock.release_write() is None
    assert lock.acquire_read(timeout=None) is True


def test_context_managers():
    lock = sync.RWLock()
    with lock.read() as one, lock.read() as other:
        assert one is other is True
        assert lock.acquire_write(False) is False
    with lock.write() as entered:
        assert entered is True
        assert lock.acquire_read(False) is False
    with pytest.raises(ZeroDivisionError), lock.write():
        _ = 1 / 0
    holding = lock.read()
    for _ in range(2):
        with holding:
            pass
    assert lock.acquire_write(False) is True
    with pytest.raises(TypeError):
        type(holding)()
    with pytest.raises(TypeError):
        pickle.dumps(holding)


@both_sides
def test_release_of_what_is_not_held(side, in_threads):
    lock = sync.RWLock()
    with pytest.raises(RuntimeError) as caught:
        release(lock, side)
    assert str(caught.value) == f"cannot release un-acquired {side} lock"
    with hold(lock, "read" if side == "write" else "write"):
        with pytest.raises(RuntimeError, match=f"un-acquired {side} lock"):
            release(lock, side)
    with lock.write():
        with pytest.raises(RuntimeError, match="un-acquired write lock"):
            in_threads(lock.release_write, [[]])
    assert lock.acquire_write(False) is True


@both_sides
@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((False, 1), ValueError, "can't specify a timeout for a non-blocking call"),
        ((True, -2), ValueError, "timeout value must be a non-negative number"),
        ((True, float("nan")), ValueError, "Invalid value NaN"),
        ((True, 1e20), OverflowError, ""),
        ((True, "1"), TypeError, ""),
        ((1, 2, 3), TypeError, "at most 2 arguments"),
    ],
)
def test_arguments_that_are_refused(side, args, error, message):
    lock = sync.RWLock()
    with pytest.raises(error) as caught:
        acquire(lock, side, *args)
    assert message in str(caught.value)
    assert acquire(lock, side, False) is True
    with pytest.raises(TypeError):
        sync.RWLock(1)


@both_sides
def test_a_thread_that_would_wait_for_itself(side, interp):
    lock = sync.RWLock()
    with lock.write():
        with pytest.raises(RuntimeError, match="it would wait for itself"):
            acquire(lock, side)
        with pytest.raises(RuntimeError, match="it would wait for itself"):
            acquire(lock, side, True, 1)
        # The same thread, in another interpreter.
        with pytest.raises(interpreters.ExecutionFailed, match="wait for itself"):
            interp.call(acquire, lock, side)
        assert acquire(lock, side, False) is False
    assert lock.acquire_write(False) is True


# ---- waiting for it ----------------------------------------------------------


def hold_and_tell(lock, side, queue):
    queue.put("comes")
    with getattr(lock, side)():
        queue.put("held")
    return "released"


@while_peer_waits
@both_sides
@pytest.mark.parametrize("held", ["read", "write"])
def test_it_is_waited_for(held, side, peer):
    lock, queue = sync.RWLock(), coterie.Queue()
    with hold(lock, held):
        waits = peer.start(hold_and_tell, lock, side, queue)
        assert queue.get() == "comes"
        if held == side == "read":
            assert queue.get() == "held"
        else:
            with pytest.raises(coterie.queue.Empty):
                queue.get(timeout=0.02)
    assert waits.result() == "released"
    assert lock.acquire_write(False) is True


def hold_until(lock, side, order, may_release):
    with getattr(lock, side)():
        order.put(side)
        may_release.wait()


def readers_wait(lock):
    """Whether a writer waits, so that a reader would."""
    if lock.acquire_read(False):
        lock.release_read()
        return False
    return True


@while_peer_waits
def test_a_writer_goes_before_readers_who_come_later(peer):
    lock, order, go = sync.RWLock(), coterie.Queue(), sync.Event()
    go.set()
    with lock.read():
        writer = peer.start(hold_until, lock, "write", order, go)
        while not readers_wait(lock):
            pass
        reader = peer.start(hold_until, lock, "read", order, go)
        with pytest.raises(coterie.queue.Empty):
            order.get(timeout=0.02)
    assert [order.get(), order.get()] == ["write", "read"]
    writer.result()
    reader.result()


def write_often(lock, stop):
    count = 0
    while not stop.is_set():
        with lock.write():
            count += 1
    return count


def read_often(lock, stop):
    count = 0
    while not stop.is_set():
        with lock.read():
            count += 1
    return count


@while_peer_waits
@pytest.mark.parametrize("others", [write_often, read_often])
def test_nobody_waits_for_ever(others, peer):
    lock, stop = sync.RWLock(), sync.Event()
    calls = [peer.start(others, lock, stop) for _ in range(3)]
    for _ in range(20):
        with lock.read():
            pass
        with lock.write():
            pass
    stop.set()
    for call in calls:
        call.result()


def change(lock, one, other, times):
    for number in range(times):
        if number % 3 == 0:
            with lock.write():
                one.put(one.get() + 1)
                other.put(other.get() + 1)
        else:
            with lock.read():
                # Nobody is between the two.
                assert one.qsize() == other.qsize() == 1
    return times


@while_peer_waits
def test_one_writes_while_nobody_reads(peer):
    lock, one, other = sync.RWLock(), coterie.Queue(), coterie.Queue()
    one.put(0)
    other.put(0)
    calls = [peer.start(change, lock, one, other, 300) for _ in range(3)]
    change(lock, one, other, 300)
    for call in calls:
        call.result()
    assert one.get() == other.get() == 400
    assert lock.acquire_write(False) is True


# ---- interrupts --------------------------------------------------------------


def tell_and_acquire(lock, side, entered):
    entered.put(None)
    getattr(lock, f"acquire_{side}")()


@both_sides
def test_an_interrupt_leaves_no_waiter_behind(side, interp):
    lock, entered = sync.RWLock(), coterie.Queue()
    with lock.write():
        thread = interp.call_in_thread(tell_and_acquire, lock, side, entered)
        entered.get()
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert lock.acquire_read(False) is True
    lock.release_read()
    assert lock.acquire_write(False) is True


def test_a_writer_that_is_interrupted_lets_readers_in(interp):
    lock = sync.RWLock()
    with lock.read():
        thread = interp.call_in_thread(lock.acquire_write)
        while not readers_wait(lock):
            pass
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
        assert lock.acquire_read(False) is True


@both_sides
def test_ctrl_c_leaves_the_wait(side, run_script):
    ended = run_script(
        """
        import coterie, sys
        from child import signal_waiting_main
        from coterie import sync
        with coterie.Executor(1) as pool:
            lock = sync.RWLock()
            pool.submit(lock.acquire_write).result()
            pool.submit(signal_waiting_main)
            try:
                getattr(lock, f"acquire_{sys.argv[1]}")()
            except KeyboardInterrupt:
                print("left")
            pool.submit(lock.release_write).result()
            print(lock.acquire_write(False))
        """,
        side,
    )
    assert (ended.rc, ended.lines) == (0, ["left", "True"]), ended.stderr


# ---- the owner ends ----------------------------------------------------------


@both_sides
@pytest.mark.parametrize("enter", [False, True])
def test_a_writer_that_ends_breaks_the_lock(enter, side, interp):
    lock = sync.RWLock()
    interp.call(lock.acquire_write)
    assert acquire(lock, side, False) is False
    interp.close()
    with pytest.raises(sync.OwnerDied):
        hold(lock, side).__enter__() if enter else acquire(lock, side)
    with pytest.raises(RuntimeError):
        release(lock, side)
    assert lock.acquire_write(False) is True


def test_readers_that_end_only_let_go(interp):
    lock = sync.RWLock()
    interp.call(lock.acquire_read)
    interp.call(lock.acquire_read)
    lock.acquire_read()
    interp.close()
    assert repr(lock).endswith(": readers=1>")
    lock.release_read()
    with pytest.raises(RuntimeError):
        lock.release_read()
    assert lock.acquire_write(False) is True


def test_a_writer_that_waits_for_a_reader_that_ends(interp, in_threads):
    lock = sync.RWLock()
    interp.call(lock.acquire_read)

    def write_or_close(writes):
        if writes:
            return lock.acquire_write()
        while not readers_wait(lock):
            pass
        return interp.close()

    assert in_threads(write_or_close, [[1], [0]]) == [True, None]


def test_one_of_those_who_wait_is_told(interp, in_threads):
    lock, entered = sync.RWLock(), coterie.Queue()
    interp.call(lock.acquire_write)

    def wait(side):
        if side == "close":
            for _ in range(4):
                entered.get()
            return interp.close()
        entered.put(None)
        try:
            with hold(lock, side):
                return "held"
        except sync.OwnerDied:
            return "died"

    sides = [["read"], ["read"], ["write"], ["write"], ["close"]]
    found = in_threads(wait, sides)
    assert sorted(found[:4]) == ["died", "held", "held", "held"]


def hold_and_spin(lock, side, held):
    with getattr(lock, side)():
        held.put(None)
        while True:
            pass


@both_sides
def test_an_interrupted_holder_lets_go_by_itself(side, interp):
    lock, held = sync.RWLock(), coterie.Queue()
    thread = interp.call_in_thread(hold_and_spin, lock, side, held)
    held.get()
    assert lock.acquire_write(False) is False
    interp.interrupt()
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert lock.acquire_write(False) is True


@both_sides
def test_a_worker_that_ends(side):
    lock = sync.RWLock()
    with coterie.Executor(1) as pool:
        assert pool.submit(acquire, lock, side).result()
        assert lock.acquire_write(False) is False
    if side == "write":
        with pytest.raises(sync.OwnerDied):
            lock.acquire_read(False)
    assert lock.acquire_write(False) is True


def test_a_thread_that_ends_breaks_nothing():
    lock = sync.RWLock()
    thread = threading.Thread(target=lock.acquire_write)
    thread.start()
    thread.join()
    assert lock.acquire_read(False) is False
