"""coterie.map, and Executor.map against the stdlib's."""

import concurrent.futures
import itertools
import operator
import sys
import threading
import weakref

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


class Trouble(Exception):
    pass


def neg_or_fail(x):
    if x == 3:
        raise Trouble(x)
    return -x


def wait(q):
    return q.get()


def work_until_interrupted(events, name):
    events.put(("began", name))
    try:
        while True:
            pass
    except coterie.Interrupted:
        events.put(("interrupted", name))
        raise
    finally:
        events.put(("cleaned up", name))


def first_fails_when_others_run(events, n):
    if n == 0:
        for _ in range(2):  # both of the others run
            events.get()
        raise Trouble("first")
    work_until_interrupted(events, n)
    return


# ---- coterie.map -------------------------------------------------------------


def test_results_come_in_order():
    assert list(coterie.map(operator.neg, range(100))) == [-n for n in range(100)]


def test_results_come_in_order_whoever_is_first():
    slow, fast = coterie.Queue(), coterie.Queue()
    results = coterie.map(wait, [slow, fast], workers=2)
    fast.put("fast")
    slow.put("slow")
    assert list(results) == ["slow", "fast"]


def test_several_iterables():
    assert list(coterie.map(operator.add, [1, 2, 3], (10, 20))) == [11, 22]
    assert list(coterie.map(lambda *args: args, "ab", itertools.count(), [1, 2])) == [
        ("a", 0, 1),
        ("b", 1, 2),
    ]


def test_of_nothing():
    assert list(coterie.map(len, [])) == []


@pytest.mark.parametrize("workers", [1, 2, 3, None])
def test_workers(workers):
    results = coterie.map(operator.neg, range(10), workers=workers)
    assert list(results) == [-n for n in range(10)]


def meet(mine, others):
    for q in others:
        q.put(None)
    for _ in others:
        mine.get()
    return True


def test_as_many_run_at_once_as_there_are_workers():
    queues = [coterie.Queue() for _ in range(3)]
    others = [[q for q in queues if q is not mine] for mine in queues]
    assert list(coterie.map(meet, queues, others, workers=3)) == [True] * 3


@pytest.mark.parametrize("workers", [0, -1])
def test_a_wrong_number_of_workers(workers):
    with pytest.raises(ValueError, match="greater than 0"):
        coterie.map(len, ["abc"], workers=workers)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="callable"):
        coterie.map(5, [1])
    with pytest.raises(TypeError, match="iterable"):
        coterie.map(len)
    with pytest.raises(TypeError, match="not iterable"):
        coterie.map(len, 5)


def test_the_calls_start_at_the_call():
    q = coterie.Queue()
    results = coterie.map(q.put, range(3), workers=1)
    assert [q.get() for _ in range(3)] == [0, 1, 2]
    assert list(results) == [None] * 3


def test_the_items_are_taken_at_the_call():
    items = [1, 2, 3]
    results = coterie.map(operator.neg, items)
    items.clear()
    assert list(results) == [-1, -2, -3]


def test_an_iterable_that_fails():
    def items():
        yield 1
        raise Trouble("in the iterable")

    with pytest.raises(Trouble):
        list(coterie.map(operator.neg, items()))


def test_an_iterable_that_fails_late_stops_what_began():
    events = coterie.Queue()

    def names():
        yield "a"
        assert events.get() == ("began", "a")
        raise Trouble("in the iterable")

    with pytest.raises(Trouble):
        # At the call; or, where the first item took long, with the first result.
        next(coterie.map(work_until_interrupted, itertools.repeat(events), names()))
    assert sorted(events.get() for _ in range(2)) == [
        ("cleaned up", "a"),
        ("interrupted", "a"),
    ]


def test_an_iterator_all_the_way():
    results = coterie.map(operator.neg, range(2))
    assert iter(results) is results
    assert next(results) == 0
    assert next(results) == -1
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(results)


def test_an_exception_ends_the_iteration():
    results = coterie.map(neg_or_fail, range(10), workers=2)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    with pytest.raises(Trouble) as caught:
        next(results)
    assert caught.value.args == (3,)
    assert list(results) == []


def test_an_exception_interrupts_what_runs():
    events = coterie.Queue()
    results = coterie.map(
        first_fails_when_others_run, [events] * 3, range(3), workers=3
    )
    with pytest.raises(Trouble):
        next(results)
    ends = sorted(events.get() for _ in range(4))
    assert ends == [
        ("cleaned up", 1),
        ("cleaned up", 2),
        ("interrupted", 1),
        ("interrupted", 2),
    ]


def test_closing_stops_the_rest():
    events = coterie.Queue()
    results = coterie.map(
        work_until_interrupted, [events] * 4, ["a", "b", "c", "d"], workers=2
    )
    assert sorted(events.get() for _ in range(2)) == [("began", "a"), ("began", "b")]
    results.close()
    ends = sorted(events.get() for _ in range(4))
    assert [end[0] for end in ends] == ["cleaned up"] * 2 + ["interrupted"] * 2
    results.close()
    assert list(results) == []
    assert events.empty()  # c and d did not begin


def test_losing_the_iterator_stops_the_rest():
    events = coterie.Queue()
    results = coterie.map(work_until_interrupted, [events], ["a"])
    assert events.get() == ("began", "a")
    del results
    assert [events.get(), events.get()] == [("interrupted", "a"), ("cleaned up", "a")]


def test_leaving_the_loop_stops_the_rest():
    events = coterie.Queue()

    def work(n):
        return n if n == 0 else work_until_interrupted(events, n)

    for result in coterie.map(work, range(3), workers=2):
        assert result == 0
        assert events.get()[0] == "began"
        break
    else:
        pytest.fail("the loop ended by itself")
    seen = {events.get()[0] for _ in range(2)}
    assert "interrupted" in seen


def test_something_that_cannot_be_sent():
    results = coterie.map(id, [1, threading.Lock()], workers=1)
    assert isinstance(next(results), int)
    with pytest.raises(coterie.NotShareableError, match="argument 1 of id"):
        next(results)


def test_map_inside_map():
    def rows(n):
        return list(coterie.map(operator.mul, range(3), [n] * 3, workers=1))

    assert list(coterie.map(rows, [1, 2], workers=2)) == [[0, 1, 2], [0, 2, 4]]


def test_many_items():
    total = sum(coterie.map(operator.neg, range(5000), workers=2))
    assert total == -sum(range(5000))


def test_two_maps_at_once():
    pairs = zip(coterie.map(operator.neg, range(20)), coterie.map(abs, range(20)))  # noqa: B905
    assert list(pairs) == [(-n, n) for n in range(20)]


def test_progress_shows_a_bar(capsys):
    results = coterie.map(operator.neg, range(7), workers=1, progress=True)
    assert list(results) == [-n for n in range(7)]
    assert "7/7" in capsys.readouterr().err


def test_progress_and_an_exception(capsys):
    results = coterie.map(neg_or_fail, range(10), workers=1, progress=True)
    with pytest.raises(Trouble):
        list(results)
    assert "3/10" in capsys.readouterr().err


def test_no_interpreter_is_left_when_the_loop_is_over(run_script):
    # Python counts a thread that has just ended, and warns of it.
    ignore = ["-W", "ignore::DeprecationWarning"]
    source = """
        import coterie, os
        print(list(coterie.map(abs, [-1, 2], workers=2)))
        pid = os.fork()  # refused while one lives
        if pid == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    ended = run_script(source, flags=ignore)
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["[1, 2]", "7"], "")


# ---- Executor.map ------------------------------------------------------------

EXECUTORS = {
    "coterie": coterie.Executor,
    "stdlib": concurrent.futures.ThreadPoolExecutor,
}
needs_buffersize = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="the stdlib has no buffersize yet"
)


@pytest.fixture(params=EXECUTORS)
def executor(request):
    """With one worker, ours and the stdlib's."""
    with EXECUTORS[request.param](1) as executor:
        yield executor


@pytest.mark.parametrize("chunksize", [1, 2, 3, 7, 100])
def test_executor_map(executor, chunksize):
    results = executor.map(operator.neg, range(10), chunksize=chunksize)
    assert list(results) == [-n for n in range(10)]
    results = executor.map(operator.add, [1, 2, 3], (10, 20), chunksize=chunksize)
    assert list(results) == [11, 22]
    assert list(executor.map(len, [], chunksize=chunksize)) == []
    assert list(executor.map(len, chunksize=chunksize)) == []


def test_executor_map_starts_at_the_call(executor):
    q = coterie.Queue()
    results = executor.map(q.put, range(3))
    assert [q.get() for _ in range(3)] == [0, 1, 2]
    assert list(results) == [None] * 3


@pytest.mark.parametrize("chunksize", [1, 4])
def test_executor_map_raises_at_its_place(executor, chunksize):
    results = executor.map(neg_or_fail, range(4, -1, -1), chunksize=chunksize)
    if chunksize == 1:
        assert next(results) == -4
    if chunksize == 1 or not isinstance(executor, coterie.Executor):
        with pytest.raises(Trouble):
            list(results)
    else:  # the whole chunk fails, as in the stdlib's process pool
        with pytest.raises(Trouble):
            next(results)
    assert list(results) == []


def hold(executor):
    """Keeps the one worker busy until the queue gets something."""
    started, go = coterie.Queue(), coterie.Queue()
    future = executor.submit(lambda: (started.put(None), go.get()))
    started.get()
    return future, go


def run_counted(ran):
    ran.put(None)


def test_executor_map_with_a_timeout(executor):
    held, go = hold(executor)
    ran = coterie.Queue()
    results = executor.map(run_counted, [ran] * 3, timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    go.put(None)
    held.result()
    executor.submit(len, "abc").result()
    assert ran.qsize() == 0  # all were cancelled, the one waited for too


def test_executor_map_with_time_enough(executor):
    assert list(executor.map(abs, [-1, 2], timeout=1e6)) == [1, 2]
    results = executor.map(abs, [-1, 2], timeout=None)
    assert list(results) == [1, 2]


def test_closing_cancels_what_has_not_begun(executor):
    started, go = coterie.Queue(), coterie.Queue()

    def act(n):
        started.put(n)
        return n if n == 0 else go.get()

    results = executor.map(act, range(5))
    assert next(results) == 0
    assert [started.get(), started.get()] == [0, 1]
    results.close()
    go.put(None)
    executor.submit(len, "abc").result()
    assert started.empty()


def test_an_error_cancels_what_has_not_begun(executor):
    reached, go = coterie.Queue(), coterie.Queue()

    def act(n):
        if n == 0:
            raise Trouble
        reached.put(n)
        go.get()

    results = executor.map(act, range(5))
    with pytest.raises(Trouble):
        next(results)
    # 1 may have begun before the error was fetched; 2 waits behind it.
    go.put(None)
    executor.submit(len, "abc").result()
    assert reached.qsize() <= 1


@needs_buffersize
@pytest.mark.parametrize("size", [1, 2, 5])
def test_buffersize_bounds_what_is_taken(executor, size):
    taken = []
    items = (taken.append(n) or n for n in itertools.count())
    results = executor.map(operator.neg, items, buffersize=size)
    assert len(taken) == size
    for n in range(3):
        assert next(results) == -n
        assert len(taken) == size + n + 1
    results.close()


@needs_buffersize
def test_buffersize_larger_than_the_input(executor):
    assert list(executor.map(abs, [-1, 2], buffersize=10)) == [1, 2]
    assert list(executor.map(abs, [], buffersize=10)) == []


@needs_buffersize
def test_buffersize_and_chunksize():
    with coterie.Executor(1) as pool:
        taken = []
        items = (taken.append(n) or n for n in range(20))
        results = pool.map(operator.neg, items, buffersize=2, chunksize=3)
        assert len(taken) == 6
        assert list(results) == [-n for n in range(20)]


@needs_buffersize
@pytest.mark.parametrize("size", [0, -1, "1", 1.5])
def test_a_wrong_buffersize(executor, size):
    expected = ValueError if isinstance(size, int) else TypeError
    with pytest.raises(expected, match="buffersize must be"):
        executor.map(abs, [1], buffersize=size)


@pytest.mark.parametrize("size", [0, -1])
def test_a_wrong_chunksize(pool, size):
    with pytest.raises(ValueError, match="chunksize must be >= 1"):
        pool.map(abs, [1], chunksize=size)


def test_chunks_with_instances_and_partials(pool):
    from functools import partial

    assert list(pool.map(partial(operator.add, 1), range(5), chunksize=2)) == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip


def test_chunks_with_what_cannot_be_sent(pool):
    results = pool.map(id, [1, threading.Lock()], chunksize=2)
    with pytest.raises(coterie.NotShareableError, match="args not shareable"):
        next(results)


def test_executor_map_after_the_executor_is_gone():
    results = coterie.Executor(1).map(operator.neg, range(5))
    assert list(results) == [0, -1, -2, -3, -4]


def die_and_call_back(events):
    """Spends its time in the callbacks of weak references."""

    class Mortal:
        pass

    def spend(_):
        for _ in range(50):
            pass

    events.put("started")
    try:
        while True:
            mortal = Mortal()
            ref = weakref.ref(mortal, spend)
            del mortal, ref
    finally:
        events.put("interrupted")


@pytest.mark.repeat(10)
def test_an_interrupt_is_not_lost_where_nothing_can_be_raised(capfd):
    events = coterie.Queue()
    results = coterie.map(die_and_call_back, [events], workers=1)
    assert events.get() == "started"
    results.close()
    assert events.get() == "interrupted"
    assert capfd.readouterr().err == ""
