"""What goes wrong in calls, each in a process of its own that has to end well."""

import sys

import pytest

BEGIN = """
    import child, coterie, os, sys, threading

    def double(x):
        return 2 * x

    class Unsent(Exception):
        def __reduce__(self):
            raise TypeError("stays at home")

    def raise_unsent():
        raise Unsent("for nobody")

    def make_lock():
        import threading
        return threading.Lock()

    def hang(started):
        started.put("started")
        while True:
            pass

    def dive(n=0):
        return dive(n + 1)

    def tell(function, *args):
        try:
            print(function(*args))
        except BaseException as error:
            print(type(error).__name__)

    def main(pool):
"""

CASES = {
    "unpicklable-argument": (
        """
        tell(pool.submit(double, threading.Lock()).result)
        tell(pool.submit(double, 2).result)
        """,
        ["NotShareableError", "4"],
    ),
    "unpicklable-result": (
        """
        tell(pool.submit(make_lock).result)
        tell(pool.submit(double, 2).result)
        """,
        ["NotShareableError", "4"],
    ),
    "unpicklable-exception": (
        """
        tell(pool.submit(raise_unsent).result)
        tell(pool.submit(double, 2).result)
        """,
        ["RemoteError", "4"],
    ),
    "sys-exit": (
        """
        tell(pool.submit(sys.exit, 3).result)
        tell(pool.submit("import sys; sys.exit(4)").result)
        tell(pool.submit(double, 2).result)
        """,
        ["SystemExit", "SystemExit", "4"],
    ),
    "recursion": (
        """
        tell(pool.submit(dive).result)
        tell(pool.submit(double, 2).result)
        """,
        ["RecursionError", "4"],
    ),
    "initializer-raises": (
        """
        logging.getLogger("concurrent.futures").disabled = True
        with coterie.Executor(1, initializer=raise_unsent) as broken:
            tell(broken.submit(double, 1).result)
            tell(broken.submit, double, 1)
        """,
        ["BrokenInterpreterPool", "BrokenInterpreterPool"],
    ),
    "initializer-exits": (
        """
        logging.getLogger("concurrent.futures").disabled = True
        with coterie.Executor(1, initializer=sys.exit, initargs=(3,)) as broken:
            tell(broken.submit(double, 1).result)
        """,
        ["BrokenInterpreterPool"],
    ),
    "initializer-hangs": (
        """
        logging.getLogger("concurrent.futures").disabled = True
        started = coterie.Queue()
        broken = coterie.Executor(1, initializer=hang, initargs=(started,))
        future = broken.submit(double, 1)
        started.get()
        broken.shutdown(interrupt=True)
        tell(future.result)
        """,
        ["BrokenInterpreterPool"],
    ),
    "initializer-hangs-at-exit": (
        """
        logging.getLogger("concurrent.futures").disabled = True
        started = coterie.Queue()
        global broken
        broken = coterie.Executor(
            1, initializer=hang, initargs=(started,), exit_grace=0.05
        )
        broken.submit(double, 1)
        started.get()
        print("leaving")
        """,
        ["leaving"],
    ),
    "submit-after-shutdown": (
        """
        other = coterie.Executor(1)
        other.submit(double, 1).result()
        other.shutdown()
        tell(other.submit, double, 1)
        """,
        ["RuntimeError"],
    ),
    "submit-from-a-callback": (
        """
        seen = threading.Event()
        def again(future):
            pool.submit(double, future.result()).add_done_callback(show)
        def show(future):
            print(future.result())
            seen.set()
        pool.submit(double, 2).add_done_callback(again)
        seen.wait()
        """,
        ["8"],
    ),
    "submit-from-a-callback-after-shutdown": (
        """
        other, go, over = coterie.Executor(1), coterie.Queue(), threading.Event()
        def again(future):
            tell(other.submit, double, 1)
            over.set()
        other.submit(go.get).add_done_callback(again)
        other.shutdown(wait=False)
        go.put(1)
        over.wait()
        """,
        ["RuntimeError"],
    ),
    "nested-pools": (
        """
        def outer(depth):
            if depth == 0:
                return 1
            with coterie.Executor(1) as inner:
                return 1 + inner.submit(outer, depth - 1).result()
        tell(pool.submit(outer, 3).result)
        """,
        ["4"],
    ),
    "a-call-that-waits-for-its-own-pool": (
        """
        def inner(same):
            return same.submit(double, 1).result()
        future = pool.submit(inner, pool)
        tell(future.result)
        print("might wait for ever" in str(future.exception()))
        tell(pool.submit(lambda: pool.submit(double, 1).result()).result)
        print("might wait for ever" in str(
            pool.submit(lambda: pool.submit(double, 1).result()).exception()))
        """,
        ["NotShareableError", "True", "NotShareableError", "True"],
    ),
    "a-future-in-a-call": (
        """
        future = pool.submit(double, 1)
        tell(pool.submit(double, future).result)
        """,
        ["NotShareableError"],
    ),
    "exit-with-a-million-calls-in-line": (
        """
        global many, futures
        many = coterie.Executor(1, exit_grace=0)
        started = coterie.Queue()
        many.submit(hang, started)
        started.get()
        futures = [many.submit(double, n) for n in range(1_000_000)]
        print(many.stats().pending)
        """,
        ["1000000"],
    ),
    "exit-finishes-a-hundred-thousand-calls": (
        """
        global many, last
        many = coterie.Executor(2)
        out = coterie.Queue()
        for _ in range(100_000):
            many.submit(double, 1)
        last = many.submit(os.write, 1, b"the last\\n")
        """,
        ["the last"],
    ),
    "exit-with-timeouts-and-views": (
        """
        global view
        view = coterie.Executor(2, task_timeout=0.05).options(retries=3, priority=2)
        started = coterie.Queue()
        futures = [view.submit(hang, started) for _ in range(4)]
        started.get()
        print("leaving")
        """,
        ["leaving"],
    ),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", CASES)
def test_it_ends_well(run_script, name):
    lines, expected = CASES[name]
    end = """
    if __name__ == "__main__":
        import logging
        with coterie.Executor(2) as pool:
            main(pool)
    """
    ended = run_script(BEGIN + lines + end)
    assert ended.lines == expected
    assert (ended.rc, ended.stderr) == (0, "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_call_in_line_is_small(run_script):
    ended = run_script("""
        import coterie, os
        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        def identity(x):
            return x
        go, pool = coterie.Queue(), coterie.Executor(1)
        pool.submit(go.get)
        futures = [None] * 300_000
        warm = [pool.submit(identity, 5) for _ in range(50_000)]
        before = resident()
        for n in range(len(futures)):
            futures[n] = pool.submit(identity, 5)
        print((resident() - before) // len(futures))
        pool.shutdown(wait=False, cancel_futures=True)
        go.put(1)
    """)
    assert (ended.rc, ended.stderr) == (0, "")
    assert 0 < int(ended.lines[0]) <= 300
