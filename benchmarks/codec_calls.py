"""How long does the codec take between calls from C, as in a task or a queue?

Not part of run.py: it builds the module with these loops, which needs a C compiler.
"""

import gc
from collections.abc import Iterator
from functools import partial

from codec import shapes
from harness import Effort, Goal, Result, in_unit, interleaved, main, microseconds
from native import PORT, built

SMALL = 8  # times faster than pickle


def measure(effort: Effort) -> Iterator[Result]:
    """Measure both ways together; to free the result is part of it."""
    calls = built("codec_calls", [*PORT, "core", "compat", "codec"])
    kinds = {
        "pickle 5": calls.pickle,
        "marshal": calls.marshal,
        "coterie": calls.coterie,
    }
    for shape, (item, goals) in shapes(effort.scale).items():
        gc.collect()
        loops = {name: partial(call, item) for name, call in kinds.items()}
        samples = in_unit(microseconds, interleaved(loops, effort))
        small = [Goal("pickle 5", SMALL)] if goals and goals[0].ratio >= 4 else goals
        yield Result(f"encode + decode: {shape}", "us", samples, small)


if __name__ == "__main__":
    main(measure)
