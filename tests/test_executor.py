"""coterie.Executor: any function, any value, any end of a call."""

import asyncio
import concurrent.futures
import functools
import operator
import os
import sys
import threading
import warnings
from concurrent.futures.thread import BrokenThreadPool
from dataclasses import dataclass
from pathlib import Path

import pytest

import coterie
from coterie.interpreters import ExecutionFailed

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


# ---- every kind of function --------------------------------------------------

OFFSET = 100


def add_offset(x):
    return x + OFFSET


def call_the_other(x):
    return add_offset(x) + 1


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def twice(function):
    @functools.wraps(function)
    def wrapper(*args):
        return [function(*args), function(*args)]

    return wrapper


@twice
def decorated(x):
    return x + 1


@functools.lru_cache
def cached(x):
    return x + 1


def closure(offset):
    return lambda x: x + offset


def recursive_closure():
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    return factorial


class Counter:
    step = 2

    def __init__(self, start=0):
        self.start = start

    def __eq__(self, other):
        return type(self) is type(other) and self.start == other.start

    __hash__ = None

    def up(self, by):
        return self.start + by * self.step

    def __call__(self, by):
        return self.up(by)

    @staticmethod
    def static(x):
        return x, Counter.step

    @classmethod
    def make(cls, start):
        return cls(start)


def made_by_exec():
    names = {}
    exec("base = 5\ndef inner(x): return x + base\ndef f(x): return inner(x)", names)
    return names["f"]


KINDS = {
    "module-level": (add_offset, 1, 101),
    "calls-another": (call_the_other, 1, 102),
    "mutually-recursive": (even, 10, True),
    "lambda": (lambda x: x * OFFSET, 2, 200),
    "closure": (closure(5), 1, 6),
    "recursive-closure": (recursive_closure(), 10, 3628800),
    "default": (lambda x, y=[3]: [x, *y], 1, [1, 3]),
    "decorated": (decorated, 1, [2, 2]),
    "lru_cache": (cached, 1, 2),
    "builtin": (len, [1, 2], 2),
    "method-of-builtin": ("a,b".split, ",", ["a", "b"]),
    "unbound-method-of-builtin": (str.upper, "a", "A"),
    "operator": (operator.itemgetter(1), [1, 2], 2),
    "partial": (functools.partial(max, 5), 3, 5),
    "partial-of-lambda": (functools.partial(lambda a, b: a - b, 5), 3, 2),
    "class-builtin": (int, "12", 12),
    "class": (Counter, 3, Counter(3)),
    "bound-method": (Counter(1).up, 2, 5),
    "class-method": (Counter.make, 2, Counter(2)),
    "static-method": (Counter.static, 2, (2, 2)),
    "instance": (Counter(1), 2, 5),
    "exec-made": (made_by_exec(), 1, 6),
}


@pytest.mark.parametrize(("function", "arg", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_of_function(pool, function, arg, expected):
    # Twice: the second time a function may be remembered.
    for _ in range(2):
        assert pool.submit(function, arg).result() == expected


@pytest.mark.parametrize(("function", "arg", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_of_function_in_map(pool, function, arg, expected):
    assert list(pool.map(function, [arg] * 5, chunksize=2)) == [expected] * 5


def test_a_class_of_the_caller_comes_back_as_itself(pool):
    assert type(pool.submit(Counter, 3).result()) is Counter
    assert pool.submit(lambda: Counter).result() is Counter
    assert type(pool.submit(lambda x: x, Counter(2)).result()) is Counter
    assert pool.submit(lambda x: isinstance(x, Counter), Counter(2)).result()


def test_functions_of_an_importable_module(pool, folder):
    folder(
        "importable_jobs",
        """
        calls = []
        def job(x):
            calls.append(x)
            return list(calls), __name__
        class Kept:
            def __init__(self, x): self.x = x
        """,
    )
    import importable_jobs

    with coterie.Executor(1) as pool:
        assert pool.submit(importable_jobs.job, 1).result() == ([1], "importable_jobs")
        assert pool.submit(importable_jobs.job, 2).result()[0] == [1, 2]
        kept = pool.submit(importable_jobs.Kept, 5).result()
    assert importable_jobs.calls == []
    assert type(kept) is importable_jobs.Kept


def test_a_module_that_only_this_interpreter_has(pool):
    import types

    module = types.ModuleType("made_by_hand")
    exec("k = 3\ndef f(x): return g(x) + k\ndef g(x): return x * 10", module.__dict__)
    sys.modules["made_by_hand"] = module
    try:
        assert pool.submit(module.f, 2).result() == 23
    finally:
        del sys.modules["made_by_hand"]


def test_functions_of_main_without_a_guard(run_script):
    ended = run_script("""
        print("runs once")
        import coterie
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: int
            def moved(self, by): return Point(self.x + by)

        class Trouble(Exception):
            pass

        base = 5
        def helper(x): return x + base
        def work(x): return helper(x)
        def fail(): raise Trouble("here", 3)

        with coterie.Executor(2) as pool:
            print(pool.submit(work, 1).result())
            print(pool.submit(lambda p: p.moved(3), Point(1)).result() == Point(4))
            print(type(pool.submit(Point, 7).result()) is Point)
            try:
                pool.submit(fail).result()
            except Trouble as error:
                print(repr(error))
        print(list(coterie.map(work, range(3))))
    """)
    assert ended.stderr == ""
    assert ended.lines == [
        "runs once", "6", "True", "True", "Trouble('here', 3)", "[5, 6, 7]",
    ]  # fmt: skip


def test_functions_of_the_interactive_prompt(run_script):
    import subprocess

    session = """
import coterie
def f(x):
    return g(x) + 1

def g(x):
    return x * 10

pool = coterie.Executor(2)
pool.submit(f, 1).result()
def g(x):
    return x * 100

pool.submit(f, 1).result()
pool.submit(lambda: f(2)).result()
pool.shutdown()
"""
    ended = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=session,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONSTARTUP": ""},
    )
    assert ended.stdout.split() == ["11", "101", "201"]
    assert "Error" not in ended.stderr


def test_functions_of_standard_input_and_command_line():
    import subprocess

    source = (
        "import coterie\n"
        "def f(x): return x + 1\n"
        "with coterie.Executor(1) as pool: print(pool.submit(f, 1).result())\n"
    )
    for command, stdin in [(["-"], source), (["-c", source], "")]:
        ended = subprocess.run(
            [sys.executable, *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2\n", "")


def generate():
    yield 1


async def wait():
    await asyncio.sleep(0)


def test_a_generator_is_a_clear_error(pool):
    with pytest.raises(coterie.NotShareableError, match="result not shareable.*gener"):
        pool.submit(generate).result()


def test_a_coroutine_is_a_clear_error():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the worker's, that nobody awaited it
        with coterie.Executor(1) as pool:
            error = pool.submit(wait).exception()
    assert type(error) is coterie.NotShareableError
    assert "result not shareable" in str(error)
    assert "coroutine" in str(error)


def test_what_cannot_be_called(pool):
    with pytest.raises(TypeError, match="not callable"):
        pool.submit(5).result()
    with pytest.raises(TypeError, match="fn"):
        pool.submit()


def test_builtins_that_look_for_the_frame_of_their_caller():
    with coterie.Executor(1, initializer=exec, initargs=("x = 1",)) as pool:
        assert pool.submit(eval, "x").result() == 1
        assert pool.submit(exec, "x += 1").result() is None
        for look in globals, locals, vars:
            assert pool.submit(look).result()["x"] == 2
        assert "x" in pool.submit(dir).result()
        assert list(pool.map(eval, ["x", "__name__"], chunksize=2)) == [2, "__main__"]
        # These have what they look for.
        assert pool.submit(eval, "x + y", {"x": 3}, {"y": 4}).result() == 7
        assert pool.submit(dir, 5).result() == dir(5)
        assert isinstance(pool.submit(globals, 5).exception(), TypeError)


# ---- arguments and results ---------------------------------------------------


def signature(a, b=2, /, c=3, *rest, d, e=5, **more):
    return a, b, c, rest, d, e, more


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {"d": 4}),
        ((1, 2, 3, 4, 5), {"d": 4, "e": 6}),
        ((1,), {"d": [1], "x": 1, "y": {"z": 2}}),
        (([1], (2,)), {"c": None, "d": ...}),
        ((1,), {"d": 1, "fn": 2, "self": 3, "a": 4}),
    ],
)
def test_arguments_of_every_kind(pool, args, kwargs):
    expected = signature(*args, **kwargs)
    assert pool.submit(signature, *args, **kwargs).result() == expected


def test_wrong_arguments_are_the_calls_error(pool):
    with pytest.raises(TypeError, match="signature"):
        pool.submit(signature).result()


def test_defaults_travel_and_stay_fresh(pool):
    def f(x, y=[], *, z=1):  # noqa: B006
        y.append(x)
        return y, z

    assert pool.submit(f, 1).result() == ([1], 1)
    f.__kwdefaults__ = {"z": 2}
    assert pool.submit(f, 1).result()[1] == 2


def test_arguments_are_copies(pool):
    given = [1]
    assert pool.submit(lambda x: x.append(2) or x, given).result() == [1, 2]
    assert given == [1]


def test_shared_and_circular_arguments(pool):
    def check(a, b):
        return a[0] is b, b["a"] is a

    a = []
    b = {"a": a}
    a.append(b)
    assert pool.submit(check, a, b).result() == (True, True)


@pytest.mark.parametrize(
    "value",
    [
        bytes(30_000_000),
        "ü" * 10_000_000,
        list(range(500_000)),
        {str(n): n for n in range(100_000)},
        10**20000,
    ],
    ids=["bytes", "text", "list", "dict", "int"],
)
def test_large_values(pool, value):
    assert pool.submit(lambda x: x, value).result() == value


@dataclass
class Node:
    value: int
    left: "Node | None" = None
    right: "Node | None" = None


def test_instances_of_the_callers_classes_inside_containers(pool):
    def grow(trees):
        return {name: Node(tree.value + 1, tree) for name, tree in trees.items()}

    tree = Node(1, Node(2), Node(3))
    assert pool.submit(grow, {"a": tree}).result() == {"a": Node(2, tree)}


def deep_list(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def depth_of(value):
    depth = 0
    while value:
        value = value[0]
        depth += 1
    return depth


def test_very_deep_values_are_sent_or_refused(pool):
    def outcome(function, *args):
        error = pool.submit(function, *args).exception()
        return None if error is None else type(error)

    fine = {None, coterie.NotShareableError, RecursionError}
    assert outcome(depth_of, deep_list(1_000_000)) in fine
    assert outcome(deep_list, 1_000_000) in fine
    assert pool.submit(depth_of, deep_list(50)).result() == 50


# ---- exceptions --------------------------------------------------------------


class Trouble(Exception):
    pass


class Picky(Exception):
    """Pickles, and cannot be unpickled: the most common mistake."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")


class Held(Exception):
    def __init__(self):
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


def raise_(error):
    raise error


def make_and_raise(make, *args):
    raise make(*args)


ERRORS = [
    ValueError("text", 3),
    KeyError("key"),
    StopIteration(5),
    OSError(2, "No such file", "name"),
    FileNotFoundError(2, "No such file", "name"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    SyntaxError("bad", ("file", 1, 2, "text", 1, 3)),
    ZeroDivisionError(),
    Trouble("mine", [1]),
    GeneratorExit(),
    BaseException("base"),
    asyncio.CancelledError("told"),
    concurrent.futures.CancelledError(),
    TimeoutError("slow"),
    coterie.NotShareableError("by hand"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_arrives_with_type_and_arguments(pool, error):
    future = pool.submit(raise_, error)
    with pytest.raises(type(error)) as caught:
        future.result()
    assert type(caught.value) is type(error)
    assert caught.value.args == error.args
    assert vars(caught.value) == vars(error)
    assert future.exception() is caught.value
    assert not future.cancelled()


def fail_deeply():
    def inner():
        raise Trouble("deep inside")

    inner()


def test_the_cause_tells_of_the_other_interpreter(pool):
    with pytest.raises(Trouble) as caught:
        pool.submit(fail_deeply).result()
    cause = caught.value.__cause__
    assert isinstance(cause, ExecutionFailed)
    assert isinstance(cause, coterie.CoterieError)
    excinfo = cause.excinfo
    assert excinfo.type.__name__ == "Trouble"
    assert excinfo.type.__qualname__ == "Trouble"
    assert excinfo.type.__module__ == Trouble.__module__
    assert excinfo.msg == "deep inside"
    assert excinfo.formatted == "Trouble: deep inside"
    assert "Traceback (most recent call last)" in excinfo.errdisplay
    assert "in fail_deeply" in excinfo.errdisplay
    assert "in inner" in excinfo.errdisplay
    assert Path(__file__).name in excinfo.errdisplay
    assert "in inner" in str(cause)


def test_chained_exceptions_are_told_in_the_text(pool):
    def chain():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise Trouble("second") from error

    with pytest.raises(Trouble) as caught:
        pool.submit(chain).result()
    text = str(caught.value.__cause__)
    assert "KeyError: 'first'" in text
    assert "direct cause" in text


def test_notes_arrive(pool):
    def fail():
        error = Trouble("with notes")
        error.add_note("a note")
        raise error

    with pytest.raises(Trouble) as caught:
        pool.submit(fail).result()
    assert caught.value.__notes__ == ["a note"]
    assert "a note" in str(caught.value.__cause__)


def test_exception_groups_arrive(pool):
    def fail():
        raise ExceptionGroup("several", [ValueError(1), Trouble("two")])

    with pytest.raises(ExceptionGroup) as caught:
        pool.submit(fail).result()
    assert [type(error) for error in caught.value.exceptions] == [ValueError, Trouble]
    assert caught.value.exceptions[1].args == ("two",)


@pytest.mark.parametrize(
    ("make", "args"),
    [(Held, ()), (Picky, (7, "picky"))],
    ids=["cannot-be-pickled", "cannot-be-unpickled"],
)
def test_an_exception_that_cannot_be_sent(pool, make, args):
    with pytest.raises(coterie.RemoteError) as caught:
        pool.submit(make_and_raise, make, *args).result()
    text = str(caught.value)
    assert make.__qualname__ in text
    assert str(make(*args)) in text
    assert "in make_and_raise" in text
    cause = caught.value.__cause__
    assert isinstance(cause, ExecutionFailed)
    assert cause.excinfo.type.__name__ == make.__name__
    assert isinstance(caught.value, RuntimeError)


def test_an_exception_whose_str_fails(pool):
    with pytest.raises(Mute) as caught:
        pool.submit(make_and_raise, Mute).result()
    assert "no words" in caught.value.__cause__.excinfo.msg


def test_the_worker_goes_on_after_exceptions():
    with coterie.Executor(1) as pool:
        for error in ERRORS:
            assert type(pool.submit(raise_, error).exception()) is type(error)
        assert pool.submit(len, "abc").result() == 3


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), SystemExit("text"), SystemExit(), KeyboardInterrupt("key")],
    ids=repr,
)
def test_leaving_is_a_result_and_not_the_end(pool, error):
    future = pool.submit(raise_, error)
    raised = future.exception()
    assert type(raised) is type(error)
    assert raised.args == error.args
    assert pool.submit(len, "abc").result() == 3


def test_sys_exit_in_a_task(pool):
    with pytest.raises(SystemExit) as caught:
        pool.submit(sys.exit, 5).result()
    assert caught.value.code == 5


def test_interrupted_raised_by_the_task_itself(pool):
    def fail():
        raise coterie.Interrupted("by hand")

    future = pool.submit(fail)
    with pytest.raises(coterie.Interrupted):
        future.result()
    assert not future.cancelled()


def dive(depth=0):
    return dive(depth + 1)


def dive_in_c():
    return repr(deep_list(1_000_000))


def test_deep_recursion_is_an_error_and_the_worker_goes_on():
    with coterie.Executor(1) as pool:
        for function in (dive, dive_in_c, dive):
            with pytest.raises(RecursionError):
                pool.submit(function).result()
        assert pool.submit(depth_of, deep_list(100)).result() == 100


# ---- what cannot be sent -----------------------------------------------------


def keep(*args, **kwargs):
    return len(args) + len(kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((threading.Lock(),), {}, "argument 1 of keep"),
        ((1, 2, [threading.Lock()]), {}, "argument 3 of keep"),
        ((1,), {"x": 1, "lock": threading.Lock()}, "argument 'lock' of keep"),
        ((generate(),), {}, "argument 1 of keep"),
        ((sys.stdout,), {}, "argument 1 of keep"),
    ],
    ids=["first", "inside-third", "by-name", "generator", "file"],
)
def test_an_argument_that_cannot_be_sent(pool, args, kwargs, named):
    future = pool.submit(keep, *args, **kwargs)
    assert future.done()
    with pytest.raises(coterie.NotShareableError) as caught:
        future.result()
    text = str(caught.value)
    assert text.startswith("args not shareable")
    assert named in text
    assert isinstance(caught.value.__cause__, Exception)
    assert str(caught.value.__cause__) in text
    assert isinstance(caught.value, TypeError)
    assert pool.submit(keep, 1, b=2).result() == 2


class Unreducible:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


def test_the_original_error_is_the_cause(pool):
    error = Trouble("will not be sent")
    caught = pool.submit(keep, Unreducible(error)).exception()
    assert type(caught) is coterie.NotShareableError
    assert caught.__cause__ is error
    assert "will not be sent" in str(caught)


def test_an_exception_that_is_no_error_leaves_submit(pool):
    with pytest.raises(KeyboardInterrupt):
        pool.submit(keep, Unreducible(KeyboardInterrupt()))
    assert pool.submit(keep).result() == 0


def test_an_argument_that_cannot_be_made_again(pool):
    class Explosive:
        def __reduce__(self):
            return operator.truediv, (1, 0)

    with pytest.raises(ZeroDivisionError):
        pool.submit(keep, Explosive()).result()
    assert pool.submit(keep, 1).result() == 1


def test_a_function_that_cannot_be_sent(pool):
    lock = threading.Lock()
    with pytest.raises(coterie.NotShareableError) as caught:
        pool.submit(lambda: lock).result()
    assert "lock" in str(caught.value)
    assert isinstance(caught.value.__cause__, Exception)


def test_a_result_that_cannot_be_sent(pool):
    def make():
        return [threading.Lock()]

    with pytest.raises(coterie.NotShareableError) as caught:
        pool.submit(make).result()
    assert "result not shareable" in str(caught.value)
    assert "lock" in str(caught.value)
    assert pool.submit(keep, 1).result() == 1


def test_a_result_that_cannot_be_made_again(pool):
    def make():
        class Explosive:
            def __reduce__(self):
                return operator.truediv, (1, 0)

        return Explosive()

    with pytest.raises(ZeroDivisionError):
        pool.submit(make).result()


# ---- globals -----------------------------------------------------------------

FACTOR = 2
TABLE = {"a": 1}
COUNT = 0
CONNECTION = None


def scale(x):
    return x * FACTOR


def look_up(key):
    return TABLE.get(key)


def count():
    global COUNT
    COUNT += 1
    return COUNT


def connect(name):
    global CONNECTION, NEVER_SET_HERE
    CONNECTION = f"connection to {name}"
    NEVER_SET_HERE = "there only"


def use_connection():
    return CONNECTION, NEVER_SET_HERE


def test_a_changed_global_is_seen_by_the_next_call():
    global FACTOR
    with coterie.Executor(1) as pool:
        for FACTOR in (2, 3, 4, 3):
            assert pool.submit(scale, 10).result() == 10 * FACTOR
    FACTOR = 2


def test_a_changed_global_is_seen_through_another_function():
    global OFFSET
    with coterie.Executor(1) as pool:
        for OFFSET in (1, 2, 1):
            assert pool.submit(call_the_other, 10).result() == 11 + OFFSET
    OFFSET = 100


def test_a_mutable_global_changed_in_place_is_seen():
    with coterie.Executor(1) as pool:
        for value in (1, 2, 1):
            TABLE["a"] = value
            assert pool.submit(look_up, "a").result() == value


def test_an_attribute_of_a_class_changed_in_place_is_seen():
    with coterie.Executor(1) as pool:
        try:
            for step in (2, 5):
                Counter.step = step
                assert pool.submit(Counter.static, 0).result() == (0, step)
        finally:
            Counter.step = 2


def test_a_changed_cell_is_seen():
    seen = 1

    def tell():
        return seen

    with coterie.Executor(1) as pool:
        assert pool.submit(tell).result() == 1
        seen = 2
        assert pool.submit(tell).result() == 2


def test_a_mutable_cell_changed_in_place_is_seen():
    seen = []

    def tell():
        return list(seen)

    with coterie.Executor(1) as pool:
        for n in range(3):
            assert pool.submit(tell).result() == list(range(n))
            seen.append(n)


def test_changed_code_and_defaults_are_seen():
    def f(x=1):
        return x

    def g(x=1):
        return -x

    with coterie.Executor(1) as pool:
        assert pool.submit(f).result() == 1
        f.__defaults__ = (5,)
        assert pool.submit(f).result() == 5
        f.__code__ = g.__code__
        assert pool.submit(f).result() == -5


def test_a_redefined_helper_is_seen():
    def helper():
        return 1

    def f():
        return helper()

    with coterie.Executor(1) as pool:
        assert pool.submit(f).result() == 1

        def helper():
            return 2

        assert pool.submit(f).result() == 2


def test_a_counter_lives_as_long_as_the_worker():
    global COUNT
    with coterie.Executor(1) as pool:
        assert [pool.submit(count).result() for _ in range(3)] == [1, 2, 3]
        assert COUNT == 0
        assert pool.submit(lambda: COUNT).result() == 3
        COUNT = 10
        assert [pool.submit(count).result() for _ in range(2)] == [11, 12]
    COUNT = 0


def test_workers_do_not_share_globals():
    def count_both(arrived, go):
        arrived.put(None)
        go.get()
        return count()

    arrived, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(2) as pool:
        futures = [pool.submit(count_both, arrived, go) for _ in range(2)]
        for _ in futures:
            arrived.get()
        for _ in futures:
            go.put(None)
        assert [future.result() for future in futures] == [1, 1]


def test_an_initializer_stores_globals():
    with coterie.Executor(1, initializer=connect, initargs=("there",)) as pool:
        for _ in range(2):
            found = pool.submit(use_connection).result()
            assert found == ("connection to there", "there only")
    assert CONNECTION is None


# ---- initializers ------------------------------------------------------------


@pytest.mark.parametrize(
    "initializer",
    [setattr, functools.partial(setattr), lambda *args: setattr(*args)],
    ids=["builtin", "partial", "lambda"],
)
def test_initializers_of_every_kind(initializer):
    initargs = (sys, "set_by_test", [1])
    with coterie.Executor(1, initializer=initializer, initargs=initargs) as pool:
        assert pool.submit(lambda: sys.set_by_test).result() == [1]


def test_a_failing_initializer_breaks_the_pool():
    def fail(go):
        go.get()
        raise Trouble("at the start")

    go = coterie.Queue()
    with coterie.Executor(2, initializer=fail, initargs=(go,)) as pool:
        futures = [pool.submit(len, "abc") for _ in range(5)]
        go.put(1)
        go.put(2)
        for future in futures:
            with pytest.raises(coterie.BrokenInterpreterPool, match="Trouble"):
                future.result()
            assert isinstance(future.exception(), BrokenThreadPool)
            assert not future.cancelled()
        with pytest.raises(coterie.BrokenInterpreterPool, match="at the start"):
            pool.submit(len, "abc")
        with pytest.raises(coterie.BrokenInterpreterPool, match="at the start"):
            pool.submit(keep, threading.Lock())


def test_futures_of_a_broken_pool_are_published(pool):
    called = []
    with coterie.Executor(1, initializer=sys.exit, initargs=("over",)) as broken:
        future = broken.submit(len, "abc")
        future.add_done_callback(called.append)
        done, _ = concurrent.futures.wait([future, pool.submit(len, "abc")])
        assert len(done) == 2
    assert isinstance(future.exception(), concurrent.futures.BrokenExecutor)
    pool.shutdown()  # no matter who calls back, it has
    assert called == [future]


@pytest.mark.parametrize("initializer", [b"text", 5, object()])
def test_an_initializer_must_be_callable(initializer):
    with pytest.raises(TypeError, match="initializer must be a callable"):
        coterie.Executor(initializer=initializer)


def test_an_initializer_that_cannot_be_sent():
    with pytest.raises(coterie.NotShareableError, match="initializer not shareable"):
        coterie.Executor(initializer=keep, initargs=(threading.Lock(),))


# ---- the executor itself -----------------------------------------------------


@pytest.mark.parametrize("number", [0, -1, -(2**70)])
def test_max_workers_must_be_positive(number):
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        coterie.Executor(number)


@pytest.mark.parametrize("number", ["2", 1.5, [1]])
def test_max_workers_must_be_an_int(number):
    with pytest.raises(TypeError, match="max_workers must be an int"):
        coterie.Executor(number)


@pytest.mark.parametrize("number", [1, True, 2**31, 2**70])
def test_any_positive_max_workers_will_do(number):
    with coterie.Executor(number) as pool:
        assert pool.submit(len, "abc").result() == 3


@pytest.mark.parametrize("grace", [-1, -0.001, float("nan")])
def test_exit_grace_must_be_no_negative_number(grace):
    with pytest.raises(ValueError, match="exit_grace"):
        coterie.Executor(1, exit_grace=grace)


def test_it_is_a_real_executor():
    assert issubclass(coterie.Executor, concurrent.futures.Executor)
    assert coterie.InterpreterPoolExecutor is coterie.Executor
    assert issubclass(coterie.Future, concurrent.futures.Future)
    assert issubclass(coterie.BrokenInterpreterPool, BrokenThreadPool)


def test_a_subclass():
    class Named(coterie.Executor):
        def __init__(self, name):
            super().__init__(1)
            self.name = name

    with Named("mine") as pool:
        assert pool.submit(len, pool.name).result() == 4


def test_a_subclass_that_forgets_to_initialise():
    class Forgetful(coterie.Executor):
        def __init__(self):
            pass

    pool = Forgetful()
    with pytest.raises(RuntimeError, match="not initialised"):
        pool.submit(len, "abc")
    pool.shutdown()


def meet(mine, other):
    mine.put(os.getpid())
    other.get()
    import _thread

    return _thread.get_native_id()


def test_workers_run_at_the_same_time(pool):
    a, b = coterie.Queue(), coterie.Queue()
    futures = [pool.submit(meet, a, b), pool.submit(meet, b, a)]
    first, second = (future.result() for future in futures)
    assert first != second != threading.get_native_id()


def test_workers_do_not_wait_for_each_others_gil(run_script):
    ended = run_script("""
        import child, coterie, os
        pool, started = coterie.Executor(2), coterie.Queue()
        pool.submit(child.compute, started)  # never lets its GIL go
        started.get()
        for _ in range(2):
            print(pool.submit(len, "abc").result())
        os._exit(0)
    """)
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["3", "3"], "")


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_thread_names():
    def name():
        import _thread

        with open(f"/proc/self/task/{_thread.get_native_id()}/comm") as comm:
            return comm.read().strip()

    with coterie.Executor(1, thread_name_prefix="my-workers") as pool:
        assert pool.submit(name).result() == "my-workers_0"
    with coterie.Executor(1) as pool:
        assert pool.submit(name).result().startswith("coterie-")


def test_an_executor_that_nobody_holds_finishes_its_work():
    def chain(n):
        return n

    futures = [coterie.Executor(1).submit(chain, n) for n in range(3)]
    assert [future.result() for future in futures] == [0, 1, 2]


def test_one_executor_in_many_threads(pool, in_threads):
    def submit_many(start):
        futures = [pool.submit(operator.neg, n) for n in range(start, start + 100)]
        return [future.result() for future in futures]

    results = in_threads(submit_many, [(n,) for n in range(0, 800, 100)])
    assert sum(results, []) == [-n for n in range(800)]


def test_executors_made_in_many_threads_at_once(in_threads):
    def use_one(n):
        with coterie.Executor(1) as pool:
            return pool.submit(operator.neg, n).result()

    assert in_threads(use_one, [(n,) for n in range(6)]) == [-n for n in range(6)]


def test_an_executor_inside_a_worker(pool):
    def outer(n):
        with coterie.Executor(2) as inner:
            futures = [inner.submit(lambda x: x * OFFSET, i) for i in range(n)]
            return [future.result() for future in futures]

    assert pool.submit(outer, 4).result() == [0, 100, 200, 300]


def test_an_executor_that_a_worker_leaves_open():
    def outer():
        global INNER
        INNER = coterie.Executor(1)
        return INNER.submit(len, "abc").result()

    with coterie.Executor(1) as pool:
        assert pool.submit(outer).result() == 3


def test_an_executor_is_not_shareable(pool):
    with pytest.raises(coterie.NotShareableError):
        pool.submit(keep, pool).result()


def test_a_future_is_not_shareable(pool):
    with pytest.raises(coterie.NotShareableError):
        pool.submit(keep, pool.submit(len, "abc")).result()


# ---- shutdown ----------------------------------------------------------------


def test_submit_after_shutdown(pool):
    pool.submit(len, "abc").result()
    pool.shutdown()
    with pytest.raises(
        RuntimeError, match="cannot schedule new futures after shutdown"
    ):
        pool.submit(len, "abc")
    with pytest.raises(
        RuntimeError, match="cannot schedule new futures after shutdown"
    ):
        pool.submit(keep, threading.Lock())
    with pytest.raises(RuntimeError):
        pool.map(len, ["abc"])
    pool.shutdown()


def test_shutdown_of_an_unused_executor():
    for wait in (True, False):
        coterie.Executor(2).shutdown(wait=wait)
        coterie.Executor(2).shutdown(wait=wait, cancel_futures=True)


def hold(started, go):
    started.put("started")
    return go.get()


def test_shutdown_waits_for_all_that_was_accepted():
    started, go = coterie.Queue(), coterie.Queue()
    pool = coterie.Executor(1)
    futures = [pool.submit(hold, started, go) for _ in range(3)]
    started.get()
    for n in range(3):
        go.put(n)
    pool.shutdown()
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == [0, 1, 2]


def test_shutdown_without_wait_finishes_what_was_accepted():
    started, go = coterie.Queue(), coterie.Queue()
    pool = coterie.Executor(1)
    futures = [pool.submit(hold, started, go) for _ in range(2)]
    started.get()
    pool.shutdown(wait=False)
    assert not futures[0].done()
    with pytest.raises(RuntimeError):
        pool.submit(len, "abc")
    go.put(0)
    go.put(1)
    assert [future.result() for future in futures] == [0, 1]


def test_shutdown_cancels_what_has_not_begun():
    started, go = coterie.Queue(), coterie.Queue()
    pool = coterie.Executor(1)
    running = pool.submit(hold, started, go)
    pending = [pool.submit(len, "abc") for _ in range(3)]
    started.get()
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in pending)
    assert not running.done()
    go.put("ran")
    pool.shutdown()
    assert running.result() == "ran"


def test_leaving_the_block_by_an_error_finishes_the_work():
    with pytest.raises(Trouble):
        with coterie.Executor(1) as pool:
            futures = [pool.submit(len, "abc") for _ in range(3)]
            raise Trouble
    assert [future.result() for future in futures] == [3, 3, 3]


@pytest.mark.parametrize("leave", [GeneratorExit, asyncio.CancelledError])
def test_leaving_the_block_otherwise_finishes_the_work_too(leave):
    with pytest.raises(leave):
        with coterie.Executor(1) as pool:
            futures = [pool.submit(len, "abc") for _ in range(3)]
            raise leave
    assert [future.result() for future in futures] == [3, 3, 3]


@pytest.mark.parametrize("leave", [KeyboardInterrupt, SystemExit])
def test_leaving_the_block_by_ctrl_c_interrupts_the_work(leave):
    def work(events):
        events.put("started")
        try:
            while True:
                pass
        except coterie.Interrupted:
            events.put("interrupted")
            raise
        finally:
            events.put("cleaned up")

    events = coterie.Queue()
    with pytest.raises(leave):
        with coterie.Executor(1) as pool:
            running = pool.submit(work, events)
            pending = pool.submit(work, events)
            assert events.get() == "started"
            raise leave
    assert [events.get_nowait(), events.get_nowait()] == ["interrupted", "cleaned up"]
    assert events.empty()
    assert running.cancelled()
    assert pending.cancelled()
    with pytest.raises(concurrent.futures.CancelledError):
        running.result()


def test_leaving_the_block_by_ctrl_c_interrupts_waiting_work():
    def wait(events, never):
        events.put("started")
        try:
            never.get()
        except coterie.Interrupted:
            events.put("interrupted")
            raise

    events, never = coterie.Queue(), coterie.Queue()
    with pytest.raises(KeyboardInterrupt):
        with coterie.Executor(2) as pool:
            futures = [pool.submit(wait, events, never) for _ in range(2)]
            assert [events.get(), events.get()] == ["started"] * 2
            raise KeyboardInterrupt
    assert [events.get_nowait(), events.get_nowait()] == ["interrupted"] * 2
    assert all(future.cancelled() for future in futures)
    never.put("still works")
    assert never.get() == "still works"


def test_work_that_catches_the_first_interrupt_gets_another():
    def stubborn(events):
        events.put("started")
        try:
            while True:
                pass
        except coterie.Interrupted:
            events.put("first")
        while True:
            pass

    events = coterie.Queue()
    with pytest.raises(KeyboardInterrupt):
        with coterie.Executor(1) as pool:
            future = pool.submit(stubborn, events)
            events.get()
            raise KeyboardInterrupt
    assert events.get() == "first"
    assert future.cancelled()


def test_work_that_ends_although_interrupted_has_its_result():
    def finish(events):
        events.put("started")
        try:
            while True:
                pass
        except coterie.Interrupted:
            return "finished anyway"

    events = coterie.Queue()
    with pytest.raises(KeyboardInterrupt):
        with coterie.Executor(1) as pool:
            future = pool.submit(finish, events)
            events.get()
            raise KeyboardInterrupt
    assert future.result() == "finished anyway"


# ---- what a worker takes over ------------------------------------------------


def test_sys_path_and_argv_are_carried_over(monkeypatch, tmp_path):
    (tmp_path / "found_at_run_time.py").write_text("def f(): return 'found'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program", "--option", "ünï"])
    with coterie.Executor(1) as pool:
        assert pool.submit(lambda: sys.argv).result() == ["program", "--option", "ünï"]
        assert pool.submit(lambda: sys.path).result() == sys.path
        import found_at_run_time

        assert pool.submit(found_at_run_time.f).result() == "found"
    del sys.modules["found_at_run_time"]


def test_the_environment_is_carried_over(monkeypatch):
    monkeypatch.setenv("SET_BY_THE_TEST", "yes")
    with coterie.Executor(1) as pool:
        assert pool.submit(lambda: os.environ["SET_BY_THE_TEST"]).result() == "yes"
        assert pool.submit(os.getcwd).result() == os.getcwd()


class OwnWarning(UserWarning):
    pass


def warn(text, category=UserWarning):
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn(text, category, stacklevel=1)
    return len(shown)


@pytest.mark.parametrize("category", [UserWarning, OwnWarning], ids=["stdlib", "own"])
def test_warnings_filters_are_carried_over(category):
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("error", message="bad.*", category=category)
        warnings.filterwarnings("ignore", message="fine.*")
        with coterie.Executor(1) as pool:
            with pytest.raises(category, match="bad thing"):
                pool.submit(warn, "bad thing", category).result()
            assert pool.submit(warn, "fine thing", category).result() == 0
            assert pool.submit(warn, "other thing", category).result() == 1


def test_a_category_that_workers_cannot_import(folder):
    folder("refused_warning", "import faulthandler\nclass Mine(UserWarning): pass")
    import refused_warning

    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("error", message="bad.*")
        warnings.filterwarnings("error", category=refused_warning.Mine)
        with coterie.Executor(1) as pool:
            with pytest.raises(UserWarning, match="bad thing"):
                pool.submit(warn, "bad thing", UserWarning).result()
            assert pool.submit(warn, "fine thing", UserWarning).result() == 1


def test_warnings_filters_of_the_command_line(run_script):
    source = """
        import coterie, warnings
        def work():
            warnings.warn("told")
        with coterie.Executor(1) as pool:
            print(type(pool.submit(work).exception()).__name__)
    """
    assert run_script(source, flags=["-W", "error"]).lines == ["UserWarning"]
    assert run_script(source, flags=["-W", "ignore"]).stderr == ""
    assert "UserWarning: told" in run_script(source).stderr


def test_coterie_itself_may_be_found_at_run_time_only(run_script):
    import cloudpickle

    import coterie._core

    package = Path(coterie.__file__).parent
    if Path(coterie._core.__file__).parent != package:
        pytest.skip("an editable build is not one folder")
    ended = run_script(
        """
        import sys
        assert not any("coterie" in name for name in sys.modules)
        sys.path[1:1] = sys.argv[1:]
        import coterie
        offset = 1
        with coterie.Executor(2) as pool:
            print(pool.submit(lambda x: x + offset, 1).result())
        """,
        package.parent,
        Path(cloudpickle.__file__).parents[1],
        flags=["-S", "-E"],
    )
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "2\n", "")


def test_standard_streams_work_in_a_worker(run_script):
    ended = run_script("""
        import coterie, sys
        def speak():
            print("out")
            print("err", file=sys.stderr)
        with coterie.Executor(1) as pool:
            pool.submit(speak).result()
    """)
    assert (ended.stdout, ended.stderr) == ("out\n", "err\n")


# ---- tracemalloc -------------------------------------------------------------

below_3_15 = pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="3.15 can bear tracemalloc"
)


@below_3_15
def test_tracemalloc_is_refused_before_it_crashes(run_script):
    ended = run_script("""
        import coterie, tracemalloc
        tracemalloc.start()
        try:
            coterie.Executor(1)
        except RuntimeError as error:
            print(error)
        tracemalloc.stop()
        with coterie.Executor(1) as pool:
            print(pool.submit(len, "abc").result())
    """)
    assert "tracemalloc.stop()" in ended.lines[0]
    assert (ended.rc, ended.lines[1:]) == (0, ["3"])


@below_3_15
def test_tracemalloc_started_later_breaks_the_pool(run_script):
    ended = run_script("""
        import coterie, tracemalloc
        pool = coterie.Executor(1)
        tracemalloc.start()
        try:
            pool.submit(len, "abc").result()
        except coterie.BrokenInterpreterPool as error:
            print(error)
        tracemalloc.stop()
    """)
    assert ended.rc == 0
    assert "tracemalloc" in ended.stdout


@pytest.mark.skipif(sys.version_info < (3, 15), reason="refused there")
def test_tracemalloc_works(run_script):
    ended = run_script("""
        import coterie, tracemalloc
        tracemalloc.start()
        with coterie.Executor(2) as pool:
            print(sum(pool.map(len, ["abc"] * 10)))
    """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "30\n", "")


def test_a_worker_that_asked_for_its_thread_ends_silently(run_script):
    """3.13 complains of what threading makes up for a thread it did not start."""
    ended = run_script("""
        import coterie
        def ask():
            import asyncio, threading
            async def main():
                return threading.current_thread().name
            return asyncio.run(main())
        for _ in range(5):
            with coterie.Executor(1) as pool:
                assert pool.submit(ask).result()
        """)
    assert (ended.rc, ended.stderr) == (0, "")
