"""For tasks of asyncio, trio and anyio: waiting without a thread.

Whatever blocks in coterie has an awaitable twin, the same name with an ``a`` in
front: ``await queue.aget()``, ``await lock.aacquire()``, ``await event.await_()``
(``await`` alone is a keyword). Locks and semaphores take ``async with``, queues
and receiving ends ``async for``. Who acquires a lock so owns it as a task.

A task that is cancelled while it waits leaves no trace: no item is lost, no lock
is left held. `Executor` runs calls in interpreters, and interrupts one whose task
is cancelled.
"""

from __future__ import annotations

import functools
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from coterie import _aio, _aio_calls, _core, executor
from coterie.queue import ShutDown

__all__ = ["Executor", "merge", "select"]

_NONE: Any = object()


async def select(
    *cases: Any, timeout: float | None = None, default: Any = _NONE
) -> tuple[Any, Any]:
    """Wait for the first of several things, do it, and tell which.

    As `coterie.select`: the same cases, the same answer, the same exceptions.
    """
    if default is not _NONE and timeout is None:
        timeout = 0
    if not cases and timeout is None:
        raise ValueError(
            "select() needs a case, a timeout or a default: it would wait for ever"
        )
    outcome = await _aio.select(cases, timeout)
    if outcome is not None:
        idx, value = outcome
        return cases[idx], value
    if default is _NONE:
        raise TimeoutError
    return None, default


async def merge(*sources: Any) -> AsyncIterator[Any]:
    """Iterate over what comes from several sources, until all are shut down.

    As `coterie.merge`.
    """
    live = list(sources)
    while live:
        try:
            _, item = await select(*live)
        except ShutDown as exc:
            live = [source for source in live if source is not exc.case]
        else:
            yield item


class Executor:
    """A pool of interpreters whose calls are awaited, not submitted.

    The arguments are those of `coterie.Executor`. ``async with`` shuts it down at
    the end of the block, and waits for what runs.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        max_pending: int | None = None,
        **options: Any,
    ) -> None:
        """Make the pool. max_pending: how many calls may wait; more wait here."""
        self._pool = executor.Executor(max_workers, **options)
        self._workers: int = self._pool._max_workers
        self._grace: float = options.get("stop_grace", 1.0)
        self._room: _core.Semaphore | None = None
        if max_pending is not None:
            if not isinstance(max_pending, int):
                raise TypeError(
                    f"max_pending must be an int, not {type(max_pending).__name__}"
                )
            if max_pending < 1:
                raise ValueError("max_pending must be at least 1")
            self._room = _core.Semaphore(self._workers + max_pending)

    def options(self, **changes: Any) -> Executor:
        """Return a view that makes calls on other terms: coterie.Executor.options."""
        view = object.__new__(type(self))
        view._pool = self._pool.options(**changes)
        view._workers = self._workers
        view._grace = self._grace
        view._room = self._room
        return view

    async def run[**P, R](
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call ``fn(*args, **kwargs)`` in a worker, and return what it returns.

        If the awaiting task is cancelled the call is cancelled, or interrupted if
        it runs: its ``finally`` has run when the cancellation goes on.
        """
        result: R = await self._run(lambda: self._pool.submit(fn, *args, **kwargs))
        return result

    async def run_async[**P, R](
        self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the coroutine function in an event loop of asyncio in a worker.

        If the awaiting task is cancelled, so is the one in the worker; it is
        interrupted if it has not ended after the *stop_grace* of the pool.
        """
        stop = _core.Event()

        def cancel(future: Future[Any]) -> None:
            if not future.cancel():
                stop.set()

        result: R = await self._run(
            lambda: self._pool.submit(_aio_calls.run_in_loop, stop, fn, args, kwargs),
            cancel,
            self._grace,
        )
        return result

    async def _run(self, submit: Callable[[], Future[Any]], *end: Any) -> Any:
        if self._room is None:
            return await _aio_calls.result(submit(), *end)
        async with self._room:
            return await _aio_calls.result(submit(), *end)

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any] | AsyncIterable[Any],
        buffersize: int | None = None,
    ) -> AsyncGenerator[Any]:
        """Iterate over ``fn(*args)`` for args of zip(*iterables), in order.

        The iterables may be asynchronous, and endless: *buffersize* calls (None:
        two for each worker) are under way at most. When the iteration ends early
        they are cancelled or interrupted. What an iterable raises comes after the
        results of what it gave before.
        """
        if buffersize is None:
            buffersize = 2 * self._workers
        elif not isinstance(buffersize, int):
            raise TypeError(
                f"buffersize must be an int or None, not {type(buffersize).__name__}"
            )
        elif buffersize < 1:
            raise ValueError("buffersize must be None or at least 1")
        submit = functools.partial(self._pool.submit, fn)
        if any(isinstance(one, AsyncIterable) for one in iterables):
            return _aio_calls.map_async(submit, iterables, buffersize)
        return _aio_calls.map_plain(submit, iterables, buffersize)

    async def shutdown(
        self, *, cancel_futures: bool = False, interrupt: bool = False
    ) -> None:
        """Take no more calls, and wait until the workers have ended.

        cancel_futures: cancel what has not begun. interrupt: stop what runs.
        If the awaiting task is cancelled, both is done, and waited for.
        """
        await self._end(cancel_futures, interrupt, None)

    async def _end(
        self, cancel: bool, interrupt: bool, error: BaseException | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=cancel, interrupt=interrupt)
        ended = _aio_calls.in_thread(self._pool.shutdown)
        if not (cancel and interrupt):
            try:
                await _aio.perform(ended, "wait")
            except BaseException:  # cancelled: nobody wants the results any more
                self._pool.shutdown(wait=False, cancel_futures=True, interrupt=True)
                await _aio_calls.see(ended)
                raise
        await _aio_calls.see(ended, error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failed = exc_type is not None
        # The error is not lost if, by the calls that it ends, it has us cancelled.
        await self._end(failed, failed, exc_value)
