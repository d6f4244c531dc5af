"""Locks and their kin between threads and interpreters, as those of threading.

Each can be sent; on the other side it is the same one.
"""

import threading as _threading

from coterie._core import (
    AtomicFlag,
    AtomicInt,
    AtomicReference,
    Barrier,
    BoundedSemaphore,
    Condition,
    CoterieError,
    Event,
    Lock,
    Once,
    OwnerDied,
    RLock,
    RWLock,
    Semaphore,
)

__all__ = [
    "AtomicFlag",
    "AtomicInt",
    "AtomicReference",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Lock",
    "Once",
    "OwnerDied",
    "RLock",
    "RWLock",
    "Semaphore",
]


class BrokenBarrierError(CoterieError, _threading.BrokenBarrierError):
    """The barrier is broken, or was reset."""
