"""The end of a program, whatever its workers do.

Each program runs in a child process, ten times: without care some of these
crash in one run of two.
"""

from subprocess import PIPE
from textwrap import dedent

import pytest

# ---- ends without a word -----------------------------------------------------

# name: (program, exit status, standard output)
SILENT = {
    "idle": (
        """
        pool = coterie.Executor(2)
        print([f.result() for f in [pool.submit(abs, n) for n in (-1, -2)]])
        """,
        0,
        "[1, 2]\n",
    ),
    "idle-and-closed": (
        """
        with coterie.Executor(2) as pool:
            print(pool.submit(abs, -1).result())
        """,
        0,
        "1\n",
    ),
    "never-used": ("pool = coterie.Executor(2)", 0, ""),
    "shut-down-without-wait": (
        """
        pool = coterie.Executor(2)
        pool.submit(say, "done")
        pool.shutdown(wait=False)
        """,
        0,
        "done\n",
    ),
    "accepted-work-is-finished": (
        """
        pool = coterie.Executor(1)
        for n in range(5):
            pool.submit(say, n)
        """,
        0,
        "0\n1\n2\n3\n4\n",
    ),
    "accepted-work-of-a-lost-executor": (
        "coterie.Executor(1).submit(say, 'done')",
        0,
        "done\n",
    ),
    "grace-that-is-enough": (
        """
        pool = coterie.Executor(1, exit_grace=1e6)
        pool.submit(say, "done")
        """,
        0,
        "done\n",
    ),
    "busy-after-the-grace": (
        """
        pool = coterie.Executor(2, exit_grace=0.05)
        for n in range(4):
            pool.submit(report_and_spin, started)
        started.get()
        started.get()
        """,
        0,
        "",
    ),
    "busy-without-grace": (
        """
        pool = coterie.Executor(2, exit_grace=0)
        for n in range(4):
            pool.submit(report_and_spin, started)
        started.get()
        started.get()
        """,
        0,
        "",
    ),
    "two-pools-with-and-without-grace": (
        """
        busy = coterie.Executor(1, exit_grace=0)
        busy.submit(report_and_spin, started)
        started.get()
        pool = coterie.Executor(1)
        for n in range(3):
            pool.submit(say, n)
        """,
        0,
        "0\n1\n2\n",
    ),
    "waiting-in-a-queue": (
        """
        pool = coterie.Executor(2, exit_grace=0)
        for n in range(2):
            pool.submit(lambda: (started.put(n), coterie.Queue().get()))
        started.get()
        started.get()
        """,
        0,
        "",
    ),
    "cleans-up-when-interrupted": (
        """
        def work():
            try:
                report_and_spin(started)
            finally:
                say("cleaned up")
        pool = coterie.Executor(1, exit_grace=0)
        pool.submit(work)
        started.get()
        """,
        0,
        "cleaned up\n",
    ),
    "while-workers-are-created": (
        """
        pool = coterie.Executor(6, exit_grace=0)
        for n in range(6):
            pool.submit(abs, n)
        """,
        0,
        "",
    ),
    "while-workers-are-created-for-accepted-work": (
        """
        pool = coterie.Executor(3)
        for n in range(6):
            pool.submit(abs, n).add_done_callback(results.append)
        atexit.register(lambda: print(sorted(f.result() for f in results)))
        """,
        0,
        "[0, 1, 2, 3, 4, 5]\n",
    ),
    "callbacks-are-called": (
        """
        pool = coterie.Executor(1)
        for n in range(3):
            pool.submit(abs, n).add_done_callback(lambda f: say(f.result()))
        """,
        0,
        "0\n1\n2\n",
    ),
    "callbacks-of-what-is-cancelled-are-called": (
        """
        pool = coterie.Executor(1, exit_grace=0)
        futures = [pool.submit(report_and_spin, started) for n in range(3)]
        for future in futures:
            future.add_done_callback(lambda f: say(f.cancelled()))
        started.get()
        """,
        0,
        "True\nTrue\nTrue\n",
    ),
    "a-map-that-nobody-consumed": (
        """
        results = coterie.map(say, range(3), workers=1)
        """,
        0,
        "0\n1\n2\n",
    ),
    "a-map-that-was-closed": (
        """
        results = coterie.map(report_and_spin, [started] * 3, workers=2)
        started.get()
        results.close()
        """,
        0,
        "",
    ),
    "in-a-daemon-thread": (
        """
        def use():
            pool = coterie.Executor(2, exit_grace=0)
            with contextlib.suppress(concurrent.futures.CancelledError):
                pool.submit(report_and_spin, started).result()
        threading.Thread(target=use, daemon=True).start()
        started.get()
        """,
        0,
        "",
    ),
    "in-a-thread-that-waits-for-the-result": (
        """
        def use():
            pool = coterie.Executor(1)
            print(pool.submit(abs, -5).result())
            print([f.result() for f in [pool.submit(abs, n) for n in (-1, -2)]])
        pool = coterie.Executor(1)
        pool.submit(abs, -1).result()
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        """,
        0,
        "5\n[1, 2]\n",
    ),
    "with-threads-in-the-worker": (
        """
        def work():
            import threading
            thread = threading.Thread(target=say, args=("in a thread",))
            thread.start()
        pool = coterie.Executor(1)
        pool.submit(work).result()
        """,
        0,
        "in a thread\n",
    ),
    "sys-exit": (
        """
        pool = coterie.Executor(2, exit_grace=0)
        pool.submit(report_and_spin, started)
        started.get()
        sys.exit(3)
        """,
        3,
        "",
    ),
    "sys-exit-in-the-block": (
        """
        with coterie.Executor(2) as pool:
            pool.submit(report_and_spin, started)
            started.get()
            sys.exit(3)
        """,
        3,
        "",
    ),
    "os-exit": (
        """
        pool = coterie.Executor(2)
        pool.submit(report_and_spin, started)
        started.get()
        os._exit(5)
        """,
        5,
        "",
    ),
    "os-exit-in-a-worker": (
        """
        pool = coterie.Executor(2)
        pool.submit(report_and_spin, started)
        started.get()
        pool.submit(os._exit, 6).result()
        """,
        6,
        "",
    ),
    "submit-at-exit": (
        """
        pool = coterie.Executor(1)
        print(pool.submit(abs, -1).result())
        @atexit.register
        def late():
            for submit in (pool.submit, coterie.Executor(1).submit):
                try:
                    submit(abs, -1)
                except RuntimeError as error:
                    print(error)
        """,
        0,
        "1\n" + "cannot schedule new futures after interpreter shutdown\n" * 2,
    ),
    "map-at-exit": (
        """
        coterie.Executor(1).submit(abs, -1).result()
        @atexit.register
        def late():
            try:
                coterie.map(abs, [1])
            except RuntimeError as error:
                print(error)
        """,
        0,
        "cannot schedule new futures after interpreter shutdown\n",
    ),
    "submit-from-a-callback-at-exit": (
        """
        def go_on(future):
            try:
                while True:
                    pool.submit(abs, -1).result()
            except RuntimeError as error:
                print(error)
        pool = coterie.Executor(1)
        pool.submit(abs, -1).add_done_callback(go_on)
        """,
        0,
        "cannot schedule new futures after interpreter shutdown\n",
    ),
    "submit-from-a-thread-at-exit": (
        """
        def use():
            try:
                while True:
                    pool.submit(abs, -1).result()
            except RuntimeError as error:
                print(error)
        pool = coterie.Executor(1)
        threading.Thread(target=use).start()
        """,
        0,
        "cannot schedule new futures after interpreter shutdown\n",
    ),
    "executors-made-in-threads-at-exit": (
        """
        def use():
            with contextlib.suppress(RuntimeError):
                while True:
                    coterie.Executor(1).submit(abs, -1).result()
        for _ in range(3):
            threading.Thread(target=use).start()
        """,
        0,
        "",
    ),
    "an-executor-inside-a-worker": (
        """
        def outer():
            sys.inner = coterie.Executor(1, exit_grace=0)
            sys.inner.submit(report_and_spin, started)
            started.get()
            return "left open"
        pool = coterie.Executor(1)
        print(pool.submit(outer).result())
        """,
        0,
        "left open\n",
    ),
    "queues-with-items": (
        """
        q = coterie.Queue()
        q.put([q, lambda: q])
        pool = coterie.Executor(1)
        pool.submit(q.put, [q] * 3).result()
        """,
        0,
        "",
    ),
}
PREFACE = """
import atexit, concurrent.futures, contextlib, os, sys, threading
import coterie
from child import compute, report_and_spin, say, sleep
started, results = coterie.Queue(), []
"""


def program(source):
    return PREFACE + dedent(source)


def scenarios(table, slow):
    """Their names; those in `slow` are near to others, and run in make check."""
    assert slow <= set(table)
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in slow else [])
        for name in table
    ]


NEAR_TO_OTHERS = {
    "idle-and-closed", "never-used", "shut-down-without-wait", "grace-that-is-enough",
    "busy-without-grace", "accepted-work-of-a-lost-executor", "sys-exit",
    "a-map-that-was-closed", "with-threads-in-the-worker", "os-exit-in-a-worker",
    "map-at-exit", "in-a-thread-that-waits-for-the-result",
}  # fmt: skip


@pytest.mark.parametrize("name", scenarios(SILENT, NEAR_TO_OTHERS))
def test_ends_without_a_word(repeat_script, name):
    source, status, stdout = SILENT[name]
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(status, stdout, "")}


def test_ends_by_an_exception(repeat_script):
    source = """
    pool = coterie.Executor(2, exit_grace=0)
    pool.submit(report_and_spin, started)
    started.get()
    raise ValueError("the program's own")
    """
    for end in repeat_script(program(source)):
        assert (end.rc, end.stdout) == (1, "")
        assert end.stderr.endswith("ValueError: the program's own\n")
        assert end.stderr.count("Traceback") == 1
        assert "coterie" not in end.stderr.split("raise ValueError")[1]


def test_ends_by_an_exception_in_the_block_after_the_work(repeat_script):
    source = """
    with coterie.Executor(1) as pool:
        for n in range(3):
            pool.submit(say, n)
        raise ValueError("the program's own")
    """
    for end in repeat_script(program(source)):
        assert (end.rc, end.stdout) == (1, "0\n1\n2\n")
        assert end.stderr.endswith("ValueError: the program's own\n")


# ---- a worker stuck in C -----------------------------------------------------

# name: (program, exit status)
IN_C = {
    "while-it-sleeps": (
        """
        pool.submit(sleep, started)
        started.get()
        """,
        0,
    ),
    "after-an-exception": (
        """
        pool.submit(sleep, started)
        started.get()
        raise ValueError
        """,
        1,
    ),
    # What sys.exit was given cannot be seen at exit.
    "after-sys-exit": (
        """
        pool.submit(sleep, started)
        started.get()
        sys.exit(3)
        """,
        0,
    ),
    "with-others-spinning": (
        """
        pool.submit(sleep, started)
        pool.submit(report_and_spin, started)
        started.get()
        started.get()
        """,
        0,
    ),
    # What was told to stop gets no grace, whatever the executor says.
    "after-the-block": (
        """
        with coterie.Executor(1, "my-pool") as patient:
            patient.submit(sleep, started)
            started.get()
            sys.exit(3)
        """,
        0,
    ),
    "after-a-map-that-failed": (
        """
        def work(n):
            if n == 0:
                started.get()
                raise ValueError
            sleep(started)
        try:
            list(coterie.map(work, range(2), workers=2))
        except ValueError:
            pass
        """,
        0,
    ),
}
BEFORE = """
print("printed, not flushed")
atexit.register(print, "atexit ran")
pool = coterie.Executor(2, "my-pool", exit_grace=0.05)
"""


def check_report(end, status):
    assert end.rc == status
    assert end.stdout == "printed, not flushed\natexit ran\n"
    report = [line for line in end.stderr.splitlines() if "coterie: leaving" in line]
    assert len(report) == 1
    assert "my-pool" in report[0] or "coterie-map" in report[0]
    assert "Fatal" not in end.stderr


@pytest.mark.parametrize(
    "name", scenarios(IN_C, {"after-sys-exit", "after-a-map-that-failed"})
)
def test_a_worker_stuck_in_c_is_reported(repeat_script, name):
    source, status = IN_C[name]
    for end in repeat_script(program(BEFORE + dedent(source)), times=10, at_once=5):
        check_report(end, status)


@pytest.mark.slow
def test_a_worker_that_computes_in_c_is_reported(repeat_script):
    source = """
    pool.submit(compute, started)
    started.get()
    """
    for end in repeat_script(program(BEFORE + dedent(source)), times=10):
        check_report(end, 0)


def test_a_thread_of_the_program_is_waited_for_though_a_worker_is_stuck(start_script):
    source = """
    pool.submit(sleep, started)
    started.get()
    def finish():
        sys.stdin.readline()
        print("the thread is done")
    threading.Thread(target=finish).start()
    """
    with start_script(program(BEFORE + dedent(source)), stdin=PIPE) as process:
        assert "coterie: leaving" in process.stderr.readline()
        stdout, _ = process.communicate("go\n", timeout=30)
    assert stdout == "printed, not flushed\nthe thread is done\natexit ran\n"
    assert process.returncode == 0


@pytest.mark.slow
def test_a_worker_that_ends_takes_nobody_with_it(run_script):
    # The inner pool is stuck; the program goes on all the same, and so it is
    # only its own end that reports.
    source = """
    def outer():
        sys.inner = coterie.Executor(1, "inner", exit_grace=0)
        sys.inner.submit(sleep, started)
        started.get()
    patient = coterie.Executor(1, "my-pool", exit_grace=0)
    patient.submit(outer).result()
    patient.shutdown(wait=False)
    print(pool.submit(abs, -1).result(), patient._join(3, True))
    """
    end = run_script(program(BEFORE + dedent(source)))
    assert end.stdout == "printed, not flushed\n1 False\natexit ran\n"
    assert end.rc == 0
    assert end.stderr.count("coterie: leaving") == 1
