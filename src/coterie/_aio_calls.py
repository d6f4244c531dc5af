"""How a task awaits a call in an interpreter, and ends it when it is cancelled."""

from __future__ import annotations

import concurrent.futures
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from coterie import _aio, _core

if TYPE_CHECKING:
    from concurrent.futures import Future


def stop(future: Future[Any]) -> None:
    """Cancel the call, or interrupt it where that can be done."""
    if not future.cancel() and hasattr(future, "interrupt"):
        future.interrupt()


async def ended(futures: Iterable[Future[Any]], grace: float | None = None) -> None:
    """Wait until all of them are done, though the task is cancelled meanwhile.

    What is not done after *grace* seconds is stopped.
    """
    left = [(future, _end_of(future)) for future in futures if not future.done()]
    until = None if grace is None else time.monotonic() + grace

    async def wait() -> None:
        nonlocal until
        for _, done in left:
            if until is not None:
                seconds = max(0.0, until - time.monotonic())
                if not await _aio.perform(done, "wait", seconds):
                    until = None  # once is enough
                    for future, _ in left:
                        stop(future)
            await _aio.perform(done, "wait")

    if left:
        await _aio.current_hub().shield(wait)


async def result(
    future: Future[Any],
    end: Callable[[Future[Any]], object] = stop,
    grace: float | None = None,
) -> Any:
    """Return the result of the call; who is cancelled ends it, and sees that.

    grace: see ended.
    """
    try:
        return await _outcome(future)
    except BaseException:
        if not future.done():
            end(future)
            await ended([future], grace)
        raise


async def _outcome(future: Future[Any]) -> Any:
    try:
        if isinstance(future, _core.Future):
            return await _aio.perform(future, "result")
        # Another engine's, which has nothing that tasks could wait for.
        await _aio.perform(_end_of(future), "wait")
        return future.result()
    except concurrent.futures.CancelledError:
        if not future.cancelled():  # the function has raised it
            raise
        raise _aio.current_hub().cancellation("the call was cancelled") from None


def _end_of(future: Future[Any]) -> _core.Event:
    """Return an event that is set when it is done."""
    done = _core.Event()
    future.add_done_callback(lambda _: done.set())
    return done


async def zip_all(
    iterables: Sequence[Iterable[Any] | AsyncIterable[Any]],
) -> AsyncGenerator[tuple[Any, ...]]:
    """Like zip(*iterables), of which some may be asynchronous."""
    iterators = [
        aiter(one) if isinstance(one, AsyncIterable) else iter(one) for one in iterables
    ]
    while iterators:
        args = []
        for iterator in iterators:
            try:
                if isinstance(iterator, AsyncIterator):
                    args.append(await anext(iterator))
                else:
                    args.append(next(iterator))
            except (StopIteration, StopAsyncIteration):
                return
        yield tuple(args)


async def map_plain(
    submit: Callable[..., Future[Any]],
    iterables: Sequence[Any],
    buffersize: int,
) -> AsyncGenerator[Any]:
    """Iterate over the results of the calls for zip(*iterables)."""
    rows: Iterator[tuple[Any, ...]] | None = zip(*iterables, strict=False)
    calls: deque[Future[Any]] = deque()
    error: Exception | None = None
    try:
        while True:
            # One for each result, and more while there is none.
            while rows is not None and len(calls) < buffersize:
                try:
                    calls.append(submit(*next(rows)))
                except StopIteration:
                    rows = None
                except Exception as exc:
                    rows, error = None, exc
                if calls and calls[0].done():
                    break
            if not calls:
                break
            yield await result(calls.popleft())
        if error is not None:
            raise error
    finally:
        del error  # it holds this frame
        await _end(calls)


async def map_async(
    submit: Callable[..., Future[Any]],
    iterables: Sequence[Iterable[Any] | AsyncIterable[Any]],
    buffersize: int,
) -> AsyncGenerator[Any]:
    """Likewise where some are asynchronous: they are waited for by a task.

    So that a result need not wait for a row, nor a row for a result.
    """
    room, ready = _core.Semaphore(buffersize), _core.Semaphore(0)
    calls: deque[Future[Any]] = deque()
    error: BaseException | None = None

    async def feed() -> None:
        nonlocal error
        try:
            async with aclosing(zip_all(iterables)) as rows:
                await _aio.perform(room, "acquire")
                async for args in rows:
                    calls.append(submit(*args))
                    ready.release()
                    await _aio.perform(room, "acquire")
        except BaseException as exc:  # also that it was cancelled
            error = exc
        finally:
            ready.release()

    hub = _aio.current_hub()
    over = _core.Event()
    cancel = hub.spawn(feed, over)
    try:
        while True:
            await _aio.perform(ready, "acquire")
            if not calls:
                break
            found = [await result(calls.popleft())]
            room.release()
            yield found.pop()  # it is not kept while the caller works with it
        if error is not None:
            raise error
    finally:
        cancel()
        try:
            await see(over)
        finally:
            del error  # it holds this frame
            await _end(calls)


async def _end(calls: Iterable[Future[Any]]) -> None:
    for call in calls:
        stop(call)
    await ended(calls)


def in_thread(function: Callable[[], object]) -> _core.Event:
    """Call it in a thread: an event that is set when it has ended."""
    from threading import Thread

    done = _core.Event()

    def run() -> None:
        try:
            function()
        finally:
            done.set()

    Thread(target=run, name="coterie-aio").start()
    return done


async def see(event: _core.Event, error: BaseException | None = None) -> None:
    """Wait for it, as shield does."""

    async def wait() -> None:
        await _aio.perform(event, "wait")

    await _aio.current_hub().shield(wait, error)


def run_in_loop(
    stop: _core.Event,
    fn: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Run the coroutine function in a new event loop: what a worker does."""
    import asyncio

    async def main() -> Any:
        call = asyncio.ensure_future(fn(*args, **kwargs))
        stopping = asyncio.ensure_future(_aio.perform(stop, "wait"))
        try:
            await asyncio.wait({call, stopping}, return_when="FIRST_COMPLETED")
            if stopping.done():
                call.cancel()
            return await call
        finally:
            stopping.cancel()

    return asyncio.run(main())
