"""How fast is a lock: taken by one, and handed over between two?

`threads` is threading.Lock between two threads.  `futex` is two threads in C that
hand over by a futex and nothing else; it needs a compiler.
"""

import shutil
import threading
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import work
from harness import (
    POOLS,
    Effort,
    Goal,
    Loop,
    Placement,
    Pool,
    Result,
    in_unit,
    interleaved,
    main,
    microseconds,
    place_caller,
    placements,
)
from native import PORT, built

from coterie import sync

KINDS: dict[str, Any] = {"threads": threading, "coterie": sync}
UNCONTENDED_GOALS = [Goal("threads", 1 / 1.5)]
HAND_OVER_GOALS = [Goal("futex", 1 / 2)]


def measure(effort: Effort) -> Iterator[Result]:
    """Measure locks that nobody else wants, and locks that go to and fro."""
    for name in ("Lock", "RLock"):
        loops = {kind: taking(getattr(m, name)()) for kind, m in KINDS.items()}
        samples = in_unit(microseconds, interleaved(loops, effort))
        goals = UNCONTENDED_GOALS if name == "Lock" else []
        yield Result(f"{name}, acquire and release, uncontended", "us", samples, goals)

    bare = built("handover", PORT) if shutil.which("cc") else None
    pools = {name: POOLS[name](1) for name in KINDS}
    for place in placements():
        with place(pools.values()), partners(pools) as loops:
            if bare is not None:
                loops = {"futex": bare_loop(bare, place), **loops}
            samples = in_unit(microseconds / 2, interleaved(loops, effort))
        task = f"Lock, contended hand-over, {place.name}"
        yield Result(task, "us", samples, HAND_OVER_GOALS)
    for pool in pools.values():
        pool.shutdown()


def taking(lock: Any) -> Loop:
    """Take a lock and release it, over and over."""
    return timeit.Timer("l.acquire(); l.release()", globals={"l": lock}).timeit


def bare_loop(bare: Any, place: Placement) -> Loop:
    """Hand over to a thread in C that stands where the workers do."""
    return partial(bare.round_trips, partial(place_caller, place.worker))


@contextmanager
def partners(pools: dict[str, Pool]) -> Iterator[dict[str, Loop]]:
    """Let the worker of each pool release one lock whenever it gets another."""
    loops: dict[str, Loop] = {}
    ends: list[Callable[[], object]] = []
    for name, pool in pools.items():
        ping, pong, last = (KINDS[name].Lock() for _ in range(3))
        for lock in (ping, pong, last):
            lock.acquire()
        running = pool.submit(work.hand_over, ping, pong, last)
        loops[name] = partial(to_and_fro, ping, pong)
        ends.append(partial(end_partner, ping, last, running))
    try:
        yield loops
    finally:
        for end in ends:
            end()


def end_partner(ping: Any, last: Any, running: Any) -> None:
    """Tell a worker that its next turn is the last."""
    last.release()
    ping.release()
    running.result()


def to_and_fro(ping: Any, pong: Any, count: int) -> float:
    """Hand over and wait until the other has done so, over and over."""
    begin = perf_counter()
    for _ in range(count):
        ping.release()
        pong.acquire()
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
