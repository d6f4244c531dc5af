"""How long do making, using and closing an interpreter take?

A call runs on the caller's thread, so that no scheduler is asked. From the main
thread it takes longer: Ctrl-C is watched for meanwhile, which the standard
library does not do. That one makes a thread state for each call, and on Linux
the C library reads /proc/self/maps to find the stack of a main thread: its calls
take ten times as long there as from other threads.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import work
from harness import (
    Effort,
    Goal,
    Loop,
    Result,
    in_unit,
    interleaved,
    main,
    microseconds,
    milliseconds,
)

from coterie import interpreters

LIVES = 500
THEIRS = "standard library"
MODULES: dict[str, Any] = {"coterie": interpreters}
if sys.version_info >= (3, 14):
    import concurrent.interpreters

    MODULES = {THEIRS: concurrent.interpreters, **MODULES}


def measure(effort: Effort) -> Iterator[Result]:
    """Measure the life of an interpreter, and then what is done in one."""
    yield result("create()", "ms", interleaved(in_all(creating), effort), 1)
    yield result("close()", "ms", interleaved(in_all(closing), effort), 1)
    with all_interpreters() as interps:
        execs = {n: partial(repeating, i.exec, "pass") for n, i in interps.items()}
        calls = {
            n: partial(repeating, i.call, work.nothing) for n, i in interps.items()
        }
        yield result("exec('pass')", "us", interleaved(execs, effort), 1)
        samples = interleaved(calls, effort)
        yield result("call() of a no-op, main thread", "us", samples, 250)
        with ThreadPoolExecutor(1) as thread:
            samples = thread.submit(interleaved, calls, effort).result()
        yield result("call() of a no-op, another thread", "us", samples, 400)


    lives = max(20, LIVES // effort.scale)
    growth = {name: [growth_in_child(name, lives)] for name in MODULES}
    task = f"memory that {lives} lives leave behind, each"
    yield Result(task, "KiB", growth, [Goal("coterie", limit=10)])


def growth_in_child(contender: str, lives: int) -> float:
    """Run this file in a new process for one contender."""
    command = [sys.executable, __file__, contender, str(lives)]
    return float(subprocess.check_output(command))


def growth_per_life(contender: str, lives: int) -> float:
    """Create, use and close interpreters, once the first ten have been."""
    before = 0
    for number in range(10 + lives):
        if number == 10:
            before = resident_kibibytes()
        interp = MODULES[contender].create()
        interp.exec("import collections, functools, json, logging, re")
        interp.close()
    return (resident_kibibytes() - before) / lives


def resident_kibibytes() -> int:
    """Give the resident size of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def result(
    task: str, unit: str, samples: dict[str, list[float]], ratio: float
) -> Result:
    """Put samples in seconds and the goal together."""
    factor = milliseconds if unit == "ms" else microseconds
    return Result(task, unit, in_unit(factor, samples), [Goal(THEIRS, ratio)])


def in_all(loop: Callable[[Any, int], float]) -> Mapping[str, Loop]:
    """Give the loop for each contender."""
    return {name: partial(loop, module) for name, module in MODULES.items()}


@contextmanager
def all_interpreters() -> Iterator[dict[str, Any]]:
    """Open one interpreter of each contender."""
    with ExitStack() as stack:
        interps = {name: module.create() for name, module in MODULES.items()}
        for interp in interps.values():
            stack.callback(interp.close)
        yield interps


def creating(module: Any, count: int) -> float:
    """Make interpreters, one after another; closing is not measured."""
    seconds = 0.0
    for _ in range(count):
        begin = perf_counter()
        interp = module.create()
        seconds += perf_counter() - begin
        interp.close()
    return seconds


def closing(module: Any, count: int) -> float:
    """Close interpreters, one after another; making is not measured."""
    seconds = 0.0
    for _ in range(count):
        interp = module.create()
        begin = perf_counter()
        interp.close()
        seconds += perf_counter() - begin
    return seconds


def repeating(function: Callable[[Any], object], argument: Any, count: int) -> float:
    """Call it over and over."""
    begin = perf_counter()
    for _ in range(count):
        function(argument)
    return perf_counter() - begin


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in MODULES:
        print(growth_per_life(sys.argv[1], int(sys.argv[2])))
    else:
        main(measure)
