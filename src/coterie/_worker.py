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


def preparation() -> list[tuple[Any, ...]] | None:
    """Return what the workers' `prepare` is called with, or None."""
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


def prepare(filters: list[tuple[Any, ...]]) -> None:
    """Apply the parent's warnings filters: called in the worker."""
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


def _compile(pattern: Any) -> Any:
    if pattern is None or isinstance(pattern, str):
        return pattern
    import re

    return re.compile(*pattern)
