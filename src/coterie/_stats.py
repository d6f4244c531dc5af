"""What a pool tells of itself."""

from __future__ import annotations

# Named tuples without typing, which nothing else here would import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    class WorkerStats(NamedTuple):
        name: str
        interpreter: int | None
        state: str
        tasks: int
        busy_seconds: float
        last_error: str | None
        memory: int | None

    class PoolStats(NamedTuple):
        name: str
        workers: tuple[WorkerStats, ...]
        serving: int
        started: int
        lost: int
        lost_ever: int
        tasks: int
        pending: int
        process_memory: int

    class TaskInfo(NamedTuple):
        name: str
        worker: str
        seconds: float | None
        error: BaseException | None
else:
    from collections import namedtuple

    WorkerStats = namedtuple(
        "WorkerStats", "name interpreter state tasks busy_seconds last_error memory"
    )
    PoolStats = namedtuple(
        "PoolStats",
        "name workers serving started lost lost_ever tasks pending process_memory",
    )
    TaskInfo = namedtuple("TaskInfo", "name worker seconds error")

WorkerStats.__doc__ = """What one worker has done.

state is "idle", "busy" or "lost"; interpreter is the id, once it is known.  memory:
bytes that the interpreter has taken from the system for its objects, but for what
is larger than 512 bytes; None if that is not known.
"""
PoolStats.__doc__ = """What a pool has done: `Executor.stats`.

serving: workers that take calls.  started, lost_ever, tasks: workers and calls since
the beginning.  lost: workers that were given up, and are there still.  pending: calls
that wait for a worker.  process_memory: bytes that the whole process has, as the
system counts them.
"""
TaskInfo.__doc__ = """What hooks are told of a call.

name: of the function.  worker: the name of the worker.  At the end: seconds, and
what the call raised, or None.
"""


def make_stats(name: str, found: tuple[Any, ...]) -> PoolStats:
    """From what the core tells."""
    from coterie._measure import resident_memory

    started, serving, lost, lost_ever, tasks, pending, rows = found
    workers = tuple(_worker(name, row) for row in sorted(rows))
    return PoolStats(
        name=name,
        workers=workers,
        serving=serving,
        started=started,
        lost=lost,
        lost_ever=lost_ever,
        tasks=tasks,
        pending=pending,
        process_memory=resident_memory(),
    )


def _worker(
    pool: str, row: tuple[int, int, bool, bool, int, int, str, int]
) -> WorkerStats:
    number, id, is_busy, is_lost, tasks, busy_ns, last_error, memory = row
    state = "lost" if is_lost else "busy" if is_busy else "idle"
    interpreter = None if id < 0 else id
    return WorkerStats(
        f"{pool}_{number}",
        interpreter,
        state,
        tasks,
        busy_ns / 1e9,
        last_error,
        None if memory < 0 else memory,
    )
