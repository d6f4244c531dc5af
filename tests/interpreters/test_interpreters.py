"""coterie.interpreters: what goes beyond concurrent.interpreters.

What both promise is in tests/contract/test_interpreter.py, what is like a thread
in test_threadlike.py.
"""

import functools
import gc
import operator
import signal
import sys
import threading
import time
import traceback

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import (
    ExecutionFailed,
    Interpreter,
    InterpreterError,
    InterpreterNotFoundError,
    NotShareableError,
)

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


@pytest.fixture(params=["own", "shared"])
def of_each_kind(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def ids():
    return [interp.id for interp in interpreters.list_all()]


def echo(*args, **kwargs):
    return (args, kwargs) if kwargs else args


class Stay:
    """A thread is inside, until the end of the block."""

    def __init__(self, interp):
        self.entered, self.release = coterie.Queue(), coterie.Queue()
        self.thread = interp.call_in_thread(stay, self.entered, self.release)

    def __enter__(self):
        self.entered.get()
        return self

    def __exit__(self, *exc_info):
        self.release.put(None)
        self.thread.join()


def stay(entered, release):
    entered.put(None)
    return release.get()


# ---- making ------------------------------------------------------------------


def test_errors_are_those_of_coterie():
    assert interpreters.NotShareableError is coterie.NotShareableError
    for error in (InterpreterError, ExecutionFailed):
        assert issubclass(error, coterie.CoterieError)
        assert error.__module__ == "coterie.interpreters"


def test_each_kind(of_each_kind):
    assert of_each_kind.whence == "coterie"
    assert of_each_kind.call(pow, 2, 5) == 32
    of_each_kind.exec("import json, threading, datetime; x = 5")
    assert of_each_kind.get_main_attr("x") == 5


@pytest.mark.parametrize("gil", ["", "none", None, 1])
def test_an_unknown_kind(gil):
    with pytest.raises(ValueError, match="gil must be 'own' or 'shared'"):
        interpreters.create(gil=gil)


def test_create_takes_keywords_only():
    with pytest.raises(TypeError):
        interpreters.create("own")


@pytest.mark.parametrize("gil", ["own", "shared"])
def test_without_the_import_check(run_script, gil):
    # What is imported so has its state in the process: one of its own.
    ended = run_script(
        """
        import sys
        from coterie import interpreters
        with interpreters.create(gil=sys.argv[1]) as interp:
            try:
                interp.exec("import _suggestions")
            except interpreters.ExecutionFailed as error:
                print(error.excinfo.type.__name__)
        with interpreters.create(gil=sys.argv[1], import_check=False) as interp:
            interp.exec("import _suggestions")
            print("imported")
        """,
        gil,
    )
    assert (ended.rc, ended.lines) == (0, ["ImportError", "imported"]), ended.stderr


def test_whence_of_others():
    with coterie.Executor(1) as pool:
        id = pool.submit(lambda: interpreters.get_current().id).result()
        worker = Interpreter(id)
        assert worker.whence != "coterie"
        assert worker in interpreters.list_all()
        for attempt in (
            worker.close,
            lambda: worker.close(interrupt=True),
            worker.interrupt,
            worker.capture_output,
            lambda: worker.exec("x = 1"),
            lambda: worker.call(abs, -1),
            lambda: worker.prepare_main(x=1),
            lambda: worker.get_main_attr("x"),
        ):
            with pytest.raises(InterpreterError, match=f"unrecognized .* {id}$"):
                attempt()
    with pytest.raises(InterpreterNotFoundError):
        Interpreter(id)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="there is none")
def test_beside_the_standard_librarys():
    import concurrent.interpreters as theirs

    made = theirs.create()
    ours = Interpreter(made.id)
    assert ours.whence == made.whence
    assert ours.is_running() is False
    assert ours in interpreters.list_all()
    with pytest.raises(InterpreterError, match="unrecognized"):
        ours.exec("x = 1")
    with interpreters.create() as interp:
        seen = theirs.Interpreter(interp.id)
        assert seen in theirs.list_all()
        with pytest.raises(theirs.InterpreterError):
            seen.close()
        del seen
        assert interp.call(abs, -1) == 1
    made.close()
    with pytest.raises(InterpreterNotFoundError):
        ours.is_running()


def test_a_subclass():
    class Named(Interpreter):
        pass

    with Named() as interp:
        assert type(interp) is Named
        assert Interpreter(interp.id) is interp
        assert repr(interp) == f"Named({interp.id})"


# ---- exec --------------------------------------------------------------------


def test_exec_dedents(interp):
    interp.exec(
        """
        if True:
            z = 1

        assert z == 1
        """
    )
    interp.exec("    w = 2\n    assert w == 2")


def test_exec_of_a_function(interp):
    def script():
        global made
        made = 5

    interp.exec(script)
    assert interp.get_main_attr("made") == 5


def test_tracebacks_show_the_source(interp):
    interp.exec("def first():\n    second(0)  # the call")
    interp.exec("def second(x):\n    return 1 / x  # the division")
    with pytest.raises(ExecutionFailed) as caught:
        interp.exec("x = 1\nfirst()  # the script")
    display = caught.value.excinfo.errdisplay
    for line in ("first()  # the script", "second(0)  # the call", "# the division"):
        assert line in display
    assert "coterie" not in display
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_its_own_tracebacks_show_the_source(interp):
    interp.exec(
        """
        import traceback
        try:
            [][1]  # out of range
        except IndexError:
            text = traceback.format_exc()
        """
    )
    assert "[][1]  # out of range" in interp.get_main_attr("text")


def test_a_syntax_error_shows_the_line(interp):
    with pytest.raises(SyntaxError) as caught:
        interp.exec("x = 1\nx = = 2")
    assert caught.value.lineno == 2
    assert caught.value.text.strip() == "x = = 2"
    assert "x = = 2" in "".join(traceback.format_exception(caught.value))


def test_a_bytearray_is_source(interp):
    interp.exec(bytearray(b"x = 8"))
    assert interp.get_main_attr("x") == 8


def test_future_statements_of_the_caller_are_not_passed_on(interp):
    interp.exec("def f(x: 1 + 1): pass\nfound = f.__annotations__['x']")
    assert interp.get_main_attr("found") == 2


# ---- call --------------------------------------------------------------------


def make_closure(n):
    def add(x, /, y=1, *, z=100):
        return n + x + y + z

    return add


class Adder:
    def __init__(self, n):
        self.n = n

    def add(self, x):
        return self.n + x

    def __call__(self, x):
        return self.n * x

    @classmethod
    def make(cls, n):
        return cls(n).n

    @staticmethod
    def static(x):
        return -x

    def __eq__(self, other):
        return self.n == other.n

    __hash__ = None


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "result"),
    [
        (len, ("four",), {}, 4),
        (operator.itemgetter(1), ((1, 2),), {}, 2),
        ("a-b".split, ("-",), {}, ["a", "b"]),
        (functools.partial(pow, 2), (5,), {}, 32),
        (lambda x=[1, 2]: x, (), {}, [1, 2]),
        (make_closure(1000), (1,), {"z": 7}, 1009),
        (Adder, (5,), {}, Adder(5)),
        (Adder(5).add, (1,), {}, 6),
        (Adder(5), (3,), {}, 15),
        (Adder.make, (3,), {}, 3),
        (Adder.static, (3,), {}, -3),
        (echo, (1, "a"), {"callable": 2, "self": 3, "timeout": 4},
         ((1, "a"), {"callable": 2, "self": 3, "timeout": 4})),
        (echo, tuple(range(300)), {}, tuple(range(300))),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)  # fmt: skip
def test_kinds_of_functions(of_each_kind, function, args, kwargs, result):
    assert of_each_kind.call(function, *args, **kwargs) == result
    assert of_each_kind.call(function, *args, **kwargs) == result
    thread = of_each_kind.call_in_thread(function, *args, **kwargs)
    assert thread.result() == result
    assert of_each_kind.run(function, *args, **kwargs) == result


def test_the_exception_is_the_cause(interp):
    class Own(Exception):
        pass

    def fail():
        raise Own("a", 5)

    with pytest.raises(ExecutionFailed) as caught:
        interp.call(fail)
    cause = caught.value.__cause__
    assert type(cause) is Own
    assert cause.args == ("a", 5)
    with pytest.raises(Own) as caught:
        interp.run(fail)
    assert isinstance(caught.value.__cause__, ExecutionFailed)
    assert 'raise Own("a", 5)' in str(caught.value.__cause__)


def test_an_exception_that_cannot_be_sent(interp):
    def fail():
        import threading

        raise ValueError(threading.Lock())

    with pytest.raises(ExecutionFailed, match="ValueError: <unlocked") as caught:
        interp.call(fail)
    assert isinstance(caught.value.__cause__, coterie.RemoteError)
    assert caught.value.excinfo.type.__name__ == "ValueError"


def test_an_exception_without_a_text(interp):
    with pytest.raises(ExecutionFailed) as caught:
        interp.exec(
            """
            class Mute(Exception):
                def __str__(self):
                    1 / 0
            raise Mute
            """
        )
    assert caught.value.excinfo.type.__name__ == "Mute"
    assert "ZeroDivisionError" in caught.value.excinfo.msg


class NeverLoads:
    def __reduce__(self):
        return int, ("no number",)


def test_what_cannot_be_received(interp):
    with pytest.raises(ExecutionFailed, match="no number"):
        interp.call(echo, NeverLoads())
    with pytest.raises(ValueError, match="no number"):
        interp.call(NeverLoads)  # the result: here
    assert interp.call(abs, -1) == 1


def test_recursion_without_end(of_each_kind):
    def recurse():
        return recurse()

    def nest():
        value = []
        for _ in range(10**5):
            value = [value]
        return value

    for _ in range(3):
        with pytest.raises(ExecutionFailed) as caught:
            of_each_kind.call(recurse)
        assert isinstance(caught.value.__cause__, RecursionError)
        with pytest.raises(NotShareableError):
            of_each_kind.call(nest)
        thread = of_each_kind.call_in_thread(recurse)
        assert isinstance(thread.exception().__cause__, RecursionError)
        assert of_each_kind.call(abs, -1) == 1


def test_a_call_on_the_callers_thread(of_each_kind):
    assert of_each_kind.call(threading.get_ident) == threading.get_ident()
    assert of_each_kind.call(threading.get_native_id) == threading.get_native_id()


def test_what_a_thread_has_for_itself_stays(of_each_kind, in_threads):
    of_each_kind.exec("import threading; local = threading.local()")
    turn = threading.Lock()

    def call(function, *args):
        with turn:
            return of_each_kind.call(function, *args)

    def work(number):
        import time

        call(exec, f"import __main__; __main__.local.number = {number}")
        time.sleep(0.01)
        return call(eval, "__import__('__main__').local.number")

    assert in_threads(work, [(n,) for n in range(6)]) == list(range(6))


def test_callbacks_of_c_find_their_way(of_each_kind):
    def sort():
        import ctypes

        pointer = ctypes.POINTER(ctypes.c_int)
        compare = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)
        array = (ctypes.c_int * 4)(3, 1, 4, 2)
        ctypes.CDLL(None).qsort(array, 4, 4, compare(lambda a, b: a[0] - b[0]))
        return list(array)

    for _ in range(3):
        assert sort() == of_each_kind.call(sort) == [1, 2, 3, 4]
        assert of_each_kind.call_in_thread(sort).result() == [1, 2, 3, 4]


def test_asyncio_inside(interp):
    def work():
        import asyncio

        async def main():
            await asyncio.sleep(0)
            return 5

        return asyncio.run(main())

    assert interp.call(work) == 5


# ---- call_in_thread ----------------------------------------------------------


def test_the_thread_has_the_result(interp):
    thread = interp.call_in_thread(pow, 2, 5)
    assert thread.result() == 32
    assert thread.result(0) == 32
    assert thread.exception() is None
    assert thread.future.done()


def test_the_thread_has_the_exception(interp, monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    thread = interp.call_in_thread(int, "no")
    with pytest.raises(ExecutionFailed):
        thread.result()
    assert isinstance(thread.exception().__cause__, ValueError)
    thread.join()
    del thread
    gc.collect()
    assert shown == []  # somebody has seen it


def test_a_result_can_be_waited_for_in_vain(interp):
    with Stay(interp) as inside:
        with pytest.raises(TimeoutError):
            inside.thread.result(0.01)
        with pytest.raises(TimeoutError):
            inside.thread.exception(timeout=0)
        assert not inside.thread.future.done()
    assert inside.thread.result() is None


def test_system_exit_in_a_thread(interp):
    thread = interp.call_in_thread(sys.exit, 5)
    assert isinstance(thread.exception().__cause__, SystemExit)


# ---- names in __main__ -------------------------------------------------------


def test_prepare_main_with_anything(interp):
    queue = coterie.Queue()
    interp.prepare_main({"f": make_closure(1)}, adder=Adder(3), queue=queue, me=interp)
    interp.exec("queue.put((f(1), adder.add(4), me.id))")
    assert queue.get() == (103, 7, interp.id)


def test_prepare_main_without_names(interp):
    interp.prepare_main()
    interp.prepare_main({})


def test_prepare_main_names_the_culprit(interp):
    with pytest.raises(NotShareableError, match="the value of 'bad'"):
        interp.prepare_main(good=1, bad=threading.Lock())
    with pytest.raises(ExecutionFailed, match="no number"):
        interp.prepare_main(good=1, bad=NeverLoads())
    with pytest.raises(AttributeError):
        interp.get_main_attr("good")


def test_get_main_attr(interp):
    interp.exec("x = [1, {2: 'three'}]; import threading; lock = threading.Lock()")
    assert interp.get_main_attr("x") == [1, {2: "three"}]
    assert interp.get_main_attr("__name__") == "__main__"
    with pytest.raises(AttributeError, match="nothing"):
        interp.get_main_attr("nothing")
    with pytest.raises(NotShareableError):
        interp.get_main_attr("lock")
    with pytest.raises(TypeError, match="name must be str, not int"):
        interp.get_main_attr(1)


def test_a_getter_that_fails(interp):
    interp.exec("def __getattr__(name):\n    raise ValueError(name)")
    with pytest.raises(ExecutionFailed, match="ValueError: some"):
        interp.get_main_attr("some")


# ---- interpreters inside interpreters ----------------------------------------


def test_one_inside_another(of_each_kind, interp):
    def outer(inner):
        def inmost():
            return interpreters.get_current().id

        return inner.call(inmost), interpreters.get_current().id

    assert of_each_kind.call(outer, interp) == (interp.id, of_each_kind.id)


def test_deeper(of_each_kind):
    def go_down(depth):
        if depth == 0:
            return [interpreters.get_current().id]
        with interpreters.create() as inner:
            return [interpreters.get_current().id, *inner.call(go_down, depth - 1)]

    before = ids()
    found = of_each_kind.call(go_down, 4)
    assert len(found) == len(set(found))
    assert len(found) == 5
    assert ids() == before


def test_no_way_back_in(interp):
    def outer(own):
        for attempt in (own.call, own.run):
            try:
                attempt(abs, -1)
            except InterpreterError as error:
                assert str(error) == "interpreter already running"
        with interpreters.create() as inner:
            try:
                inner.call(own.call, abs, -1)
            except ExecutionFailed as error:
                return error.excinfo.msg

    assert interp.call(outer, interp) == "interpreter already running"


def test_those_made_inside_end_with_it(interp):
    before = ids()
    inner = interpreters.create()
    inner.exec("from coterie import interpreters; made = interpreters.create()")
    inner.exec("made.exec('import json, threading')")
    assert len(ids()) == len(before) + 2
    inner.close()
    assert ids() == before


def test_sent_back_and_forth(interp):
    other = interpreters.create()
    assert interp.call(echo, other, [interp]) == (other, [interp])
    assert interp.call(echo, other)[0] is other
    assert interp.call(lambda main: main.id, interpreters.get_main()) == 0
    interp.prepare_main(other=other)
    interp.exec("assert other.call(abs, -7) == 7")
    interp.exec("other.close()")
    with pytest.raises(InterpreterNotFoundError):
        other.call(abs, -1)


def test_the_last_reference_in_a_queue():
    queue = coterie.Queue()
    interp = interpreters.create()
    id = interp.id
    queue.put(interp)
    del interp
    gc.collect()
    assert id in ids()
    interp = queue.get()
    assert interp.id == id
    assert interp.call(abs, -1) == 1
    queue.put([interp])
    del interp, queue  # on this thread nobody can end it
    gc.collect()
    wait_until_gone(id)


def wait_until_gone(id):
    deadline = time.monotonic() + 20
    while id in ids():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_that_was_closed_while_under_way():
    queue = coterie.Queue()
    interp = interpreters.create()
    queue.put(interp)
    interp.close()
    with pytest.raises(InterpreterNotFoundError):
        queue.get()


def test_one_that_has_its_own_last_object():
    interp = interpreters.create()
    id = interp.id
    go = coterie.Queue()
    interp.prepare_main(me=interp, go=go)
    interp.exec(
        """
        import threading
        def let_go():
            global me
            go.get()
            del me
        threading.Thread(target=let_go).start()
        """
    )
    del interp
    gc.collect()
    assert id in ids()
    go.put(None)
    wait_until_gone(id)


def test_the_last_object_goes_when_it_cannot_be_ended(run_script):
    ended = run_script(
        """
        import sys
        from coterie import interpreters
        interp = interpreters.create()
        interp.exec("import sys, threading; sys.modules['threading'] = None")
        sys.unraisablehook = lambda args: print(args.err_msg, args.exc_type.__name__)
        del interp
        """
    )
    assert ended.rc == 0, ended.stderr
    assert ended.lines[0].endswith("InterpreterError")


def fail_in_call(interp):
    with pytest.raises(ExecutionFailed):
        interp.call(int, "no")
    with pytest.raises(ValueError):
        interp.run(int, "no")


def fail_in_exec(interp):
    with pytest.raises(ExecutionFailed):
        interp.exec("1 / 0")


def fail_in_thread(interp):
    thread = interp.call_in_thread(int, "no")
    thread.join()
    assert thread.exception()


def fail_like_a_thread(interp):
    interp.run_in_thread(int, "no")
    interp.join()
    assert isinstance(interp.exception(), ValueError)


def fail_to_wait(interp):
    release = coterie.Queue()
    interp.run_in_thread(stay, coterie.Queue(), release)
    with pytest.raises(TimeoutError):
        interp.result(0)
    release.put(None)
    interp.join()


@pytest.mark.parametrize(
    "use",
    [fail_in_call, fail_in_exec, fail_in_thread, fail_like_a_thread, fail_to_wait],
)
def test_no_cycle_keeps_it(use):
    gc.collect()
    gc.disable()
    try:
        interp = interpreters.create()
        id = interp.id
        use(interp)
        del interp
        wait_until_gone(id)
    finally:
        gc.enable()


# ---- close -------------------------------------------------------------------


def test_the_block_closes():
    with interpreters.create() as interp:
        assert interp in interpreters.list_all()
    assert interp.id not in ids()
    with interpreters.create() as interp:
        interp.close()


def test_an_exception_leaves_the_block_and_stops_what_runs():
    with pytest.raises(ZeroDivisionError):
        with interpreters.create() as interp:
            entered = coterie.Queue()
            thread = interp.call_in_thread(stay, entered, coterie.Queue())
            entered.get()
            1 / 0  # noqa: B018
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert interp.id not in ids()


def test_a_block_that_ends_while_it_runs():
    entered, release = coterie.Queue(), coterie.Queue()
    with pytest.raises(InterpreterError, match="interpreter running"):
        with interpreters.create() as interp:
            thread = interp.call_in_thread(stay, entered, release)
            entered.get()
    release.put("done")
    assert thread.result() == "done"
    interp.close()


def test_close_waits_for_what_runs():
    interp = interpreters.create()
    entered, release = coterie.Queue(), coterie.Queue()
    thread = interp.call_in_thread(stay, entered, release)
    entered.get()
    with pytest.raises(InterpreterError, match="interpreter running"):
        interp.close()
    with pytest.raises(InterpreterError, match="interpreter running"):
        interp.close(timeout=0.01)
    threading.Timer(0.02, release.put, [5]).start()
    interp.close(timeout=50)
    assert thread.result() == 5
    assert interp.id not in ids()


@pytest.mark.parametrize("gil", ["own", "shared"])
def test_close_interrupts_what_runs(gil):
    interp = interpreters.create(gil=gil)
    entered = coterie.Queue()

    def spin(entered):
        entered.put(None)
        while True:
            pass

    thread = interp.call_in_thread(spin, entered)
    entered.get()
    interp.close(interrupt=True)
    assert isinstance(thread.exception().__cause__, KeyboardInterrupt)
    assert interp.id not in ids()


def test_close_interrupts_again():
    def catch_some(entered):
        entered.put(None)
        caught = 0
        while caught < 2:
            try:
                while True:
                    pass
            except KeyboardInterrupt:
                caught += 1
        return caught

    interp = interpreters.create()
    entered = coterie.Queue()
    thread = interp.call_in_thread(catch_some, entered)
    entered.get()
    interp.close(interrupt=True, timeout=50)
    assert thread.result() == 2


def test_close_interrupts_in_vain():
    def catch_all(entered, stop):
        entered.put(None)
        while True:
            try:
                return stop.get()
            except KeyboardInterrupt:
                pass

    interp = interpreters.create()
    entered, stop = coterie.Queue(), coterie.Queue()
    thread = interp.call_in_thread(catch_all, entered, stop)
    entered.get()
    with pytest.raises(InterpreterError, match="interpreter running"):
        interp.close(interrupt=True, timeout=0.05)
    stop.put("stopped")
    assert thread.result() == "stopped"
    interp.close()


def test_close_interrupts_threads_inside():
    interp = interpreters.create()
    interp.exec(
        """
        import threading
        def spin():
            try:
                while True:
                    pass
            except KeyboardInterrupt:
                pass
        for _ in range(2):
            threading.Thread(target=spin).start()
        """
    )
    with pytest.raises(InterpreterError, match="threads of the interpreter"):
        interp.close(timeout=0.01)
    assert interp.call(abs, -1) == 1
    interp.close(interrupt=True)
    assert interp.id not in ids()


def test_close_from_within():
    def close(interp, **options):
        try:
            interp.close(**options)
        except InterpreterError as error:
            sum(range(10**5))  # an interrupt would come here
            for _ in range(10**4):
                pass
            return str(error)

    def close_from_another(interp, close, **options):
        with interpreters.create() as inner:
            return inner.call(close, interp, **options)

    with interpreters.create() as interp:
        for options in ({}, {"interrupt": True}, {"interrupt": True, "timeout": 1}):
            assert interp.call(close, interp, **options) == (
                "cannot destroy the current interpreter"
            )
            assert (
                interp.call(close_from_another, interp, close, **options)
                == "interpreter running"
            )


def test_close_right_after_an_interrupt():
    def interrupt_itself(own):
        own.interrupt()

    # The visitor waits for a GIL that its caller has.
    for gil in ("own", "shared"):
        interp = interpreters.create(gil=gil)
        try:
            interp.call(interrupt_itself, interp)
        except ExecutionFailed as error:
            assert isinstance(error.__cause__, KeyboardInterrupt)
        interp.close()


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.001])
def test_wrong_timeouts(interp, timeout):
    with pytest.raises(ValueError, match="timeout"):
        interp.close(timeout=timeout)
    with pytest.raises(TypeError):
        interp.close(timeout="1")
    with pytest.raises(TypeError):
        interp.close(True)
    assert interp.call(abs, -1) == 1


def test_one_of_many_closes_it(in_threads):
    for _ in range(5):
        interp = interpreters.create()

        def close(interp):
            try:
                interp.close()
            except InterpreterNotFoundError:
                return False
            return True

        assert sorted(in_threads(close, [(interp,)] * 4)) == [False] * 3 + [True]


def test_closing_meets_calls(in_threads):
    def call_until_closed(interp):
        calls = 0
        try:
            while True:
                try:
                    assert interp.call(abs, -calls) == calls
                    calls += 1
                except InterpreterNotFoundError:
                    raise
                except InterpreterError as error:
                    assert str(error) == "interpreter already running"
        except InterpreterNotFoundError:
            return calls

    def close(interp):
        while True:
            try:
                interp.close()
                return
            except InterpreterError as error:
                assert str(error) == "interpreter running"

    def either(function, *args):
        return function(*args)

    for _ in range(5):
        interp = interpreters.create()
        in_threads(
            either,
            [(call_until_closed, interp), (call_until_closed, interp), (close, interp)],
        )
        assert interp.id not in ids()


# ---- listing meets making and closing ----------------------------------------


def test_one_object_whoever_sees_it_first():
    stop = threading.Event()
    seen = {}

    def list_all():
        while not stop.is_set():
            for interp in interpreters.list_all():
                seen.setdefault(interp.id, interp)

    thread = threading.Thread(target=list_all)
    thread.start()
    try:
        for _ in range(15):
            interp = interpreters.create()
            assert seen.get(interp.id, interp) is interp
            assert interp.whence == "coterie"
            assert interp.call(abs, -1) == 1
            interp.close()
    finally:
        stop.set()
        thread.join()


def test_listing_in_other_interpreters_meanwhile(in_threads):
    stop = coterie.Queue()

    def list_until(stop):
        while not stop.qsize():
            for interp in interpreters.list_all():
                try:
                    interp.is_running()
                except InterpreterNotFoundError:
                    pass

    with coterie.Executor(2) as pool:
        listings = [pool.submit(list_until, stop) for _ in range(2)]

        def make_and_close():
            for n in range(10):
                interp = interpreters.create()
                assert interp.call(abs, -n) == n
                if n % 2:
                    interp.close()
                else:
                    del interp

        in_threads(make_and_close, [()] * 2)
        stop.put(None)
        for listing in listings:
            listing.result()


def test_a_signal_handler_may_list(interp):
    # In the middle of whatever the interrupted code does with the objects.
    calls = 0

    def handler(number, frame):
        nonlocal calls
        calls += 1
        assert interp in interpreters.list_all()

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        while calls < 200:
            assert Interpreter(interp.id) is interp
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


# ---- the same for each peer --------------------------------------------------


@pytest.mark.parametrize("gil", ["own", "shared"])
def test_peers_use_it(peer, gil):
    def use(interp):
        interp.exec("x = 1")
        interp.prepare_main(y=[2])
        result = interp.call(lambda a, *, b: a + b, 1, b=2)
        try:
            interp.exec("raise ValueError('there')")
        except ExecutionFailed as error:
            message = error.excinfo.formatted
        return (
            interp.get_main_attr("x"),
            interp.get_main_attr("y"),
            result,
            message,
            interp.is_running(),
            interp.interrupt(),
            interp.whence,
            interp in interpreters.list_all(),
            Interpreter(interp.id) is interp,
        )

    with interpreters.create(gil=gil) as interp:
        expected = (1, [2], 3, "ValueError: there", False, False, "coterie", True, True)
        assert peer(use, interp) == expected
        assert use(interp) == expected


def test_peers_make_it(peer):
    id = peer(lambda: interpreters.create().id)
    wait_until_gone(id)  # its only object went there


def test_peers_close_it(peer):
    interp = interpreters.create()
    interp.exec("import threading, json")
    peer(interp.close)
    assert interp.id not in ids()
    with pytest.raises(InterpreterNotFoundError):
        interp.close()


def test_peers_interrupt_it(peer):
    def spin(entered):
        entered.put(None)
        while True:
            pass

    with interpreters.create() as interp:
        entered = coterie.Queue()
        thread = interp.call_in_thread(spin, entered)
        entered.get()
        assert peer(interp.interrupt) is True
        assert isinstance(thread.exception().__cause__, KeyboardInterrupt)


def test_peers_wait_for_its_end(peer):
    interp = interpreters.create()
    with Stay(interp):
        message = "interpreter running"
        with pytest.raises(InterpreterError, match=message):
            peer(lambda: interp.close(timeout=0.01))
    peer(lambda: interp.close(timeout=50))


def test_a_failure_can_be_sent():
    def fail_inside():
        with interpreters.create() as inner:
            inner.call(divmod, 1, 0)

    with interpreters.create() as interp:
        with pytest.raises(ExecutionFailed) as caught:
            interp.call(fail_inside)
    sent = caught.value.__cause__
    assert isinstance(sent, ExecutionFailed)
    assert sent.excinfo.type.__name__ == "ZeroDivisionError"
    assert "Uncaught in the interpreter" in str(sent)
