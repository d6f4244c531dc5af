"""Functions and classes that other interpreters cannot import."""

import collections
import contextlib
import dis
import functools
import gc
import importlib
import json
import math
import operator
import sys
import types
import weakref

import pytest

import coterie
from coterie import _byvalue, _identities, _reducing, _witnesses


@pytest.fixture
def worker():
    """Calls a function in one worker, always the same."""
    with coterie.Executor(1) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()


@pytest.fixture
def module():
    """Makes modules from source, which only this interpreter has."""
    names = []

    def make(source, name="made_by_test", register=True):
        it = types.ModuleType(name)
        if register:
            names.append(name)
            sys.modules[name] = it
        exec(source, it.__dict__)
        return it

    yield make
    for name in names:
        sys.modules.pop(name, None)


# ---- what goes by name -----------------------------------------------------------


def kind_of(obj):
    reduction = _byvalue.reduce(obj)
    return reduction[:2] if reduction is not None else None


BY_NAME = {
    "function": (json.dumps, ("json", "dumps")),
    "method": (json.JSONEncoder.encode, ("json.encoder", "JSONEncoder.encode")),
    "builtin": (len, ("builtins", "len")),
    "extension": (math.sin, ("math", "sin")),
    "class": (collections.OrderedDict, ("collections", "OrderedDict")),
    "abstract": (collections.abc.Buffer, ("collections.abc", "Buffer")),
    "c-class": (functools.partial, ("functools", "partial")),
    "none-type": (type(None), ("types", "NoneType")),
    "function-type": (types.FunctionType, ("types", "FunctionType")),
}


@pytest.mark.parametrize(("obj", "name"), BY_NAME.values(), ids=BY_NAME)
def test_by_name(obj, name):
    assert kind_of(obj) == (_byvalue.GLOBAL, name)
    assert coterie.loads(coterie.dumps([obj]))[0] is obj


def test_modules_go_by_name():
    import xml.etree.ElementTree as nested

    for it in math, json, collections.abc, nested, sys.modules["__main__"]:
        assert kind_of(it)[0] == _byvalue.MODULE
        assert coterie.loads(coterie.dumps({"m": it}))["m"] is it


def test_a_module_that_only_this_interpreter_has_is_no_name(module, worker):
    it = module("def f(): return 1\nclass C: pass")
    assert kind_of(it.f)[0] == _byvalue.FUNCTION
    assert kind_of(it.C) is None
    assert worker(it.f) == 1
    assert worker(lambda: it.C.__name__) == "C"


def test_a_name_that_means_another_module_there(module, worker):
    # There is a module of this name, but this is not it.
    original = importlib.import_module("colorsys")
    try:
        it = module("def rgb_to_hls(*args): return 'mine'", name="colorsys")
        assert kind_of(it.rgb_to_hls)[0] == _byvalue.FUNCTION
        assert worker(it.rgb_to_hls) == "mine"
    finally:
        sys.modules["colorsys"] = original
    assert kind_of(original.rgb_to_hls)[0] == _byvalue.GLOBAL


def test_a_module_on_the_path_is_imported(folder, worker):
    folder("on_the_path", "def f(): return __name__, g\ng = 5\nclass C: pass")
    it = importlib.import_module("on_the_path")
    assert kind_of(it.f)[0] == _byvalue.GLOBAL
    assert kind_of(it.C)[0] == _byvalue.GLOBAL


def test_what_replaced_a_name_does_not_go_by_it(module):
    it = module("def f(): return 1\nold = f\ndef f(): return 2")
    assert kind_of(it.old)[0] == _byvalue.FUNCTION


@pytest.mark.parametrize("name", ["json", "typing", "asyncio.tasks", "dataclasses"])
def test_named_globals_are_those_that_dis_sees(name):
    def by_dis(code):
        operations = {
            "LOAD_GLOBAL",
            "STORE_GLOBAL",
            "DELETE_GLOBAL",
            "LOAD_NAME",
            "LOAD_FROM_DICT_OR_GLOBALS",
        }
        names = {
            step.argval
            for step in dis.get_instructions(code)
            if step.opname in operations
        }
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                names |= by_dis(const)
        return names

    for function in vars(importlib.import_module(name)).values():
        if isinstance(function, types.FunctionType):
            code = function.__code__
            assert _reducing.global_names(code) == by_dis(code)


# ---- functions -------------------------------------------------------------------


def counter():
    n = 0

    def up():
        nonlocal n
        n += 1
        return n

    def get():
        return n

    return up, get


def factorial():
    def f(n):
        return 1 if n < 2 else n * f(n - 1)

    return f


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


@functools.lru_cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def keywords(a, b=[1], *, c=2, d=(3,)):  # noqa: B006
    return a, b, c, d


def with_many_constants():
    # More globals than one byte can number.
    return sum([eval(f"g{i}") for i in range(300)])


def test_functions_that_name_each_other(worker):
    assert worker(even, 10) is True
    assert worker(fibonacci, 50) == 12586269025
    assert worker(factorial(), 5) == 120
    assert worker(lambda: (even(3), fibonacci(3))) == (False, 2)


def test_defaults_and_keywords(worker):
    assert worker(keywords, 0) == (0, [1], 2, (3,))
    assert worker(functools.partial(keywords, c=5), 0) == (0, [1], 5, (3,))


def test_cells_stay_shared(worker):
    def both(up, get):
        up()
        return up(), get()

    up, get = counter()
    assert worker(both, up, get) == (2, 2)
    assert get() == 0
    assert worker(both, *worker(counter)) == (2, 2)


def test_a_cell_that_is_empty(worker):
    def make():
        def f():
            return late

        if False:
            late = 1
        return f

    with pytest.raises(NameError):
        worker(make())


def test_everything_about_a_function_arrives(worker):
    def f(x: "int", *, y: str = "a") -> list:
        """Says what it is."""

    f.note = [1]
    f.__qualname__ = "elsewhere.f"
    f.__module__ = "elsewhere"

    def look(f):
        names = ("__doc__", "__name__", "__qualname__", "__module__", "__annotations__")
        return [getattr(f, name) for name in names], f.note, f.__kwdefaults__

    assert worker(look, f) == look(f)


def test_type_parameters(worker):
    def f[T](x: T) -> T:
        return x

    assert worker(lambda f: (f(1), f.__type_params__[0].__name__), f) == (1, "T")


def test_annotations_are_not_asked_for(module, worker):
    it = module(
        "def f(x: not_there): return x"
        if sys.version_info >= (3, 14)
        else "from __future__ import annotations\ndef f(x: not_there): return x"
    )
    assert worker(it.f, 1) == 1


def test_decorated(worker):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) + 1

        return wrapper

    @decorate
    @decorate
    def f(x):
        return x

    assert worker(f, 1) == 3
    assert worker(lambda: f.__name__) == "f"


def test_submodules_are_imported_there(module, worker):
    source = """
    import concurrent.futures, xml.dom.minidom
    def f():
        kind = concurrent.futures.ThreadPoolExecutor
        return kind.__name__, xml.dom.minidom.parseString('<a/>').firstChild.tagName
    """
    it = module(
        "\n".join(
            line.strip() if "import" in line else line[4:]
            for line in source.splitlines()
        )
    )
    assert worker(it.f) == ("ThreadPoolExecutor", "a")


def test_relative_imports(folder, worker, tmp_path, monkeypatch):
    package = tmp_path / "modules" / "a_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("value = 7")
    (package / "user.py").write_text(
        "def make():\n def f():\n  from . import part\n  return part.value\n return f"
    )
    it = importlib.import_module("a_package.user")
    try:
        assert coterie.loads(coterie.dumps(it.make()))() == 7
    finally:
        for name in [name for name in sys.modules if name.startswith("a_package")]:
            del sys.modules[name]


def test_many_globals(module, worker):
    names = "\n".join(f"g{i} = {i}" for i in range(400))
    body = " + ".join(f"g{i}" for i in range(400))
    it = module(f"{names}\ndef f(): return {body}")
    assert worker(it.f) == sum(range(400))


def test_class_bodies_name_globals(module, worker):
    it = module("g = 5\ndef f():\n class C:\n  x = g\n return C.x")
    assert worker(it.f) == 5


def test_coming_home(worker):
    assert worker(lambda it: it, even) is even
    assert worker(lambda it: [it, {"f": it}], odd) == [odd, {"f": odd}]
    ident = worker(lambda it: it, lambda: even)
    assert ident.__globals__ is globals()
    assert ident() is even
    up, get = counter()
    up()
    back = worker(lambda it: it, up)
    assert back() == 2
    assert get() == 1


def test_what_cannot_be_sent_is_named(module, worker):
    it = module("import threading\nlock = threading.Lock()\ndef f(): return lock")
    with pytest.raises(coterie.NotShareableError) as caught:
        worker(it.f)
    cause = caught.value.__cause__
    assert isinstance(cause, TypeError)
    assert any("global 'lock' of f" in note for note in cause.__notes__)
    assert "(the global 'lock' of f; coterie.sync has" in str(caught.value)


def test_a_queue_that_cannot_be_sent_hints_at_one_that_can(module, worker):
    it = module("import queue\nmine = [queue.Queue()]\ndef f(): return mine")
    it.q = it.queue.Queue()
    exec("def g(): return q", it.__dict__)
    with pytest.raises(coterie.NotShareableError, match=r"the global 'mine' of f\)"):
        worker(it.f)
    with pytest.raises(coterie.NotShareableError, match="'q' of g; coterie.Queue"):
        worker(it.g)


# ---- globals ---------------------------------------------------------------------


def test_a_counter_goes_on(module, worker):
    it = module("n = 0\ndef up():\n global n\n n += 1\n return n\ndef get(): return n")
    assert [worker(it.up) for _ in range(3)] == [1, 2, 3]
    assert worker(it.get) == 3
    assert it.n == 0


def test_a_cache_goes_on(module, worker):
    it = module(
        "seen = {}\n"
        "def f(x): return seen.setdefault(x, len(seen))\n"
        "def g(): return seen"
    )
    assert [worker(it.f, x) for x in "aab"] == [0, 0, 1]
    assert worker(it.g) == {"a": 0, "b": 1}
    it.seen["z"] = 9  # now it is another one here: it wins
    assert worker(it.g) == {"z": 9}
    assert worker(it.f, "a") == 1
    assert worker(it.g) == {"z": 9, "a": 1}


def test_a_changed_global_is_never_stale(module, worker):
    it = module("x = 1\ndef f(): return x")
    for value in 2, "a", [1], (1, [2]), None, {"k": 1}, 2:
        it.x = value
        assert worker(it.f) == value
    it.x = value = [0]
    for i in range(3):
        value.append(i)
        assert worker(it.f) == value


def test_a_global_of_a_global_function(module, worker):
    it = module("x = 1\ndef g(): return x\ndef f(): return g()")
    assert worker(it.f) == 1
    it.x = 2
    assert worker(it.f) == 2
    exec("def g(): return 'new'", it.__dict__)
    assert worker(it.f) == "new"


@pytest.mark.parametrize(
    "change",
    [
        "f.__defaults__ = ('new',)",
        "f.__kwdefaults__ = {'k': 'new'}",
        "f.__kwdefaults__['k'] = 'new'",
        "f.attribute = 'new'",
        "cell = 'new'",
        "box.append('new')",
    ],
)
@pytest.mark.parametrize("how", ["itself", "as-a-global", "as-a-cell"])
def test_a_changed_function_is_never_stale(module, worker, change, how):
    it = module(
        "def outer():\n"
        " cell, box = 'old', ['old']\n"
        " def f(a='old', *, k='old'):\n"
        "  return a, k, cell, box, getattr(f, 'attribute', None)\n"
        " def change(source):\n"
        "  nonlocal cell\n"
        "  if source.startswith('cell'):\n"
        "   cell = 'new'\n"
        "  else:\n"
        "   exec(source, {'f': f, 'box': box})\n"
        " return f, change\n"
        "f, change = outer()\n"
        "def by_global(): return f()\n"
        "def make(f): return lambda: f()\n"
        "by_cell = make(f)"
    )
    called = {"itself": it.f, "as-a-global": it.by_global, "as-a-cell": it.by_cell}[how]
    assert worker(called) == ("old", "old", "old", ["old"], None)
    it.change(change)
    assert "new" in repr(it.f())
    assert worker(called) == it.f()
    assert worker(called) == it.f()


def test_changed_code_is_never_stale(module, worker):
    it = module("def f(): return 'old'\ndef g(): return f()\ndef h(): return 'new'")
    assert (worker(it.f), worker(it.g)) == ("old", "old")
    it.f.__code__ = it.h.__code__
    assert (worker(it.f), worker(it.g)) == ("new", "new")


def test_a_deleted_global_is_gone(module, worker):
    it = module("x = 1\ndef f(): return x")
    assert worker(it.f) == 1
    del it.x
    with pytest.raises(NameError):
        worker(it.f)
    it.x = 2
    assert worker(it.f) == 2


def test_an_initializer_wins(module):
    it = module("x = 'here'\ndef init():\n global x\n x = 'there'\ndef f(): return x")
    with coterie.Executor(1, initializer=it.init) as pool:
        assert pool.submit(it.f).result() == "there"
        it.x = "changed later"
        assert pool.submit(it.f).result() == "changed later"
    it = module("def init():\n global y\n y = 'there'\ndef f(): return y")
    with coterie.Executor(1, initializer=it.init) as pool:
        assert pool.submit(it.f).result() == "there"


def count_functions():
    gc.collect()
    functions = [one for one in gc.get_objects() if type(one) is types.FunctionType]
    return [one.__name__ for one in functions].count("made_for_once")


def test_a_worker_forgets_what_was_forgotten_here(worker):
    def make():
        def made_for_once():
            pass

        worker(made_for_once)
        return made_for_once

    kept = [make() for _ in range(100)]
    for _ in range(3000):
        make()
    assert len(kept) <= worker(count_functions) < 500


def count_namespaces():
    gc.collect()
    dicts = [one for one in gc.get_objects() if type(one) is dict]
    return sum(one.get("__name__") == "made_for_once" for one in dicts)


def test_a_worker_keeps_a_bounded_number_of_namespaces(worker):
    for n in range(6000):
        if n % 500 == 0:
            gc.collect()
        namespace = {"__name__": "made_for_once"}
        exec("def function(): pass", namespace)
        worker(namespace["function"])
    assert worker(count_namespaces) < 5000


def test_namespaces_of_one_name_stay_apart(worker):
    first, second = {"x": 1}, {"x": 2}
    for namespace in first, second:
        source = "def f():\n global n\n n = globals().get('n', 0) + x\n return n"
        exec(source, namespace)
    assert [worker(first["f"]), worker(second["f"])] == [1, 2]
    assert [worker(first["f"]), worker(second["f"])] == [2, 4]


def test_main_is_main(run_script):
    ended = run_script("""
        import coterie, pickle, sys
        value = "main's"
        class Thing:
            def __eq__(self, other): return type(self) is type(other)
        def use(): return value, Thing.__module__
        def by_name(): return pickle.loads(pickle.dumps(use)) is use
        def name(): return sys.modules['__main__'].value, __name__
        with coterie.Executor(1) as pool:
            call = lambda f, *a: pool.submit(f, *a).result()
            assert call(use) == ("main's", "__main__")
            assert call(name) == ("main's", "__main__")
            assert call(lambda: Thing()) == Thing()
            assert type(call(lambda t: [t, Thing], Thing())[0]) is Thing
            assert call(lambda: [use, Thing]) == [use, Thing]
            call(exec, "value = 'other'", {})
            assert value == "main's"
    """)
    assert ended.rc == 0, ended.stderr


def test_a_queue_as_a_global(module, worker):
    it = module("q = None\ndef put(x): q.put(x)")
    it.q = coterie.Queue()
    worker(it.put, 1)
    worker(it.put, 2)
    assert [it.q.get(timeout=9), it.q.get(timeout=9)] == [1, 2]


# ---- annotations, and what they are made of ----------------------------------------

lazy_annotations = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="annotations are made when it is defined"
)

ANNOTATED = """
import abc, dataclasses, enum, typing
class Plain:
    Alias = int
    limit: Alias = 3
    def add(self, x: Alias, y: 'int' = 1) -> int: return x + y
    @property
    def half(self) -> float: return 1.5
    def me(self) -> typing.Self: return self
class Sub(Plain):
    def more(self, other: Plain) -> list[Plain]: return [other, self]
class Trouble(Exception):
    def __init__(self, code: int) -> None: super().__init__(code)
@dataclasses.dataclass
class Record:
    a: int
    b: list[str] = dataclasses.field(default_factory=list)
    def double(self) -> int: return self.a * 2
class Base(abc.ABC):
    def name(self) -> str: return 'base'
@typing.runtime_checkable
class Named(typing.Protocol):
    def name(self) -> str: ...
class Level(enum.IntEnum):
    LOW = 1
    def nice(self) -> str: return self.name.title()
class Box[V]:
    v: V
    def get(self, default: V) -> V: return default
class Movie(typing.TypedDict):
    year: int
class Pair(typing.NamedTuple):
    a: int
    def double(self) -> int: return self.a * 2
def fail(): raise Trouble(4)
"""


def test_classes_with_annotated_methods(module, worker):
    it = module(ANNOTATED)
    assert worker(it.Plain().add, 1) == 2
    assert worker(lambda: (it.Plain().half, type(it.Plain().me()))) == (1.5, it.Plain)
    assert worker(lambda: it.Sub().more(1)[0]) == 1
    with pytest.raises(it.Trouble, match="4"):
        worker(it.fail)
    assert worker(it.Record(3).double) == 6
    assert worker(lambda: isinstance(it.Base(), it.Named))
    assert worker(isinstance, 1, it.Named) is False
    assert worker(it.Level.LOW.nice) == "Low"
    assert worker(lambda: it.Box[int]().get(5)) == 5
    assert worker(lambda: (it.Movie(year=1), it.Pair(2).double())) == ({"year": 1}, 4)


def test_annotations_are_the_same_there(module, worker):
    def look(*them):
        import inspect
        import typing

        return [
            repr((inspect.get_annotations(a), typing.get_type_hints(a))) for a in them
        ]

    it = module(ANNOTATED)
    them = [it.Plain, it.Plain.add, it.Plain.half.fget, it.Sub.more, it.Record]
    them += [
        it.Record.double,
        it.Box,
        it.Box.get,
        it.Movie,
        it.Pair,
        it.Trouble.__init__,
    ]
    assert worker(look, *them) == look(*them)


@lazy_annotations
def test_annotations_that_cannot_be_made_or_sent(module, worker):
    it = module(
        """
        import threading
        lock = threading.Lock()
        class Locked:
            def get(self): return lock
        def missing(x: Later, y: int): return x
        def unwilling(x: lock, y: int): return x
        def deeply(x: Locked): return x
        class C:
            def m(self, x: lock, y: Locked) -> Later: return x
    """.replace("\n        ", "\n")
    )

    def look(function):
        from annotationlib import Format, get_annotations

        made = get_annotations(function, format=Format.FORWARDREF)
        return [key for key, value in made.items() if value is int]

    for function in it.missing, it.unwilling, it.deeply, it.C().m:
        count = function.__code__.co_argcount - hasattr(function, "__self__")
        assert worker(function, *[1] * count) == 1
    assert worker(look, it.missing) == worker(look, it.unwilling) == ["y"]
    it.Later = bool
    assert worker(lambda f: f.__annotations__["x"], it.missing) is bool


@lazy_annotations
def test_modules_that_only_annotations_name_need_not_be_there(worker):
    import faulthandler  # refuses an own GIL

    namespace = {"faulthandler": faulthandler}
    exec("def g(x: faulthandler.enable, y: int): return x", namespace)
    assert worker(namespace["g"], 1, 2) == 1


TYPES = """
import typing
T = typing.TypeVar('T')
Bound = typing.TypeVar('Bound', bound='Node')
Late = typing.TypeVar('Late', covariant=True)
Text = typing.TypeVar('Text', int, str)
P = typing.ParamSpec('P')
Ts = typing.TypeVarTuple('Ts')
UserId = typing.NewType('UserId', int)
type Tree = list[Tree] | int
type Pair[A] = tuple[A, A]
class Node:
    def me(self, x: Of) -> Of: return typing.cast(Of, x)
    def type_of[N: Node](self, n: N) -> N: return n
Of = typing.TypeVar('Of', bound=Node)
def generic(x: T, *args: *Ts) -> T: return x
def call(f: typing.Callable[P, int], *args: P.args) -> Pair[T]: return 2
def user(x: UserId) -> Tree: return UserId(x)
class Holder(typing.Generic[T]):
    def get(self) -> T: return typing.cast(T, 5)
""".replace("x: Of) -> Of", "x: 'Of') -> 'Of'")
NAMES = ("T", "Bound", "Late", "Text", "P", "Ts", "UserId", "Tree", "Pair", "Of")


def test_type_variables_and_aliases(module, worker):
    it = module(TYPES)
    assert worker(it.generic, 1) == 1
    assert worker(it.call, len) == 2
    assert worker(it.user, 3) == 3
    assert worker(lambda: it.Holder[int]().get()) == 5
    assert worker(it.Node().me, 1) == worker(it.Node().type_of, 1) == 1


def test_a_type_variable_is_one_object_there(module, worker):
    it = module(TYPES)
    exec(f"def all_of(): return {', '.join(NAMES)}", it.__dict__)
    exec("def are(*them): return [a is b for a, b in zip(them, all_of())]", it.__dict__)
    them = it.all_of()
    assert all(worker(it.are, *them))
    assert all(map(operator.is_, worker(it.all_of), them))
    worker(lambda: it.Tree)
    assert all(worker(it.are, *them))


def test_what_a_type_variable_says(module, worker):
    def look(it, node):
        return [
            it["Bound"].__bound__.__forward_arg__,
            it["Of"].__bound__ is node,
            it["Late"].__covariant__,
            it["Text"].__constraints__,
            it["UserId"].__supertype__,
            it["Tree"].__value__.__args__[0].__args__[0] is it["Tree"],
            it["Pair"][int].__args__,
            len(it["Pair"].__type_params__),
            node.type_of.__type_params__[0].__bound__ is node,
            *[(each.__name__, each.__module__) for each in it.values()],
        ]

    it = module(TYPES)
    them = {name: getattr(it, name) for name in NAMES}
    there = worker(look, them, it.Node)
    assert there == look(them, it.Node)
    assert worker(lambda t=it.T: (t.__name__, t.__module__)) == ("T", "made_by_test")


def test_defaults_of_type_variables(module, worker):
    it = module("""
from typing import ParamSpec, TypeVar, TypeVarTuple, Unpack
T = TypeVar('T', default=int)
P = ParamSpec('P', default=[int])
Ts = TypeVarTuple('Ts', default=Unpack[tuple[int]])
def f(): return [repr(it.__default__) for it in (T, P, Ts)]
""")
    assert worker(it.f) == it.f()


def test_many_type_variables(worker):
    from typing import TypeVar

    first = TypeVar("first")
    for i in range(3000):
        _identities._reduce_variable(TypeVar(f"T{i}"))
    assert len(_identities._objects) == len(_identities._tokens) == 1024
    assert worker(lambda: first.__name__) == "first"


@pytest.mark.skipif(sys.version_info < (3, 15), reason="no sentinels")
def test_sentinels(module, worker):
    it = module("""
MISSING = sentinel('MISSING')
OTHER = sentinel('OTHER', repr='<other>')
def f(x=MISSING): return x is MISSING, repr(OTHER), MISSING.__module__
def get(): return MISSING
""")
    assert worker(it.f) == worker(it.f, it.MISSING) == it.f()
    assert worker(it.f, 1)[0] is False
    assert worker(it.get) is it.MISSING


@pytest.mark.skipif(sys.version_info < (3, 15), reason="no lazy imports")
def test_lazy_imports(module, worker):
    it = module("""
lazy import fractions
lazy import not_to_be_found
def f(x: not_to_be_found.X): return fractions.Fraction(x).numerator
def g(x): return not_to_be_found if x else 2
""")
    assert worker(it.f, 3) == 3
    assert worker(it.g, 0) == 2


def test_annotations_of_a_script(run_script):
    ended = run_script("""
        import coterie, typing
        T = typing.TypeVar('T')
        class A:
            def f(self, x: T) -> int: return x + 1
        if __name__ == '__main__':
            with coterie.Executor(1) as pool:
                assert pool.submit(A().f, 1).result() == 2
                assert pool.submit(isinstance, 1, A).result() is False
                assert list(coterie.map(A().f, [1, 2])) == [2, 3]
    """)
    assert ended.rc == 0, ended.stderr


# ---- classes ---------------------------------------------------------------------

CLASSES = """
import abc, collections, dataclasses, enum, typing
class Point:
    made = 0
    limits = [1]
    def __init__(self, x): self.x = x
    def double(self): return Point(self.x * 2)
    @classmethod
    def make(cls, x): return cls(x)
    @staticmethod
    def static(x): return x + 1
    @property
    def half(self): return self.x / 2
    def __eq__(self, other): return type(other) is type(self) and other.x == self.x
class Sub(Point):
    def double(self): return super().double()
class Base(abc.ABC):
    @abc.abstractmethod
    def name(self): ...
class Child(Base):
    __slots__ = ('a',)
    def name(self): return super().name() or 'child'
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
class Trouble(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)
        self.b = b
@dataclasses.dataclass
class Record:
    a: int
    b: list = dataclasses.field(default_factory=list)
Pair = collections.namedtuple('Pair', 'a b')
def fail(): raise Trouble(1, 'b')
def bump():
    Point.made += 1
    return Point.made
def get(): return Point.made, Point.limits
"""


@pytest.fixture
def classes(module):
    return module(CLASSES)


def test_instances_keep_their_class(classes, worker):
    assert worker(lambda p: p.double(), classes.Point(2)) == classes.Point(4)
    assert worker(lambda p: p.double(), classes.Sub(2)) == classes.Point(4)
    assert worker(lambda: classes.Point.make(2).half) == 1
    assert worker(classes.Point.make, 5) == classes.Point(5)
    assert worker(classes.Point.static, 5) == 6
    assert worker(classes.Point, 5) == classes.Point(5)
    assert worker(lambda c: c.name(), classes.Child()) == "child"
    assert worker(lambda c: classes.Colour.BLUE, 1) is classes.Colour.BLUE
    assert worker(lambda r: classes.Record(r.a + 1), classes.Record(1)).a == 2
    assert worker(lambda p: p._replace(a=3), classes.Pair(1, 2)) == (3, 2)
    back = worker(lambda *them: them, classes.Point, classes.Colour, classes.Record)
    assert back == (classes.Point, classes.Colour, classes.Record)


def test_exceptions_keep_their_class(classes, worker):
    with pytest.raises(classes.Trouble) as caught:
        worker(classes.fail)
    assert caught.value.args == (1, "b")
    assert caught.value.b == "b"


def test_a_class_that_comes_home_changes_nothing(classes, worker):
    def spoil(point):
        type(point).made = "spoiled"
        type(point).double = None
        type(point).added = 1
        return point

    double = classes.Point.double
    back = worker(spoil, classes.Point(1))
    assert type(back) is classes.Point
    assert classes.Point.made == 0
    assert classes.Point.double is double
    assert not hasattr(classes.Point, "added")


def test_the_state_of_a_class_goes_on(classes, worker):
    assert [worker(classes.bump) for _ in range(3)] == [1, 2, 3]
    worker(lambda p: p, classes.Point(1))
    assert worker(classes.bump) == 4
    classes.Point.made = 10
    assert worker(classes.bump) == 11
    classes.Point.limits.append(2)
    assert worker(classes.get) == (10, [1, 2])


def test_a_changed_class_is_never_stale(classes, worker):
    def double(p):
        return p.double()

    assert worker(double, classes.Point(1)) == classes.Point(2)
    classes.Point.double = lambda self: "new"
    assert worker(double, classes.Point(1)) == "new"
    assert worker(lambda: classes.Point(1).double()) == "new"


# ---- what the codec keeps ----------------------------------------------------------


def test_sent_functions_are_not_kept_alive(worker):
    def make():
        def f(x):
            return g

        def g(x):
            return f

        class C:
            def m(self):
                return C, f

        return f, C

    alive = []
    for _ in range(20):
        function, cls = make()
        worker(function, 1)
        worker(lambda c: None, cls)
        alive += [weakref.ref(function), weakref.ref(cls)]
        del function, cls
    worker(len, "")
    gc.collect()
    assert sum(it() is not None for it in alive) <= 2


def test_witnesses_of_a_plain_function():
    holders, rows = _witnesses.witnesses(even)
    assert holders[:2] == (even, odd)
    assert (0, _witnesses.IN_GLOBALS, "odd", _witnesses.IS_HOLDER, 1) in rows
    assert (0, _witnesses.IN_CODE, None, _witnesses.IS_SAME, even.__code__) in rows
    assert not any(row[3] == _witnesses.IS_CONTENT for row in rows)
    assert _witnesses.witnesses(operator.itemgetter(1)) is None
    assert _witnesses.witnesses(len)[1][0][3] == _witnesses.IS_HOLDER


def test_a_worker_imports_little(run_script):
    ended = run_script("""
        import coterie, sys
        def names(): return sorted(sys.modules)
        K = 3
        def f(x): return x + K
        with coterie.Executor(1) as pool:
            pool.submit(f, 1).result()
            print(*pool.submit(names).result())
    """)
    assert ended.rc == 0, ended.stderr
    names = set(ended.stdout.split())
    heavy = {"pickle", "_pickle", "cloudpickle", "functools", "typing", "inspect"}
    heavy |= {"coterie._reducing", "coterie._witnesses", "coterie._pickling"}
    assert "coterie._byvalue" in names
    assert not names & heavy


def test_another_version_of_python_is_refused():
    arguments = list(_byvalue.reduce(lambda: 1)[1])
    arguments[4] = b"\0\0\0\0" + arguments[4][4:]
    with pytest.raises(ValueError, match="another version of Python"):
        _byvalue.make(tuple(arguments))


def test_functions_in_a_file_are_for_other_processes_too(run_script, tmp_path):
    block = tmp_path / "block"
    write = run_script(
        """
        import coterie, pathlib, sys
        K = 5
        class Thing:
            def get(self): return K
        def f(x): return x + K, Thing().get()
        pathlib.Path(sys.argv[1]).write_bytes(coterie.dumps([f, lambda: f(1)]))
        """,
        block,
    )
    assert write.rc == 0, write.stderr
    f, g = coterie.loads(block.read_bytes())
    assert f(1) == g() == (6, 5)
    assert f.__globals__ is g.__globals__
    with contextlib.suppress(AttributeError):
        assert sys.modules["__main__"].f is not f
