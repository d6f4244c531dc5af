"""Run one engine over all files, in a process of its own.

    python measure.py ENGINE WORKERS FILE...

The progress bar goes to standard error; a pickled `Run`, to standard output.
"""

import argparse
import pickle
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from threading import RLock
from time import perf_counter

from engines import ENGINES
from summary import Failure, Table, summarise
from tqdm import tqdm


@dataclass(frozen=True, slots=True)
class Run:
    """What one engine did, and how long it took."""

    start_up: float
    total: float
    results: list[Table | Failure]


def run(engine: str, workers: int, files: list[str]) -> Run:
    """Start the engine, let it summarise the files, and shut it down."""
    begin = perf_counter()
    with ENGINES[engine](workers) as engine_map:
        next(iter(engine_map(abs, [-1])))
        ready = perf_counter()
        results = list(with_progress(engine, engine_map(summarise, files), len(files)))
    return Run(ready - begin, perf_counter() - begin, results)


def with_progress[Item](name: str, items: Iterable[Item], total: int) -> Iterable[Item]:
    """Show a progress bar while the items come."""
    tqdm.set_lock(RLock())  # by default a lock of multiprocessing, and its process
    return tqdm(items, f"{name:>12}", total, unit="file", ncols=79)


def main() -> None:
    """Read the command line and write what was measured."""
    parser = argparse.ArgumentParser(description="Run one engine over all files.")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("workers", type=int)
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    pickle.dump(run(options.engine, options.workers, options.files), sys.stdout.buffer)


if __name__ == "__main__":
    main()
