"""What a call raised, on its way from the worker to who asked.

In the worker an exception becomes an account: plain strings, and the exception
itself if it can be sent.  Here it becomes the exception again, with an
`ExecutionFailed` that holds the account as its cause.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    # The exception, its class's module and name, message, traceback; and if an
    # import was refused before the call began: a function's or an argument's,
    # what was imported, and the extension module that refused.
    type Refusal = tuple[bool, str, str]
    type Account = tuple[BaseException | None, str, str, str, str, Refusal | None]

_OWN = ("coterie._inside", "coterie._output", "coterie._pour")


# What runs between a call of ours and the code that it is about.
_OURS = frozenset({"coterie._inside", "coterie._output"})


# How far a call came (csrc/types/run.h).
LOADING_FUNCTION, _LOADING_ARGUMENTS, CALLED = range(3)


def let_interrupt_in() -> None:
    """Called where a call has ended: an interrupt that waits is raised here."""


def account_for(exc: BaseException, with_exception: int, stage: int) -> Account:
    """Return what is sent of *exc*; called in the worker.

    Called again without the exception itself when that cannot be sent.
    """
    # The frames below the call are the package's own C code: none is shown.
    import traceback

    cls = type(exc)
    refusal: Refusal | None = None
    if isinstance(exc, ImportError):
        from coterie._refusals import explain, refused

        explain(exc)
        modules = refused(exc) if stage < CALLED else None
        if modules is not None:
            refusal = stage == LOADING_FUNCTION, *modules
    try:
        msg = str(exc)
    except Exception as problem:
        msg = f"<str() failed: {problem!r}>"
    try:
        begin = _begin_of_user_code(exc)
        lines = traceback.format_exception(cls, exc, begin)
        display = "".join(lines).rstrip("\n")
    except Exception as problem:
        display = f"<no traceback: {problem!r}>"
    return (
        exc if with_exception else None,
        cls.__module__,
        cls.__qualname__,
        msg,
        display,
        refusal,
    )


def _begin_of_user_code(exc: BaseException) -> TracebackType | None:
    """The traceback without the package's own frames at its begin."""
    begin = exc.__traceback__
    while begin is not None and begin.tb_frame.f_globals.get("__name__") in _OWN:
        begin = begin.tb_next
    return begin


def rebuild(account: Account) -> BaseException:
    """Return the exception to raise for *account*; called by who asked."""
    from coterie._errors import ExecutionFailed

    exc, module, qualname, msg, display, refusal = account
    formatted = f"{qualname}: {msg}" if msg else qualname
    excinfo = SimpleNamespace(
        type=SimpleNamespace(
            __name__=qualname.rpartition(".")[2],
            __qualname__=qualname,
            __module__=module,
        ),
        msg=msg,
        formatted=formatted,
        errdisplay=display,
    )
    if not isinstance(exc, BaseException):
        from coterie._core import RemoteError

        name = qualname if module == "builtins" else f"{module}.{qualname}"
        exc = RemoteError(
            f"the call raised {name}, which cannot be sent: {msg}\n\n{display}"
        )
    failed = exc.__cause__ = ExecutionFailed(excinfo)
    failed._refusal = refusal
    return exc


def refusal_of(exc: BaseException | None) -> Refusal | None:
    """The import that was refused before the call began, if *exc* tells of one."""
    return getattr(exc.__cause__, "_refusal", None) if exc is not None else None


def execution_failed(account: Account) -> BaseException:
    """Return the ExecutionFailed for *account*, with its exception as cause."""
    from coterie._core import NotShareableError

    exc = rebuild(account)
    failed = exc.__cause__
    assert failed is not None
    exc.__cause__ = None
    exc.__suppress_context__ = False
    failed.__cause__ = exc
    if isinstance(exc, NotShareableError):
        return exc  # about the result: the call itself has not failed
    return failed
