"""How functions, classes and modules are sent.

An object goes by name only if the other interpreter can import it and would get
the same thing; a function that cannot goes by value (_byvalue).
"""

from __future__ import annotations

import sys
import types
from _thread import get_ident
from marshal import dumps as dump_code

from coterie import _byvalue
from coterie._byvalue import (
    ABSENT,
    FUNCTION,
    GLOBAL,
    MAGIC_NUMBER,
    MODULE,
    BuiltinType,
    CachedType,
    CellType,
    CodeType,
    FunctionType,
    ModuleType,
    Space,
)
from coterie._compat import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Reduction = tuple[int, tuple[Any, ...], Any]

HEAP_TYPE = 1 << 9  # of cls.__flags__: not built in
HAS_DOCSTRING = 0x4000000  # of code.co_flags

_LazyImport: Any = getattr(types, "LazyImportType", None)  # 3.15

# What Python gives every module itself.
_NEVER_SENT = frozenset(
    ("__name__", "__builtins__", "__spec__", "__loader__", "__package__")
)

# Threads that take fingerprints: of functions without their globals, which have
# tokens of their own.
shallow_threads: set[int] = set()

# Threads that send without annotations, since it could not be done with them.
bare_threads: set[int] = set()


def reduce(obj: Any) -> Reduction | None:
    cls = type(obj)
    if cls is FunctionType:
        return by_name(obj) or _reduce_function(obj)
    if isinstance(obj, type):
        return by_name(obj) or _alias(obj)
    if isinstance(obj, ModuleType):
        if obj is sys.modules.get("__main__") or can_import(obj):
            return MODULE, (obj.__name__,), None
        return None
    if cls is BuiltinType:
        owner = obj.__self__
        if owner is None or isinstance(owner, ModuleType):
            return by_name(obj)
    return None


# ---- by name ----------------------------------------------------------------

# Name -> (weak reference to the module, whether others can import it).
_verdicts: dict[str, tuple[ref[Any], bool]] = {}


def can_import(module: Any) -> bool:
    """Would another interpreter that imports its name get this module?"""
    name = getattr(module, "__name__", None)
    if type(name) is not str or sys.modules.get(name) is not module:
        return False
    known = _verdicts.get(name)
    if known is not None and known[0]() is module:
        return known[1]
    verdict = name != "__main__" and _is_found(name, module)
    if isinstance(module, ModuleType):  # some put other objects among them
        _verdicts[name] = (ref(module), verdict)
    return verdict


def _is_found(name: str, module: Any) -> bool:
    # importlib.util.find_spec would trust sys.modules: the finders are asked.
    path = None
    parent = name.rpartition(".")[0]
    if parent:
        package = sys.modules.get(parent)
        path = getattr(package, "__path__", None)
        if path is None or not can_import(package):
            return False
    for finder in list(sys.meta_path):
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, path) if find_spec is not None else None
        except Exception:
            spec = None
        if spec is not None:
            if _is_origin(spec, module):
                return True
            break
    # Some packages put a module of another name there: collections.abc.
    spec = getattr(module, "__spec__", None)
    real_name = getattr(spec, "name", name)
    return bool(parent) and real_name != name and _is_found(real_name, module)


def _is_origin(spec: Any, module: Any) -> bool:
    file = getattr(module, "__file__", None)
    if spec.origin is None:  # a namespace package
        found = list(spec.submodule_search_locations or ())
        return file is None and found == list(getattr(module, "__path__", ()))
    loaded = getattr(module, "__spec__", None)
    return spec.origin in (file, getattr(loaded, "origin", None))


def by_name(obj: Any) -> Reduction | None:
    """The reduction of a function or class to its name, if it can go by it."""
    module = getattr(obj, "__module__", None)
    qualname = getattr(obj, "__qualname__", None)
    if type(module) is not str or type(qualname) is not str or module == "__main__":
        return None
    if module not in sys.modules:
        _import_standard(module)
    if _byvalue.find(module, qualname) is not obj:
        return None
    # What C has made appears with a module that others can import, even if the
    # module where it says to be cannot be found by itself.
    is_python = type(obj) in (FunctionType, CachedType) or (
        isinstance(obj, type) and obj.__flags__ & HEAP_TYPE
    )
    if is_python and not can_import(sys.modules[module]):
        return None
    return GLOBAL, (module, qualname), None


def _import_standard(module: str) -> None:
    # collections.abc, for one, may not be imported though its classes are.
    if module.partition(".")[0] in sys.stdlib_module_names:
        try:
            __import__(module)
        except ImportError:
            return


def _alias(cls: type) -> Reduction | None:
    # type(None) and others are called something else than what holds them.
    if cls.__module__ == "builtins":
        for name, value in vars(types).items():
            if value is cls:
                return GLOBAL, ("types", name), None
    return None


# ---- by value ---------------------------------------------------------------


def _reduce_function(function: Any) -> Reduction:
    _, data, names, attributes = facts_of(function.__code__)
    space = _byvalue.space_of(function)
    cells = function.__closure__
    arguments = (
        space.origin,
        space.number,
        space.name,
        function.__globals__.get("__package__"),
        data,
        function.__name__,
        function.__qualname__,
        cells,
    )
    is_shallow = get_ident() in shallow_threads
    state = (
        function.__defaults__,
        function.__kwdefaults__,
        tuple([_byvalue.content_of(cell) for cell in cells or ()]),
        _extras(function),
        None if is_shallow else _named_globals(function, space, names),
        _used_submodules(function, names, attributes),
    )
    return FUNCTION, arguments, state


def _extras(function: Any) -> dict[str, Any] | None:
    """What few functions have."""
    extras = {}
    code = function.__code__
    if function.__dict__:
        extras["__dict__"] = function.__dict__
    if function.__doc__ != (
        code.co_consts[0] if code.co_flags & HAS_DOCSTRING else None
    ):
        extras["__doc__"] = function.__doc__
    if function.__module__ != function.__globals__.get("__name__"):
        extras["__module__"] = function.__module__
    if function.__type_params__:
        extras["__type_params__"] = function.__type_params__
    if get_ident() not in bare_threads:
        annotate = getattr(function, "__annotate__", None)
        if annotate is not None:  # not called: what it names may not be there yet
            extras["__annotate__"] = annotate_alone(annotate)
        elif function.__annotations__:
            extras["__annotations__"] = function.__annotations__
    return extras or None


def annotate_alone(annotate: Any) -> Any:
    """The function that makes annotations, with no more of the class around it
    than it names.
    """
    if type(annotate) is not FunctionType:
        return annotate
    code, cells = annotate.__code__, annotate.__closure__ or ()
    if "__classdict__" not in code.co_freevars:
        return annotate
    at = code.co_freevars.index("__classdict__")
    names = {name for each in _nested(code) for name in each.co_freevars}
    names.update(facts_of(code)[2])
    for namespace in _byvalue.content_of(cells[at]):
        named = CellType({name: namespace[name] for name in names & set(namespace)})
        cells = (*cells[:at], named, *cells[at + 1 :])
    return FunctionType(
        code, annotate.__globals__, annotate.__name__, annotate.__defaults__, cells
    )


def global_of(function: Any, name: str) -> Any:
    value = function.__globals__.get(name, ABSENT)
    if _LazyImport is not None and type(value) is _LazyImport:
        try:
            value = function.__globals__[name] = value.resolve()
        except ImportError:
            return ABSENT  # it may never be used
    return value


def _named_globals(
    function: Any, space: Space, names: tuple[str, ...]
) -> dict[str, tuple[Any, ...]]:
    entries: dict[str, tuple[Any, ...]] = {}
    is_annotate = function.__code__.co_name == "__annotate__"
    for name in names:
        value = global_of(function, name)
        if value is ABSENT:
            if name in space.sent:
                entries[name] = (_token(space, name, value),)
            continue
        try:
            entries[name] = (_token(space, name, value), value)
            if is_annotate:
                entries[name] = (entries[name][0], *(_where(value) or (value,)))
        except Exception as error:
            if is_annotate:
                continue  # nobody may ever ask for it
            error.add_note(
                f"(the global {name!r} of {function.__qualname__}{_hint(value)})"
            )
            raise
    return entries


def _hint(value: Any) -> str:
    module = type(value).__module__
    if module in ("_thread", "threading"):
        return "; coterie.sync has what works between interpreters"
    if module in ("_queue", "queue"):
        return "; coterie.Queue works between interpreters"
    return ""


def _where(value: Any) -> tuple[str, ...] | None:
    """Module and name of what can be imported."""
    if isinstance(value, ModuleType):
        return (value.__name__, "") if can_import(value) else None
    if isinstance(value, type | FunctionType | BuiltinType):
        found = by_name(value)
        return found and found[1]
    return None


def _token(space: Space, name: str, value: Any) -> int:
    from coterie._witnesses import fingerprint, is_constant

    last = space.sent.get(name)
    mark = None if value is ABSENT or is_constant(value) else fingerprint(value)
    if last is None or last[1] is not value or last[2] != mark:
        last = space.sent[name] = (_byvalue.new_token(), value, mark)
    return last[0]


# ---- what code names --------------------------------------------------------

Facts = tuple["ref[CodeType]", bytes, tuple[str, ...], set[str]]

# id(code) -> (weak reference, bytes, names of globals, all other names).
_facts: dict[int, Facts] = {}


def facts_of(code: CodeType) -> Facts:
    known = _facts.get(id(code))
    if known is None or known[0]() is not code:
        names = tuple(sorted(global_names(code) - _NEVER_SENT))
        data = MAGIC_NUMBER + dump_code(code)
        known = _byvalue.remember_code(_facts, code, data, names, _all_names(code))
    return known


def _nested(code: CodeType) -> list[CodeType]:
    """The code, and all the code inside it."""
    found = [code]
    for each in found:  # it grows meanwhile
        found += [const for const in each.co_consts if type(const) is CodeType]
    return found


def _all_names(code: CodeType) -> set[str]:
    return {name for each in _nested(code) for name in each.co_names}


def global_names(code: CodeType) -> set[str]:
    """The names that the code, and code inside it, uses as globals."""
    from opcode import opmap

    # Not co_names: these are also names of attributes.  LOAD_NAME is for the
    # bodies of classes.
    others = {
        opmap[operation]
        for operation in (
            "STORE_GLOBAL",
            "DELETE_GLOBAL",
            "LOAD_NAME",
            "LOAD_FROM_DICT_OR_GLOBALS",
        )
    }
    names = set()
    for each in _nested(code):
        high = 0
        steps = each.co_code
        for operation, arg in zip(steps[::2], steps[1::2], strict=True):
            arg |= high
            if operation == opmap["LOAD_GLOBAL"]:
                names.add(each.co_names[arg >> 1])
            elif operation in others:
                names.add(each.co_names[arg])
            high = arg << 8 if operation == opmap["EXTENDED_ARG"] else 0
    return names


def _used_submodules(
    function: Any, names: tuple[str, ...], attributes: set[str]
) -> tuple[ModuleType, ...]:
    """Submodules that are reached through a package: import a.b; a.b.c()."""
    used = []
    for name in names:
        package = global_of(function, name)
        if not isinstance(package, ModuleType) or not hasattr(package, "__path__"):
            continue
        prefix = package.__name__ + "."
        for full, module in list(sys.modules.items()):
            if not full.startswith(prefix):
                continue
            path = full.removeprefix(prefix).split(".")
            if attributes.issuperset(path) and can_import(module):
                used.append(module)
    return tuple(used)
