"""How much memory does a worker take that has done next to nothing?

It is the growth of the proportional set size (PSS) of the process and all its
children, divided by the number of workers, in a fresh process for each sample.
Every .pth file in site-packages may import modules into each new interpreter
and process, and so counts for the workers; whether there is one is printed.
"""

import gc
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pss
from harness import POOLS, Effort, Goal, Result, main

WORKERS = 8
GOALS = [Goal("coterie", limit=3)]


def measure(effort: Effort) -> Iterator[Result]:
    """Let the contenders take turns, each time in a new process."""
    if not pss.is_known():
        return
    print(f"\n.pth files in site-packages: {', '.join(pth_files()) or 'none'}")
    samples: dict[str, list[float]] = {name: [] for name in POOLS}
    for _ in range(min(effort.repeats, 5)):
        for name in POOLS:
            samples[name].append(one_sample(name))
    yield Result("memory of an idle worker", "MiB", samples, GOALS)


def pth_files() -> list[str]:
    """List the files that Python reads whenever an interpreter starts."""
    folders = map(Path, site.getsitepackages())
    return [path.name for folder in folders for path in folder.glob("*.pth")]


def one_sample(contender: str) -> float:
    """Run this file in a new process for one contender."""
    command = [sys.executable, __file__, contender]
    return float(subprocess.check_output(command))


def mebibytes_per_worker(contender: str) -> float:
    """Start workers, let each do something, and see what it cost."""
    gc.collect()
    before = pss.total_memory("self")
    pool = POOLS[contender](WORKERS)
    wait([pool.submit(time.sleep, 0.3) for _ in range(WORKERS)])
    after = pss.total_memory("self")
    pool.shutdown()
    return (after - before) / WORKERS / 2**20


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in POOLS:
        print(mebibytes_per_worker(sys.argv[1]))
    else:
        main(measure)
