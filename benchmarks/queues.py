"""How fast is a queue, between the main interpreter and a worker?

`threads` is queue.SimpleQueue between two threads, `interpreters` the standard
library's queue between two interpreters.
"""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import work
from harness import (
    HAS_INTERPRETERS,
    POOLS,
    Effort,
    Goal,
    Loop,
    Pool,
    Result,
    in_unit,
    interleaved,
    main,
    microseconds,
    placements,
)

import coterie

GOALS = [Goal("interpreters", 1500), Goal("threads", 3)]
STREAM_GOALS = [Goal("interpreters", 2)]
STREAM = 10_000

QUEUES: dict[str, Callable[[], Any]] = {"threads": queue.SimpleQueue}
if HAS_INTERPRETERS:
    from concurrent import interpreters

    QUEUES["interpreters"] = interpreters.create_queue
QUEUES["coterie"] = coterie.Queue

# Goals of a stream in batches, which the others do not have: item by item there.
MANY_GOALS = [Goal("interpreters", 5)]
BATCH = 100


def measure(effort: Effort) -> Iterator[Result]:
    """Measure ping-pong in every placement, and a stream."""
    pools = {name: POOLS[name](1) for name in QUEUES}
    for place in placements():
        with place(pools.values()), echoes(pools) as loops:
            samples = in_unit(microseconds, interleaved(loops, effort))
            yield Result(f"queue ping-pong, {place.name}", "us", samples, GOALS)
        items = STREAM // effort.scale
        with place(pools.values()):
            streams = {n: partial(stream, pools[n], QUEUES[n], items) for n in QUEUES}
            samples = in_unit(microseconds / items, interleaved(streams, effort))
        yield Result(
            f"queue one way, per item, {place.name}", "us", samples, STREAM_GOALS
        )
        with place(pools.values()):
            streams["coterie"] = partial(stream_many, pools["coterie"], items)
            samples = in_unit(microseconds / items, interleaved(streams, effort))
        name = f"queue one way, put_many and get_many, per item, {place.name}"
        yield Result(name, "us", samples, MANY_GOALS)
    for pool in pools.values():
        pool.shutdown()


@contextmanager
def echoes(pools: dict[str, Pool]) -> Iterator[dict[str, Loop]]:
    """Let the worker of each pool send back what it gets."""
    pairs = {name: (QUEUES[name](), QUEUES[name]()) for name in pools}
    running = [pools[name].submit(work.echo, *pair) for name, pair in pairs.items()]
    try:
        yield {name: partial(ping_pong, *pair) for name, pair in pairs.items()}
    finally:
        for ping, _ in pairs.values():
            ping.put(None)
        for future in running:
            future.result()


def ping_pong(ping: Any, pong: Any, count: int) -> float:
    """Send a number and wait until it comes back, over and over."""
    begin = perf_counter()
    for number in range(count):
        ping.put(number)
        pong.get()
    return perf_counter() - begin


def stream(pool: Pool, make: Callable[[], Any], items: int, count: int) -> float:
    """Send many numbers to a worker that takes them all."""
    begin = perf_counter()
    for _ in range(count):
        numbers = make()
        end = pool.submit(work.drain, numbers)
        for number in range(items):
            numbers.put(number)
        numbers.put(None)
        end.result()
    return perf_counter() - begin


def stream_many(pool: Pool, items: int, count: int) -> float:
    """Send many numbers in batches to a worker that takes what is there."""
    begin = perf_counter()
    for _ in range(count):
        numbers: coterie.Queue[int] = coterie.Queue()
        end = pool.submit(work.drain_many, numbers, BATCH)
        for first in range(0, items, BATCH):
            numbers.put_many(range(first, min(first + BATCH, items)))
        numbers.shutdown()
        if end.result() != items:
            raise RuntimeError("items were lost")
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
