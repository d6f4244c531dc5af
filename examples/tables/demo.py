"""Summarise a folder of tables with one engine after another, and compare.

    python examples/tables/demo.py            # every flight from NYC in 2013
    python examples/tables/demo.py FOLDER     # CSV and XLSX files of your own

Each engine runs in a fresh process, so that start-up and memory are its own.
Memory is the peak of the summed proportional set size (PSS) of that process and
its workers, looked at 20 times a second in /proc; elsewhere it is left out.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engines import ENGINES, why_not
from measure import Run
from memory import PeakMemory
from summary import READERS, Failure, Table

HERE = Path(__file__).resolve().parent
BUSY = 0.5  # processors in use before the demo begins
BUILD = HERE.parents[1] / ".build" / "demo"


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine's run and the memory it took."""

    engine: str
    run: Run
    memory: int | None


def main() -> int:
    """Do what the command line asks for."""
    options = parse_arguments()
    files = tables_in(options.folder or own_tables(), options.files)
    print(f"{len(files)} tables, {options.workers} workers, Python {python_version()}")
    if os.getloadavg()[0] > BUSY:
        print("other programs keep this machine busy: the times will say little")
    done = list(measure_all(options.engines, options.workers, files))
    if not done:
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    print_results(done[0].run.results)
    print_comparison(done)
    write_summaries(options.out / "summaries.json", done[0].run.results)
    draw_chart(options.out / "engines.svg", done, options.workers)
    return 0 if len(done) == len(options.engines) and all_equal(done) else 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", nargs="?", type=Path, help="where CSV and XLSX files are")
    add("--workers", type=int, default=os.process_cpu_count() or 1, metavar="N")
    add("--engines", nargs="+", choices=ENGINES, help="default: all that run here")
    add("--files", type=int, metavar="N", help="take only the first N files")
    add("--out", type=Path, default=BUILD, metavar="FOLDER", help="for the picture")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers: at least one")
    options.engines = [e for e in options.engines or ENGINES if can_run(e)]
    return options


def can_run(engine: str) -> bool:
    """Tell whether an engine runs here; if it does not, say why."""
    reason = why_not(engine)
    if reason:
        print(f"without {engine}: {reason}")
    return reason is None


def own_tables() -> Path:
    """Give the folder of the flights, written at the first time."""
    from sample import sample_tables

    return sample_tables(BUILD / "tables")


def tables_in(folder: Path, limit: int | None) -> list[str]:
    """List the tables in a folder and the folders in it."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in READERS)
    files = sorted(map(str, found))[:limit]
    if not files:
        raise SystemExit(f"no tables ({', '.join(READERS)}) in {folder}")
    return files


def measure_all(
    engines: Iterable[str], workers: int, files: Sequence[str]
) -> Iterable[Measured]:
    """Run the engines one after another; one that breaks is reported."""
    for engine in engines:
        try:
            yield measure(engine, workers, files)
        except subprocess.CalledProcessError as error:
            print(f"{engine} failed: exit status {error.returncode}")


def measure(engine: str, workers: int, files: Sequence[str]) -> Measured:
    """Run one engine in a fresh process and watch its memory."""
    command = [sys.executable, str(HERE / "measure.py"), engine, str(workers), *files]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process,
        PeakMemory(process.pid) as memory,
    ):
        output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Measured(engine, pickle.loads(output), memory.peak)


def environment() -> dict[str, str]:
    """Let workers of every kind find the modules of this folder."""
    path = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def print_results(results: Sequence[Table | Failure]) -> None:
    """Say how much was read, and which files could not be."""
    tables = [result for result in results if isinstance(result, Table)]
    rows = sum(table.rows for table in tables)
    columns = sum(len(table.columns) for table in tables)
    print(f"\nread {len(tables)} tables: {rows:,} rows, {columns:,} columns")
    for result in results:
        if isinstance(result, Failure):
            print(f"could not read {result.file}\n    {result.reason}")


def print_comparison(done: Sequence[Measured]) -> None:
    """Print one line for each engine."""
    print("\nengine         start-up     total   speed-up   peak memory   results")
    for this in done:
        print(
            f"{this.engine:<12}"
            f"{this.run.start_up * 1000:>8.1f} ms"
            f"{this.run.total:>8.2f} s"
            f"{done[0].run.total / this.run.total:>9.2f} x"
            f"{in_mebibytes(this.memory):>10.1f} MiB"
            f"   {'equal' if all_equal((done[0], this)) else 'DIFFERENT'}"
        )


def all_equal(done: Sequence[Measured]) -> bool:
    """Tell whether all engines came to the same results."""
    return all(this.run.results == done[0].run.results for this in done)


def write_summaries(path: Path, results: Sequence[Table | Failure]) -> None:
    """Write what was found out about the tables."""
    content = [asdict(result) for result in results]
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
    print(f"\nsummaries: {path}")


def draw_chart(path: Path, done: Sequence[Measured], workers: int) -> None:
    """Draw the comparison, if matplotlib is here."""
    try:
        from chart import draw
    except ImportError:
        print("no picture: that needs matplotlib (pip install 'coterie[demo]')")
        return
    files = len(done[0].run.results)
    draw(
        path,
        f"{files} tables, {workers} workers, Python {python_version()}",
        [this.engine for this in done],
        [this.run.total for this in done],
        [this.run.start_up for this in done],
        [in_mebibytes(this.memory) for this in done],
    )
    print(f"picture:   {path}")


def in_mebibytes(size: int | None) -> float:
    """Give a size in MiB, and not a number where it is not known."""
    return float("nan") if size is None else size / 2**20


def python_version() -> str:
    """Give the version that runs here, as X.Y.Z."""
    return ".".join(map(str, sys.version_info[:3]))


if __name__ == "__main__":
    sys.exit(main())
