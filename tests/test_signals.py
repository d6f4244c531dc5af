"""Ctrl-C, and other signals, while the program waits for its workers.

A worker sends the signal once it sees that the main thread waits.  Each program
runs in a child process, ten times.
"""

import concurrent.futures
import signal
import subprocess
import sys
from textwrap import dedent

import pytest

import coterie

PREFACE = """
import concurrent.futures, os, signal, subprocess, sys, threading
import coterie
from child import (
    say, signal_waiting_main, signal_waiting_main_and_spin, sleep, spin
)
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


# ---- Ctrl-C while main waits -------------------------------------------------

# The pool spins, and would do so for ever.
START = """
pool = coterie.Executor(2)
futures = [pool.submit(f) for f in (signal_waiting_main_and_spin, spin, spin)]
"""
WAITS = {
    "result": START + "futures[0].result()",
    "result-with-timeout": START + "futures[0].result(1e6)",
    "result-of-what-is-pending": START + "futures[2].result()",
    "exception": START + "futures[0].exception()",
    "shutdown": START + "pool.shutdown()",
    "block": """
with coterie.Executor(2) as pool:
    futures = [pool.submit(f) for f in (signal_waiting_main_and_spin, spin, spin)]
""",
    "block-and-result": """
with coterie.Executor(2) as pool:
    pool.submit(spin)
    pool.submit(signal_waiting_main_and_spin).result()
""",
    "map": """
for result in coterie.map(lambda f: f(), [signal_waiting_main_and_spin, spin, spin]):
    pass
""",
    "map-with-progress": """
functions = [signal_waiting_main_and_spin, spin, spin]
for result in coterie.map(lambda f: f(), functions, progress=True):
    pass
""",
    "executor-map": """
pool = coterie.Executor(2)
list(pool.map(lambda f: f(), [signal_waiting_main_and_spin, spin, spin]))
""",
    "queue-get": START + "coterie.Queue().get()",
    "queue-get-with-timeout": START + "coterie.Queue().get(timeout=1e6)",
    "queue-put": START + "q = coterie.Queue(1); q.put(1); q.put(2)",
    "queue-join": START + "q = coterie.Queue(); q.put(1); q.join()",
    "as_completed": START + "list(concurrent.futures.as_completed(futures))",
    "wait": START + "concurrent.futures.wait(futures)",
    "something-else": START + "threading.Event().wait()",
    "asyncio": START
    + """
import asyncio
async def main():
    await asyncio.wrap_future(futures[0])
asyncio.run(main())
""",
}


SLOW_WAITS = {
    "result-with-timeout", "result-of-what-is-pending", "exception", "shutdown",
    "block-and-result", "map-with-progress", "queue-get-with-timeout", "wait",
    "something-else",
}  # fmt: skip


@pytest.mark.parametrize("name", scenarios(WAITS, SLOW_WAITS))
def test_ctrl_c_ends_the_program(repeat_script, name):
    for end in repeat_script(program(WAITS[name])):
        assert end.rc == -signal.SIGINT, end.stderr
        assert end.stdout == ""
        lines = end.stderr.splitlines()
        assert lines[-1].startswith("KeyboardInterrupt")
        assert "coterie: leaving" not in end.stderr
        if name != "asyncio":  # which chains two of its own
            assert end.stderr.count("Traceback") == 1


def test_ctrl_c_at_exit_ends_what_is_left(repeat_script):
    for end in repeat_script(program(START)):
        assert (end.rc, end.stdout, end.stderr) == (0, "", "")


@pytest.mark.slow
def test_ctrl_c_at_exit_after_an_exception(repeat_script):
    for end in repeat_script(program(START + "raise ValueError('the own one')")):
        assert end.rc == 1
        assert end.stderr.endswith("ValueError: the own one\n")
        assert end.stderr.count("Traceback") == 1


def test_ctrl_c_is_over_once_it_was_handled(repeat_script):
    source = """
    with coterie.Executor(1) as pool:
        future = pool.submit(signal_waiting_main)
        try:
            coterie.Queue().get()
        except KeyboardInterrupt:
            print("handled")
        print(pool.submit(abs, -1).result())
    with coterie.Executor(1) as pool:
        print(pool.submit(abs, -2).result())
    """
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "handled\n1\n2\n", "")
    }


def test_ctrl_c_leaves_the_future_as_it_was(repeat_script):
    source = """
    def work(go):
        signal_waiting_main()
        return go.get()

    go = coterie.Queue()
    with coterie.Executor(1) as pool:
        future = pool.submit(work, go)
        try:
            future.result()
        except KeyboardInterrupt:
            print(future.running())
        go.put("result")
        print(future.result())
    """
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout) for end in ends} == {(0, "True\nresult\n")}


STUBBORN = """
def stubborn():
    try:
        signal_waiting_main_and_spin()
    except coterie.Interrupted:
        signal_waiting_main_and_spin()
"""


TWICE = {
    "at-exit": "coterie.Executor(1).submit(stubborn).result()",
    "in-the-block": """
with coterie.Executor(1) as pool:
    pool.submit(stubborn).result()
""",
    "map": "list(coterie.map(lambda _: stubborn(), range(1)))",
}


@pytest.mark.parametrize("name", scenarios(TWICE, {"map"}))
def test_two_ctrl_c(repeat_script, name):
    for end in repeat_script(program(STUBBORN + TWICE[name])):
        assert end.rc == -signal.SIGINT, end.stderr
        assert "coterie: leaving" not in end.stderr
        assert end.stderr.splitlines()[-1].startswith("KeyboardInterrupt")


def test_ctrl_c_with_a_worker_stuck_in_c(repeat_script):
    source = """
    pool, started = coterie.Executor(2, "my-pool"), coterie.Queue()
    pool.submit(sleep, started)
    started.get()
    pool.submit(signal_waiting_main_and_spin).result()
    """
    for end in repeat_script(program(source), at_once=5):
        assert end.rc == 1
        assert "KeyboardInterrupt" in end.stderr
        assert end.stderr.count("coterie: leaving") == 1
        assert "my-pool (1)" in end.stderr


def test_ctrl_c_with_a_callback_that_never_returns(repeat_script):
    source = """
    pool = coterie.Executor(2)
    called = threading.Event()
    def callback(future):
        called.set()
        threading.Event().wait()
    pool.submit(abs, -1).add_done_callback(callback)
    called.wait()
    pool.submit(signal_waiting_main)
    coterie.Queue().get()
    """
    for end in repeat_script(program(source), at_once=5):
        assert end.rc == -signal.SIGINT, end.stderr
        assert end.stderr.count("Traceback") == 1


def test_ctrl_c_at_the_prompt_leaves_the_prompt():
    # The prompt goes on, and so does the pool.
    session = PREFACE + (
        "pool = coterie.Executor(2)\n"
        "pool.submit(signal_waiting_main) and coterie.Queue().get()\n"
        "pool.submit(abs, -5).result()\n"
        "pool.shutdown()\n"
    )
    from pathlib import Path

    ended = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=session,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parent,
    )
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.stdout.strip() == "5"


# ---- handlers of other signals -----------------------------------------------

SIGNALS = ["SIGTERM", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGINT"]
HANDLE = f"""
numbers = [getattr(signal, name) for name in {SIGNALS}]
seen, go = [], coterie.Queue()

def handle(number, frame):
    seen.append(number)
    go.put(None)

for number in numbers:
    signal.signal(number, handle)

def signal_and_wait():
    for number in numbers:
        signal_waiting_main(number)
        go.get()  # until the handler has run

pool = coterie.Executor(1)
"""
# Each wait ends once all handlers have run, and not before.
HANDLED = {
    "result": "pool.submit(signal_and_wait).result()",
    "exception": "pool.submit(signal_and_wait).exception(1e6)",
    "shutdown": "pool.submit(signal_and_wait); pool.shutdown()",
    "block": "with pool: pool.submit(signal_and_wait)",
    "map": "list(coterie.map(lambda _: signal_and_wait(), [1]))",
    "queue-get": """
q = coterie.Queue()
pool.submit(lambda: (signal_and_wait(), q.put(1)))
q.get()
""",
    "queue-put": """
q = coterie.Queue(1)
q.put(1)
pool.submit(lambda: (signal_and_wait(), q.get()))
q.put(2)
""",
    "queue-join": """
q = coterie.Queue(1)
q.put(1)
pool.submit(lambda: (signal_and_wait(), q.task_done()))
q.join()
""",
}


@pytest.mark.parametrize("name", scenarios(HANDLED, {"exception", "map", "block"}))
def test_handlers_run_while_main_waits(repeat_script, name):
    source = HANDLE + HANDLED[name] + "\nprint(seen == numbers)"
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(0, "True\n", "")}


def test_handlers_run_while_main_waits_at_exit(repeat_script):
    source = HANDLE + "pool.submit(lambda: (signal_and_wait(), say('all have run')))"
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "all have run\n", "")
    }


def test_the_end_of_a_real_child_is_told(repeat_script):
    source = """
    q = coterie.Queue()
    signal.signal(signal.SIGCHLD, lambda *args: q.put("told"))
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    print(q.get())
    process.wait()
    """
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(0, "told\n", "")}


def test_an_alarm_bounds_a_wait(repeat_script):
    source = """
    class Late(Exception):
        pass

    def raise_late(number, frame):
        raise Late

    signal.signal(signal.SIGALRM, raise_late)
    q = coterie.Queue(1)
    pool = coterie.Executor(1)
    future = pool.submit(q.get)
    for wait in (future.result, coterie.Queue().get, pool.shutdown):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            wait()
        except Late:
            print("late")
    q.put("after all")
    print(future.result())
    """
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "late\nlate\nlate\nafter all\n", "")
    }


@pytest.mark.parametrize("place", ["in-a-wait", "in-the-block", "at-exit"])
def test_a_handler_that_leaves_the_program(repeat_script, place):
    # As many a service ends on SIGTERM.
    source = {
        "in-a-wait": "pool.submit(work).result()",
        "in-the-block": "with pool: pool.submit(work)",
        "at-exit": "pool.submit(work)",
    }[place]
    preface = """
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(7))
    def work():
        signal_waiting_main_and_spin(signal.SIGTERM)
    pool = coterie.Executor(1, exit_grace=0.05)
    """
    if place == "at-exit":
        preface = preface.replace(", exit_grace=0.05", "")
    status = 0 if place == "at-exit" else 7
    ends = repeat_script(program(dedent(preface) + source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(status, "", "")}


def test_a_handler_that_raises_at_exit(repeat_script):
    source = """
    def complain(*args):
        raise ValueError("from the handler")
    signal.signal(signal.SIGTERM, complain)
    pool = coterie.Executor(1)
    pool.submit(signal_waiting_main_and_spin, signal.SIGTERM)
    """
    for end in repeat_script(program(source)):
        assert end.rc in {0, 1}
        assert "ValueError: from the handler" in end.stderr
        assert "Fatal" not in end.stderr


@pytest.mark.slow
def test_signals_go_to_main_not_to_idle_workers(repeat_script):
    source = HANDLE + dedent("""
    pools = [coterie.Executor(1) for _ in range(3)]
    for other in pools:
        other.submit(abs, -1).result()
    pool.submit(signal_and_wait).result()
    print(seen == numbers)
    """)
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(0, "True\n", "")}


@pytest.mark.slow
def test_main_in_another_thread_than_who_waits(repeat_script):
    # The handler runs in the main thread, which waits; the others wait on.
    source = HANDLE + dedent("""
    future = pool.submit(signal_and_wait)
    waiting = [threading.Thread(target=future.result) for _ in range(3)]
    for thread in waiting:
        thread.start()
    future.result()
    for thread in waiting:
        thread.join()
    print(seen == numbers)
    """)
    ends = repeat_script(program(source))
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(0, "True\n", "")}


# ---- processes that workers start ----------------------------------------------

BLOCKED = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"


def blocked_in_a_child(*_):
    """What is blocked in a process that is started here: it would be for good."""
    command = [sys.executable, "-S", "-c", BLOCKED]
    return subprocess.run(command, capture_output=True, text=True).stdout


def in_a_worker():
    return next(coterie.map(blocked_in_a_child, [1]))


def in_a_thread_of_a_worker():
    def start():
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            return threads.submit(blocked_in_a_child).result()

    with coterie.Executor(1) as pool:
        return pool.submit(start).result()


def in_a_callback():
    told = coterie.Queue()
    with coterie.Executor(1) as pool:
        future = pool.submit(told.get)
        future.add_done_callback(lambda _: told.put(blocked_in_a_child()))
        told.put(None)
    return told.get()


def in_an_interpreter_that_a_worker_made():
    def start():
        with coterie.interpreters.create() as interpreter:
            return interpreter.run(blocked_in_a_child)

    with coterie.Executor(1) as pool:
        return pool.submit(start).result()


@pytest.mark.parametrize(
    "place",
    [
        in_a_worker,
        in_a_thread_of_a_worker,
        in_a_callback,
        in_an_interpreter_that_a_worker_made,
    ],
)
def test_signals_reach_what_a_worker_starts(place):
    assert place() == blocked_in_a_child() != ""


def test_workers_have_the_mask_of_who_starts_them(run_script):
    # Who waits for a signal blocks it first, for all threads to come.
    ended = run_script("""
        import signal, coterie
        def blocked(_):
            import signal
            return signal.pthread_sigmask(signal.SIG_BLOCK, [])
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        print(next(coterie.map(blocked, [1])) == {signal.SIGUSR1})
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "True\n", "")
