"""What else can run the calls of an Executor than its own interpreters.

An engine is a concurrent.futures.Executor.  A pool has one by itself
(`Executor(engine=...)`), opens others for single calls (`options(engine=...)`),
or for calls whose imports refuse an own GIL (`Executor(fallback=...)`).
"""

from __future__ import annotations

import atexit
import concurrent.futures
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from time import monotonic
from weakref import WeakSet

from coterie import _exit, _worker
from coterie._core import Interrupted
from coterie._outcome import refusal_of
from coterie._remote import call_wrapped
from coterie._tasks import USUAL, Terms
from coterie.executor import Executor, _PartOfPool, _ViewOfView
from coterie.executor import _check_names as check_bound_names
from coterie.executor import _check_seconds as check_seconds
from coterie.executor import _left as seconds_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never

    from coterie._outcome import Refusal

__all__ = [
    "ENGINES",
    "FALLBACKS",
    "EngineExecutor",
    "Engines",
    "FallbackExecutor",
    "open_engine",
]

# Of each engine, what is to be said of it beyond what all take.
ENGINES: dict[str, frozenset[str]] = {
    "interpreter": frozenset(),
    "thread": frozenset(),
    "process": frozenset({"interpreters", "bind", "stop_grace"}),
    "shared": frozenset(),
    "main": frozenset(),
    "stdlib-interpreter": frozenset(),
    "dask": frozenset({"address", "client", "bind"}),
}
FALLBACKS = ("shared", "process", "main")


def open_engine(
    name: str,
    max_workers: int | None = None,
    thread_name_prefix: str = "",
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    **settings: Any,
) -> concurrent.futures.Executor:
    """Return a new engine."""
    check_name("engine", name, ENGINES)
    for setting in settings:
        if setting not in ENGINES[name]:
            raise TypeError(f"engine={name!r} does not take the argument {setting!r}")
    check_bound_names(settings.get("bind"))
    check_seconds("stop_grace", settings.get("stop_grace"))
    workers = (os.process_cpu_count() or 1) if max_workers is None else max_workers
    initializer, initargs = as_call(name, initializer, initargs, "an initializer")
    options = (thread_name_prefix, initializer, initargs)
    if name == "interpreter":
        return Executor(workers, *options)
    if name == "thread":
        return ThreadPoolExecutor(workers, *options)
    if name == "main":
        return ThreadPoolExecutor(1, *options)
    if name == "shared":
        shared = SharedEngine(workers, *options)
        _exit.look_after(shared)
        return shared
    if name == "process":
        from coterie._processes import ProcessEngine

        processes = ProcessEngine(workers, *options, **settings)
        _exit.look_after(processes)
        return processes
    if name == "dask":
        from coterie._distributed import DaskEngine

        return DaskEngine(workers, *options, **settings)
    return _open_stdlib(workers, *options)


def as_call(
    name: str,
    fn: Any,
    args: tuple[Any, ...],
    what: str = "a call",
    kwargs: dict[str, Any] | None = None,
) -> tuple[Any, tuple[Any, ...]]:
    """What an engine calls: for a str of source, what executes it in `__main__`."""
    if isinstance(fn, str):
        if args or kwargs:
            raise ValueError("a script does not take args or kwargs")
        fn, args = _worker.run_source, (fn,)
    if fn is _worker.run_source and name in ("thread", "main"):
        raise TypeError(
            f"{what} of engine={name!r} cannot be source: __main__ is the program "
            "itself there"
        )
    return fn, args


def check_name(what: str, name: object, known: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a str, not {type(name).__name__}")
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, not {name!r}")


def check_fallback(name: object) -> None:
    check_name("fallback", name, FALLBACKS)


def _open_stdlib(*options: Any) -> concurrent.futures.Executor:
    try:
        from concurrent.futures import InterpreterPoolExecutor  # type: ignore[attr-defined, unused-ignore]
    except ImportError:
        raise ValueError("engine='stdlib-interpreter' needs Python 3.14") from None
    pool: concurrent.futures.Executor = InterpreterPoolExecutor(*options)
    return pool


class SharedEngine(ThreadPoolExecutor):
    """Calls in interpreters that share the GIL of the main one.

    They may import what refuses an own GIL, and are not parallel.
    """

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        _close_at_exit()
        self._closes_later = False
        # The threads have these, and not the engine: if that is dropped, they end.
        self._rooms = _Rooms(initializer, initargs)
        super().__init__(max_workers, thread_name_prefix, self._rooms.open)

    def submit[T](
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        return super().submit(self._run, fn, *args, **kwargs)

    def _run(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        # Of the engine, which the exit has to find as long as there are calls.
        return self._rooms.run(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self._rooms.close()
        elif not self._closes_later:
            self._closes_later = True
            threading.Thread(target=self._close_later, name="coterie-shared").start()

    def _close_later(self) -> None:
        super().shutdown(wait=True)
        self._rooms.close()

    def interrupt(self) -> None:
        """Take no more calls, and stop what runs."""
        super().shutdown(wait=False)
        self._rooms.interrupt()

    def kill_workers(self) -> None:
        """Cancel what waits, and stop what runs."""
        self.shutdown(wait=False, cancel_futures=True)
        self._rooms.interrupt()


class _Rooms:
    """An interpreter for each thread of a shared engine."""

    def __init__(
        self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
    ) -> None:
        self._here = threading.local()
        self._interpreters: list[Any] = []
        self._closing = threading.Lock()
        self._initialization = initializer, initargs
        _rooms.add(self)

    def open(self) -> None:
        from coterie import interpreters

        initializer, initargs = self._initialization
        interpreter = interpreters.create(gil="shared", import_check=False)
        self._interpreters.append(interpreter)
        self._here.interpreter = interpreter
        if initializer is not None:
            interpreter.run(initializer, *initargs)

    def run(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._here.interpreter.run(fn, *args, **kwargs)

    def interrupt(self) -> None:
        from coterie.interpreters import InterpreterError

        for interpreter in list(self._interpreters):
            try:
                interpreter.interrupt(Interrupted)
            except InterpreterError:
                pass  # it is closed

    def close(self) -> None:
        """End them: their threads have ended."""
        with self._closing:
            while self._interpreters:
                self._interpreters.pop().close()


_rooms: WeakSet[_Rooms] = WeakSet()


@cache
def _close_at_exit() -> None:
    """Arrange for the end of engines that nobody has shut down."""
    # Here, since a worker's thread may be too late for it; and first, so that
    # it comes last, and finds nothing to warn of.
    _exit.install_for_interpreters()
    atexit.register(_close_rooms)


def _close_rooms() -> None:
    for rooms in list(_rooms):
        rooms.close()


class Engines:
    """The engines that a pool has beside its own, opened as they are asked for."""

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        **settings: Any,
    ) -> None:
        self._options = max_workers, thread_name_prefix, initializer, initargs
        self._settings = {name: value for name, value in settings.items() if value}
        self._lock = threading.Lock()
        self._opened: dict[str, concurrent.futures.Executor] = {}
        self._is_closed = False

    def get(self, name: str) -> concurrent.futures.Executor:
        check_name("engine", name, ENGINES)
        with self._lock:
            if self._is_closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if name not in self._opened:
                settings = {
                    setting: value
                    for setting, value in self._settings.items()
                    if setting in ENGINES[name]
                }
                self._opened[name] = open_engine(name, *self._options, **settings)
            return self._opened[name]

    def shutdown(
        self,
        wait: bool = True,
        cancel: bool = False,
        interrupt: bool = False,
        deadline: float | None = None,
    ) -> bool:
        """End them; False if it was to be waited for that, and takes longer."""
        with self._lock:
            self._is_closed = True
        for engine in self._opened.values() if interrupt else ():
            stop(engine)
        if wait and deadline is not None:
            return is_done_by(deadline, partial(self._shutdown, True, cancel))
        self._shutdown(wait, cancel)
        return True

    def _shutdown(self, wait: bool, cancel: bool) -> None:
        for engine in self._opened.values():
            engine.shutdown(wait, cancel_futures=cancel)

    def give_up(self) -> None:
        """Nobody wants the results any more."""
        with self._lock:
            self._is_closed = True
        for engine in self._opened.values():
            give_up(engine)


def is_done_by(deadline: float, work: Callable[[], object]) -> bool:
    """Let it be done by a thread, and wait until then: whether it is."""
    thread = threading.Thread(target=work, name="coterie-shutdown")
    thread.start()
    thread.join(seconds_left(deadline))
    return not thread.is_alive()


def give_up(engine: concurrent.futures.Executor) -> None:
    """Cancel what waits, and stop what runs if that can be stopped."""
    for way in ("_give_up", "kill_workers"):
        if hasattr(engine, way):
            getattr(engine, way)()
            return
    engine.shutdown(wait=False, cancel_futures=True)


def stop(engine: concurrent.futures.Executor) -> None:
    """Stop what runs; if only more than that can be stopped, that."""
    if hasattr(engine, "interrupt"):
        engine.interrupt()
    else:
        give_up(engine)


# ---- a pool with another engine ----------------------------------------------


class EngineExecutor(Executor):
    """What Executor(engine=...) is: the interface of the one, by another."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        engine: str,
        **settings: Any,
    ) -> None:
        workers = checked_workers(max_workers)
        if not (
            initializer is None or callable(initializer) or isinstance(initializer, str)
        ):
            raise TypeError("initializer must be a callable")
        self._engine = open_engine(
            engine, workers, thread_name_prefix, initializer, initargs, **settings
        )
        self._name_of_engine = engine
        self._terms = USUAL
        self._max_workers = workers
        self._thread_name_prefix = thread_name_prefix
        self._plan = initializer, initargs
        self._settings = settings

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Let the engine call it: its future."""
        fn, args = as_call(self._name_of_engine, fn, args, kwargs=kwargs)
        return self._engine.submit(fn, *args, **kwargs)

    def _submit_many(  # type: ignore[override]
        self, fn: Callable[..., Any], calls: list[tuple[Any, ...]], /
    ) -> concurrent.futures.Future[Any]:
        return self._engine.submit(call_many, fn, calls)

    def _can_reference(self, fn: Callable[..., Any], /) -> bool:
        return callable(fn)

    def options(self, **changes: Any) -> Executor:
        """Return a view of this pool that submits calls on other terms."""
        engine = changes.pop("engine", None)
        terms = self._terms.changed(changes)
        if engine in (None, self._name_of_engine):
            return EngineView(self, self._engine, self._name_of_engine, terms)
        return EngineView(self, self._engines(), engine, terms)

    def stats(self) -> Never:
        """Refused: only interpreters tell what they have done."""
        raise ValueError(f"engine={self._name_of_engine!r} has no statistics")

    def shutdown(
        self,
        wait: bool = True,
        *,
        cancel_futures: bool = False,
        interrupt: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Take no more calls, and end the engine when all is done."""
        if interrupt:
            stop(self._engine)
        self._end_others(False, cancel_futures, interrupt)
        if wait and timeout is not None:
            self._shutdown_within(timeout, cancel_futures)
            return
        self._engine.shutdown(wait, cancel_futures=cancel_futures)
        self._end_others(wait, cancel_futures, False)

    def _shutdown_within(self, timeout: float, cancel: bool) -> None:
        work = partial(self.shutdown, cancel_futures=cancel)
        if not is_done_by(monotonic() + timeout, work):
            raise TimeoutError(f"workers are left after {timeout} seconds")

    def _give_up(self) -> None:
        self._end_others(False, True, True)
        give_up(self._engine)


class EngineView(_PartOfPool):
    """What Executor.options(engine=...) is: single calls by another engine."""

    def __init__(
        self,
        executor: Executor,
        engines: Engines | concurrent.futures.Executor,
        name: str,
        terms: Terms,
    ) -> None:
        check_name("engine", name, ENGINES)
        check_terms("engine", name, terms)
        self._executor = executor
        self._sources = engines
        self._view: Executor | None = None
        self._name_of_engine = name
        self._terms = terms

    def _engine(self) -> concurrent.futures.Executor:
        if isinstance(self._sources, Engines):
            return self._sources.get(self._name_of_engine)
        return self._sources

    def options(self, **changes: Any) -> Executor:
        """Return a view with still other terms."""
        engine = changes.pop("engine", self._name_of_engine)
        terms = self._terms.changed(changes)
        if engine == self._name_of_engine:
            return EngineView(self._executor, self._sources, engine, terms)
        return self._executor.options(engine=engine, **terms.values())

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Let the engine call it: its future."""
        engine = self._engine()
        if isinstance(engine, Executor):
            return self._view_of(engine).submit(fn, *args, **kwargs)
        fn, args = as_call(self._name_of_engine, fn, args, kwargs=kwargs)
        return submit_on(engine, self._terms, fn, args, kwargs)

    def _view_of(self, pool: Executor) -> Executor:
        """A pool of interpreters knows all terms by itself."""
        if self._view is None:
            self._view = pool.options(**self._terms.values())
        return self._view

    def _submit_many(  # type: ignore[override]
        self, fn: Callable[..., Any], calls: list[tuple[Any, ...]], /
    ) -> concurrent.futures.Future[Any]:
        return self.submit(call_many, fn, calls)

    def _can_reference(self, fn: Callable[..., Any], /) -> bool:
        return callable(fn) and not self._terms.capture_output


def check_terms(role: str, name: str, terms: Terms) -> None:
    """Refuse what the engine, or fallback, cannot do for a call."""
    if name == "interpreter":
        return
    if terms.capture_output:
        raise ValueError(f"{role}={name!r} does not capture output")
    if name != "process" and (terms.timeout or terms.priority):
        what = "timeout" if terms.timeout else "priority"
        raise ValueError(f"{role}={name!r} does not take a {what}")


def submit_on(
    engine: concurrent.futures.Executor,
    terms: Terms,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> concurrent.futures.Future[Any]:
    """Submit a call to an engine, on these terms as far as it knows them."""
    extras = terms.extras
    if extras:
        fn, args, kwargs = call_wrapped, (extras, fn, args, kwargs), {}
    if hasattr(engine, "submit_on"):
        future: concurrent.futures.Future[Any] = engine.submit_on(
            terms.timeout, terms.priority, fn, args, kwargs
        )
        return future
    return engine.submit(fn, *args, **kwargs)


def call_many(fn: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Any]:
    """A chunk of a map, as one call."""
    return [fn(*args) for args in calls]


def checked_workers(max_workers: int | None) -> int:
    """The number of workers that an Executor was asked for."""
    if max_workers is None:
        from coterie.executor import _default_workers

        return _default_workers()
    if not isinstance(max_workers, int):
        raise TypeError(f"max_workers must be an int, not {type(max_workers).__name__}")
    if max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    return max_workers


# ---- a pool with somewhere to go for what its interpreters cannot load -------


class FallbackExecutor(Executor):
    """What Executor(fallback=...) is.

    A call that comes back because an import was refused, while its function or
    arguments were loaded, is made by the other engine.  A function that cannot
    be loaded goes there at once from then on.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        fallback: str,
        **settings: Any,
    ) -> None:
        settings.pop("engine", None)
        as_call(fallback, initializer, initargs, "an initializer")
        super().__init__(
            max_workers, thread_name_prefix, initializer, initargs, **settings
        )
        check_terms("fallback", fallback, self._terms)
        self._fallback = fallback
        self._refused: WeakSet[Any] = WeakSet()
        self._unsettled_lock = threading.Lock()
        self._unsettled: set[concurrent.futures.Future[Any]] = set()
        self._is_closed = False

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Start ``fn(*args, **kwargs)``: its future."""
        first = partial(super().submit, fn, *args, **kwargs)
        return self._start(first, self._terms, fn, False, fn, args, kwargs)

    def _submit_many(  # type: ignore[override]
        self, fn: Callable[..., Any], calls: list[tuple[Any, ...]], /
    ) -> concurrent.futures.Future[Any]:
        first = partial(super()._submit_many, fn, calls)
        return self._start(first, self._terms, fn, False, call_many, (fn, calls), {})

    def _submit_with(
        self, what: Any, fn: Callable[..., Any], /, *args: Any
    ) -> concurrent.futures.Future[Any]:
        """Start ``fn(*args)``, whose arguments hold the function *what*."""
        first = partial(super().submit, fn, *args)
        return self._start(first, self._terms, what, True, fn, args, {})

    def options(self, **changes: Any) -> Executor:
        """Return a view of this pool that submits calls on other terms."""
        view = super().options(**changes)
        return view if isinstance(view, EngineView) else FallbackView(self, view)

    def _start(
        self,
        first: Callable[[], Any],
        terms: Terms,
        what: Any,
        is_among_args: bool,
        *call: Any,
    ) -> concurrent.futures.Future[Any]:
        """Start a call that is *first* here, and if need be *call* elsewhere."""
        if self._is_refused(what):
            future = self._elsewhere(terms, *call)
        else:
            knows = what if is_among_args else None
            future = Relayed(
                first(), lambda refusal: self._move(refusal, terms, what, knows, call)
            )
        with self._unsettled_lock:
            self._unsettled.add(future)
        future.add_done_callback(self._forget)
        return future

    def _move(
        self,
        refusal: Refusal,
        terms: Terms,
        what: Any,
        among_args: Any,
        call: tuple[Any, ...],
    ) -> concurrent.futures.Future[Any]:
        of_function, imported, refused = refusal
        if of_function or among_args is not None:
            self._remember(what)
        warn_of_refusal(imported, refused, f"by fallback={self._fallback!r}")
        return self._elsewhere(terms, *call)

    def _is_refused(self, what: Any) -> bool:
        try:
            return what in self._refused
        except TypeError:  # it cannot be hashed
            return False

    def _remember(self, what: Any) -> None:
        try:
            self._refused.add(what)
        except TypeError:
            pass

    def _elsewhere(
        self, terms: Terms, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> concurrent.futures.Future[Any]:
        engine = self._engines().get(self._fallback)
        return submit_on(engine, terms, fn, args, kwargs)

    def _forget(self, future: Any) -> None:
        with self._unsettled_lock:
            self._unsettled.discard(future)
            is_last = self._is_closed and not self._unsettled
        if is_last:
            super()._end_others(False, False, False)

    def _end_others(
        self, wait: bool, cancel: bool, interrupt: bool, deadline: float | None = None
    ) -> bool:
        # What is under way may still move there.
        with self._unsettled_lock:
            self._is_closed = True
            unsettled = list(self._unsettled)
        if cancel:
            for future in unsettled:
                future.cancel()
        if (
            wait
            and not interrupt
            and concurrent.futures.wait(unsettled, seconds_left(deadline)).not_done
        ):
            return False  # the last one ends them
        if wait or interrupt or not unsettled:
            return super()._end_others(wait, cancel, interrupt, deadline)
        return True


class FallbackView(_ViewOfView):
    """The same pool with a fallback, on other terms."""

    _executor: FallbackExecutor

    def __init__(self, executor: FallbackExecutor, view: Executor) -> None:
        check_terms("fallback", executor._fallback, view._terms)
        super().__init__(executor, view)

    def options(self, **changes: Any) -> Executor:
        """Return a view with still other terms."""
        view = self._view.options(**changes)
        if isinstance(view, EngineView):
            return view
        return FallbackView(self._executor, view)

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Start ``fn(*args, **kwargs)``: its future."""
        first = partial(self._view.submit, fn, *args, **kwargs)
        start = self._executor._start
        return start(first, self._terms, fn, False, fn, args, kwargs)

    def _submit_many(  # type: ignore[override]
        self, fn: Callable[..., Any], calls: list[tuple[Any, ...]], /
    ) -> concurrent.futures.Future[Any]:
        first = partial(self._view._submit_many, fn, calls)
        start = self._executor._start
        return start(first, self._terms, fn, False, call_many, (fn, calls), {})


class Relayed(concurrent.futures.Future["Any"]):
    """The outcome of a call that may move from one engine to another."""

    def __init__(
        self,
        at: concurrent.futures.Future[Any],
        move: Callable[[Refusal], concurrent.futures.Future[Any]],
    ) -> None:
        super().__init__()
        self._lock = threading.Lock()  # guards what follows
        self._at = at  # the future of who has the call now
        self._move: Any = move  # None once it is called, or never will be
        self._is_unwanted = False  # who moves the call has to look
        at.add_done_callback(self._first_ended)

    def _first_ended(self, first: concurrent.futures.Future[Any]) -> None:
        refusal = None if first.cancelled() else refusal_of(first.exception())
        with self._lock:
            move, self._move = self._move, None  # which holds the call
            is_unwanted = self._is_unwanted
        if refusal is None:
            self._settle(first)
        elif is_unwanted:
            self._end_cancelled()
        else:
            self._go_on(partial(move, refusal))

    def _go_on(self, move: Callable[[], concurrent.futures.Future[Any]]) -> None:
        try:
            at = move()
        except BaseException as exc:  # a warning that is an error, for one
            self.set_exception(exc)
            return
        with self._lock:
            self._at = at
            is_unwanted = self._is_unwanted
        if is_unwanted:
            stop_call(at)
        at.add_done_callback(self._settle)

    def _end_cancelled(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()

    def _settle(self, at: concurrent.futures.Future[Any]) -> None:
        if at.cancelled():
            self._end_cancelled()
            return
        exc = at.exception()
        if exc is None:
            self.set_result(at.result())
        else:
            self.set_exception(exc)

    def cancel(self) -> bool:
        """Cancel the call if it has not begun: whether so."""
        at = self._at
        if not at.cancel() and not self._is_kept(at):
            return self.cancelled()
        return super().cancel()

    def _is_kept(self, at: concurrent.futures.Future[Any]) -> bool:
        """Whether it would have moved, and will not."""
        if not was_refused(at):
            return False
        with self._lock:
            if self._move is None:
                return False
            self._is_unwanted = True
            return True

    def interrupt(self) -> bool:
        """Stop the call, as of the future of an Executor, if it runs there."""
        if self.done():
            return self.cancelled()
        with self._lock:
            self._is_unwanted = True
            at = self._at
        return stop_call(at) or was_refused(at)

    def running(self) -> bool:
        """Whether the call has begun and not ended."""
        return not self.done() and self._at.running()


def stop_call(future: Any) -> bool:
    """Stop it if that is possible there, else cancel it."""
    stopped: bool = getattr(future, "interrupt", future.cancel)()
    return stopped


def was_refused(future: concurrent.futures.Future[Any]) -> bool:
    """Whether the call has ended since an import was refused before it began."""
    try:
        return refusal_of(future.exception(0)) is not None
    except (concurrent.futures.CancelledError, TimeoutError):
        return False


_warned_of: set[str] = set()


def warn_of_refusal(imported: str, refused: str, elsewhere: str) -> None:
    """Say where such calls are made, once for each module."""
    if imported in _warned_of:
        return
    _warned_of.add(imported)
    why = "" if refused == imported else f" ({refused!r} refuses)"
    warnings.warn(
        f"{imported!r} does not support interpreters with a GIL of their own"
        f"{why}: calls that need it are made {elsewhere}",
        RuntimeWarning,
        stacklevel=2,
    )


def class_for(engine: str | None, fallback: str | None) -> type[Executor]:
    """What Executor(engine=, fallback=) makes."""
    if engine is not None:
        check_name("engine", engine, ENGINES)
    if fallback is not None:
        check_fallback(fallback)
    if engine is None or engine == "interpreter":
        return Executor if fallback is None else FallbackExecutor
    if fallback is not None:
        raise ValueError(f"engine={engine!r} takes no fallback")
    return EngineExecutor
