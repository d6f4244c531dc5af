"""What runs in the interpreters of the engine "process" (see _child_process)."""

from __future__ import annotations

import sys

from coterie._core import Interrupted, NotShareableError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coterie._core import AtomicInt

# What a process says: it is ready, it has a request, what came of it.
READY, BEGUN, RETURNED, RAISED = b"+", b"*", b"=", b"!"


def answer(request: bytes) -> bytes:
    """Make the call that *request* holds; what to send of its outcome."""
    from coterie._outcome import CALLED, LOADING_FUNCTION

    stage = LOADING_FUNCTION
    try:
        fn, args, kwargs = loads(request)
        stage = CALLED
        return RETURNED + _dump_result(fn(*args, **kwargs))
    except BaseException as exc:
        return RAISED + _dump_account(exc, stage)


def answer_if_wanted(request: bytes, number: int, told: AtomicInt) -> bytes:
    """Answer, unless the call with that number was told to end."""
    if told.get() == number:
        return raised(Interrupted())
    return answer(request)


def raised(exc: BaseException) -> bytes:
    """What to send of what came of a call that had begun."""
    from coterie._outcome import CALLED

    return RAISED + _dump_account(exc, CALLED)


def _dump_result(result: object) -> bytes:
    try:
        return dumps(result)
    except NotShareableError as exc:
        raise NotShareableError(f"result not shareable: {exc}") from exc.__cause__


def _dump_account(exc: BaseException, stage: int) -> bytes:
    from coterie._outcome import account_for

    try:
        account = dumps(account_for(exc, True, stage))
        loads(account)  # many an exception can be pickled and not be made again
        return account
    except Exception:
        return dumps(account_for(exc, False, stage))


def prepare(request: bytes) -> bytes:
    """Take over what the process that asks has set; what to tell of it."""
    from coterie._worker import prepare as prepare_worker

    try:
        sys.argv[:], wanted, initialization = loads(request)
        if wanted is not None:
            prepare_worker(loads(wanted))
        if initialization is not None:
            initializer, *args = loads(initialization)
            initializer(*args)
    except BaseException as exc:
        return raised(exc)
    return READY
