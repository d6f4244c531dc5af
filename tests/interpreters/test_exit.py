"""Interpreters that are left when the program ends.

Each program runs in a child process, ten times: one that ends badly does so now
and then.
"""

from textwrap import dedent

import pytest

WARNING = "remaining subinterpreters; close them with Interpreter.close()"
STUCK = "coterie: leaving with workers that could not be stopped"

PREFACE = """
import atexit, os, sys, threading, time
import coterie
from coterie import interpreters
from child import say

def in_daemon(function, *args):
    threading.excepthook = lambda args: None
    threading.Thread(target=function, args=args, daemon=True).start()

def spin(entered):
    entered.put(None)
    while True:
        pass

def sleep(entered):
    import time
    entered.put(None)
    time.sleep(1000)

def wait(entered):
    entered.put(None)
    coterie.Queue().get()

def catch_all(entered):
    entered.put(None)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


def program(source):
    return PREFACE + dedent(source)


@pytest.fixture
def ends(repeat_script):
    """The ways in which a program ends: status, lines, standard error."""

    def run(source, **options):
        return {
            (end.rc, tuple(end.lines), end.stderr)
            for end in repeat_script(program(source), **options)
        }

    return run


def only(ends):
    assert len({(rc, lines) for rc, lines, _ in ends}) == 1, ends
    return [stderr for _, _, stderr in ends], *next(iter(ends))[:2]


OPEN = {
    "never-entered": "left = interpreters.create()",
    "used": "left = interpreters.create(); left.exec('import json, threading')",
    "shared-gil": "left = interpreters.create(gil='shared'); left.call(abs, -1)",
    "several": "left = [interpreters.create() for _ in range(5)]",
    "in-a-sub-interpreter": """
outer = interpreters.create()
outer.exec("from coterie import interpreters; left = interpreters.create()")
outer.exec("left.exec('x = 1')")
""",
    "in-a-queue": """
left = coterie.Queue(); left.put(interpreters.create())
""",
    "in-its-own-main": """
left = interpreters.create(); left.prepare_main(me=left)
""",
    "with-a-thread-inside": """
left = interpreters.create()
left.exec('''
    import threading, time
    threading.Thread(target=time.sleep, args=(0.05,)).start()
''')
""",
    "used-by-a-thread-that-ended": """
left = interpreters.create()
left.call_in_thread(abs, -1).result()
""",
}


# The others are near to these, and run in make check.
FAST = {"used", "in-a-sub-interpreter", "with-a-thread-inside"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow])
        for name in OPEN
    ],
)
def test_left_open(ends, name):
    stderrs, rc, lines = only(ends(OPEN[name] + "\nsay('end')"))
    assert (rc, lines) == (0, ("end",)), stderrs
    for stderr in stderrs:
        assert stderr.count(WARNING) == 1
        assert "RuntimeWarning" in stderr
        assert len(stderr.splitlines()) == 1, stderr


def test_closed_ones_are_not_mentioned(ends):
    assert ends("""
        with interpreters.create() as one:
            one.exec("import json, threading")
        two = interpreters.create()
        del two
        three = interpreters.create()
        atexit.register(three.close)
        say("end")
    """) == {(0, ("end",), "")}


def test_with_warnings_as_errors(ends):
    stderrs, rc, lines = only(
        ends("left = interpreters.create(); say('end')", flags=["-W", "error"])
    )
    assert (rc, lines) == (0, ("end",)), stderrs
    assert all(WARNING in stderr for stderr in stderrs)


@pytest.mark.parametrize(
    ("how", "status", "in_stderr"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('a message')", 1, "a message"),
        ("raise ValueError('the own one')", 1, "ValueError: the own one"),
    ],
)
def test_however_the_program_ends(ends, how, status, in_stderr):
    stderrs, rc, lines = only(ends(f"left = interpreters.create(); {how}"))
    assert (rc, lines) == (status, ())
    for stderr in stderrs:
        assert in_stderr in stderr
        assert stderr.count(WARNING) == 1


def test_a_call_may_end_the_program(ends):
    stderrs, rc, lines = only(
        ends("""
        interp = interpreters.create()
        try:
            interp.call(sys.exit, 4)
        except interpreters.ExecutionFailed as error:
            interp.close()
            sys.exit(error.__cause__.code)
    """)
    )
    assert (rc, lines, set(stderrs)) == (4, (), {""})


@pytest.mark.parametrize("gil", ["own", "shared"])
@pytest.mark.parametrize("work", ["spin", "wait"])
def test_busy_in_a_daemon_thread(ends, work, gil):
    # Python code, or a wait of ours: it is interrupted, in time unless the machine
    # has much else to do.
    stderrs, rc, lines = only(
        ends(f"""
        atexit.register(say, "early")
        left = interpreters.create(gil={gil!r})
        atexit.register(say, "late")
        entered = coterie.Queue()
        in_daemon(left.call, {work}, entered)
        entered.get()
    """)
    )
    assert (rc, lines) == (0, ("late", "early")), stderrs
    assert not all(STUCK in stderr for stderr in stderrs)


@pytest.mark.parametrize(
    "work", ["sleep", pytest.param("catch_all", marks=pytest.mark.slow)]
)
def test_stuck_in_a_daemon_thread(ends, work):
    stderrs, rc, lines = only(
        ends(
            f"""
        atexit.register(say, "early")
        left = interpreters.create()
        atexit.register(say, "late")
        entered = coterie.Queue()
        in_daemon(left.call, {work}, entered)
        entered.get()
    """,
            at_once=4,
        )
    )
    assert (rc, lines) == (0, ("late", "early")), stderrs
    for stderr in stderrs:
        assert stderr.count(STUCK) == 1
        assert "Interpreter(1)" in stderr


@pytest.mark.slow
def test_stuck_after_an_exception(ends):
    stderrs, rc, lines = only(
        ends("""
        left = interpreters.create()
        entered = coterie.Queue()
        in_daemon(left.call, sleep, entered)
        entered.get()
        raise ValueError("the own one")
    """)
    )
    assert (rc, lines) == (1, ())
    for stderr in stderrs:
        assert "ValueError: the own one" in stderr
        assert stderr.count(STUCK) == 1


def test_a_daemon_thread_closes_it_meanwhile(ends):
    stderrs, rc, lines = only(
        ends("""
        left = interpreters.create()
        entered = coterie.Queue()
        def use_and_close():
            left.call(entered.put, None)
            left.call(sum, range(100_000))
            left.close()
        in_daemon(use_and_close)
        entered.get()
        say("end")
    """)
    )
    assert (rc, lines) == (0, ("end",)), stderrs
    assert not any(STUCK in stderr for stderr in stderrs)


@pytest.mark.slow
def test_busy_in_a_thread_is_waited_for(ends):
    stderrs, rc, lines = only(
        ends("""
        def work(entered):
            import time
            entered.put(None)
            time.sleep(0.1)
            return "worked"
        with_result = interpreters.create()
        entered = coterie.Queue()
        def call():
            say(with_result.call(work, entered))
            with_result.close()
        threading.Thread(target=call).start()
        entered.get()
    """)
    )
    assert (rc, lines, set(stderrs)) == (0, ("worked",), {""})


def test_beside_an_executor(ends):
    stderrs, rc, lines = only(
        ends("""
        pool = coterie.Executor(2)
        future = pool.submit(lambda: interpreters.create().call(abs, -5))
        say(future.result())
        left = interpreters.create()
        left.exec('''
            import coterie
            pool = coterie.Executor(1)
            future = pool.submit(abs, -6)
        ''')
        say(left.call(lambda: __import__("__main__").future.result()))
    """)
    )
    assert (rc, lines) == (0, ("5", "6")), stderrs
    for stderr in stderrs:
        assert stderr.count(WARNING) == 1
        assert "Traceback" not in stderr


def test_made_while_the_program_ends(ends):
    stderrs, rc, lines = only(
        ends("""
        first = interpreters.create()
        first.close()
        def at_exit():
            with interpreters.create() as interp:
                say(interp.call(abs, -1))
            global left
            left = interpreters.create()
        atexit.register(at_exit)
    """)
    )
    assert (rc, lines) == (0, ("1",)), stderrs
    for stderr in stderrs:
        assert stderr.count(WARNING) == 1


@pytest.mark.slow
def test_os_exit_inside_ends_all(ends):
    stderrs, rc, lines = only(
        ends("""
        interpreters.create().call(os._exit, 7)
        say("not reached")
    """)
    )
    assert (rc, lines, set(stderrs)) == (7, (), {""})


def test_fork_is_refused_while_one_is_open(ends):
    stderrs, rc, lines = only(
        ends(
            """
        def fork():
            try:
                child = os.fork()
            except coterie.ForkRefused:
                return "refused"
            if child == 0:
                os._exit(5)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        say(fork())
        interp = interpreters.create()
        say(fork())
        say(interp.call(abs, -1))
        interp.close()
        if not coterie._core.interpreters():  # where they end at all: not on 3.13
            say(fork())
        else:
            say(5)
    """,
            flags=["-W", "ignore::DeprecationWarning"],
            guard="",
        )
    )
    assert (rc, lines, set(stderrs)) == (0, ("5", "refused", "1", "5"), {""})


def test_in_the_child_of_a_fork(ends):
    stderrs, rc, lines = only(
        ends(
            """
        child = os.fork()
        if child == 0:
            with interpreters.create() as interp:
                say(interp.call(abs, -1))
            left = interpreters.create()
            sys.exit(6)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """,
            flags=["-W", "ignore::DeprecationWarning"],
            guard="",
        )
    )
    assert (rc, lines) == (0, ("1", "6")), stderrs
