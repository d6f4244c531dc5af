"""coterie.select and merge: between threads and interpreters."""

import collections
import concurrent.futures
import gc
import random
import threading
import weakref

import pytest

import coterie
from coterie import interpreters, queue, sync
from coterie.interpreters import channels, queues

pytestmark = pytest.mark.timeout(60)

while_peer_acts = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


# ---- what is ready -----------------------------------------------------------


def test_what_there_is_is_received():
    full, empty = coterie.Queue(), coterie.Queue()
    full.put(3)
    assert coterie.select(empty, full) == (full, 3)
    assert full.empty()


@pytest.mark.parametrize(
    "kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue]
)
def test_every_kind_of_queue(kind):
    one = kind()
    sent = (one, 1)
    case, value = coterie.select(sent)
    assert case is sent
    assert value is None
    assert coterie.select(one) == (one, 1)


def test_a_put_waits_for_room():
    bounded, event = coterie.Queue(1), sync.Event()
    bounded.put(1)
    put = bounded, 2
    with pytest.raises(TimeoutError):
        coterie.select(put, event, timeout=0.01)
    assert bounded.get() == 1
    assert coterie.select(put, event)[0] is put
    assert bounded.get() == 2


@pytest.mark.parametrize(
    "create", [sync.Lock, sync.RLock, sync.Semaphore, sync.BoundedSemaphore]
)
def test_locks_are_acquired(create):
    lock = create()
    assert coterie.select(lock) == (lock, True)
    if create is not sync.RLock:
        assert not lock.acquire(blocking=False)
    lock.release()
    assert lock.acquire(blocking=False)
    lock.release()


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_read_write_lock(side):
    lock, event = sync.RWLock(), sync.Event()
    hold, release = getattr(lock, side)(), getattr(lock, f"release_{side}")
    assert coterie.select(hold, event) == (hold, True)
    writing = lock.write()
    if side == "read":
        with pytest.raises(TimeoutError):
            coterie.select(writing, event, timeout=0.01)
        assert coterie.select(lock.read())[1] is True
        release()
    else:
        with pytest.raises(RuntimeError, match="this thread holds the lock to write"):
            coterie.select(hold, event)
    release()
    assert coterie.select(writing) == (writing, True)
    lock.release_write()


@while_peer_acts
def test_a_case_that_is_not_taken_keeps_nobody_from_reading(peer):
    lock, one = sync.RWLock(), coterie.Queue()
    lock.acquire_read()
    selecting = peer.start(take_item, lock, one)
    # Once it stands in line, readers wait behind it.
    while lock.acquire_read(blocking=False):
        lock.release_read()
    reading = peer.start(lock.acquire_read)
    one.put(1)
    assert selecting.result() == 1
    assert reading.result() is True
    lock.release_read()
    assert lock.acquire_read(timeout=10)


def take_item(lock, one):
    return coterie.select(lock.write(), one)[1]


@while_peer_acts
def test_writers_that_select(peer):
    lock, count = sync.RWLock(), coterie.Queue()
    count.put(0)
    adding = [peer.start(add_holding, lock, count, 100) for _ in range(2)]
    add_holding(lock, count, 100)
    for one in adding:
        one.result()
    assert count.get() == 300


def add_holding(lock, count, times):
    for _ in range(times):
        coterie.select(lock.write(), sync.Event())
        count.put(count.get_nowait() + 1)
        lock.release_write()


def test_an_event():
    event = sync.Event()
    with pytest.raises(TimeoutError):
        coterie.select(event, timeout=0)
    event.set()
    assert coterie.select(event) == (event, True)


def test_futures(pool):
    event = sync.Event()
    waits = pool.submit(event.wait)
    fails = pool.submit(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        coterie.select(waits, fails)
    event.set()
    assert coterie.select(waits) == (waits, True)
    assert coterie.select(waits) == (waits, True)


def test_a_cancelled_future():
    with coterie.Executor(1) as pool:
        event = sync.Event()
        pool.submit(event.wait)
        waits = pool.submit(abs, 1)
        assert waits.cancel()
        event.set()
        with pytest.raises(concurrent.futures.CancelledError):
            coterie.select(waits)


def test_the_end_of_an_interpreter():
    with interpreters.Interpreter(target=sync.Event().wait, args=(0,)) as interp:
        with pytest.raises(RuntimeError, match="before it is started"):
            coterie.select(interp, timeout=0)
        interp.start()
        assert coterie.select(interp)[0] is interp
        assert interp.done()
        assert interp.result() is False


def test_an_interpreter_that_runs():
    event, never = sync.Event(), coterie.Queue()
    with interpreters.Interpreter(target=event.wait) as interp:
        interp.start()
        assert coterie.select(interp, default="still") == (None, "still")
        event.set()
        assert coterie.select(interp, never)[0] is interp
        interp.join()


# ---- time, and bad arguments -------------------------------------------------


def test_a_default_does_not_wait():
    empty = coterie.Queue()
    assert coterie.select(empty, default=None) == (None, None)
    assert coterie.select(empty, timeout=0.01, default=1) == (None, 1)
    assert coterie.select(default=2) == (None, 2)
    empty.put(3)
    assert coterie.select(empty, default=1) == (empty, 3)


def test_nothing_to_wait_for():
    with pytest.raises(ValueError, match="would wait for ever"):
        coterie.select()
    with pytest.raises(TimeoutError):
        coterie.select(timeout=0.01)


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([3], "a int object cannot be waited for"),
        ([threading.Event()], "a Event object cannot be waited for"),
        ([(3, 4)], "a value cannot be sent to a int object"),
        ([(sync.Event(), 4)], "a value cannot be sent to a coterie.sync.Event"),
        ([(coterie.Queue(), 1, 2)], "a tuple object cannot be waited for"),
        ([sync.Condition()], "a coterie.sync.Condition object cannot be waited for"),
        ([sync.Barrier(1)], "a coterie.sync.Barrier object cannot be waited for"),
        ([sync.Once()], "a coterie.sync.Once object cannot be waited for"),
        ([sync.RWLock()], r"its read\(\) and its write\(\) can"),
        ([(sync.RWLock().read(), 1)], "a value cannot be sent to a"),
        ([(queues.create(), 1, 2)], "a tuple object cannot be waited for"),
    ],
)
def test_what_is_no_case(cases, message):
    full = coterie.Queue()
    full.put(1)
    with pytest.raises(TypeError, match=message):
        coterie.select(full, *cases)
    assert full.get() == 1


def test_what_cannot_be_sent_is_refused_before_anything_is_done():
    full = coterie.Queue()
    full.put(1)
    with pytest.raises(coterie.NotShareableError):
        coterie.select(full, (coterie.Queue(), (x for x in ())))
    assert full.get() == 1


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1"])
def test_bad_timeouts(timeout):
    with pytest.raises((ValueError, TypeError), match="timeout"):
        coterie.select(coterie.Queue(), timeout=timeout)


def test_unknown_arguments_are_named():
    with pytest.raises(TypeError, match="'block'"):
        coterie.select(coterie.Queue(), block=False)


def test_a_queue_that_is_shut_down_says_which():
    closed, empty = coterie.Queue(), coterie.Queue()
    closed.shutdown()
    with pytest.raises(queue.ShutDown) as caught:
        coterie.select(empty, closed)
    assert caught.value.case is closed
    put = closed, 1
    with pytest.raises(queue.ShutDown) as caught:
        coterie.select(empty, put)
    assert caught.value.case is put


def test_nothing_is_kept(pool):
    one, event = coterie.Queue(), sync.Event()
    future = pool.submit(abs, 1)
    coterie.select(future)
    seen = weakref.ref(one), weakref.ref(event)
    with pytest.raises(TimeoutError):
        coterie.select(one, event, timeout=0.01)
    del one, event
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


# ---- fairly, and once --------------------------------------------------------


def test_among_several_chance_decides():
    queues = [coterie.Queue() for _ in range(3)]
    for one in queues:
        one.put_many(range(300))
    chosen = collections.Counter(coterie.select(*queues)[0] for _ in range(300))
    assert set(chosen) == set(queues)
    assert min(chosen.values()) > 30
    assert sum(one.qsize() for one in queues) == 600


@while_peer_acts
def test_it_waits_for_the_first(peer):
    for _ in range(50):
        one, two, event = coterie.Queue(), coterie.Queue(), sync.Event()
        put = peer.start(random.choice([one, two]).put, 5)
        case, value = coterie.select(one, two, event)
        assert value == 5
        assert case in (one, two)
        put.result()
        assert one.empty()
        assert two.empty()


def take_all(first, second, taken):
    live = [first, second]
    while live:
        try:
            _, item = coterie.select(*live)
        except queue.ShutDown as end:
            live.remove(end.case)
        else:
            taken.put(item)


def feed(target, begin, end):
    for item in range(begin, end):
        coterie.select((target, item))


@while_peer_acts
def test_many_who_select_take_each_item_once(peer):
    first, second, taken = coterie.Queue(2), coterie.Queue(2), coterie.Queue()
    takers = [peer.start(take_all, first, second, taken) for _ in range(2)]
    feeders = [
        peer.start(feed, first, 0, 500),
        peer.start(feed, second, 500, 1000),
    ]
    for feeder in feeders:
        feeder.result()
    first.shutdown()
    second.shutdown()
    for taker in takers:
        taker.result()
    assert sorted(taken.get() for _ in range(1000)) == list(range(1000))
    assert taken.empty()


@while_peer_acts
def test_no_waiter_is_left_behind(peer):
    """Who waits after a select that took something else gets what comes."""
    for _ in range(50):
        one, event = coterie.Queue(), sync.Event()
        event.set()
        with pytest.raises(TimeoutError):
            coterie.select(one, sync.Event(), timeout=0)
        coterie.select(event, (coterie.Queue(), 1))
        got = peer.start(one.get)
        one.put(1)
        assert got.result() == 1


def hold_briefly(lock, times, held):
    for _ in range(times):
        case, _ = coterie.select(lock, sync.Event())
        assert case is lock
        held.append(1)
        assert len(held) == 1
        held.pop()
        lock.release()


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock, sync.Semaphore])
def test_a_lock_is_held_by_one(create):
    lock, held = create(), []
    threads = [
        threading.Thread(target=hold_briefly, args=(lock, 300, held)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lock.acquire(blocking=False)


def test_a_lock_whose_owner_died():
    lock = sync.Lock()
    with interpreters.create() as interp:
        interp.call(lock.acquire)
    with pytest.raises(sync.OwnerDied) as caught:
        coterie.select(lock, coterie.Queue())
    assert caught.value.case is lock
    assert coterie.select(lock) == (lock, True)


def test_inside_a_worker(pool):
    one, event = coterie.Queue(), sync.Event()
    waits = pool.submit(coterie.select, one, event)
    one.put(7)
    assert waits.result() == (one, 7)


def test_ctrl_c_ends_it(run_script):
    result = run_script("""
        import coterie, child
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            one = coterie.Queue()
            try:
                coterie.select(one, coterie.sync.Event())
            except KeyboardInterrupt:
                print("interrupted")
            one.put(1)
            print(coterie.select(one)[1])
        """)
    assert result.stdout == "interrupted\n1\n"


def wait_for_ever(started, *cases):
    started.set()
    return coterie.select(*cases)


def test_an_interpreter_that_is_interrupted_takes_nothing():
    for _ in range(20):
        one, started = coterie.Queue(), sync.Event()
        with interpreters.create() as interp:
            thread = interp.call_in_thread(wait_for_ever, started, one, sync.Event())
            started.wait()
            interp.interrupt()
            with pytest.raises(interpreters.ExecutionFailed, match="KeyboardInterrupt"):
                thread.result()
        one.put(1)
        assert one.get(timeout=10) == 1


# ---- merge -------------------------------------------------------------------


@while_peer_acts
def test_merge(peer):
    sources = [coterie.Queue(3) for _ in range(3)]

    feeders = [
        peer.start(feed_and_shut_down, source, idx * 100, idx * 100 + 100)
        for idx, source in enumerate(sources)
    ]
    items = list(coterie.merge(*sources))
    for feeder in feeders:
        feeder.result()
    assert sorted(items) == list(range(300))
    for idx in range(3):
        own = [item for item in items if item // 100 == idx]
        assert own == sorted(own)


def feed_and_shut_down(target, begin, end):
    feed(target, begin, end)
    target.shutdown()


def test_merge_of_nothing():
    assert list(coterie.merge()) == []


def test_merge_takes_only_what_is_asked_for():
    source = coterie.Queue()
    source.put_many(range(5))
    merged = coterie.merge(source)
    assert next(merged) == 0
    merged.close()
    assert source.qsize() == 4


def test_merge_of_what_cannot_be_received_from():
    with pytest.raises(TypeError, match="cannot be waited for"):
        next(coterie.merge(3))


# ---- channels ----------------------------------------------------------------


def test_ends_of_channels():
    recv, send = coterie.create_channel(1)
    sent = send, 1
    assert coterie.select(sent) == (sent, None)
    assert coterie.select(recv, sync.Event()) == (recv, 1)
    with pytest.raises(TimeoutError):
        coterie.select(recv, timeout=0)
    send.close()
    with pytest.raises(coterie.channel.Closed) as caught:
        coterie.select(recv)
    assert caught.value.case is recv


@while_peer_acts
@pytest.mark.parametrize("capacity", [0, 1])
def test_select_meets_a_thread(peer, capacity):
    recv, send = coterie.create_channel(capacity)
    never = coterie.Queue()
    sending = peer.start(feed_end, send, 100)
    got = [coterie.select(never, recv)[1] for _ in range(100)]
    sending.result()
    assert got == list(range(100))
    receiving = peer.start(take_from, recv, 100)
    for item in range(100):
        assert coterie.select((send, item), never)[0] == (send, item)
    assert receiving.result() == list(range(100))


def feed_end(send, count):
    for item in range(count):
        send.send(item)


def take_from(recv, count):
    return [recv.recv() for _ in range(count)]


def trade(mine, others, count):
    """Sends as many as it receives, whichever goes first."""
    sent, got = 0, []
    while sent < count or len(got) < count:
        cases = [others] if len(got) < count else []
        if sent < count:
            cases.append((mine, sent))
        case, value = coterie.select(*cases)
        if case is others:
            got.append(value)
        else:
            sent += 1
    return got


@while_peer_acts
def test_select_meets_select(peer):
    """Neither could go first without the other: both wait for both."""
    recv_a, send_a = coterie.create_channel()
    recv_b, send_b = coterie.create_channel()
    trading = peer.start(trade, send_a, recv_b, 300)
    assert trade(send_b, recv_a, 300) == list(range(300))
    assert trading.result() == list(range(300))


def test_it_does_not_meet_itself():
    recv, send = coterie.create_channel()
    with pytest.raises(TimeoutError):
        coterie.select(recv, (send, 1), timeout=0.01)
    assert len(send) == 0


@while_peer_acts
def test_what_it_did_not_send_nobody_receives(peer):
    recv, send = coterie.create_channel()
    event = sync.Event()
    for _ in range(50):
        setting = peer.start(event.set)
        assert coterie.select((send, 1), event)[0] is event
        setting.result()
        event.clear()
        with pytest.raises(coterie.channel.Empty):
            recv.recv_nowait()


def test_a_subscription():
    source, send = coterie.create_channel(2, broadcast=True)
    first, second = source.subscribe(), source.subscribe()
    sent = send, 5
    assert coterie.select(sent) == (sent, None)
    assert coterie.select(first, sync.Event()) == (first, 5)
    assert coterie.select(second) == (second, 5)
    assert coterie.select(first, second, default=0) == (None, 0)
    coterie.select(sent)
    coterie.select(sent)
    with pytest.raises(TimeoutError):
        coterie.select(sent, timeout=0.01)
    assert [first.recv(), first.recv()] == [5, 5]


def test_merge_of_channels():
    queues = [coterie.Queue(), coterie.Queue()]
    recv, send = coterie.create_channel(None)
    for item, target in enumerate(queues):
        target.put(item)
        target.shutdown()
    with send:
        send.send(2)
    assert sorted(coterie.merge(*queues, recv)) == [0, 1, 2]


# ---- what coterie.interpreters has -------------------------------------------


def test_queues_of_interpreters():
    one, event = queues.create(1), sync.Event()
    put = one, 1
    assert coterie.select(put, event) == (put, None)
    with pytest.raises(TimeoutError):
        coterie.select(put, event, timeout=0.01)
    assert coterie.select(one, event) == (one, 1)
    assert coterie.select(one, default=0) == (None, 0)
    with pytest.raises(coterie.NotShareableError):
        coterie.select((one, (x for x in ())))
    with pytest.raises(coterie.NotShareableError, match="syncobj=True excludes"):
        coterie.select((queues.create(syncobj=True), Unnative()))
    assert one.empty()


class Unnative:
    pass


def test_unbound_items():
    replaced = queues.create()
    failing = queues.create(unbounditems=queues.UNBOUND_ERROR)
    with interpreters.create() as interp:
        for one in (replaced, failing):
            interp.call(coterie.select, (one, 1))
    assert coterie.select(replaced) == (replaced, queues.UNBOUND)
    with pytest.raises(queues.ItemInterpreterDestroyed) as caught:
        coterie.select(failing)
    assert caught.value.case is failing


def test_channels_of_interpreters():
    recv, send = channels.create()
    with pytest.raises(TimeoutError):
        coterie.select(recv, (send, 1), timeout=0.01)
    send.send_nowait(1)
    assert coterie.select(recv, sync.Event()) == (recv, 1)
    with interpreters.create() as interp:
        interp.call(send.send_nowait, 2)
    assert coterie.select(recv) == (recv, channels.UNBOUND)
    send.close()
    for case in (recv, (send, 1)):
        with pytest.raises(channels.ChannelClosedError) as caught:
            coterie.select(case)
        assert caught.value.case is case


@while_peer_acts
def test_select_meets_select_in_a_channel_of_interpreters(peer):
    recv_a, send_a = channels.create()
    recv_b, send_b = channels.create()
    trading = peer.start(trade, send_a, recv_b, 100)
    assert trade(send_b, recv_a, 100) == list(range(100))
    assert trading.result() == list(range(100))


@while_peer_acts
def test_what_was_not_sent_by_such_a_channel_nobody_receives(peer):
    recv, send = channels.create()
    event = sync.Event()
    for _ in range(50):
        setting = peer.start(event.set)
        assert coterie.select((send, 1), event)[0] is event
        setting.result()
        event.clear()
        assert recv.recv_nowait(None) is None
