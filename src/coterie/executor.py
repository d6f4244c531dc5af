"""The executor: concurrent.futures over a pool of parallel interpreters."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import time
from concurrent.futures.thread import BrokenThreadPool, ThreadPoolExecutor

from coterie import _core, _exit, _worker
from coterie._compat import import_what_breaks_when_imported_at_once
from coterie._stats import PoolStats, TaskInfo, WorkerStats, make_stats
from coterie._tasks import OUTPUT, USUAL

__all__ = [
    "BrokenInterpreterPool",
    "Executor",
    "Future",
    "InterpreterPoolExecutor",
    "PoolStats",
    "TaskInfo",
    "WorkerStats",
    "current_worker",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any, Literal, Never, Self, TypeVar

    from coterie._engines import Engines
    from coterie._entrypoint import EntrypointExecutor
    from coterie._output import CapturedOutput
    from coterie._tasks import Terms

    T = TypeVar("T")

_LOGGER = logging.getLogger("concurrent.futures")

_names = itertools.count()

# With these the whole call or program ends, and nobody waits for results.  Not so
# with GeneratorExit, or the end of one of asyncio's tasks.
_ENDS = KeyboardInterrupt, SystemExit, _core.Interrupted


class BrokenInterpreterPool(_core.CoterieError, BrokenThreadPool):
    """The workers could not start, or their initializer failed."""


# Quoted: a type variable at run time would import typing for nothing else.
class Future(_core.Future["T"], concurrent.futures.Future["T"]):
    """The outcome of a call, now or later: a concurrent.futures.Future.

    Made by `Executor.submit`.  `concurrent.futures.wait`, `as_completed` and
    `asyncio.wrap_future` take it.
    """

    __slots__ = ()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call ``fn(future)`` when the call has ended or was cancelled.

        At once if it has.  Else in a thread of the interpreter that asked for
        the call; what *fn* raises is logged and ignored.
        """
        if not self._defer(fn):
            self._call(fn)

    def _call(self, fn: Callable[[Future[T]], object]) -> None:
        try:
            fn(self)
        except Exception:
            _LOGGER.exception("exception calling callback for %r", self)

    def _deliver(self) -> None:
        """Publish the end of the call: called by the dispatcher, or cancel."""
        condition = self._publish_alone()
        if condition is None:
            return
        with condition:
            self._publish()
            for waiter in self._waiters:
                self._tell(waiter)
            condition.notify_all()

    def _call_back(self) -> None:
        """Call what waits for the end: likewise, after it."""
        for fn in self._take_callbacks():
            self._call(fn)

    def _tell(self, waiter: Any) -> None:
        if self.cancelled():
            waiter.add_cancelled(self)
        elif self._has_failed():
            waiter.add_exception(self)
        else:
            waiter.add_result(self)

    def _has_failed(self) -> bool:
        try:
            return self.exception() is not None
        except BaseException:  # what loads the result may raise anything
            return True

    def _get_snapshot(
        self,
    ) -> tuple[bool, bool, T | None, BaseException | None]:
        """(done, cancelled, result, exception), as asyncio asks for it."""
        if not self.done():
            return False, False, None, None
        if self.cancelled():
            return True, True, None, None
        exception = self.exception()
        return True, False, None if exception else self.result(), exception

    def _refuse(self) -> Never:
        raise concurrent.futures.InvalidStateError(
            "the state of this future is set by the worker that runs its call"
        )

    def set_running_or_notify_cancel(self) -> bool:
        """Refused: the worker does it."""
        self._refuse()

    def set_result(self, result: T) -> None:
        """Refused: the worker does it."""
        self._refuse()

    def set_exception(self, exception: BaseException | None) -> None:
        """Refused: the worker does it."""
        self._refuse()

    def __repr__(self) -> str:
        state = self._state.partition("_")[0].lower()
        return f"<{type(self).__name__} at {id(self):#x} state={state}>"


# Like the standard library's, which asyncio's set_default_executor asks for.
class Executor(_core.Pool, ThreadPoolExecutor):  # type: ignore[misc,override]
    """A pool of interpreters, each with its own GIL, in threads of this process.

    max_workers:
        How many interpreters at most; they are started when there is work for
        them.  None means as many as this process may use processors: as
        os.process_cpu_count() and the quota of its control group say.
    thread_name_prefix:
        What the names of the workers' threads begin with.
    initializer, initargs:
        ``initializer(*initargs)`` is called first in each worker; a str is
        source, executed in its ``__main__``.  If it raises, the pool is broken.
    exit_grace:
        How many seconds the end of the program waits for accepted work before
        it cancels and interrupts the rest.  None: as long as it takes.
    engine:
        What runs the calls: "interpreter" (None), "thread", "process", "shared",
        "main", "stdlib-interpreter" or "dask".  Some of them take arguments
        of their own: see the reference of coterie.runners.
    fallback:
        The engine ("shared", "process" or "main") for calls whose function or
        arguments need an extension module that refuses to be imported here.
    bind:
        Names and values that all code in the workers finds as globals.  Sent
        once to each worker.
    max_tasks_per_child:
        After so many calls a worker ends, and another takes its place.
    idle_timeout:
        After so many seconds without a call a worker ends.
    max_pending:
        How many calls may wait: submit() waits for room.
    task_timeout:
        How many seconds each call may run; then Interrupted is raised in it,
        and its future has a TimeoutError.
    stop_grace:
        How many seconds a call has to end once it was interrupted.  Then it is
        interrupted once more; and after as long again its worker is given up.
    logging:
        True sends the log records of the workers to the loggers of this
        interpreter, from the level of the root logger on; an int: from that
        level on.
    on_task_start, on_task_end:
        Called in the worker, with a TaskInfo, around each call.

    Any function may be submitted: importable ones are imported by the workers,
    all others (of ``__main__``, lambdas, closures) travel by value.
    """

    _thread_name_prefix: str
    _has_notes = False  # whether its workers may tell more than outcomes
    _others: Engines | None = None  # for calls that run elsewhere

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Executor and ("engine" in kwargs or "fallback" in kwargs):
            from coterie._engines import class_for

            cls = class_for(kwargs.get("engine"), kwargs.get("fallback"))  # type: ignore[assignment]
        return super().__new__(cls)

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | str | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        exit_grace: float | None = None,
        engine: str | None = None,
        fallback: str | None = None,
        bind: dict[str, Any] | None = None,
        max_tasks_per_child: int | None = None,
        idle_timeout: float | None = None,
        max_pending: int | None = None,
        task_timeout: float | None = None,
        stop_grace: float = 1.0,
        logging: bool | int = False,
        on_task_start: Callable[[TaskInfo], object] | None = None,
        on_task_end: Callable[[TaskInfo], object] | None = None,
    ) -> None:
        _check_is_own(engine, fallback)
        if max_workers is None:
            max_workers = _default_workers()
        if not isinstance(max_workers, int):
            raise TypeError(
                f"max_workers must be an int, not {type(max_workers).__name__}"
            )
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if isinstance(initializer, str):
            if initargs:
                raise ValueError(
                    f"an initializer script does not take args, got {initargs!r}"
                )
            initializer, initargs = _worker.run_source, (initializer,)
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if exit_grace is not None and not _is_from_zero("exit_grace", exit_grace):
            raise ValueError("exit_grace must be None or at least 0 seconds")
        _check_number("max_tasks_per_child", max_tasks_per_child)
        _check_number("max_pending", max_pending)
        _check_seconds("idle_timeout", idle_timeout)
        _check_seconds("stop_grace", stop_grace)
        _check_names(bind)
        log_level = _log_level(logging)
        terms = USUAL
        hooks = on_task_start, on_task_end
        if task_timeout is not None or hooks != (None, None):
            terms = terms.changed(
                {
                    "timeout": task_timeout,
                    "on_task_start": on_task_start,
                    "on_task_end": on_task_end,
                }
            )
        self._max_workers = max_workers
        self._has_notes = initializer is not None or log_level is not None
        self._thread_name_prefix = thread_name_prefix or f"coterie-{next(_names)}"
        import_what_breaks_when_imported_at_once()
        _exit.install()
        self._open(
            min(max_workers, 0xFFFFFFFF),
            self._thread_name_prefix,
            Future,
            _worker.settings(),
            _worker.preparation(bind, log_level),
            None if initializer is None else (initializer, *initargs),
            exit_grace,
            stop_grace,
            max_pending or 0,
            max_tasks_per_child or 0,
            idle_timeout or 0.0,
            self._has_notes,
        )
        self._adopt(terms)
        self._plan: tuple[Any, Any] = initializer, initargs
        self._settings: dict[str, Any] = {"bind": bind, "stop_grace": stop_grace}

    def _adopt(self, terms: Terms) -> None:
        self._terms = terms
        if terms is USUAL:
            return
        extras = terms.extras
        if extras or terms.timeout or terms.priority:
            self._set_terms(terms.timeout or 0.0, terms.priority, extras)

    def options(self, **changes: Any) -> Executor:
        """Return a view of this pool that submits calls on other terms.

        timeout: seconds that a call may run; None: as long as it takes.
        priority: the highest runs first; 0 is usual.
        retries: how often a call that raises is made again, in its worker.
        retry_on: an exception type or a tuple of them, or a function of the
        exception that says whether; None: any Exception.
        capture_output: what the call writes is in `stdout` and `stderr` of its
        future.
        on_task_start, on_task_end: as of the executor.
        engine: what runs the calls, as of the executor; the pool has one of each
        kind that is asked for, and ends it with itself.

        What is not named stays as it is here.  A view has all methods of the
        executor; it is light, and may be kept.
        """
        engine = changes.pop("engine", None)
        terms = self._terms.changed(changes)
        if engine not in (None, "interpreter"):
            from coterie._engines import EngineView

            return EngineView(self, self._engines(), engine, terms)
        return (_CapturingView if terms.capture_output else _View)(self, terms)

    def _engines(self) -> Engines:
        """The engines that the pool has for single calls."""
        if self._others is None:
            from coterie._engines import Engines

            options = self._max_workers, self._thread_name_prefix
            self._others = Engines(*options, *self._plan, **self._settings)
        return self._others

    def stats(self) -> PoolStats:
        """Return what the pool and its workers have done so far."""
        return make_stats(self._name, self._stats())

    def __reduce__(self) -> Never:
        raise TypeError(
            "an executor stays in the interpreter that made it: a call that waits "
            "for the pool it runs in might wait for ever.  Make an executor inside "
            "the call, or submit from outside"
        )

    # What help() shows, and what Executor is called with.
    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]

    @classmethod
    def from_entrypoint(
        cls,
        entrypoint: str,
        max_workers: int | None = None,
        *,
        bind: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EntrypointExecutor:
        """Return an Executor for the function "module:function".

        Its workers import the module themselves.  ``map(tuples)`` calls the
        function with each tuple as arguments, and with what is bound as keyword
        arguments: those values are sent once to each worker.  *options* are
        other arguments of Executor.
        """
        from coterie._entrypoint import EntrypointExecutor

        return EntrypointExecutor(entrypoint, max_workers, bind, options)

    def map[R](
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]:
        """Return an iterator over ``fn(*args)`` for args of zip(*iterables).

        As concurrent.futures.Executor.map: the calls start at once, results
        come in order.  *chunksize* calls are sent as one task; *buffersize*
        bounds how many tasks wait for being fetched, and then the iterables are
        consumed as results are.
        """
        from coterie._map import map_with

        if not callable(fn) and not isinstance(fn, str):
            raise TypeError(f"fn must be callable, not {type(fn).__name__}")
        return map_with(
            self,
            fn,
            *iterables,
            timeout=timeout,
            chunksize=chunksize,
            buffersize=buffersize,
        )

    def shutdown(
        self,
        wait: bool = True,
        *,
        cancel_futures: bool = False,
        interrupt: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Take no more calls, and end the workers when all is done.

        wait: return only then, when all callbacks were called; not for workers
        that were given up.
        cancel_futures: cancel what has not begun.  interrupt: stop what runs.
        timeout: raise TimeoutError after so many seconds; the rest goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if cancel_futures:
            self._cancel_pending()
        else:
            self._close()
        if interrupt:
            self._stop()
        is_over = not wait or self._end_own(deadline)
        wait = wait and is_over
        is_over &= self._end_others(wait, cancel_futures, interrupt, deadline)
        if not is_over:
            raise TimeoutError(f"workers are left after {timeout} seconds")

    def _end_own(self, deadline: float | None) -> bool:
        """Wait for the workers, and for the callbacks of their calls."""
        return self._join(_left(deadline), False) and self._settle(_left(deadline))

    def _end_others(
        self, wait: bool, cancel: bool, interrupt: bool, deadline: float | None = None
    ) -> bool:
        """End the other engines, of which the pool's own calls need none now.

        False if there is no time to wait for their ends.
        """
        if self._others is None:
            return True
        return self._others.shutdown(wait, cancel, interrupt, deadline)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if exc_type is not None and issubclass(exc_type, _ENDS):
            self._give_up()
            return False
        try:
            self.shutdown(wait=True)
        except _ENDS:
            self._give_up()
            raise
        return False

    def _give_up(self) -> None:
        """Ctrl-C, SystemExit: nobody wants the results any more."""
        self._cancel_pending()
        if self._others is not None:
            self._others.give_up()
        _exit.stop([self])


InterpreterPoolExecutor = Executor


def _check_is_own(engine: str | None, fallback: str | None) -> None:
    """Other engines have classes of their own, which Executor itself makes."""
    if engine not in (None, "interpreter") or fallback is not None:
        raise TypeError("engine and fallback are for Executor itself, not a subclass")


class _CapturingFuture(Future["T"]):
    __slots__ = ("_output",)

    _output: CapturedOutput

    @property
    def stdout(self) -> str:
        """What the call has written to sys.stdout so far."""
        return self._output.stdout

    @property
    def stderr(self) -> str:
        """What the call has written to sys.stderr so far."""
        return self._output.stderr


class _View(Executor):
    """The same pool on other terms."""

    _future_type: type[Future[Any]] = Future

    def __init__(self, executor: Executor, terms: Terms) -> None:
        self._executor = executor  # which closes the pool when it goes
        self._max_workers = executor._max_workers
        self._thread_name_prefix = executor._thread_name_prefix
        self._has_notes = executor._has_notes
        self._share(executor, self._future_type)
        self._adopt(terms)

    def _engines(self) -> Engines:
        return self._executor._engines()


class _CapturingView(_View):
    """The same, with an output of its own for each call."""

    _future_type = _CapturingFuture

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        from coterie._output import CapturedOutput

        queue: _core.Queue[tuple[int, bytes]] = _core.Queue()
        if isinstance(fn, str):
            fn, args = _worker.run_source, (fn,)
        future: Any = super().submit(fn, *args, **kwargs, **{OUTPUT: queue})
        future._output = CapturedOutput.of(queue)
        return future

    def _can_reference(self, fn: object, /) -> bool:
        return False  # many calls in one would have one output


class _PartOfPool(Executor):
    """What ends, and counts, as the pool does of which it is a view."""

    _executor: Executor

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """Shut the pool down of which this is a view."""
        self._executor.shutdown(*args, **kwargs)

    def stats(self) -> PoolStats:
        """Return the statistics of the pool of which this is a view."""
        return self._executor.stats()

    def _give_up(self) -> None:
        self._executor._give_up()


class _ViewOfView(_PartOfPool):
    """The same pool by one of its views, and with something else to it."""

    def __init__(self, executor: Executor, view: Executor) -> None:
        self._executor = executor
        self._view = view
        self._terms = view._terms

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Start ``fn(*args, **kwargs)``: its future."""
        return self._view.submit(fn, *args, **kwargs)

    def _submit_many(self, fn: Any, calls: list[tuple[Any, ...]], /) -> Any:
        return self._view._submit_many(fn, calls)

    def _can_reference(self, fn: Any, /) -> bool:
        return self._view._can_reference(fn)


def current_worker() -> str | None:
    """Return the name of the worker that runs this code, or None."""
    worker = _core.worker()
    return None if worker is None else f"{worker[0]}_{worker[1]}"


def _check_number(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int):
        raise TypeError(f"{name} must be None or an int, not {type(value).__name__}")
    if value <= 0:
        raise ValueError(f"{name} must be None or greater than 0")


def _check_seconds(name: str, value: Any) -> None:
    if value is not None and (not _is_from_zero(name, value) or value == 0):
        raise ValueError(f"{name} must be a number of seconds above 0")


def _is_from_zero(name: str, value: Any) -> bool:
    try:
        return bool(value >= 0)
    except TypeError:
        raise TypeError(
            f"{name} must be a number of seconds, not {type(value).__name__}"
        ) from None


def _check_names(bind: Any) -> None:
    if bind is None:
        return
    if not isinstance(bind, dict):
        raise TypeError(f"bind must be a dict, not {type(bind).__name__}")
    for name in bind:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"bind must have names as keys, not {name!r}")
        if _is_taken(name):
            raise ValueError(f"bind: {name!r} means something to Python itself")


def _is_taken(name: str) -> bool:
    import builtins
    import keyword

    from coterie import _byvalue

    # In a worker those that are bound are among them.
    return keyword.iskeyword(name) or (
        hasattr(builtins, name) and name not in _byvalue.bound
    )


def _log_level(wanted: bool | int) -> int | None:
    if not isinstance(wanted, int):
        raise TypeError(
            f"logging must be a bool or a level, not {type(wanted).__name__}"
        )
    if wanted is False:
        return None
    return logging.root.level if wanted is True else wanted


def _left(deadline: float | None) -> float | None:
    """The seconds until then."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _default_workers() -> int:
    from coterie._processors import available

    return available()
