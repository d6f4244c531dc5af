"""One interface over all that can run calls side by side, and what each costs.

A runner starts callables and tells of each how it ended, who ran it, how long
that took and how much memory its process has then.  `python -m coterie.runners`
compares the runners.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial

from coterie import _measure
from coterie._core import WorkerLost, dumps, loads
from coterie._engines import checked_workers, open_engine
from coterie.executor import Executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, ClassVar

    from coterie._measure import Report

    type Callback = Callable[[Outcome], object]

__all__ = [
    "RUNNERS",
    "DaskRunner",
    "InterpreterRunner",
    "MainRunner",
    "Outcome",
    "ProcessRunner",
    "Run",
    "Runner",
    "StdlibInterpreterRunner",
    "ThreadRunner",
    "Worker",
]

_LOGGER = logging.getLogger("coterie.runners")


@dataclass(frozen=True, slots=True)
class Worker:
    """Who ran a call."""

    process: int
    interpreter: int
    thread: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    index: its place among the callables.  worker: who ran it, or None if that
    died.  result, exception: one of them is None.  seconds: how long the call
    took.  memory: how many bytes its process had after it.
    """

    index: int
    worker: Worker | None
    result: Any
    exception: BaseException | None
    seconds: float
    memory: int


class Run:
    """Callables that a runner has started.

    outcomes: of those that have ended, in the order of their ends.
    startup: seconds until a worker answered.  total: seconds until all had
    ended.  Both are None until then.
    """

    def __init__(self, runner: Runner, callback: Callback | None) -> None:
        self.runner = runner
        self.outcomes: list[Outcome] = []
        self.startup: float | None = None
        self.total: float | None = None
        self._callback = callback
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._problem: BaseException | None = None
        self._memory_before = _measure.resident_memory()
        self._begin = time.monotonic()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all calls have ended: whether they have.

        Raises what kept the back-end from starting, if something did.
        """
        is_over = self._is_over.wait(timeout)
        if self._problem is not None:
            raise self._problem
        return is_over

    @property
    def results(self) -> list[Any]:
        """The results in the order of the callables; waits for all of them.

        Raises the exception of the first that has one.
        """
        self.wait()
        ordered = sorted(self.outcomes, key=lambda outcome: outcome.index)
        for outcome in ordered:
            if outcome.exception is not None:
                raise outcome.exception
        return [outcome.result for outcome in ordered]

    @property
    def memory_per_process(self) -> int:
        """Bytes that a process had in which calls ran, the mean of them."""
        most = self._memory_by_process()
        return sum(most.values()) // len(most) if most else 0

    @property
    def memory_per_interpreter(self) -> int:
        """Bytes by which all memory grew, for each interpreter that ran calls.

        The whole of a process that was started counts as growth.
        """
        most = self._memory_by_process()
        here = os.getpid()
        if here in most:
            most[here] = max(most[here] - self._memory_before, 0)
        workers = [outcome.worker for outcome in self.outcomes if outcome.worker]
        interpreters = {(worker.process, worker.interpreter) for worker in workers}
        return sum(most.values()) // len(interpreters) if interpreters else 0

    def _memory_by_process(self) -> dict[int, int]:
        most: dict[int, int] = {}
        for outcome in self.outcomes:
            if outcome.worker is not None:
                process = outcome.worker.process
                most[process] = max(most.get(process, 0), outcome.memory)
        return most

    # ---- what the runner tells -----------------------------------------------

    def _has_started(self) -> None:
        self.startup = time.monotonic() - self._begin

    def _report(self, index: int, report: Report) -> None:
        who, seconds, memory, result, exception = report
        self._add(Outcome(index, Worker(*who), result, exception, seconds, memory))

    def _add(self, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes.append(outcome)
        if self._callback is not None:
            try:
                self._callback(outcome)
            except Exception:
                _LOGGER.exception("exception calling callback for %r", outcome)

    def _end(self, problem: BaseException | None = None) -> None:
        self.total = time.monotonic() - self._begin
        self._problem = problem
        self._is_over.set()


class Runner(ABC):
    """Starts callables on up to *workers* workers of one kind.

    workers: None means as many as there are processors to use.
    """

    name: ClassVar[str]

    def __init__(self, workers: int | None = None) -> None:
        self.workers = checked_workers(workers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.workers})"

    def start(
        self,
        callables: Iterable[Callable[[], Any]],
        callback: Callback | None = None,
    ) -> Run:
        """Start all the callables, without arguments; returns at once.

        ``callback(outcome)`` is called when one has ended, in a thread of the
        runner; what it raises is logged.
        """
        calls = list(callables)
        for call in calls:
            if not callable(call):
                raise TypeError(f"expected a callable, got {call!r}")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, not {callback!r}")
        run = Run(self, callback)
        self._start(run, calls)
        return run

    def _start(self, run: Run, calls: Sequence[Callable[[], Any]]) -> None:
        # Opening may take long, and a pool cannot be joined by its own threads.
        threading.Thread(
            target=self._drive, args=(run, calls), name=f"coterie-{self.name}"
        ).start()

    def _drive(self, run: Run, calls: Sequence[Callable[[], Any]]) -> None:
        problem: BaseException | None = None
        try:
            with self._open() as pool:
                self._drive_pool(run, calls, pool)
        except BaseException as exc:
            problem = exc
        run._end(problem)

    def _drive_pool(
        self,
        run: Run,
        calls: Sequence[Callable[[], Any]],
        pool: concurrent.futures.Executor,
    ) -> None:
        first = pool.submit(_measure.identify)
        first.add_done_callback(lambda _: run._has_started())
        told = threading.Semaphore(0)
        for index, call in enumerate(calls):
            future = self._submit_or_fail(pool, call)
            future.add_done_callback(partial(self._tell, run, index, told))
        try:
            first.result()
        except WorkerLost:
            pass  # it could start, but ran beside a call that ended its process
        for _ in calls:
            told.acquire()

    def _submit_or_fail(
        self, pool: concurrent.futures.Executor, call: Callable[[], Any]
    ) -> concurrent.futures.Future[Any]:
        try:
            return self._submit(pool, call)
        except Exception as exc:  # it cannot be sent
            failed: concurrent.futures.Future[Any] = concurrent.futures.Future()
            failed.set_exception(exc)
            return failed

    def _submit(
        self, pool: concurrent.futures.Executor, call: Callable[[], Any]
    ) -> concurrent.futures.Future[Any]:
        return pool.submit(_measure.measured_elsewhere, call)

    def _tell(
        self,
        run: Run,
        index: int,
        told: threading.Semaphore,
        future: concurrent.futures.Future[Any],
    ) -> None:
        try:
            report = self._report(future.result())
        except BaseException as exc:
            # Not the call's own: it or its result could not be sent, or its
            # worker died.
            run._add(Outcome(index, None, None, exc, 0.0, 0))
        else:
            run._report(index, report)
        finally:
            told.release()

    def _report(self, answer: Any) -> Report:
        """What a call's future holds, as the report that it is."""
        report: Report = answer
        return report

    @abstractmethod
    def _open(self) -> concurrent.futures.Executor:
        """The pool that a run uses, and closes."""


class MainRunner(Runner):
    """Calls one after the other, here and now: `start` returns at the end."""

    name = "main"

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(1)

    def _start(self, run: Run, calls: Sequence[Callable[[], Any]]) -> None:
        run._has_started()
        for index, call in enumerate(calls):
            report = _measure.measured(call)
            if isinstance(report[-1], KeyboardInterrupt):
                raise report[-1]
            run._report(index, report)
        run._end()

    def _open(self) -> concurrent.futures.Executor:
        return open_engine("main")


class ThreadRunner(Runner):
    """Calls in threads of this interpreter."""

    name = "threads"

    def _open(self) -> concurrent.futures.Executor:
        return open_engine("thread", self.workers)

    def _submit(
        self, pool: concurrent.futures.Executor, call: Callable[[], Any]
    ) -> concurrent.futures.Future[Any]:
        return pool.submit(_measure.measured, call)


class InterpreterRunner(Runner):
    """Calls in interpreters with a GIL of their own, those of coterie.Executor."""

    name = "interpreters"

    def _open(self) -> concurrent.futures.Executor:
        return Executor(self.workers)


class ProcessRunner(Runner):
    """Calls in processes.

    interpreters: how many workers each process has, as interpreters; 0 is one,
    its main interpreter.
    """

    name = "processes"

    def __init__(self, workers: int | None = None, *, interpreters: int = 0) -> None:
        super().__init__(workers)
        self.interpreters = interpreters

    def _open(self) -> concurrent.futures.Executor:
        return open_engine("process", self.workers, interpreters=self.interpreters)


class StdlibInterpreterRunner(Runner):
    """Calls in the interpreters of the standard library (Python 3.14)."""

    name = "stdlib-interpreters"

    def _open(self) -> concurrent.futures.Executor:
        return open_engine("stdlib-interpreter", self.workers)

    def _submit(
        self, pool: concurrent.futures.Executor, call: Callable[[], Any]
    ) -> concurrent.futures.Future[Any]:
        # By itself it sends functions by their names only.
        return pool.submit(_measure.measured_dumped, dumps(call))

    def _report(self, answer: Any) -> Report:
        report: Report = loads(answer)
        return report


class DaskRunner(Runner):
    """Calls on a Dask cluster: that of *address*, or one of its own."""

    name = "dask"

    def __init__(self, workers: int | None = None, *, address: str | None = None):
        super().__init__(workers)
        self.address = address

    def _open(self) -> concurrent.futures.Executor:
        return open_engine("dask", self.workers, address=self.address)


RUNNERS: dict[str, type[Runner]] = {
    runner.name: runner
    for runner in (
        MainRunner,
        ThreadRunner,
        ProcessRunner,
        InterpreterRunner,
        StdlibInterpreterRunner,
        DaskRunner,
    )
}

if __name__ == "__main__":
    from coterie._comparison import main

    main()
