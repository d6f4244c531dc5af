"""A process of the engine "process" (see _processes).

One thread for each connection answers what comes by it, one call after the
other: in an interpreter of its own, or in the main one.  What comes by one more
connection says which call shall end; when it ends itself, all shall.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import select
import signal
import threading
import time
from multiprocessing.connection import Connection

from coterie import _child
from coterie._core import AtomicInt, Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from coterie.interpreters import Interpreter

# What wakes a call in the main interpreter that shall end.  It is ignored where
# nobody takes it, and hardly ever used.
WAKE = signal.SIGURG

_GRACE_SECONDS = 1.0  # for what runs when who started us is gone


class _Main:
    """The main interpreter: its calls are on the first thread.

    No other thread is needed for it, which might make a fork dangerous.
    """

    def __init__(self, control: Connection) -> None:
        self._control = control
        self._number = 0  # of the call that runs
        self._told = 0  # of the call that shall end
        signal.signal(WAKE, self._heed)
        signal.signal(signal.SIGIO, self._heed_end)
        fcntl.fcntl(control.fileno(), fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(control.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(control.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)

    def run(self, fn: Callable[..., bytes], *args: Any) -> bytes:
        return fn(*args)

    def answer(self, number: int, request: bytes) -> bytes:
        try:
            self._number = number
            if number == self._told:
                raise Interrupted
            reply = _child.answer(request)
            self._number = 0
        except BaseException as exc:  # it was told to end, before or after
            self._number = 0
            reply = _child.raised(exc)
        return reply

    def _heed(self, *_: object) -> None:
        try:
            while self._control.poll():
                self._told = _read(self._control)[1]
        except (EOFError, OSError):
            return  # nobody wants anything any more
        if self._number and self._number == self._told:
            raise Interrupted

    def _heed_end(self, *_: object) -> None:
        """Something has come by that connection, or its end."""
        ends = select.poll()
        ends.register(self._control, 0)
        if self._number and ends.poll(0):
            threading.Thread(target=_leave_busy, args=([self],), daemon=True).start()
            raise Interrupted

    def is_busy(self) -> bool:
        return bool(self._number)


class _Other:
    """An interpreter of its own."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.run = interpreter.run
        self._interpreter = interpreter
        self._told = AtomicInt()  # number of a call that shall end
        self._lock = threading.Lock()  # who is told does not end meanwhile
        self._number = 0  # of the call that runs

    def answer(self, number: int, request: bytes) -> bytes:
        with self._lock:
            self._number = number
        try:
            return self.run(_child.answer_if_wanted, request, number, self._told)  # type: ignore[no-any-return]
        except BaseException as exc:  # told to end as it ended
            return _child.raised(exc)
        finally:
            with self._lock:
                self._number = 0

    def stop(self, number: int) -> None:
        self._told.set(number)  # it may not be there yet
        with self._lock:
            if number == self._number:
                self._interpreter.interrupt(Interrupted)

    def is_busy(self) -> bool:
        return bool(self._number)

    def stop_whatever_runs(self) -> None:
        with self._lock:
            if self._number:
                self._interpreter.interrupt(Interrupted)


def _read(control: Connection) -> tuple[int, int]:
    """The place of a call that shall end, and its number there."""
    place, number = map(int, control.recv_bytes().split())
    return place, number


def main(handles: list[int], control_handle: int, has_interpreters: bool) -> None:
    """Answer by each of the connections until they are closed."""
    # Ctrl-C goes to all processes of a terminal; who started us decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Until now it was blocked; and who started us may block others, WAKE even.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for handle in (*handles, control_handle):
        os.set_inheritable(handle, False)
    connections = [Connection(handle) for handle in handles]
    control = Connection(control_handle)
    if not has_interpreters:
        _serve(connections[0], _Main(control))
        return
    places: dict[int, _Other] = {}
    threading.Thread(target=_heed, args=(control, places), daemon=True).start()
    for place in enumerate(connections[1:], 1):
        args = (*place, places)
        threading.Thread(target=_serve_in_interpreter, args=args).start()
    _serve_in_interpreter(0, connections[0], places)


def _heed(control: Connection, places: dict[int, _Other]) -> None:
    try:
        while True:
            place, number = _read(control)
            places[place].stop(number)
    except (EOFError, OSError):
        pass
    busy = [place for place in list(places.values()) if place.is_busy()]
    for other in busy:
        other.stop_whatever_runs()
    if busy:
        _leave_busy(busy)


def _leave_busy(places: Sequence[_Main | _Other]) -> None:
    """Who started us is gone: leave the process if calls do not end."""
    time.sleep(_GRACE_SECONDS)
    if any(place.is_busy() for place in places):
        os._exit(1)


def _serve_in_interpreter(
    place: int, connection: Connection, places: dict[int, _Other]
) -> None:
    from coterie import interpreters

    with interpreters.create() as interpreter:
        places[place] = _Other(interpreter)
        _serve(connection, places[place])


def _serve(connection: Connection, place: _Main | _Other) -> None:
    try:
        ready = place.run(_child.prepare, connection.recv_bytes())
        connection.send_bytes(ready)
        for number in itertools.count(1):
            request = connection.recv_bytes()
            connection.send_bytes(_child.BEGUN)
            connection.send_bytes(place.answer(number, request))
    except (EOFError, OSError):
        pass  # closed, by who started us or by his end
