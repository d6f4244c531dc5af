"""Interpreter(target=...), as a thread that keeps its result; run, run_in_thread.

The first tests are the examples of extrainterpreters, by one changed import.
"""

import os
import subprocess
import sys
import threading

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import ExecutionFailed, Interpreter

FLAGS = ("-W", "ignore:remaining subinterpreters:RuntimeWarning")


def test_like_a_thread(run_script):
    ended = run_script(
        """
        import coterie.interpreters as ET

        import time

        def my_function():
            time.sleep(0.01)
            print("running in other interpreter")
            return 42

        interp = ET.Interpreter(target=my_function)
        interp.start()
        print("running in main interpreter")
        time.sleep(0.015)
        print(f"computation result: {interp.result()}")
        """,
        flags=FLAGS,
    )
    assert (ended.rc, ended.stderr) == (0, "")
    assert sorted(ended.lines[:2]) == [
        "running in main interpreter",
        "running in other interpreter",
    ]
    assert ended.lines[2:] == ["computation result: 42"]


def test_with_arguments(run_script):
    ended = run_script(
        """
        from coterie.interpreters import Interpreter

        def myfunc(*args):
            return args

        interp = Interpreter(target=myfunc, args=(1, "two", [3.0]))
        interp.start()
        interp.join()

        # bonus: we have return values!

        print(interp.result())
        """,
        flags=FLAGS,
    )
    assert (ended.rc, ended.stderr, ended.lines) == (0, "", ["(1, 'two', [3.0])"])


def test_functions_of_the_repl():
    typed = """\
from coterie.interpreters import Interpreter
import math
offset = 40
def double(x):
    return math.floor(x * 2)

class Point:
    def __init__(self, x):
        self.x = x

def add(x, *, y=0):
    return Point(offset + double(x) + y)

interp = Interpreter(target=add, args=(1,))
interp.start()
interp.result().x
interp.run(add, 2, y=1).x
interp.run(lambda: offset)
offset = 41
thread = interp.run_in_thread(add, 1)
interp.result().x
interp.close()
"""
    ended = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONSTARTUP": "", "PYTHON_BASIC_REPL": "1"},
    )
    assert "Traceback" not in ended.stderr
    assert ended.stdout.split() == ["42", "45", "40", "43"]


# ---- the pieces --------------------------------------------------------------


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


def where():
    from coterie import interpreters

    return interpreters.get_current().id


def gather(*args, **kwargs):
    return args, kwargs


def fail():
    raise KeyError("there")


def test_start_join_result():
    with Interpreter(target=gather, args=[1, 2], kwargs={"a": 3}) as interp:
        assert interp.done() is False
        assert interp.start() is None
        assert interp.join() is None
        assert interp.done() is True
        assert interp.result() == ((1, 2), {"a": 3})
        assert interp.result() == ((1, 2), {"a": 3})
        assert interp.exception() is None


def test_it_runs_in_the_interpreter():
    with Interpreter(target=where) as interp:
        interp.start()
        assert interp.result() == interp.id != interpreters.get_current().id


def test_done_and_join_while_it_runs():
    go = coterie.Queue()
    with Interpreter(target=go.get) as interp:
        interp.start()
        assert interp.done() is False
        assert interp.join(0.01) is None
        assert interp.done() is False
        with pytest.raises(TimeoutError):
            interp.result(0.01)
        with pytest.raises(TimeoutError):
            interp.exception(0.01)
        go.put("gone")
        assert interp.result() == "gone"
        assert interp.done() is True


def test_a_target_that_raises():
    with Interpreter(target=fail) as interp:
        interp.start()
        interp.join()
        assert interp.done() is True
        with pytest.raises(KeyError, match="there"):
            interp.result()
        error = interp.exception()
        assert type(error) is KeyError
        assert isinstance(error.__cause__ or error.__context__, ExecutionFailed)


def test_started_once():
    with Interpreter(target=len, args=("abc",)) as interp:
        interp.start()
        with pytest.raises(RuntimeError, match="once"):
            interp.start()
        assert interp.result() == 3


@pytest.mark.parametrize("name", ["join", "result", "exception"])
def test_before_the_start(name):
    with Interpreter(target=len, args=("abc",)) as interp:
        with pytest.raises(RuntimeError, match="before it is started"):
            getattr(interp, name)()


def test_without_a_target():
    with Interpreter() as interp:
        with pytest.raises(RuntimeError, match="without a target"):
            interp.start()
        assert interp.run(len, "abc") == 3


@pytest.mark.parametrize("target", [3, "len", [len]])
def test_a_target_that_is_no_function(target):
    before = interpreters.list_all()
    with pytest.raises(TypeError, match="callable"):
        Interpreter(target=target)
    assert interpreters.list_all() == before


def test_an_argument_that_cannot_be_sent():
    with Interpreter(target=gather, args=((n for n in ()),)) as interp:
        interp.start()
        with pytest.raises(coterie.NotShareableError):
            interp.result()
        assert interp.run(len, "abc") == 3


def test_run(interp):
    here = threading.get_ident()
    assert interp.run(threading.get_ident) == here  # in place
    assert interp.run(gather, 1, a=2) == ((1,), {"a": 2})


def test_run_raises_the_exception_itself(interp):
    with pytest.raises(KeyError, match="there"):
        interp.run(fail)
    assert interp.run(len, "abc") == 3


def test_run_in_thread(interp):
    for n in range(3):
        thread = interp.run_in_thread(gather, n)
        assert isinstance(thread, threading.Thread)
        interp.join()
        assert interp.done()
        assert interp.result() == thread.result() == ((n,), {})


def test_run_in_thread_while_it_runs(interp):
    go = coterie.Queue()
    interp.run_in_thread(go.get)
    with pytest.raises(RuntimeError, match="running"):
        interp.run_in_thread(len, "abc")
    go.put("gone")
    assert interp.result() == "gone"


def test_values_of_any_size(interp):
    size = 64 * 2**20
    data = interp.run(bytes, size)
    assert len(data) == size
    assert interp.run(len, data) == size
    interp.run_in_thread(len, data)
    assert interp.result() == size


def test_closures_and_lambdas(interp):
    offset = 5

    def add(x):
        return x + offset

    assert interp.run(add, 1) == 6
    assert interp.run(lambda f: f(2), add) == 7


def test_many_at_once():
    interps = [Interpreter(target=pow, args=(n, 2)) for n in range(8)]
    try:
        for interp in interps:
            interp.start()
        assert [interp.result() for interp in interps] == [n * n for n in range(8)]
    finally:
        for interp in interps:
            interp.close()


@pytest.mark.parametrize("timeout", [None, 5])
def test_a_thread_that_was_there_does_not_keep_it(timeout):
    def name():
        return threading.current_thread().name

    interp = interpreters.create()
    assert interp.run_in_thread(name).result() != "MainThread"
    interp.close(timeout=timeout)
    with pytest.raises(interpreters.InterpreterNotFoundError):
        interp.run(name)
