"""What CPython does not promise to keep, each with its reason and fallback."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import _lru_cache_wrapper as CachedType
    from hashlib import blake2b
    from importlib.util import MAGIC_NUMBER
    from io import BytesIO
    from pickle import Pickler, PicklingError
    from pickle import loads as load_pickle
    from types import FrameType, ModuleType
    from weakref import ref

__all__ = [
    "MAGIC_NUMBER",
    "BytesIO",
    "CachedType",
    "Pickler",
    "PicklingError",
    "before_threads_are_joined",
    "forget_exit_callbacks",
    "has_threads",
    "blake2b",
    "import_check_off",
    "import_what_breaks_when_imported_at_once",
    "interpreter_flags",
    "is_running",
    "list_interpreters",
    "load_pickle",
    "ref",
    "reload_environ",
    "run_exit_callbacks",
    "see_no_other_frames",
    "whence",
]

# Names that public modules take from modules of the implementation.  Reason:
# with the public module each worker would import typing, re, OpenSSL... for
# nothing.  Fallback: the public module.  Imported when first asked for.
_LEAN = {
    "BytesIO": ("_io", "io", "BytesIO"),
    "CachedType": ("_functools", "functools", "_lru_cache_wrapper"),
    "MAGIC_NUMBER": (
        "_frozen_importlib_external",
        "importlib.util",
        "MAGIC_NUMBER",
    ),
    "Pickler": ("_pickle", "pickle", "Pickler"),
    "PicklingError": ("_pickle", "pickle", "PicklingError"),
    "blake2b": ("_blake2", "hashlib", "blake2b"),
    "load_pickle": ("_pickle", "pickle", "loads"),
    "ref": ("_weakref", "weakref", "ref"),
}


def __getattr__(name: str) -> object:
    if name not in _LEAN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    lean, public, attribute = _LEAN[name]
    try:
        __import__(lean)
        found = getattr(sys.modules[lean], attribute)
    except (ImportError, AttributeError):
        __import__(public)
        found = getattr(sys.modules[public], attribute)
    globals()[name] = found
    return found


def before_threads_are_joined(function: Callable[[], object]) -> None:
    """Call *function* when the interpreter ends, before threads are joined.

    `threading._register_atexit` is private, and what concurrent.futures uses:
    atexit comes only after the join of all threads, and one of those may wait
    for our work.  Fallback: atexit.
    """
    import atexit
    import threading

    register = getattr(threading, "_register_atexit", atexit.register)
    register(function)


def run_exit_callbacks() -> None:
    """Run the atexit callbacks that have not run, as the interpreter would.

    `atexit._run_exitfuncs` is private: there is no other way to leave a
    process early and keep the promise of atexit.  Fallback: they do not run.
    """
    import atexit

    run = getattr(atexit, "_run_exitfuncs", None)
    if run is not None:
        run()


def forget_exit_callbacks() -> bool:
    """Run this interpreter's atexit callbacks, and have none after that.

    Reason: an interpreter that is used again has to forget them; `atexit._clear`
    is private.  Fallback, and where threading has callbacks of its own, or
    multiprocessing one, which nothing takes back: False.
    """
    import atexit

    find = sys.modules.get
    clear = getattr(atexit, "_clear", None)
    if (
        clear is None
        or getattr(find("threading"), "_threading_atexits", None)
        or find("multiprocessing.util") is not None
    ):
        return False
    run_exit_callbacks()
    clear()
    # Two modules registered theirs once, and stay.
    finalize = getattr(find("weakref"), "finalize", None)
    if finalize is not None:
        finalize._registered_with_atexit = finalize._shutdown = False
        finalize._dirty = False
    shutdown = getattr(find("logging"), "shutdown", None)
    if shutdown is not None:
        atexit.register(shutdown)
    return True


def has_threads() -> bool:
    """Whether code in this interpreter has started threads that run still.

    Reason: `_thread._count` is private, and sees those too that threading does
    not know.  Fallback: threading.
    """
    import _thread

    count = getattr(_thread, "_count", None)
    if count is not None:
        return bool(count())
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


def reload_environ() -> None:
    """Bring os.environ up to what the process has.

    Before 3.14, which has os.reload_environ, the same by the mapping's private
    dictionary: to assign to it would change the process.
    """
    import os

    reload = getattr(os, "reload_environ", None)
    if reload is not None:
        reload()
        return
    from coterie import _core

    data = vars(os.environ)["_data"]
    data.clear()
    data.update(_core.environment())


def import_what_breaks_when_imported_at_once() -> None:
    """Import the datetime family in this interpreter first, on 3.13.

    In 3.13 its C modules keep state for the process, and two interpreters that
    import them for the first time at once corrupt the heap.
    """
    if sys.version_info < (3, 14):
        for name in ("_asyncio", "datetime", "decimal", "zoneinfo"):
            __import__(name)


def interpreter_flags() -> list[str]:
    """The options that this Python was started with, for another one like it.

    `subprocess._args_from_interpreter_flags` is private: sys.flags tells what
    the options did, not all of what they were.  Fallback: none.
    """
    import subprocess

    flags = getattr(subprocess, "_args_from_interpreter_flags", list)
    return list(flags())


def see_no_other_frames() -> None:
    """Let sys._current_frames() tell of the thread that asks only, for good.

    Reason: it goes through all interpreters of the process, and makes objects of
    the calling one for the frames that others run: on 3.13 that corrupts the heap
    within milliseconds, and no version forbids it.  For programs that ask all the
    time, as the profilers of some packages do.  Fallback: none is needed.
    """
    sys._current_frames = _frame_of_caller


def _frame_of_caller() -> dict[int, FrameType]:
    from threading import get_ident

    return {get_ident(): sys._getframe(1)}


# ---- interpreters that are not ours --------------------------------------------
#
# Reason: who made an interpreter, and whether it runs code, is known to CPython
# alone, and only the private module _interpreters, on which concurrent.interpreters
# stands, tells of it.  Fallback: nothing is known of interpreters that are not
# ours, since none of them can be looked into safely from another.

_WHENCE = {
    "WHENCE_UNKNOWN": "unknown",
    "WHENCE_RUNTIME": "runtime init",
    "WHENCE_LEGACY_CAPI": "legacy C-API",
    "WHENCE_CAPI": "C-API",
    "WHENCE_XI": "cross-interpreter C-API",
    "WHENCE_STDLIB": "_interpreters module",
}


def _private_interpreters() -> ModuleType | None:
    try:
        import _interpreters
    except ImportError:
        return None
    return _interpreters


def _whence_names(module: ModuleType) -> dict[int, str]:
    return {
        getattr(module, name): text
        for name, text in _WHENCE.items()
        if hasattr(module, name)
    }


def list_interpreters() -> list[tuple[int, str]]:
    """All interpreters of the process that are ready: id, and by whom made.

    Fallback: none.
    """
    module = _private_interpreters()
    if module is None:
        return []
    names = _whence_names(module)
    try:
        found = module.list_all(require_ready=True)
        return [(id, names.get(number, "unknown")) for id, number in found]
    except Exception:
        return []


def whence(id: int) -> str:
    """By whom an interpreter was made, as concurrent.interpreters says it.

    Fallback, and for one that is gone: "unknown".
    """
    module = _private_interpreters()
    if module is None:
        return "unknown"
    try:
        return _whence_names(module).get(module.whence(id), "unknown")
    except Exception:
        return "unknown"


def is_running(id: int) -> bool | None:
    """Whether an interpreter runs code in its `__main__`; None: not known.

    CPython counts what runs by its own means: a call of ours is not seen.
    Fallback, and for one that is gone: None.
    """
    module = _private_interpreters()
    if module is None:
        return None
    try:
        return bool(module.is_running(id))
    except Exception:
        return None


def import_check_off() -> None:
    """Let this interpreter load extension modules that refuse it.

    Called inside the new interpreter.  Reason: an own GIL cannot be configured
    without the check, unless the interpreter shares the allocator of the main
    one, which crashes.  Fallback: RuntimeError, as in the main interpreter.
    """
    import _imp

    override = getattr(_imp, "_override_multi_interp_extensions_check", None)
    if override is None:
        raise RuntimeError(
            "this Python cannot turn the import check off in an interpreter "
            "with its own GIL"
        )
    override(-1)
