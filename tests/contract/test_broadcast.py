"""create_channel(broadcast=True): every subscriber gets every object."""

import copy
import gc
import itertools
import pickle
import weakref

import pytest

import coterie
from coterie import create_channel, interpreters
from coterie.channel import Closed, Empty, Full, Receiver, Sender, Source

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


def broadcast(capacity, subscribers):
    """Its source, the sending end, and so many receiving ends."""
    source, send = create_channel(capacity, broadcast=True)
    return source, send, *(source.subscribe() for _ in range(subscribers))


def produce(send, numbers):
    for n in numbers:
        send.send(n)


def recv_all(recv, count):
    return [recv.recv() for _ in range(count)]


def name_of_error(function, *args):
    try:
        function(*args)
    except coterie.CoterieError as error:
        return type(error).__name__
    return None


# ---- the ends ----------------------------------------------------------------


@any_capacity
def test_the_ends(capacity):
    source, send = create_channel(capacity, broadcast=True)
    recv = source.subscribe()
    assert (type(source), type(send), type(recv)) == (Source, Sender, Receiver)
    for end in (source, send, recv):
        assert end.capacity == capacity
        assert end.closed is False
        assert end
    assert (len(recv), len(send), source.subscribers) == (0, 0, 1)


@pytest.mark.parametrize("broadcast", [False, 0, None, ""])
def test_without_broadcast_there_is_no_source(broadcast):
    assert type(create_channel(broadcast=broadcast)[0]) is Receiver


def test_capacity_is_checked_here_too():
    with pytest.raises(ValueError, match="^capacity must be at least 0"):
        create_channel(-1, broadcast=True)
    with pytest.raises(TypeError):
        Source()


# ---- objects -----------------------------------------------------------------


def test_every_subscriber_gets_every_object_in_order(peer):
    _source, send, *subs = broadcast(None, 3)
    peer(produce, send, range(100))
    assert len(send) == 100
    for sub in subs:
        assert len(sub) == 100
        assert peer(recv_all, sub, 50) == list(range(50))
        assert recv_all(sub, 50) == list(range(50, 100))
        with pytest.raises(Empty):
            sub.recv_nowait()
    assert len(send) == 0


@pytest.mark.parametrize(
    "obj",
    [None, 2**200, "ünï", [1, (2, {3: {4}})], ValueError("text", 3), int],
    ids=ascii,
)
def test_any_object_arrives_equal_everywhere(peer, obj):
    _source, send, *subs = broadcast(1, 2)
    peer(send.send, obj)
    for sub in subs:
        got = sub.recv()
        assert type(got) is type(obj)
        assert repr(got) == repr(obj)


def test_each_gets_a_copy_of_its_own():
    _source, send, one, two = broadcast(1, 2)
    obj = [1]
    send.send(obj)
    got = one.recv()
    got.append(2)
    assert (obj, two.recv()) == ([1], [1])


def test_a_shared_object_is_the_same_for_all(interp):
    _source, send, one, two = broadcast(1, 2)
    q = coterie.Queue()
    send.send([q])
    interp.call(lambda sub: sub.recv()[0].put("there"), one)
    assert two.recv()[0] is q
    assert q.get() == "there"


def test_memory_is_shared_with_all(interp):
    _source, send, one, two = broadcast(1, 2)
    data = bytearray(b"spam")
    send.send_buffer(data)

    def fill(sub):
        sub.recv()[:] = b"eggs"

    interp.call(fill, one)
    assert two.recv() == b"eggs"
    assert data == b"eggs"


def test_memory_is_given_back_when_all_have_dropped_it():
    _source, send, one, two = broadcast(1, 2)
    data = bytearray(b"spam")
    send.send_buffer(data)
    views = [one.recv(), two.recv()]
    with pytest.raises(BufferError):
        data.append(1)
    views.clear()
    data.append(1)


def test_functions_can_be_sent(interp):
    _source, send, one, two = broadcast(1, 2)
    offset = 3
    send.send(lambda n: n + offset)
    assert interp.call(lambda sub: sub.recv()(1), one) == 4
    assert two.recv()(2) == 5


def test_what_cannot_be_sent_is_refused():
    _source, send, one = broadcast(1, 1)
    with pytest.raises(coterie.NotShareableError, match="^item not shareable: "):
        send.send(n for n in [])
    send.send("fine")
    assert one.recv() == "fine"


def test_what_was_sent_before_is_not_seen():
    source, send = create_channel(7, broadcast=True)
    send.send("nobody sees it")
    assert len(send) == 0
    one = source.subscribe()
    send.send(1)
    two = source.subscribe()
    send.send(2)
    assert (len(one), len(two)) == (2, 1)
    send.close()
    assert list(one) == [1, 2]
    assert list(two) == [2]


@any_capacity
def test_without_subscribers_a_send_returns(capacity, peer):
    _source, send = create_channel(capacity, broadcast=True)
    peer(produce, send, range(20))
    send.send_nowait("x")


# ---- capacity ----------------------------------------------------------------

SENDS = {
    "send_nowait": lambda send: send.send_nowait("x"),
    "zero": lambda send: send.send("x", 0),
    "float": lambda send: send.send("x", timeout=0.01),
    "buffer": lambda send: send.send_buffer(b"x", timeout=0.01),
}


@pytest.mark.parametrize("capacity", [0, 1, 7])
@pytest.mark.parametrize("attempt", SENDS.values(), ids=SENDS)
def test_the_slowest_holds_the_sender_back(capacity, attempt, peer):
    _source, send, fast, slow = broadcast(capacity, 2)
    produce(send, range(capacity))
    assert recv_all(fast, capacity) == list(range(capacity))
    with pytest.raises(Full):
        peer(attempt, send)
    with pytest.raises(Empty):  # not even who has room gets it
        fast.recv_nowait()
    assert recv_all(slow, capacity) == list(range(capacity))
    with pytest.raises(Empty):
        slow.recv_nowait()


@pytest.mark.parametrize("capacity", [1, 7])
@pytest.mark.parametrize("leave", ["close", "drop"])
def test_who_leaves_holds_nobody_back(capacity, leave):
    source, send, fast, slow = broadcast(capacity, 2)
    produce(send, range(capacity))
    recv_all(fast, capacity)
    if leave == "close":
        slow.close()
        assert slow.closed
        with pytest.raises(Closed):
            slow.recv()
    else:
        del slow
    assert source.subscribers == 1
    send.send_nowait("room")
    assert fast.recv() == "room"


@while_peer_waits
@pytest.mark.parametrize("leave", ["recv", "close", "drop"])
@pytest.mark.parametrize("capacity", [1, 7])
def test_a_sender_waits_for_room(capacity, leave, peer):
    _source, send, fast, slow = broadcast(capacity, 2)
    produce(send, range(capacity))
    recv_all(fast, capacity)
    sending = peer.start(send.send, "last")
    assert fast.closed is False
    if leave == "recv":
        assert slow.recv() == 0
    elif leave == "close":
        slow.close()
    else:
        del slow
    sending.result()
    assert fast.recv() == "last"


@while_peer_waits
def test_without_capacity_a_send_waits_for_all(peer):
    _source, send, one, two = broadcast(0, 2)
    ended = coterie.Queue()

    def work():
        send.send("object")
        ended.put(None)

    sending = peer.start(work)
    assert one.recv() == "object"
    assert ended.empty()
    assert two.recv() == "object"
    sending.result()


@while_peer_waits
@pytest.mark.parametrize("leave", ["close", "drop"])
def test_without_capacity_who_leaves_is_not_waited_for(leave, peer):
    _source, send, one, two = broadcast(0, 2)
    sending = peer.start(send.send, "object")
    assert one.recv() == "object"
    if leave == "close":
        two.close()
    else:
        del two
    sending.result()


@while_peer_waits
def test_without_capacity_all_may_be_waiting(peer):
    _source, send, one, two = broadcast(0, 2)
    receiving = [peer.start(sub.recv) for sub in (one, two)]
    while name_of_error(send.send_nowait, "object") == "Full":
        coterie.sync.Event().wait(0.001)
    assert [future.result() for future in receiving] == ["object"] * 2


@while_peer_waits
def test_a_timeout_when_some_have_it(peer):
    """Then it is sent: it stays for the others, and the next one waits for them."""
    _source, send, one, two = broadcast(0, 2)
    receiving = peer.start(one.recv)
    while name_of_error(send.send, "object", 0.02) == "Full":
        pass  # it was not waiting yet
    assert receiving.result() == "object"
    assert len(two) == 1
    with pytest.raises(Full):
        send.send("next", 0.01)
    assert two.recv() == "object"
    for sub in (one, two):
        with pytest.raises(Empty):
            sub.recv_nowait()


# ---- close -------------------------------------------------------------------


@with_room
def test_after_close_of_the_sending_end_the_line_is_received(capacity, peer):
    source, send, *subs = broadcast(capacity, 2)
    send.send("last")
    peer(send.close)
    assert (source.closed, send.closed) == (True, True)
    for attempt in (send.send, send.send_nowait, send.send_buffer):
        with pytest.raises(Closed):
            peer(attempt, b"more")
    with pytest.raises(Closed, match="^the channel is closed$"):
        peer(source.subscribe)
    for sub in subs:
        assert not sub.closed
        assert list(sub) == ["last"]
        assert sub.closed
        with pytest.raises(Closed):
            sub.recv_nowait()


@any_capacity
def test_a_closed_source_lets_subscribers_go_on(capacity, peer):
    source, send, sub = broadcast(capacity, 1)
    source.close()
    assert (source.closed, send.closed, sub.closed) == (True, False, False)
    with pytest.raises(Closed):
        peer(source.subscribe)
    thread_sends = peer.start(
        lambda: name_of_error(send.send, 1, 0 if capacity == 0 else None)
    )
    assert thread_sends.result() == ("Full" if capacity == 0 else None)
    sub.close()
    assert send.closed
    with pytest.raises(Closed):
        send.send(2)


@any_capacity
def test_closing_again_does_nothing(capacity):
    source, send, sub = broadcast(capacity, 1)
    for end in (sub, sub, source, source, send, send, sub):
        assert end.close() is None


@while_peer_waits
@pytest.mark.parametrize("which", ["sender", "subscription"])
def test_a_close_ends_the_wait_of_receivers(which, peer):
    _source, send, sub = broadcast(0, 1)
    entered = coterie.Queue()

    def work():
        entered.put(None)
        return name_of_error(sub.recv)

    waits = [peer.start(work) for _ in range(3)]
    for _ in waits:
        entered.get()
    (send if which == "sender" else sub).close()
    assert [wait.result() for wait in waits] == ["Closed"] * 3


@while_peer_waits
@pytest.mark.parametrize("which", ["sender", "listeners"])
def test_a_close_ends_the_wait_of_senders(which, peer):
    source, send, sub = broadcast(1, 1)
    send.send("first")
    entered = coterie.Queue()

    def work():
        entered.put(None)
        return name_of_error(send.send, "second")

    waits = [peer.start(work) for _ in range(3)]
    for _ in waits:
        entered.get()
    if which == "sender":
        send.close()
        assert list(sub) == ["first"]
    else:
        source.close()
        sub.close()
    assert [wait.result() for wait in waits] == ["Closed"] * 3


def test_as_context_managers():
    source, send = create_channel(2, broadcast=True)
    with send, source as entered:
        assert entered is source
        with source.subscribe() as sub:
            send.send(1)
            assert sub.recv() == 1
        assert sub.closed
        assert not source.closed
    assert source.closed
    assert send.closed


# ---- when nobody has an end --------------------------------------------------


def test_without_senders_subscribers_get_the_rest():
    source, send, sub = broadcast(2, 1)
    produce(send, range(2))
    del send
    assert list(sub) == [0, 1]
    assert source.closed


def test_without_listeners_nothing_is_sent():
    source, send, sub = broadcast(2, 1)
    del source
    send.send(1)
    assert sub.recv() == 1
    del sub
    with pytest.raises(Closed):
        send.send(2)


def test_a_worker_that_subscribes_and_ends(pool):
    source, send = create_channel(1, broadcast=True)
    ready = coterie.Queue()

    def take(source, count, ready):
        sub = source.subscribe()
        ready.put(None)
        return recv_all(sub, count)

    taking = pool.submit(take, source, 3, ready)
    ready.get()
    produce(send, range(20))  # more than it takes: it is gone then
    assert taking.result() == [0, 1, 2]
    assert source.subscribers == 0


@pytest.mark.parametrize("how", ["main", "cycle"])
def test_an_interpreter_that_ends_holds_nobody_back(how, interp):
    def keep(how, source):
        import sys

        if how == "main":
            sys.modules["__main__"].kept = source.subscribe()
        else:
            cycle = [source.subscribe()]
            cycle.append(cycle)

    source, send = create_channel(1, broadcast=True)
    interp.call(keep, how, source)
    send.send("there is room")
    interp.close()
    produce(send, range(20))
    assert source.subscribers == 0


# ---- many --------------------------------------------------------------------


@while_peer_waits
@any_capacity
def test_one_to_many(capacity, peer):
    _source, send, *subs = broadcast(capacity, 3)
    receiving = [peer.start(list, sub) for sub in subs]
    with send:
        produce(send, range(300))
    for future in receiving:
        assert future.result() == list(range(300))


@while_peer_waits
@any_capacity
def test_many_to_many(capacity, peer):
    _source, send, *subs = broadcast(capacity, 2)
    each = 200
    receiving = [peer.start(list, sub) for sub in subs]
    sending = [
        peer.start(produce, send, range(first, first + each)) for first in (0, each)
    ]
    for future in sending:
        future.result()
    send.close()
    one, two = (future.result() for future in receiving)
    assert one == two  # in the same order, for all
    assert sorted(one) == list(range(2 * each))
    for first in (0, each):
        own = [n for n in one if first <= n < first + each]
        assert own == sorted(own)


@while_peer_waits
@any_capacity
def test_several_receivers_of_one_subscription_share_it(capacity, peer):
    _source, send, shared, own = broadcast(capacity, 2)
    receiving = [peer.start(list, sub) for sub in (shared, shared, own)]
    with send:
        produce(send, range(200))
    one, two, all_ = (future.result() for future in receiving)
    assert sorted(one + two) == list(range(200))
    assert all_ == list(range(200))


@while_peer_waits
@any_capacity
def test_subscribers_come_and_go(capacity, peer):
    """Each sees a part without gaps, and nobody is held back by one who left."""
    source, send, steady = broadcast(capacity, 1)

    def come_and_go(source):
        parts = []
        try:
            for count in itertools.cycle(range(5)):
                with source.subscribe() as sub:
                    parts.append([n for n, _ in zip(sub, range(count), strict=False)])
        except Closed:
            return parts

    visiting = peer.start(come_and_go, source)
    receiving = peer.start(list, steady)
    with send:
        produce(send, range(300))
    assert receiving.result() == list(range(300))
    for part in visiting.result():
        assert part == list(range(part[0], part[0] + len(part))) if part else True


# ---- identity ----------------------------------------------------------------


def ends_of_each_kind():
    source, send, sub = broadcast(1, 1)
    return {"source": source, "sender": send, "receiver": sub}


each_end = pytest.mark.parametrize("kind", ["source", "sender", "receiver"])


@each_end
def test_there_and_back_it_is_the_same(kind, peer):
    end = ends_of_each_kind()[kind]
    other = ends_of_each_kind()[kind]
    assert peer(lambda obj: obj, end) is end
    assert peer(lambda a, b: (a == b, hash(a)), end, end) == (True, hash(end))
    assert peer(lambda a, b: a == b, end, other) is False
    assert len({end, other, end}) == 2


def test_subscriptions_are_not_the_same():
    _source, _send, one, two = broadcast(1, 2)
    assert one != two


@each_end
def test_it_can_be_referred_to_weakly(kind):
    ends = ends_of_each_kind()
    reference = weakref.ref(ends[kind])
    assert reference() is ends[kind]
    del ends
    gc.collect()
    assert reference() is None


@each_end
def test_it_does_not_leave_the_process(kind):
    end = ends_of_each_kind()[kind]
    for function in (pickle.dumps, copy.copy):
        with pytest.raises(coterie.NotShareableError, match="lives in this process"):
            function(end)


def test_a_subscription_is_sent_through_its_own_channel():
    source, send, sub = broadcast(1, 1)
    send.send(sub)
    assert sub.recv() is sub
    send.send([sub, source, send])
    del sub, source  # a subscriber that is in its own line only
    gc.collect()
    assert not send.closed
    send.close()


def test_repr():
    source, send, sub = broadcast(3, 1)
    send.send(1)
    assert repr(source).startswith("<coterie.channel.Source ")
    assert repr(source).endswith(" subscribers=1>")
    assert " capacity=3 len=1>" in repr(send)
    assert " capacity=3 len=1>" in repr(sub)
    send.close()
    assert repr(source).endswith(" subscribers=1 closed>")
    assert repr(sub).endswith(" len=1>")
    sub.close()
    assert repr(sub).endswith(" len=0 closed>")
    assert Source[int].__origin__ is Source


# ---- interrupts --------------------------------------------------------------


def tell_and_recv(sub, entered):
    entered.put(None)
    return sub.recv()


def send_until_stopped(send, entered, n):
    try:
        entered.put(None)
        while True:
            send.send(n)
            n += 1
    except KeyboardInterrupt:
        return n  # what it was at


@any_capacity
def test_an_interrupted_receiver_takes_nothing(capacity, interp):
    _source, send, sub = broadcast(capacity, 1)
    for _ in range(20):
        entered = coterie.Queue()
        thread = interp.call_in_thread(tell_and_recv, sub, entered)
        entered.get()
        assert interp.interrupt() is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    thread = interp.call_in_thread(tell_and_recv, sub, coterie.Queue())
    send.send("for the next one")
    assert thread.result() == "for the next one"


@any_capacity
def test_interrupts_at_any_point_lose_and_double_nothing(capacity, interp):
    _source, send, *subs = broadcast(capacity, 2)
    got = [[], []]
    for turn in range(20):
        entered = coterie.Queue()
        args = send, entered, len(got[0])
        thread = interp.call_in_thread(send_until_stopped, *args)
        entered.get()
        for _ in range(turn * 3 % 11):
            for numbers, sub in zip(got, subs, strict=True):
                numbers.append(sub.recv())
        assert interp.interrupt() is True
        at = thread.result()
        for numbers, sub in zip(got, subs, strict=True):
            numbers += recv_all(sub, len(sub))
        assert got[0] == got[1]
        assert got[0] in (list(range(at)), list(range(at + 1)))


@any_capacity
def test_a_sender_that_is_closed_while_it_waits(capacity):
    source, send, one, two = broadcast(capacity, 2)
    entered = coterie.Queue()
    with interpreters.create() as other:
        thread = other.call_in_thread(send_until_stopped, send, entered, 0)
        entered.get()
        if capacity != 0:
            assert one.recv() == 0
        other.close(interrupt=True)
        thread.exception()
    produced = recv_all(one, len(one))
    rest = recv_all(two, len(two))
    assert rest == ([] if capacity == 0 else [0]) + produced
    assert source.subscribers == 2
    receiving = [one, two]
    del one, two
    if capacity != 0:
        send.send("fine")
        assert [sub.recv() for sub in receiving] == ["fine"] * 2


def test_ctrl_c_in_send(repeat_script):
    """Nobody has it: it is not sent.  One has: it is for the others, too."""
    ends = repeat_script("""
        import child, coterie
        source, send = coterie.create_channel(0, broadcast=True)
        one, two = source.subscribe(), source.subscribe()

        def take_one_and_signal(sub):
            got = sub.recv()
            child.signal_waiting_main()
            return got

        with coterie.Executor(1) as pool:
            for function, *args in (
                (child.signal_waiting_main,), (take_one_and_signal, one)
            ):
                future = pool.submit(function, *args)
                try:
                    send.send("object")
                except KeyboardInterrupt:
                    print("interrupted", future.result(), len(one), len(two))
        print(two.recv())
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted None 0 0", "interrupted object 0 1", "object"])
    ]


def test_ctrl_c_in_recv(repeat_script):
    ends = repeat_script("""
        import child, coterie
        source, send = coterie.create_channel(1, broadcast=True)
        sub = source.subscribe()
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                sub.recv()
            except KeyboardInterrupt:
                print("interrupted")
        send.send("still fine")
        print(sub.recv(), len(sub))
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "still fine 0"])
    ]
