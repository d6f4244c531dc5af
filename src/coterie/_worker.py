"""What a worker takes over from its parent, beyond sys.path and sys.argv."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What warnings.filters holds in a fresh interpreter without -W: nothing to
# carry over then, and the workers need not import anything for it.
_FRESH_FILTERS = [
    ("default", None, DeprecationWarning, "__main__", 0),
    ("ignore", None, DeprecationWarning, None, 0),
    ("ignore", None, PendingDeprecationWarning, None, 0),
    ("ignore", None, ImportWarning, None, 0),
    ("ignore", None, ResourceWarning, None, 0),
]


def settings() -> tuple[list[str], list[str]]:
    """Return the lists for Pool._open: called in the parent."""
    # sys.path may hold what is no str; the import system skips it.
    path = [str(entry) for entry in sys.path if isinstance(entry, str)]
    return path, [str(arg) for arg in sys.argv]


def preparation(
    names: dict[str, Any] | None = None, log_level: int | None = None
) -> dict[str, Any] | None:
    """Return what the workers' `prepare` is called with, or None."""
    filters = _filters()
    if filters is None and not names and log_level is None:
        return None
    wanted = {"filters": filters, "bind": names or None, "log_level": log_level}
    return {name: value for name, value in wanted.items() if value is not None}


def _filters() -> list[tuple[Any, ...]] | None:
    warnings = sys.modules.get("warnings")
    if warnings is None or list(warnings.filters) == _FRESH_FILTERS:
        return None
    return [
        (action, _plain(message), _sent(category), _plain(module), lineno)
        for action, message, category, module, lineno in warnings.filters
    ]


def _sent(category: type) -> type | bytes:
    """A package's category by itself: a worker may be unable to import it."""
    from coterie._core import dumps

    return category if category.__module__ == "builtins" else dumps(category)


def _plain(pattern: Any) -> Any:
    """A filter's compiled pattern as (text, flags): patterns stay at home."""
    if pattern is None or isinstance(pattern, str):
        return pattern
    return pattern.pattern, pattern.flags


def prepare(wanted: dict[str, Any]) -> None:
    """Make the interpreter what it is to be: called in the worker."""
    if "filters" in wanted:
        _apply_filters(wanted["filters"])
    if "bind" in wanted:
        bind(wanted["bind"])
    if "log_level" in wanted:
        from coterie._notes import send_log_records

        send_log_records(wanted["log_level"])


def bind(names: dict[str, Any]) -> None:
    """Make them global for all code here."""
    import builtins

    from coterie import _byvalue

    # Functions of a module that is imported see them among the builtins, where
    # the module has no such name itself.  Those that travel by value bring the
    # globals that they name along: these are not set then.
    vars(builtins).update(names)
    _byvalue.bound.update(names)


def _apply_filters(filters: list[tuple[Any, ...]]) -> None:
    """Apply the parent's warnings filters."""
    import warnings

    # The list is the public state, but only these functions tell the
    # machinery in C that it has changed.
    warnings.resetwarnings()
    warnings.filters[:] = [  # type: ignore[index]
        (action, _compile(message), category, _compile(module), lineno)
        for action, message, sent, module, lineno in filters
        if (category := _received(sent)) is not None
    ]


def _received(category: type | bytes) -> type | None:
    """The category; None: what cannot be imported here does not warn here."""
    if isinstance(category, type):
        return category
    from coterie._core import loads

    try:
        return loads(category)  # type: ignore[no-any-return]
    except Exception:
        return None


def breakpoint_hook(*args: Any, **kwargs: Any) -> Any:
    """breakpoint() in a worker."""
    import os

    if os.environ.get("PYTHONBREAKPOINT"):
        # "0", or a debugger that needs no terminal.
        return sys.__breakpointhook__(*args, **kwargs)
    raise RuntimeError(
        "breakpoint() in a worker: the terminal belongs to the main interpreter. "
        "Call the function itself, without the executor, to debug it; or set "
        "PYTHONBREAKPOINT to a debugger that works without a terminal, or to 0"
    )


def run_source(source: str) -> None:
    """Execute it in `__main__`: called in the worker."""
    import textwrap

    namespace = sys.modules["__main__"].__dict__
    exec(compile(textwrap.dedent(source), "<script>", "exec"), namespace)


def _compile(pattern: Any) -> Any:
    if pattern is None or isinstance(pattern, str):
        return pattern
    import re

    return re.compile(*pattern)
