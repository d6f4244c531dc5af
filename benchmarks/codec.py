"""How long does it take to turn an object into bytes, and bytes into an object?

The garbage collector is off meanwhile, as in timeit: it passes over all that was
decoded, whoever decoded it.  What that adds is shown for the object of most lists.
"""

import gc
import marshal
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from harness import Effort, Goal, Result, in_unit, interleaved, main, microseconds

import coterie

type Codec = tuple[Callable[[Any], bytes], Callable[[bytes], object]]

# The default since Python 3.14; a wrapper would cost a small object too much.
dumps5 = pickle.dumps
if pickle.DEFAULT_PROTOCOL < 5:
    dumps5 = partial(pickle.dumps, protocol=5)

MANY = 1000  # turns: then the object is small

CODECS: dict[str, Codec] = {
    "pickle 5": (dumps5, pickle.loads),
    "marshal": (marshal.dumps, marshal.loads),
    "coterie": (coterie.dumps, coterie.loads),
}


def shapes(scale: int) -> dict[str, tuple[object, list[Goal]]]:
    """Make the objects, and say what is hoped for."""
    small = [Goal("pickle 5", 4)]
    n = 100_000 // scale
    return {
        "None": (None, []),
        "(1, 2.5, 'abc', None)": ((1, 2.5, "abc", None), small),
        "((1, 'name'), {'flag': True})": (((1, "name"), {"flag": True}), small),
        f"{n:,} x str: [int, float, str]": (
            {f"key{i}": [i, i * 0.5, f"value{i}"] for i in range(n)},
            [Goal("pickle 5", 2.5)],
        ),
        f"{10 * n:,} int": (list(range(10 * n)), []),
        f"{10 * n:,} float": ([i * 0.5 for i in range(10 * n)], []),
        f"{n:,} str": ([f"text{i}" for i in range(n)], []),
        f"{n // 10:,} records": (
            [{"id": i, "name": f"name{i}", "score": i / 3} for i in range(n // 10)],
            [],
        ),
    }


def measure(effort: Effort) -> Iterator[Result]:
    """Measure both ways together, then each alone."""
    for shape, (item, goals) in shapes(effort.scale).items():
        parts = {"encode + decode": both, "encode": encode, "decode": decode}
        for part, loop in parts.items():
            loops = {name: partial(loop, codec, item) for name, codec in CODECS.items()}
            samples = in_unit(microseconds, interleaved(loops, effort))
            wanted = goals if loop is both else []
            yield Result(f"{part}: {shape}", "us", samples, wanted)
        if isinstance(item, dict):
            loops = {name: partial(collected, c, item) for name, c in CODECS.items()}
            samples = in_unit(microseconds, interleaved(loops, effort))
            yield Result(f"encode + decode, collector on: {shape}", "us", samples, [])


def both(codec: Codec, item: object, count: int) -> float:
    """Encode and decode."""
    dumps, loads = codec
    if count < MANY:
        return one_by_one(lambda: loads(dumps(item)), count)
    begin = perf_counter()
    for _ in range(count):
        loads(dumps(item))
    return perf_counter() - begin


def encode(codec: Codec, item: object, count: int) -> float:
    """Encode only."""
    dumps, _ = codec
    if count < MANY:
        return one_by_one(lambda: dumps(item), count)
    begin = perf_counter()
    for _ in range(count):
        dumps(item)
    return perf_counter() - begin


def decode(codec: Codec, item: object, count: int) -> float:
    """Decode only."""
    dumps, loads = codec
    block = dumps(item)
    if count < MANY:
        return one_by_one(lambda: loads(block), count)
    begin = perf_counter()
    for _ in range(count):
        loads(block)
    return perf_counter() - begin


def collected(codec: Codec, item: object, count: int) -> float:
    """Encode and decode, with the garbage collector on."""
    dumps, loads = codec
    return one_by_one(lambda: loads(dumps(item)), count, collector=True)


def one_by_one(
    call: Callable[[], object], count: int, *, collector: bool = False
) -> float:
    """Give the seconds that calls take; to free their large results is none of it."""
    gc.collect()
    seconds = 0.0
    for _ in range(count):
        if not collector:
            gc.disable()
        begin = perf_counter()
        result = call()
        seconds += perf_counter() - begin
        gc.enable()
        del result
    return seconds


if __name__ == "__main__":
    main(measure)
