"""Making an interpreter that was used like a new one.

Runs inside it.  What is taken stock of when it is new is put back: modules,
``__main__``, the sys module, environment, warnings, logging, callbacks of
atexit.  C modules stay imported: they keep what they know in C, and cannot
always be made anew.  So do those of the standard library: some leave things with
the interpreter (callbacks of fork, say) that keep all of them in memory.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    type Stock = dict[str, Any]

_LISTS = ("path_hooks", "meta_path", "warnoptions")  # of sys, changed in place
_NAMESPACES = ("__main__", "sys", "builtins")


def take_stock() -> Stock:
    """Return what `reset` puts back; called in a new interpreter."""
    import os
    import warnings

    return {
        "modules": {name: m for name, m in sys.modules.items() if not _is_ours(name)},
        "namespaces": {name: dict(vars(sys.modules[name])) for name in _NAMESPACES},
        "lists": {name: list(getattr(sys, name)) for name in _LISTS},
        "recursion limit": sys.getrecursionlimit(),
        "environ": dict(os.environ),
        "filters": list(warnings.filters),
    }


def reset(stock: Stock) -> bool:
    """Put it all back; False if that cannot be done."""
    from coterie import _compat, _core

    if _core.pools() or not _compat.forget_exit_callbacks():
        return False
    _core.end_waits()
    _reset_sys(stock)
    _reset_environment(stock)
    _reset_modules(stock["modules"])
    _reset_warnings(stock)
    _reset_logging()
    return True


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "coterie"


def _reset_sys(stock: Stock) -> None:
    sys.settrace(None)
    sys.setprofile(None)
    for name, names in stock["namespaces"].items():
        _put_back(vars(stock["modules"][name]), names)
    for name, items in stock["lists"].items():
        getattr(sys, name)[:] = items
    sys.path_importer_cache.clear()
    sys.setrecursionlimit(stock["recursion limit"])


def _put_back(namespace: dict[str, Any], names: dict[str, Any]) -> None:
    # Never empty: other threads' finalizers may look something up.
    for name in [name for name in namespace if name not in names]:
        del namespace[name]
    namespace.update(names)


def _reset_environment(stock: Stock) -> None:
    import os

    # Of the process: as after a process that ended, its changes are gone.
    for name in [name for name in os.environ if name not in stock["environ"]]:
        del os.environ[name]
    for name, value in stock["environ"].items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _reset_modules(stock: dict[str, ModuleType]) -> None:
    for name in [name for name in sys.modules if name not in stock]:
        if _is_ours(name) or not _stays(name, sys.modules[name]):
            del sys.modules[name]
    sys.modules.update(stock)


def _stays(name: str, module: object) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return str(origin).endswith((".so", ".pyd", ".dylib"))


def _reset_logging() -> None:
    logging = sys.modules.get("logging")
    if logging is None:
        return
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
        handler.close()
    logging.root.setLevel(logging.WARNING)
    logging.root.manager.loggerDict.clear()
    logging.disable(logging.NOTSET)


def _reset_warnings(stock: Stock) -> None:
    import warnings

    warnings.resetwarnings()
    warnings.filters[:] = stock["filters"]  # type: ignore[index]
