"""What an interpreter has when it is new: `coterie._reset` puts that back.

Apart from it, for each worker imports this, and reads that only at its end.
"""

from __future__ import annotations

import gc
import os  # noqa: F401  # its names are to be put back
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    type Stock = dict[str, Any]
    type Pairs = list[tuple[Any, Any]]
    type Records = dict[str, tuple[ModuleType, dict[str, Any], Pairs, Pairs]]


def take_stock(modules: Records, failed: list[ModuleType]) -> Stock:
    """Return what `reset` puts back; called in a new interpreter.

    Both grow, as modules of the library are imported (library_watch.h).
    """
    streams = [sys.__stdin__, sys.__stdout__, sys.__stderr__]
    return {
        "modules": modules,
        "first": frozenset(modules),
        "failed": failed,
        "limits": (sys.getrecursionlimit(), sys.get_int_max_str_digits()),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "streams": [(stream, traits(stream)) for stream in streams],
        "lazy": [getattr(sys, f"get_{name}")() for name in lazy_settings()],
    }


def get_ready() -> None:
    """Import what the first call may need: called when it is like new."""
    from coterie import _byvalue, _compat, _core  # noqa: F401


def resume() -> None:
    """Catch up with the process, whose environment may have changed."""
    from coterie import _compat

    _compat.reload_environ()


def traits(stream: Any) -> object:
    """Return what can be changed in a stream, and be seen."""
    if stream is None:
        return None
    try:
        return (
            stream.closed,
            stream.encoding,
            stream.errors,
            stream.line_buffering,
            stream.write_through,
        )
    except (AttributeError, ValueError):
        return stream  # detached


def lazy_settings() -> list[str]:
    """Return those of lazy imports, from 3.15 on: sys has get_ and set_ for each."""
    names = ["lazy_imports", "lazy_imports_filter"]
    return [name for name in names if hasattr(sys, f"get_{name}")]
