"""How functions travel by value: what is received.

A function that another interpreter cannot import goes by value: its code,
defaults, cells, and those of its globals that the code names (_reducing says how
it is taken apart).

All functions of one module share one dict of globals in the interpreter that
receives them, a Space; it lives as long as the interpreter, so that a counter or
a cache kept in a global works across calls.  Only of namespaces that are no
module's, as exec() makes them, no more than the latest are kept.  Each global comes
with a token, which the sender renews when it sees another value; a global is set
only when its token differs from the last one, so nothing is stale and nothing is
undone.

The codec (csrc/codec) calls set_up, reduce, make, fill and witnesses.  Worker
interpreters import this module, so it imports only what is there anyway.
"""

from __future__ import annotations

import sys
from marshal import loads as load_code
from os import getpid

from coterie._compat import MAGIC_NUMBER, CachedType, ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import BuiltinFunctionType as BuiltinType
    from types import CellType, CodeType, FunctionType, ModuleType
    from typing import Any
else:
    # By themselves: the modules that name them are not there in a lean worker.
    BuiltinType = type(len)
    CellType = type((lambda it: lambda: it)(0).__closure__[0])
    CodeType = type((lambda: None).__code__)
    FunctionType = type(lambda: None)
    ModuleType = type(sys)

__all__ = [
    "ABSENT",
    "FUNCTION",
    "GLOBAL",
    "MAGIC_NUMBER",
    "MODULE",
    "BuiltinType",
    "CachedType",
    "CellType",
    "CodeType",
    "FunctionType",
    "ModuleType",
    "Setting",
    "Space",
    "fill",
    "make",
    "reduce",
    "reducing",
    "set_up",
    "witnesses",
]

# Kinds of reductions (csrc/codec/format.h).
GLOBAL, MODULE, FUNCTION = 1, 2, 3

ABSENT: Any = object()

# Marks a function that make() has made and fill() has not yet filled.
_UNFILLED: dict[str, Any] = {}


class Setting:
    """What the codec says of this interpreter."""

    origin = 0
    is_main = True
    fingerprint: Callable[[object], bytes]  # for comparison only
    version: Callable[[type], int | None]  # another one after every change


def set_up(
    origin: int,
    is_main: bool,
    fingerprint: Callable[[object], bytes],
    version: Callable[[type], int | None],
) -> None:
    Setting.origin = origin
    Setting.is_main = is_main
    Setting.fingerprint = fingerprint
    Setting.version = version


def here() -> int:
    """Stands for this interpreter of this process, and no other."""
    return Setting.origin << 32 | getpid()


_reducing: Any = None  # the module, once it is needed


def reducing() -> Any:
    """The module that only those need who send functions."""
    global _reducing
    if _reducing is None:
        from coterie import _reducing
    return _reducing


def reduce(obj: object) -> tuple[int, tuple[Any, ...], Any] | None:
    """How to send it: (kind, arguments, state), or None for a pickle."""
    try:
        return reducing().reduce(obj)  # type: ignore[no-any-return]
    except Exception:
        return None  # the pickler may do without what could not be sent


def witnesses(obj: object) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    from coterie import _witnesses

    return _witnesses.witnesses(obj)


# ---- spaces -----------------------------------------------------------------


class Space:
    """The globals of one module's functions, here or there."""

    __slots__ = ("applied", "globals", "is_home", "name", "number", "origin", "sent")

    def __init__(
        self,
        origin: int,
        number: int,
        name: str,
        globals: dict[str, Any],
        is_home: bool = False,
    ) -> None:
        self.origin = origin
        self.number = number  # 0: the globals of the module of this name
        self.name = name
        self.globals = globals
        self.is_home = is_home
        # Of what came, by name: the token.
        self.applied: dict[str, int] = {}
        # Of what went, by name: token, value, fingerprint.
        self.sent: dict[str, tuple[int, Any, bytes | None]] = {}


# Names that stand for one thing in all of this interpreter (Executor's bind).
bound: set[str] = set()

_KEPT_SPACES = 1024
_numbers = iter(range(1, sys.maxsize))
# id(globals) -> Space; it holds the globals, so the id stays theirs.
_by_globals: dict[int, Space] = {}
_received: dict[tuple[int, int, str], Space] = {}
# id(code) -> of code that came.
_by_code: dict[int, tuple[ref[CodeType], Space]] = {}


def new_token() -> int:
    return here() << 40 | next(_numbers)


def remember_code(table: dict[int, Any], code: CodeType, *facts: Any) -> Any:
    """An entry that goes when the code does."""
    key = id(code)
    table[key] = (ref(code, lambda _: table.pop(key, None)), *facts)
    return table[key]


def space_of(function: FunctionType) -> Space:
    """The space of a function that is sent from here."""
    known = _by_code.get(id(function.__code__))
    if known is not None and known[1].globals is function.__globals__:
        return known[1]
    globals = function.__globals__
    space = _by_globals.get(id(globals))
    if space is None:
        name = globals.get("__name__")
        name = name if type(name) is str else ""
        is_module = _module_globals(name) is globals
        number = 0 if is_module else next(_numbers)
        if len(_by_globals) >= _KEPT_SPACES:
            _by_globals.pop(next(iter(_by_globals)), None)
        space = Space(here(), number, name, globals, is_home=True)
        space = _by_globals.setdefault(id(globals), space)
    return space


def _module_globals(name: str) -> dict[str, Any] | None:
    return getattr(sys.modules.get(name), "__dict__", None)


def _home_globals(number: int, name: str) -> dict[str, Any] | None:
    """The globals of a function that was made here, if they are still known."""
    if number == 0:
        return _module_globals(name)
    for space in list(_by_globals.values()):
        if space.is_home and space.number == number:
            return space.globals
    return None


def _receive_space(origin: int, number: int, name: str, package: str | None) -> Space:
    space = _received.get((origin, number, name))
    if space is not None:
        return space
    globals = _home_globals(number, name) if origin == here() else None
    if globals is not None:
        return Space(origin, number, name, globals, is_home=True)
    if number == 0 and name == "__main__":
        globals = _take_main()
    is_main = globals is not None
    if globals is None:
        globals = {"__name__": name, "__package__": package}
        globals["__builtins__"] = __builtins__
    space = Space(origin, number, name, globals)
    if len(_received) >= _KEPT_SPACES:
        _forget_oldest()
    space = _received.setdefault((origin, number, name), space)
    if not is_main:
        # What else is defined in there comes from there, too.
        _by_globals.setdefault(id(space.globals), space)
    return space


def _forget_oldest() -> None:
    """Of those that are not a module's: who sends has forgotten it, too."""
    for key in list(_received):
        _, number, _ = key
        if number != 0:
            space = _received.pop(key, None)
            if space is not None:
                _by_globals.pop(id(space.globals), None)
            break


def _take_main() -> dict[str, Any] | None:
    # So that what is pickled by name is found.  The main interpreter's own
    # module is never written to; a second sender gets a dict of its own.
    if Setting.is_main:
        return None
    globals = sys.modules["__main__"].__dict__
    taken = any(space.globals is globals for space in list(_received.values()))
    return None if taken else globals


def _apply(space: Space, names: dict[str, tuple[Any, ...]]) -> None:
    for name, (token, *value) in names.items():
        last = space.applied.get(name)
        if last == token:
            continue
        if len(value) == 2:
            value = _imported(*value)
            if not value:
                continue
        space.applied[name] = token
        if name in bound:
            continue  # what this interpreter was given wins
        if last is None and name in space.globals:
            continue  # bound by code that ran here: an initializer wins
        if value:
            space.globals[name] = value[0]
            space.sent[name] = (token, value[0], None)
        else:
            space.globals.pop(name, None)


def _imported(module: str, qualname: str) -> list[Any]:
    """What only annotations name: it need not be there."""
    try:
        __import__(module)
    except Exception:
        return []
    found = find(module, qualname) if qualname else sys.modules[module]
    return [] if found is ABSENT else [found]


# ---- functions --------------------------------------------------------------


def find(module: str, qualname: str) -> Any:
    """What is there in a module that is imported, or ABSENT."""
    found = sys.modules.get(module, ABSENT)
    for name in qualname.split("."):
        found = getattr(found, name, ABSENT)
    return found


def content_of(cell: Any) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def make(arguments: tuple[Any, ...]) -> FunctionType:
    """The function without its state; the very function, if it came home."""
    origin, number, module, package, data, name, qualname, cells = arguments
    if data[:4] != MAGIC_NUMBER:
        raise ValueError("the function was sent by another version of Python")
    code = load_code(memoryview(data)[4:])
    space = _receive_space(origin, number, module, package)
    if space.is_home and number == 0:
        function = find(module, qualname)
        if type(function) is FunctionType and function.__code__ == code:
            # Another function that came with it may share the cells.
            for new, old in zip(cells or (), function.__closure__ or (), strict=True):
                for content in content_of(old):
                    new.cell_contents = content
            return function
    if not space.is_home:
        _remember_origin(code, space)
    function = FunctionType(code, space.globals, name, None, cells)
    function.__qualname__ = qualname
    function.__kwdefaults__ = _UNFILLED
    return function


def _remember_origin(code: CodeType, space: Space) -> None:
    # Also of code inside, from which it will make functions.
    remember_code(_by_code, code, space)
    for const in code.co_consts:
        if type(const) is CodeType:
            _remember_origin(const, space)


def fill(function: FunctionType, state: tuple[Any, ...]) -> None:
    """Adds what may refer to the function itself."""
    if function.__kwdefaults__ is not _UNFILLED:
        return  # it came home
    defaults, kwdefaults, contents, extras, names, _ = state
    function.__kwdefaults__ = kwdefaults
    function.__defaults__ = defaults
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        if content:
            cell.cell_contents = content[0]
    if extras:
        function.__dict__.update(extras.pop("__dict__", ()))
        for name, value in extras.items():
            setattr(function, name, value)
    known = _by_code.get(id(function.__code__))
    if names and known is not None:
        _apply(known[1], names)
