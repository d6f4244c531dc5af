"""Locks and their kin between threads and interpreters, as those of threading.

Each can be sent; on the other side it is the same one.
"""

from coterie._core import (
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    OwnerDied,
    RLock,
    Semaphore,
)

__all__ = [
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "OwnerDied",
    "RLock",
    "Semaphore",
]
