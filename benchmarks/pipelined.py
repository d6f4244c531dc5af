"""How long for each of many calls that are submitted before one is waited for?"""

from collections.abc import Iterator
from functools import partial
from time import perf_counter

import work
from harness import (
    Effort,
    Pool,
    Result,
    all_pools,
    in_unit,
    interleaved,
    main,
    microseconds,
)

TASKS = 10_000


def measure(effort: Effort) -> Iterator[Result]:
    """Measure pools of two workers."""
    tasks = TASKS // effort.scale
    with all_pools(2) as pools:
        loops = {name: partial(loop, pool, tasks) for name, pool in pools.items()}
        samples = in_unit(microseconds / tasks, interleaved(loops, effort))
    yield Result(f"{tasks} submitted, then waited for, per task", "us", samples)


def loop(pool: Pool, tasks: int, count: int) -> float:
    """Submit all, then wait for all."""
    begin = perf_counter()
    for _ in range(count):
        for future in [pool.submit(work.nothing) for _ in range(tasks)]:
            future.result()
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
