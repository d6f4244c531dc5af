"""Locks and their kin between threads and interpreters, as those of threading.

Each can be sent; on the other side it is the same one.
"""

from coterie._core import Lock, OwnerDied, RLock

__all__ = ["Lock", "OwnerDied", "RLock"]
