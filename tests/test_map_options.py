"""What the maps have in common: look-ahead, chunks, errors, order, the end."""

import contextlib
import functools
import itertools
import operator
import threading
import time

import pytest

import coterie
from coterie._chunks import Pace, from_iterables

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


class Trouble(Exception):
    pass


class Unsendable(Exception):
    def __reduce__(self):
        raise TypeError("stays here")


class Apart(BaseException):
    """No Exception."""


def same(x):
    return x


def neg_or_fail(x):
    if x % 5 == 3:
        raise Trouble(x)
    return -x


# ---- the front door ----------------------------------------------------------


@pytest.mark.parametrize("chunksize", ["auto", 1, 3, 1000])
@pytest.mark.parametrize("items", [0, 1, 2, 5, 300])
def test_starmap(chunksize, items):
    pairs = [(n, 2) for n in range(items)]
    results = coterie.starmap(pow, pairs, workers=2, chunksize=chunksize)
    assert list(results) == [n * n for n in range(items)]


def test_starmap_takes_any_iterables_of_arguments():
    items = [[2, 5], iter((3, 2)), "12"]
    assert list(coterie.starmap(lambda a, b: (a, b), items, workers=1)) == [
        (2, 5),
        (3, 2),
        ("1", "2"),
    ]


def test_starmap_with_what_is_no_arguments():
    with pytest.raises(TypeError, match="not iterable"):
        list(coterie.starmap(pow, [1], workers=1))


@pytest.mark.parametrize("chunksize", ["auto", 1, 7])
def test_imap_unordered_gives_each_result_once(chunksize):
    results = coterie.imap_unordered(same, range(500), workers=3, chunksize=chunksize)
    assert sorted(results) == list(range(500))


def wait_then(queue, answer):
    queue.get()
    return answer


def test_unordered_gives_what_is_ready():
    first, second = coterie.Queue(), coterie.Queue()
    results = coterie.map(
        wait_then, [first, second], "ab", workers=2, chunksize=1, ordered=False
    )
    second.put(None)
    assert next(results) == "b"
    first.put(None)
    assert list(results) == ["a"]


BAD = [
    ("func", TypeError, {"func": 5}),
    ("workers", TypeError, {"workers": "2"}),
    ("workers", ValueError, {"workers": 0}),
    ("chunksize", TypeError, {"chunksize": 1.5}),
    ("chunksize", TypeError, {"chunksize": "large"}),
    ("chunksize", ValueError, {"chunksize": 0}),
    ("buffersize", TypeError, {"buffersize": "1"}),
    ("buffersize", ValueError, {"buffersize": -1}),
    ("progress", TypeError, {"progress": 5}),
    ("on_error", ValueError, {"on_error": "ignore"}),
]


@pytest.mark.parametrize(("name", "error", "bad"), BAD)
@pytest.mark.parametrize("front", ["map", "starmap", "imap_unordered"])
def test_a_wrong_argument_is_named(front, name, error, bad):
    arguments = {"func": same} | bad
    with pytest.raises(error, match=name):
        getattr(coterie, front)(arguments.pop("func"), [(1,)], **arguments)


@pytest.mark.parametrize("front", [coterie.map, coterie.imap_unordered])
def test_without_iterables(front):
    with pytest.raises(TypeError, match="at least one iterable"):
        front(same)


# ---- how much is taken -------------------------------------------------------


def counted(items, taken):
    for item in items:
        taken.append(item)
        yield item


@pytest.mark.parametrize("ordered", [True, False])
def test_endless_items(ordered):
    results = coterie.map(same, itertools.count(), workers=2, ordered=ordered)
    found = list(itertools.islice(results, 20_000))
    results.close()
    assert len(set(found)) == 20_000
    if ordered:
        assert found == list(range(20_000))


@pytest.mark.parametrize("chunksize", ["auto", 1, 3, 100])
@pytest.mark.parametrize("size", [1, 2, 5, 64])
@pytest.mark.parametrize("ordered", [True, False])
def test_buffersize_bounds_what_is_taken(size, chunksize, ordered):
    taken = []
    results = coterie.map(
        same,
        counted(itertools.count(), taken),
        workers=2,
        buffersize=size,
        chunksize=chunksize,
        ordered=ordered,
    )
    for given in range(300):
        assert len(taken) <= given + size
        next(results)
    results.close()


def test_the_look_ahead_is_bounded_by_itself():
    taken = []
    results = coterie.map(same, counted(itertools.count(), taken), workers=2)
    for given in range(30_000):
        assert len(taken) <= given + 20_000
        next(results)
    results.close()


def test_what_is_large_is_not_taken_far_ahead():
    size = 1 << 20
    taken = []
    items = (bytes(size) for _ in counted(itertools.count(), taken))
    results = coterie.map(len, items, workers=2)
    for given in range(200):
        assert (len(taken) - given) * size <= 100 << 20
        assert next(results) == size
    results.close()


def test_nothing_is_taken_after_the_end():
    taken = []
    results = coterie.map(same, counted(range(5), taken), workers=1, buffersize=1)
    results.close()
    assert len(taken) <= 1


def test_a_result_does_not_wait_for_a_slow_source():
    """The next item is there only once the result of the one before was given."""
    given = threading.Semaphore(1)

    def items():
        for n in range(5):
            assert given.acquire(timeout=50)
            time.sleep(0.01)  # much longer than the task takes
            yield n

    found = []
    for result in coterie.map(same, items(), workers=1, buffersize=1):
        found.append(result)
        given.release()
    assert found == list(range(5))


def test_a_source_that_waits_for_what_was_computed():
    """With chunks of one, an item is sent before the next one is asked for."""
    computed = coterie.Queue()

    def items():
        yield 0
        for _ in range(20):
            yield computed.get(timeout=50) + 1

    def compute(n):
        computed.put(n)
        return n

    results = coterie.map(compute, items(), workers=1, chunksize=1)
    assert list(results) == list(range(21))


def test_a_source_that_fails_gives_no_more():
    def items():
        yield from range(3)
        raise Trouble("in the source")

    with pytest.raises(Trouble, match="in the source"):
        list(coterie.map(same, items(), on_error="skip"))


# ---- chunks ------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch):
    """The sizes of the chunks that were sent."""

    class Pool(coterie.Executor):
        def _submit_each(self, fn, items, *rest):
            sizes.append(len(items))
            return super()._submit_each(fn, items, *rest)

    sizes = []
    monkeypatch.setattr("coterie._map.Executor", Pool)
    return sizes


@pytest.mark.parametrize("chunksize", [1, 7, 50, 10_000])
def test_a_chunk_is_one_task(seen, chunksize):
    results = coterie.map(same, range(200), workers=1, chunksize=chunksize)
    assert list(results) == list(range(200))
    assert seen[:-1] == [chunksize] * (len(seen) - 1)
    assert sum(seen) == 200


def test_tiny_tasks_are_sent_many_at_once(seen):
    results = coterie.map(same, range(50_000), workers=2)
    assert list(results) == list(range(50_000))
    assert sum(seen) == 50_000
    assert seen[0] == 1
    assert len(seen) <= 5000


def test_chunks_grow_and_shrink_with_what_is_measured():
    pace = Pace(2, None, None, 0.002)
    sizes = []
    for _ in range(6):
        sizes.append(pace.chunk)
        pace.learn(pace.chunk, pace.chunk * 10_000, 8)  # 10 us each
        assert pace.is_growing == (pace.chunk < 200)
    assert sizes == [1, 4, 16, 64, 200, 200]
    assert not pace.is_growing
    pace.learn(1, 10**9, 8)
    assert pace.chunk == 1


def test_the_last_chunks_are_smaller():
    pace = Pace(2, None, None, 0.002)
    for _ in range(6):
        pace.learn(pace.chunk, pace.chunk * 10_000, 8)
    assert pace.next_chunk(10_000, None) == 200
    assert pace.next_chunk(10_000, 5000) == 200
    assert pace.next_chunk(10_000, 400) == 100
    assert pace.next_chunk(10_000, 4) == 12  # of which the source has 4
    assert pace.next_chunk(5, None) == 5


def test_the_look_ahead_follows_time_and_size():
    def room_after(seconds, nbytes):
        pace = Pace(2, None, None, 0.002)
        for _ in range(40):
            pace.learn(pace.chunk, int(pace.chunk * seconds * 1e9), pace.chunk * nbytes)
        return pace.room

    assert room_after(1e-6, 8) == 4 * 2 * 2000
    assert room_after(0.01, 8) == pytest.approx(200, abs=1)
    assert room_after(10.0, 8) == 8
    assert room_after(1e-6, 1 << 20) == pytest.approx(64, abs=1)
    assert room_after(1e-6, 1 << 30) == 4


class SlowItems:
    """A source whose clock is turned by each item."""

    def __init__(self, monkeypatch, seconds):
        self.now = 0.0
        self.seconds = seconds
        monkeypatch.setattr("coterie._chunks.perf_counter", lambda: self.now)

    def __iter__(self):
        for n in itertools.count():
            self.now += self.seconds
            yield n


@pytest.mark.parametrize(
    ("seconds", "size", "is_slow"),
    [(1e-9, 1000, False), (10e-6, 15, False), (90e-6, 3, False), (1e-3, 1, True)],
)
def test_items_that_come_slowly_do_not_wait_for_others(
    monkeypatch, seconds, size, is_slow
):
    source, _ = from_iterables((SlowItems(monkeypatch, seconds),))
    assert len(source.take(1000)) == size
    assert source.is_slow == is_slow


@pytest.mark.parametrize("items", [list("abc"), iter("abc"), range(3), {"a": 1}])
def test_the_end_of_the_source(items):
    source, _ = from_iterables((items,))
    size = 1 if isinstance(items, dict) else 3
    assert len(source.take(10)) == size
    assert source.is_exhausted
    assert source.take(10) == []


def test_long_tasks_are_sent_one_by_one(seen):
    items = [(n, 0.01) for n in range(20)]
    assert list(coterie.starmap(spend, items, workers=2)) == list(range(20))
    assert seen == [1] * 20


def spend(n, seconds):
    """Computes for so long."""
    from time import perf_counter

    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
    return n


def test_a_chunk_that_takes_too_long_gives_back_the_rest(pool):
    items = [(n, 0.02) for n in range(6)]
    future = pool._submit_each(spend, items, True, False, 5_000_000)
    taken, results, failures, rest = future.result()
    assert taken >= 20_000_000
    assert results == [0]
    assert failures == []
    assert rest == items[1:]


def test_what_was_given_back_is_done_in_its_place(monkeypatch):
    monkeypatch.setattr("coterie._mapping._BUDGET_NS", 1)  # after each call
    results = coterie.map(same, range(3000), workers=2)
    assert list(results) == list(range(3000))
    results = coterie.imap_unordered(neg_or_fail, range(100), on_error="skip")
    assert sorted(results) == sorted(-n for n in range(100) if n % 5 != 3)


@pytest.mark.parametrize("chunksize", ["auto", 4])
def test_callables_that_are_no_functions(chunksize):
    items = range(40)
    partial = coterie.map(functools.partial(pow, 2), items, chunksize=chunksize)
    assert list(partial) == [2**n for n in items]
    method = coterie.map((5).__add__, items, chunksize=chunksize)
    assert list(method) == [5 + n for n in items]
    assert list(coterie.map(operator.itemgetter(1), ["ab"] * 9)) == ["b"] * 9


def test_a_function_that_cannot_be_sent_raises_at_the_call():
    with pytest.raises(coterie.NotShareableError, match="function"):
        coterie.map(threading.Lock().acquire, [1], on_error="skip")


# ---- errors ------------------------------------------------------------------

chunksizes = pytest.mark.parametrize("chunksize", ["auto", 1, 4, 100])


@chunksizes
def test_an_error_comes_at_its_place(chunksize):
    results = coterie.map(neg_or_fail, range(20), workers=2, chunksize=chunksize)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    with pytest.raises(Trouble) as caught:
        next(results)
    assert caught.value.args == (3,)
    assert "neg_or_fail" in str(caught.value.__cause__)
    assert list(results) == []


@chunksizes
@pytest.mark.parametrize("ordered", [True, False])
def test_errors_as_results(chunksize, ordered):
    results = coterie.map(
        neg_or_fail, range(20), chunksize=chunksize, ordered=ordered, on_error="return"
    )
    found = [-r.args[0] if isinstance(r, Trouble) else r for r in results]
    failed = [n for n in range(20) if n % 5 == 3]
    assert len(failed) == 4
    assert sorted(found, reverse=True) == [-n for n in range(20)]
    if ordered:
        assert found == [-n for n in range(20)]


@chunksizes
def test_errors_that_are_skipped(chunksize):
    results = coterie.map(neg_or_fail, range(20), chunksize=chunksize, on_error="skip")
    assert list(results) == [-n for n in range(20) if n % 5 != 3]


def test_all_are_skipped():
    assert list(coterie.map(len, range(50), on_error="skip")) == []


def give_or_keep(n):
    return (i for i in [n]) if n % 2 else n


@chunksizes
def test_a_result_that_cannot_be_sent_is_an_error_of_its_own(chunksize):
    results = coterie.map(
        give_or_keep, range(6), chunksize=chunksize, on_error="return"
    )
    found = list(results)
    assert found[::2] == [0, 2, 4]
    assert all(isinstance(e, coterie.NotShareableError) for e in found[1::2])
    results = coterie.map(give_or_keep, range(6), chunksize=chunksize)
    assert next(results) == 0
    with pytest.raises(coterie.NotShareableError, match="result not shareable"):
        next(results)


@chunksizes
def test_an_item_that_cannot_be_sent_is_an_error_of_its_own(chunksize):
    items = [1, 2, threading.Lock(), 4]
    results = coterie.map(same, items, chunksize=chunksize, on_error="return")
    first, second, error, last = results
    assert (first, second, last) == (1, 2, 4)
    assert isinstance(error, coterie.NotShareableError)
    assert "argument 1 of same" in str(error)
    pairs = [(1, 2), (3, threading.Lock())]
    results = coterie.starmap(pow, pairs, chunksize=chunksize, on_error="return")
    assert next(results) == 1
    assert "argument 2 of pow" in str(next(results))


def raise_what_stays(n):
    raise Unsendable(n)


def test_an_error_that_cannot_be_sent():
    (error,) = coterie.map(raise_what_stays, [1], on_error="return")
    assert isinstance(error, coterie.RemoteError)
    with pytest.raises(coterie.RemoteError, match="Unsendable"):
        next(coterie.map(raise_what_stays, [1]))


def leave_at_3(n, error):
    if n == 3:
        raise error(n)
    return n


@chunksizes
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, Apart])
def test_what_is_no_exception_ends_the_map(error, chunksize):
    results = coterie.map(
        leave_at_3, range(9), [error] * 9, chunksize=chunksize, on_error="skip"
    )
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error):
        next(results)
    assert list(results) == []


class Undecodable:
    def __reduce__(self):
        return int, ("no number",)


def give_undecodable(n):
    return Undecodable()


def test_a_result_that_cannot_be_made_here():
    results = coterie.map(give_undecodable, [1, 2], chunksize=2, on_error="return")
    assert [type(error) for error in results] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="no number"):
        list(coterie.map(give_undecodable, [1]))


class Fussy:
    """Cannot be made again if its number is 3."""

    def __init__(self, n):
        self.n = n

    def __setstate__(self, state):
        if state["n"] == 3:
            raise Trouble("no 3")
        self.__dict__ = state


def number_of(it):
    return it.n


def make_fussy(calls, n):
    calls.put(n)
    return Fussy(n)


@chunksizes
@pytest.mark.parametrize("ordered", [True, False])
def test_an_item_that_cannot_be_made_there_is_an_error_of_its_own(chunksize, ordered):
    items = [Fussy(n) for n in range(100)]
    start = functools.partial(
        coterie.map, number_of, items, chunksize=chunksize, ordered=ordered
    )
    found = set(start(on_error="skip"))
    assert found == set(range(100)) - {3}
    (error,) = (each for each in start(on_error="return") if not isinstance(each, int))
    assert isinstance(error, Trouble)


@chunksizes
def test_a_result_that_cannot_be_made_here_is_an_error_of_its_own(chunksize):
    calls = coterie.Queue()
    func = functools.partial(make_fussy, calls)
    results = coterie.map(func, range(50), chunksize=chunksize, on_error="return")
    found = [each if isinstance(each, Trouble) else each.n for each in results]
    assert str(found.pop(3)) == "no 3"
    assert found == [n for n in range(50) if n != 3]
    assert sorted(calls.get_many(100)) == list(range(50))


@chunksizes
def test_what_cannot_be_made_raises_at_its_place(chunksize):
    func = functools.partial(make_fussy, coterie.Queue())
    items = [Fussy(n) for n in range(9)]
    for results in (
        coterie.map(func, range(9), chunksize=chunksize),
        coterie.map(number_of, items, chunksize=chunksize),
    ):
        assert len([next(results) for _ in range(3)]) == 3
        with pytest.raises(Trouble):
            next(results)


def be_slow(n):
    time.sleep(0.03)  # more than a chunk may take: the rest is given back
    return Fussy(n)


def test_what_was_given_back_is_not_lost_with_a_result(monkeypatch):
    monkeypatch.setattr(Pace, "next_chunk", lambda pace, room, left: 4)
    results = coterie.map(be_slow, [3, 4, 5, 6], workers=1, on_error="skip")
    assert [each.n for each in results] == [4, 5, 6]


@pytest.mark.parametrize("on_error", ["raise", "return", "skip"])
def test_a_pool_that_breaks_is_never_skipped(monkeypatch, on_error):
    class Broken(coterie.Executor):
        def __init__(self, workers, name):
            super().__init__(workers, name, initializer=raise_what_stays, initargs=(1,))

    monkeypatch.setattr("coterie._map.Executor", Broken)
    with pytest.raises(coterie.BrokenInterpreterPool):
        list(coterie.map(same, range(100), workers=1, on_error=on_error))


# ---- progress ----------------------------------------------------------------


@pytest.mark.parametrize("chunksize", ["auto", 1, 4])
@pytest.mark.parametrize("on_error", ["return", "skip"])
def test_progress_is_told_of_each_item(chunksize, on_error):
    told = []
    results = coterie.map(
        neg_or_fail,
        range(10),
        chunksize=chunksize,
        on_error=on_error,
        progress=lambda *numbers: told.append(numbers),
    )
    assert told == []
    list(results)
    assert told == [(n, 10) for n in range(1, 11)]


def test_progress_without_a_known_end():
    told = []
    results = coterie.map(same, iter("abc"), progress=lambda *n: told.append(n))
    assert list(results) == ["a", "b", "c"]
    assert told == [(1, None), (2, None), (3, None)]


def test_an_iterable_that_does_not_tell_its_length():
    class Veiled:
        def __len__(self):
            raise TypeError("of unknown length")

        def __iter__(self):
            return iter([1, 2])

    told = []
    results = coterie.map(same, Veiled(), progress=lambda *n: told.append(n))
    assert list(results) == [1, 2]
    assert told == [(1, None), (2, None)]
    assert coterie.reduce(same, operator.add, Veiled()) == 3
    with contextlib.closing(coterie.map(same, range(10**30))) as results:
        assert next(results) == 0


def test_progress_leaves_no_thread(capsys):
    list(coterie.map(same, range(3), progress=True))
    assert "3/3" in capsys.readouterr().err
    assert [t for t in threading.enumerate() if t.name == "tqdm_monitor"] == []


def test_progress_that_raises_stops_the_map():
    def tell(done, total):
        raise Trouble(done)

    results = coterie.map(same, range(10), progress=tell)
    with pytest.raises(Trouble):
        next(results)
    assert list(results) == []


def test_progress_of_a_map_that_nobody_consumes(capsys):
    results = coterie.map(same, range(7), progress=True)
    results.close()
    assert "0/7" in capsys.readouterr().err


@pytest.mark.parametrize("is_notebook", [False, True])
def test_the_bar_is_that_of_a_notebook_where_there_is_one(run_script, is_notebook):
    source = f"""
        import sys, types
        if {is_notebook}:
            sys.modules["IPython"] = types.ModuleType("IPython")
        import coterie
        print(list(coterie.map(abs, [-1, 2], progress=True)))
        print("tqdm.auto" in sys.modules)
    """
    ended = run_script(source)
    assert (ended.rc, ended.lines) == (0, ["[1, 2]", str(is_notebook)])
    assert "2/2" in ended.stderr


# ---- the end -----------------------------------------------------------------


def begin_and_wait(events, n):
    events.put("began")
    try:
        events.join()  # for ever: nothing is ever done
    except coterie.Interrupted:
        events.put("interrupted")
        raise


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("how", ["close", "lose"])
def test_closing_and_losing(ordered, how):
    events = coterie.Queue()
    results = coterie.map(
        begin_and_wait, [events] * 5, range(5), workers=2, ordered=ordered
    )
    assert [events.get(), events.get()] == ["began"] * 2
    if how == "close":
        results.close()
        assert list(results) == []
    del results
    assert [events.get(), events.get()] == ["interrupted"] * 2


def test_a_map_in_each_worker_of_a_map():
    def row(n):
        return sum(coterie.map(operator.mul, range(100), [n] * 100, workers=2))

    assert list(coterie.map(row, range(4), workers=2)) == [4950 * n for n in range(4)]


INTERRUPTED = """
import os, signal, threading
import coterie
from child import signal_waiting_main

def work(n, events, began):
    try:
        if n == 1:
            began.get()
            signal_waiting_main()
        began.put(n)
        while True:
            pass
    finally:
        events.put("cleaned up")

events, began = coterie.Queue(), coterie.Queue()
try:
    for _ in coterie.{front}(work, range(10), [events] * 10, [began] * 10, workers=2):
        pass
except KeyboardInterrupt:
    print([events.get(timeout=30), events.get(timeout=30)])
    print([thread.name for thread in threading.enumerate()])
"""


@pytest.mark.parametrize("front", ["map", "imap_unordered"])
def test_an_interrupt_stops_the_tasks(run_script, front):
    ended = run_script(INTERRUPTED.format(front=front))
    assert (ended.rc, ended.stderr) == (0, "")
    assert ended.lines == ["['cleaned up', 'cleaned up']", "['MainThread']"]
