"""What coterie.interpreters and concurrent.interpreters promise alike.

Each test runs with ours, and with the standard library's where there is one.
"""

import copy
import gc
import inspect
import pickle
import sys
import threading
import weakref
from textwrap import dedent

import pytest

from coterie import interpreters as ours

MODULES = [pytest.param(ours, id="coterie")]
if sys.version_info >= (3, 14):
    import concurrent.interpreters

    MODULES.append(pytest.param(concurrent.interpreters, id="stdlib"))

pytestmark = [
    pytest.mark.parametrize("module", MODULES),
    pytest.mark.timeout(60),
]

NAMES = {
    "ExecutionFailed", "Interpreter", "InterpreterError", "InterpreterNotFoundError",
    "NotShareableError", "create", "get_current", "get_main", "is_shareable",
    "list_all",
}  # fmt: skip


@pytest.fixture
def interp(module):
    interp = module.create()
    yield interp
    try:
        interp.close()
    except module.InterpreterNotFoundError:
        pass


def ids(module):
    return [interp.id for interp in module.list_all()]


def raises(error, message):
    """Of exactly that message."""
    return pytest.raises(error, match=rf"\A{message}\Z")


# ---- names -------------------------------------------------------------------


def test_names(module):
    assert set(module.__all__) >= NAMES


@pytest.mark.parametrize(
    "name", ["close", "prepare_main", "exec", "call", "call_in_thread", "is_running"]
)
def test_signatures(module, name):
    signature = inspect.signature(getattr(module.Interpreter, name))
    expected = {
        "close": "(self)",
        "prepare_main": "(self, ns=None, /, **kwargs)",
        "exec": "(self, code, /)",
        "call": "(self, callable, /, *args, **kwargs)",
        "call_in_thread": "(self, callable, /, *args, **kwargs)",
        "is_running": "(self)",
    }[name]
    plain = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY  # ours: extra
    ]
    found = str(signature.replace(parameters=plain, return_annotation=signature.empty))
    # A method of C has its own place for self.
    assert found.replace("(self, /, ", "(self, ").replace("(self, /)", "(self)") in (
        expected,
        expected.replace("(self, callable, /", "(self, /, callable, /"),
    )


def test_errors(module):
    assert issubclass(module.InterpreterError, Exception)
    assert issubclass(module.InterpreterNotFoundError, module.InterpreterError)
    assert issubclass(module.ExecutionFailed, module.InterpreterError)
    assert issubclass(module.NotShareableError, TypeError)


# ---- which interpreters there are --------------------------------------------


def test_main(module):
    main = module.get_main()
    assert main.id == 0
    assert main is module.get_current()
    assert main in module.list_all()
    assert main.is_running() is True
    assert main.whence == "runtime init"


def test_current_inside(module, interp):
    name = module.__name__
    interp.exec(f"import {name} as module; current = module.get_current()")
    interp.exec(f"assert current.id == {interp.id}, current")
    interp.exec("assert current is module.get_current()")
    interp.exec("assert module.get_main().id == 0")
    interp.exec("assert current in module.list_all()")
    interp.exec("assert module.get_main() in module.list_all()")


def test_list_all(module):
    before = ids(module)
    made = [module.create() for _ in range(3)]
    assert sorted(ids(module)) == sorted(before + [interp.id for interp in made])
    listed = module.list_all()
    assert all(interp in listed for interp in made)
    for interp in made:
        interp.close()
    assert ids(module) == before


def test_ids_are_never_used_twice(module):
    first = module.create()
    first.close()
    second = module.create()
    assert second.id != first.id
    second.close()


def test_one_made_inside(module, interp):
    others = set(ids(module))
    interp.exec(f"import {module.__name__} as module; made = module.create()")
    before = ids(module)
    (made_id,) = set(before) - others
    interp.exec(f"assert made.id == {made_id}")
    other = module.Interpreter(made_id)
    other.exec("x = 1")
    interp.exec("made.exec('assert x == 1')")
    interp.exec("made.close()")
    assert made_id not in ids(module)
    with pytest.raises(module.InterpreterNotFoundError):
        other.exec("x = 2")


# ---- the object --------------------------------------------------------------


def test_one_object_per_id(module, interp):
    assert module.Interpreter(interp.id) is interp
    assert module.Interpreter(False) is module.get_main()
    assert interp in module.list_all()


@pytest.mark.parametrize(
    ("id", "error", "message"),
    [
        ("1", TypeError, "id must be an int, got '1'"),
        (1.0, TypeError, "id must be an int, got 1.0"),
        (None, TypeError, "id must be an int, got None"),
        (-1, ValueError, "interpreter ID must be a non-negative int, got -1"),
        (2**70, OverflowError, "int too big to convert"),
    ],
)
def test_wrong_ids(module, id, error, message):
    with raises(error, message):
        module.Interpreter(id)


def test_unknown_ids(module):
    for id in (999_999, 2**62):
        with raises(
            module.InterpreterNotFoundError, f"unrecognized interpreter ID {id}"
        ):
            module.Interpreter(id)


def test_an_int_subclass_is_an_id(module, interp):
    class Id(int):
        pass

    assert module.Interpreter(Id(interp.id)) is interp
    assert type(interp.id) is int


def test_id_and_whence_are_constant(module, interp):
    for name in ("id", "whence"):
        with pytest.raises(AttributeError):
            setattr(interp, name, 5)


def test_equality_and_hash(module, interp):
    other = module.create()
    assert interp == interp
    assert interp != other
    assert interp != interp.id
    assert hash(interp) == hash(interp.id)
    assert len({interp, module.Interpreter(interp.id), other}) == 2
    with pytest.raises(TypeError):
        interp < other  # noqa: B015
    assert bool(interp)
    other.close()


def test_repr(module, interp):
    assert repr(interp) == str(interp) == f"Interpreter({interp.id})"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(module, interp, protocol):
    assert pickle.loads(pickle.dumps(interp, protocol)) is interp


def test_copies_are_the_object(module, interp):
    assert copy.copy(interp) is interp
    assert copy.deepcopy(interp) is interp


def test_attributes_are_kept(module, interp):
    interp.note = "mine"
    assert module.Interpreter(interp.id).note == "mine"


def test_the_last_object_ends_it(module):
    interp = module.create()
    id, reference = interp.id, weakref.ref(interp)
    again = module.Interpreter(id)
    del interp
    assert id in ids(module)
    del again
    gc.collect()
    assert reference() is None
    assert id not in ids(module)
    with pytest.raises(module.InterpreterNotFoundError):
        module.Interpreter(id)


def test_a_list_keeps_it(module):
    interp = module.create()
    id, listed = interp.id, module.list_all()
    del interp
    gc.collect()
    assert id in ids(module)
    del listed
    gc.collect()
    assert id not in ids(module)


def test_an_object_inside_another_keeps_it(module, interp):
    kept = module.create()
    id = kept.id
    interp.exec(f"import {module.__name__} as m; kept = m.Interpreter({id})")
    del kept
    gc.collect()
    assert id in ids(module)
    interp.exec("del kept")
    assert id not in ids(module)


# ---- exec --------------------------------------------------------------------


def test_main_keeps_its_state(module, interp):
    interp.exec("x = [1]")
    interp.exec("x.append(2)")
    interp.exec("assert x == [1, 2], x")
    interp.exec(
        "import __main__; assert __main__.x is x; assert __name__ == '__main__'"
    )


def test_mains_are_separate(module, interp):
    interp.exec("separate = 1")
    other = module.create()
    other.exec("assert 'separate' not in globals()")
    assert not hasattr(sys.modules["__main__"], "separate")
    other.close()


def test_exec_gives_nothing(module, interp):
    assert interp.exec("5") is None


def test_exec_bytes(module, interp):
    interp.exec(b"x = 'bytes'")
    interp.exec("assert x == 'bytes'")


def test_exec_code(module, interp):
    interp.exec(compile("y = 3", "<mine>", "exec"))
    interp.exec("assert y == 3")


@pytest.mark.parametrize("code", [1, None, print, int, ["x = 1"]])
def test_exec_of_what_is_no_code(module, interp, code):
    with pytest.raises(TypeError, match="unsupported script"):
        interp.exec(code)


def test_exec_of_functions_with_arguments(module, interp):
    def with_argument(x):
        pass

    def closure():
        return interp

    with raises(ValueError, "code with args not supported"):
        interp.exec(with_argument)
    with raises(ValueError, "closures not supported"):
        interp.exec(closure)


def test_exec_of_a_generator(module, interp):
    def generator():
        yield

    with raises(ValueError, "code that returns a value is not a script"):
        interp.exec(generator)


def test_exec_takes_one_argument(module, interp):
    with pytest.raises(TypeError):
        interp.exec()
    with pytest.raises(TypeError):
        interp.exec("x = 1", "y = 1")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 +", SyntaxError),
        ("if True:\nx = 1", IndentationError),
        ("x = 1\0", SyntaxError),
        ("x = '\udc80'", UnicodeEncodeError),
    ],
)
def test_exec_of_what_is_no_python(module, interp, code, error):
    with pytest.raises(error):
        interp.exec(code)
    interp.exec("assert 'x' not in globals()")


def test_what_exec_raises(module, interp):
    with pytest.raises(module.ExecutionFailed) as caught:
        interp.exec("first = 1\nint('not a number')\nlast = 1")
    excinfo = caught.value.excinfo
    message = "invalid literal for int() with base 10: 'not a number'"
    assert excinfo.type.__name__ == "ValueError"
    assert excinfo.type.__qualname__ == "ValueError"
    assert excinfo.type.__module__ == "builtins"
    assert excinfo.msg == message
    assert excinfo.formatted == f"ValueError: {message}"
    lines = excinfo.errdisplay.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "line 2, in <module>" in lines[1]
    assert lines[-1] == excinfo.formatted
    assert str(caught.value) == (
        f"{excinfo.formatted}\n\nUncaught in the interpreter:\n\n{excinfo.errdisplay}"
    )
    assert caught.value.args == (excinfo.formatted,)
    interp.exec("assert first == 1; assert 'last' not in globals()")


def test_an_exception_without_a_message(module, interp):
    with pytest.raises(module.ExecutionFailed) as caught:
        interp.exec("raise LookupError")
    excinfo = caught.value.excinfo
    assert excinfo.type.__name__ == "LookupError"
    assert excinfo.formatted.rstrip(": ") == "LookupError"
    assert not excinfo.msg


def test_exceptions_of_its_own(module, interp):
    with pytest.raises(module.ExecutionFailed) as caught:
        interp.exec("class Own(Exception): pass\nraise Own('mine')")
    excinfo = caught.value.excinfo
    assert excinfo.type.__name__ == "Own"
    assert excinfo.type.__module__ == "__main__"
    assert excinfo.msg == "mine"


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration"]
)
def test_what_is_no_error_elsewhere(module, interp, name):
    with pytest.raises(module.ExecutionFailed) as caught:
        interp.exec(f"raise {name}")
    assert caught.value.excinfo.type.__name__ == name
    interp.exec("assert True")


# ---- call --------------------------------------------------------------------


def test_builtins_are_called(module, interp):
    assert interp.call(divmod, 7, 2) == (3, 1)
    assert interp.call(int, "ff", base=16) == 255
    assert interp.call(dict, self=1, callable=2) == {"self": 1, "callable": 2}
    assert interp.call(print) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        5,
        -(2**100),
        2.5,
        "text \U0001f600 \udc80",
        b"bytes",
        (),
        (1, ("a",)),
    ],
    ids=ascii,
)
def test_shareable_values_go_there_and_back(module, interp, value):
    def echo(value):
        return value

    result = interp.call(echo, value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("value", [[1], {"a": [2]}, {3}, 1j, bytearray(b"4"), range(5)])
def test_other_values_too(module, interp, value):
    def echo(value):
        return value

    assert interp.call(echo, value) == value


def test_what_a_call_raises(module, interp):
    def fail():
        raise ValueError("by a call")

    with pytest.raises(module.ExecutionFailed) as caught:
        interp.call(fail)
    excinfo = caught.value.excinfo
    assert excinfo.formatted == "ValueError: by a call"
    assert 'raise ValueError("by a call")' in excinfo.errdisplay
    assert "in fail" in excinfo.errdisplay


@pytest.mark.parametrize("callable", [1, "print", None])
def test_what_cannot_be_called(module, interp, callable):
    with raises(TypeError, f"expected a callable, got {callable!r}"):
        interp.call(callable)


def test_call_wants_a_callable(module, interp):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        interp.call()


def test_arguments_that_cannot_be_sent(module, interp):
    with pytest.raises(module.NotShareableError):
        interp.call(print, threading.Lock())
    assert interp.call(abs, -1) == 1


def test_a_result_that_cannot_be_sent(module, interp):
    def generator():
        yield

    with pytest.raises(module.NotShareableError):
        interp.call(generator)
    assert interp.call(abs, -1) == 1


# ---- call_in_thread ----------------------------------------------------------


def test_call_in_thread(module, interp):
    thread = interp.call_in_thread(exec, "import __main__; __main__.called = 5")
    assert isinstance(thread, threading.Thread)
    thread.join()
    interp.exec("assert called == 5")


def test_an_exception_in_the_thread_is_shown(module, interp, monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    thread = interp.call_in_thread(int, "no")
    thread.join()
    del thread
    gc.collect()
    (args,) = shown
    assert args.exc_type is module.ExecutionFailed
    assert args.exc_value.excinfo.type.__name__ == "ValueError"


# ---- prepare_main ------------------------------------------------------------


def test_prepare_main(module, interp):
    assert interp.prepare_main({"a": 1}, b="two") is None
    interp.prepare_main([("c", 3.0)])
    interp.prepare_main(d=(None, True))
    interp.exec("assert (a, b, c, d) == (1, 'two', 3.0, (None, True))")
    interp.prepare_main({"a": 5, "not a name": 6})
    interp.exec("assert a == 5; assert globals()['not a name'] == 6")


def test_prepare_main_with_names_like_its_own(module, interp):
    interp.prepare_main(ns=1, self=2)
    interp.exec("assert (ns, self) == (1, 2)")


def test_keywords_win(module, interp):
    interp.prepare_main({"a": 1}, a=2)
    interp.exec("assert a == 2")


def test_prepare_main_with_wrong_things(module, interp):
    with raises(TypeError, "'int' object is not iterable"):
        interp.prepare_main(5)
    with pytest.raises(TypeError):
        interp.prepare_main({1: 2})
    with pytest.raises(TypeError):
        interp.prepare_main({}, {})


def test_prepare_main_binds_all_or_nothing(module, interp):
    with pytest.raises(module.NotShareableError):
        interp.prepare_main(good=1, bad=threading.Lock(), last=2)
    interp.exec("assert not {'good', 'bad', 'last'} & set(globals())")


# ---- running -----------------------------------------------------------------


def test_is_running(module, interp):
    name = module.__name__
    assert interp.is_running() is False
    interp.exec(f"import {name} as m; inside = m.get_current().is_running()")
    interp.exec("assert inside is True")
    assert interp.is_running() is False
    with pytest.raises(module.ExecutionFailed):
        interp.exec("1 / 0")
    assert interp.is_running() is False


def test_nothing_else_while_it_runs(module, interp):
    release, entered = module.create_queue(), module.create_queue()
    interp.prepare_main(release=release, entered=entered)
    thread = threading.Thread(
        target=interp.exec, args=("entered.put(None); release.get()",)
    )
    thread.start()
    try:
        entered.get()
        assert interp.is_running() is True
        for attempt in (
            lambda: interp.exec("x = 1"),
            lambda: interp.call(abs, -1),
            interp.close,
        ):
            with pytest.raises(module.InterpreterError, match="running"):
                attempt()
    finally:
        release.put(None)
        thread.join()
    assert interp.is_running() is False
    interp.exec("assert 'x' not in globals()")


# ---- close -------------------------------------------------------------------


def test_closed(module):
    interp = module.create()
    id = interp.id
    assert interp.close() is None
    assert id not in ids(module)
    assert interp.id == id
    assert repr(interp) == f"Interpreter({id})"
    assert isinstance(interp.whence, str)
    for attempt in (
        interp.close,
        interp.is_running,
        lambda: interp.exec("x = 1"),
        lambda: interp.call(abs, -1),
        lambda: interp.prepare_main(a=1),
        lambda: module.Interpreter(id),
        lambda: pickle.loads(pickle.dumps(interp)),
    ):
        with raises(
            module.InterpreterNotFoundError, f"unrecognized interpreter ID {id}"
        ):
            attempt()


def test_main_is_not_ours_to_change(module):
    main = module.get_main()
    for attempt, what in (
        (main.close, "destroy"),
        (lambda: main.exec("x = 1"), "exec code for"),
        (lambda: main.call(abs, -1), "make a call in"),
        (lambda: main.prepare_main(a=1), "update __main__ for"),
    ):
        with raises(
            module.InterpreterError, f"cannot {what} unrecognized interpreter 0"
        ):
            attempt()


def test_the_current_one_is_not_closed(module, interp):
    interp.exec(
        dedent(f"""
        import {module.__name__} as module
        try:
            module.get_current().close()
        except module.InterpreterError as error:
            message = str(error)
        assert "current interpreter" in message, message
    """)
    )
    interp.exec("assert module.get_current() in module.list_all()")


def test_threads_inside_are_waited_for(module):
    interp = module.create()
    done = module.create_queue()
    interp.prepare_main(done=done)
    interp.exec(
        dedent("""
        import threading, time
        def work():
            time.sleep(0.05)
            done.put("done")
        threading.Thread(target=work).start()
    """)
    )
    interp.close()
    assert done.qsize() == 1


def test_daemon_threads_are_refused(module, interp):
    with pytest.raises(module.ExecutionFailed, match="daemon threads are disabled"):
        interp.exec(
            dedent("""
            import threading
            threading.Thread(target=print, daemon=True).start()
        """)
        )
    interp.exec("assert True")


# ---- is_shareable ------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 2**100, 1.5, "text", b"bytes", (), (1, (2,)), memoryview(b"")],
)
def test_shareable(module, value):
    assert module.is_shareable(value) is True


@pytest.mark.parametrize(
    "value",
    [[], {}, set(), frozenset(), 1j, bytearray(), object(), len, int, range(3), ...],
)
def test_not_shareable(module, value):
    assert module.is_shareable(value) is False


def test_queues_are_shareable(module):
    assert module.is_shareable(module.create_queue()) is True
