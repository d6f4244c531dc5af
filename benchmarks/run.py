"""Run the benchmarks, print ratios beside the goals, and save all samples.

    python benchmarks/run.py                       # half an hour
    python benchmarks/run.py --quick               # only see that all works
    python benchmarks/run.py --only codec queues

Each file here asks one question and runs in a process of its own. The goals are
set for CPython 3.15 on two cores.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from harness import HERE, machine

QUESTIONS = (
    "round_trip",
    "pipelined",
    "map_items",
    "queues",
    "channels",
    "locks",
    "awaiting",
    "codec",
    "interpreters",
    "start_up",
    "idle_memory",
    "queued",
    "workloads",
)
RESULTS = HERE.parent / ".build" / "benchmarks"


def main() -> int:
    """Do what the command line asks for."""
    options = parse_arguments()
    where = machine()
    print("\n".join(f"{name}: {value}" for name, value in where.items()))
    answers = {name: answer(name, options.quick) for name in options.only}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{where['date']}.json".replace(":", "")
    path.write_text(json.dumps(where | {"quick": options.quick, "results": answers}))
    print(f"\n{summary(answers.values())}\nall samples: {path}")
    return 1 if None in answers.values() else 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="only see that all works")
    add("--only", nargs="+", choices=QUESTIONS, default=QUESTIONS, metavar="NAME",
        help=", ".join(QUESTIONS))  # fmt: skip
    add("--out", type=Path, default=RESULTS, metavar="FOLDER", help="for the samples")
    return parser.parse_args()


def answer(question: str, quick: bool) -> Sequence[dict[str, Any]] | None:
    """Run one file; give its results, or None if it broke."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.json"
        command = [sys.executable, str(HERE / f"{question}.py"), "--json", str(samples)]
        status = subprocess.run(command + ["--quick"] * quick).returncode
        if status:
            print(f"{question} failed: exit status {status}", file=sys.stderr)
            return None
        return json.loads(samples.read_text())


def summary(answers: Iterable[Sequence[dict[str, Any]] | None]) -> str:
    """Say how many of the goals are reached."""
    results = chain.from_iterable(answer or () for answer in answers)
    reached = [goal["reached"] for result in results for goal in result["goals"]]
    return f"goals: {sum(reached)} of {len(reached)} reached"


if __name__ == "__main__":
    sys.exit(main())
