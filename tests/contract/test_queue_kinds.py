"""LifoQueue, PriorityQueue and SimpleQueue against the standard library's.

What holds for both is tried on both, and with a peer on the same thread, on
another thread and, for ours, in another interpreter.
"""

import gc
import inspect
import itertools
import pickle
import queue
import weakref

import pytest

import coterie.queue

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

BOUNDED = ["Queue", "LifoQueue", "PriorityQueue"]
KINDS = [*BOUNDED, "SimpleQueue"]
HOMES = {"coterie": coterie.queue, "stdlib": queue}


def across(kinds, *peers):
    """For each kind and peer, ours and, where it works, the stdlib's."""
    sides = [
        (home, kind, peer)
        for home, kind, peer in itertools.product(HOMES, kinds, peers)
        if not (home == "stdlib" and peer == "other-interpreter")
    ]
    return pytest.mark.parametrize(
        ("Kind", "peer"),
        [(getattr(HOMES[home], kind), peer) for home, kind, peer in sides],
        indirect=["peer"],
        ids=["-".join(side) for side in sides],
    )


PEERS = ["same-thread", "other-thread", "other-interpreter"]
of_any_kind = across(KINDS, *PEERS)
of_a_bounded_kind = across(BOUNDED, *PEERS)
while_peer_waits = across(KINDS, *PEERS[1:])
while_peer_waits_bounded = across(BOUNDED, *PEERS[1:])
every_kind = pytest.mark.parametrize("kind", KINDS)
every_bounded_kind = pytest.mark.parametrize("kind", BOUNDED)


def of_ours(kind):
    return getattr(coterie.queue, kind)


def put(q, *items):
    for item in items:
        q.put(item)


def take(q, count):
    return [q.get() for _ in range(count)]


# ---- order -------------------------------------------------------------------

ORDERS = {
    "Queue": [3, 1, 2, 1, 5],
    "SimpleQueue": [3, 1, 2, 1, 5],
    "LifoQueue": [5, 1, 2, 1, 3],
    "PriorityQueue": [1, 1, 2, 3, 5],
}


@of_any_kind
def test_the_kind_tells_the_order(Kind, peer):
    q = Kind()
    peer(put, q, 3, 1, 2, 1, 5)
    assert take(q, 5) == ORDERS[Kind.__name__]
    put(q, 3, 1, 2, 1, 5)
    assert peer(take, q, 5) == ORDERS[Kind.__name__]


@of_any_kind
def test_between_puts_and_gets(Kind, peer):
    q, got = Kind(), []
    for item in range(40, 0, -1):
        peer(q.put, item)
        if item % 3:
            got.append(q.get())
    got += take(q, q.qsize())
    twin, expected = getattr(queue, Kind.__name__)(), []
    for item in range(40, 0, -1):
        twin.put(item)
        if item % 3:
            expected.append(twin.get())
    expected += take(twin, twin.qsize())
    assert got == expected


@every_kind
def test_any_item_arrives_whose_order_does_not_matter(kind, peer):
    items = ["text", b"bytes", (1, ("nested", 2.5)), 2**100, -1.5, True]
    q = of_ours(kind)()
    for item in items:
        peer(q.put, item)
        got = q.get()
        assert (type(got), got) == (type(item), item)


# ---- interface ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_all_names_of_the_stdlib_are_there(kind):
    theirs = {name for name in dir(getattr(queue, kind)) if name[0] != "_"}
    inner = {"mutex", "not_empty", "not_full", "all_tasks_done", "unfinished_tasks"}
    assert theirs - inner <= set(dir(of_ours(kind)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["put", "get", "put_nowait", "get_nowait"])
def test_signatures_are_the_stdlibs(kind, name):
    ours = inspect.signature(getattr(of_ours(kind), name)).parameters
    theirs = inspect.signature(getattr(queue.Queue, name)).parameters
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_what_derives_from_what():
    for kind in KINDS:
        ours, theirs = of_ours(kind), getattr(queue, kind)
        is_a_queue = issubclass(theirs, queue.Queue)
        assert issubclass(ours, coterie.Queue) == is_a_queue
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Mine", (ours,), {})


@of_any_kind
def test_sizes(Kind, peer):
    q = Kind()
    assert (q.qsize(), q.empty()) == (0, True)
    peer(q.put, 1)
    assert (q.qsize(), q.empty()) == (1, False)
    assert peer(q.qsize) == 1
    assert peer(q.get) == 1
    assert peer(q.empty)


@of_any_kind
def test_gets_that_do_not_wait(Kind, peer):
    q = Kind()
    for get in [
        lambda q: q.get_nowait(),
        lambda q: q.get(False),
        lambda q: q.get(block=False),
        lambda q: q.get(timeout=0),
        lambda q: q.get(True, 0.01),
    ]:
        with pytest.raises(queue.Empty):
            peer(get, q)
        q.put(1)
        assert peer(get, q) == 1
    with pytest.raises(ValueError, match="non-negative"):
        q.get(timeout=-1)
    with pytest.raises(TypeError):
        q.get(timeout="1")


def test_simple_queue_takes_no_bound():
    for Kind in (queue.SimpleQueue, coterie.queue.SimpleQueue):
        with pytest.raises(TypeError):
            Kind(3)
        q = Kind()
        q.put(1, False, 5)
        q.put(item=2, block=True, timeout=None)
        q.put_nowait(item=3)
        assert take(q, 3) == [1, 2, 3]


@of_a_bounded_kind
def test_a_bound_is_kept(Kind, peer):
    q = Kind(2)
    assert (q.maxsize, Kind(maxsize=5).maxsize, Kind(-1).maxsize <= 0) == (2, 5, True)
    peer(put, q, 1, 2)
    assert q.full()
    with pytest.raises(queue.Full):
        peer(q.put_nowait, 3)
    with pytest.raises(queue.Full):
        q.put(3, timeout=0.01)
    assert sorted(take(q, 2)) == [1, 2]
    assert not peer(q.full)


@of_a_bounded_kind
def test_tasks_are_counted(Kind, peer):
    q = Kind()
    put(q, 1, 2)
    peer(take, q, 2)
    q.task_done()
    peer(q.task_done)
    peer(q.join)
    with pytest.raises(ValueError, match=r"task_done\(\) called too many times"):
        peer(q.task_done)


@of_a_bounded_kind
def test_shutdown(Kind, peer):
    q = Kind()
    put(q, 1, 1)
    peer(q.shutdown)
    with pytest.raises(queue.ShutDown):
        q.put(2)
    assert peer(take, q, 2) == [1, 1]
    with pytest.raises(queue.ShutDown):
        peer(q.get)
    q = Kind()
    put(q, *range(40))
    q.shutdown(immediate=True)
    with pytest.raises(queue.ShutDown):
        q.get()
    q.join()


@while_peer_waits
def test_get_waits_for_an_item(Kind, peer):
    ask, answer = Kind(), Kind()

    def serve():
        answer.put("waiting")
        return ask.get()

    got = peer.start(serve)
    assert answer.get() == "waiting"
    ask.put("item")
    assert got.result() == "item"


@while_peer_waits_bounded
def test_put_waits_for_room(Kind, peer):
    q, sign = Kind(1), Kind()
    q.put("first")

    def fill():
        sign.put("waiting")
        q.put("second")

    done = peer.start(fill)
    assert sign.get() == "waiting"
    assert q.get() == "first"
    done.result()
    assert q.get() == "second"


@while_peer_waits
def test_many_producers_and_consumers_lose_and_double_nothing(Kind, peer):
    q = Kind()
    each = 300

    def produce(which):
        for n in range(which * each, (which + 1) * each):
            q.put(n)

    def consume():
        return [q.get() for _ in range(each)]

    consuming = [peer.start(consume) for _ in range(2)]
    producing = [peer.start(produce, which) for which in range(2)]
    for future in producing:
        future.result()
    got = [n for future in consuming for n in future.result()]
    assert sorted(got) == list(range(2 * each))
    assert q.empty()


# ---- what is sent ------------------------------------------------------------


@every_kind
def test_a_queue_comes_back_as_the_same_object(kind, peer):
    q = of_ours(kind)()
    assert peer(lambda got: got, q) is q
    assert peer(lambda got: got["q"][0], {"q": [q]}) is q
    assert peer(lambda q: type(q).__qualname__, q) == kind
    assert peer(hash, q) == hash(q)
    assert peer(repr, q) == repr(q)
    assert f"coterie.{'' if kind == 'Queue' else 'queue.'}{kind}" in repr(q)


@every_kind
def test_a_queue_made_in_a_worker_outlives_it(kind):
    def make():
        q = getattr(coterie.queue, kind)()
        q.put("inside")
        return q

    with coterie.Executor(1) as pool:
        q = pool.submit(make).result()
    assert q.get() == "inside"


@every_kind
def test_an_item_that_cannot_be_sent_leaves_the_queue_as_it_was(kind):
    q = of_ours(kind)() if kind != "PriorityQueue" else of_ours(kind)(key=len)
    q.put("before")
    with pytest.raises(coterie.NotShareableError, match="item not shareable"):
        q.put([1, (n for n in [])])
    assert (q.qsize(), q.get()) == (1, "before")


@every_kind
def test_weak_references_and_cycles(kind):
    class Node:
        pass

    node = Node()
    node.queue, node.self = of_ours(kind)(), node
    weak = weakref.ref(node.queue)
    assert weak() is node.queue
    del node
    gc.collect()
    assert weak() is None


@every_kind
def test_pickle_refuses_a_queue(kind):
    with pytest.raises(coterie.NotShareableError, match="this process only"):
        pickle.dumps(of_ours(kind)())
    assert of_ours(kind)[int].__origin__ is of_ours(kind)


# ---- iteration, and the context manager --------------------------------------


@every_bounded_kind
def test_iteration_ends_with_the_queue(kind, peer):
    q = of_ours(kind)()
    peer(put, q, 3, 1, 2, 1, 5)
    q.shutdown()
    assert peer(list, q) == ORDERS[kind]
    assert list(q) == []
    assert iter(q) is q


@every_bounded_kind
@pytest.mark.parametrize("peer", PEERS[1:], indirect=True)
@pytest.mark.parametrize("immediate", [False, True])
def test_iteration_waits(kind, peer, immediate):
    q, got = of_ours(kind)(), coterie.Queue()

    def consume():
        for item in q:
            got.put(item)
        return "over"

    consuming = [peer.start(consume) for _ in range(2)]
    for n in range(50):
        q.put(n)
    assert sorted(take(got, 50)) == list(range(50))
    q.shutdown(immediate)
    assert [future.result() for future in consuming] == ["over", "over"]


def test_iteration_leaves_the_count_to_the_caller():
    q = coterie.Queue()
    q.put(1)
    q.shutdown()
    assert list(q) == [1]
    q.task_done()
    q.join()


@every_bounded_kind
def test_a_with_block_shuts_down(kind, peer):
    with of_ours(kind)() as q:
        peer(q.put, 1)
    with pytest.raises(queue.ShutDown):
        peer(q.put, 2)
    assert list(q) == [1]


def test_a_with_block_that_raises_leaves_what_is_inside():
    q = coterie.Queue()
    with pytest.raises(ZeroDivisionError), q as same:
        assert same is q
        q.put(1)
        _ = 1 / 0
    assert list(q) == [1]


def test_ctrl_c_in_iteration_loses_nothing(repeat_script):
    ends = repeat_script("""
        import child, coterie
        q = coterie.Queue()
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                for item in q:
                    pass
            except KeyboardInterrupt:
                print("interrupted")
        q.put("still fine")
        print(next(q), q.qsize())
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "still fine 0"])
    ]
