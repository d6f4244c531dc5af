"""Channels between threads and interpreters, and channels to subscribers.

`create_channel` makes both ends of one.  The exceptions derive from those of
coterie.queue, and so from the standard library's.
"""

from coterie._core import Receiver, Sender, Source, create_channel
from coterie.queue import Empty, Full, ShutDown

__all__ = [
    "Closed",
    "Empty",
    "Full",
    "Receiver",
    "Sender",
    "Source",
    "create_channel",
]


class Closed(ShutDown):
    """The channel has been closed, or nobody is left at its other end."""
