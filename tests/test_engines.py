"""Executor(engine=...) and Executor(fallback=...): calls that run elsewhere."""

import concurrent.futures
import faulthandler  # refuses an own GIL, in all versions
import gc
import inspect
import os
import signal
import sys
import threading
import time
import warnings

import pytest

import coterie
from coterie import _engines

LOCAL = ["interpreter", "thread", "process", "shared", "main"]
IN_PROCESSES = {"process": {}, "interpreters": {"interpreters": 2}}

count = 0


def identify():
    return os.getpid(), coterie.interpreters.get_current().id


def count_up():
    global count
    count += 1
    return count


class Unforeseen(Exception):
    pass


def fail(text):
    raise Unforeseen(text)


def uses_refused(x):
    return faulthandler.__name__, x, identify()


def imports_refused():
    import _curses  # noqa: F401


class Refused:
    """Something that only those can load who can import the module."""

    def __reduce__(self):
        return __import__, ("faulthandler",)


# ---- all of them -------------------------------------------------------------


@pytest.fixture(params=LOCAL)
def any_pool(request):
    with coterie.Executor(2, engine=request.param) as pool:
        yield pool


def test_what_all_engines_do(any_pool):
    assert isinstance(any_pool, coterie.Executor)
    assert any_pool.submit(divmod, 7, 4).result() == (1, 3)
    assert any_pool.submit(int, "11", base=2).result() == 3
    assert list(any_pool.map(pow, [1, 2, 3], [3, 3, 3])) == [1, 8, 27]
    assert list(any_pool.map(pow, range(9), [2] * 9, chunksize=4)) == [
        x * x for x in range(9)
    ]


def test_map_needs_a_function(any_pool):
    for pool in (any_pool, any_pool.options(retries=1)):
        with pytest.raises(TypeError, match="fn must be callable, not list"):
            pool.map([(1, 2), (3, 4)])


@pytest.mark.parametrize("engine", ["process", "shared"])
def test_source(engine):
    with coterie.Executor(1, engine=engine, initializer="answer = 40") as pool:
        assert pool.submit("answer += 1").result() is None
        pool.options(retries=1).submit("answer += 1").result()
        assert pool.submit(eval, "__import__('__main__').answer").result() == 42
        with pytest.raises(ValueError, match="a script does not take args"):
            pool.submit("pass", 1)
    with coterie.Executor(1, initializer="answer = 40") as pool:
        view = pool.options(engine=engine)
        assert view.submit(eval, "__import__('__main__').answer").result() == 40


@pytest.mark.parametrize("engine", ["thread", "main"])
def test_no_source_in_the_program_itself(engine):
    with pytest.raises(TypeError, match="an initializer of engine='.*' cannot be so"):
        coterie.Executor(1, engine=engine, initializer="answer = 40")
    with coterie.Executor(1, engine=engine) as pool:
        for each in (pool, pool.options(retries=1)):
            with pytest.raises(TypeError, match="a call of engine='.*' cannot be so"):
                each.submit("answer = 40")
    with pytest.raises(TypeError, match="an initializer of engine='main' cannot be"):
        coterie.Executor(1, fallback="main", initializer="answer = 40")


def test_exceptions(any_pool):
    error = any_pool.submit(fail, "why").exception()
    assert (type(error), str(error)) == (Unforeseen, "why")


def test_futures_are_those_of_the_standard_library(any_pool):
    futures = [any_pool.submit(abs, -n) for n in range(4)]
    done, _ = concurrent.futures.wait(futures)
    assert sorted(future.result() for future in done) == [0, 1, 2, 3]


@pytest.mark.parametrize("engine", LOCAL)
def test_initializers(engine):
    first = count
    with coterie.Executor(1, "", count_up, engine=engine) as pool:
        assert pool.submit(count_up).result() == first + 2


def test_after_shutdown(any_pool):
    any_pool.shutdown()
    with pytest.raises(RuntimeError):
        any_pool.submit(abs, 1)
    any_pool.shutdown()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"engine": "none"}, ValueError, "engine must be one of .* not 'none'"),
        ({"engine": 3}, TypeError, "engine must be a str, not int"),
        ({"fallback": "dask"}, ValueError, "fallback must be one of shared, process"),
        ({"fallback": 1}, TypeError, "fallback must be a str, not int"),
        ({"engine": "thread", "fallback": "main"}, ValueError, "takes no fallback"),
        ({"engine": "thread", "exit_grace": 1}, TypeError, "argument 'exit_grace'"),
        ({"engine": "process", "max_workers": 0}, ValueError, "greater than 0"),
        ({"engine": "process", "max_workers": "1"}, TypeError, "not str"),
        ({"engine": "process", "interpreters": -1}, ValueError, "at least 0"),
        ({"engine": "process", "interpreters": "1"}, TypeError, "not str"),
        ({"engine": "process", "stop_grace": 0}, ValueError, "stop_grace must be"),
        ({"engine": "thread", "stop_grace": 1}, TypeError, "argument 'stop_grace'"),
        ({"engine": "process", "bind": 3}, TypeError, "bind must be a dict, not int"),
        ({"engine": "process", "bind": {"": 1}}, ValueError, "bind must have names"),
        ({"engine": "main", "initializer": 1}, TypeError, "initializer must be"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        coterie.Executor(**arguments)


def test_not_for_subclasses():
    class Mine(coterie.Executor):
        pass

    with pytest.raises(TypeError, match="not a subclass"):
        Mine(engine="process")


def test_the_signature_is_that_of_init():
    signature = inspect.signature(coterie.Executor)
    assert list(signature.parameters)[:2] == ["max_workers", "thread_name_prefix"]
    assert "engine" in signature.parameters


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
def test_the_interpreters_of_the_standard_library():
    with coterie.Executor(2, engine="stdlib-interpreter") as pool:
        assert list(pool.map(pow, [2, 3], [2, 2])) == [4, 9]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="they are there")
def test_no_interpreters_in_the_standard_library():
    with pytest.raises(ValueError, match="needs Python 3.14"):
        coterie.Executor(engine="stdlib-interpreter")


def test_where_they_run():
    here = os.getpid()
    where = {}
    for name in LOCAL:
        with coterie.Executor(1, engine=name) as pool:
            where[name] = pool.submit(identify).result()
    assert where["thread"] == where["main"] == identify()
    assert where["interpreter"][0] == where["shared"][0] == here
    assert 0 not in (where["interpreter"][1], where["shared"][1])
    assert where["process"][0] != here
    assert where["process"][1] == 0


# ---- interpreters that share a GIL -------------------------------------------


@pytest.mark.parametrize("end", ["", "pool.shutdown(wait=False)", "del pool"])
def test_shared_interpreters_at_the_end(repeat_script, end):
    ends = repeat_script(
        f"""
        import coterie
        def f(x): print("accepted", flush=True)
        pool = coterie.Executor(1, engine="shared")
        pool.submit(f, 1)
        pool.submit(f, 2)
        {end}
        """
    )
    assert {(it.rc, it.stdout, it.stderr) for it in ends} == {(0, "accepted\n" * 2, "")}


def test_a_shared_engine_that_is_dropped():
    before = set(coterie.interpreters.list_all())
    pool = coterie.Executor(1, engine="shared")
    assert pool.submit(abs, -1).result() == 1
    threads = list(pool._engine._threads)
    del pool
    gc.collect()
    for thread in threads:
        thread.join()
    assert set(coterie.interpreters.list_all()) == before


# ---- processes ---------------------------------------------------------------


@pytest.fixture(params=IN_PROCESSES)
def processes(request):
    """Executor for two slots: in two processes, or two interpreters of one."""
    options = IN_PROCESSES[request.param]
    with coterie.Executor(2, engine="process", **options) as pool:
        yield pool


@pytest.fixture
def fifo(tmp_path):
    """Makes named pipes: who opens one waits for who opens the other end."""

    def make(name):
        os.mkfifo(tmp_path / name)
        return str(tmp_path / name)

    return make


def meet_and_identify(mine, gate):
    os.close(os.open(mine, os.O_WRONLY))
    end = os.open(gate, os.O_RDONLY)
    os.read(end, 1)
    os.close(end)
    return identify()


def test_each_process_may_have_interpreters(fifo):
    gate, places = fifo("gate"), [fifo(f"place{n}") for n in range(4)]
    with coterie.Executor(4, engine="process", interpreters=2) as pool:
        calls = [pool.submit(meet_and_identify, place, gate) for place in places]
        for place in places:  # all of them have begun
            os.close(os.open(place, os.O_RDONLY))
        end = os.open(gate, os.O_WRONLY)
        os.write(end, b"1234")
        found = {call.result() for call in calls}
        os.close(end)
    assert len(found) == 4
    assert len({pid for pid, _ in found}) == 2
    assert os.getpid() not in {pid for pid, _ in found}


def test_globals_live_as_long_as_the_process():
    first = count
    with coterie.Executor(1, engine="process") as pool:
        counts = [pool.submit(count_up).result() - first for _ in range(3)]
    assert counts == [1, 2, 3]
    assert count == first


@pytest.mark.parametrize(
    ("function", "argument", "exitcode", "message"),
    [
        (os._exit, 7, 7, "ended with exit code 7"),
        (signal.raise_signal, signal.SIGKILL, -signal.SIGKILL, "ended by SIGKILL"),
    ],
)
def test_a_process_that_dies(processes, function, argument, exitcode, message):
    first = processes.submit(identify).result()[0]
    with pytest.raises(coterie.WorkerLost, match=message) as caught:
        processes.submit(function, argument).result()
    assert caught.value.exitcode == exitcode
    # It is replaced.
    assert processes.submit(abs, -1).result() == 1
    assert processes.submit(identify).result()[0] != first


def test_a_death_fails_its_own_calls_only():
    with coterie.Executor(2, engine="process") as pool:
        calls = []
        for n in range(100):
            calls.append(pool.submit(abs, -n))
            if n % 10 == 5:
                calls.append(pool.submit(os._exit, 1))
        lost = [isinstance(c.exception(), coterie.WorkerLost) for c in calls]
        assert sum(lost) == 10
        pairs = zip(calls, lost, strict=True)
        assert [c.result() for c, is_lost in pairs if not is_lost] == [*range(100)]


def test_a_process_that_dies_idle(processes):
    # Who asks next has not begun in it.
    for _ in range(5):
        pid = processes.submit(identify).result()[0]
        os.kill(pid, signal.SIGKILL)
        assert processes.submit(abs, -1).result() == 1


def test_a_process_that_dies_as_its_interpreters_become_ready(caplog):
    # The second slot may be at any stage.
    for _ in range(4):
        with coterie.Executor(2, engine="process", interpreters=2) as pool:
            pool.submit(abs, 0).result()
            calls = [pool.submit(os._exit, 5), pool.submit(abs, -1)]
            assert calls[0].exception().exitcode == 5
            error = calls[1].exception()
            assert error is None or isinstance(error, coterie.WorkerLost)
            assert pool.submit(abs, -2).result() == 2


def test_a_process_that_is_told_of_ctrl_c_as_it_starts(run_script):
    # As by a terminal, at the time when it does not ignore it yet.
    ended = run_script("""
        import os, signal, subprocess, coterie
        start = subprocess.Popen.__init__
        def start_and_press_ctrl_c(self, *args, **options):
            start(self, *args, **options)
            self.send_signal(signal.SIGINT)
        subprocess.Popen.__init__ = start_and_press_ctrl_c
        with coterie.Executor(1, engine="process") as pool:
            print(pool.submit(abs, -1).result())
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "1\n", "")


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="seen by its pipe only")
def test_a_process_that_dies_with_a_child_of_its_own(fifo):
    path = fifo("until")
    with coterie.Executor(1, engine="process") as pool:
        with pytest.raises(coterie.WorkerLost):
            pool.submit(fork_and_exit, path).result()
    os.close(os.open(path, os.O_WRONLY))


def fork_and_exit(path):
    """The child lives until somebody writes, and has what its parent had open."""
    warnings.simplefilter("ignore")
    if os.fork() == 0:
        os.close(os.open(path, os.O_RDONLY))
    os._exit(1)


def test_what_cannot_be_sent(processes):
    with pytest.raises(coterie.NotShareableError, match="lives in this process only"):
        processes.submit(id, coterie.Queue())
    with pytest.raises(coterie.NotShareableError, match="result not shareable"):
        processes.submit(threading.Lock).result()


def test_an_exception_that_cannot_be_sent(processes):
    def unwilling():
        error = ValueError("no")
        error.lock = threading.Lock()
        raise error

    error = processes.submit(unwilling).exception()
    assert type(error) is coterie.RemoteError
    assert "ValueError" in str(error)


def test_sys_exit_in_a_process(processes):
    assert processes.submit(sys.exit, 3).exception().code == 3
    assert processes.submit(abs, -1).result() == 1


def test_the_remote_traceback(processes):
    error = processes.submit(fail, "why").exception()
    assert "raise Unforeseen(text)" in error.__cause__.excinfo.errdisplay


def test_an_initializer_that_fails(processes, caplog):
    with coterie.Executor(2, engine="process", initializer=fail, initargs=("x",)) as p:
        call = p.submit(abs, 1)
        with pytest.raises(coterie.BrokenInterpreterPool, match="Unforeseen: x"):
            call.result()
        with pytest.raises(coterie.BrokenInterpreterPool, match="Unforeseen: x"):
            p.submit(abs, 1)
    assert "Exception in initializer" in caplog.text


def test_an_initializer_that_exits():
    args = {"initializer": os._exit, "initargs": (9,)}
    with coterie.Executor(2, engine="process", **args) as pool:
        call = pool.submit(abs, 1)
        with pytest.raises(coterie.BrokenInterpreterPool, match="exit code 9"):
            call.result()


def test_giving_up_ends_the_processes(fifo):
    path = fifo("started")
    with coterie.Executor(1, engine="process") as pool:
        first = pool.submit(open_and_sleep, path)
        waiting = [pool.submit(abs, n) for n in range(10)]
        os.close(os.open(path, os.O_RDONLY))
        assert waiting[0].cancel()
        assert not first.cancel()
        pool._give_up()
        with pytest.raises(coterie.WorkerLost, match="SIGKILL"):
            first.result()
        assert all(call.cancelled() for call in waiting)
        with pytest.raises(RuntimeError):
            pool.submit(abs, 1)


def open_and_sleep(path, _=None):
    os.close(os.open(path, os.O_WRONLY))
    time.sleep(1000)


@pytest.mark.parametrize("options", ["", ", interpreters=2"])
def test_scripts_need_no_guard(run_script, options):
    ended = run_script(f"""
        import os, coterie
        class Point:
            def __init__(self, x): self.x = x
        def f(point): return Point(point.x + 1)
        with coterie.Executor(2, engine="process"{options}) as pool:
            print(pool.submit(f, Point(1)).result().x)
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "2\n", "")


@pytest.mark.parametrize("end", ["", "pool.shutdown(wait=False)", "del pool"])
def test_the_end_without_shutdown(run_script, end):
    ended = run_script(
        f"""
        import os, coterie
        pool = coterie.Executor(2, engine="process")
        print(pool.submit(pow, 2, 5).result())
        pool.submit(print, "accepted", flush=True)
        {end}
        """,
        flags=("-W", "error"),
    )
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "32\naccepted\n", "")


def test_ctrl_c_ends_the_processes(run_script):
    ended = run_script("""
        import os, signal, time, coterie
        def run(parent):
            os.kill(parent, signal.SIGINT)
            time.sleep(1000)
        with coterie.Executor(2, engine="process") as pool:
            call = pool.submit(run, os.getpid())
            waiting = [pool.submit(abs, 1) for _ in range(9)]
            call.result()
        """)
    assert ended.rc == -signal.SIGINT
    assert "KeyboardInterrupt" in ended.stderr


ENGINES_LEFT = {
    "process": "coterie.Executor(2, engine='process').submit(run, pid).result()",
    "interpreters": "coterie.Executor(2, engine='process', interpreters=2)"
    ".submit(run, pid).result()",
    "shared": "coterie.Executor(2, engine='shared').submit(run, pid).result()",
    "option": "coterie.Executor(2).options(engine='process').submit(run, pid).result()",
    "runner": "ProcessRunner(2).start([lambda: run(pid)]).wait()",
    "block": """
with coterie.Executor(2, engine='shared') as pool:
    pool.submit(run, pid).result()
""",
    "at-the-end": "coterie.Executor(2, engine='process').submit(run, pid)",
}


@pytest.mark.parametrize("name", ENGINES_LEFT)
def test_ctrl_c_ends_what_engines_run(run_script, name):
    source = """
import os, signal, coterie
from child import spin
from coterie.runners import ProcessRunner
def run(parent):
    os.kill(parent, signal.SIGINT)
    spin()
pid = os.getpid()
"""
    ended = run_script(source + ENGINES_LEFT[name])
    if name == "at-the-end":
        assert (ended.rc, ended.stdout) == (0, "")
    else:
        assert ended.stderr.splitlines()[-1] == "KeyboardInterrupt"
        # 3.13 forgets how it ended if other interpreters run code after that.
        assert ended.rc == -signal.SIGINT or (
            ended.rc == 1 and sys.version_info < (3, 14)
        )
        assert ended.stderr.splitlines()[-1].startswith("KeyboardInterrupt")


@pytest.mark.parametrize("call", ["spin()", "defy()"])
@pytest.mark.parametrize("options", ["", ", interpreters=2"])
def test_calls_do_not_outlive_who_asked(run_script, options, call):
    # It has our standard output, whose end run_script waits for.
    ended = run_script(f"""
        import os, signal, coterie
        from child import spin
        def defy():
            while True:
                try: spin()
                except coterie.Interrupted: pass
        def run(parent):
            os.kill(parent, signal.SIGKILL)
            {call}
        with coterie.Executor(2, engine="process"{options}) as pool:
            pool.submit(run, os.getpid()).result()
        """)
    assert ended.rc == -signal.SIGKILL


def test_interrupting_the_calls_of_a_shared_engine(fifo, tmp_path):
    begun, cleaned = fifo("begun"), tmp_path / "cleaned"
    with coterie.Executor(1, engine="shared") as pool:
        call = pool.submit(spin, begun, cleaned)
        waiting = pool.submit(abs, -1)
        has_begun(begun)
        pool.shutdown(interrupt=True)
        assert isinstance(call.exception(), coterie.Interrupted)
        assert waiting.result() == 1
    assert cleaned.read_text() == "x"


def test_names_that_are_bound():
    def find(x):
        return grid[x], os.getpid()  # noqa: F821

    options = {"engine": "process", "bind": {"grid": [5, 6, 7]}}
    for more in IN_PROCESSES.values():
        with coterie.Executor(2, **options, **more) as pool:
            value, pid = pool.submit(find, 1).result()
        assert value == 6
        assert pid != os.getpid()


# ---- stopping calls in processes -----------------------------------------------


def spin(begun, cleaned):
    """Tells that it has begun, and writes to a file when it is stopped.

    An interrupt may leave the named pipe open: it is good for one call.
    """
    try:
        os.close(os.open(begun, os.O_WRONLY))
        while True:
            pass
    finally:
        with open(cleaned, "a") as file:
            file.write("x")


def defy(begun):
    """Takes no notice."""
    while True:
        try:
            if begun:
                os.close(os.open(begun, os.O_WRONLY))
                begun = None
            while True:
                pass
        except coterie.Interrupted:
            pass


def has_begun(path):
    os.close(os.open(path, os.O_RDONLY))


def test_interrupting_a_call_in_a_process(processes, fifo, tmp_path):
    begun, cleaned = fifo("begun"), tmp_path / "cleaned"
    places = {processes.submit(identify).result() for _ in range(2)}
    call = processes.submit(spin, begun, cleaned)
    has_begun(begun)
    assert call.running()
    assert not call.cancel()
    assert call.interrupt()
    with pytest.raises(concurrent.futures.CancelledError):
        call.result()
    assert call.cancelled()
    assert not call.running()
    assert call.interrupt()  # as of each future that is cancelled
    assert cleaned.read_text() == "x"
    # Where it ran is as good as new.
    pids = {pid for pid, _ in places}
    later = [processes.submit(identify) for _ in range(9)]
    assert pids & {call.result()[0] for call in later}


def test_neighbours_of_an_interrupted_call_live_on(fifo, tmp_path):
    gate, place, begun = fifo("gate"), fifo("place"), fifo("begun")
    cleaned = tmp_path / "cleaned"
    with coterie.Executor(2, engine="process", interpreters=2) as pool:
        neighbour = pool.submit(meet_and_identify, place, gate)
        has_begun(place)
        call = pool.submit(spin, begun, cleaned)
        has_begun(begun)
        call.interrupt()
        assert isinstance(catch(call), concurrent.futures.CancelledError)
        late = pool.options(timeout=0.05).submit(spin, os.devnull, os.devnull)
        assert isinstance(catch(late), TimeoutError)
        os.close(os.open(gate, os.O_WRONLY))
        pid, _ = neighbour.result()
        assert pool.submit(identify).result()[0] == pid
    assert cleaned.read_text() == "x"


def catch(call):
    try:
        return call.result()
    except BaseException as exc:
        return exc


def test_an_interrupt_that_is_caught(processes, fifo):
    def survive(begun):
        try:
            spin(begun, os.devnull)
        except coterie.Interrupted:
            return "survived"

    begun = fifo("begun")
    call = processes.submit(survive, begun)
    has_begun(begun)
    assert call.interrupt()
    assert call.result() == "survived"
    assert not call.interrupt()


def test_a_call_that_interrupts_itself(processes):
    def stop():
        raise coterie.Interrupted("mine")

    assert isinstance(processes.submit(stop).exception(), coterie.Interrupted)


@pytest.mark.parametrize("options", IN_PROCESSES.values(), ids=IN_PROCESSES)
def test_a_process_that_takes_no_notice_is_ended(options, fifo, caplog):
    paths = [fifo("first"), fifo("second")]
    with coterie.Executor(2, engine="process", stop_grace=0.05, **options) as pool:
        first = {pool.submit(identify).result()[0] for _ in range(9)}
        calls = [pool.submit(defy, path) for path in paths]
        for path in paths:
            has_begun(path)
        calls[0].interrupt()
        assert isinstance(catch(calls[0]), concurrent.futures.CancelledError)
        assert "could not be stopped" in caplog.text
        if options:  # they were in one process
            assert isinstance(calls[1].exception(), coterie.WorkerLost)
        else:
            assert calls[1].running()
            calls[1].interrupt()
            assert isinstance(catch(calls[1]), concurrent.futures.CancelledError)
        later = {pool.submit(identify).result()[0] for _ in range(9)}
        assert first.isdisjoint(later)


@pytest.mark.parametrize("options", IN_PROCESSES.values(), ids=IN_PROCESSES)
def test_all_that_was_interrupted_is_cancelled(options, fifo):
    paths = [fifo("first"), fifo("second")]
    pool = coterie.Executor(2, engine="process", stop_grace=0.05, **options)
    calls = [pool.submit(defy, path) for path in paths]
    for path in paths:
        has_begun(path)
    pool.shutdown(interrupt=True)
    assert all(call.cancelled() for call in calls)


def test_what_waits_is_not_interrupted(processes, fifo, tmp_path):
    begun = fifo("begun")
    with coterie.Executor(1, engine="process") as pool:
        call = pool.submit(spin, begun, tmp_path / "cleaned")
        waiting = [pool.submit(abs, -n) for n in range(3)]
        has_begun(begun)
        assert waiting[1].interrupt()
        pool.shutdown(interrupt=True)
        assert [c.cancelled() for c in (call, *waiting)] == [1, 0, 1, 0]
        assert waiting[2].result() == 2


def test_interrupts_hit_their_own_call_only(processes):
    # As many as can come late.
    for n in range(200):
        calls = [processes.submit(pow, n, 2) for _ in range(2)]
        for call in calls:
            call.interrupt()
        sure = processes.submit(pow, n, 3)
        for call in calls:
            concurrent.futures.wait([call])
            assert call.cancelled() or call.result() == n**2
        assert sure.result() == n**3


def test_a_sleep_in_the_main_interpreter_is_interrupted(fifo):
    begun = fifo("begun")
    with coterie.Executor(1, engine="process", stop_grace=1000) as pool:
        pid, _ = pool.submit(identify).result()
        call = pool.submit(open_and_sleep, begun)
        has_begun(begun)
        call.interrupt()
        assert isinstance(catch(call), concurrent.futures.CancelledError)
        assert pool.submit(identify).result()[0] == pid


def test_waiters_see_interrupted_calls(fifo, tmp_path):
    begun = fifo("begun")
    ended = coterie.Queue()
    with coterie.Executor(1, engine="process") as pool:
        call = pool.submit(spin, begun, tmp_path / "cleaned")
        call.add_done_callback(lambda call: ended.put(call.cancelled()))
        waiting = pool.submit(abs, 1)
        has_begun(begun)
        assert waiting.cancel()
        call.interrupt()
        assert ended.get()
        assert set(concurrent.futures.as_completed([call, waiting])) == {call, waiting}


def test_options_pass_the_grace_on(fifo, caplog):
    begun = fifo("begun")
    with coterie.Executor(1, stop_grace=0.05) as pool:
        call = pool.options(engine="process").submit(defy, begun)
        has_begun(begun)
        pool.shutdown(interrupt=True)
        assert call.cancelled()
    assert "could not be stopped" in caplog.text


def test_a_call_that_takes_too_long(processes):
    submit = processes._engine.submit_on
    with pytest.raises(TimeoutError, match="not over after 0.05 seconds"):
        submit(0.05, 0, spin, (os.devnull, os.devnull), {}).result()
    assert submit(1000, 0, abs, (-1,), {}).result() == 1


def test_processes_do_not_inherit_what_is_blocked(fifo):
    begun = fifo("begun")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG, signal.SIGTERM])
    with coterie.Executor(1, engine="process", stop_grace=1000) as pool:
        try:
            call = pool.submit(open_and_sleep, begun)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        has_begun(begun)
        call.interrupt()
        assert isinstance(catch(call), concurrent.futures.CancelledError)
        assert (
            pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result() == set()
        )


def test_a_sleep_that_takes_too_long():
    with coterie.Executor(2, engine="process", interpreters=2, stop_grace=0.05) as pool:
        first = pool.submit(identify).result()[0]
        with pytest.raises(TimeoutError, match="not over after 0.05 seconds"):
            pool.options(timeout=0.05).submit(time.sleep, 1000).result()
        assert pool.submit(identify).result()[0] != first


def test_priorities(fifo):
    path = fifo("go")
    order = coterie.Queue()
    with coterie.Executor(1, engine="process") as pool:
        submit = pool._engine.submit_on
        started = submit(None, 0, open_for_writing, (path,), {})
        waiting = [submit(None, n, abs, (n,), {}) for n in (1, 5, 3, 5)]
        for n, future in enumerate(waiting):
            future.add_done_callback(lambda _, n=n: order.put(n))
        assert waiting[2].cancel()
        os.close(os.open(path, os.O_RDONLY))
        started.result()
    assert [order.get() for _ in range(4)] == [2, 1, 3, 0]


def open_for_writing(path):
    os.close(os.open(path, os.O_WRONLY))


# ---- fallback ----------------------------------------------------------------


@pytest.fixture(params=_engines.FALLBACKS)
def fallback(request, monkeypatch):
    monkeypatch.setattr(_engines, "_warned_of", set())
    return request.param


@pytest.fixture
def falling_back(fallback):
    with coterie.Executor(2, fallback=fallback) as pool:
        yield pool


def is_there(fallback, place):
    pid, interpreter = place
    if fallback == "process":
        return pid != os.getpid() and interpreter == 0
    return pid == os.getpid() and (interpreter == 0) == (fallback == "main")


def test_a_function_that_is_refused_goes_elsewhere(falling_back, fallback):
    with pytest.warns(RuntimeWarning, match="'faulthandler' does not support"):
        name, x, place = falling_back.submit(uses_refused, 5).result()
    assert (name, x) == ("faulthandler", 5)
    assert is_there(fallback, place)


def test_the_warning_comes_once(falling_back):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert falling_back.submit(uses_refused, 1).result()[1] == 1
        results = falling_back.map(uses_refused, range(10), chunksize=3)
        assert [x for _, x, _ in results] == [*range(10)]
    assert [w.category for w in caught] == [RuntimeWarning]


def test_an_argument_that_is_refused(falling_back, fallback):
    with pytest.warns(RuntimeWarning, match="'faulthandler' does not support"):
        place = falling_back.submit(identify_with, Refused()).result()
    assert is_there(fallback, place)
    # The function itself is welcome.
    place = falling_back.submit(identify_with, 1).result()
    assert place[0] == os.getpid()
    assert place[1] != 0


def identify_with(_):
    return identify()


def test_once_the_body_runs_it_is_the_calls_error(falling_back):
    with pytest.raises(ImportError, match="_curses"):
        falling_back.submit(imports_refused).result()


def test_an_import_error_of_another_kind(folder, falling_back):
    folder("not_whole", "import not_there_at_all")
    with pytest.raises(ImportError, match="not_there_at_all"):
        falling_back.submit(__import__, "not_whole").result()


def test_what_is_welcome_stays(falling_back):
    places = {falling_back.submit(identify).result() for _ in range(4)}
    assert all(pid == os.getpid() and id != 0 for pid, id in places)
    assert falling_back.submit(fail, "why").exception().args == ("why",)


def test_a_warning_that_is_an_error(falling_back):
    # The filter of pytest: it would have been raised where nobody sees it.
    with pytest.raises(RuntimeWarning, match="does not support"):
        falling_back.submit(uses_refused, 1).result()


def test_shutdown_waits_for_what_has_moved(fallback):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pool = coterie.Executor(2, fallback=fallback)
        calls = [pool.submit(uses_refused, n) for n in range(20)]
        pool.shutdown()
        assert [call.result()[1] for call in calls] == [*range(20)]
        with pytest.raises(RuntimeError):
            pool.submit(abs, 1)


def test_cancelling_with_a_fallback(fallback):
    gate = coterie.Queue()
    with coterie.Executor(1, fallback=fallback) as pool:
        first = pool.submit(gate.get)
        waiting = pool.submit(uses_refused, 1)
        assert waiting.cancel()
        assert waiting.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            waiting.result()
        gate.put(3)
        assert first.result() == 3
        assert not first.cancel()


class Telling:
    """Refused, and tells before it is sent the second time: when it moves."""

    def __init__(self, tell):
        self.tell = tell
        self.count = 0

    def __reduce__(self):
        self.count += 1
        if self.count == 2:
            self.tell()
        return __import__, ("faulthandler",)


@pytest.mark.filterwarnings("ignore")
def test_interrupting_what_is_about_to_move():
    is_made = threading.Event()

    def interrupt():
        is_made.wait()
        assert call.interrupt()

    with coterie.Executor(1, fallback="process") as pool:
        call = pool.submit(spin_with, Telling(interrupt))
        is_made.set()
        with pytest.raises(concurrent.futures.CancelledError):
            call.result()


def spin_with(_):
    while True:
        pass


@pytest.mark.parametrize("way", ["interrupt", "cancel"])
def test_what_is_not_wanted_does_not_move(falling_back, way):
    # A callback delays all others.
    gate = threading.Event()
    going, holding = coterie.Queue(), coterie.Queue()
    earlier = falling_back.submit(going.get)
    earlier.add_done_callback(lambda _: (holding.put(1), gate.wait()))
    going.put(1)
    holding.get()
    call = falling_back.submit(identify_with, Refused())
    call._at.exception()  # it has been refused
    assert getattr(call, way)()
    gate.set()
    # No warning, which would be an error.
    done, _ = concurrent.futures.wait([call])
    assert done.pop().cancelled()


def test_the_end_with_a_fallback_under_way(run_script):
    ended = run_script(
        """
        import coterie, faulthandler
        def f(x): return faulthandler.__name__, x
        pool = coterie.Executor(2, fallback="process")
        calls = [pool.submit(f, n) for n in range(5)]
        calls[-1].add_done_callback(lambda call: print(call.result(), flush=True))
        """,
        flags=("-W", "ignore"),
    )
    assert (ended.rc, ended.stderr) == (0, "")
    assert ended.lines == ["('faulthandler', 4)"]


# ---- single calls elsewhere ----------------------------------------------------


def flaky(path):
    """Succeeds the third time."""
    with open(path, "a+") as file:
        file.write("x")
        file.seek(0)
        if len(file.read()) < 3:
            raise Unforeseen
    return identify()


def test_options_choose_the_engine_of_a_call():
    with coterie.Executor(2) as pool:
        process = pool.options(engine="process")
        assert process.submit(identify).result()[0] != os.getpid()
        assert list(process.map(pow, range(5), [2] * 5, chunksize=2)) == [
            n * n for n in range(5)
        ]
        assert pool.options(engine="main").submit(identify).result() == identify()
        pid, interpreter = pool.submit(identify).result()
        assert pid == os.getpid()
        assert interpreter != 0
        back = process.options(engine="interpreter")
        assert back.submit(identify).result()[1] != 0
        # One of each kind.
        again = pool.options(engine="process", priority=3)
        assert again._engine() is process._engine()
    with pytest.raises(RuntimeError):
        process.submit(abs, 1)


def test_options_with_an_engine(tmp_path):
    with coterie.Executor(1) as pool:
        view = pool.options(engine="process", timeout=50, priority=5, retries=2)
        assert view.submit(flaky, tmp_path / "calls").result()[0] != os.getpid()
        with pytest.raises(Unforeseen):
            view.options(retries=1).submit(flaky, tmp_path / "less").result()
        with pytest.raises(TimeoutError):
            view.options(timeout=0.05, retries=0).submit(time.sleep, 1000).result()
        main = pool.options(engine="main", retries=2)
        assert main.submit(flaky, tmp_path / "here").result() == identify()
    assert (tmp_path / "less").read_text() == "xx"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "none"}, ValueError, "engine must be one of"),
        ({"engine": "thread", "timeout": 1}, ValueError, "does not take a timeout"),
        ({"engine": "main", "priority": 1}, ValueError, "does not take a priority"),
        (
            {"engine": "process", "capture_output": True},
            ValueError,
            "does not capture output",
        ),
        ({"engine": "process", "speed": 3}, TypeError, "no option 'speed'"),
    ],
)
def test_bad_options(options, error, message):
    with coterie.Executor(1) as pool:
        with pytest.raises(error, match=message):
            pool.options(**options)


def test_options_of_a_pool_with_an_engine(tmp_path):
    with coterie.Executor(1, engine="process", bind={"grid": [4]}) as pool:
        view = pool.options(retries=2)
        assert view.submit(flaky, tmp_path / "calls").result()[0] != os.getpid()
        thread = view.options(engine="thread", retries=0)
        assert thread.submit(identify).result() == identify()
        with pytest.raises(ValueError, match="no statistics"):
            pool.stats()
        with pytest.raises(TimeoutError):
            view.options(timeout=0.05).submit(time.sleep, 1000).result()


def test_options_of_a_pool_with_a_fallback(falling_back, fallback, tmp_path):
    view = falling_back.options(retries=2)
    place = view.submit(flaky, tmp_path / "calls").result()
    assert place[0] == os.getpid()
    assert place[1] != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert is_there(fallback, view.submit(uses_refused, 1).result()[2])
        found = view.map(uses_refused, range(5), chunksize=2)
        assert [x for _, x, _ in found] == [*range(5)]
    engine = view.options(engine="process")
    assert engine.submit(identify).result()[0] != os.getpid()


def test_interpreters_of_a_pool_with_an_engine():
    with coterie.Executor(1, engine="process") as pool:
        view = pool.options(engine="interpreter", timeout=0.05)
        with pytest.raises(TimeoutError):
            view.submit(spin_with, 1).result()
        capturing = pool.options(engine="interpreter", capture_output=True)
        call = capturing.submit(print, "said")
        call.result()
        assert call.stdout == "said\n"
        assert list(capturing.map(abs, [-1, -2, -3], chunksize=2)) == [1, 2, 3]
        assert view.options(timeout=None, priority=3).submit(identify).result()[1] != 0


@pytest.mark.parametrize(
    ("fallback", "options", "message"),
    [
        ("shared", {"timeout": 1}, "fallback='shared' does not take a timeout"),
        ("main", {"priority": 1}, "fallback='main' does not take a priority"),
        (
            "process",
            {"capture_output": True},
            "fallback='process' does not capture output",
        ),
    ],
)
def test_options_that_a_fallback_cannot_keep(fallback, options, message):
    with coterie.Executor(1, fallback=fallback) as pool:
        with pytest.raises(ValueError, match=message):
            pool.options(**options)
        with pytest.raises(ValueError, match=message):
            pool.options(retries=1).options(**options)
    if "timeout" in options:
        with pytest.raises(ValueError, match=message):
            coterie.Executor(1, fallback=fallback, task_timeout=1)


def test_the_engines_of_a_pool_have_its_names():
    with coterie.Executor(1, bind={"grid": [4]}) as pool:
        find = eval("lambda: grid[0]")
        assert pool.submit(find).result() == 4
        assert pool.options(engine="process").submit(find).result() == 4


def test_shutting_down_within_a_time(fifo):
    path = fifo("started")
    pool = coterie.Executor(1, engine="process")
    call = pool.submit(open_and_sleep, path)
    os.close(os.open(path, os.O_RDONLY))
    with pytest.raises(TimeoutError):
        pool.shutdown(timeout=0.05)
    pool.shutdown(interrupt=True)
    assert call.cancelled()


@pytest.mark.parametrize("kind", ["view", "fallback"])
def test_shutting_down_other_engines_within_a_time(fifo, kind):
    path = fifo("started")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "view":
            pool = coterie.Executor(1)
            call = pool.options(engine="process").submit(open_and_sleep, path)
        else:
            pool = coterie.Executor(1, fallback="process")
            call = pool.submit(open_and_sleep, path, Refused())
        os.close(os.open(path, os.O_RDONLY))
        with pytest.raises(TimeoutError):
            pool.shutdown(timeout=0.05)
        pool.shutdown(interrupt=True)
    assert call.cancelled()
