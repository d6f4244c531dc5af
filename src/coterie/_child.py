"""What runs in the processes of the engine "process" (see _processes).

One thread for each connection answers what comes by it, one call after the
other: in an interpreter of its own, or in the main one.
"""

from __future__ import annotations

import sys

from coterie._core import NotShareableError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Any

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


def main(handles: list[int], has_interpreters: bool) -> None:
    """Answer by each of the connections until they are closed."""
    import os
    import signal
    import threading
    from multiprocessing.connection import Connection

    # Ctrl-C goes to all processes of a terminal; who started us decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connections: list[Connection] = []
    for handle in handles:
        os.set_inheritable(handle, False)
        connections.append(Connection(handle))
    serve = _serve_in_interpreter if has_interpreters else _serve
    for connection in connections[1:]:
        threading.Thread(target=serve, args=(connection,)).start()
    serve(connections[0])


def _serve_in_interpreter(connection: Connection) -> None:
    from coterie import interpreters

    with interpreters.create() as interpreter:
        _serve(connection, interpreter.run)


def _serve(
    connection: Connection, call: Callable[..., Any] = lambda f, *args: f(*args)
) -> None:
    try:
        ready = call(prepare, connection.recv_bytes())
        connection.send_bytes(ready)
        while True:
            request = connection.recv_bytes()
            connection.send_bytes(BEGUN)
            connection.send_bytes(call(answer, request))
    except (EOFError, OSError):
        pass  # closed, by who started us or by his end


def prepare(request: bytes) -> bytes:
    """Take over what the process that asks has set; what to tell of it."""
    from coterie._outcome import CALLED
    from coterie._worker import prepare as prepare_worker

    try:
        sys.argv[:], wanted, initialization = loads(request)
        if wanted is not None:
            prepare_worker(loads(wanted))
        if initialization is not None:
            initializer, *args = loads(initialization)
            initializer(*args)
    except BaseException as exc:
        return RAISED + _dump_account(exc, CALLED)
    return READY
