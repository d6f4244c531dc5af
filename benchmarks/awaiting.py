"""How fast does a task of asyncio hear from another thread or interpreter?

The task puts a number into a queue and awaits the answer; or many tasks are
suspended, each awaiting its own.  `call_soon_threadsafe` is a thread that answers
by it.
"""

import asyncio
import queue
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
    Pool,
    Result,
    in_unit,
    interleaved,
    main,
    microseconds,
    placements,
)

import coterie

GOALS = [Goal("call_soon_threadsafe", 1 / 2)]


def measure(effort: Effort) -> Iterator[Result]:
    """Measure the round trip in every placement."""
    pools = {
        "call_soon_threadsafe": POOLS["threads"](1),
        "coterie": POOLS["coterie"](1),
    }
    with asyncio.Runner() as runner:
        for place in placements():
            for what, ask in QUESTIONS.items():
                with place(pools.values()), partners(pools, runner, ask) as loops:
                    samples = in_unit(microseconds, interleaved(loops, effort))
                yield Result(f"{what}, {place.name}", "us", samples, GOALS)
    for pool in pools.values():
        pool.shutdown()


@contextmanager
def partners(
    pools: dict[str, Pool], runner: asyncio.Runner, ask: dict[str, Callable[..., Any]]
) -> Iterator[dict[str, Loop]]:
    """Let the worker of each pool answer what it gets."""
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ping: coterie.Queue[Any] = coterie.Queue()
    pong: coterie.Queue[Any] = coterie.Queue()
    loop = runner.get_loop()
    running = [
        pools["call_soon_threadsafe"].submit(answer, asked, loop),
        pools["coterie"].submit(work.echo, ping, pong),
    ]
    asking = {
        "call_soon_threadsafe": partial(ask["call_soon_threadsafe"], asked, loop),
        "coterie": partial(ask["coterie"], ping, pong),
    }
    try:
        yield {name: partial(run, runner, one) for name, one in asking.items()}
    finally:
        asked.put(None)
        ping.put(None)
        for future in running:
            future.result()


def run(runner: asyncio.Runner, ask: Callable[[int], Any], count: int) -> float:
    """Run the asking in a loop of asyncio."""
    return runner.run(ask(count))


def answer(asked: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Settle each future that comes, until None does."""
    while (future := asked.get()) is not None:
        loop.call_soon_threadsafe(future.set_result, None)


async def ask_thread(asked: Any, loop: asyncio.AbstractEventLoop, count: int) -> float:
    """Await the answer of a thread, over and over."""
    begin = perf_counter()
    for _ in range(count):
        future = loop.create_future()
        asked.put(future)
        await future
    return perf_counter() - begin


async def ask_interpreter(ping: Any, pong: Any, count: int) -> float:
    """Await the answer of an interpreter, over and over."""
    begin = perf_counter()
    for number in range(count):
        ping.put(number)
        await pong.aget()
    return perf_counter() - begin


AT_ONCE = 100


async def suspend_for_thread(
    asked: Any, loop: asyncio.AbstractEventLoop, count: int
) -> float:
    """Suspend many tasks, which a thread wakes; the time for each."""

    async def wait(future: asyncio.Future[Any]) -> None:
        await future

    async def ask_all() -> None:
        futures = [loop.create_future() for _ in range(AT_ONCE)]
        tasks = [loop.create_task(wait(future)) for future in futures]
        await asyncio.sleep(0)
        for future in futures:
            asked.put(future)
        await asyncio.gather(*tasks)

    return await time_rounds(ask_all, count)


async def suspend_for_interpreter(ping: Any, pong: Any, count: int) -> float:
    """Suspend many tasks, which an interpreter wakes; the time for each."""

    async def wait() -> None:
        await pong.aget()

    async def ask_all() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(wait()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        for number in range(AT_ONCE):
            ping.put(number)
        await asyncio.gather(*tasks)

    return await time_rounds(ask_all, count)


async def time_rounds(ask_all: Callable[[], Any], count: int) -> float:
    """Time it, for about that many tasks in all."""
    rounds = max(1, count // AT_ONCE)
    begin = perf_counter()
    for _ in range(rounds):
        await ask_all()
    return (perf_counter() - begin) * count / (rounds * AT_ONCE)


QUESTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "await round trip": {
        "call_soon_threadsafe": ask_thread,
        "coterie": ask_interpreter,
    },
    "await, 100 tasks suspended": {
        "call_soon_threadsafe": suspend_for_thread,
        "coterie": suspend_for_interpreter,
    },
}


if __name__ == "__main__":
    main(measure)
