"""What queues and channels share: items whose interpreter has ended.

An item is bound to the interpreter that sent it.  When that one ends, the item's
unbound op says what becomes of it.  In C the ops are the numbers below.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

REMOVE: Final = 1  # the item goes at once
ERROR: Final = 2  # who takes it gets ItemInterpreterDestroyed
REPLACE: Final = 3  # who takes it gets UNBOUND


class ItemInterpreterDestroyed(Exception):
    """Raised when trying to get an item whose interpreter was destroyed."""


class Constant:
    """One of a few objects that are told apart by identity, and sent by name.

    Each has a class of its own, in the module where the name leads to it.
    """

    __slots__ = ()
    _name = ""

    def __new__(cls) -> Self:
        raise TypeError(f"there is one {cls._name}, in {cls.__module__}")

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name


class UnboundItem(Constant):
    """Represents an item no longer bound to an interpreter.

    An item is unbound when the interpreter that added it is destroyed.
    """

    __slots__ = ()
    _name = "UNBOUND"

    def __repr__(self) -> str:
        return f"{self.__module__}.{self._name}"


class _UnboundError(Constant):
    """Who takes an unbound item gets ItemInterpreterDestroyed."""

    __slots__ = ()
    _name = "UNBOUND_ERROR"


class _UnboundRemove(Constant):
    """An unbound item is removed."""

    __slots__ = ()
    _name = "UNBOUND_REMOVE"


UNBOUND: Final[UnboundItem] = object.__new__(UnboundItem)
UNBOUND_ERROR: Final[Constant] = object.__new__(_UnboundError)
UNBOUND_REMOVE: Final[Constant] = object.__new__(_UnboundRemove)


def flag_of(unbounditems: object, unbound: UnboundItem) -> int:
    """The number for UNBOUND_REMOVE, UNBOUND_ERROR, or the caller's UNBOUND."""
    if unbounditems is unbound or unbounditems is UNBOUND:
        return REPLACE
    if unbounditems is UNBOUND_ERROR:
        return ERROR
    if unbounditems is UNBOUND_REMOVE:
        return REMOVE
    message = f"unsupported unbound replacement op {unbounditems!r}"
    raise NotImplementedError(message)


def constant_of(flag: int, unbound: UnboundItem) -> Constant:
    """The other way round."""
    return {REMOVE: UNBOUND_REMOVE, ERROR: UNBOUND_ERROR, REPLACE: unbound}[flag]
