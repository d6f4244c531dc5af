"""os.fork, and what forks: refused while interpreters live, and fine otherwise.

A child of a fork with living interpreters would die before its first line.
"""

import os
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

# Python warns of a fork with threads, and counts one that has just ended; the
# thread of the guard against hangs would not survive a fork.
OPTIONS = {"flags": ["-W", "ignore::DeprecationWarning"], "guard": ""}

PREFACE = """
import concurrent.futures, multiprocessing, os, pty, subprocess, sys, threading
import coterie
"""
WAYS_TO_FORK = {
    "fork": "os.fork()",
    "forkpty": "os.forkpty()",
    "pty": "pty.fork()",
    "multiprocessing": """
multiprocessing.get_context("fork").Process(target=print).start()
""",
    "process-pool": """
context = multiprocessing.get_context("fork")
concurrent.futures.ProcessPoolExecutor(1, mp_context=context).submit(abs, -1)
""",
}


@pytest.mark.parametrize("name", WAYS_TO_FORK)
def test_fork_is_refused_while_calls_run(repeat_script, name):
    source = f"""{PREFACE}
pool = coterie.Executor(2)
pool.submit(abs, -1).result()
started, go_on = coterie.sync.Event(), coterie.sync.Event()
def run():
    started.set()
    go_on.wait()
    return "ran"
future = pool.submit(run)
started.wait()
fork = {WAYS_TO_FORK[name].strip()!r}
try:
    exec(fork)
except RuntimeError as error:
    print(type(error).__name__)
    print("multiprocessing" in str(error), "forkserver" in str(error))
    print("spawn" in str(error), "shut" in str(error).lower())
go_on.set()
print(future.result())
pool.shutdown()
os._exit(0)
"""
    ends = repeat_script(source, **OPTIONS)
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "ForkRefused\nTrue True\nTrue True\nran\n", "")
    }


def test_the_refusal_is_ours_and_a_runtime_error():
    import coterie

    assert issubclass(coterie.ForkRefused, coterie.CoterieError)
    assert issubclass(coterie.ForkRefused, RuntimeError)


CHILD = """
def in_child():
    def square(x):
        return x * offset
    offset = 10
    with coterie.Executor(2) as pool:
        future = pool.submit(square, 3)
        called = []
        future.add_done_callback(called.append)
        total = sum(pool.map(square, range(5)))
        done = concurrent.futures.wait([pool.submit(square, n) for n in range(3)])
    q = coterie.Queue()
    q.put(list(coterie.map(square, [1, 2])))
    return future.result(), total, len(done.done), len(called), q.get()

def fork():
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        print("child", in_child())
        sys.exit(3)
    print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
WORKS = "child (30, 100, 3, 1, [10, 20])\nparent 3\n"


def check_forks(repeat_script, source, stdout):
    ends = repeat_script(PREFACE + CHILD + source, **OPTIONS)
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {(0, stdout, "")}


def test_import_then_fork(repeat_script):
    check_forks(repeat_script, "fork()", WORKS)


@pytest.mark.slow
def test_an_executor_without_workers_then_fork(repeat_script):
    check_forks(repeat_script, "pool = coterie.Executor(2)\nfork()", WORKS)


def test_fork_after_shutdown(repeat_script):
    source = """
with coterie.Executor(2) as pool:
    print(pool.submit(abs, -5).result())
fork()
with coterie.Executor(2) as pool:
    print(pool.submit(abs, -6).result())
"""
    check_forks(repeat_script, source, f"5\n{WORKS}6\n")


@pytest.mark.slow
def test_fork_after_use_of_all(repeat_script):
    check_forks(
        repeat_script,
        "print('main', in_child())\nfork()\nfork()",
        "main (30, 100, 3, 1, [10, 20])\n" + WORKS * 2,
    )


def test_a_queue_lives_on_in_the_child(repeat_script):
    source = """
q = coterie.Queue()
with coterie.Executor(1) as pool:
    pool.submit(q.put, "from before").result()
in_child = lambda: (q.get(), q.qsize())
fork()
print(q.get())
"""
    check_forks(
        repeat_script, source, "child ('from before', 0)\nparent 3\nfrom before\n"
    )


def test_fork_while_other_threads_wait(repeat_script):
    source = """
q = coterie.Queue()
def wait():
    started.set()
    q.get()
started = threading.Event()
thread = threading.Thread(target=wait)
thread.start()
started.wait()
fork()
q.put(None)
thread.join()
"""
    check_forks(repeat_script, source, WORKS)


def test_an_executor_of_the_parent_in_the_child(repeat_script):
    source = """
pool = coterie.Executor(1)
in_child = lambda: pool.submit(abs, -7).result()
fork()
print(pool.submit(abs, -8).result())
"""
    check_forks(repeat_script, source, "child 7\nparent 3\n8\n")


def test_fork_while_workers_are_idle(repeat_script):
    """They end before it, and others start when there is work."""
    source = """
pool = coterie.Executor(2, initializer=lambda: globals().update(n=40))
ids = lambda: [worker.interpreter for worker in pool.stats().workers]
add = lambda x: n + x
print(pool.submit(add, 1).result())
before = ids()
in_child = lambda: pool.submit(add, 2).result()
fork()
print(before != [] and ids() == [])
fork()
print(pool.submit(add, 3).result(), set(before).isdisjoint(ids()))
"""
    check_forks(
        repeat_script,
        source,
        "41\nchild 42\nparent 3\nTrue\nchild 42\nparent 3\n43 True\n",
    )


def test_fork_while_an_interpreter_is_open(repeat_script):
    """It is not ours to end: somebody may want what it knows."""
    source = f"""{PREFACE}
interpreter = coterie.interpreters.create()
interpreter.exec("x = 1")
try:
    os.fork()
except coterie.ForkRefused:
    print("refused")
interpreter.exec("print(x)")
interpreter.close()
"""
    ends = repeat_script(source, **OPTIONS)
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "refused\n1\n", "")
    }


def test_multiprocessing_with_fork_after_shutdown(repeat_script):
    source = """
with coterie.Executor(1) as pool:
    pool.submit(abs, -1).result()
process = multiprocessing.get_context("fork").Process(
    target=lambda: print("child", in_child(), flush=True)
)
process.start()
process.join()
print(process.exitcode)
"""
    check_forks(repeat_script, source, "child (30, 100, 3, 1, [10, 20])\n0\n")


def test_fork_in_a_worker_is_refused(run_script):
    source = """
import os, coterie
with coterie.Executor(1) as pool:
    print(isinstance(pool.submit(os.fork).exception(), RuntimeError))
    print(pool.submit(abs, -1).result())
"""
    end = run_script(source, **OPTIONS)
    assert (end.rc, end.stdout, end.stderr) == (0, "True\n1\n", "")


def test_subprocesses_work_while_interpreters_live(repeat_script):
    source = """
import os, subprocess, sys, coterie
command = [sys.executable, "-S", "-c", "print('out')"]
def run():
    import subprocess
    return subprocess.run(command, capture_output=True, text=True).stdout
with coterie.Executor(2) as pool:
    print(pool.submit(abs, -1).result())
    print(run(), os.system("exit 3") >> 8)
    print(subprocess.run(command, capture_output=True, start_new_session=True).stdout)
    print(os.waitstatus_to_exitcode(os.waitpid(
        os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], os.environ), 0
    )[1]))
    print(pool.submit(abs, -2).result())
"""
    ends = repeat_script(source)
    assert {(end.rc, end.stdout, end.stderr) for end in ends} == {
        (0, "1\nout\n 3\nb'out\\n'\n0\n2\n", "")
    }


def test_subprocesses_from_a_worker(run_script):
    source = """
import subprocess, sys, coterie
def run():
    return subprocess.check_output([sys.executable, "-S", "-c", "print('out')"])
with coterie.Executor(1) as pool:
    print(pool.submit(run).result())
"""
    ended = run_script(source)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "b'out\\n'\n", "")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="3.13: the child may hang")
def test_preexec_fn_warns(run_script):
    source = """
import subprocess, sys, warnings, coterie
pool = coterie.Executor(1)
pool.submit(abs, -1).result()
event = coterie.sync.Event()
def run():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=int, timeout=5)
        except Exception:
            pass
    print([str(w.message) for w in caught if w.category is RuntimeWarning])
run()
future = pool.submit(event.wait)
while not future.running():
    pass
run()
event.set()
"""
    ended = run_script(source)
    idle, busy = ended.stdout.splitlines()
    assert idle == "[]"
    assert "preexec_fn" in busy


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods_work_while_interpreters_live(run_script, method):
    source = f"""
import multiprocessing, coterie
def main():
    with coterie.Executor(1) as pool:
        print(pool.submit(abs, -1).result())
        with multiprocessing.get_context({method!r}).Pool(1) as processes:
            print(processes.map(abs, [-1, -2]))
        print(pool.submit(abs, -2).result())
if __name__ == "__main__":
    main()
"""
    ended = run_script(source)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "1\n[1, 2]\n2\n", "")
