"""How long from submit() to result(), for a function that does nothing?

Where the scheduler puts caller and worker matters more than anything else, so
both placements are measured. So are a function that workers import and one of
`__main__`, which travels by value or makes workers run the script again.
"""

from collections.abc import Callable, Iterator
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
    placements,
)

GOALS = {
    "two cores": [Goal("interpreters", 50), Goal("threads", 15)],
    "one core": [Goal("interpreters", 8), Goal("threads", 2)],
}


def nothing() -> None:
    """Do nothing, from __main__."""


FUNCTIONS = {"importable": work.nothing, "of __main__": nothing}


def measure(effort: Effort) -> Iterator[Result]:
    """Measure every placement with both functions."""
    with all_pools(1) as pools:
        for place in placements():
            for kind, function in FUNCTIONS.items():
                loops = {n: partial(loop, p, function) for n, p in pools.items()}
                with place(pools.values()):
                    samples = interleaved(loops, effort)
                task = f"submit().result(), {kind} function, {place.name}"
                goals = GOALS.get(place.name, [])
                yield Result(task, "us", in_unit(microseconds, samples), goals)


def loop(pool: Pool, function: Callable[[], None], count: int) -> float:
    """Call and wait, over and over."""
    submit = pool.submit
    begin = perf_counter()
    for _ in range(count):
        submit(function).result()
    return perf_counter() - begin


if __name__ == "__main__":
    main(measure)
