"""Making an interpreter that was used like a new one.

Runs inside it.  What `coterie._stock` saw when it was new is put back: the names and
containers of all modules, ``__main__`` among them, the sys module, warnings,
logging, callbacks of atexit.  Modules that were imported since are forgotten.  The
environment is the process's: what was changed there is undone in C.

Those of the standard library stay, with what they had when their import ended: some
leave things with the interpreter (callbacks of fork, say) that keep all of them in
memory, so to import them anew each time would leak.  So an interpreter is used again
only if all of these keep nothing that code sets, or it is known here how to put that
back; if no class in them was changed, and no stream of sys closed or reconfigured;
and if there are no other extension modules, which keep what they want.

Nothing tells of codecs.register and register_error, of a stream's newline, and of
attributes of objects deeper inside: those are still there.
"""

from __future__ import annotations

import sys

from coterie._stock import lazy_settings, traits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from coterie._stock import Records, Stock

# Modules of the standard library that may stay, and their C parts (_json of json).
_PLAIN = frozenset(
    [
        "abc",
        "annotationlib",
        "array",
        "ast",
        "atexit",
        "base64",
        "binascii",
        "bisect",
        "blake2",
        "builtins",
        "bz2",
        "cmath",
        "codecs",
        "colorize",
        "compat_pickle",
        "concurrent",
        "concurrent.futures",
        "concurrent.futures.base",
        "contextlib",
        "contextvars",
        "copy",
        "copyreg",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "dis",
        "enum",
        "errno",
        "fcntl",
        "fnmatch",
        "fractions",
        "functools",
        "future",
        "gc",
        "genericpath",
        "glob",
        "graphlib",
        "grp",
        "gzip",
        "hashlib",
        "heapq",
        "hmac",
        "imp",
        "inspect",
        "interpreters",
        "io",
        "ipaddress",
        "itertools",
        "keyword",
        "linecache",
        "locale",
        "logging",
        "lzma",
        "marshal",
        "math_integer",
        "md5",
        "ntpath",
        "numbers",
        "opcode",
        "opcode_metadata",
        "operator",
        "os",
        "pathlib",
        "pickle",
        "platform",
        "posix",
        "posixpath",
        "pprint",
        "pwd",
        "py_warnings",
        "pydatetime",
        "pydecimal",
        "queue",
        "random",
        "reprlib",
        "secrets",
        "sha1",
        "sha2",
        "sha3",
        "sre",
        "stat",
        "statistics",
        "struct",
        "sys",
        "textwrap",
        "thread",
        "threading",
        "time",
        "token",
        "tokenize",
        "tomllib",
        "traceback",
        "types",
        "typing",
        "unicodedata",
        "urllib",
        "urllib.parse",
        "uuid",
        "warnings",
        "weakref",
        "weakrefset",
        "zipimport",
        "zlib",
        "zstd",
    ]
)
_FAMILIES = frozenset(
    [
        "collections",
        "compression",
        "encodings",
        "html",
        "importlib",
        "json",
        "math",
        "pathlib",
        "re",
        "string",
    ]
)

_TOOLS = range(6)  # ids of sys.monitoring
# What the library itself sets in its classes, later.
_CACHES = frozenset(["__annotate_func__", "__annotations_cache__"])
_CACHES_OF_CLASSES = frozenset(
    ["ByteString._removal_version", "Template.flags", "Template.pattern"]
)


def reset(stock: Stock, strictly: bool) -> bool:
    """Put it all back; False if that cannot be done.

    Not *strictly*: modules of the library, and extension modules, stay as they are.
    """
    from coterie import _compat, _core

    _flush_streams()
    _forget_namesakes(stock)
    if (
        _core.pools()
        or _compat.has_threads()
        or not _compat.forget_exit_callbacks()
        or _core.has_audit_hooks()
        or not all(traits(stream) == old for stream, old in stock["streams"])
        or (strictly and not _can_be_new(stock))
    ):
        return False
    _core.end_waits()
    _reset_modules(stock)
    stock["failed"].clear()
    _reset_sys(stock)
    _reset_warnings()
    _reset_logging()
    _reset_library()
    return True


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "coterie"


# ---- modules -------------------------------------------------------------------


def _forget_namesakes(stock: Stock) -> None:
    """A user's module may have the name of one of the library."""
    modules = stock["modules"]
    for name in [name for name in modules if name not in stock["first"]]:
        if not _is_of_library(modules[name][1]):
            del modules[name]


def _is_of_library(names: dict[str, Any]) -> bool:
    import os

    spec = names.get("__spec__")
    origin = str(getattr(spec, "origin", None))
    return spec is not None and (
        not os.path.isabs(origin)
        or origin.startswith(os.path.dirname(str(os.__file__)) + os.sep)
        or "lib-dynload" in origin
    )


def _can_be_new(stock: Stock) -> bool:
    """Whether what stays keeps nothing, and what goes can go."""
    modules = stock["modules"]
    return (
        all(name in stock["first"] or _may_stay(name) for name in modules)
        and not any(_is_extension(module) for _, module in _others(stock))
        and not any(
            _is_changed(cls, attributes)
            for *_, classes in modules.values()
            for cls, attributes in classes
        )
    )


def _may_stay(name: str) -> bool:
    bare = ".".join(part.strip("_") for part in name.split("."))
    return bare in _PLAIN or bare.partition(".")[0] in _FAMILIES


def _others(stock: Stock) -> list[tuple[str, ModuleType]]:
    """The modules that are not known, by whatever name."""
    known = {id(module) for module, *_ in stock["modules"].values()}
    return [
        (name, module)
        for name, module in list(sys.modules.items())
        if id(module) not in known and not _is_ours(name)
    ]


def _is_extension(module: ModuleType) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return str(origin).endswith((".so", ".pyd", ".dylib"))


def _is_changed(cls: type, names_and_values: tuple[Any, ...]) -> bool:
    attributes = dict(zip(names_and_values[::2], names_and_values[1::2], strict=True))
    current = vars(cls)
    return current != attributes and any(
        current.get(name, cls) is not attributes.get(name, cls)
        for name in {*current, *attributes} - _CACHES
        if f"{cls.__name__}.{name}" not in _CACHES_OF_CLASSES
    )


def _reset_modules(stock: Stock) -> None:
    modules = stock["modules"]
    reducers = _reducers_of_library(modules)
    for name, module in _others(stock):
        if not _is_extension(module):
            del sys.modules[name]
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]
    for name, (module, names, contents, _) in modules.items():
        sys.modules[name] = module
        _put_back(vars(module), names)
        for container, content in contents:
            _fill(container, content)
    for name in modules:
        parent, _, child = name.rpartition(".")
        if parent in modules:  # it came after its parent was complete
            vars(sys.modules[parent]).setdefault(child, sys.modules[name])
    if copyreg := sys.modules.get("copyreg"):
        copyreg.dispatch_table.update(reducers)


def _put_back(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    # Never empty: other threads' finalizers may look something up.
    for name in [name for name in namespace if name not in names]:
        del namespace[name]
    namespace.update(names)


def _fill(container: Any, content: Any) -> None:
    if type(container) is list:
        container[:] = content
    elif container != content:
        container.clear()
        container.update(content)


def _reducers_of_library(modules: Records) -> dict[type, Any]:
    """What modules of the library have told copyreg of their own classes."""
    copyreg = sys.modules.get("copyreg")
    return {
        cls: reduce
        for cls, reduce in getattr(copyreg, "dispatch_table", {}).items()
        if type(reduce) is _FUNCTION
        and reduce.__module__ == cls.__module__ != "__main__"
        and cls.__module__ in modules
    }


_FUNCTION = type(_is_ours)


# ---- what modules of the library know ------------------------------------------


def _reset_sys(stock: Stock) -> None:
    import gc

    sys.settrace(None)
    sys.setprofile(None)
    for tool in _TOOLS:
        if sys.monitoring.get_tool(tool) is not None:
            sys.monitoring.free_tool_id(tool)
    _reset_importers()
    recursion, digits = stock["limits"]
    sys.setrecursionlimit(recursion)
    sys.set_int_max_str_digits(digits)
    enabled, threshold, debug = stock["collector"]
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    gc.unfreeze()
    for name, value in zip(lazy_settings(), stock["lazy"], strict=True):
        getattr(sys, f"set_{name}")(value)


def _flush_streams() -> None:
    """As the end of an interpreter does; what fails is told there."""
    for stream in sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__:
        if stream is not None:
            stream.flush()


def _reset_importers() -> None:
    """Forget the finders that code has brought; the others see what is new."""
    cache = sys.path_importer_cache
    for path, finder in list(cache.items()):
        if finder is None or not _is_by_library(type(finder)):
            del cache[path]


def _is_by_library(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in sys.stdlib_module_names


def _reset_warnings() -> None:
    warnings = sys.modules.get("warnings")
    if warnings is not None:
        # Before 3.14 there is none.  It had told this one when it was complete.
        if implementation := sys.modules.get("_py_warnings"):
            vars(implementation)["_wm"] = warnings
        # The list itself is C's, and has what it had: this tells C so.
        filters = list(warnings.filters)
        warnings.resetwarnings()
        warnings.filters[:] = filters


def _reset_logging() -> None:
    logging = sys.modules.get("logging")
    if logging is None:
        return
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
        handler.close()
    logging.root.setLevel(logging.WARNING)
    logging.root.filters.clear()
    manager = logging.root.manager
    manager.loggerDict.clear()
    manager.loggerClass = manager.logRecordFactory = None
    logging.disable(logging.NOTSET)


def _reset_library() -> None:
    """What else modules keep that code sets by their functions."""
    find = sys.modules.get
    if random := find("random"):
        random.seed()
    if thread := find("_thread"):
        thread.stack_size(0)
    if decimal := find("decimal"):
        _reset_decimal(decimal)


def _reset_decimal(decimal: ModuleType) -> None:
    common = decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow
    all = *common, decimal.Underflow, decimal.Clamped
    for context, precision, rounding, traps in (
        (decimal.DefaultContext, 28, decimal.ROUND_HALF_EVEN, common),
        (decimal.BasicContext, 9, decimal.ROUND_HALF_UP, all),
        (decimal.ExtendedContext, 9, decimal.ROUND_HALF_EVEN, ()),
    ):
        context.prec, context.rounding = precision, rounding
        context.Emin, context.Emax = -999999, 999999
        context.capitals, context.clamp = 1, 0
        context.clear_flags()
        context.clear_traps()
        for trap in traps:
            context.traps[trap] = True
