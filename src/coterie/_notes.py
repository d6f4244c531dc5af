"""What workers tell their pool's interpreter beside the outcomes of calls.

A note is a tuple whose first item says what it is about.  The dispatcher's thread
takes notes, in order with the ends of calls.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coterie._outcome import Account

    type Note = tuple[Any, ...]


# ---- there -------------------------------------------------------------------


def initializer_failed(exc: BaseException, with_exception: int, pool: str) -> Note:
    """The note of it; called in the worker."""
    from coterie._outcome import account_for

    return "initializer", pool, account_for(exc, with_exception)


# ---- here --------------------------------------------------------------------


def take(note: Note) -> None:
    """Do what the note is for."""
    _TAKERS[note[0]](*note[1:])


def _log_initializer(pool: str, account: Account) -> None:
    from coterie._outcome import rebuild
    from coterie.executor import _LOGGER

    _LOGGER.critical("Exception in initializer:", exc_info=rebuild(account))


_TAKERS = {"initializer": _log_initializer}
