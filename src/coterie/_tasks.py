"""Calls that are made on other terms than usual: `Executor.options`.

Terms that the core heeds (timeout, priority) cost no Python code.  For the others
the worker calls not the function but a wrapper of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from coterie._core import Queue
    from coterie._stats import TaskInfo

    type Predicate = Callable[[Exception], object]
    type Hook = Callable[[TaskInfo], object]

__all__ = ["OUTPUT", "USUAL", "Terms", "wrap"]

# The keyword that the queue for a call's output goes by.
OUTPUT = "__coterie_output__"

# ---- where calls are submitted -----------------------------------------------


class Terms:
    """The terms of calls; constant."""

    __slots__ = (
        "capture_output",
        "on_task_end",
        "on_task_start",
        "priority",
        "retries",
        "retry_on",
        "timeout",
    )

    def __init__(self) -> None:
        self.timeout: float | None = None
        self.priority = 0
        self.retries = 0
        self.retry_on: Any = None
        self.capture_output = False
        self.on_task_start: Hook | None = None
        self.on_task_end: Hook | None = None

    def values(self) -> dict[str, Any]:
        """All of them, as `changed` takes them."""
        return {name: getattr(self, name) for name in self.__slots__}

    def changed(self, changes: dict[str, Any]) -> Terms:
        """The same terms with other values."""
        terms = Terms()
        for name in self.__slots__:
            setattr(terms, name, changes.get(name, getattr(self, name)))
        unknown = changes.keys() - set(self.__slots__)
        if unknown:
            raise TypeError(f"there is no option {min(unknown)!r}")
        terms._check()
        return terms

    def _check(self) -> None:
        if self.timeout is not None and not _is_time(self.timeout):
            raise ValueError(
                f"timeout must be None or a number of seconds above 0, "
                f"not {self.timeout!r}"
            )
        for name in ("priority", "retries"):
            value = getattr(self, name)
            if not isinstance(value, int):
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if not -(2**63) <= self.priority < 2**63:
            raise ValueError("priority must fit into 64 bits")
        if self.retries < 0:
            raise ValueError("retries must be at least 0")
        if self.retry_on is not None and not _says_when(self.retry_on):
            raise TypeError(
                "retry_on must be an exception type, a tuple of them, or a "
                "function of the exception"
            )
        for name in ("on_task_start", "on_task_end"):
            hook = getattr(self, name)
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} must be callable")

    @property
    def extras(self) -> dict[str, Any] | None:
        """What `wrap` is told, or None if there is no need for it."""
        extras = {
            "retries": self.retries,
            "capture_output": self.capture_output,
            "on_task_start": self.on_task_start,
            "on_task_end": self.on_task_end,
        }
        found = {name: value for name, value in extras.items() if value}
        if self.retries and self.retry_on is not None:
            found["retry_on"] = self.retry_on
        return found or None


USUAL = Terms()


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _says_when(value: object) -> bool:
    if not isinstance(value, (type, tuple)):
        return callable(value)
    types = value if isinstance(value, tuple) else (value,)
    return all(isinstance(each, type) and issubclass(each, Exception) for each in types)


# ---- where they run ----------------------------------------------------------


def wrap(function: Callable[..., Any], extras: dict[str, Any]) -> Callable[..., Any]:
    """What the worker calls in the place of *function*."""
    for names, make in _WRAPPERS:
        if names & extras.keys():
            function = make(function, extras)
    return function


def _wrap_hooks(
    function: Callable[..., Any], extras: dict[str, Any]
) -> Callable[..., Any]:
    from operator import call as operator_call
    from time import perf_counter

    from coterie._stats import TaskInfo
    from coterie.executor import current_worker

    start, end = extras.get("on_task_start"), extras.get("on_task_end")
    worker = current_worker() or ""

    def call(*args: Any, **kwargs: Any) -> Any:
        # What is no function of a module comes as its argument.
        called = args[0] if function is operator_call else function
        name = getattr(called, "__qualname__", None) or repr(called)
        error: BaseException | None = None
        if start is not None:
            start(TaskInfo(name, worker, None, None))
        begin = perf_counter()
        try:
            return function(*args, **kwargs)
        except BaseException as caught:
            error = caught
            raise
        finally:
            if end is not None:
                end(TaskInfo(name, worker, perf_counter() - begin, error))
            error = None

    return call


def _wrap_retries(
    function: Callable[..., Any], extras: dict[str, Any]
) -> Callable[..., Any]:
    is_wanted = _predicate(extras.get("retry_on", Exception))

    def call(*args: Any, **kwargs: Any) -> Any:
        for _ in range(extras["retries"]):
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if not is_wanted(error):
                    raise
        return function(*args, **kwargs)

    return call


def _predicate(retry_on: Any) -> Predicate:
    if isinstance(retry_on, (type, tuple)):
        return lambda error: isinstance(error, retry_on)
    return retry_on  # type: ignore[no-any-return]


def _wrap_capture(
    function: Callable[..., Any], extras: dict[str, Any]
) -> Callable[..., Any]:
    from coterie import _output

    def call(*args: Any, **kwargs: Any) -> Any:
        queue: Queue[tuple[int, bytes]] = kwargs.pop(OUTPUT)
        _output.begin(queue)
        try:
            return function(*args, **kwargs)
        finally:
            _output.end(queue)
            queue.shutdown()

    return call


# From the inside to the outside.
_WRAPPERS: tuple[tuple[set[str], Any], ...] = (
    ({"on_task_start", "on_task_end"}, _wrap_hooks),
    ({"retries"}, _wrap_retries),
    ({"capture_output"}, _wrap_capture),
)
