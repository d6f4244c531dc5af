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

# Attributes of sys that code may replace, as it may any other: these it should.
_LISTS = ("path_hooks", "meta_path", "warnoptions")
_VALUES = (
    "stdin",
    "stdout",
    "stderr",
    "excepthook",
    "displayhook",
    "unraisablehook",
    "breakpointhook",
    "dont_write_bytecode",
    "tracebacklimit",
)


def take_stock() -> Stock:
    """Return what `reset` puts back; called in a new interpreter."""
    import os
    import warnings

    return {
        "modules": {name: m for name, m in sys.modules.items() if not _is_ours(name)},
        "main": dict(sys.modules["__main__"].__dict__),
        "lists": {name: list(getattr(sys, name)) for name in _LISTS},
        "values": {name: getattr(sys, name) for name in _VALUES if hasattr(sys, name)},
        "recursion limit": sys.getrecursionlimit(),
        "environ": dict(os.environ),
        "filters": list(warnings.filters),
    }


def reset(stock: Stock) -> bool:
    """Put it all back; False if that cannot be done."""
    from coterie import _compat, _core

    if _core.pools() or not _compat.forget_exit_callbacks():
        return False
    _reset_sys(stock)
    _reset_environment(stock)
    main = sys.modules["__main__"].__dict__
    main.clear()
    main.update(stock["main"])
    _reset_modules(stock["modules"])
    _reset_warnings(stock)
    _reset_logging()
    return True


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "coterie"


def _reset_sys(stock: Stock) -> None:
    sys.settrace(None)
    sys.setprofile(None)
    for name, items in stock["lists"].items():
        getattr(sys, name)[:] = items
    for name in _VALUES:
        if name in stock["values"]:
            setattr(sys, name, stock["values"][name])
        elif hasattr(sys, name):
            delattr(sys, name)
    sys.path_importer_cache.clear()
    sys.setrecursionlimit(stock["recursion limit"])


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
