"""Pickles, for what the codec's own format cannot hold.

Two picklers: a light one for what pickle can do by itself, and, when it meets
something that only cloudpickle can do (a class that cannot be imported, for
one), one made of cloudpickle's.  In both, functions travel as _byvalue says, and
coterie's shared objects by a number.  Loading needs cloudpickle only if what is
loaded does.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from copyreg import dispatch_table

from coterie import _byvalue
from coterie._byvalue import (
    BuiltinType,
    CachedType,
    CellType,
    FunctionType,
    ModuleType,
)
from coterie._compat import BytesIO, Pickler, PicklingError, load_pickle, ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Attach = Callable[[object], int | None]
    Watch = Callable[[Callable[[Any], Any]], Callable[[object], Any]]

_PROTOCOL = 5

# What is no data, but something that goes by name, or as _byvalue says.
_SPECIAL = (type, ModuleType, FunctionType, BuiltinType, CachedType, CellType)


class _NeedsCloudpickle(Exception):
    pass


# ---- dumping ----------------------------------------------------------------


def dumps(obj: object, attach: Attach, watch: Watch) -> bytes:
    """attach(obj) is the number for a shared object, None for any other.

    watch(function) is a reducer_override that is quick: it calls the function
    for such objects, and what is no data, only.
    """
    try:
        return _dump(obj, attach, watch)
    except Exception:
        bare, thread = _byvalue.reducing().bare_threads, get_ident()
        if thread in bare:
            raise
        bare.add(thread)
        try:
            return _dump(obj, attach, watch)
        except Exception:
            pass  # it was not for the annotations
        finally:
            bare.discard(thread)
        raise


def _dump(obj: object, attach: Attach, watch: Watch) -> bytes:
    try:
        return _dump_lightly(obj, attach, watch)
    except (_NeedsCloudpickle, PicklingError, TypeError, AttributeError) as error:
        full = _full_pickler()
        if full is None:
            if isinstance(error, _NeedsCloudpickle):
                message = f"cannot send {error}: cloudpickle is not installed"
                raise PicklingError(message) from None
            raise
    file = BytesIO()
    pickler = full(file, _PROTOCOL)
    pickler.attach = attach
    pickler.reducer_override = watch(pickler.reduce_special)
    try:
        pickler.dump(obj)
    finally:
        pickler.let_go()
    return file.getvalue()


class _Light(Pickler):
    """With room for an attribute."""


def _dump_lightly(obj: object, attach: Attach, watch: Watch) -> bytes:
    bare_cells: set[int] = set()

    def reduce_special(it: Any) -> Any:
        reduction = _reduce(it, attach, bare_cells)
        if reduction is None:
            raise _NeedsCloudpickle(repr(it))
        return reduction

    file = BytesIO()
    pickler = _Light(file, _PROTOCOL)
    pickler.dispatch_table = {**_own_reducers(), **dispatch_table}
    pickler.reducer_override = watch(reduce_special)  # type: ignore[method-assign]
    pickler.dump(obj)
    return file.getvalue()


_full = None


def _full_pickler() -> Any:
    global _full
    if _full is None:
        try:
            import cloudpickle
        except ImportError:
            return None
        _full = _make_full_pickler(cloudpickle)
    return _full


def _make_full_pickler(cloudpickle: Any) -> Any:
    class Full(cloudpickle.Pickler):  # type: ignore[misc]
        attach: Attach

        def __init__(self, *args: Any) -> None:
            # Before the pickler looks for it.
            self.dispatch_table = {**super().dispatch_table, **_own_reducers()}
            super().__init__(*args)
            self.bare_cells: set[int] = set()
            self.registered: list[Any] = []

        def reduce_special(self, obj: Any) -> Any:
            reduction = _reduce(obj, self.attach, self.bare_cells)
            return self._reduce_by_value(obj) if reduction is None else reduction

        def _reduce_by_value(self, obj: Any) -> Any:
            is_class = isinstance(obj, type)
            self._register(obj.__module__ if is_class else obj.__name__)
            reduction = super().reducer_override(obj)
            if is_class and type(reduction) is tuple and len(reduction) == 6:
                maker, arguments, state, _, _, setter = reduction
                _set_annotations(obj, state[0])
                state = (*_stamp(obj), setter, state)
                return maker, arguments, state, None, None, fill_class
            return reduction

        def _register(self, name: str) -> None:
            # Else cloudpickle trusts that what is loaded can be imported.
            if (
                name in sys.modules
                and not _byvalue.reducing().can_import(sys.modules[name])
                and name not in cloudpickle.list_registry_pickle_by_value()
            ):
                cloudpickle.register_pickle_by_value(sys.modules[name])
                self.registered.append(sys.modules[name])

        def let_go(self) -> None:
            # The override refers to the pickler.
            del self.reducer_override
            for module in self.registered:
                cloudpickle.unregister_pickle_by_value(module)

    return Full


def _own_reducers() -> dict[type, Any]:
    from coterie import _identities

    return _identities.reducers()


def _reduce(obj: Any, attach: Attach, bare_cells: set[int]) -> Any:
    """A reduction, NotImplemented (as pickle does it), or None (by value)."""
    if not isinstance(obj, _SPECIAL):
        number = attach(obj)
        return NotImplemented if number is None else (find_shared, (number,))
    it = _byvalue.reducing()
    if isinstance(obj, CellType):
        if id(obj) in bare_cells:
            return make_cell, ()
        return make_cell, (), _byvalue.content_of(obj), None, None, fill_cell
    if isinstance(obj, CachedType):
        if it.by_name(obj) is not None:
            return NotImplemented
        options = obj.cache_parameters()
        return make_cached, (obj.__wrapped__, options["maxsize"], options["typed"])
    reduction = it.reduce(obj)
    if reduction is None:
        # A method of something built in is pickled with its object.
        return NotImplemented if isinstance(obj, BuiltinType) else None
    kind, arguments, state = reduction
    if kind == _byvalue.FUNCTION:
        # The state brings what is in the cells.
        bare_cells.update(map(id, arguments[-1] or ()))
        return _byvalue.make, (arguments,), state, None, None, _byvalue.fill
    if kind == _byvalue.MODULE:
        return find_module, arguments
    if arguments == (obj.__module__, obj.__qualname__):
        return NotImplemented  # pickle does the same
    return find_global, arguments


# ---- loading ----------------------------------------------------------------

# Thread -> stack of the shared objects that its pickles may name.
_receiving: dict[int, list[tuple[Any, ...]]] = {}


def loads(data: Any, objects: tuple[Any, ...]) -> Any:
    if not objects:
        return load_pickle(data)
    stack = _receiving.setdefault(get_ident(), [])
    stack.append(objects)
    try:
        return load_pickle(data)
    finally:
        stack.pop()
        if not stack:
            _receiving.pop(get_ident(), None)


def find_shared(number: int) -> Any:
    return _receiving[get_ident()][-1][number]


def find_module(name: str) -> Any:
    __import__(name)
    return sys.modules[name]


def find_global(module: str, qualname: str) -> Any:
    found = find_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    from functools import lru_cache

    return lru_cache(maxsize, typed)(function)


def make_cell() -> CellType:
    return CellType()


def fill_cell(cell: CellType, content: Iterable[Any]) -> None:
    for value in content:
        cell.cell_contents = value


# ---- classes by value -------------------------------------------------------

# id(class) -> (weak reference, origin, token, state) of classes that were sent or
# came.  cloudpickle knows a class again, wherever it was sent; the token says
# whether it is up to date, the origin that it is at home.
_classes: dict[int, tuple[ref[type], int, int, Any]] = {}
_looked_at: set[tuple[int, int]] = set()  # (thread, id(class)): state is sought


def _known_class(cls: type) -> tuple[int, int, Any] | None:
    known = _classes.get(id(cls))
    return known[1:] if known is not None and known[0]() is cls else None


def _note_class(cls: type, origin: int, token: int, state: Any) -> tuple[int, int]:
    key = id(cls)
    weak = ref(cls, lambda _: _classes.pop(key, None) and None)
    _classes[key] = (weak, origin, token, state)
    return origin, token


def _stamp(cls: type) -> tuple[int, int]:
    from coterie._witnesses import class_state

    mark = (get_ident(), id(cls))
    if mark in _looked_at:  # it is among its own attributes
        return 0, 0
    known = _known_class(cls)
    if known is None:
        known = (_byvalue.here(), _byvalue.new_token(), None)
    origin, token, last = known
    _looked_at.add(mark)
    try:
        state = class_state(cls, last)
    finally:
        _looked_at.discard(mark)
    if last is not None and last[1] != state[1]:
        token = _byvalue.new_token()
    return _note_class(cls, origin, token, state)


def _set_annotations(cls: type, attributes: dict[str, Any]) -> None:
    """cloudpickle leaves out what makes them, and may send what it has made."""
    it = _byvalue.reducing()
    annotate = getattr(cls, "__annotate__", None)
    is_bare = get_ident() in it.bare_threads
    if annotate is not None or is_bare:
        attributes.pop("__annotations_cache__", None)
        attributes.pop("__annotations__", None)
    if annotate is None or is_bare:
        return
    if annotate.__module__ == cls.__module__:
        attributes["__annotate__"] = it.annotate_alone(annotate)
        return
    try:
        attributes["__annotations__"] = cls.__annotations__
    except Exception:  # typing made it, and it names what is not there yet
        return


def fill_class(cls: type, state: tuple[Any, ...]) -> None:
    origin, token, setter, contents = state
    known = _known_class(cls)
    if known is not None and (known[0] == _byvalue.here() or known[1] == token):
        return
    setter(cls, contents)
    _note_class(cls, origin, token, None)
