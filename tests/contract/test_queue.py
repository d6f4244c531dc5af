"""coterie.Queue against its promise: queue.Queue, and also between interpreters.

What holds for both is tried on both, and with a peer on the same thread, on
another thread and, for ours, in another interpreter.
"""

import copy
import functools
import gc
import itertools
import operator
import pickle
import queue
import weakref
from dataclasses import dataclass, field

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

STDLIB, OURS = queue.Queue, coterie.Queue


def across(*peers):
    """For each peer, with our queue and, where it works, with the stdlib's."""
    sides = [
        (Queue, peer)
        for Queue, peer in itertools.product((OURS, STDLIB), peers)
        if not (Queue is STDLIB and peer == "other-interpreter")
    ]
    names = {OURS: "coterie", STDLIB: "stdlib"}
    return pytest.mark.parametrize(
        ("Queue", "peer"),
        sides,
        indirect=["peer"],
        ids=[f"{names[Queue]}-{peer}" for Queue, peer in sides],
    )


by_any_peer = across("same-thread", "other-thread", "other-interpreter")
while_peer_waits = across("other-thread", "other-interpreter")
on_both = pytest.mark.parametrize("Queue", [OURS, STDLIB], ids=["coterie", "stdlib"])


def put(q, *items):
    for item in items:
        q.put(item)


def take(q, count):
    return [q.get() for _ in range(count)]


def name_of_error(function, *args):
    """What a call raises, by the name that the caller would catch."""
    try:
        function(*args)
    except queue.Empty:
        return "Empty"
    except queue.Full:
        return "Full"
    except queue.ShutDown:
        return "ShutDown"
    except Exception as error:
        return type(error).__name__
    return None


# ---- items -------------------------------------------------------------------


@by_any_peer
def test_items_come_in_order(Queue, peer):
    q = Queue()
    peer(put, q, *range(100))
    assert take(q, 100) == list(range(100))
    put(q, *range(100))
    assert peer(take, q, 100) == list(range(100))


ITEMS = [
    None,
    True,
    2**200,
    -1.5,
    "ünï\ud800cödé",
    b"\0bytes",
    [1, [2, (3, {4: {5}})]],
    {"a": frozenset({1, 2}), None: ()},
    ...,
    range(3),
    ValueError("text", 3),
    int,
    operator.add,
]


@by_any_peer
@pytest.mark.parametrize("item", ITEMS, ids=ascii)
def test_any_item_arrives_equal(Queue, peer, item):
    q = Queue()
    peer(q.put, item)
    got = q.get()
    assert type(got) is type(item)
    assert repr(got) == repr(item)


def test_an_item_is_a_copy():
    q = coterie.Queue()
    item = [1]
    q.put(item)
    item.append(2)
    assert q.get() == [1]


def test_a_large_item_arrives(peer):
    q = coterie.Queue()
    peer(q.put, bytes(20_000_000))
    assert q.get() == bytes(20_000_000)


def test_an_item_may_be_a_function_with_globals(peer):
    q = coterie.Queue()
    q.put(lambda count: take(q, count))
    q.put("second")
    assert peer(lambda: q.get()(1)) == ["second"]


def test_items_outlive_the_interpreter_that_put_them():
    q = coterie.Queue()
    with coterie.Executor(1) as pool:
        pool.submit(put, q, ["made", "there"], {"and": {1.5}}).result()
    assert take(q, 2) == [["made", "there"], {"and": {1.5}}]


def test_items_outlive_the_interpreter_for_another_one():
    q = coterie.Queue()
    with coterie.Executor(1) as pool:
        pool.submit(put, q, *range(50)).result()
    with coterie.Executor(1) as pool:
        assert pool.submit(take, q, 50).result() == list(range(50))


def test_a_queue_made_in_a_worker_outlives_it():
    def make():
        q = coterie.Queue(7)
        q.put("inside")
        return q

    with coterie.Executor(1) as pool:
        q = pool.submit(make).result()
    assert (q.maxsize, q.qsize(), q.get()) == (7, 1, "inside")


def test_a_dropped_queue_drops_its_items_and_inner_queues():
    inner = coterie.Queue()
    outer = coterie.Queue()
    outer.put([inner])
    del outer
    inner.put("alive")
    assert inner.get() == "alive"


def test_a_queue_may_hold_itself():
    q = coterie.Queue()
    q.put(q)
    assert q.get() is q


# ---- size --------------------------------------------------------------------


@by_any_peer
def test_sizes(Queue, peer):
    q = Queue(2)
    assert (q.qsize(), q.empty(), q.full()) == (0, True, False)
    peer(q.put, 1)
    assert (q.qsize(), q.empty(), q.full()) == (1, False, False)
    peer(q.put, 2)
    assert (q.qsize(), q.empty(), q.full()) == (2, False, True)
    assert peer(q.qsize) == 2
    assert peer(q.full)


@on_both
@pytest.mark.parametrize("maxsize", [0, -1, -(2**40)])
def test_no_maxsize_means_no_bound(Queue, maxsize):
    q = Queue(maxsize)
    for item in range(1000):
        q.put(item, block=False)
    assert not q.full()
    assert take(q, 1000) == list(range(1000))


@on_both
def test_maxsize_by_name(Queue):
    assert Queue(maxsize=3).maxsize == 3
    assert Queue(5).maxsize == 5
    assert Queue().maxsize == 0


@pytest.mark.parametrize("maxsize", ["3", 1.5, None])
def test_maxsize_must_be_a_number(maxsize):
    with pytest.raises(TypeError):
        coterie.Queue(maxsize)


@on_both
@pytest.mark.parametrize("maxsize", [1, 2, 3, 16, 17, 33])
def test_the_bound_holds_at_every_fill(Queue, maxsize):
    q = Queue(maxsize)
    for turn in range(3):
        put(q, *range(maxsize - turn % 2))
        if turn % 2:
            q.put(maxsize - 1)
        with pytest.raises(queue.Full):
            q.put_nowait("too much")
        assert take(q, maxsize) == list(range(maxsize))


# ---- not waiting, and waiting for a time -------------------------------------

GETS = {
    "get_nowait": lambda q: q.get_nowait(),
    "block-false": lambda q: q.get(False),
    "block-by-name": lambda q: q.get(block=False),
    "block-false-ignores-timeout": lambda q: q.get(False, -5),
    "timeout-zero": lambda q: q.get(timeout=0),
    "timeout-float": lambda q: q.get(timeout=0.01),
    "timeout-int-by-position": lambda q: q.get(True, 0),
    "timeout-true": lambda q: q.get(timeout=False),
}
PUTS = {
    "put_nowait": lambda q: q.put_nowait(1),
    "block-false": lambda q: q.put(1, False),
    "block-by-name": lambda q: q.put(item=1, block=False),
    "block-false-ignores-timeout": lambda q: q.put(1, False, -5),
    "timeout-zero": lambda q: q.put(1, timeout=0),
    "timeout-float": lambda q: q.put(1, timeout=0.01),
    "timeout-int-by-position": lambda q: q.put(1, True, 0),
}


@by_any_peer
@pytest.mark.parametrize("get", GETS.values(), ids=GETS)
def test_get_from_an_empty_queue_raises_empty(Queue, peer, get):
    with pytest.raises(queue.Empty):
        peer(get, Queue())


@by_any_peer
@pytest.mark.parametrize("get", GETS.values(), ids=GETS)
def test_get_takes_what_is_there(Queue, peer, get):
    q = Queue()
    q.put("there")
    assert peer(get, q) == "there"


@by_any_peer
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_put_into_a_full_queue_raises_full(Queue, peer, put):
    q = Queue(1)
    q.put("only")
    with pytest.raises(queue.Full):
        peer(put, q)
    assert take(q, 1) == ["only"]
    assert q.empty()


@by_any_peer
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_put_uses_the_room_that_is_there(Queue, peer, put):
    q = Queue(1)
    peer(put, q)
    assert take(q, 1) == [1]


WRONG_CALLS = {
    "get-negative-timeout": lambda q: q.get(timeout=-0.001),
    "get-nan-timeout-text": lambda q: q.get(timeout="1"),
    "get-three-arguments": lambda q: q.get(True, 1, 2),
    "get-unknown-name": lambda q: q.get(when=1),
    "get-twice-the-same": lambda q: q.get(True, block=True),
    "put-negative-timeout": lambda q: q.put(1, timeout=-1),
    "put-text-timeout": lambda q: q.put(1, timeout="1"),
    "put-nothing": lambda q: q.put(),
    "put-unknown-name": lambda q: q.put(1, when=1),
    "task-done-too-often": lambda q: q.task_done(),
    "shutdown-unknown-name": lambda q: q.shutdown(now=True),
}


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls_raise_what_the_stdlib_raises(call):
    # A bound and an item: then the stdlib looks at the timeout for sure.
    ours, theirs = OURS(1), STDLIB(1)
    for q in (ours, theirs):
        q.put(0)
        q.get()
        q.task_done()
        if "put" in call.__code__.co_names:
            q.put(0)
    assert name_of_error(call, theirs) in {"TypeError", "ValueError"}
    assert name_of_error(call, ours) == name_of_error(call, theirs)


def test_a_timeout_that_is_no_number_of_seconds_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        coterie.Queue().get(timeout=float("nan"))


@by_any_peer
def test_a_timeout_may_be_longer_than_any_clock(Queue, peer):
    if Queue is STDLIB:
        pytest.skip("OverflowError there")
    q = Queue()
    q.put("there")
    assert peer(lambda: q.get(timeout=float("inf"))) == "there"
    q.put("again")
    assert peer(lambda: q.get(timeout=1e300)) == "again"


# ---- waiting -----------------------------------------------------------------


@while_peer_waits
@pytest.mark.parametrize("timeout", [None, 1e6], ids=["for-ever", "for-a-time"])
def test_get_waits_for_an_item(Queue, peer, timeout):
    ask, answer = Queue(), Queue()

    def serve():
        answer.put("waiting")
        return ask.get(timeout=timeout)

    got = peer.start(serve)
    assert answer.get() == "waiting"
    ask.put("item")
    assert got.result() == "item"


@while_peer_waits
@pytest.mark.parametrize("timeout", [None, 1e6], ids=["for-ever", "for-a-time"])
def test_put_waits_for_room(Queue, peer, timeout):
    q, sign = Queue(1), Queue()
    q.put("first")

    def fill():
        sign.put("waiting")
        q.put("second", timeout=timeout)

    done = peer.start(fill)
    assert sign.get() == "waiting"
    assert q.get() == "first"
    done.result()
    assert q.get() == "second"


@while_peer_waits
def test_ping_pong(Queue, peer):
    ping, pong = Queue(1), Queue(1)

    def serve():
        for n in iter(ping.get, None):
            pong.put(n + 1)

    served = peer.start(serve)
    n = 0
    while n < 1000:
        ping.put(n)
        n = pong.get()
    ping.put(None)
    served.result()
    assert n == 1000


@while_peer_waits
@pytest.mark.parametrize("maxsize", [1, 2, 7])
def test_a_bound_holds_back_a_fast_producer(Queue, peer, maxsize):
    q, turn = Queue(maxsize), Queue()

    def produce():
        for n in range(200):
            q.put(n)
            turn.put(q.qsize())

    done = peer.start(produce)
    assert take(q, 200) == list(range(200))
    done.result()
    assert max(take(turn, 200)) <= maxsize


@while_peer_waits
@pytest.mark.parametrize("maxsize", [0, 3])
def test_many_producers_and_consumers_lose_and_double_nothing(Queue, peer, maxsize):
    q = Queue(maxsize)
    each, producers, consumers = 500, 2, 2

    def produce(which):
        for n in range(which * each, (which + 1) * each):
            q.put(n)

    def consume():
        return list(iter(q.get, None))

    consuming = [peer.start(consume) for _ in range(consumers)]
    producing = [peer.start(produce, which) for which in range(producers)]
    for future in producing:
        future.result()
    put(q, *[None] * consumers)
    got = [future.result() for future in consuming]
    everything = sorted(itertools.chain.from_iterable(got))
    assert everything == list(range(each * producers))
    for items in got:  # each consumer sees each producer's items in order
        for which in range(producers):
            own = [n for n in items if n // each == which]
            assert own == sorted(own)


def test_threads_of_two_interpreters_share_a_queue(in_threads):
    q = coterie.Queue(2)

    def produce_in_threads(first):
        import threading

        threads = [
            threading.Thread(target=put, args=(q, *range(n, n + 100)))
            for n in range(first, first + 300, 100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with coterie.Executor(2) as pool:
        producing = [pool.submit(produce_in_threads, n) for n in (0, 300)]
        got = in_threads(take, [(q, 200)] * 3)
        for future in producing:
            future.result()
    assert sorted(itertools.chain.from_iterable(got)) == list(range(600))
    assert q.empty()


# ---- task_done and join ------------------------------------------------------


@while_peer_waits
def test_join_waits_until_all_is_done_with(Queue, peer):
    q, sign = Queue(), Queue()
    put(q, 1, 2, 3)

    def wait():
        sign.put("waiting")
        q.join()
        sign.put("joined")

    joined = peer.start(wait)
    assert sign.get() == "waiting"
    for _ in range(3):
        assert sign.empty()
        q.get()
        q.task_done()
    joined.result()
    assert sign.get() == "joined"


@by_any_peer
def test_join_of_what_is_done_with_returns(Queue, peer):
    q = Queue()
    peer(q.join)
    put(q, 1)
    q.get()
    peer(q.task_done)
    peer(q.join)


@by_any_peer
def test_join_counts_tasks_and_not_items(Queue, peer):
    q = Queue()
    put(q, 1, 2)
    q.task_done()
    q.task_done()
    peer(q.join)
    assert q.qsize() == 2
    with pytest.raises(ValueError, match=r"task_done\(\) called too many times"):
        peer(q.task_done)


@while_peer_waits
def test_workers_of_a_classic_pool_of_consumers(Queue, peer):
    jobs, results = Queue(), Queue()

    def consume():
        while (job := jobs.get()) is not None:
            results.put(job * job)
            jobs.task_done()
        jobs.task_done()

    consuming = [peer.start(consume) for _ in range(2)]
    put(jobs, *range(50))
    jobs.join()
    assert sorted(take(results, 50)) == [n * n for n in range(50)]
    put(jobs, None, None)
    for future in consuming:
        future.result()
    jobs.join()


# ---- shutdown ----------------------------------------------------------------


@by_any_peer
def test_after_shutdown_what_is_inside_can_be_taken(Queue, peer):
    q = Queue()
    put(q, 1, 2)
    peer(q.shutdown)
    with pytest.raises(queue.ShutDown):
        q.put(3)
    with pytest.raises(queue.ShutDown):
        peer(q.put_nowait, 3)
    assert peer(take, q, 2) == [1, 2]
    with pytest.raises(queue.ShutDown):
        q.get()
    with pytest.raises(queue.ShutDown):
        peer(q.get_nowait)


@by_any_peer
@pytest.mark.parametrize("how", [(True,), (1,)], ids=["true", "truth"])
def test_immediate_shutdown_drops_what_is_inside(Queue, peer, how):
    q = Queue()
    put(q, 1, 2)
    peer(q.shutdown, *how)
    with pytest.raises(queue.ShutDown):
        q.get()
    q.join()
    assert q.empty()


@on_both
def test_shutdown_by_name_and_twice(Queue):
    q = Queue()
    put(q, 1)
    q.shutdown()
    q.shutdown(immediate=False)
    assert q.get() == 1
    q.shutdown(immediate=True)
    with pytest.raises(queue.ShutDown):
        q.get()


@on_both
def test_shutdown_goes_before_full_and_empty(Queue):
    q = Queue(1)
    q.put(1)
    q.shutdown()
    with pytest.raises(queue.ShutDown):
        q.put_nowait(2)
    q.get()
    with pytest.raises(queue.ShutDown):
        q.get(timeout=0)


@while_peer_waits
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_all_getters(Queue, peer, immediate):
    q, sign = Queue(), Queue()

    def wait():
        sign.put("waiting")
        return q.get()

    waiting = [peer.start(wait) for _ in range(2)]
    take(sign, 2)
    q.shutdown(immediate)
    for future in waiting:
        with pytest.raises(queue.ShutDown):
            future.result()


@while_peer_waits
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_all_putters(Queue, peer, immediate):
    q, sign = Queue(1), Queue()
    q.put("only")

    def wait():
        sign.put("waiting")
        return q.put("more")

    waiting = [peer.start(wait) for _ in range(2)]
    take(sign, 2)
    q.shutdown(immediate)
    for future in waiting:
        with pytest.raises(queue.ShutDown):
            future.result()


@while_peer_waits
def test_immediate_shutdown_wakes_who_joins(Queue, peer):
    q, sign = Queue(), Queue()
    put(q, 1, 2)

    def wait():
        sign.put("waiting")
        q.join()

    waiting = peer.start(wait)
    sign.get()
    q.shutdown(immediate=True)
    waiting.result()


# ---- errors that a caller of the stdlib catches ------------------------------


def test_exceptions_are_the_stdlibs_and_ours():
    for ours, theirs in [
        (coterie.queue.Empty, queue.Empty),
        (coterie.queue.Full, queue.Full),
        (coterie.queue.ShutDown, queue.ShutDown),
    ]:
        assert issubclass(ours, theirs)
        assert issubclass(ours, coterie.CoterieError)
    with pytest.raises(coterie.queue.Empty):
        coterie.Queue().get_nowait()
    assert coterie.queue.Queue is coterie.Queue


def test_an_item_that_cannot_be_sent_leaves_the_queue_as_it_was(peer):
    def try_to_put(q):
        import threading

        try:
            q.put([1, threading.Lock()], timeout=0)
        except coterie.NotShareableError as error:
            return str(error), type(error.__cause__).__name__

    q = coterie.Queue(2)
    q.put("before")
    text, cause = peer(try_to_put, q)
    assert "item not shareable" in text
    assert "lock" in text
    assert cause in {"TypeError", "PicklingError"}
    assert q.qsize() == 1
    q.put("after", block=False)
    assert take(q, 2) == ["before", "after"]
    q.task_done()
    q.task_done()
    q.join()


def test_an_item_that_cannot_be_sent_is_refused_before_waiting_for_room():
    q = coterie.Queue(1)
    q.put("only")
    with pytest.raises(coterie.NotShareableError):
        q.put(iter([]).__class__.__subclasses__ and (n for n in []))
    assert q.get() == "only"


class Explosive:
    """Cannot be made again."""

    def __reduce__(self):
        return operator.truediv, (1, 0)


def test_an_item_that_cannot_be_made_again_is_lost_and_nothing_else(peer):
    q = coterie.Queue()
    peer(lambda: put(q, Explosive(), "next"))
    with pytest.raises(ZeroDivisionError):
        q.get()
    assert take(q, 1) == ["next"]


# ---- a queue is sent ---------------------------------------------------------


@dataclass
class Job:
    name: str
    answer: coterie.Queue = field(default_factory=coterie.Queue)
    more: dict = field(default_factory=dict)


WRAPPINGS = {
    "bare": (lambda q: q, lambda got: got),
    "list": (lambda q: [1, q], operator.itemgetter(1)),
    "tuple": (lambda q: (q,), operator.itemgetter(0)),
    "dict-value": (lambda q: {"q": q}, operator.itemgetter("q")),
    "dict-key": (lambda q: {q: 1}, lambda got: next(iter(got))),
    "set": (lambda q: {q}, lambda got: next(iter(got))),
    "deep": (lambda q: [{"a": ([q],)}], lambda got: got[0]["a"][0][0]),
    "dataclass": (lambda q: Job("a", q), operator.attrgetter("answer")),
    "pickled-and-nested": (
        lambda q: [Job("a", more={"q": [q]})],
        lambda got: got[0].more["q"][0],
    ),
    "partial": (lambda q: functools.partial(put, q), lambda got: got.args[0]),
    "bound-method": (lambda q: q.put, lambda got: got.__self__),
    "closure": (lambda q: lambda: q, lambda got: got()),
    "default": (lambda q: lambda q=q: q, lambda got: got()),
    "queue": (
        lambda q: put(outer := coterie.Queue(), q) or outer,
        lambda got: got.get(),
    ),
}
wrapped = pytest.mark.parametrize(("wrap", "unwrap"), WRAPPINGS.values(), ids=WRAPPINGS)


@wrapped
def test_a_queue_goes_as_argument(peer, wrap, unwrap):
    q = coterie.Queue()
    peer(lambda got: unwrap(got).put("through"), wrap(q))
    assert q.get() == "through"


@wrapped
def test_a_queue_comes_back_as_the_same_object(peer, wrap, unwrap):
    q = coterie.Queue()
    assert unwrap(peer(lambda got: got, wrap(q))) is q


@wrapped
def test_a_queue_goes_through_a_queue(peer, wrap, unwrap):
    q, outer = coterie.Queue(), coterie.Queue()
    outer.put(wrap(q))
    peer(lambda: unwrap(outer.get()).put("through"))
    assert q.get() == "through"


@wrapped
def test_a_queue_comes_as_result(peer, wrap, unwrap):
    def make():
        q = coterie.Queue(3)
        q.put("inside")
        return wrap(q)

    q = unwrap(peer(make))
    assert q.maxsize == 3
    assert q.get() == "inside"


BOARD = coterie.Queue()


def test_a_queue_is_a_global_of_a_function(peer):
    peer(lambda: BOARD.put("through a global"))
    assert BOARD.get() == "through a global"


def test_two_names_for_a_queue_are_one_object_there(peer):
    def compare(a, b, c):
        return a is b, a is c["c"], a == b, hash(a) == hash(b)

    q = coterie.Queue()
    assert peer(compare, q, q, {"c": q}) == (True, True, True, True)


def test_a_worker_knows_a_queue_again(pool):
    def remember(q):
        import sys

        known = sys.__dict__.setdefault("queue_of_the_test", q)
        return known is q

    q = coterie.Queue()
    with coterie.Executor(1) as pool:
        assert pool.submit(remember, q).result()
        assert pool.submit(remember, q).result()
        assert not pool.submit(remember, coterie.Queue()).result()


# ---- identity ----------------------------------------------------------------


def test_queues_differ_unless_they_are_the_same(peer):
    a, b = coterie.Queue(), coterie.Queue()
    assert a == a
    assert a != b
    assert a != "a"
    assert len({a, b, a}) == 2
    assert peer(lambda a, b: (a == b, a != b, len({a, b, a})), a, b) == (False, True, 2)


def test_the_hash_is_the_same_on_both_sides(peer):
    q = coterie.Queue()
    assert peer(hash, q) == hash(q)
    assert peer(lambda table, q: table[q], {q: "found"}, q) == "found"


def test_queues_have_no_order():
    with pytest.raises(TypeError):
        _ = coterie.Queue() < coterie.Queue()


def test_weak_references(peer):
    q = coterie.Queue()
    weak = weakref.ref(q)
    table = weakref.WeakKeyDictionary({q: "value"})
    assert weak() is q
    peer(lambda q: None, q)
    del q
    gc.collect()
    assert weak() is None
    assert not table


def test_a_queue_in_a_cycle_is_collected():
    class Node:
        pass

    node = Node()
    node.queue, node.self = coterie.Queue(), node
    weak = weakref.ref(node.queue)
    del node
    gc.collect()
    assert weak() is None


def test_repr_tells_what_it_is(peer):
    q = coterie.Queue(5)
    q.put(1)
    assert "maxsize=5" in repr(q)
    assert "qsize=1" in repr(q)
    assert peer(repr, q) == repr(q)


@on_both
def test_generic_alias(Queue):
    assert Queue[int].__origin__ is Queue


# ---- where a queue does not go -----------------------------------------------


def test_pickle_refuses_a_queue_in_clear_words():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(coterie.NotShareableError, match="this process only"):
            pickle.dumps([coterie.Queue()], protocol)


def test_copying_is_refused():
    with pytest.raises(coterie.NotShareableError):
        copy.copy(coterie.Queue())
    with pytest.raises(coterie.NotShareableError):
        copy.deepcopy(coterie.Queue())


def test_dumps_refuses_a_queue():
    with pytest.raises(coterie.NotShareableError):
        coterie.dumps({"q": coterie.Queue()})
    with pytest.raises(coterie.NotShareableError):
        coterie.dumps(Job("pickled"))


def test_a_queue_has_no_attributes_to_set():
    with pytest.raises(AttributeError):
        coterie.Queue().color = "red"


# ---- Ctrl-C ------------------------------------------------------------------


def test_the_queue_works_after_ctrl_c_in_get(repeat_script):
    ends = repeat_script("""
        import child, coterie
        q = coterie.Queue()
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                q.get()
            except KeyboardInterrupt:
                print("interrupted")
        q.put("still fine")
        print(q.get(), q.qsize())
    """)
    assert [(end.rc, end.lines) for end in ends] == [
        (0, ["interrupted", "still fine 0"])
    ]


def test_ctrl_c_in_put_puts_nothing(repeat_script):
    ends = repeat_script("""
        import child, coterie
        q = coterie.Queue(1)
        q.put("first")
        with coterie.Executor(1) as pool:
            pool.submit(child.signal_waiting_main)
            try:
                q.put("second")
            except KeyboardInterrupt:
                print("interrupted")
        print(q.get(), q.qsize())
    """)
    assert [(end.rc, end.lines) for end in ends] == [(0, ["interrupted", "first 0"])]
