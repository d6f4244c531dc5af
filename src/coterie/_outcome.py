"""What a call raised, on its way from the worker to who asked.

In the worker an exception becomes an account: plain strings, and the exception
itself if it can be sent.  Here it becomes the exception again, with an
`ExecutionFailed` that holds the account as its cause.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    type Account = tuple[BaseException | None, str, str, str, str]


def account_for(exc: BaseException, with_exception: int) -> Account:
    """Return what is sent of *exc*; called in the worker.

    Called again without the exception itself when that cannot be sent.
    """
    # The frames below the call are the package's own C code: none is shown.
    import traceback

    cls = type(exc)
    if isinstance(exc, ImportError):
        from coterie._refusals import explain

        explain(exc)
    try:
        msg = str(exc)
    except Exception as problem:
        msg = f"<str() failed: {problem!r}>"
    try:
        display = "".join(traceback.format_exception(exc)).rstrip("\n")
    except Exception as problem:
        display = f"<no traceback: {problem!r}>"
    return (
        exc if with_exception else None,
        cls.__module__,
        cls.__qualname__,
        msg,
        display,
    )


def rebuild(account: Account) -> BaseException:
    """Return the exception to raise for *account*; called by who asked."""
    from coterie.interpreters import ExecutionFailed

    exc, module, qualname, msg, display = account
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
    exc.__cause__ = ExecutionFailed(excinfo)
    return exc
