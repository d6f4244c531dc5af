"""The same scenarios over the standard library's executor and ours."""

import asyncio
import concurrent.futures
import inspect
import logging
import operator
import queue
import site
import sys
import threading
from concurrent.futures.thread import BrokenThreadPool

import pytest

import coterie
from coterie import _processors

pytestmark = pytest.mark.timeout(60)

EXECUTORS = {"ours": coterie.InterpreterPoolExecutor}
BROKEN = {"ours": coterie.BrokenInterpreterPool}
if sys.version_info >= (3, 14):
    EXECUTORS["stdlib"] = concurrent.futures.InterpreterPoolExecutor
    from concurrent.futures.interpreter import BrokenInterpreterPool

    BROKEN["stdlib"] = BrokenInterpreterPool


@pytest.fixture(params=EXECUTORS)
def kind(request):
    return request.param


@pytest.fixture
def cls(kind):
    return EXECUTORS[kind]


@pytest.fixture
def make(cls, tmp_path):
    """Makes an executor whose workers find the module of the fixture `jobs`.

    Those of the standard library know nothing of this one's sys.path.
    """

    def make(*args, **kwargs):
        start = {"initializer": site.addsitedir, "initargs": (tmp_path / "modules",)}
        return cls(*args, **start | kwargs)

    return make


@pytest.fixture
def jobs(folder):
    """A module that workers can import: the standard library needs one."""
    folder(
        "drop_in_jobs",
        """
        stored = None
        def store(value):
            global stored
            stored = value
        def get_stored():
            return stored
        def fail(*args):
            raise ValueError(*args)
        def add(a, b=1, *, c=0):
            return a + b + c
        def wait_for(path):
            import os
            while not os.path.exists(path):
                pass
            return path
        """,
    )
    import drop_in_jobs

    return drop_in_jobs


# ---- signatures --------------------------------------------------------------


@pytest.mark.skipif("stdlib" not in EXECUTORS, reason="needs 3.14")
@pytest.mark.parametrize("name", ["__init__", "submit", "map", "shutdown"])
def test_signatures(name):
    ours, theirs = (
        inspect.signature(getattr(EXECUTORS[kind], name)).parameters
        for kind in ("ours", "stdlib")
    )
    assert list(ours)[: len(theirs)] == list(theirs)
    for parameter, there in theirs.items():
        assert ours[parameter].kind == there.kind
        assert ours[parameter].default == there.default
    more = list(ours.values())[len(theirs) :]
    assert all(parameter.kind == parameter.KEYWORD_ONLY for parameter in more)


def test_what_it_is(cls, kind):
    assert issubclass(cls, concurrent.futures.Executor)
    assert issubclass(BROKEN[kind], BrokenThreadPool)


def test_arguments_of_the_constructor(cls, jobs, tmp_path):
    with cls(1, "prefix", site.addsitedir, (tmp_path / "modules",)) as pool:
        assert pool.submit(jobs.get_stored).result() is None
        assert pool._max_workers == 1
        assert pool._thread_name_prefix == "prefix"
    with cls(
        max_workers=2, thread_name_prefix="", initializer=None, initargs=()
    ) as pool:
        assert pool._thread_name_prefix
        assert pool._broken is False
        assert pool._shutdown is False
    assert pool._shutdown is True


@pytest.mark.parametrize("number", [0, -1])
def test_max_workers_is_greater_than_0(make, number):
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        make(number)


# ---- calls -------------------------------------------------------------------


def test_submit(make, jobs):
    with make(2) as pool:
        futures = [pool.submit(jobs.add, n, b=2, c=3) for n in range(5)]
        assert [future.result() for future in futures] == [5, 6, 7, 8, 9]
        assert all(isinstance(f, concurrent.futures.Future) for f in futures)
        assert all(f.done() and not f.running() for f in futures)


def test_an_exception(make, jobs):
    with make(1) as pool:
        future = pool.submit(jobs.fail, "text", 3)
        with pytest.raises(ValueError, match="text") as caught:
            future.result()
        assert caught.value.args == ("text", 3)
        assert future.exception() is caught.value
        # What happened there is the cause, in both.
        assert "ExecutionFailed" in type(caught.value.__cause__).__name__


def test_a_missing_function(make):
    with make(1) as pool, pytest.raises(TypeError):
        pool.submit()


@pytest.mark.parametrize("chunksize", [1, 2, 10])
def test_map(make, jobs, chunksize):
    with make(2) as pool:
        assert list(pool.map(operator.neg, range(5), chunksize=chunksize)) == [
            0, -1, -2, -3, -4,
        ]  # fmt: skip
        assert list(pool.map(jobs.add, [1, 2], [3, 4, 5])) == [4, 6]
        results = pool.map(jobs.fail, ["a"])
        with pytest.raises(ValueError, match="a"):
            next(results)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
def test_map_with_a_buffer(make):
    with make(1) as pool:
        numbers = iter(range(10**9))
        results = pool.map(operator.neg, numbers, buffersize=3)
        assert next(numbers) == 3
        assert next(results) == 0
        with pytest.raises(ValueError, match="buffersize"):
            pool.map(operator.neg, [1], buffersize=0)
        with pytest.raises(TypeError, match="buffersize"):
            pool.map(operator.neg, [1], buffersize="3")


def test_map_with_a_timeout(make, jobs, tmp_path):
    path = tmp_path / "go"
    with make(1) as pool:
        results = pool.map(jobs.wait_for, [str(path)], timeout=0.01)
        with pytest.raises(TimeoutError):
            next(results)
        path.touch()


def test_timeouts(make, jobs, tmp_path):
    path = tmp_path / "go"
    with make(1) as pool:
        future = pool.submit(jobs.wait_for, str(path))
        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            future.exception(timeout=0)
        path.touch()
        assert future.result() == str(path)


# ---- states ------------------------------------------------------------------


def test_what_waits_can_be_cancelled(make, jobs, tmp_path):
    path = tmp_path / "go"
    with make(1) as pool:
        first = pool.submit(jobs.wait_for, str(path))
        second = pool.submit(jobs.add, 1)
        while not first.running():
            pass
        assert not first.cancel()
        assert second.cancel()
        assert second.cancelled()
        path.touch()
        with pytest.raises(concurrent.futures.CancelledError):
            second.result()
        assert first.result() == str(path)


def test_callbacks(make, jobs, caplog):
    called = []

    def fail(future):
        raise ValueError("in the callback")

    with make(1) as pool:
        future = pool.submit(jobs.add, 1)
        for callback in (called.append, fail, called.append):
            future.add_done_callback(callback)
        concurrent.futures.wait([future])
        over = threading.Event()
        pool.submit(jobs.add, 1).add_done_callback(lambda _: over.set())
        assert over.wait(50)
    assert called == [future, future]
    assert "exception calling callback" in caplog.text


def test_a_callback_may_wait_for_other_calls(make, jobs, tmp_path):
    path, found = tmp_path / "file", queue.Queue()
    with make(2) as pool:
        held = pool.submit(jobs.wait_for, path)

        def wait(_):
            path.touch()
            found.put(concurrent.futures.wait([held]))
            late = pool.submit(jobs.add, 1)
            found.put(list(concurrent.futures.as_completed([late])) == [late])

        pool.submit(jobs.add, 1).add_done_callback(wait)
        assert found.get(timeout=50) == ({held}, set())
        assert found.get(timeout=50) is True


def test_the_default_executor_of_a_loop(make, jobs):
    async def run():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(make(1))
        return await loop.run_in_executor(None, jobs.add, 1)

    assert asyncio.run(run()) == 2


def test_wait_and_as_completed(make, jobs):
    with make(2) as pool:
        futures = [pool.submit(jobs.add, n) for n in range(5)]
        done, not_done = concurrent.futures.wait(futures)
        assert (done, not_done) == (set(futures), set())
        found = {f.result() for f in concurrent.futures.as_completed(futures)}
        assert found == {1, 2, 3, 4, 5}


def test_asyncio(make, jobs):
    async def main(pool):
        loop = asyncio.get_running_loop()
        wrapped = asyncio.wrap_future(pool.submit(jobs.add, 1))
        return await asyncio.gather(wrapped, loop.run_in_executor(pool, jobs.add, 2))

    with make(1) as pool:
        assert asyncio.run(main(pool)) == [2, 3]


# ---- the end -----------------------------------------------------------------


def test_submit_after_shutdown(make, jobs):
    pool = make(1)
    pool.submit(jobs.add, 1).result()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after"):
        pool.submit(jobs.add, 1)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after"):
        pool.map(jobs.add, [1])
    pool.shutdown()


def test_shutdown_finishes_what_was_accepted(make, jobs):
    pool = make(1)
    futures = [pool.submit(jobs.add, n) for n in range(10)]
    pool.shutdown()
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == list(range(1, 11))


def test_shutdown_without_waiting(make, jobs, tmp_path):
    path = tmp_path / "go"
    pool = make(1)
    future = pool.submit(jobs.wait_for, str(path))
    pool.shutdown(wait=False)
    path.touch()
    assert future.result() == str(path)
    pool.shutdown()


def test_shutdown_may_cancel_what_waits(make, jobs, tmp_path):
    path = tmp_path / "go"
    pool = make(1)
    first = pool.submit(jobs.wait_for, str(path))
    while not first.running():
        pass
    others = [pool.submit(jobs.add, n) for n in range(5)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in others)
    path.touch()
    assert first.result() == str(path)
    pool.shutdown()


# ---- initializers ------------------------------------------------------------


def test_an_initializer_only_stores_a_global(make, jobs, tmp_path):
    line = "import drop_in_jobs; drop_in_jobs.store([1, 2])"
    (tmp_path / "modules" / "initializer.pth").write_text(line)
    with make(1) as pool:
        for _ in range(2):
            assert pool.submit(jobs.get_stored).result() == [1, 2]
    assert jobs.stored is None


def test_a_failing_initializer(cls, kind, caplog):
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        with cls(1, initializer=int, initargs=("at the start",)) as pool:
            with pytest.raises(BROKEN[kind]):
                pool.submit(len, "abc").result()
            with pytest.raises(BROKEN[kind]):
                pool.submit(len, "abc")
            assert pool._broken
            assert isinstance(pool._broken, str)
    (record,) = [r for r in caplog.records if r.name == "concurrent.futures"]
    assert record.levelno == logging.CRITICAL
    assert record.getMessage() == "Exception in initializer:"
    assert record.exc_info[0] is ValueError
    assert "at the start" in caplog.text


def test_ours_names_the_error_in_every_future(jobs):
    def fail(go):
        go.get()
        jobs.fail("at the start")

    go = coterie.Queue()
    with coterie.Executor(1, initializer=fail, initargs=(go,)) as pool:
        futures = [pool.submit(jobs.add, n) for n in range(5)]
        go.put(1)
        for future in futures:
            error = future.exception()
            assert type(error) is coterie.BrokenInterpreterPool
            assert "ValueError: at the start" in str(error)
        with pytest.raises(coterie.BrokenInterpreterPool, match="at the start"):
            pool.submit(len, "abc")


class Unsent(Exception):
    def __reduce__(self):
        raise TypeError("stays")


def test_an_initializers_error_that_cannot_be_sent_is_logged(caplog):
    def fail():
        raise Unsent("not for others")

    with coterie.Executor(1, initializer=fail) as pool:
        error = pool.submit(len, "abc").exception()
    assert type(error) is coterie.BrokenInterpreterPool
    assert "not for others" in caplog.text
    assert "RemoteError" in caplog.text


# ---- source ------------------------------------------------------------------

# The standard library's documents speak of scripts; its 3.14 and 3.15 refuse them.


def test_source_is_executed_in_main_there():
    with coterie.Executor(1, initializer="import math\nbase = 40") as pool:
        assert pool.submit("total = base + math.isqrt(4)").result() is None
        assert pool.submit("assert total == 42").result() is None


def test_functions_of_main_see_what_source_has_set(run_script):
    ended = run_script("""
        import coterie
        def tell(): return base, total
        with coterie.Executor(1, initializer="base = 40") as pool:
            pool.submit("total = base + 2").result()
            print(pool.submit(tell).result())
    """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "(40, 42)\n", "")


def test_source_may_be_indented_and_fail():
    with coterie.Executor(1) as pool:
        future = pool.submit(
            """
            if True:
                raise KeyError("there")
            """
        )
        with pytest.raises(KeyError, match="there"):
            future.result()
        with pytest.raises(SyntaxError):
            pool.submit("one two").result()
        with pytest.raises(UnicodeEncodeError):
            pool.submit("\ud800").result()


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), ((), {"x": 1})])
def test_source_takes_no_arguments(pool, args, kwargs):
    with pytest.raises(ValueError, match="script does not take args"):
        pool.submit("pass", *args, **kwargs)


def test_an_initializer_of_source_takes_no_arguments():
    with pytest.raises(ValueError, match="initializer script does not take args"):
        coterie.Executor(1, initializer="pass", initargs=(1,))


def test_an_initializer_of_source_that_fails():
    with coterie.Executor(1, initializer="1/0") as pool:
        error = pool.submit("pass").exception()
        assert type(error) is coterie.BrokenInterpreterPool
        assert "ZeroDivisionError" in str(error)


# ---- how many workers --------------------------------------------------------


CASES = {
    "v2": ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
    "v2-no-limit": ("0::/a/b", {"a/b/cpu.max": "max 100000"}, None),
    "v2-of-the-parent": (
        "0::/a/b",
        {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"},
        0.5,
    ),
    "v2-in-a-container": ("0::/elsewhere", {"cpu.max": "300000 100000"}, 3.0),
    "v2-above-the-root": ("0::/../x", {"cpu.max": "100000 100000"}, 1.0),
    "v1": (
        "4:memory:/m\n2:cpu,cpuacct:/a",
        {
            "cpu,cpuacct/a/cpu.cfs_quota_us": "250000",
            "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
        },
        2.5,
    ),
    "v1-no-limit": (
        "2:cpu:/",
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        None,
    ),
    "nothing": ("0::/", {}, None),
    "no-sense": ("what\n0::", {"cpu.max": "no sense"}, None),
}


@pytest.mark.parametrize(("membership", "files", "expected"), CASES.values(), ids=CASES)
def test_the_quota_of_the_control_group(tmp_path, membership, files, expected):
    (tmp_path / "membership").write_text(membership + "\n")
    root = tmp_path / "root"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    found = _processors.quota(str(tmp_path / "membership"), str(root))
    assert found == expected


def test_no_control_groups(tmp_path):
    assert _processors.quota(str(tmp_path / "none"), str(tmp_path)) is None


@pytest.mark.parametrize(
    ("count", "quota", "expected"),
    [
        (8, None, 8),
        (8, 2.0, 2),
        (8, 1.5, 2),
        (8, 0.1, 1),
        (2, 16.0, 2),
        (None, None, 1),
    ],
)
def test_as_many_workers_as_there_are_processors(monkeypatch, count, quota, expected):
    monkeypatch.setattr("os.process_cpu_count", lambda: count)
    monkeypatch.setattr(_processors, "_quota", lambda: quota)
    with coterie.Executor() as pool:
        assert pool._max_workers == expected
