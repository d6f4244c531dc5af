"""Imports that an interpreter with its own GIL refuses: what is said of them."""

import subprocess
import sys

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import ExecutionFailed

REFUSED = "_tracemalloc"  # a builtin module: it is there wherever CPython is
MESSAGE = f"module {REFUSED} does not support loading in subinterpreters"


@pytest.fixture(scope="module")
def worker():
    with coterie.Executor(1) as pool:
        yield pool


@pytest.fixture
def package(tmp_path, worker):
    """`package(**sources)` puts packages on the worker's path.

    A name with `__` is a module in a package.
    """

    def write(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__"))
            path.mkdir()
            (path / "__init__.py").write_text(source)

    worker.submit(put_on_path, str(tmp_path)).result()
    yield write
    worker.submit(put_off_path, str(tmp_path)).result()


def put_on_path(path):
    import sys

    sys.path.insert(0, path)


def put_off_path(path):
    import sys

    sys.path.remove(path)


def import_it(name):
    import importlib

    importlib.import_module(name)


def import_all_of(name):
    execute(f"from {name} import *")


def execute(source):
    exec(source, {})


def note_on(error):
    (note,) = error.__notes__
    return note


def says_what_to_do(note):
    return all(
        words in note
        for words in ('create(gil="shared")', "main interpreter", "another process")
    )


def test_a_direct_import(worker):
    with pytest.raises(ImportError) as caught:
        worker.submit(import_it, REFUSED).result()
    error = caught.value
    assert type(error) is ImportError
    assert str(error) == MESSAGE
    note = note_on(error)
    assert note.startswith(f"'{REFUSED}' cannot be imported")
    assert says_what_to_do(note)
    cause = error.__cause__
    assert isinstance(cause, ExecutionFailed)
    assert cause.excinfo.errdisplay.endswith(note)
    assert note in str(cause)


def test_what_the_user_sees(run_script):
    ended = run_script(
        f"""
        import coterie
        def work():
            import {REFUSED}
        with coterie.Executor(1) as pool:
            pool.submit(work).result()
        """
    )
    assert ended.rc == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"'{REFUSED}' cannot be imported")
    assert says_what_to_do(last)


@pytest.mark.parametrize("import_", [import_it, import_all_of])
def test_a_package_that_imports_it(worker, package, import_):
    package(has_refused=f"import {REFUSED}")
    with pytest.raises(ImportError) as caught:
        worker.submit(import_, "has_refused").result()
    assert str(caught.value) == MESSAGE
    note = note_on(caught.value)
    assert note.startswith("'has_refused' cannot be imported")
    assert f"'{REFUSED}', which it imports" in note


@pytest.mark.parametrize("how", ["from error", "from None", ""])
def test_a_package_that_wraps_the_error(worker, package, how):
    package(
        wraps_it=f"""
try:
    import {REFUSED}
except ImportError as error:
    raise ImportError("see our web page", name="ours", path="there") {how}
"""
    )
    with pytest.raises(ImportError) as caught:
        worker.submit(import_it, "wraps_it").result()
    error = caught.value
    assert type(error) is ImportError
    assert (str(error), error.name, error.path) == ("see our web page", "ours", "there")
    note = note_on(error)
    assert note.startswith("'wraps_it' cannot be imported")
    assert REFUSED in note


def test_a_nested_package(worker, package):
    package(
        outer="from outer.inner import deep",
        outer__inner="",
        outer__inner__deep=f"import {REFUSED}",
    )
    # The second time outer.inner is there already: its import worked.
    for name in "outer", "outer.inner.deep":
        with pytest.raises(ImportError) as caught:
            worker.submit(import_it, name).result()
        assert note_on(caught.value).startswith(f"'{name}' cannot be imported")


def test_a_package_that_uses_another(worker, package):
    package(user="import used", used=f"import {REFUSED}")
    with pytest.raises(ImportError) as caught:
        worker.submit(import_it, "user").result()
    assert note_on(caught.value).startswith("'user' cannot be imported")


def test_an_import_inside_a_function(worker, package):
    package(lazy_one=f"def use():\n    import {REFUSED}")

    def use():
        import lazy_one

        lazy_one.use()

    with pytest.raises(ImportError) as caught:
        worker.submit(use).result()
    # The package itself was imported well.
    assert note_on(caught.value).startswith(f"'{REFUSED}' cannot be imported")


def test_an_extension_module_of_the_package(worker, package):
    # As CPython words it: no such module has to be built for this.
    refused = "theirs._core.speedups"
    package(
        theirs=f"raise ImportError({MESSAGE.replace(REFUSED, refused)!r})",
    )
    with pytest.raises(ImportError) as caught:
        worker.submit(import_it, "theirs").result()
    note = note_on(caught.value)
    assert note.startswith("'theirs' cannot be imported")
    assert f"its extension module '{refused}'" in note


def raise_circular():
    error = ImportError("round")
    error.__cause__ = KeyError()
    error.__cause__.__cause__ = error
    raise error


def raise_strange():
    raise ImportError(7)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (import_it, ("not_there_at_all",)),
        (execute, ("from sys import not_there",)),
        (execute, ("raise ImportError",)),
        (execute, (f"raise ValueError('{MESSAGE}')",)),
        (raise_circular, ()),
        (raise_strange, ()),
    ],
)
def test_an_error_that_is_no_refusal_is_left_alone(worker, function, args):
    error = worker.submit(function, *args).exception()
    assert isinstance(error, ImportError | ValueError)
    assert not hasattr(error, "__notes__")
    assert "GIL" not in str(error.__cause__)


def test_names_stay(worker):
    error = worker.submit(import_it, "not_there_at_all").exception()
    assert type(error) is ModuleNotFoundError
    assert error.name == "not_there_at_all"


def test_an_error_is_explained_once(worker):
    def import_twice():
        import importlib

        import coterie

        with coterie.Executor(1) as pool:
            pool.submit(importlib.import_module, "_tracemalloc").result()

    with pytest.raises(ImportError) as caught:
        worker.submit(import_twice).result()
    assert note_on(caught.value).startswith(f"'{REFUSED}' cannot be imported")


def test_an_error_that_cannot_be_sent_is_explained_once(worker, package):
    package(
        holds_it=f"""
class HeldError(ImportError):
    def __reduce__(self):
        raise TypeError("not this one")

try:
    import {REFUSED}
except ImportError as error:
    raise HeldError("held") from error
"""
    )
    with pytest.raises(coterie.RemoteError) as caught:
        worker.submit(import_it, "holds_it").result()
    assert str(caught.value).count("'holds_it' cannot be imported") == 1


def test_nothing_is_imported_for_other_errors():
    code = """
import sys, coterie
with coterie.Executor(1) as pool:
    pool.submit(divmod, 1, 0).exception()
    assert not pool.submit(lambda: "coterie._refusals" in sys.modules).result()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- in an Interpreter -------------------------------------------------------


def test_exec_explains_it():
    with interpreters.create() as interp:
        with pytest.raises(ExecutionFailed) as caught:
            interp.exec("import curses")
        text = str(caught.value)
        assert "'curses' cannot be imported" in text
        assert "'_curses', which it imports" in text
        assert says_what_to_do(text)
        assert caught.value.excinfo.type.__name__ == "ImportError"
        assert caught.value.excinfo.msg == MESSAGE.replace(REFUSED, "_curses")


def test_call_explains_it():
    with interpreters.create() as interp:
        with pytest.raises(ExecutionFailed, match=f"'{REFUSED}' cannot be imported"):
            interp.call(import_it, REFUSED)
        with pytest.raises(ImportError) as caught:
            interp.run(import_it, REFUSED)
        assert note_on(caught.value).startswith(f"'{REFUSED}' cannot be imported")


def test_what_the_explanation_says_helps():
    with interpreters.create(gil="shared", import_check=False) as interp:
        interp.call(import_it, REFUSED)


def test_it_helps_with_a_package(run_script):
    """In a process of its own, since 3.15 loads curses once in each."""
    ended = run_script("""
        from coterie import interpreters
        with interpreters.create(gil="shared", import_check=False) as interp:
            interp.exec("import curses")
        """)
    assert (ended.rc, ended.stderr) == (0, "")


def test_a_shared_gil_alone_helps_some():
    with interpreters.create(gil="shared") as interp:
        interp.call(import_it, "faulthandler")
        with pytest.raises(ExecutionFailed, match="import_check=False"):
            interp.call(import_it, REFUSED)


def test_the_check_can_be_turned_off_with_an_own_gil():
    with interpreters.create(import_check=False) as interp:
        interp.call(import_it, REFUSED)
