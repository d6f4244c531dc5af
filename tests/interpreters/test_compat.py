"""What is asked of CPython's private modules, with and without them."""

import sys

import pytest

import coterie
from coterie import _compat


@pytest.fixture
def foreign():
    """An interpreter that is not ours."""
    interpreters = pytest.importorskip("_interpreters")
    id = interpreters.create()
    yield id
    if id in dict(interpreters.list_all()):
        interpreters.destroy(id)


@pytest.fixture
def without(monkeypatch):
    """A Python in which the private module is gone."""
    monkeypatch.setitem(sys.modules, "_interpreters", None)


def test_interpreters_are_listed(foreign):
    listed = dict(_compat.list_interpreters())
    assert listed[0] == "runtime init"
    assert listed[foreign] == "_interpreters module"


def test_interpreters_of_ours_are_listed():
    def me():
        from coterie import _compat

        return [_compat.whence(id) for id, _ in _compat.list_interpreters()]

    with coterie.Executor(1) as pool:
        assert "C-API" in pool.submit(me).result()


def test_whence(foreign):
    assert _compat.whence(0) == "runtime init"
    assert _compat.whence(foreign) == "_interpreters module"


def test_whence_of_what_is_gone():
    interpreters = pytest.importorskip("_interpreters")
    id = interpreters.create()
    interpreters.destroy(id)
    assert _compat.whence(id) == "unknown"


def test_whence_has_the_words_of_the_standard_library():
    stdlib = pytest.importorskip("concurrent.interpreters")
    private = pytest.importorskip("_interpreters")
    assert _compat._whence_names(private) == stdlib.Interpreter._WHENCE_TO_STR


def test_a_new_way_of_making_interpreters_is_unknown(foreign, monkeypatch):
    monkeypatch.delitem(_compat._WHENCE, "WHENCE_STDLIB")
    assert _compat.whence(foreign) == "unknown"
    assert (foreign, "unknown") in _compat.list_interpreters()


def test_is_running(foreign):
    import os
    import threading

    interpreters = pytest.importorskip("_interpreters")
    assert _compat.is_running(0) is True
    assert _compat.is_running(foreign) is False
    told, tell = os.pipe()
    wait, go = os.pipe()
    source = f"import os; os.write({tell}, b'!'); os.read({wait}, 1)"
    thread = threading.Thread(target=interpreters.exec, args=(foreign, source))
    thread.start()
    try:
        os.read(told, 1)
        assert _compat.is_running(foreign) is True
    finally:
        os.write(go, b"!")
        thread.join()
        for fd in told, tell, wait, go:
            os.close(fd)
    assert _compat.is_running(foreign) is False
    interpreters.destroy(foreign)
    assert _compat.is_running(foreign) is None


@pytest.mark.parametrize("id", [-1, 10**30, "0", None])
def test_what_is_no_id(id):
    assert _compat.whence(id) == "unknown"
    assert _compat.is_running(id) is None


def test_without_the_private_module(foreign, without):
    assert _compat.list_interpreters() == []
    assert _compat.whence(foreign) == "unknown"
    assert _compat.is_running(foreign) is None


def test_the_import_check_is_on_and_can_be_turned_off():
    def refused():
        import importlib

        from coterie import _compat

        name = "_tracemalloc"
        try:
            importlib.import_module(name)
        except ImportError:
            pass
        else:
            return "never refused"
        _compat.import_check_off()
        return importlib.import_module(name).__name__

    with coterie.Executor(1) as pool:
        assert pool.submit(refused).result() == "_tracemalloc"


def test_the_import_check_of_the_main_interpreter():
    with pytest.raises(RuntimeError):
        _compat.import_check_off()


def test_a_python_that_cannot_turn_the_import_check_off(monkeypatch):
    import _imp

    monkeypatch.delattr(_imp, "_override_multi_interp_extensions_check")
    with pytest.raises(RuntimeError, match="cannot turn the import check off"):
        _compat.import_check_off()
