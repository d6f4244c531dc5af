"""For tasks of asyncio, trio and anyio: waiting without a thread.

Whatever blocks in coterie has an awaitable twin, the same name with an ``a`` in
front: ``await queue.aget()``, ``await lock.aacquire()``, ``await event.await_()``
(``await`` alone is a keyword). Locks and semaphores take ``async with``, queues
and receiving ends ``async for``. Who acquires a lock so owns it as a task.

A task that is cancelled while it waits leaves no trace: no item is lost, no lock
is left held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from coterie import _aio
from coterie.queue import ShutDown

__all__ = ["merge", "select"]

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
