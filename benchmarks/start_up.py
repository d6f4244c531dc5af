"""How long from the making of a pool of two to the result of its first task?

Each sample is taken in a fresh process: the second pool of a process is
quicker. To import the module that the pool comes from does not count.
"""

import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

from harness import POOLS, Effort, Goal, Result, in_unit, main, milliseconds

GOALS = [Goal("interpreters", 2)]


def measure(effort: Effort) -> Iterator[Result]:
    """Let the contenders take turns, each time in a new process."""
    samples: dict[str, list[float]] = {name: [] for name in POOLS}
    for _ in range(effort.repeats):
        for name in POOLS:
            samples[name].append(one_sample(name))
    yield Result(
        "first task of a pool of two", "ms", in_unit(milliseconds, samples), GOALS
    )


def one_sample(contender: str) -> float:
    """Run this file in a new process for one contender."""
    command = [sys.executable, __file__, contender]
    return float(subprocess.check_output(command))


def first_task(contender: str) -> float:
    """Make a pool and wait for its first task."""
    import work

    begin = perf_counter()
    pool = POOLS[contender](2)
    pool.submit(work.nothing).result()
    taken = perf_counter() - begin
    pool.shutdown()
    return taken


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in POOLS:
        print(first_task(sys.argv[1]))
    else:
        main(measure)
