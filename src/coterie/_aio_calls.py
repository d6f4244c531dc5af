"""How a task awaits a call in an interpreter, and ends it when it is cancelled."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from typing import TYPE_CHECKING, Any

from coterie import _aio, _core

if TYPE_CHECKING:
    from coterie.executor import Future


async def ended(futures: Iterable[Future[Any]]) -> None:
    """Wait until all of them are done, though the task is cancelled meanwhile."""
    futures = [future for future in futures if not future.done()]

    async def wait() -> None:
        for future in futures:
            try:
                await _aio.perform(future, "result")
            except BaseException:
                # Its own is nobody's business any more, also a CancelledError.
                if not future.done():
                    raise

    if futures:
        await _aio.current_hub().shield(wait)


async def result(future: Future[Any], stop: Callable[[Future[Any]], object]) -> Any:
    """Return the result of the call; who is cancelled stops it, and sees it end."""
    try:
        return await _aio.perform(future, "result")
    except BaseException:
        if not future.done():
            stop(future)
            await ended([future])
        raise


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


async def in_thread(function: Callable[[], object]) -> None:
    """Call it in a thread, and see it end, though the task is cancelled."""
    from threading import Thread

    done = _core.Event()

    def run() -> None:
        try:
            function()
        finally:
            done.set()

    async def wait() -> None:
        await _aio.perform(done, "wait")

    Thread(target=run, name="coterie-aio").start()
    await _aio.current_hub().shield(wait)


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
