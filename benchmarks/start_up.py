"""How long from the making of a pool of two to the result of its first task?

So for the first pool of a process, and for the second one, after the end of the
first. Each process gives one sample of both. To import the module that the pool
comes from does not count.
"""

import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

from harness import (
    POOLS,
    Effort,
    Goal,
    Result,
    import_pool,
    in_unit,
    main,
    milliseconds,
)

GOALS = {
    "first": [Goal("interpreters", 2)],
    "second": [Goal("coterie", limit=0.2)],
}


def measure(effort: Effort) -> Iterator[Result]:
    """Let the contenders take turns, each time in a new process."""
    taken = {turn: {name: [] for name in POOLS} for turn in GOALS}
    for _ in range(effort.repeats):
        for name in POOLS:
            for turn, seconds in zip(GOALS, one_process(name), strict=True):
                taken[turn][name].append(seconds)
    for turn, samples in taken.items():
        task = f"first task of a pool of two, the {turn} pool of a process"
        yield Result(task, "ms", in_unit(milliseconds, samples), GOALS[turn])


def one_process(contender: str) -> list[float]:
    """Run this file in a new process for one contender."""
    command = [sys.executable, __file__, contender]
    return [float(line) for line in subprocess.check_output(command).split()]


def first_task(contender: str) -> float:
    """Make a pool and wait for its first task."""
    begin = perf_counter()
    pool = POOLS[contender](2)
    pool.submit(int).result()  # which no worker has to import
    taken = perf_counter() - begin
    pool.shutdown()
    return taken


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in POOLS:
        import_pool(sys.argv[1])
        for _ in GOALS:
            print(first_task(sys.argv[1]))
    else:
        main(measure)
