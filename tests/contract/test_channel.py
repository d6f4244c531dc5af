"""coterie.create_channel and its ends, between threads and interpreters."""

import copy
import gc
import inspect
import itertools
import pickle
import queue
import weakref

import pytest

import coterie
from coterie import create_channel, interpreters
from coterie.channel import Closed, Empty, Full, Receiver, Sender

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

CAPACITIES = [0, 1, 7, None]
any_capacity = pytest.mark.parametrize("capacity", CAPACITIES)
with_room = pytest.mark.parametrize("capacity", [1, 7, None])
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def send_all(send, *objects):
    for obj in objects:
        send.send(obj)


def recv_all(recv, count):
    return [recv.recv() for _ in range(count)]


def produce(send, numbers):
    for n in numbers:
        send.send(n)


def wait_for_len(end, length):
    """Until so many objects are in line: of senders that wait, too."""
    while len(end) != length:
        coterie.sync.Event().wait(0.001)


def name_of_error(function, *args):
    try:
        function(*args)
    except coterie.CoterieError as error:
        return type(error).__name__
    return None


# ---- create_channel ----------------------------------------------------------


def test_the_ends():
    recv, send = create_channel()
    assert type(recv) is Receiver
    assert type(send) is Sender
    assert recv.capacity == send.capacity == 0
    assert recv.closed is send.closed is False
    assert (len(recv), len(send)) == (0, 0)
    assert recv
    assert send


@any_capacity
def test_capacity(capacity):
    for recv, send in (create_channel(capacity), create_channel(capacity=capacity)):
        assert recv.capacity == send.capacity == capacity
        count = 1000 if capacity is None else capacity
        for n in range(count):
            send.send_nowait(n)
            assert len(recv) == len(send) == n + 1
        if capacity is not None:
            with pytest.raises(Full):
                send.send_nowait("too much")
        assert recv_all(recv, count) == list(range(count))


@pytest.mark.parametrize("capacity", [-1, -(2**100), 2**100])
def test_a_capacity_out_of_range(capacity):
    with pytest.raises(ValueError, match=rf"^capacity must be .*, not {capacity}$"):
        create_channel(capacity)


@pytest.mark.parametrize("capacity", ["1", 1.5, [], object()])
def test_a_capacity_that_is_no_number(capacity):
    name = type(capacity).__name__
    with pytest.raises(
        TypeError, match=f"^capacity must be an int or None, not {name}"
    ):
        create_channel(capacity)


WRONG_CALLS = {
    "create-positional": lambda recv, send: create_channel(1, True),
    "create-unknown": lambda recv, send: create_channel(size=1),
    "Receiver": lambda recv, send: Receiver(),
    "Sender": lambda recv, send: Sender(),
    "recv-text": lambda recv, send: recv.recv(timeout="1"),
    "recv-unknown": lambda recv, send: recv.recv(when=1),
    "recv-many": lambda recv, send: recv.recv(1, 2),
    "send-nothing": lambda recv, send: send.send(),
    "send-text": lambda recv, send: send.send(1, timeout="1"),
    "send_nowait-timeout": lambda recv, send: send.send_nowait(1, timeout=1),
    "send_buffer-number": lambda recv, send: send.send_buffer(1),
    "subscribe": lambda recv, send: recv.subscribe(),
}  # fmt: skip


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls(call):
    recv, send = create_channel(1)
    with pytest.raises((TypeError, AttributeError)):
        call(recv, send)
    send.send("fine")
    assert recv.recv() == "fine"


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), -float("inf")])
def test_timeouts_that_are_refused(timeout):
    recv, send = create_channel(1)
    for call in (recv.recv, lambda timeout: send.send(1, timeout)):
        with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
            call(timeout)
    assert len(recv) == 0


def test_errors_are_those_of_queues():
    assert Empty is coterie.queue.Empty
    assert Full is coterie.queue.Full
    assert issubclass(Closed, coterie.queue.ShutDown)
    assert issubclass(Closed, queue.ShutDown)
    assert issubclass(Closed, coterie.CoterieError)
    assert not issubclass(Closed, Empty | Full)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (create_channel, "(capacity=0, *, broadcast=False)"),
        (Receiver.recv, "(self, /, timeout=None)"),
        (Sender.send, "(self, /, obj, timeout=None)"),
        (Sender.send_buffer, "(self, /, obj, timeout=None)"),
    ],
)
def test_signatures(function, parameters):
    assert str(inspect.signature(function)) == parameters


# ---- objects -----------------------------------------------------------------


@pytest.mark.parametrize("capacity", [7, None])
def test_objects_come_in_order(capacity, peer):
    recv, send = create_channel(capacity)
    for _ in range(3):
        peer(send_all, send, *range(7))
        assert recv_all(recv, 7) == list(range(7))
        send_all(send, *range(7))
        assert peer(recv_all, recv, 7) == list(range(7))


@pytest.mark.parametrize(
    "obj",
    [None, 2**200, "ünï", b"\0", [1, (2, {3: {4}})], ..., ValueError("text", 3), int],
    ids=ascii,
)
def test_any_object_arrives_equal(peer, obj):
    recv, send = create_channel(1)
    peer(send.send, obj)
    got = recv.recv()
    assert type(got) is type(obj)
    assert repr(got) == repr(obj)


def test_an_object_is_a_copy():
    recv, send = create_channel(1)
    obj = [1]
    send.send(obj)
    obj.append(2)
    assert recv.recv() == [1]


def test_what_cannot_be_sent_is_refused_and_nothing_is_lost():
    recv, send = create_channel(2)
    send.send("before")
    for attempt in (send.send, send.send_nowait):
        with pytest.raises(coterie.NotShareableError, match="^item not shareable: "):
            attempt(n for n in [])
    send.send("after")
    assert recv_all(recv, 2) == ["before", "after"]


def test_objects_outlive_the_interpreter_that_sent_them(interp):
    recv, send = create_channel(None)
    interp.call(send_all, send, ["made", "there"], {"and": {1.5}})
    interp.close()
    assert recv_all(recv, 2) == [["made", "there"], {"and": {1.5}}]


@any_capacity
def test_memory_is_shared_by_send_buffer(capacity, interp):
    recv, send = create_channel(capacity)
    data = bytearray(b"spam")

    def fill(recv):
        recv.recv()[:] = b"eggs"

    thread = interp.call_in_thread(fill, recv)
    send.send_buffer(data, timeout=60)
    thread.result()
    assert data == b"eggs"


def test_a_buffer_of_nothing_that_is_one():
    recv, send = create_channel(1)
    with pytest.raises(TypeError, match="a bytes-like object is required, not 'int'"):
        send.send_buffer(1)
    assert len(recv) == 0


# ---- not waiting, and waiting for a time -------------------------------------

RECVS = {
    "recv_nowait": lambda recv: recv.recv_nowait(),
    "zero": lambda recv: recv.recv(0),
    "float": lambda recv: recv.recv(timeout=0.01),
    "false": lambda recv: recv.recv(timeout=False),
}
SENDS = {
    "send_nowait": lambda send: send.send_nowait("x"),
    "zero": lambda send: send.send("x", 0),
    "float": lambda send: send.send("x", timeout=0.01),
    "buffer-zero": lambda send: send.send_buffer(b"x", 0),
    "buffer-float": lambda send: send.send_buffer(b"x", timeout=0.01),
}


@any_capacity
@pytest.mark.parametrize("receive", RECVS.values(), ids=RECVS)
def test_nothing_comes(capacity, receive, peer):
    recv, _send = create_channel(capacity)
    with pytest.raises(Empty):
        peer(receive, recv)


@with_room
@pytest.mark.parametrize("receive", RECVS.values(), ids=RECVS)
def test_what_is_there_is_received(capacity, receive, peer):
    recv, send = create_channel(capacity)
    send.send("there")
    assert peer(receive, recv) == "there"


@pytest.mark.parametrize("capacity", [0, 1, 7])
@pytest.mark.parametrize("attempt", SENDS.values(), ids=SENDS)
def test_there_is_no_room(capacity, attempt, peer):
    recv, send = create_channel(capacity)
    send_all(send, *range(capacity))
    with pytest.raises(Full):
        peer(attempt, send)
    assert len(recv) == capacity
    assert recv_all(recv, capacity) == list(range(capacity))
    with pytest.raises(Empty):
        recv.recv_nowait()


@with_room
@pytest.mark.parametrize("attempt", SENDS.values(), ids=SENDS)
def test_there_is_room(capacity, attempt, peer):
    recv, send = create_channel(capacity)
    peer(attempt, send)
    assert recv.recv() in {"x", b"x"}


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 10**6])
def test_a_timeout_may_be_long(timeout):
    recv, send = create_channel(1)
    send.send("there", timeout)
    assert recv.recv(timeout) == "there"


# ---- rendezvous --------------------------------------------------------------


@while_peer_waits
@pytest.mark.parametrize("timeout", [None, 1e6])
def test_without_capacity_a_send_ends_when_its_object_is_received(peer, timeout):
    recv, send = create_channel()
    ended = coterie.Queue()

    def work():
        send.send("object", timeout)
        ended.put(None)

    sending = peer.start(work)
    wait_for_len(recv, 1)
    assert ended.empty()  # it is in line, with its sender
    assert recv.recv() == "object"
    sending.result()
    assert ended.get() is None


@while_peer_waits
def test_without_capacity_a_receiver_that_waits_is_enough(peer):
    recv, send = create_channel()
    receiving = peer.start(recv.recv)
    while name_of_error(send.send_nowait, "object") == "Full":
        coterie.sync.Event().wait(0.001)
    assert receiving.result() == "object"


@while_peer_waits
def test_ping_pong(peer):
    (here, ping), (there, pong) = create_channel(), create_channel()

    def serve():
        for n in here:
            pong.send(n + 1)

    served = peer.start(serve)
    n = 0
    while n < 500:
        ping.send(n)
        n = there.recv()
    ping.close()
    served.result()


@while_peer_waits
@pytest.mark.parametrize("capacity", [1, 2, 7])
def test_a_capacity_holds_a_fast_sender_back(capacity, peer):
    recv, send = create_channel(capacity)
    lengths = coterie.Queue()

    def work():
        for n in range(100):
            send.send(n)
            lengths.put(len(send))

    sending = peer.start(work)
    assert recv_all(recv, 100) == list(range(100))
    sending.result()
    assert max(lengths.get_many(100)) <= capacity


@while_peer_waits
@any_capacity
def test_many_to_many(capacity, peer):
    recv, send = create_channel(capacity)
    each = 300
    sums = [peer.start(lambda: list(recv)) for _ in range(2)]
    sending = [
        peer.start(produce, send, range(first, first + each)) for first in (0, each)
    ]
    for future in sending:
        future.result()
    send.close()
    got = [future.result() for future in sums]
    assert sorted(itertools.chain(*got)) == list(range(2 * each))
    for numbers in got:
        for first in (0, each):
            own = [n for n in numbers if first <= n < first + each]
            assert own == sorted(own)


# ---- close -------------------------------------------------------------------


@with_room
def test_after_close_of_the_sending_end_the_line_is_received(capacity, peer):
    recv, send = create_channel(capacity)
    send.send("last")
    peer(send.close)
    assert (send.closed, recv.closed) == (True, False)
    for attempt in (send.send, send.send_nowait, send.send_buffer):
        with pytest.raises(Closed, match="^the channel is closed$"):
            peer(attempt, b"more")
    assert recv.recv() == "last"
    assert recv.closed is True
    for attempt in (recv.recv, recv.recv_nowait):
        with pytest.raises(Closed):
            peer(attempt)
    assert list(recv) == []


@any_capacity
def test_after_close_of_the_receiving_end_nothing_is_sent(capacity, peer):
    recv, send = create_channel(capacity)
    send_all(send, *range(capacity or 0))
    peer(recv.close)
    assert (send.closed, recv.closed) == (True, True)
    assert len(recv) == 0
    for end in (send.send, send.send_nowait, recv.recv, recv.recv_nowait):
        with pytest.raises(Closed):
            peer(end, *([1] if end.__self__ is send else []))


@any_capacity
def test_closing_again_does_nothing(capacity):
    recv, send = create_channel(capacity)
    for end in (send, send, recv, recv, send):
        assert end.close() is None


@while_peer_waits
@pytest.mark.parametrize("side", [0, 1], ids=["recv", "send"])
def test_a_close_ends_the_wait_of_receivers(side, peer):
    ends = create_channel()
    entered = coterie.Queue()

    def work(recv):
        entered.put(None)
        return name_of_error(recv.recv)

    waits = [peer.start(work, ends[0]) for _ in range(3)]
    for _ in waits:
        entered.get()
    ends[side].close()
    assert [wait.result() for wait in waits] == ["Closed"] * 3


@while_peer_waits
@pytest.mark.parametrize("capacity", [0, 1])
def test_a_close_of_the_receiving_end_ends_the_wait_of_senders(capacity, peer):
    recv, send = create_channel(capacity)
    send_all(send, *range(capacity))
    waits = [peer.start(name_of_error, send.send, 1) for _ in range(3)]
    wait_for_len(send, capacity + 3)
    recv.close()
    assert [wait.result() for wait in waits] == ["Closed"] * 3


@while_peer_waits
def test_a_close_of_the_sending_end_lets_waiting_senders_finish(peer):
    recv, send = create_channel()
    waits = [peer.start(send.send, n) for n in range(3)]
    wait_for_len(send, 3)
    send.close()
    assert sorted(recv) == [0, 1, 2]
    for wait in waits:
        wait.result()


def test_as_context_managers():
    recv, send = create_channel(2)
    with send as entered:
        assert entered is send
        send.send(1)
    assert send.closed
    with pytest.raises(ZeroDivisionError), recv as entered:
        assert entered is recv
        _ = 1 / 0
    assert recv.closed


@while_peer_waits
def test_iteration(peer):
    recv, send = create_channel()

    def work():
        with send:
            send_all(send, *"spam")

    sending = peer.start(work)
    assert iter(recv) is recv
    assert "".join(recv) == "spam"
    assert next(recv, "over") == "over"
    sending.result()


# ---- when nobody has an end --------------------------------------------------


@any_capacity
def test_without_senders_receivers_get_the_rest(capacity):
    recv, send = create_channel(capacity)
    send_all(send, *range(capacity or 0))
    del send
    assert list(recv) == list(range(capacity or 0))
    with pytest.raises(Closed):
        recv.recv()


@any_capacity
def test_without_receivers_nothing_is_sent(capacity):
    recv, send = create_channel(capacity)
    del recv
    with pytest.raises(Closed):
        send.send(1)
    assert send.closed


def test_an_end_on_its_way_counts():
    outer_recv, outer_send = create_channel(1)
    recv, send = create_channel(1)
    outer_send.send({"the end": send})
    del send
    assert not recv.closed
    outer_recv.recv()["the end"].send("alive")
    assert list(recv) == ["alive"]


def test_a_receiver_that_was_dropped_in_line_tells_its_senders():
    outer_recv, outer_send = create_channel(1)
    recv, send = create_channel(1)
    outer_send.send(recv)
    del recv
    assert not send.closed
    outer_recv.close()
    assert send.closed


def test_the_last_of_several_workers_closes(pool):
    recv, send = create_channel(4)
    producing = [pool.submit(produce, send, range(100)) for _ in range(2)]
    del send
    assert sum(recv) == 2 * sum(range(100))
    for future in producing:
        future.result()


def test_a_sender_whose_call_fails_does_not_leave_the_receiver_waiting(pool):
    def fail(send):
        send.send(1)
        _ = 1 / 0

    recv, send = create_channel(4)
    future = pool.submit(fail, send)
    del send
    assert list(recv) == [1]
    with pytest.raises(ZeroDivisionError):
        future.result()


def test_a_receiver_whose_call_ends_does_not_leave_the_sender_waiting(pool):
    recv, send = create_channel()
    future = pool.submit(lambda recv: recv.recv(), recv)
    del recv
    send.send("received")
    assert future.result() == "received"
    with pytest.raises(Closed):
        produce(send, itertools.count())


def test_a_call_that_was_cancelled_had_no_end(pool):
    hold, recv_release = coterie.sync.Event(), coterie.Queue()
    running = [
        pool.submit(lambda e: (recv_release.put(0), e.wait()), hold) for _ in "ab"
    ]
    for _ in running:
        recv_release.get()
    recv, send = create_channel()
    future = pool.submit(produce, send, [1])
    del send
    assert not recv.closed
    assert future.cancel()
    assert list(recv) == []
    hold.set()


@pytest.mark.parametrize("how", ["main", "module", "cycle"])
def test_an_interpreter_that_ends_lets_go_of_its_ends(how, interp):
    def keep(how, end):
        import sys

        if how == "main":
            sys.modules["__main__"].kept = end
        elif how == "module":
            sys.kept = end
        else:
            cycle = [end]
            cycle.append(cycle)

    recv, send = create_channel(1)
    interp.call(keep, how, send)
    send.send("rest")
    del send
    interp.close()
    assert list(recv) == ["rest"]


# ---- identity ----------------------------------------------------------------

both_ends = pytest.mark.parametrize("side", [0, 1], ids=["recv", "send"])


@both_ends
def test_there_and_back_it_is_the_same(side, peer):
    end = create_channel()[side]
    other = create_channel()[side]
    assert peer(lambda obj: obj, end) is end
    assert peer(lambda obj: {"in": [obj]}, end)["in"][0] is end
    assert peer(lambda a, b: (a == b, hash(a)), end, end) == (True, hash(end))
    assert peer(lambda a, b: a == b, end, other) is False
    assert end != other
    assert end == end
    assert end != "end"
    assert len({end, other, end}) == 2


@both_ends
def test_through_queues_and_channels(side):
    end = create_channel()[side]
    recv, send = create_channel(1)
    send.send([end])
    assert recv.recv()[0] is end
    q = coterie.Queue()
    q.put(end)
    assert q.get() is end


@both_ends
def test_it_can_be_referred_to_weakly(side):
    ends = list(create_channel())
    reference = weakref.ref(ends[side])
    assert reference() is ends[side]
    del ends[side]
    gc.collect()
    assert reference() is None


@both_ends
def test_it_does_not_leave_the_process(side):
    end = create_channel()[side]
    name = f"coterie.channel.{type(end).__name__}"
    for function in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(coterie.NotShareableError, match=f"a {name} lives in this"):
            function(end)
    with pytest.raises(coterie.NotShareableError):
        coterie.dumps([end])


@both_ends
def test_attributes_are_not_set(side):
    end = create_channel()[side]
    for name in ("capacity", "closed", "color"):
        with pytest.raises(AttributeError):
            setattr(end, name, 1)


def test_repr():
    recv, send = create_channel(3)
    send.send(1)
    assert " capacity=3 len=1>" in repr(recv)
    assert repr(recv).startswith("<coterie.channel.Receiver ")
    assert repr(send).startswith("<coterie.channel.Sender ")
    send.close()
    assert repr(send).endswith(" len=1 closed>")
    assert repr(recv).endswith(" len=1>")
    assert " capacity=None " in repr(create_channel(None)[0])


def test_types_for_annotations():
    assert Receiver[int].__origin__ is Receiver
    assert Sender[int].__origin__ is Sender


def test_it_is_no_channel_of_interpreters():
    """Neither is found by a number, nor do they count those."""
    from coterie.interpreters import channels

    first = channels.create()
    ends = create_channel()
    second = channels.create()
    assert second[0].id == first[0].id + 1
    assert all(ends[0] not in pair for pair in channels.list_all())


# ---- interpreters ------------------------------------------------------------


def test_between_interpreters_of_each_kind(interp):
    recv, send = create_channel()
    thread = interp.call_in_thread(produce, send, range(100))
    assert recv_all(recv, 100) == list(range(100))
    thread.result()
    thread = interp.call_in_thread(recv_all, recv, 100)
    produce(send, range(100))
    assert thread.result() == list(range(100))


def tell_and_recv(recv, entered):
    entered.put(None)
    return recv.recv()


def tell_and_send(send, entered, obj):
    entered.put(None)
    send.send(obj)


def interrupted(interp, function, *args):
    """What leaves the call, interrupted when it waits, or is about to."""
    entered = coterie.Queue()
    thread = interp.call_in_thread(function, args[0], entered, *args[1:])
    entered.get()
    assert interp.interrupt() is True
    return thread.exception().__cause__


@any_capacity
def test_an_interrupted_receiver_takes_nothing(capacity, interp):
    recv, send = create_channel(capacity)
    for _ in range(20):
        cause = interrupted(interp, tell_and_recv, recv)
        assert isinstance(cause, KeyboardInterrupt)
    thread = interp.call_in_thread(tell_and_recv, recv, coterie.Queue())
    send.send("for the next one")
    assert thread.result() == "for the next one"


@pytest.mark.parametrize("capacity", [0, 1])
def test_an_interrupted_sender_sends_nothing(capacity, interp):
    recv, send = create_channel(capacity)
    send_all(send, *range(capacity))
    for n in range(20):
        cause = interrupted(interp, tell_and_send, send, n)
        assert isinstance(cause, KeyboardInterrupt)
    assert len(send) == capacity
    assert recv_all(recv, capacity) == list(range(capacity))
    with pytest.raises(Empty):
        recv.recv_nowait()


@pytest.mark.parametrize("capacity", [0, 1])
def test_an_interpreter_that_is_closed_while_it_waits(capacity):
    """In send and in recv: what was not sent is nowhere, the rest comes once."""
    recv, send = create_channel(capacity)
    for wait in (tell_and_recv, tell_and_send):
        entered = coterie.Queue()
        args = (recv, entered) if wait is tell_and_recv else (send, entered, "gone")
        send_all(send, *range(capacity if wait is tell_and_send else 0))
        with interpreters.create() as other:
            thread = other.call_in_thread(wait, *args)
            entered.get()
            other.close(interrupt=True)
            assert thread.exception() is not None
        assert len(recv) == (capacity if wait is tell_and_send else 0)
    assert recv_all(recv, capacity) == list(range(capacity))
    with pytest.raises(Empty):
        recv.recv_nowait()


def send_until_stopped(send, entered, n):
    try:
        entered.put(None)
        while True:
            send.send(n)
            n += 1
    except KeyboardInterrupt:
        return n  # what it was at


@any_capacity
def test_interrupts_at_any_point_lose_and_double_nothing(capacity, interp):
    recv, send = create_channel(capacity)
    got = []
    for turn in range(20):
        entered = coterie.Queue()
        thread = interp.call_in_thread(send_until_stopped, send, entered, len(got))
        entered.get()
        got += recv_all(recv, turn * 3 % 11)
        assert interp.interrupt() is True
        at = thread.result()
        while len(recv) > 0:
            got.append(recv.recv_nowait())
        assert got in (list(range(at)), list(range(at + 1)))


def recv_until_stopped(recv, entered, got):
    try:
        entered.put(None)
        while True:
            got.put(recv.recv())
    except KeyboardInterrupt:
        return


@any_capacity
def test_interrupted_receivers_take_what_they_take_once(capacity, interp):
    """One may be stopped between having received and telling: at most that is gone."""
    recv, send = create_channel(capacity)
    got = coterie.Queue()
    for turn in range(20):
        entered = coterie.Queue()
        thread = interp.call_in_thread(recv_until_stopped, recv, entered, got)
        entered.get()
        produce(send, range(turn * 10, turn * 10 + turn % 7))
        assert interp.interrupt() is True
        thread.result()
        rest = [recv.recv_nowait() for _ in range(len(recv))]
        told = got.get_many(100) if got.qsize() else []
        numbers = list(range(turn * 10, turn * 10 + turn % 7))
        lost = [n for n in numbers if n not in told + rest]
        assert len(lost) <= 1
        assert told + lost + rest == numbers


# ---- Ctrl-C ------------------------------------------------------------------


def test_after_ctrl_c_in_recv_the_channel_works(repeat_script):
    ends = repeat_script("""
        import child, coterie
        recv, send = coterie.create_channel()
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                recv.recv()
            except KeyboardInterrupt:
                print("interrupted")
            sending = pool.submit(send.send, "still fine")
            print(recv.recv(), len(recv))
            sending.result()
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "still fine 0"])
    ]


def test_ctrl_c_in_send_sends_nothing(repeat_script):
    ends = repeat_script("""
        import child, coterie
        for capacity in (0, 1):
            recv, send = coterie.create_channel(capacity)
            if capacity:
                send.send("first")
            with coterie.Executor(1) as pool:
                pool.submit(child.signal_waiting_main)
                try:
                    send.send("second")
                except KeyboardInterrupt:
                    print("interrupted")
            send.close()
            print(list(recv))
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "[]", "interrupted", "['first']"])
    ]
