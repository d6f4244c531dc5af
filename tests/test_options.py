"""What an executor offers beyond the standard library's, but for its ends."""

import concurrent.futures
import io
import logging
import operator
import sys
import threading

import pytest

import coterie
from coterie.executor import PoolStats, TaskInfo, current_worker

pytestmark = pytest.mark.timeout(60)


def hold(started, go):
    started.put("started")
    return go.get()


def double(x):
    return 2 * x


class Doubler:
    def __call__(self, x):
        return 2 * x

    def __repr__(self):
        return "a doubler"


@pytest.fixture
def held():
    """(pool, go): one worker, which waits for an item of `go`."""
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1) as pool:
        pool.submit(hold, started, go)
        started.get()
        yield pool, go
        go.put(None)


# ---- views -------------------------------------------------------------------


def test_a_view_has_the_pools_interface(pool):
    view = pool.options(priority=1)
    assert isinstance(view, coterie.Executor)
    assert view.submit(double, 2).result() == 4
    assert list(view.map(double, range(4), chunksize=2)) == [0, 2, 4, 6]
    done, _ = concurrent.futures.wait([view.submit(double, 1)])
    assert len(done) == 1
    assert view._max_workers == pool._max_workers == 2
    assert view.stats().name == pool.stats().name


def test_a_view_keeps_the_pool():
    view = coterie.Executor(1).options(priority=1)
    assert view.submit(double, 2).result() == 4
    view.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        view.submit(double, 2)


def test_a_view_that_goes_leaves_the_pool_open(pool):
    assert pool.options(priority=1).submit(double, 1).result() == 2
    assert pool.submit(double, 2).result() == 4


def test_options_of_options(pool):
    view = pool.options(timeout=5).options(priority=3)
    assert view._terms.timeout == 5
    assert view._terms.priority == 3
    assert view.options(timeout=None)._terms.timeout is None


def test_keywords_of_the_function_stay_its_own(pool):
    view = pool.options(timeout=60, priority=1, retries=1)
    assert view.submit(dict, timeout=1, priority=2, retries=3).result() == {
        "timeout": 1,
        "priority": 2,
        "retries": 3,
    }


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"timeout": 0}, ValueError, "timeout must be"),
        ({"timeout": -1}, ValueError, "timeout must be"),
        ({"timeout": float("nan")}, ValueError, "timeout must be"),
        ({"timeout": "1"}, ValueError, "timeout must be"),
        ({"priority": 1.5}, TypeError, "priority must be an int, not float"),
        ({"priority": 2**63}, ValueError, "priority must fit"),
        ({"retries": -1}, ValueError, "retries must be at least 0"),
        ({"retries": "1"}, TypeError, "retries must be an int"),
        ({"retry_on": 5}, TypeError, "retry_on must be"),
        ({"retry_on": KeyboardInterrupt}, TypeError, "retry_on must be"),
        ({"retry_on": (OSError, 5)}, TypeError, "retry_on must be"),
        ({"on_task_start": 5}, TypeError, "on_task_start must be callable"),
        ({"colour": 5}, TypeError, "no option 'colour'"),
        (
            {"retries": 1, "retry_on": lambda error, lock=threading.Lock(): lock},  # noqa: B008
            coterie.NotShareableError,
            "options not shareable",
        ),
    ],
)
def test_wrong_options(pool, options, error, text):
    with pytest.raises(error, match=text):
        pool.options(**options)
    assert pool.submit(double, 1).result() == 2


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"bind": [1]}, TypeError, "bind must be a dict, not list"),
        ({"bind": {"no name": 1}}, ValueError, "bind must have names"),
        ({"bind": {1: 1}}, ValueError, "bind must have names"),
        ({"bind": {"type": 1}}, ValueError, "bind: 'type' means something"),
        ({"bind": {"None": 1}}, ValueError, "bind: 'None' means something"),
        ({"bind": {"x": threading.Lock()}}, coterie.NotShareableError, "lock"),
        ({"max_tasks_per_child": 0}, ValueError, "max_tasks_per_child must be"),
        ({"max_tasks_per_child": "1"}, TypeError, "max_tasks_per_child must be"),
        ({"max_pending": -1}, ValueError, "max_pending must be"),
        ({"idle_timeout": 0}, ValueError, "idle_timeout must be"),
        ({"idle_timeout": "1"}, TypeError, "idle_timeout must be a number"),
        ({"exit_grace": "1"}, TypeError, "exit_grace must be a number"),
        ({"stop_grace": -1}, ValueError, "stop_grace must be"),
        ({"task_timeout": 0}, ValueError, "timeout must be"),
        ({"logging": "yes"}, TypeError, "logging must be"),
        ({"on_task_end": 1}, TypeError, "on_task_end must be callable"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        coterie.Executor(1, **arguments)


# ---- priorities, room --------------------------------------------------------


def test_the_highest_priority_runs_first(held):
    pool, go = held
    order = coterie.Queue()
    for n, priority in enumerate([0, -1, 5, 0, 5, 7]):
        pool.options(priority=priority).submit(order.put, n)
    go.put(None)
    assert [order.get() for _ in range(6)] == [5, 2, 4, 0, 3, 1]
    go.put(None)  # for the fixture's end


def test_submit_waits_for_room():
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1, max_pending=2) as pool:
        first = pool.submit(hold, started, go)
        started.get()
        waiting = [pool.submit(double, n) for n in range(2)]
        assert pool.stats().pending == 2
        others = []
        thread = threading.Thread(
            target=lambda: others.extend(pool.submit(double, n) for n in range(2, 9))
        )
        thread.start()
        # It cannot go on before the first call ends.
        assert others == []
        go.put("over")
        thread.join()
        assert first.result() == "over"
        assert [f.result() for f in waiting + others] == [2 * n for n in range(9)]


def test_shutdown_ends_the_wait_for_room():
    started, go = coterie.Queue(), coterie.Queue()
    pool = coterie.Executor(1, max_pending=1)
    first = pool.submit(hold, started, go)
    started.get()
    second = pool.submit(double, 1)
    refused = []

    def submit():
        try:
            pool.submit(double, 2)
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    pool.shutdown(wait=False)
    thread.join()
    assert refused == ["cannot schedule new futures after shutdown"]
    go.put(1)
    assert (first.result(), second.result()) == (1, 2)


# ---- retries -----------------------------------------------------------------


def fail_until(queue, calls, error=ValueError):
    queue.put("called")
    if queue.qsize() < calls:
        raise error(queue.qsize())
    return queue.qsize()


def test_a_call_that_raises_is_made_again(pool):
    calls = coterie.Queue()
    assert pool.options(retries=3).submit(fail_until, calls, 3).result() == 3
    assert calls.qsize() == 3


def test_the_last_error_is_told(pool):
    calls = coterie.Queue()
    future = pool.options(retries=2).submit(fail_until, calls, 9)
    with pytest.raises(ValueError, match="3"):
        future.result()
    assert calls.qsize() == 3


@pytest.mark.parametrize(
    ("retry_on", "expected"),
    [
        (ValueError, 3),
        ((KeyError, ValueError), 3),
        (KeyError, 1),
        (lambda error: error.args[0] < 2, 2),
        (lambda error: True, 3),
    ],
)
def test_only_what_is_wanted_is_made_again(pool, retry_on, expected):
    calls = coterie.Queue()
    view = pool.options(retries=2, retry_on=retry_on)
    with pytest.raises(ValueError):
        view.submit(fail_until, calls, 9).result()
    assert calls.qsize() == expected


def test_leaving_and_interrupts_are_not_made_again(pool):
    calls = coterie.Queue()
    for error in (SystemExit, KeyboardInterrupt):
        future = pool.options(retries=5).submit(fail_until, calls, 99, error)
        assert type(future.exception()) is error
    assert calls.qsize() == 2
    started = coterie.Queue()
    future = pool.options(retries=5).submit(hold, started, coterie.Queue())
    started.get()
    future.interrupt()
    concurrent.futures.wait([future])
    assert future.cancelled()
    assert started.qsize() == 0


# ---- bind --------------------------------------------------------------------


def look_up(name):
    return eval(name)


def use_grid():
    return sum(grid)  # noqa: F821


FACTOR = 2


def use_factor():
    return FACTOR


def test_bound_names_are_globals(folder):
    folder("bound_jobs", "own = 1\ndef job(): return grid, own\n")
    import bound_jobs

    bind = {"grid": [1, 2, 3], "own": 2}
    with coterie.Executor(2, bind=bind) as pool:
        assert pool.submit(use_grid).result() == 6
        assert pool.submit(look_up, "grid").result() == [1, 2, 3]
        assert pool.submit(lambda: grid).result() == [1, 2, 3]  # noqa: F821
        # A module's own names are its own.
        assert pool.submit(bound_jobs.job).result() == ([1, 2, 3], 1)
        assert pool.submit("assert grid == [1, 2, 3]").result() is None


def test_what_is_bound_wins_over_what_travels():
    with coterie.Executor(1, bind={"FACTOR": 5}) as pool:
        assert pool.submit(use_factor).result() == 5
    with coterie.Executor(1) as pool:
        assert pool.submit(use_factor).result() == 2


def test_what_can_be_shared_is_shared():
    queue = coterie.Queue()
    with coterie.Executor(2, bind={"out": queue}) as pool:
        list(pool.map(lambda n: out.put(n), range(4)))  # noqa: F821
        assert sorted(queue.get() for _ in range(4)) == [0, 1, 2, 3]


def test_an_initializer_sees_what_is_bound():
    with coterie.Executor(1, bind={"base": 40}, initializer="total = base + 2") as pool:
        pool.submit("assert total == 42").result()


# ---- workers that leave ------------------------------------------------------


def test_a_worker_does_so_many_calls_and_no_more():
    with coterie.Executor(1, max_tasks_per_child=3) as pool:
        ids = [pool.submit(current_worker).result()[-1] for _ in range(10)]
        assert ids == list("0001112223")
        assert pool.stats().tasks == 10


def test_workers_are_replaced_while_calls_wait():
    with coterie.Executor(2, max_tasks_per_child=1) as pool:
        futures = [pool.submit(current_worker) for _ in range(20)]
        names = {future.result() for future in futures}
    assert len(names) == 20


def test_shutdown_while_workers_are_replaced():
    pool = coterie.Executor(2, max_tasks_per_child=2)
    futures = [pool.submit(double, n) for n in range(21)]
    pool.shutdown()
    assert [future.result() for future in futures] == [2 * n for n in range(21)]
    assert pool.stats().serving == 0


def test_an_idle_worker_leaves():
    left = coterie.Queue()

    def leave_a_mark():
        import atexit

        atexit.register(left.put, current_worker())
        return current_worker()

    with coterie.Executor(1, idle_timeout=0.01) as pool:
        first = pool.submit(leave_a_mark).result()
        assert left.get() == first
        second = pool.submit(leave_a_mark).result()
        assert second != first
        assert left.get() == second


# ---- output, log records -----------------------------------------------------


def speak(text, fail=False):
    print(text, flush=True)
    print(text.upper(), file=sys.stderr)
    if fail:
        raise ValueError(text)
    return len(text)


def test_what_a_call_writes_is_captured(pool, capfd):
    view = pool.options(capture_output=True)
    futures = [view.submit(speak, f"text {n}", n == 2) for n in range(4)]
    for n, future in enumerate(futures):
        if n == 2:
            with pytest.raises(ValueError, match="text 2"):
                future.result()
        else:
            assert future.result() == 6
        assert future.stdout == f"text {n}\n"
        assert future.stderr == f"TEXT {n}\n"
    assert capfd.readouterr().out == ""
    pool.submit(speak, "aloud").result()
    assert capfd.readouterr().out == "aloud\n"


def test_all_kinds_of_calls_are_captured(pool):
    view = pool.options(capture_output=True)
    assert list(view.map(speak, ["a", "bc"], chunksize=2)) == [1, 2]
    future = view.submit("print('from source')")
    assert (future.result(), future.stdout) == (None, "from source\n")
    future = view.submit(operator.methodcaller("write", "x"), sys.stdout)
    assert type(future.exception()) is coterie.NotShareableError
    assert future.stdout == ""


def test_output_can_be_read_while_the_call_runs(pool):
    def speak_and_wait(started, go):
        print("begun")
        started.put(1)
        go.get()
        print("ended")

    started, go = coterie.Queue(), coterie.Queue()
    future = pool.options(capture_output=True).submit(speak_and_wait, started, go)
    started.get()
    assert future.stdout == "begun\n"
    go.put(1)
    future.result()
    assert future.stdout == "begun\nended\n"


def log(name, level, text, *args):
    import logging

    logging.getLogger(name).log(level, text, *args)


def log_an_exception():
    import logging

    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("jobs").exception("it failed")


def test_log_records_come_home(caplog):
    with caplog.at_level(logging.INFO):
        with coterie.Executor(1, "loggers", logging=True) as pool:
            pool.submit(log, "jobs.one", logging.INFO, "text %s %d", "a", 5).result()
            pool.submit(log, "jobs.one", logging.DEBUG, "not this").result()
            pool.submit(log_an_exception).result()
    first, second = caplog.records
    assert (first.name, first.levelno) == ("jobs.one", logging.INFO)
    assert first.getMessage() == "text a 5"
    assert first.threadName == "loggers_0"
    assert first.funcName == "log"
    assert "ZeroDivisionError" in second.exc_text
    assert "not this" not in caplog.text


def log_in_a_thread():
    thread = threading.Thread(target=log, args=("jobs", 30, "other"), name="other")
    thread.start()
    thread.join()


def test_log_records_tell_the_thread(caplog):
    options = {"initializer": log, "initargs": ("jobs", 30, "first"), "logging": True}
    with coterie.Executor(1, "loggers", **options) as pool:
        pool.submit(log_in_a_thread).result()
    found = [(record.getMessage(), record.threadName) for record in caplog.records]
    assert found == [("first", "loggers_0"), ("other", "other")]


def test_the_loggers_here_choose(caplog, monkeypatch):
    with caplog.at_level(logging.DEBUG):
        monkeypatch.setattr(logging.getLogger("jobs.quiet"), "level", logging.ERROR)
        with coterie.Executor(1, logging=logging.DEBUG) as pool:
            pool.submit(log, "jobs.quiet", logging.WARNING, "not heard").result()
            pool.submit(log, "jobs.loud", logging.DEBUG, "heard").result()
    assert [record.getMessage() for record in caplog.records] == ["heard"]


def test_without_it_records_stay_there(caplog, capfd):
    with coterie.Executor(1) as pool:
        pool.submit(log, "jobs", logging.ERROR, "stays").result()
    assert caplog.records == []
    assert "stays" in capfd.readouterr().err


# ---- hooks, statistics -------------------------------------------------------


def test_hooks_are_called_in_the_worker():
    notes = coterie.Queue()

    def note_start(info):
        notes.put(("start", info.name, info.worker, info.seconds, info.error))

    def note_end(info):
        error = info.error and type(info.error).__name__
        notes.put(("end", info.name, info.worker, info.seconds >= 0, error))

    with coterie.Executor(
        1, "hooked", on_task_start=note_start, on_task_end=note_end
    ) as pool:
        pool.submit(double, 2).result()
        pool.submit(speak, "text", fail=True).exception()
        pool.submit(Doubler(), 2).result()
        view = pool.options(on_task_start=None, retries=1)
        view.submit(fail_until, coterie.Queue(), 2).result()
    found = [notes.get() for _ in range(notes.qsize())]
    assert found == [
        ("start", "double", "hooked_0", None, None),
        ("end", "double", "hooked_0", True, None),
        ("start", "speak", "hooked_0", None, None),
        ("end", "speak", "hooked_0", True, "ValueError"),
        ("start", "a doubler", "hooked_0", None, None),
        ("end", "a doubler", "hooked_0", True, None),
        ("end", "fail_until", "hooked_0", True, "ValueError"),
        ("end", "fail_until", "hooked_0", True, None),
    ]
    assert TaskInfo._fields == ("name", "worker", "seconds", "error")


def test_statistics(held):
    pool, go = held
    stats = pool.stats()
    assert isinstance(stats, PoolStats)
    (worker,) = stats.workers
    assert worker.name == f"{stats.name}_0"
    assert worker.state == "busy"
    assert worker.interpreter in {i.id for i in coterie.interpreters.list_all()} or (
        worker.interpreter > 0
    )
    assert (worker.tasks, worker.last_error) == (0, None)
    assert (stats.serving, stats.started, stats.pending, stats.tasks) == (1, 1, 0, 0)
    failing = pool.submit(speak, "text", fail=True)
    assert pool.stats().pending == 1
    go.put(1)
    failing.exception()
    stats = pool.stats()
    assert stats.workers[0].last_error == "ValueError: text"
    assert stats.workers[0].tasks == stats.tasks == 2
    assert stats.workers[0].busy_seconds > 0
    assert (stats.lost, stats.lost_ever) == (0, 0)


def hold_objects(n):
    global held_objects
    held_objects = [object() for _ in range(n)]


def test_memory_is_told_of_each_worker():
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(2) as pool:
        calls = [pool.submit(hold, started, go) for _ in range(2)]
        for _ in calls:
            started.get()  # each by a worker of its own
        for _ in calls:
            go.put(None)
        concurrent.futures.wait(calls)
        before = {w.interpreter: w.memory for w in pool.stats().workers}
        assert len(before) == 2
        assert all(memory >= 1 << 18 for memory in before.values())
        pool.submit(hold_objects, 500_000).result()
        stats = pool.stats()
        grown = sorted(w.memory - before[w.interpreter] for w in stats.workers)
        assert grown[0] < 1 << 21
        assert 500_000 * 8 < grown[1] < 500_000 * 32
        assert stats.process_memory > sum(w.memory for w in stats.workers)


def test_memory_is_told_while_a_worker_is_busy(held):
    pool, go = held
    assert pool.stats().workers[0].memory > 0
    go.put(1)


def test_memory_that_is_given_back():
    with coterie.Executor(1) as pool:
        pool.submit(hold_objects, 500_000).result()
        full = pool.stats().workers[0].memory
        pool.submit(hold_objects, 0).result()
        assert pool.stats().workers[0].memory < full - 500_000 * 8


@pytest.mark.parametrize("allocator", ["malloc", "malloc_debug"])
def test_memory_that_is_not_known(run_script, monkeypatch, allocator):
    monkeypatch.setenv("PYTHONMALLOC", allocator)
    ended = run_script("""
        import coterie
        def recurse(n): return n and recurse(n - 1)
        with coterie.Executor(1) as pool:
            pool.submit(recurse, 900).result()
            print(pool.stats().workers[0].memory)
        """)
    assert (ended.stderr, ended.stdout) == ("", "None\n")


def test_statistics_at_any_time(run_script):
    ended = run_script("""
        import atexit, coterie
        pool = coterie.Executor(1)
        pool.submit(len, "abc").result()
        pool.shutdown()
        print(pool.stats().tasks, pool.stats().workers)
        atexit.register(lambda: print(pool.stats().tasks))
        class Forgetful(coterie.Executor):
            def __init__(self): self._terms = None
        try:
            Forgetful().stats()
        except RuntimeError as error:
            print(error)
    """)
    assert ended.stderr == ""
    assert ended.lines == [
        "1 ()",
        "this executor was not initialised: call super().__init__() first",
        "1",
    ]


def test_busy_time_does_not_count_waiting():
    with coterie.Executor(1) as pool:
        pool.submit(double, 1).result()
        before = pool.stats().workers[0]
        assert before.busy_seconds >= 0
        pool.submit(sum, range(200_000)).result()
        after = pool.stats().workers[0]
        assert after.busy_seconds > before.busy_seconds


def thread_name():
    return threading.current_thread().name


def test_threading_knows_the_workers_name(folder):
    folder(
        "names_of_threads",
        """
        import threading
        def ask(): return threading.current_thread().name
        """,
    )
    import names_of_threads

    # An interpreter that is used again has another name.
    with coterie.Executor(1, "first") as pool:
        assert pool.submit(thread_name).result() == "first_0"
    with coterie.Executor(1, "second") as pool:
        assert pool.submit(names_of_threads.ask).result() == "second_0"
    with coterie.Executor(1, "third") as pool:
        assert list(pool.map(lambda _: thread_name(), [1])) == ["third_0"]


def test_threading_is_imported_later(run_script):
    ended = run_script("""
        import sys, coterie
        def is_there(): return "threading" in sys.modules
        def name():
            import threading
            return threading.current_thread().name
        for prefix in ("first", "second"):
            with coterie.Executor(1, prefix) as pool:
                if prefix == "first":
                    print(pool.submit(is_there).result())
                pool.submit(name).result()
                print(pool.submit(name).result())
        """)
    assert (ended.stderr, ended.lines) == ("", ["False", "first_0", "second_0"])


def test_initializers_know_the_name():
    names = coterie.Queue()

    def tell(names):
        names.put(threading.current_thread().name)

    with coterie.Executor(1, "named", tell, (names,)) as pool:
        pool.submit(double, 1).result()
    assert names.get() == "named_0"


def test_log_records_have_the_name():
    def write():
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(threadName)s"))
        handler.handle(logging.makeLogRecord({}))
        handler.handle(logging.LogRecord("", 0, "", 0, "", None, None))
        return stream.getvalue().split()

    with coterie.Executor(1, "named") as pool:
        assert pool.submit(write).result()[1] == "named_0"


def test_other_threads_keep_their_names():
    def names():
        found = []
        thread = threading.Thread(
            target=lambda: found.append(threading.current_thread().name), name="other"
        )
        thread.start()
        thread.join()
        return [*found, threading.current_thread().name, threading.main_thread().name]

    with coterie.Executor(1, "named") as pool:
        assert pool.submit(names).result() == ["other", "named_0", "MainThread"]


def test_who_runs_this(pool):
    assert current_worker() is None
    assert pool.submit(current_worker).result().startswith(pool.stats().name)
    with coterie.Executor(1, "mine") as named:
        assert named.submit(current_worker).result() == "mine_0"


# ---- debuggers ---------------------------------------------------------------


def stop_here():
    breakpoint()
    return "went on"


def test_a_breakpoint_says_what_to_do(pool, monkeypatch):
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    with coterie.Executor(1) as pool:
        with pytest.raises(RuntimeError, match="Call the function itself, without"):
            pool.submit(stop_here).result()


def test_a_breakpoint_for_another_debugger(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    with coterie.Executor(1) as pool:
        assert pool.submit(stop_here).result() == "went on"
    monkeypatch.setenv("PYTHONBREAKPOINT", "operator.truth")
    with coterie.Executor(1) as pool:
        error = pool.submit(stop_here).exception()
    assert isinstance(error, TypeError)
    assert "truth" in str(error)
