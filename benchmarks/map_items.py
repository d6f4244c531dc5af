"""How long does Executor.map take for each item?"""

from collections.abc import Callable, Iterable, Iterator
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

import coterie

ITEMS = 10_000
MANY = 500_000
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
    many = MANY // effort.scale
    loops = {name: partial(front, call, many) for name, call in FRONTS.items()}
    samples = in_unit(microseconds / many, interleaved(loops, effort))
    task = f"coterie.map and its like over {many} items, with its pool, per item"
    yield Result(task, "us", samples, [Goal("coterie", limit=0.2)])


def rows(count: int) -> Iterator[int]:
    """Give the numbers, as a generator function that is mapped."""
    yield from range(count)


# Each makes its pool, and ends it: with the start of two interpreters.
FRONTS: dict[str, Callable[[int], Iterable[object]]] = {
    "unordered": lambda n: coterie.imap_unordered(work.same, range(n), workers=2),
    "generator": lambda n: coterie.map(rows, [n // 2] * 2, workers=2),
    "reduce": lambda n: [coterie.reduce(work.same, max, range(n), workers=2)],
    "coterie": lambda n: coterie.map(work.same, range(n), workers=2),
}


def front(call: Callable[[int], Iterable[object]], items: int, count: int) -> float:
    """Take all results of maps that make pools of their own."""
    begin = perf_counter()
    for _ in range(count):
        for _ in call(items):
            pass
    return perf_counter() - begin


def loop(pool: Pool, items: int, chunksize: int, count: int) -> float:
    """Map over the numbers and take all results."""
    begin = perf_counter()
    for _ in range(count):
        for _ in pool.map(work.same, range(items), chunksize=chunksize):
            pass
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
