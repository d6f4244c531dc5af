"""Locks and their kin between threads and interpreters, as those of threading.

Each can be sent; on the other side it is the same one.
"""

import threading as _threading

from coterie._core import (
    Barrier,
    BoundedSemaphore,
    Condition,
    CoterieError,
    Event,
    Lock,
    OwnerDied,
    RLock,
    Semaphore,
)

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Lock",
    "OwnerDied",
    "RLock",
    "Semaphore",
]


class BrokenBarrierError(CoterieError, _threading.BrokenBarrierError):
    """The barrier is broken, or was reset."""
