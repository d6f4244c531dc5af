"""The worker's side of a generator function that is mapped."""

from __future__ import annotations

from coterie import _core
from coterie.queue import ShutDown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from coterie._core import Queue


def pour(
    queue: Queue[Any],
    tag: int,
    func: Callable[..., Generator[Any]],
    args: tuple[Any, ...],
) -> tuple[Any, ...] | None:
    """Put what the generator yields into the queue, and then its end.

    Returns the account of what it raised.  When nobody wants more the queue is
    shut down, and the generator closed.
    """
    account = None
    try:
        values = func(*args)
        try:
            for value in values:
                if not _put(queue, (tag, value)):
                    break
        finally:
            values.close()
    except _core.Interrupted:
        raise  # nobody listens
    except BaseException as exc:
        account = _core.account(exc)
    _put(queue, (tag,))
    return account


def _put(queue: Queue[Any], item: tuple[Any, ...]) -> bool:
    try:
        queue.put(item)
    except ShutDown:
        return False
    return True
