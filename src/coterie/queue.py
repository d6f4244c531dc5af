"""Queues between threads and interpreters, as the standard library's queue.

The exceptions derive from those of the standard library, so code that catches
``queue.Empty`` goes on to work.
"""

import queue as _queue
from typing import Any

from coterie._core import (
    CoterieError,
    LifoQueue,
    PriorityQueue,
    Queue,
    SimpleQueue,
)

__all__ = [
    "Empty",
    "Full",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "ShutDown",
    "SimpleQueue",
]


class Empty(CoterieError, _queue.Empty):
    """Nothing came in time."""


class Full(CoterieError, _queue.Full):
    """There was no room in time."""


class ShutDown(CoterieError, _queue.ShutDown):
    """The queue has been shut down. From `coterie.select`: the one in `case`."""

    case: Any = None
