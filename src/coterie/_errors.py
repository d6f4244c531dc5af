"""The exceptions of coterie.interpreters, without all the rest of it."""

from __future__ import annotations

from coterie._core import CoterieError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import SimpleNamespace

    from coterie._outcome import Refusal

__all__ = ["ExecutionFailed", "InterpreterError", "InterpreterNotFoundError"]


class InterpreterError(CoterieError):
    """Something about an interpreter went wrong."""

    __module__ = "coterie.interpreters"


class InterpreterNotFoundError(InterpreterError):
    """There is no interpreter of that id (any more)."""

    __module__ = "coterie.interpreters"


class ExecutionFailed(InterpreterError):
    """Code in another interpreter raised an exception.

    Its attribute `excinfo` is an account of the exception: `type` (with
    `__name__`, `__qualname__`, `__module__`), `msg`, `formatted` (one line) and
    `errdisplay` (the traceback in that interpreter), all of them text.
    """

    __module__ = "coterie.interpreters"

    _refusal: Refusal | None = None

    def __init__(self, excinfo: SimpleNamespace) -> None:
        super().__init__(excinfo.formatted)
        self.excinfo = excinfo

    def __reduce__(self) -> tuple[type[ExecutionFailed], tuple[SimpleNamespace]]:
        return type(self), (self.excinfo,)

    def __str__(self) -> str:
        return (
            f"{self.excinfo.formatted}\n\n"
            f"Uncaught in the interpreter:\n\n{self.excinfo.errdisplay}"
        )
