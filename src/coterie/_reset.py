"""Making an interpreter that was used like a new one.

Runs inside it.  What is taken stock of when it is new is put back: the names of
all modules, ``__main__`` among them, the sys module, warnings, logging,
callbacks of atexit.  Modules that were imported since are forgotten.  The
environment is the process's: what was changed there is undone in C.

Those of the standard library stay: some leave things with the interpreter
(callbacks of fork, say) that keep all of them in memory, so to import them anew
each time would leak.  So an interpreter is used again only if all of these keep
nothing that code sets, or it is known here how to put that back; if code has put
no functions of its own into them; and if there are no other extension modules,
which keep what they want.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

    type Stock = dict[str, Any]

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

_CONTAINERS = (list, dict, set)
_TOOLS = range(6)  # ids of sys.monitoring
_IMMUTABLE = 1 << 8  # of the flags of types


def take_stock() -> Stock:
    """Return what `reset` puts back; called in a new interpreter."""
    import gc
    import os  # noqa: F401  # its names are to be put back

    modules = {name: m for name, m in sys.modules.items() if not _is_ours(name)}
    spaces = {name: vars(module) for name, module in modules.items()}
    return {
        "modules": modules,
        "spaces": {name: dict(space) for name, space in spaces.items()},
        "contents": [
            (value, value.copy())
            for space in spaces.values()
            for name, value in space.items()
            if type(value) in _CONTAINERS
            and value is not sys.modules
            and value is not sys.path_importer_cache
            and name != "environ"
            and name != "__builtins__"
        ],
        "limits": (sys.getrecursionlimit(), sys.get_int_max_str_digits()),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
    }


def reset(stock: Stock, strictly: bool) -> bool:
    """Put it all back; False if that cannot be done.

    Not *strictly*: modules of the library, and extension modules, stay as they are.
    """
    from coterie import _compat, _core

    if (
        _core.pools()
        or _compat.has_threads()
        or not _compat.forget_exit_callbacks()
        or _core.has_audit_hooks()
        or (strictly and not all(map(_can_be_new, _added(stock))))
        or (strictly and _is_library_changed(stock))
    ):
        return False
    _core.end_waits()
    _reset_sys(stock)
    _reset_warnings()
    _reset_logging()
    _reset_library()
    _reset_modules(stock)
    return True


def get_ready() -> None:
    """Import what the first call may need: called when it is like new."""
    from coterie import _byvalue, _compat, _core  # noqa: F401


def resume() -> None:
    """Catch up with the process, whose environment may have changed."""
    from coterie import _compat

    _compat.reload_environ()


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "coterie"


# ---- modules -------------------------------------------------------------------


def _added(stock: Stock) -> Iterator[tuple[str, ModuleType]]:
    for name, module in list(sys.modules.items()):
        if name not in stock["modules"] and not _is_ours(name):
            yield name, module


def _can_be_new(added: tuple[str, ModuleType]) -> bool:
    """Whether it is forgotten, or may stay."""
    name, module = added
    if not _is_of_library(name, module):
        return not _is_extension(module)
    bare = ".".join(part.strip("_") for part in name.split("."))
    return bare in _PLAIN or bare.partition(".")[0] in _FAMILIES


def _is_extension(module: ModuleType) -> bool:
    return _origin(module).endswith((".so", ".pyd", ".dylib"))


def _origin(module: ModuleType) -> str:
    return str(getattr(getattr(module, "__spec__", None), "origin", None))


def _is_of_library(name: str, module: ModuleType) -> bool:
    import os

    if name.partition(".")[0] not in sys.stdlib_module_names or name == "__main__":
        return False
    origin = _origin(module)
    # A user's module may have such a name.
    return (
        not os.path.isabs(origin)
        or origin.startswith(os.path.dirname(str(os.__file__)) + os.sep)
        or "lib-dynload" in origin
    )


def _is_library_changed(stock: Stock) -> bool:
    """Whether what stays has got functions or classes of other code."""
    staying = [m for name, m in _added(stock) if _is_of_library(name, m)]
    return (
        any(_has_foreign(module) for module in staying)
        or any(map(_has_changed_class, staying))
        # Their names are put back.
        or any(map(_has_changed_class, stock["modules"].values()))
    )


def _has_foreign(holder: ModuleType | type) -> bool:
    return any(map(_is_foreign, list(vars(holder).values())))


def _has_changed_class(module: ModuleType) -> bool:
    name = module.__name__
    return any(
        isinstance(value, type)
        and not value.__flags__ & _IMMUTABLE
        and value.__module__ == name
        and _has_foreign(value)
        for value in list(vars(module).values())
    )


def _is_foreign(value: object) -> bool:
    if type(value) is not _FUNCTION and not isinstance(value, type):
        return False
    home = getattr(value, "__module__", None)
    if not isinstance(home, str) or _is_ours(home):
        return False
    top = home.partition(".")[0]
    # The last is what _interpreters says of its exceptions on 3.13.
    return top not in sys.stdlib_module_names and top != "interpreters"


_FUNCTION = type(_is_ours)


def _reset_modules(stock: Stock) -> None:
    for name, module in list(_added(stock)):
        if not _is_of_library(name, module) and not _is_extension(module):
            del sys.modules[name]
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]
    sys.modules.update(stock["modules"])


# ---- what modules of the library know ------------------------------------------


def _reset_sys(stock: Stock) -> None:
    import gc

    sys.settrace(None)
    sys.setprofile(None)
    for tool in _TOOLS:
        if sys.monitoring.get_tool(tool) is not None:
            sys.monitoring.free_tool_id(tool)
    _reset_importers()
    for name, names in stock["spaces"].items():
        _put_back(vars(stock["modules"][name]), names)
    for container, content in stock["contents"]:
        if type(container) is list:
            container[:] = content
        else:
            container.clear()
            container.update(content)
    recursion, digits = stock["limits"]
    sys.setrecursionlimit(recursion)
    sys.set_int_max_str_digits(digits)
    enabled, threshold, debug = stock["collector"]
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    gc.unfreeze()
    gc.callbacks.clear()


def _reset_importers() -> None:
    """Forget the finders that code has brought; the others see what is new."""
    cache = sys.path_importer_cache
    for path, finder in list(cache.items()):
        if finder is None or _is_foreign(type(finder)):
            del cache[path]


def _put_back(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    # Never empty: other threads' finalizers may look something up.
    for name in [name for name in namespace if name not in names]:
        del namespace[name]
    namespace.update(names)


def _reset_warnings() -> None:
    warnings = sys.modules.get("warnings")
    if warnings is not None:
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
    logging.root.manager.loggerDict.clear()
    logging.disable(logging.NOTSET)


def _reset_library() -> None:
    """What else modules keep that code sets by their functions."""
    find = sys.modules.get
    if random := find("random"):
        random.seed()
    if threading := find("threading"):
        threading.settrace(None)
        threading.setprofile(None)
        threading.stack_size(0)
    if linecache := find("linecache"):
        linecache.clearcache()
    if copyreg := find("copyreg"):
        for cls in [cls for cls in copyreg.dispatch_table if _is_foreign(cls)]:
            del copyreg.dispatch_table[cls]
