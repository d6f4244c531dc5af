"""How fast is a channel, between the main interpreter and a worker?

Nobody else has one: it is measured beside the queues of queues.py, which do less.
Each send waits until its object is received.
"""

from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import Any

import work
from harness import (
    POOLS,
    Effort,
    Pool,
    Result,
    in_unit,
    interleaved,
    main,
    microseconds,
    placements,
)
from queues import GOALS, QUEUES, echoes

from coterie.interpreters import channels

STREAM = 2_000


def measure(effort: Effort) -> Iterator[Result]:
    """Measure ping-pong in every placement, and a stream."""
    pools = {name: POOLS[name](1) for name in QUEUES}
    others = {name: pool for name, pool in pools.items() if name != "coterie"}
    pool = pools["coterie"]
    for place in placements():
        (to_recv, to_send), (fro_recv, fro_send) = channels.create(), channels.create()
        with place(pools.values()), echoes(others) as loops:
            running = pool.submit(work.echo_channel, to_recv, fro_send)
            loops["coterie"] = partial(ping_pong, to_send, fro_recv)
            samples = in_unit(microseconds, interleaved(loops, effort))
            to_send.send(None)
            running.result()
        yield Result(f"channel ping-pong, {place.name}", "us", samples, GOALS)
        items = STREAM // effort.scale
        with place(pools.values()):
            streams = {"coterie": partial(stream, pool, items)}
            samples = in_unit(microseconds / items, interleaved(streams, effort))
        yield Result(f"channel one way, per item, {place.name}", "us", samples)
    for each in pools.values():
        each.shutdown()


def ping_pong(ping: Any, pong: Any, count: int) -> float:
    """Send a number and wait until it comes back, over and over."""
    begin = perf_counter()
    for number in range(count):
        ping.send(number)
        pong.recv()
    return perf_counter() - begin


def stream(pool: Pool, items: int, count: int) -> float:
    """Send many numbers to a worker that takes them all."""
    begin = perf_counter()
    for _ in range(count):
        recv, send = channels.create()
        end = pool.submit(work.drain_channel, recv)
        for number in range(items):
            send.send(number)
        send.send(None)
        end.result()
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
