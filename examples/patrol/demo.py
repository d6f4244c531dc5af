"""Search a large map for traps, with one worker, two, and so on.

python examples/patrol/demo.py              # a random map of 130 x 130
python examples/patrol/demo.py my-map.txt   # a map of your own
"""

import argparse
import os
from pathlib import Path
from time import perf_counter

from lab import Lab, candidates, generate, parse

import coterie


def main() -> None:
    """Do what the command line asks for."""
    options = parse_arguments()
    if options.map is None:
        lab = parse(generate(options.size, options.seed))
    else:
        lab = parse(options.map.read_text())
    places = list(candidates(lab))
    columns = lab.width - 2
    rows = len(lab.grid) // lab.width - 2
    print(f"{len(places)} places to try, on a map of {columns} x {rows}")
    print("workers  traps  seconds  speed-up")
    alone = None
    for workers in range(1, options.workers + 1):
        traps, seconds = search(lab, places, workers)
        alone = alone or seconds
        print(f"{workers:7}{traps:7}{seconds:9.2f}{alone / seconds:10.2f}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("map", nargs="?", type=Path, help="a text file: # is an obstacle, ^ the guard")
    add("--size", type=int, default=130, metavar="N", help="of a random map")
    add("--seed", type=int, default=6, metavar="N", help="of a random map")
    add("--workers", type=int, default=os.process_cpu_count() or 1, metavar="N")
    return parser.parse_args()


def search(lab: Lab, places: list[tuple[int, int]], workers: int) -> tuple[int, float]:
    """Count the traps; give the seconds, with those to start and end the workers."""
    begin = perf_counter()
    with coterie.Executor.from_entrypoint(
        "lab:is_trap", workers, bind={"grid": lab.grid, "width": lab.width}
    ) as executor:
        traps = sum(executor.map(places, chunksize=16))
    return traps, perf_counter() - begin


if __name__ == "__main__":
    main()
