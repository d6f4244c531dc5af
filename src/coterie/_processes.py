"""The engine "process": calls in processes that are started as they are needed.

A slot is one place where a call can run: an interpreter of a process, or its
main one, with a connection of its own.  A thread here has one, sends a request
by it and waits for the answer; the threads, the line of what waits and the
futures are those of a ThreadPoolExecutor.  When a process dies, all its
connections end: the calls that ran there raise WorkerLost, and whose slot was
there takes another one, of a new process if need be.

A call that shall end is told so by a second connection, the process's own.

Processes are started by subprocess, not multiprocessing: that would import
__main__ again, and scripts had to be written for it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import multiprocessing.connection as mp
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from coterie import _child, _child_process, _compat, _worker
from coterie._core import Interrupted, WorkerLost, dumps, loads
from coterie._process_call import ProcessCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from typing import Any, Never

    from coterie._outcome import Account

__all__ = ["ProcessEngine"]

_LOGGER = logging.getLogger("concurrent.futures")

_DYING_SECONDS = 5.0

# coterie may be where only our sys.path finds it.
_START = """\
import sys
sys.path[:] = {path!r}
from coterie._child_process import main
main({handles!r}, {control!r}, {has_interpreters!r})
"""


class _Died(Exception):
    """The process at the other end of a connection is gone."""


class _Stopped(Exception):
    """The call has ended because nobody wants it any more."""


class _Child:
    """A process, and the ends of its connections that are here."""

    def __init__(self, interpreters: int) -> None:
        pairs = [mp.Pipe() for _ in range(interpreters or 1)]
        self._control, control = mp.Pipe()
        self._control_lock = threading.Lock()
        self._has_interpreters = bool(interpreters)
        handles = [there.fileno() for _, there in pairs]
        path, _ = _worker.settings()
        start = _START.format(
            path=path,
            handles=handles,
            control=control.fileno(),
            has_interpreters=self._has_interpreters,
        )
        if not sys.executable:
            raise RuntimeError("sys.executable does not say how to start a Python")
        self.process = _start(start, [*handles, control.fileno()])
        self.was_ready = False  # one of its slots, at least
        # A process that it has forked may hold its connections open.
        self.sentinel = _sentinel(self.process.pid)
        if self.sentinel is not None:
            weakref.finalize(self, os.close, self.sentinel)
        control.close()
        for _, there in pairs:
            there.close()
        self.slots = [_Slot(self, idx, here) for idx, (here, _) in enumerate(pairs)]

    def stop(self, slot: int, number: int) -> None:
        """Interrupt that call, if it runs still."""
        with self._control_lock:
            try:
                self._control.send_bytes(b"%d %d" % (slot, number))
            except OSError:
                return  # it has died: its connections tell
        if not self._has_interpreters:
            self.process.send_signal(_child_process.WAKE)

    def give_up(self) -> None:
        """End it, with all that it runs."""
        _LOGGER.warning(
            "a call in process %d could not be stopped, in C code or since it catches "
            "Interrupted: the process is ended",
            self.process.pid,
        )
        self.process.kill()

    def close(self) -> None:
        """Let it end when it has answered what it was asked."""
        for slot in self.slots:
            slot.close()
        with self._control_lock:
            self._control.close()

    def join(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait()

    def bury(self) -> int:
        """Its connection has ended, so it has or will soon: its exit code."""
        try:
            return self.process.wait(_DYING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # it has closed what it had open
            return self.process.wait()


def _start(program: str, handles: list[int]) -> subprocess.Popen[bytes]:
    # Ctrl-C goes to all processes of a terminal: the new one has it blocked until
    # it ignores it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return subprocess.Popen(
            [sys.executable, *_compat.interpreter_flags(), "-c", program],
            stdin=subprocess.DEVNULL,
            pass_fds=handles,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _sentinel(pid: int) -> int | None:
    """What can be waited for until the process ends, where there is such."""
    try:
        return os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        return None


class _Slot:
    """Where one call at a time can run."""

    def __init__(
        self, child: _Child, idx: int, connection: Connection[Any, Any]
    ) -> None:
        self.child = child
        self.connection = connection
        self.is_ready = False
        self._idx = idx
        self._requests = 0
        self._bell, self._rope = mp.Pipe(duplex=False)

    def close(self) -> None:
        for connection in (self.connection, self._bell, self._rope):
            connection.close()

    def ring(self) -> None:
        """Let who waits for an answer look up."""
        self._rope.send_bytes(b"!")

    def ask(self, request: bytes) -> None:
        """Send a request, and wait until it has arrived."""
        self._requests += 1
        self.send(request)
        self.receive()

    def stop(self) -> None:
        """Interrupt the call of the latest request."""
        self.child.stop(self._idx, self._requests)

    def send(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError:
            raise _Died from None

    def receive(self) -> bytes:
        """What it says next."""
        said = self._receive(None)
        assert said is not None
        return said

    def receive_until(self, deadline: float | None) -> bytes | None:
        """What it says next; None if it says nothing until then, or is rung."""
        wait = None if deadline is None else max(0, deadline - monotonic())
        return self._receive(wait, self._bell)

    def _receive(self, timeout: float | None, *others: Any) -> bytes | None:
        ends: list[Any] = [self.connection, *others]
        if self.child.sentinel is not None:
            ends.append(self.child.sentinel)
        try:
            ready = mp.wait(ends, timeout)
            # What it has still said before its end comes first.
            if self.connection in ready or self.connection.poll():
                return self.connection.recv_bytes()
            if self._bell in ready:
                self._bell.recv_bytes()
                return None
            if not ready:
                return None
        except (EOFError, OSError):
            pass
        raise _Died


class ProcessEngine(ThreadPoolExecutor):
    """Calls in up to *max_workers* slots, *interpreters* in each process.

    interpreters 0: in the main interpreter of each process, one at a time.
    """

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        interpreters: int = 0,
        bind: dict[str, Any] | None = None,
        stop_grace: float = 1.0,
    ) -> None:
        if not isinstance(interpreters, int):
            raise TypeError(
                f"interpreters must be an int, not {type(interpreters).__name__}"
            )
        if interpreters < 0:
            raise ValueError("interpreters must be at least 0")
        super().__init__(max_workers, thread_name_prefix)
        self._interpreters = interpreters
        self._stop_grace = stop_grace
        self._preparation = _preparation(bind, initializer, initargs)
        self._failure = ""  # why no process can work
        # What waits, by priority and age: the line of the threads only says how
        # often they have to look here.
        self._line: list[tuple[float, int, ProcessCall]] = []
        self._line_lock = threading.Lock()
        self._running: set[ProcessCall] = set()  # a thread adds its own
        self._numbers = itertools.count()
        self._here = threading.local()  # slot: the thread's own
        self._slots_lock = threading.Lock()
        self._free: list[_Slot] = []  # nobody's yet
        self._children: list[_Child] = []
        # Also if nobody shuts it down: the threads have ended then.
        self._end = weakref.finalize(self, _end, self._children)

    def submit[T](
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> Future[T]:
        return self.submit_on(None, 0, fn, args, kwargs)

    def submit_on(
        self,
        timeout: float | None,
        priority: float,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Future[Any]:
        """Submit a call that may run for *timeout* seconds.

        Then it is interrupted, and has a TimeoutError.  The highest *priority* runs
        first.
        """
        self._check()
        call = ProcessCall(dumps((fn, args, kwargs)), timeout)
        with self._line_lock:
            heapq.heappush(self._line, (-priority, next(self._numbers), call))
        try:
            super().submit(self._make_next_call)
        except RuntimeError:  # shut down
            call.cancel()
            raise
        return call

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._cancel_waiting()
        super().shutdown(wait)
        if wait:
            self._end()
        elif self._end.alive:
            threading.Thread(target=self._end_later, name="coterie-processes").start()

    def _cancel_waiting(self) -> None:
        with self._line_lock:
            waiting = [call for _, _, call in self._line]
            self._line.clear()
        for call in waiting:
            call.cancel()

    def _end_later(self) -> None:
        super().shutdown(wait=True)
        self._end()

    def interrupt(self) -> None:
        """Take no more calls, and stop what runs."""
        super().shutdown(wait=False)
        for call in list(self._running):
            call.interrupt()

    def kill_workers(self) -> None:
        """Cancel what waits, and end the processes with all that they run."""
        super().shutdown(wait=False)
        self._cancel_waiting()
        with self._slots_lock:
            self._failure = "its processes were killed"
            children = list(self._children)
        for child in children:
            child.process.kill()

    # ---- a call, on a thread of ours ------------------------------------------

    def _make_next_call(self) -> None:
        while True:
            with self._line_lock:
                if not self._line:
                    return  # cancelled
                _, _, call = heapq.heappop(self._line)
                if call.begin():
                    self._running.add(call)
                    break
        try:
            result = self._ask(call)
        except (_Stopped, Interrupted) as exc:
            # Interrupted may be its own idea.
            call.stop() if call.told or isinstance(exc, _Stopped) else call.fail(exc)
        except BaseException as exc:
            call.fail(exc)
        else:
            call.succeed(result)
        finally:
            self._running.discard(call)
            del call  # the exception holds this frame

    def _ask(self, call: ProcessCall) -> Any:
        while True:
            self._check()
            slot = self._slot()
            if not call.watch(slot.ring):
                raise _Stopped
            try:
                slot.ask(call.request)
            except _Died:
                # It had not begun: another process will do it.
                call.watch(None)
                self._drop(slot)
                continue
            call.start_clock()
            try:
                reply = self._reply(slot, call)
            except _Died:
                call.watch(None)
                code = self._drop(slot)
                if call.told:
                    raise _Stopped from None
                raise _lost(code) from None
            call.watch(None)
            return _outcome_of(reply)

    def _reply(self, slot: _Slot, call: ProcessCall) -> bytes:
        """What comes of the call.

        If it shall end it is told so, and again after the grace; after as long
        again its process is ended.
        """
        while True:
            if call.has_to_end():
                if call.told == 2:
                    slot.child.give_up()
                    raise _Died
                slot.stop()
                call.tell(self._stop_grace)
            # Nothing comes if it was rung, perhaps for the call before.
            reply = slot.receive_until(call.deadline)
            if reply is not None:
                return reply

    def _check(self) -> None:
        if self._failure:
            from coterie.executor import BrokenInterpreterPool

            raise BrokenInterpreterPool(self._failure)

    def _slot(self) -> _Slot:
        slot: _Slot | None = getattr(self._here, "slot", None)
        while slot is None or not slot.is_ready:
            if slot is None:
                slot = self._here.slot = self._take_slot()
            if not self._prepare(slot):
                slot = None
        return slot

    def _take_slot(self) -> _Slot:
        with self._slots_lock:
            if not self._free:
                self._check()
                child = _Child(self._interpreters)
                self._children.append(child)
                self._free += child.slots
            return self._free.pop(0)

    def _drop(self, slot: _Slot) -> int:
        """Its process is gone: nobody shall use its free slots; its exit code."""
        self._here.slot = None
        with self._slots_lock:
            self._free = [free for free in self._free if free.child is not slot.child]
            if slot.child in self._children:
                self._children.remove(slot.child)
        slot.close()
        return slot.child.bury()

    def _prepare(self, slot: _Slot) -> bool:
        """Make it ready: whether it is, or is gone by what its process ran beside."""
        try:
            slot.send(self._preparation)
            answer = slot.receive()
        except _Died:
            code = self._drop(slot)
            if slot.child.was_ready:
                return False
            self._break(f"a process could not start: it {_ended(code)}")
        if answer != _child.READY:
            try:
                _outcome_of(answer)
            except BaseException as exc:
                _LOGGER.critical("Exception in initializer:", exc_info=True)
                self._break(f"an initializer failed: {type(exc).__name__}: {exc}")
        slot.is_ready = slot.child.was_ready = True
        return True

    def _break(self, reason: str) -> Never:
        from coterie.executor import BrokenInterpreterPool

        self._failure = self._failure or reason
        raise BrokenInterpreterPool(self._failure) from None


def _preparation(
    bind: dict[str, Any] | None,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> bytes:
    _, argv = _worker.settings()
    call = None if initializer is None else dumps((initializer, *initargs))
    wanted = _worker.preparation(bind)
    return dumps((argv, None if wanted is None else dumps(wanted), call))


def _outcome_of(reply: bytes) -> Any:
    kind, content = reply[:1], memoryview(reply)[1:]
    if kind == _child.RETURNED:
        return loads(content)
    from coterie._outcome import rebuild

    account: Account = loads(content)
    raise rebuild(account)


def _lost(code: int) -> WorkerLost:
    lost = WorkerLost(f"the process that ran the call {_ended(code)}")
    lost.exitcode = code  # type: ignore[attr-defined]
    return lost


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _end(children: list[_Child]) -> None:
    """Let the processes go, and wait for them."""
    for child in children:
        child.close()
    for child in children:
        child.join()
    children.clear()
