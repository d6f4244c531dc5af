"""Queues between interpreters, as those of concurrent.interpreters.

An item is bound to the interpreter that put it: when that one ends, what becomes
of the item is up to `unbounditems`.  (Items of `coterie.queue` outlive it.)
"""

from __future__ import annotations

import queue as _queue
from operator import attrgetter as _attrgetter

from coterie._core import CoterieError
from coterie._core import InterpreterQueue as Queue
from coterie.interpreters import _crossinterp
from coterie.interpreters._crossinterp import UNBOUND_ERROR, UNBOUND_REMOVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "UNBOUND",
    "UNBOUND_ERROR",
    "UNBOUND_REMOVE",
    "ItemInterpreterDestroyed",
    "Queue",
    "QueueEmpty",
    "QueueError",
    "QueueFull",
    "QueueNotFoundError",
    "create",
    "list_all",
]


class QueueError(CoterieError, RuntimeError):
    """Something about a queue went wrong."""


class QueueNotFoundError(QueueError):
    """There is no queue of that id, or no more."""


class QueueEmpty(QueueError, _queue.Empty):
    """Nothing came in time."""


class QueueFull(QueueError, _queue.Full):
    """There was no room in time."""


class ItemInterpreterDestroyed(QueueError, _crossinterp.ItemInterpreterDestroyed):
    """The interpreter that put the next item has ended."""


class _UnboundQueueItem(_crossinterp.UnboundItem):
    """Stands for an item of a queue whose interpreter has ended."""

    __slots__ = ()


UNBOUND: Final[_UnboundQueueItem] = object.__new__(_UnboundQueueItem)


def create(
    maxsize: int = 0,
    *,
    unbounditems: _crossinterp.Constant = UNBOUND,
    syncobj: bool = False,
) -> Queue:
    """Return a new queue between interpreters.

    With `maxsize` above 0 it holds that many items at most.  The others are what
    Queue.put() does if it is not told, see there.
    """
    return Queue._create(maxsize, _flag_of(unbounditems), syncobj)


def list_all() -> list[Queue]:
    """Return a list of all queues that an interpreter holds, oldest first."""
    return sorted(Queue._list_all(), key=_attrgetter("id"))


def _flag_of(unbounditems: object) -> int:
    return _crossinterp.flag_of(unbounditems, UNBOUND)


def _constant_of(flag: int) -> _crossinterp.Constant:
    return _crossinterp.constant_of(flag, UNBOUND)
