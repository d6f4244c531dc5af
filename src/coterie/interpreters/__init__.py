"""Interpreters of this process that code runs in: concurrent.interpreters.

Names, signatures and errors are those of the standard library's module (PEP
734); what is added is extra.  An interpreter has its own modules, its own
``__main__`` and, unless it was made otherwise, its own GIL: code in two of them
runs in parallel.  A call runs on the caller's thread.
"""

from __future__ import annotations

import itertools
import threading
import time
import weakref

from coterie import _compat, _core, _exit, _inside
from coterie._core import Event, NotShareableError
from coterie._errors import (
    ExecutionFailed,
    InterpreterError,
    InterpreterNotFoundError,
)
from coterie.interpreters.queues import Queue, QueueEmpty, QueueFull
from coterie.interpreters.queues import create as create_queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import CodeType, EllipsisType, TracebackType
    from typing import Any, Literal, Self

    from coterie._output import CapturedOutput

__all__ = [
    "ExecutionFailed",
    "Interpreter",
    "InterpreterError",
    "InterpreterNotFoundError",
    "NotShareableError",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "create",
    "create_queue",
    "get_current",
    "get_main",
    "is_shareable",
    "list_all",
]


def __getattr__(name: str) -> Any:
    if name == "channels":
        from importlib import import_module

        return import_module("coterie.interpreters.channels")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# How long a call that was interrupted may clean up before it is again.
_AGAIN_SECONDS = 0.4

# Of a code object that does nothing when it is called (inspect.CO_GENERATOR,
# CO_COROUTINE, CO_ASYNC_GENERATOR).
_RETURNS_A_GENERATOR = 0x20 | 0x80 | 0x200

_known: weakref.WeakValueDictionary[int, Interpreter] = weakref.WeakValueDictionary()
_known_lock = threading.RLock()  # a finalizer, or a signal handler, may come in


def create(
    *, gil: Literal["own", "shared"] = "own", import_check: bool = True
) -> Interpreter:
    """Return a new interpreter.

    gil:
        "own": its code runs in parallel with all others.  "shared": it shares
        the GIL of the main interpreter, and may import extension modules that
        support interpreters, but not an own GIL.
    import_check:
        False lets it import extension modules that do not support interpreters
        at all.  They share their C state with the main interpreter's, and may
        crash the process: with an own GIL they very likely do.
    """
    if gil not in ("own", "shared"):
        raise ValueError(f"gil must be 'own' or 'shared', not {gil!r}")
    return Interpreter._make(gil == "own", import_check)


def list_all() -> list[Interpreter]:
    """Return all interpreters of the process, whoever made them."""
    found = []
    for id in sorted({*_core.interpreter_ids(), *_foreign_ids()}):
        try:
            found.append(Interpreter(id))
        except InterpreterNotFoundError:
            pass  # it ended meanwhile
    return found


def _foreign_ids() -> set[int]:
    # The first and this one are there, whatever can be known of others.
    others = {id for id, _ in _compat.list_interpreters()}
    return {0, _core.current_id()} | others.difference(_core.hidden_ids())


def _not_found(id: int) -> InterpreterNotFoundError:
    return InterpreterNotFoundError(f"unrecognized interpreter ID {id}")


def get_current() -> Interpreter:
    """Return the interpreter that this code runs in."""
    return Interpreter(_core.current_id())


def get_main() -> Interpreter:
    """Return the interpreter that the process began with."""
    return Interpreter(0)


_SHAREABLE = (bool, int, float, str, bytes, type(None), memoryview)


def is_shareable(obj: object) -> bool:
    """Return whether the object can be sent without being taken apart.

    As in the standard library: immutable scalars, tuples, memoryviews, and
    objects made for it.  Much more can be sent, see `coterie.dumps`.
    """
    return type(obj) in _SHAREABLE or type(obj) is tuple or _core.is_shared(obj)


class Interpreter(_core.Interpreter):
    """An interpreter: ``Interpreter(id)``, or made by `create`.

    ``Interpreter(target=f, args=(), kwargs={})`` makes a new one to be used
    like a `threading.Thread`: `start`, `join`, and then `result`.

    There is one object per interpreter and id.  The interpreter ends when
    `close` is called, or when the last object for it is gone.
    """

    _target: tuple[Callable[..., Any] | None, tuple[Any, ...], dict[str, Any]]
    _thread: _Thread | None
    _scripts: itertools.count[int]

    def __new__(
        cls,
        id: int | EllipsisType = ...,  # a new one
        /,
        *,
        target: Callable[..., Any] | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        if id is not ...:
            return cls._of_id(id)
        if target is not None and not callable(target):
            raise TypeError(f"target must be callable, not {type(target).__name__}")
        self = cls._make(True, True)
        self._target = target, tuple(args), dict(kwargs or {})
        return self

    @classmethod
    def _of_id(cls, id: int) -> Self:
        if not isinstance(id, int):
            raise TypeError(f"id must be an int, got {id!r}")
        id = int(id)
        if id < 0:
            raise ValueError(f"interpreter ID must be a non-negative int, got {id!r}")
        with _known_lock:
            self = _known.get(id)
            if self is not None and self._exists():
                return self  # type: ignore[return-value]
            self = super().__new__(cls)
            if not self._find(id) and id not in _foreign_ids():
                raise _not_found(id)
            self._set_up()
            _known[id] = self
            return self

    @classmethod
    def _make(cls, has_own_gil: bool, import_check: bool) -> Self:
        from coterie._worker import settings

        _compat.import_what_breaks_when_imported_at_once()
        _exit.install_for_interpreters()
        self = super().__new__(cls)
        if self._create(settings(), has_own_gil, bool(import_check)):
            self._take_stock()
        with _known_lock:
            # Another thread may have listed it, and has its one object then.
            # To ask whose it is lets that look it up: self may be let go of.
            self._set_up()
            listed = _known.setdefault(self.id, self)
            if listed._is_closed:  # of one that had the number before
                _known[self.id] = self
            elif isinstance(listed, cls) and listed._is_ours:
                self = listed
        if has_own_gil and not import_check:
            self._call(_inside.allow_all_imports)
        return self

    def _set_up(self) -> None:
        self._target = None, (), {}
        self._thread = None
        self._scripts = itertools.count(1)

    def _exists(self) -> bool:
        if self._is_ours:
            return not self._is_closed  # it may be opened again until it is
        return self.id in _foreign_ids()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"

    def __reduce__(self) -> tuple[type[Interpreter], tuple[int]]:
        return type(self), (self.id,)

    @property
    def whence(self) -> str:
        """Who made it: "coterie", or what CPython knows of it."""
        return "coterie" if self._is_ours else _compat.whence(self.id)

    def is_running(self) -> bool:
        """Return whether code runs in it, in `exec` or a call."""
        running = self._is_running
        if running is None:
            if self.id not in _foreign_ids():
                raise _not_found(self.id)
            running = _compat.is_running(self.id)
        return bool(running)

    def exec(self, code: str | bytes | CodeType, /) -> None:
        """Run source text or a code object in its ``__main__``.

        Text may be indented as a whole.  Raises SyntaxError for what is no
        Python, and ExecutionFailed when the code raises.
        """
        filename, source = "<script>", None
        if isinstance(code, (bytes, bytearray)):
            code = code.decode()
        if isinstance(code, str):
            import textwrap

            source = textwrap.dedent(code)
            filename = f"<script {self.id}.{next(self._scripts)}>"
            compiled = compile(source, filename, "exec", dont_inherit=True)
        else:
            compiled = _code_of(code)
        import marshal

        self._check("exec code for")
        self.call(_inside.execute, marshal.dumps(compiled), filename, source)

    def call_in_thread(
        self, callable: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> _Thread:
        """Call it in the interpreter, in a new thread: that thread.

        Its ``result(timeout=None)`` is the result of the call, or raises what
        `call` would; its ``future`` is a concurrent.futures.Future.
        """
        thread = _Thread(self, callable, args, kwargs)
        thread.start()
        return thread

    def prepare_main(
        self, ns: Mapping[str, Any] | None = None, /, **kwargs: Any
    ) -> None:
        """Bind values to names in its ``__main__``: all of them, or none."""
        values = dict(ns, **kwargs) if ns is not None else kwargs
        for name in values:
            if not isinstance(name, str):
                raise TypeError(f"names must be str, not {type(name).__name__}")
        self._check("update __main__ for")
        try:
            self._call(_inside.bind, values)
        except NotShareableError as exc:
            raise _culprit(values, exc) from exc.__cause__

    def get_main_attr(self, name: str, /) -> Any:
        """Return the value of a name in its ``__main__``."""
        if not isinstance(name, str):
            raise TypeError(f"name must be str, not {type(name).__name__}")
        self._check("read __main__ of")
        try:
            return self._call(_inside.get, name)
        except ExecutionFailed as exc:
            if isinstance(exc.__cause__, (AttributeError, NotShareableError)):
                raise exc.__cause__ from None
            raise

    def interrupt(self, exc: type[BaseException] = KeyboardInterrupt) -> bool:
        """Raise *exc* in the code that runs in it: whether some does.

        Called from another thread; does not wait.  It comes at the next
        bytecode, within the interpreter's switch interval (0.5 ms), and may be
        caught there; ``finally`` runs, and the interpreter can be used on.  It
        never hits a later call.  C code is not stopped.
        """
        if not (isinstance(exc, type) and issubclass(exc, BaseException)):
            raise TypeError(f"exc must be an exception type, not {exc!r}")
        return self._interrupt(exc)

    def close(self, *, interrupt: bool = False, timeout: float | None = None) -> None:
        """End the interpreter.

        Refused with an InterpreterError while code runs in it, unless that ends
        within *timeout* seconds.  With *interrupt* it is interrupted (see
        `interrupt`), for as long as *timeout* allows (None: without bound).
        Threads that code in it has started are waited for likewise.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout must be None or at least 0 seconds")
        deadline = _deadline(timeout)
        if not interrupt:
            answer = self._close(timeout or 0, -1 if timeout is None else timeout)
        else:
            answer = self._close_interrupting(deadline)
        if answer == 0:
            raise InterpreterError("interpreter running")
        if answer < 0:
            raise InterpreterError("threads of the interpreter are running")
        with _known_lock:
            if _known.get(self.id) is self:
                del _known[self.id]

    def _close_interrupting(self, deadline: float) -> int:
        answer = self._close(0, 0)  # refused where interrupting would not help
        while answer != 1:
            self._interrupt_all(answer)
            left = max(0.0, deadline - time.monotonic())
            step = min(left, _AGAIN_SECONDS)
            answer = self._close(step, step)
            if left <= step:
                break
        return answer

    def _interrupt_all(self, answer: int) -> None:
        try:
            if answer == 0:
                self._interrupt(None)
            else:
                self._call(_inside.interrupt_threads)
        except InterpreterError:
            pass  # somebody else enters or closes it: the next look tells

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close(interrupt=exc_type is not None)
        except InterpreterNotFoundError:
            pass  # it was closed already

    def capture_output(self) -> CapturedOutput:
        """Capture what code in it writes to sys.stdout and sys.stderr.

        A context manager; its `stdout` and `stderr` are what was written so
        far, as text, `stdout_bytes` and `stderr_bytes` as bytes.
        """
        from coterie._output import CapturedOutput

        self._check("capture the output of")
        return CapturedOutput(self._call)

    # ---- like a thread -----------------------------------------------------

    def run(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call it in the interpreter: its result, or its own exception."""
        try:
            return self.call(func, *args, **kwargs)
        except ExecutionFailed as exc:
            own = _own_exception(exc)
        try:
            raise own
        finally:
            del own  # it holds this frame

    def run_in_thread(
        self, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> _Thread:
        """Call it in a new thread; `done` and `result` tell of it."""
        if self._thread is not None and not self._thread.future.done():
            raise RuntimeError("the interpreter's thread is running")
        self._thread = self.call_in_thread(func, *args, **kwargs)
        return self._thread

    def start(self) -> None:
        """Call *target* in a new thread."""
        func, args, kwargs = self._target
        if func is None:
            raise RuntimeError("the interpreter was made without a target")
        if self._thread is not None:
            raise RuntimeError("threads can only be started once")
        self._thread = self.call_in_thread(func, *args, **kwargs)

    def _started(self) -> _Thread:
        if self._thread is None:
            raise RuntimeError("cannot join thread before it is started")
        return self._thread

    def _get_ended(self) -> Event:
        """Return what `coterie.select` waits for."""
        if self._thread is None:
            raise RuntimeError("cannot wait for an interpreter before it is started")
        return self._thread.ended

    def join(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, or *timeout* seconds have passed."""
        self._started().join(timeout)

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._thread is not None and self._thread.future.done()

    def result(self, timeout: float | None = None) -> Any:
        """Return the result of the call, or raise its own exception."""
        try:
            return self._started().result(timeout)
        except ExecutionFailed as exc:
            own = _own_exception(exc)
        try:
            raise own
        finally:
            del own, self  # it holds this frame, and the thread holds it

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception of the call, or None if it has returned."""
        exc = self._started().exception(timeout)
        return _own_exception(exc) if isinstance(exc, ExecutionFailed) else exc

    def _check(self, what: str) -> None:
        if not self._is_ours:
            raise InterpreterError(f"cannot {what} unrecognized interpreter {self.id}")


class _Thread(threading.Thread):
    """A thread that keeps the outcome of its call."""

    def __init__(
        self,
        interpreter: Interpreter,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        from concurrent.futures import Future

        super().__init__()
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()
        self.ended = Event()
        self._call: Any = (interpreter, func, args, kwargs)
        self._is_asked_for = False

    def run(self) -> None:
        interpreter, func, args, kwargs = self._call
        self._call = None
        try:
            result = interpreter.call(func, *args, **kwargs)
        except ExecutionFailed as exc:
            # Here it went through our frames only, which hold the interpreter.
            self.future.set_exception(exc.with_traceback(None))
        except BaseException as exc:
            self.future.set_exception(exc)
        else:
            self.future.set_result(result)
        finally:
            self.ended.set()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result of the call, or raise its exception."""
        self._is_asked_for = True
        try:
            return self.future.result(timeout)
        finally:
            del self  # the exception holds this frame

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the exception of the call: None if it has returned."""
        self._is_asked_for = True
        return self.future.exception(timeout)

    def __del__(self) -> None:
        # Nobody has seen it, and nobody can any more: as any thread's.
        if not self._is_asked_for and self.future.done():
            exc = self.future.exception()
            if exc is not None:
                threading.excepthook(
                    threading.ExceptHookArgs((type(exc), exc, exc.__traceback__, self))
                )


def _own_exception(failed: ExecutionFailed) -> BaseException:
    """The exception of the call itself, and as its cause what is known of it."""
    own = failed.__cause__
    if own is None:
        return failed
    if own.__cause__ is None:
        own.__cause__ = ExecutionFailed(failed.excinfo)  # not itself: a cycle
    return own


def _code_of(code: object) -> CodeType:
    """The code object of what `exec` was given, if that takes no arguments."""
    code = getattr(code, "__code__", code)
    if not isinstance(code, type(_code_of.__code__)):
        raise TypeError(f"unsupported script {code!r}")
    if code.co_argcount or code.co_posonlyargcount or code.co_kwonlyargcount:
        raise ValueError("code with args not supported")
    if code.co_freevars:
        raise ValueError("closures not supported")
    if code.co_flags & _RETURNS_A_GENERATOR:
        raise ValueError("code that returns a value is not a script")
    return code


def _culprit(values: dict[str, Any], whole: NotShareableError) -> NotShareableError:
    """Name the value that cannot be sent."""
    for name, value in values.items():
        try:
            _core.dumps(value)
        except NotShareableError as exc:
            if not _core.is_shared(value):
                return NotShareableError(
                    f"the value of {name!r} is not shareable: {exc}"
                )
    return whole


def _deadline(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout
