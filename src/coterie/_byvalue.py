"""Which objects travel by name, and how functions travel by value.

An object goes by name only if the other interpreter can import it and would get
the same thing.  A function that cannot goes by value: its code, defaults, cells,
and those of its globals that the code names.

All functions of one module share one dict of globals in the interpreter that
receives them (a Space); it lives as long as the interpreter, so that a counter
or a cache kept in a global works across calls.  Each global comes with a token,
which the sender renews when it sees another value; a global is set only when its
token differs from the last one, so nothing is stale and nothing is undone.

The codec (csrc/codec) calls set_up, reduce, make, fill and witnesses.  Worker
interpreters import this module, so it imports only what is there anyway.
"""

import sys
from _frozen_importlib_external import MAGIC_NUMBER
from _functools import _lru_cache_wrapper as CachedType
from _thread import get_ident
from _weakref import ref
from marshal import dumps as dump_code
from marshal import loads as load_code
from posix import getpid

FunctionType = type(lambda: None)
CodeType = type((lambda: None).__code__)
BuiltinType = type(len)
_FUNCTION_LIKE = frozenset((FunctionType, CachedType))
ModuleType = type(sys)

# Kinds of reductions (csrc/codec/format.h).
GLOBAL, MODULE, FUNCTION = 1, 2, 3

_ABSENT = object()
_HAS_ANNOTATE = sys.version_info >= (3, 14)

# What Python gives every module itself.
_NEVER_SENT = frozenset(
    ("__name__", "__builtins__", "__spec__", "__loader__", "__package__")
)

# Marks a function that make() has made and fill() has not yet filled.
_UNFILLED = {}


class _Setting:
    """What the codec says of this interpreter."""

    origin = 0
    is_main = True
    fingerprint = None  # object -> bytes, which are compared
    version = None  # class -> number, another one after every change


def set_up(origin, is_main, fingerprint, version):
    _Setting.origin = origin
    _Setting.is_main = is_main
    _Setting.fingerprint = fingerprint
    _Setting.version = version


def here():
    """Stands for this interpreter of this process, and no other."""
    return _Setting.origin << 32 | getpid()


# ---------------------------------------------------------------- by name

# Name -> (weak reference to the module, whether others can import it).
_verdicts = {}


def can_import(module):
    """Would another interpreter that imports its name get this module?"""
    name = getattr(module, "__name__", None)
    if type(name) is not str or sys.modules.get(name) is not module:
        return False
    known = _verdicts.get(name)
    if known is not None and known[0]() is module:
        return known[1]
    verdict = name != "__main__" and _is_found(name, module)
    try:
        _verdicts[name] = (ref(module), verdict)
    except TypeError:  # some put other objects among the modules
        pass
    return verdict


def _is_found(name, module):
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
            return _is_origin(spec, module)
    return False


def _is_origin(spec, module):
    loaded = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if spec.origin is None:  # a namespace package
        found = list(spec.submodule_search_locations or ())
        return file is None and found == list(getattr(module, "__path__", ()))
    return spec.origin in (file, getattr(loaded, "origin", None))


def _find(module, qualname):
    found = sys.modules.get(module, _ABSENT)
    if found is _ABSENT and module.partition(".")[0] in sys.stdlib_module_names:
        # collections.abc, for one, may not be imported though its classes are.
        try:
            __import__(module)
        except ImportError:
            pass
        found = sys.modules.get(module, _ABSENT)
    for name in qualname.split("."):
        found = getattr(found, name, _ABSENT)
    return found


def _alias(cls):
    # type(None) and others are called something else than what holds them.
    if cls.__module__ == "builtins":
        import types

        for name, value in vars(types).items():
            if value is cls:
                return GLOBAL, ("types", name), None
    return None


def _by_name(obj):
    """The reduction of a function or class to its name, or None."""
    module = getattr(obj, "__module__", None)
    qualname = getattr(obj, "__qualname__", None)
    if type(module) is not str or type(qualname) is not str:
        return None
    if module == "__main__" or _find(module, qualname) is not obj:
        return None
    # What C has made appears with a module that others can import, even if the
    # module where it says to be cannot be found by itself.
    is_python = type(obj) in (FunctionType, CachedType) or (
        isinstance(obj, type) and obj.__flags__ & 1 << 9
    )
    if is_python and not can_import(sys.modules[module]):
        return None
    return GLOBAL, (module, qualname), None


# ----------------------------------------------------------------- spaces


class Space:
    """The globals of one module's functions, here or there."""

    __slots__ = ("applied", "globals", "is_home", "name", "number", "origin", "sent")

    def __init__(self, origin, number, name, globals, is_home):
        self.origin = origin
        self.number = number
        self.name = name
        self.globals = globals
        self.is_home = is_home
        self.applied = {}  # name -> token, of what came
        self.sent = {}  # name -> [token, value, fingerprint], of what went


_KEPT_SPACES = 1024
_own = {}  # id(globals) -> Space; holds the globals, so the id stays theirs
_received = {}  # (origin, number, name) -> Space
_codes = {}  # id(code) -> (weak reference, Space), of code that came
_counter = iter(range(1, sys.maxsize))


def _own_space(globals):
    space = _own.get(id(globals))
    if space is None:
        name = globals.get("__name__")
        name = name if type(name) is str else ""
        module = sys.modules.get(name)
        is_module = getattr(module, "__dict__", None) is globals
        number = 0 if is_module else next(_counter)
        if len(_own) >= _KEPT_SPACES:
            _own.pop(next(iter(_own)), None)
        space = Space(here(), number, name, globals, True)
        space = _own.setdefault(id(globals), space)
    return space


def _space_of(function):
    known = _codes.get(id(function.__code__))
    if known is not None and known[1].globals is function.__globals__:
        return known[1]
    return _own_space(function.__globals__)


def _home(number, name):
    """The globals here of a function that was made here, or None."""
    if number == 0:
        return getattr(sys.modules.get(name), "__dict__", None)
    for space in list(_own.values()):
        if space.is_home and space.number == number:
            return space.globals
    return None


def _receive_space(origin, number, name, package):
    space = _received.get((origin, number, name))
    if space is not None:
        return space
    globals = _home(number, name) if origin == here() else None
    is_home = globals is not None
    if globals is None and number == 0 and name == "__main__":
        globals = _take_main()
    if globals is None:
        globals = {"__name__": name, "__package__": package}
        globals["__builtins__"] = __builtins__
    space = Space(origin, number, name, globals, is_home)
    if is_home:
        return space
    space = _received.setdefault((origin, number, name), space)
    if space.name != "__main__" or number != 0:
        _own.setdefault(id(globals), space)
    return space


def _take_main():
    # So that what is pickled by name is found.  The main interpreter's own
    # module is never written to; a second sender gets a dict of its own.
    if _Setting.is_main:
        return None
    globals = sys.modules["__main__"].__dict__
    taken = any(space.globals is globals for space in _received.values())
    return None if taken else globals


def _apply(space, names):
    for name, (token, *value) in names.items():
        last = space.applied.get(name)
        if last == token:
            continue
        space.applied[name] = token
        if last is None and name in space.globals:
            continue  # bound by code that ran here: an initializer wins
        if value:
            space.globals[name] = value[0]
            space.sent[name] = [token, value[0], None]
        else:
            space.globals.pop(name, None)


# ------------------------------------------------------------ what changes

# Immutable, though their types are no built-in ones.
_CONSTANT_TYPES = frozenset(
    (
        "_decimal.Decimal",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "logging.Logger",
        "logging.RootLogger",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib._local.PosixPath",
        "pathlib._local.PurePosixPath",
        "re.Pattern",
        "types.GenericAlias",
        "typing.Any",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    )
)
_ATOMS = frozenset(
    (type(None), bool, int, float, complex, str, bytes, type(...), range)
)
_shallow = set()  # threads that fingerprint: functions without their globals


def is_constant(value):
    """Can only become another value by becoming another object?"""
    cls = type(value)
    if cls in _ATOMS or value is _ABSENT or cls is BuiltinType:
        return True
    if cls is tuple or cls is frozenset:
        return all(map(is_constant, value))
    if cls in _FUNCTION_LIKE or isinstance(value, type):
        return _by_name(value) is not None
    if isinstance(value, ModuleType):
        return True
    return f"{cls.__module__}.{cls.__qualname__}" in _CONSTANT_TYPES


def fingerprint(value):
    from _blake2 import blake2b

    thread = get_ident()
    is_nested = thread in _shallow
    _shallow.add(thread)
    try:
        encoding = _Setting.fingerprint(value)
    finally:
        if not is_nested:
            _shallow.discard(thread)
    return blake2b(encoding, digest_size=16).digest()


def version(cls):
    number = _Setting.version(cls)
    # None when Python has run out of versions for the class.
    return number if number is not None else new_token()


def new_token():
    return here() << 40 | next(_counter)


def _token(space, name, value):
    last = space.sent.get(name)
    mark = None if is_constant(value) else fingerprint(value)
    if last is None or last[1] is not value or last[2] != mark:
        last = [new_token(), value, mark]
        space.sent[name] = last
    return last[0]


# -------------------------------------------------------------- named globals

# id(code) -> (weak reference, bytes, names of globals, all other names)
_facts = {}


def _remember_code(table, code, *facts):
    key = id(code)
    table[key] = (ref(code, lambda _: table.pop(key, None)), *facts)
    return table[key]


def _operations():
    from _opcode_metadata import opmap

    by_name = ("STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    return opmap["EXTENDED_ARG"], opmap["LOAD_GLOBAL"], {opmap[n] for n in by_name}


def global_names(code):
    """The names that the code, and code inside it, uses as globals."""
    extended_arg, load_global, others = _operations()
    names = set()
    pending = [code]
    while pending:
        code = pending.pop()
        pending += [const for const in code.co_consts if type(const) is CodeType]
        steps = code.co_code
        high = 0
        for operation, arg in zip(steps[::2], steps[1::2], strict=True):
            arg |= high
            if operation == load_global:
                names.add(code.co_names[arg >> 1])
            elif operation in others:
                names.add(code.co_names[arg])
            high = arg << 8 if operation == extended_arg else 0
    return names


def _attribute_names(code):
    names = set(code.co_names)
    for const in code.co_consts:
        if type(const) is CodeType:
            names |= _attribute_names(const)
    return names


def _facts_of(code):
    known = _facts.get(id(code))
    if known is None or known[0]() is not code:
        names = tuple(sorted(global_names(code) - _NEVER_SENT))
        known = _remember_code(
            _facts, code, MAGIC_NUMBER + dump_code(code), names, _attribute_names(code)
        )
    return known


def _used_submodules(function, names, attributes):
    """Submodules that are reached through a package: import a.b; a.b.c()."""
    used = []
    for name in names:
        package = function.__globals__.get(name)
        if not isinstance(package, ModuleType) or not hasattr(package, "__path__"):
            continue
        prefix = package.__name__ + "."
        for full, module in list(sys.modules.items()):
            if full.startswith(prefix) and can_import(module):
                if attributes.issuperset(full[len(prefix) :].split(".")):
                    used.append(module)
    return tuple(used)


# ---------------------------------------------------------------- functions


def reduce(obj):
    """How to send it: (kind, arguments, state), or None for a pickle."""
    cls = type(obj)
    if cls is FunctionType:
        return _by_name(obj) or _reduce_function(obj)
    if isinstance(obj, type):
        return _by_name(obj) or _alias(obj)
    if isinstance(obj, ModuleType):
        if obj is sys.modules.get("__main__") or can_import(obj):
            return MODULE, (obj.__name__,), None
        return None
    if cls is BuiltinType:
        owner = obj.__self__
        if owner is None or isinstance(owner, ModuleType):
            return _by_name(obj)
    return None


def _reduce_function(function):
    code = function.__code__
    _, data, names, attributes = _facts_of(code)
    space = _space_of(function)
    arguments = (
        space.origin,
        space.number,
        space.name,
        function.__globals__.get("__package__"),
        data,
        function.__name__,
        function.__qualname__,
        function.__closure__,
    )
    state = (
        function.__defaults__,
        function.__kwdefaults__,
        tuple([_content(cell) for cell in function.__closure__ or ()]),
        _extras(function),
        None if get_ident() in _shallow else _named_globals(function, space, names),
        _used_submodules(function, names, attributes),
    )
    return FUNCTION, arguments, state


def _content(cell):
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _own_doc(code):
    # What a function made of this code says by itself (CO_HAS_DOCSTRING).
    return code.co_consts[0] if code.co_flags & 0x4000000 else None


def _extras(function):
    """What few functions have."""
    extras = {}
    if function.__dict__:
        extras["__dict__"] = function.__dict__
    if function.__doc__ != _own_doc(function.__code__):
        extras["__doc__"] = function.__doc__
    if function.__module__ != function.__globals__.get("__name__"):
        extras["__module__"] = function.__module__
    if function.__type_params__:
        extras["__type_params__"] = function.__type_params__
    annotate = getattr(function, "__annotate__", None)
    if annotate is not None:  # not asked for its answer: it may not have one yet
        extras["__annotate__"] = annotate
    elif function.__annotations__:
        extras["__annotations__"] = function.__annotations__
    return extras or None


def _named_globals(function, space, names):
    entries = {}
    for name in names:
        value = function.__globals__.get(name, _ABSENT)
        if value is _ABSENT:
            if name in space.sent:
                entries[name] = (_token(space, name, value),)
            continue
        try:
            entries[name] = (_token(space, name, value), value)
        except Exception as error:
            error.add_note(f"(the global {name!r} of {function.__qualname__})")
            raise
    return entries


def make(arguments):
    """The function without its state; the very function, if it came home."""
    origin, number, module, package, data, name, qualname, cells = arguments
    if data[:4] != MAGIC_NUMBER:
        raise ValueError("the function was sent by another version of Python")
    code = load_code(memoryview(data)[4:])
    space = _receive_space(origin, number, module, package)
    if space.is_home and number == 0:
        function = _find(module, qualname)
        if type(function) is FunctionType and function.__code__ == code:
            # Another function that came with it may share the cells.
            for new, old in zip(cells or (), function.__closure__ or (), strict=True):
                content = _content(old)
                if content:
                    new.cell_contents = content[0]
            return function
    if not space.is_home:
        _remember_origin(code, space)
    function = FunctionType(code, space.globals, name, None, cells)
    function.__qualname__ = qualname
    function.__kwdefaults__ = _UNFILLED
    return function


def _remember_origin(code, space):
    # Also of code inside, from which it will make functions.
    _remember_code(_codes, code, space)
    for const in code.co_consts:
        if type(const) is CodeType:
            _remember_origin(const, space)


def fill(function, state):
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
    known = _codes.get(id(function.__code__))
    if names and known is not None:
        _apply(known[1], names)


# ---------------------------------------------------------------- witnesses

# Where to look, and what to expect there (csrc/codec/definition.c).
(
    IN_CODE,
    IN_DEFAULTS,
    IN_DEFAULTS_LEN,
    IN_KWDEFAULTS,
    IN_KWDEFAULTS_LEN,
    IN_CELLS,
    IN_GLOBALS,
    IN_ATTRIBUTES,
    IN_ATTRIBUTES_LEN,
    IN_CLASS,
    IN_CLASS_VERSION,
    IN_MODULE,
) = range(12)
IS_SAME, IS_HOLDER, IS_ABSENT, IS_NUMBER, IS_CONTENT = range(5)

# Nobody changes them after the class was made, or it does not matter.
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
        "builtins.builtin_function_or_method",
        "collections._tuplegetter",
        "_collections._tuplegetter",
    )
)


class _Witnesses:
    def __init__(self, root):
        self.holders = [root]
        self.numbers = {id(root): 0}
        self.rows = []

    def number(self, holder):
        number = self.numbers.setdefault(id(holder), len(self.holders))
        if number == len(self.holders):
            self.holders.append(holder)
        return number

    def see(self, at, place, key, value):
        if value is _ABSENT:
            self.rows.append((at, place, key, IS_ABSENT, None))
        elif is_constant(value):
            self.rows.append((at, place, key, IS_SAME, value))
        elif type(value) in _FUNCTION_LIKE or isinstance(value, type):
            number = self.number(value)
            self.rows.append((at, place, key, IS_HOLDER, number))
        else:
            self.rows.append((at, place, key, IS_CONTENT, value))

    def see_function(self, at, function):
        code = function.__code__
        self.see_code(at, code)
        names = _facts_of(code)[2]
        globals = function.__globals__
        for name in names:
            self.see(at, IN_GLOBALS, name, globals.get(name, _ABSENT))
        for i, content in enumerate(map(_content, function.__closure__ or ())):
            self.see(at, IN_CELLS, i, content[0] if content else _ABSENT)
        self.rows.append((at, IN_DEFAULTS_LEN, None, IS_NUMBER, None))
        for i, value in enumerate(function.__defaults__ or ()):
            self.see(at, IN_DEFAULTS, i, value)
        self.rows.append((at, IN_KWDEFAULTS_LEN, None, IS_NUMBER, None))
        for name, value in (function.__kwdefaults__ or {}).items():
            self.see(at, IN_KWDEFAULTS, name, value)
        self.rows.append((at, IN_ATTRIBUTES_LEN, None, IS_NUMBER, None))
        for name, value in function.__dict__.items():
            self.see(at, IN_ATTRIBUTES, name, value)

    def see_code(self, at, code):
        self.rows.append((at, IN_CODE, None, IS_SAME, code))

    def see_class(self, at, cls):
        self.rows.append((at, IN_CLASS_VERSION, None, IS_NUMBER, None))
        for base in (type(cls), *cls.__bases__):
            if _by_name(base) is None:
                self.number(base)
        if "_member_map_" in vars(cls):
            return  # the members of an enum stay as they are
        for name, value in list(vars(cls).items()):
            if name in _CLASS_DETAILS:
                continue
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            if kind in _DESCRIPTORS:
                continue
            for part in _parts(value):
                if type(part) in _FUNCTION_LIKE or isinstance(part, type):
                    # The version says that it is the same: but has it changed?
                    if not is_constant(part):
                        self.number(part)
                elif not is_constant(part):
                    self.see(at, IN_CLASS, name, value)


def _parts(value):
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__,)
    if type(value) is property:
        return (value.fget, value.fset, value.fdel)
    return (value,)


def witnesses(callable):
    """The holders, and the places to look at; None if it has no name or code."""
    seen = _Witnesses(callable)
    cls = type(callable)
    name = _by_name(callable)
    if name is not None:
        module, qualname = name[1]
        module = sys.modules[module]
        first = qualname.partition(".")[0]
        if not isinstance(module, ModuleType):
            return None
        value = vars(module).get(first, _ABSENT)
        if value is callable:
            seen.number(module)
            seen.rows.append((1, IN_MODULE, first, IS_HOLDER, 0))
        elif value is not _ABSENT:
            seen.number(module)
            seen.rows.append((1, IN_MODULE, first, IS_SAME, value))
        return tuple(seen.holders), tuple(seen.rows)
    if cls is not FunctionType and cls is not CachedType:
        if not isinstance(callable, type):
            return None
    for at, holder in enumerate(seen.holders):  # it grows meanwhile
        if type(holder) is FunctionType:
            seen.see_function(at, holder)
        elif type(holder) is CachedType:
            seen.number(holder.__wrapped__)  # always the same one
        else:
            seen.see_class(at, holder)
    return tuple(seen.holders), tuple(seen.rows)
