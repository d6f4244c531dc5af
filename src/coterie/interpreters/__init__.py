"""Errors of code that runs in another interpreter, as concurrent.interpreters.

An exception that a call raised is chained to an `ExecutionFailed`, which holds
what is known of it as text: see PEP 734.
"""

from __future__ import annotations

from coterie._core import CoterieError, NotShareableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import SimpleNamespace

__all__ = ["ExecutionFailed", "InterpreterError", "NotShareableError"]


class InterpreterError(CoterieError):
    """Something about an interpreter went wrong."""


class ExecutionFailed(InterpreterError):
    """Code in another interpreter raised an exception.

    Its attribute `excinfo` is an account of the exception: `type` (with
    `__name__`, `__qualname__`, `__module__`), `msg`, `formatted` (one line) and
    `errdisplay` (the traceback in that interpreter), all of them text.
    """

    def __init__(self, excinfo: SimpleNamespace) -> None:
        super().__init__(excinfo.formatted)
        self.excinfo = excinfo

    def __str__(self) -> str:
        return (
            f"{self.excinfo.formatted}\n\n"
            f"Uncaught in the interpreter:\n\n{self.excinfo.errdisplay}"
        )
