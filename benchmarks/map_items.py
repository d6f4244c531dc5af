"""How long does Executor.map take for each item?"""

from collections.abc import Iterator
from functools import partial
from time import perf_counter

import work
from harness import (
    Effort,
    Goal,
    Pool,
    Result,
    all_pools,
    in_unit,
    interleaved,
    main,
    microseconds,
)

ITEMS = 10_000
GOALS = {1: [Goal("interpreters", 60), Goal("threads", 6)]}


def measure(effort: Effort) -> Iterator[Result]:
    """Measure pools of two workers, item by item and in chunks.

    Chunks make no difference to threads and the standard library's interpreters.
    """
    items = ITEMS // effort.scale
    with all_pools(2) as pools:
        for size in (1, 64):
            loops = {n: partial(loop, p, items, size) for n, p in pools.items()}
            samples = in_unit(microseconds / items, interleaved(loops, effort))
            task = f"map over {items} items, chunksize {size}, per item"
            yield Result(task, "us", samples, GOALS.get(size, []))


def loop(pool: Pool, items: int, chunksize: int, count: int) -> float:
    """Map over the numbers and take all results."""
    begin = perf_counter()
    for _ in range(count):
        for _ in pool.map(work.same, range(items), chunksize=chunksize):
            pass
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
