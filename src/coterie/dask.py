"""Dask workers that run their tasks in interpreters: parallel in one process.

`client.register_plugin(InterpreterPlugin())`, or `dask worker --preload
coterie.dask`, lets each worker process have an interpreter for each of its
threads.  The executor's engine "dask" is the other direction: the calls of a
pool on a Dask cluster.
"""

from __future__ import annotations

import functools
import threading

try:
    from dask._task_spec import Task
    from distributed import WorkerPlugin
except ImportError as error:
    raise ImportError(
        "coterie.dask needs distributed 2024.12 or newer: install coterie[dask]",
        name=error.name,
    ) from error

from coterie import _compat, _remote
from coterie._engines import warn_of_refusal
from coterie.executor import Executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

__all__ = ["InterpreterPlugin", "dask_setup"]

# A function that names one of these wants the worker's own thread.
_OF_WORKERS = frozenset(
    {
        "as_completed",
        "distributed",
        "get_client",
        "get_task_stream",
        "get_worker",
        "rejoin",
        "secede",
        "worker_client",
    }
)


class InterpreterPlugin(WorkerPlugin):  # type: ignore[misc]
    """Lets a Dask worker run its tasks in interpreters, not in its threads.

    interpreters:
        How many; None means as many as the worker has threads.

    A worker's thread hands the function and its arguments to an interpreter
    and waits there for the result: all else about a task is as without the
    plugin.  On the thread itself run: tasks that name get_worker, get_client
    and their like, tasks whose function or arguments cannot be loaded in an
    interpreter, coroutines, actors, and tasks with an annotation
    ``executor="threads"``.
    """

    name = "coterie"
    idempotent = True

    def __init__(self, interpreters: int | None = None) -> None:
        if interpreters is not None:
            if not isinstance(interpreters, int):
                raise TypeError(
                    "interpreters must be an int or None, "
                    f"not {type(interpreters).__name__}"
                )
            if interpreters < 1:
                raise ValueError("interpreters must be at least 1")
        self.interpreters = interpreters

    def setup(self, worker: Any) -> None:
        """Open the worker's pool: called by Dask."""
        _stop_profiling(worker)
        workers = self.interpreters or worker.state.nthreads
        self._tasks = worker.state.tasks
        self._pool = Executor(workers, "coterie-dask", exit_grace=0)
        # What cannot be loaded in an interpreter, by what stays the same when a
        # function comes once more.
        self._stays: set[object] = set()
        self._lock = threading.Lock()
        worker.executors.setdefault("threads", worker.executors["default"])

    def teardown(self, worker: Any) -> None:
        """Close the worker's pool: called by Dask."""
        if worker.executors.get("threads") is worker.executors["default"]:
            del worker.executors["threads"]
        self._pool.shutdown(wait=False, cancel_futures=True)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Wrap the function of a task that is about to run: called by Dask."""
        if finish != "executing":
            return
        state = self._tasks[key]
        if (state.annotations or {}).get("executor", "default") == "default":
            state.run_spec = self._wrap(state.run_spec)

    def _wrap(self, task: Any) -> Any:
        if type(task) is not Task or task.is_coro:
            return task
        args, func = task.args, task.func
        if task.has_subgraph():  # tasks that were fused: each by itself
            graph = {key: self._wrap(inner) for key, inner in args[0].items()}
            args = graph, *args[1:]
        elif self._is_for_interpreters(func):
            func = _Wrapped(func, self)
        return Task(
            task.key, func, *args, _data_producer=task.data_producer, **task.kwargs
        )

    def _is_for_interpreters(self, func: Any) -> bool:
        if isinstance(func, _Wrapped) or _identity(func) in self._stays:
            return False
        if getattr(func, "__module__", None) in ("_operator", "distributed.actor"):
            return False  # they take an item of a result: not worth the way
        return not any(
            _OF_WORKERS.intersection(code.co_names) for code in _codes_of(func)
        )

    def call(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call it in an interpreter, or here; on a thread of the worker."""
        import cloudpickle

        try:
            # Not by our own codec: it would keep the globals of a function that
            # comes again for each task, each time for good.
            pickles = cloudpickle.dumps(func), cloudpickle.dumps((args, kwargs))
            future = self._pool.submit(_remote.run_pickled, *pickles)
        except Exception:
            # It need not be sent anywhere to be right here; or we are closed.
            return func(*args, **kwargs)
        was_loaded, found = future.result()
        if was_loaded:
            return found
        if found is not None:
            is_function, imported, refused = found
            warn_of_refusal(imported, refused, "on the worker's threads")
            if is_function:
                with self._lock:
                    self._stays.add(_identity(func))
        return func(*args, **kwargs)


def _stop_profiling(worker: Any) -> None:
    """Its profiler looks at the frames of all interpreters, which may crash."""
    _compat.see_no_other_frames()  # and the thread that watches the loop ends
    profile = worker.periodic_callbacks.pop("profile", None)
    if profile is not None:
        profile.stop()


class _Wrapped:
    """Stands for a task's function."""

    def __init__(self, func: Callable[..., Any], plugin: InterpreterPlugin) -> None:
        functools.update_wrapper(self, func)
        self._func = func
        self._plugin = plugin

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._plugin.call(self._func, args, kwargs)


def _identity(func: Any) -> object:
    """What is equal for a function that was pickled twice."""
    if isinstance(func, functools.partial):
        return _identity(func.func)
    func = getattr(func, "__func__", func)
    code = getattr(func, "__code__", None)
    if code is not None:
        return code
    return getattr(func, "__module__", None), getattr(func, "__qualname__", id(func))


def _codes_of(func: Any) -> Iterator[CodeType]:
    """The code of a function, of what it wraps, and of functions inside."""
    if isinstance(func, functools.partial):
        yield from _codes_of(func.func)
        return
    if hasattr(func, "__wrapped__"):
        yield from _codes_of(func.__wrapped__)
    func = getattr(func, "__func__", func)
    code = getattr(func, "__code__", None)
    waiting = [] if code is None else [code]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [const for const in code.co_consts if hasattr(const, "co_names")]


async def dask_setup(worker: Any) -> None:
    """Give a worker the plugin: ``dask worker --preload coterie.dask``."""
    await worker.plugin_add(InterpreterPlugin())
