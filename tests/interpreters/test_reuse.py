"""A new interpreter knows nothing of those that were closed before it.

Where CPython does not give back their memory they are used again, and have to be
made like new.
"""

import os
import subprocess
import sys

import pytest

from coterie import interpreters

pytestmark = pytest.mark.timeout(60)


def answer_of_the_next(code, question):
    """Run *code* in an interpreter, close it, and ask the next one."""
    with interpreters.create() as first:
        first.exec(code)
    with interpreters.create() as second:
        second.exec(f"import sys\nanswer = {question}")
        return second.get_main_attr("answer")


TRACES = {
    "main": ("left = 1", "'left' in dir()", False),
    "main's name": ("__name__ = 'other'", "__name__", "__main__"),
    "module": (
        "import sys, types; sys.modules['left'] = types.ModuleType('left')",
        "'left' in sys.modules",
        False,
    ),
    "module that is gone": (
        "import sys; del sys.modules['os']",
        "'os' in sys.modules",
        True,
    ),
    "path": ("import sys; sys.path[:] = ['/nowhere']", "'/nowhere' in sys.path", False),
    "argv": ("import sys; sys.argv[:] = ['left']", "'left' in sys.argv", False),
    "stdout": ("import sys; sys.stdout = None", "sys.stdout is None", False),
    "an attribute of sys": ("import sys; sys.left = 1", "hasattr(sys, 'left')", False),
    "a builtin": ("import builtins; builtins.len = None", "len('abc')", 3),
    "hook": (
        "import sys; sys.excepthook = print",
        "sys.excepthook is sys.__excepthook__",
        True,
    ),
    "meta path": ("import sys; sys.meta_path.clear()", "len(sys.meta_path) > 0", True),
    "trace": (
        "import sys; sys.settrace(lambda *args: None)",
        "sys.gettrace() is None",
        True,
    ),
    "recursion limit": (
        "import sys; sys.setrecursionlimit(5000)",
        "sys.getrecursionlimit()",
        sys.getrecursionlimit(),
    ),
    "warnings": (
        "import warnings; warnings.simplefilter('error')",
        "any(f[0] == 'error' for f in __import__('warnings').filters)",
        False,
    ),
    "logging": (
        "import logging; logging.basicConfig(level=10)",
        "(len(__import__('logging').root.handlers), __import__('logging').root.level)",
        (0, 30),
    ),
}


@pytest.mark.parametrize(("code", "question", "answer"), TRACES.values(), ids=TRACES)
def test_no_trace_is_left(code, question, answer):
    assert answer_of_the_next(code, question) == answer


def count():
    global calls
    calls = globals().get("calls", 0) + 1
    return calls


def test_by_value_globals_are_new():
    counter = eval("lambda: count()", {"count": count})
    for _ in range(2):
        with interpreters.create() as interp:
            assert interp.call(counter) == 1
            assert interp.call(counter) == 2


def test_exit_callbacks_run_at_the_close_and_once(tmp_path):
    path = str(tmp_path / "log")
    with interpreters.create() as interp:
        interp.prepare_main(path=path)
        interp.exec("""
            import atexit

            def log():
                with open(path, "a") as file:
                    file.write("x")

            atexit.register(log)
            """)
    with open(path) as file:
        assert file.read() == "x"
    interpreters.create().close()
    with open(path) as file:
        assert file.read() == "x"


def test_the_old_handle_stays_closed():
    old = interpreters.create()
    old.close()
    with interpreters.create() as new:
        assert new is not old
        with pytest.raises(interpreters.InterpreterNotFoundError):
            old.exec("1")
        with pytest.raises(interpreters.InterpreterNotFoundError):
            old.close()
        assert new.call(len, "abc") == 3


def test_closed_ones_are_not_listed():
    before = interpreters.list_all()
    interpreters.create().close()
    assert interpreters.list_all() == before


def test_fork_after_the_last_is_closed():
    code = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from coterie import interpreters\n"
        "interpreters.create().close()\n"
        "child = os.fork()\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
        "else: interpreters.create().close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env=dict(os.environ),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
