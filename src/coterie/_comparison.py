"""python -m coterie.runners: the runners at the same work, in a table.

Each runs in a process of its own, so that none finds what another has left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial

from coterie import _compat, _measure
from coterie.runners import RUNNERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MIB = 2**20
_HEAD = ("runner", "workers", "start-up", "total", "speed-up", "memory of", "")
_UNITS = ("", "", "", "", "", "a process", "an interpreter")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _parse(arguments)
    if options.measure:
        print(json.dumps(_measure_here(options)))
        return
    rows = {}
    for name in options.runner or RUNNERS:
        rows[name] = _measure_in_child(name, options)
    print(_table(rows))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m coterie.runners",
        description="Compare what runs calls side by side: count primes, "
        "in as many calls as there are, by each runner.",
    )
    parser.add_argument(
        "runner", nargs="*", help=f"{', '.join(RUNNERS)}; all of them if none is named"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--limit", type=int, default=100_000, help="of the primes")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name in options.runner:
        if name not in RUNNERS:
            parser.error(f"there is no runner {name!r}")
    for number in ("workers", "calls"):
        if getattr(options, number) < 1:
            parser.error(f"--{number} must be at least 1")
    return options


def _measure_in_child(name: str, options: argparse.Namespace) -> dict[str, Any] | str:
    """What one runner took, or why it cannot run here."""
    numbers = ("workers", "calls", "limit")
    ended = subprocess.run(
        [
            *(sys.executable, *_compat.interpreter_flags()),
            *("-m", "coterie.runners", "--measure", name),
            *(f"--{number}={getattr(options, number)}" for number in numbers),
        ],
        capture_output=True,
        text=True,
    )
    if ended.returncode == 0:
        return dict(json.loads(ended.stdout.splitlines()[-1]))
    return ended.stderr.strip().rpartition("\n")[2] or f"ended by {ended.returncode}"


def _measure_here(options: argparse.Namespace) -> dict[str, Any]:
    runner = RUNNERS[options.runner[0]](options.workers)
    call = partial(_measure.count_primes, options.limit)
    run = runner.start([call] * options.calls)
    assert len(set(run.results)) == 1
    return {
        "workers": runner.workers,
        "startup": run.startup,
        "total": run.total,
        "process": run.memory_per_process,
        "interpreter": run.memory_per_interpreter,
    }


def _table(rows: dict[str, dict[str, Any] | str]) -> str:
    base = rows.get("main")
    lines: list[Sequence[str]] = [_HEAD, _UNITS]
    for name, row in rows.items():
        if isinstance(row, str):
            lines.append((name, row))
            continue
        faster = base["total"] / row["total"] if isinstance(base, dict) else None
        lines.append(
            (
                name,
                str(row["workers"]),
                f"{row['startup'] * 1e3:.1f} ms",
                f"{row['total']:.2f} s",
                "" if faster is None else f"{faster:.2f}",
                f"{row['process'] / _MIB:.1f} MiB",
                f"{row['interpreter'] / _MIB:.1f} MiB",
            )
        )
    width = max(len(line[0]) for line in lines)
    return "\n".join(_line(line, width) for line in lines)


def _line(cells: Sequence[str], width: int) -> str:
    first, *others = cells
    if len(others) == 1:  # why there are no numbers
        return f"{first:{width}}   {others[0]}"
    widths = (10, 12, 10, 10, 12, 16)
    row = "".join(f"{cell:>{n}}" for cell, n in zip(others, widths, strict=True))
    return f"{first:{width}}{row}".rstrip()
