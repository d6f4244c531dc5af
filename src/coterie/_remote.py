"""What runs in an interpreter of the tasks of Dask and joblib.

The wrappers that these put around a call refer to their own modules, which
refuse an own GIL: only the user's function and its arguments come here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from coterie._outcome import Refusal

    type Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def run_pickled(function: bytes, arguments: bytes) -> tuple[bool, Any]:
    """Make a call that came in two pickles: (True, its result).

    (False, refusal) if it cannot be loaded here, and so has not begun: what was
    refused, or None if it is not known what is wrong.
    """
    from pickle import loads

    is_function = True
    try:
        fn = loads(function)
        is_function = False
        args, kwargs = loads(arguments)
    except Exception as exc:
        return False, _refusal(exc, is_function)
    return True, fn(*args, **kwargs)


def _refusal(exc: Exception, is_function: bool) -> Refusal | None:
    if not isinstance(exc, ImportError):
        return None
    from coterie._refusals import refused

    modules = refused(exc)
    return None if modules is None else (is_function, *modules)


def run_batch(calls: Iterable[Call]) -> list[Any]:
    """Make the calls, one after the other: their results."""
    return [fn(*args, **kwargs) for fn, args, kwargs in calls]


def call_wrapped(
    extras: dict[str, Any],
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call it on the terms of Executor.options."""
    from coterie._tasks import wrap

    return wrap(fn, extras)(*args, **kwargs)


def call_bound(
    names: dict[str, Any], fn: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call it where others may bind other values to the same names."""
    import sys

    from coterie import _worker

    globals = getattr(fn, "__globals__", None)
    module = sys.modules.get(getattr(fn, "__module__", ""))
    if globals is None or globals is getattr(module, "__dict__", None):
        _worker.bind(names)
    else:  # it came by value, with globals of its own
        globals.update(names)
    return fn(*args, **kwargs)
