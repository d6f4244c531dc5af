"""A pool for one function of a module, with values that all its calls share.

The values are sent once to each worker, not with each call.
"""

from __future__ import annotations

import os
import sys
import threading

from coterie import _worker
from coterie._core import NotShareableError
from coterie.executor import Executor, _ViewOfView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

# In a worker of such a pool: what its calls call.
_target: Callable[..., Any] | None = None
_bound: dict[str, Any] = {}
# The same where the workers are threads beside those of other pools.
_here = threading.local()
_interpreter = os.urandom(8)


class _Mapper(Executor):
    @property
    def entrypoint(self) -> Callable[..., Any]:
        """What calls the function, with what is bound: to be submitted."""
        return call

    def map(
        self,
        fn: Callable[..., Any] | Iterable[Iterable[Any]],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Return an iterator over the entry point's results for tuples of arguments.

        With a function as first argument, as Executor.map.
        """
        from coterie._map import map_with, starmap_with

        options: Any = {
            "timeout": timeout,
            "chunksize": chunksize,
            "buffersize": buffersize,
        }
        if callable(fn):
            return map_with(self, fn, *iterables, **options)
        if iterables:
            raise TypeError(
                "map() takes one iterable of argument tuples, or a function first"
            )
        return starmap_with(self, call, fn, **options)


class EntrypointExecutor(_Mapper):
    """An Executor that maps one function: see Executor.from_entrypoint."""

    def __init__(
        self,
        entrypoint: str,
        max_workers: int | None,
        bind: Mapping[str, Any] | None,
        options: dict[str, Any],
    ) -> None:
        for name in ("engine", "fallback"):
            if options.get(name) not in (None, "interpreter"):
                raise TypeError(
                    f"from_entrypoint() does not take {name}={options[name]!r}: "
                    "its workers are interpreters; options(engine=...) is for single "
                    "calls"
                )
        target = _resolved_here(*_parts(entrypoint))
        initializer = options.pop("initializer", None)
        initargs = options.pop("initargs", ())
        if isinstance(initializer, str):
            initializer, initargs = _worker.run_source, (initializer, *initargs)
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        try:
            super().__init__(
                max_workers,
                initializer=_set_up,
                initargs=(_interpreter, target, _checked(bind), initializer, initargs),
                **options,
            )
        except NotShareableError as exc:
            raise NotShareableError(f"a value of bind, or of initargs: {exc}") from exc

    def options(self, **changes: Any) -> Executor:
        """Return a view of this pool that submits calls on other terms."""
        return EntrypointView(self, super().options(**changes))


class EntrypointView(_ViewOfView, _Mapper):  # type: ignore[misc,override]
    """The same pool on other terms."""

    def options(self, **changes: Any) -> Executor:
        """Return a view with still other terms."""
        view = self._view.options(**changes)
        if isinstance(view, EntrypointView):  # it has asked the pool
            return view
        return EntrypointView(self._executor, view)


def _parts(entrypoint: object) -> tuple[str, str]:
    if not isinstance(entrypoint, str):
        raise TypeError(f"entrypoint must be a str, not {type(entrypoint).__name__}")
    module, _, path = entrypoint.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *path.split(".")]):
        raise ValueError(f'entrypoint must be "module:function", not {entrypoint!r}')
    return module, path


def _resolved_here(module: str, path: str) -> tuple[str, str] | Callable[..., Any]:
    """What is sent: names; of a script, which no worker can import, the function."""
    return _found("__main__", path) if module == "__main__" else (module, path)


def _checked(bind: object) -> dict[str, Any]:
    if bind is None:
        return {}
    try:
        bound: dict[str, Any] = dict(bind)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise TypeError(
            f"bind must map names to values, not be a {type(bind).__name__}"
        ) from None
    for name in bound:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"bind: {name!r} is no name of a parameter")
    return bound


# ---- in the worker -------------------------------------------------------------


def _set_up(
    asking: bytes,
    target: tuple[str, str] | Callable[..., Any],
    bound: dict[str, Any],
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    global _target, _bound
    if initializer is not None:
        initializer(*initargs)
    found = target if callable(target) else _found(*target)
    _here.entry = found, bound
    if asking != _interpreter:  # then no other pool's workers are here
        _target, _bound = found, bound


def _found(module: str, path: str) -> Callable[..., Any]:
    __import__(module)
    found: Any = sys.modules[module]
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        raise TypeError(f"{module}:{path} is not callable")
    function: Callable[..., Any] = found
    return function


def call(*args: Any, **kwargs: Any) -> Any:
    """Call the entry point, with what is bound: in its pool's workers."""
    target, bound = getattr(_here, "entry", (_target, _bound))
    if target is None:
        raise RuntimeError(
            "the entry point can be called in the workers of its pool only"
        )
    return target(*args, **bound, **kwargs)
