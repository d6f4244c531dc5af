"""Channels between interpreters, as those of PEP 554 and its backport.

A channel has two ends.  `SendChannel.send` waits until the object is received;
`SendChannel.send_nowait` leaves it in the channel.  Both ends can be sent to
other interpreters, and any number of them may use each.

An object in the channel is bound to the interpreter that sent it: when that one
ends, what becomes of the object is up to `unbounditems`.
"""

from __future__ import annotations

from collections import namedtuple as _namedtuple

from coterie import _core
from coterie._core import CoterieError, RecvChannel, SendChannel
from coterie.interpreters import _crossinterp, is_shareable
from coterie.interpreters._crossinterp import UNBOUND_ERROR, UNBOUND_REMOVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = [
    "UNBOUND",
    "UNBOUND_ERROR",
    "UNBOUND_REMOVE",
    "ChannelClosedError",
    "ChannelEmptyError",
    "ChannelError",
    "ChannelInfo",
    "ChannelNotEmptyError",
    "ChannelNotFoundError",
    "ItemInterpreterDestroyed",
    "RecvChannel",
    "SendChannel",
    "create",
    "is_shareable",
    "list_all",
]


class ChannelError(CoterieError, RuntimeError):
    """Something about a channel went wrong."""


class ChannelNotFoundError(ChannelError):
    """There is no channel of that id, or no more."""


class ChannelClosedError(ChannelError):
    """The channel, or its end, has been closed."""


class ChannelEmptyError(ChannelError):
    """Nothing is in the channel now."""


class ChannelNotEmptyError(ChannelError):
    """The channel cannot be closed: what was sent has not been received."""


class ItemInterpreterDestroyed(ChannelError, _crossinterp.ItemInterpreterDestroyed):
    """The interpreter that sent the next object has ended."""


class ChannelInfo(_namedtuple("ChannelInfo", ["open", "closing", "closed", "count"])):
    """The state of a channel, of which one of the first three is true.

    open: objects can be sent.  closing: no more, but there are some to receive.
    closed: neither.  count: how many there are to receive.
    """

    __slots__ = ()


class _UnboundChannelItem(_crossinterp.UnboundItem):
    """Stands for an object in a channel whose interpreter has ended."""

    __slots__ = ()


UNBOUND: Final[_UnboundChannelItem] = object.__new__(_UnboundChannelItem)


def create(
    *, unbounditems: _crossinterp.Constant = UNBOUND
) -> tuple[RecvChannel[Any], SendChannel[Any]]:
    """Return (recv, send), the ends of a new channel.

    `unbounditems` says what becomes of an object when the interpreter that sent
    it ends before it is received: UNBOUND takes its place, UNBOUND_ERROR makes
    the receiver raise ItemInterpreterDestroyed, UNBOUND_REMOVE removes it.  Each
    send may say another.
    """
    return _core.create_bound_channel(0, _flag_of(unbounditems))


def list_all() -> list[tuple[RecvChannel[Any], SendChannel[Any]]]:
    """Return a list of (recv, send) for all channels that are open, oldest first."""
    return sorted(_core.list_channels(), key=lambda ends: ends[0].id)


def _flag_of(unbounditems: object) -> int:
    return _crossinterp.flag_of(unbounditems, UNBOUND)


def _constant_of(flag: int) -> _crossinterp.Constant | None:
    return _crossinterp.constant_of(flag, UNBOUND) if flag else None


def _take_unbound(flag: int) -> _crossinterp.Constant:
    """What a receiver gets in place of an object, or an exception."""
    if flag == _crossinterp.ERROR:
        raise ItemInterpreterDestroyed("item's original interpreter destroyed")
    return UNBOUND
