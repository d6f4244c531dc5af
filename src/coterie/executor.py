"""The executor: concurrent.futures over a pool of parallel interpreters."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import os
from concurrent.futures.thread import BrokenThreadPool

from coterie import _core, _exit, _worker
from coterie._compat import import_what_breaks_when_imported_at_once

__all__ = [
    "BrokenInterpreterPool",
    "Executor",
    "Future",
    "InterpreterPoolExecutor",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Literal, Never, Self, TypeVar

    T = TypeVar("T")

_LOGGER = logging.getLogger("concurrent.futures")

_names = itertools.count()


class BrokenInterpreterPool(_core.CoterieError, BrokenThreadPool):
    """The workers could not start, or their initializer failed."""


# Quoted: a type variable at run time would import typing for nothing else.
class Future(_core.Future["T"], concurrent.futures.Future["T"]):
    """The outcome of a call, now or later: a concurrent.futures.Future.

    Made by `Executor.submit`.  `concurrent.futures.wait`, `as_completed` and
    `asyncio.wrap_future` take it.
    """

    __slots__ = ()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call ``fn(future)`` when the call has ended or was cancelled.

        At once if it has.  Else in a thread of the interpreter that asked for
        the call; what *fn* raises is logged and ignored.
        """
        if not self._defer(fn):
            self._call(fn)

    def _call(self, fn: Callable[[Future[T]], object]) -> None:
        try:
            fn(self)
        except Exception:
            _LOGGER.exception("exception calling callback for %r", self)

    def _deliver(self) -> None:
        """Publish the end of the call: called by the dispatcher, or cancel."""
        listeners = self._listeners()
        if listeners is None:
            callbacks = self._publish()
        else:
            condition, waiters = listeners
            with condition:
                callbacks = self._publish()
                for waiter in waiters or ():
                    self._tell(waiter)
                condition.notify_all()
        for fn in callbacks:
            self._call(fn)

    def _tell(self, waiter: Any) -> None:
        if self.cancelled():
            waiter.add_cancelled(self)
        elif self.exception() is not None:
            waiter.add_exception(self)
        else:
            waiter.add_result(self)

    def _get_snapshot(
        self,
    ) -> tuple[bool, bool, T | None, BaseException | None]:
        """(done, cancelled, result, exception), as asyncio asks for it."""
        if not self.done():
            return False, False, None, None
        if self.cancelled():
            return True, True, None, None
        exception = self.exception()
        return True, False, None if exception else self.result(), exception

    def _refuse(self) -> Never:
        raise concurrent.futures.InvalidStateError(
            "the state of this future is set by the worker that runs its call"
        )

    def set_running_or_notify_cancel(self) -> bool:
        """Refused: the worker does it."""
        self._refuse()

    def set_result(self, result: T) -> None:
        """Refused: the worker does it."""
        self._refuse()

    def set_exception(self, exception: BaseException | None) -> None:
        """Refused: the worker does it."""
        self._refuse()

    def __repr__(self) -> str:
        state = self._state.partition("_")[0].lower()
        return f"<{type(self).__name__} at {id(self):#x} state={state}>"


class Executor(_core.Pool, concurrent.futures.Executor):
    """A pool of interpreters, each with its own GIL, in threads of this process.

    max_workers:
        How many interpreters at most; they are started when there is work for
        them.  None means as many as this process may use processors.
    thread_name_prefix:
        What the names of the workers' threads begin with.
    initializer, initargs:
        ``initializer(*initargs)`` is called first in each worker.  If it
        raises, the pool is broken.
    exit_grace:
        How many seconds the end of the program waits for accepted work before
        it cancels and interrupts the rest.  None: as long as it takes.
    engine:
        What runs the calls: "interpreter" (None), "thread", "process", "shared",
        "main", "stdlib-interpreter" or "dask".  Some of them take arguments
        of their own: see the reference of coterie.runners.
    fallback:
        The engine ("shared", "process" or "main") for calls whose function or
        arguments need an extension module that refuses to be imported here.

    Any function may be submitted: importable ones are imported by the workers,
    all others (of ``__main__``, lambdas, closures) travel by value.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Executor and ("engine" in kwargs or "fallback" in kwargs):
            from coterie._engines import class_for

            cls = class_for(kwargs.get("engine"), kwargs.get("fallback"))  # type: ignore[assignment]
        return super().__new__(cls)

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        exit_grace: float | None = None,
        engine: str | None = None,
        fallback: str | None = None,
    ) -> None:
        _check_is_own(engine, fallback)
        if max_workers is None:
            max_workers = _default_workers()
        if not isinstance(max_workers, int):
            raise TypeError(
                f"max_workers must be an int, not {type(max_workers).__name__}"
            )
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if exit_grace is not None and not exit_grace >= 0:
            raise ValueError("exit_grace must be None or at least 0 seconds")
        import_what_breaks_when_imported_at_once()
        _exit.install()
        self._open(
            min(max_workers, 0xFFFFFFFF),
            thread_name_prefix or f"coterie-{next(_names)}",
            Future,
            _worker.settings(),
            _worker.preparation(),
            None if initializer is None else (initializer, *initargs),
            exit_grace,
        )

    # What help() shows, and what Executor is called with.
    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]

    def map[R](
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]:
        """Return an iterator over ``fn(*args)`` for args of zip(*iterables).

        As concurrent.futures.Executor.map: the calls start at once, results
        come in order.  *chunksize* calls are sent as one task; *buffersize*
        bounds how many tasks wait for being fetched, and then the iterables are
        consumed as results are.
        """
        from coterie._map import map_with

        return map_with(
            self,
            fn,
            *iterables,
            timeout=timeout,
            chunksize=chunksize,
            buffersize=buffersize,
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the workers when all is done.

        wait: return only then.  cancel_futures: cancel what has not begun.
        """
        if cancel_futures:
            self._cancel_pending()
        else:
            self._close()
        if wait:
            self._join(None)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if exc_type is not None and not issubclass(exc_type, Exception):
            self._give_up()
            return False
        try:
            self.shutdown(wait=True)
        except BaseException as exc:
            if not isinstance(exc, Exception):
                self._give_up()
            raise
        return False

    def _give_up(self) -> None:
        """Ctrl-C, SystemExit: nobody wants the results any more."""
        self._cancel_pending()
        _exit.stop([self])


InterpreterPoolExecutor = Executor


def _check_is_own(engine: str | None, fallback: str | None) -> None:
    """Other engines have classes of their own, which Executor itself makes."""
    if engine not in (None, "interpreter") or fallback is not None:
        raise TypeError("engine and fallback are for Executor itself, not a subclass")


def _default_workers() -> int:
    return os.process_cpu_count() or 1
