"""What a function was made of, to see later whether it still is.

witnesses() lists the places to look at, over all the functions and classes that
go by value with the callable; the codec keeps what is there and compares
(csrc/codec/definition.h).
"""

from __future__ import annotations

import sys
from _thread import get_ident

from coterie import _byvalue, _reducing
from coterie._byvalue import (
    ABSENT,
    BuiltinType,
    CachedType,
    FunctionType,
    ModuleType,
    Setting,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Where to look (csrc/codec/definition.c).
IN_CODE = 0
IN_DEFAULTS = 1
IN_DEFAULTS_LEN = 2
IN_KWDEFAULTS = 3
IN_KWDEFAULTS_LEN = 4
IN_CELLS = 5
IN_GLOBALS = 6
IN_ATTRIBUTES = 7
IN_ATTRIBUTES_LEN = 8
IN_CLASS = 9
IN_CLASS_VERSION = 10
IN_MODULE = 11

# What to expect there (the same).
IS_SAME = 0
IS_HOLDER = 1
IS_ABSENT = 2
IS_NUMBER = 3
IS_CONTENT = 4

_FUNCTION_LIKE = frozenset((FunctionType, CachedType))

# They can only become another value by becoming another object.
_ATOMS = frozenset(
    (type(None), bool, int, float, complex, str, bytes, type(...), range, BuiltinType)
)
_CONSTANT_TYPES = frozenset(
    (
        "builtins.sentinel",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "logging.Logger",  # travels by its name
        "logging.RootLogger",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib._local.PosixPath",
        "pathlib._local.PurePosixPath",
        "re.Pattern",
        "types.GenericAlias",
        "typing.NewType",
        "typing.ParamSpec",
        "typing.TypeAliasType",
        "typing.TypeVar",
        "typing.TypeVarTuple",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    )
)

# Nobody changes these after the class was made, or it does not matter.
_CLASS_DETAILS = frozenset(
    (
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__dict__",
        "__orig_bases__",
        "__parameters__",
        "__slotnames__",
        "__slots__",
        "__weakref__",
        "_abc_impl",
    )
)
_DESCRIPTORS = frozenset(
    (
        "builtins.getset_descriptor",
        "builtins.member_descriptor",
        "builtins.method_descriptor",
        "builtins.wrapper_descriptor",
        "builtins.classmethod_descriptor",
        "collections._tuplegetter",
    )
)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _may_go_by_value(value: Any) -> bool:
    return type(value) in _FUNCTION_LIKE or isinstance(value, type)


def is_constant(value: Any) -> bool:
    """Can it only become another value by becoming another object?"""
    cls = type(value)
    if cls in _ATOMS:
        return True
    if cls is tuple or cls is frozenset:
        return all(map(is_constant, value))
    if _may_go_by_value(value):
        return _reducing.by_name(value) is not None
    return isinstance(value, ModuleType) or _full_name(cls) in _CONSTANT_TYPES


def fingerprint(value: Any) -> bytes:
    """Equal as long as the value would be sent as it was."""
    from coterie._compat import blake2b

    thread = get_ident()
    is_nested = thread in _reducing.shallow_threads
    _reducing.shallow_threads.add(thread)
    try:
        encoding = Setting.fingerprint(value)
    finally:
        if not is_nested:
            _reducing.shallow_threads.discard(thread)
    return blake2b(encoding, digest_size=16).digest()


ClassState = tuple["int | None", bytes]


def class_state(cls: type, last: ClassState | None) -> ClassState:
    """The version, and what is equal as long as the class is as it was.

    The version is None if the class can change without a new one.
    """
    version = Setting.version(cls)
    if last is not None and version is not None and version == last[0]:
        return last
    seen = _Witnesses(cls)
    seen.see_class(0, cls)
    if any(row[3] == IS_CONTENT for row in seen.rows):
        version = None
    # The version may be new and all the same: Python itself keeps things there.
    return version, fingerprint(list(_attributes(cls)))


def _attributes(cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(cls).items()):
        if name not in _CLASS_DETAILS and _full_name(type(value)) not in _DESCRIPTORS:
            yield name, value


class _Witnesses:
    def __init__(self, root: Any) -> None:
        self.holders = [root]
        self.numbers = {id(root): 0}
        self.rows: list[tuple[int, int, str | int | None, int, Any]] = []

    def number(self, holder: Any) -> int:
        number = self.numbers.setdefault(id(holder), len(self.holders))
        if number == len(self.holders):
            self.holders.append(holder)
        return number

    def count(self, at: int, place: int) -> None:
        self.rows.append((at, place, None, IS_NUMBER, None))

    def see(self, at: int, place: int, key: str | int | None, value: Any) -> None:
        if value is ABSENT:
            self.rows.append((at, place, key, IS_ABSENT, None))
        elif is_constant(value):
            self.rows.append((at, place, key, IS_SAME, value))
        elif _may_go_by_value(value):
            self.rows.append((at, place, key, IS_HOLDER, self.number(value)))
        else:
            self.rows.append((at, place, key, IS_CONTENT, value))

    def see_function(self, at: int, function: Any) -> None:
        self.rows.append((at, IN_CODE, None, IS_SAME, function.__code__))
        for name in _reducing.facts_of(function.__code__)[2]:
            self.see(at, IN_GLOBALS, name, _reducing.global_of(function, name))
        for i, cell in enumerate(function.__closure__ or ()):
            content = _byvalue.content_of(cell)
            self.see(at, IN_CELLS, i, content[0] if content else ABSENT)
        self.count(at, IN_DEFAULTS_LEN)
        for i, value in enumerate(function.__defaults__ or ()):
            self.see(at, IN_DEFAULTS, i, value)
        self.count(at, IN_KWDEFAULTS_LEN)
        for name, value in (function.__kwdefaults__ or {}).items():
            self.see(at, IN_KWDEFAULTS, name, value)
        self.count(at, IN_ATTRIBUTES_LEN)
        for name, value in function.__dict__.items():
            self.see(at, IN_ATTRIBUTES, name, value)

    def see_class(self, at: int, cls: type) -> None:
        self.count(at, IN_CLASS_VERSION)
        for base in (type(cls), *cls.__bases__):
            if _reducing.by_name(base) is None:
                self.number(base)
        if "_member_map_" in vars(cls):
            return  # the members of an enum stay as they are
        for name, value in _attributes(cls):
            for part in _parts(value):
                if is_constant(part):
                    continue
                if _may_go_by_value(part):
                    # The version says that it is there: but has it changed?
                    self.number(part)
                else:
                    self.see(at, IN_CLASS, name, value)

    def see_holder(self, at: int, holder: Any) -> None:
        if type(holder) is FunctionType:
            self.see_function(at, holder)
        elif type(holder) is CachedType:
            self.number(holder.__wrapped__)  # always the same one
        else:
            self.see_class(at, holder)

    def see_name(self, module: Any, name: str, root: Any) -> None:
        at = self.number(module)
        value = vars(module).get(name, ABSENT)
        if value is root:
            self.rows.append((at, IN_MODULE, name, IS_HOLDER, 0))
        elif value is not ABSENT:
            self.rows.append((at, IN_MODULE, name, IS_SAME, value))


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if type(value) is property:
        return (value.fget, value.fset, value.fdel)
    return (value,)


def witnesses(obj: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    """Holders, and (holder's number, place, key, what to expect, value) of each
    place; None if the object is nothing that has a name, or code.
    """
    seen = _Witnesses(obj)
    reduction = _reducing.by_name(obj)
    if reduction is not None:
        module, qualname = reduction[1]
        if not isinstance(sys.modules[module], ModuleType):
            return None
        seen.see_name(sys.modules[module], qualname.partition(".")[0], obj)
    elif _may_go_by_value(obj):
        for at, holder in enumerate(seen.holders):  # it grows meanwhile
            seen.see_holder(at, holder)
    else:
        return None
    return tuple(seen.holders), tuple(seen.rows)
