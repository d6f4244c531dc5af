"""Pickles, for what the codec's own format cannot hold.

Two picklers: a light one for what pickle can do by itself, and, when it meets
something that only cloudpickle can do (a class that cannot be imported, for
one), one made of cloudpickle's.  In both, functions travel as _byvalue says, and
coterie's shared objects by a number.  Loading needs cloudpickle only if what is
loaded does.
"""

import sys
from _io import BytesIO
from _pickle import Pickler, PicklingError
from _pickle import loads as load_pickle
from _thread import get_ident
from _weakref import ref

from coterie import _byvalue
from coterie._byvalue import BuiltinType, CachedType, FunctionType, ModuleType

CellType = type((lambda it: lambda: it)(0).__closure__[0])

_PROTOCOL = 5
_NO_DATA = frozenset((FunctionType, BuiltinType, CachedType, ModuleType, CellType))


class _NeedsCloudpickle(Exception):
    pass


# ---------------------------------------------------------------- dumping


def dumps(obj, attach):
    """attach(obj) is the number for a shared object, None for others."""
    try:
        return _dump(_Light, obj, attach)
    except (_NeedsCloudpickle, PicklingError, TypeError, AttributeError) as error:
        full = _full_pickler()
        if full is None:
            if isinstance(error, _NeedsCloudpickle):
                message = f"cannot send {error}: cloudpickle is not installed"
                raise PicklingError(message) from None
            raise
    return _dump(full, obj, attach)


def _dump(pickler_type, obj, attach):
    file = BytesIO()
    pickler = pickler_type(file, _PROTOCOL)
    pickler.attach = attach
    pickler.bare_cells = set()
    try:
        pickler.dump(obj)
    finally:
        pickler.close()
    return file.getvalue()


class _Ours:
    """What both picklers do themselves."""

    def close(self):
        pass

    def reduce_special(self, obj):
        """For what is no data: a reduction, NotImplemented, or None."""
        if type(obj) is CellType:
            return self._reduce_cell(obj)
        if type(obj) is CachedType:
            return _reduce_cached(obj)
        reduction = _byvalue.reduce(obj)
        if reduction is None:
            return None
        kind, arguments, state = reduction
        if kind == _byvalue.FUNCTION:
            # The state brings what is in the cells.
            self.bare_cells.update(map(id, obj.__closure__ or ()))
            return _byvalue.make, (arguments,), state, None, None, _byvalue.fill
        if kind == _byvalue.MODULE:
            return find_module, arguments
        if arguments == (obj.__module__, obj.__qualname__):
            return NotImplemented  # pickle does the same
        return find_global, arguments

    def _reduce_cell(self, cell):
        if id(cell) in self.bare_cells:
            return make_cell, ()
        content = _byvalue._content(cell)
        return make_cell, (), content, None, None, fill_cell


def _reduce_cached(cached):
    if _byvalue._by_name(cached) is not None:
        return NotImplemented
    options = cached.cache_parameters()
    return make_cached, (cached.__wrapped__, options["maxsize"], options["typed"])


class _Light(_Ours, Pickler):
    def reducer_override(self, obj):
        cls = type(obj)
        if cls in _NO_DATA or isinstance(obj, (type, ModuleType)):
            reduction = self.reduce_special(obj)
            if reduction is not None:
                return reduction
            if cls is BuiltinType:
                return NotImplemented  # a method of something
            raise _NeedsCloudpickle(repr(obj))
        number = self.attach(obj)
        if number is not None:
            return find_shared, (number,)
        return NotImplemented


_full = None


def _full_pickler():
    global _full
    if _full is None:
        try:
            import cloudpickle
        except ImportError:
            return None
        _full = _make_full_pickler(cloudpickle)
    return _full


def _make_full_pickler(cloudpickle):
    class Full(_Ours, cloudpickle.Pickler):
        def close(self):
            for module in self.__dict__.pop("registered", ()):
                cloudpickle.unregister_pickle_by_value(module)

        def reducer_override(self, obj):
            cls = type(obj)
            if cls in _NO_DATA or isinstance(obj, (type, ModuleType)):
                reduction = self.reduce_special(obj)
                if reduction is not None:
                    return reduction
                return self._reduce_by_value(obj)
            number = self.attach(obj)
            if number is not None:
                return find_shared, (number,)
            return super().reducer_override(obj)

        def _reduce_by_value(self, obj):
            is_class = isinstance(obj, type)
            name = obj.__module__ if is_class else getattr(obj, "__name__", None)
            self._register(sys.modules.get(name))
            reduction = super().reducer_override(obj)
            if is_class and type(reduction) is tuple and len(reduction) == 6:
                maker, arguments, state, _, _, setter = reduction
                state = (*_stamp(obj), setter, state)
                return maker, arguments, state, None, None, fill_class
            return reduction

        def _register(self, module):
            # Else cloudpickle trusts that what is loaded can be imported.
            if (
                module is None
                or _byvalue.can_import(module)
                or module.__name__ in cloudpickle.list_registry_pickle_by_value()
            ):
                return
            cloudpickle.register_pickle_by_value(module)
            self.__dict__.setdefault("registered", []).append(module)

    return Full


# ---------------------------------------------------------------- loading

# Thread -> stack of the shared objects that its pickles may name.
_receiving = {}


def loads(data, objects):
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


def find_shared(number):
    return _receiving[get_ident()][-1][number]


def find_module(name):
    __import__(name)
    return sys.modules[name]


def find_global(module, qualname):
    found = find_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def make_cached(function, maxsize, typed):
    from functools import lru_cache

    return lru_cache(maxsize, typed)(function)


def make_cell():
    return CellType()


def fill_cell(cell, content):
    if content:
        cell.cell_contents = content[0]


# ------------------------------------------------------- classes by value

# id(class) -> (weak reference, origin, token, state) of classes that were sent or
# came.  cloudpickle knows a class again, wherever it was sent; the token says
# whether it is up to date, the origin that it is at home.
_classes = {}
_looked_at = set()  # classes whose state is being found out


def _known_class(cls):
    known = _classes.get(id(cls))
    return known if known is not None and known[0]() is cls else None


def _state_of(cls):
    """Equal only if the class is as it was."""
    contents = [
        value
        for at, _, _, expectation, value in _byvalue.witnesses(cls)[1]
        if at == 0 and expectation == _byvalue.IS_CONTENT
    ]
    mark = _byvalue.fingerprint(contents) if contents else None
    return _byvalue.version(cls), mark


def _note_class(cls, origin, token, state):
    key = id(cls)
    weak = ref(cls, lambda _: _classes.pop(key, None))
    _classes[key] = (weak, origin, token, state)
    return origin, token


def _stamp(cls):
    known = _known_class(cls)
    key = id(cls)
    if known is None:
        known = (None, _byvalue.here(), _byvalue.new_token(), None)
    _, origin, token, old_state = known
    if key in _looked_at:  # an instance of it is among its attributes
        return origin, token
    _looked_at.add(key)
    try:
        state = _state_of(cls)
    finally:
        _looked_at.discard(key)
    if old_state is not None and old_state != state:
        token = _byvalue.new_token()
    return _note_class(cls, origin, token, state)


def fill_class(cls, state):
    origin, token, setter, contents = state
    known = _known_class(cls)
    if known is not None:
        if known[1] == _byvalue.here() or known[2] == token:
            return
    setter(cls, contents)
    _note_class(cls, origin, token, None)
