"""What CPython does not promise to keep, each with its reason and fallback."""

from __future__ import annotations

import atexit
import sys
import threading
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def before_threads_are_joined(function: Callable[[], object]) -> None:
    """Call *function* when the interpreter ends, before threads are joined.

    `threading._register_atexit` is private, and what concurrent.futures uses:
    atexit comes only after the join of all threads, and one of those may wait
    for our work.  Fallback: atexit.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    register(function)


def run_exit_callbacks() -> None:
    """Run the atexit callbacks that have not run, as the interpreter would.

    `atexit._run_exitfuncs` is private: there is no other way to leave a
    process early and keep the promise of atexit.  Fallback: they do not run.
    """
    run = getattr(atexit, "_run_exitfuncs", None)
    if run is not None:
        run()


def import_what_breaks_when_imported_at_once() -> None:
    """Import the datetime family in this interpreter first, on 3.13.

    In 3.13 its C modules keep state for the process, and two interpreters that
    import them for the first time at once corrupt the heap.
    """
    if sys.version_info < (3, 14):
        for name in ("_asyncio", "datetime", "decimal", "zoneinfo"):
            import_module(name)
