"""What workers tell their pool's interpreter beside the outcomes of calls.

A note is a tuple whose first item says what it is about.  The dispatcher's thread
takes notes, in order with the ends of calls.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any

    from coterie._outcome import Account

    type Note = tuple[Any, ...]


# ---- there -------------------------------------------------------------------


def initializer_failed(exc: BaseException, with_exception: int, pool: str) -> Note:
    """The note of it; called in the worker."""
    from coterie._outcome import CALLED, account_for

    return "initializer", pool, account_for(exc, with_exception, CALLED)


def send_log_records(level: int) -> None:
    """Let the root logger hand all records to the pool's interpreter."""
    import logging

    from coterie import _core

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                _core.tell(("log", _plain(record)))
            except Exception:
                self.handleError(record)

    logging.root.setLevel(level)
    logging.root.addHandler(Handler())


def _plain(record: logging.LogRecord) -> dict[str, Any]:
    """What of it can be sent: the text, not what that is made of."""
    import logging

    fields = vars(record).copy()
    fields["msg"] = record.getMessage()
    fields["args"] = None
    if record.exc_info:
        fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
    fields["exc_info"] = None
    return {
        name: value
        for name, value in fields.items()
        if value is None or isinstance(value, (str, int, float))
    }


# ---- here --------------------------------------------------------------------


def take(note: Note) -> None:
    """Do what the note is for."""
    _TAKERS[note[0]](*note[1:])


def _log_initializer(pool: str, account: Account) -> None:
    from coterie._outcome import rebuild
    from coterie.executor import _LOGGER

    _LOGGER.critical("Exception in initializer:", exc_info=rebuild(account))


def _log(fields: dict[str, Any]) -> None:
    import logging

    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _warn(text: str) -> None:
    from coterie.executor import _LOGGER

    _LOGGER.warning(text)


_TAKERS: dict[str, Callable[..., None]] = {
    "initializer": _log_initializer,
    "log": _log,
    "warning": _warn,
}
