"""How much memory does a task take that waits, with its future?

It is the growth of the proportional set size (PSS) of the process and all its
children while the only worker is busy, divided by the number of tasks, in a fresh
process for each sample. The first fifth of the tasks does not count: it goes where
the process has room anyway. Nor does the list that the futures are kept in, which is
made before. The others queue fewer tasks.
"""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pss
import work
from harness import POOLS, Effort, Goal, Pool, Result, main

TASKS = 1_000_000
LEAST = 100_000
FEWER = 20  # times
FIRST = 5  # the first fifth
GOALS = [Goal("coterie", limit=300)]

type Submit = Callable[[Pool, int], Future[Any]]

KINDS: dict[str, Submit] = {
    "without arguments": lambda pool, _: pool.submit(work.nothing),
    "with a number": lambda pool, number: pool.submit(work.same, number),
}


def measure(effort: Effort) -> Iterator[Result]:
    """Let the contenders take turns, each time in a new process."""
    if not pss.is_known():
        return
    tasks = max(TASKS // effort.scale, LEAST)
    for kind in KINDS:
        samples: dict[str, list[float]] = {name: [] for name in POOLS}
        for _ in range((effort.repeats + 1) // 3):
            for name in POOLS:
                count = tasks if name == "coterie" else tasks // FEWER
                samples[name].append(one_sample(name, kind, count))
        task = f"memory of one of {tasks:,} waiting tasks, {kind}"
        yield Result(task, "bytes", samples, GOALS)


def one_sample(contender: str, kind: str, tasks: int) -> float:
    """Run this file in a new process for one contender."""
    command = [sys.executable, __file__, contender, kind, str(tasks)]
    return float(subprocess.check_output(command))


def bytes_per_task(contender: str, kind: str, tasks: int) -> float:
    """Submit tasks to a worker that is busy, and see what they cost."""
    submit = KINDS[kind]
    futures: list[Any] = [None] * tasks
    with POOLS[contender](1) as pool:
        submit(pool, 0).result()
        with busy(pool):
            for number in range(tasks):
                if number == tasks // FIRST:
                    gc.collect()
                    before = pss.total_memory("self")
                futures[number] = submit(pool, number)
            after = pss.total_memory("self")
            for future in futures:
                future.cancel()
    return (after - before) / (tasks - tasks // FIRST)


@contextmanager
def busy(pool: Pool) -> Iterator[None]:
    """Keep the only worker of a pool busy, of whatever kind it is."""
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder) / "fifo"
        os.mkfifo(fifo)
        pool.submit(work.wait_for, str(fifo))
        with fifo.open("w"):  # once the worker has opened it, too
            yield


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in POOLS:
        print(bytes_per_task(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        main(measure)
