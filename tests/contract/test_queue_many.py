"""put_many and get_many: all or none, and nothing lost, doubled or re-ordered."""

import gc
import itertools
import operator
import queue

import pytest

import coterie.queue

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

KINDS = ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"]
every_kind = pytest.mark.parametrize("kind", KINDS)
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


def make(kind, *args):
    return getattr(coterie.queue, kind)(*args)


class Explosive:
    """Cannot be made again."""

    def __reduce__(self):
        return operator.truediv, (1, 0)


# ---- order and number --------------------------------------------------------


@every_kind
@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 1000])
def test_many_are_as_one_after_the_other(kind, peer, count):
    many, single = make(kind), make(kind)
    items = [n * 7 % 13 for n in range(count)]
    peer(many.put_many, items)
    for item in items:
        single.put(item)
    assert many.qsize() == count
    expected = [single.get() for _ in range(count)]
    if count:
        assert peer(many.get_many, count + 1) == expected
    assert many.empty()


@every_kind
def test_get_many_takes_what_is_there_up_to_max(kind, peer):
    q = make(kind)
    q.put_many([1, 1, 1, 1, 1])
    assert peer(q.get_many, 2) == [1, 1]
    assert peer(lambda: q.get_many(max=2, timeout=0)) == [1, 1]
    assert q.get_many(2**100) == [1]


@pytest.mark.parametrize(
    "items",
    [(0, 1, 2), {0: 1, 1: 2, 2: 3}, range(3), "012", (n for n in range(3))],
    ids=["tuple", "dict", "range", "str", "generator"],
)
def test_items_are_any_iterable(items):
    q = coterie.Queue()
    expected = ["0", "1", "2"] if isinstance(items, str) else [0, 1, 2]
    q.put_many(items)
    assert q.get_many(9) == expected


def test_many_stay_next_to_each_other():
    q = coterie.Queue()

    def produce(q, which):
        for _ in range(100):
            q.put_many([which] * 5)

    with coterie.Executor(3) as pool:
        for future in [pool.submit(produce, q, which) for which in range(3)]:
            future.result()
    got = q.get_many(10_000)
    assert len(got) == 1500
    runs = [len(list(run)) for _, run in itertools.groupby(got)]
    assert all(run % 5 == 0 for run in runs)


def test_tasks_are_counted_one_by_one():
    q = coterie.Queue()
    q.put_many(range(3))
    q.get_many(3)
    for _ in range(3):
        q.task_done()
    q.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()


# ---- bounds and times --------------------------------------------------------


def test_all_or_none_at_a_bound(peer):
    q = coterie.Queue(4)
    q.put_many([1, 2, 3])
    with pytest.raises(queue.Full):
        peer(lambda: q.put_many([4, 5], timeout=0))
    with pytest.raises(coterie.queue.Full):
        q.put_many([4, 5], 0.01)
    assert q.qsize() == 3
    q.put_many([4], timeout=0)
    q.put_many([], timeout=0)
    assert q.get_many(9) == [1, 2, 3, 4]


def test_more_than_ever_fit_are_refused_at_once(peer):
    q = coterie.Queue(2)
    with pytest.raises(ValueError, match=r"3 items never fit .* maxsize 2"):
        peer(q.put_many, [1, 2, 3])
    assert q.empty()


@every_kind
def test_get_many_from_an_empty_queue(kind, peer):
    q = make(kind)
    with pytest.raises(queue.Empty):
        peer(lambda: q.get_many(3, timeout=0))
    with pytest.raises(coterie.queue.Empty):
        q.get_many(3, 0.01)


WRONG_CALLS = {
    "max-zero": (ValueError, lambda q: q.get_many(0)),
    "max-negative": (ValueError, lambda q: q.get_many(-(2**100))),
    "max-float": (TypeError, lambda q: q.get_many(1.0)),
    "max-missing": (TypeError, lambda q: q.get_many()),
    "get-negative-timeout": (ValueError, lambda q: q.get_many(1, -1)),
    "get-text-timeout": (TypeError, lambda q: q.get_many(1, "1")),
    "items-missing": (TypeError, lambda q: q.put_many()),
    "items-number": (TypeError, lambda q: q.put_many(3)),
    "put-negative-timeout": (ValueError, lambda q: q.put_many([1], -1)),
    "put-unknown-name": (TypeError, lambda q: q.put_many([1], block=False)),
}


@pytest.mark.parametrize(("error", "call"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls(error, call):
    q = coterie.Queue()
    q.put("inside")
    with pytest.raises(error):
        call(q)
    assert q.get_many(2) == ["inside"]


@while_peer_waits
def test_put_many_waits_for_room_for_all(peer):
    q, sign = coterie.Queue(3), coterie.Queue()
    q.put_many([1, 2])

    def fill():
        sign.put("waiting")
        q.put_many([3, 4, 5])

    done = peer.start(fill)
    assert sign.get() == "waiting"
    assert q.get() == 1
    assert q.get() == 2
    done.result()
    assert q.get_many(9) == [3, 4, 5]


@while_peer_waits
def test_get_many_waits_for_the_first_only(peer):
    q, sign = coterie.Queue(), coterie.Queue()

    def take():
        sign.put("waiting")
        return q.get_many(100)

    got = peer.start(take)
    assert sign.get() == "waiting"
    q.put("one")
    assert got.result() == ["one"]


@while_peer_waits
def test_one_put_many_wakes_all_it_has_items_for(peer):
    q, sign = coterie.Queue(), coterie.Queue()

    def take():
        sign.put("waiting")
        return q.get()

    getting = [peer.start(take) for _ in range(3)]
    for _ in range(3):
        sign.get()
    q.put_many([1, 2, 3])
    assert sorted(future.result() for future in getting) == [1, 2, 3]


@while_peer_waits
def test_one_get_many_wakes_all_it_makes_room_for(peer):
    q, sign = coterie.Queue(3), coterie.Queue()
    q.put_many([0, 0, 0])

    def fill(n):
        sign.put("waiting")
        q.put(n)

    putting = [peer.start(fill, n) for n in (1, 2, 3)]
    for _ in range(3):
        sign.get()
    assert q.get_many(3) == [0, 0, 0]
    for future in putting:
        future.result()
    assert sorted(q.get_many(3)) == [1, 2, 3]


@while_peer_waits
@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
def test_many_producers_and_consumers_lose_and_double_nothing(kind, peer):
    q = make(kind, 7)

    def produce(which):
        for n in range(0, 600, 6):
            first = which * 600 + n
            q.put_many(range(first, first + 5))
            q.put(first + 5)

    def consume():
        got = []
        try:
            while True:
                got += q.get_many(4)
        except coterie.queue.ShutDown:
            return got

    consuming = [peer.start(consume) for _ in range(2)]
    producing = [peer.start(produce, which) for which in range(2)]
    for future in producing:
        future.result()
    q.shutdown()
    got = [n for future in consuming for n in future.result()]
    assert sorted(got) == list(range(1200))


# ---- shutdown ----------------------------------------------------------------


def test_after_shutdown(peer):
    q = coterie.Queue()
    q.put_many([1, 2, 3])
    q.shutdown()
    with pytest.raises(queue.ShutDown):
        peer(q.put_many, [4])
    with pytest.raises(queue.ShutDown):
        q.put_many([])
    assert peer(q.get_many, 2) == [1, 2]
    assert q.get_many(2) == [3]
    with pytest.raises(coterie.queue.ShutDown):
        peer(q.get_many, 1)


@while_peer_waits
def test_shutdown_wakes_who_puts_or_gets_many(peer):
    full, empty, sign = coterie.Queue(2), coterie.Queue(), coterie.Queue()
    full.put(1)

    def fill():
        sign.put("waiting")
        full.put_many([2, 3])

    def take():
        sign.put("waiting")
        empty.get_many(2)

    waiting = [peer.start(fill), peer.start(take)]
    sign.get()
    sign.get()
    full.shutdown()
    empty.shutdown()
    for future in waiting:
        with pytest.raises(queue.ShutDown):
            future.result()
    assert list(full) == [1]


# ---- what cannot be sent, or be made again -----------------------------------


@every_kind
def test_one_that_cannot_be_sent_keeps_all_out(kind):
    q = make(kind)
    q.put("before")
    bad = (n for n in []) if kind != "PriorityQueue" else 1j
    error = coterie.NotShareableError if kind != "PriorityQueue" else TypeError
    with pytest.raises(error, match=r"items\[2\]"):
        q.put_many(["a", "b", bad, "c"])
    assert q.get_many(9) == ["before"]


def test_items_that_raise_keep_all_out():
    def items():
        yield 1
        raise ZeroDivisionError

    q = coterie.Queue()
    with pytest.raises(ZeroDivisionError):
        q.put_many(items())
    assert q.empty()
    q.join()


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "SimpleQueue"])
def test_one_that_cannot_be_made_again_ends_the_list(kind, peer):
    q = make(kind)
    items = [1, 2, Explosive(), 3, 4]
    q.put_many(items if kind != "LifoQueue" else items[::-1])
    assert peer(q.get_many, 9) == [1, 2]
    assert q.qsize() == 3
    with pytest.raises(ZeroDivisionError):
        peer(q.get_many, 9)
    assert peer(q.get_many, 9) == [3, 4]
    assert q.empty()


class Raising:
    """Raises what is no Exception when made again, as often as it is told."""

    left = 0

    def __new__(cls):
        if cls.left:
            cls.left -= 1
            raise KeyboardInterrupt
        return super().__new__(cls)

    def __reduce__(self):
        return Raising, ()


def test_an_interrupt_leaves_all_inside():
    q = coterie.Queue()
    q.put_many([1, 2, Raising(), 3])
    Raising.left = 1
    with pytest.raises(KeyboardInterrupt):
        q.get_many(3)
    assert q.qsize() == 4
    assert q.get_many(2) == [1, 2]
    got = q.get_many(9)
    assert type(got[0]) is Raising
    assert got[1:] == [3]


def test_ctrl_c_in_put_many_puts_nothing(repeat_script):
    ends = repeat_script("""
        import child, coterie
        q = coterie.Queue(2)
        q.put("first")
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                q.put_many(["second", "third"])
            except KeyboardInterrupt:
                print("interrupted")
        print(q.get_many(9), q.qsize())
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "['first'] 0"])
    ]


def test_queues_travel_in_batches(peer):
    inner = [coterie.Queue() for _ in range(5)]
    q = coterie.Queue()
    q.put_many(inner)
    peer(lambda: [each.put(n) for n, each in enumerate(q.get_many(9))])
    gc.collect()
    assert [each.get() for each in inner] == list(range(5))
