"""What all benchmarks share: contenders, interleaved repeats, goals, tables.

The contenders take turns (A B C, A B C...), so that what disturbs the machine
disturbs them alike, and only ratios within one run are to be trusted.
"""

import argparse
import datetime
import json
import math
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import coterie
from coterie import Executor

HAS_INTERPRETERS = sys.version_info >= (3, 14)
if HAS_INTERPRETERS:
    from concurrent.futures import InterpreterPoolExecutor
HAS_LOKY = find_spec("loky") is not None

HERE = Path(__file__).resolve().parent

type Loop = Callable[[int], float]  # do it n times, give the seconds


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often to measure."""

    repeats: int
    seconds: float  # that one repeat should take
    scale: int  # what large numbers of items are divided by


THOROUGH = Effort(repeats=9, seconds=0.1, scale=1)
QUICK = Effort(repeats=2, seconds=0.005, scale=100)


@dataclass(frozen=True, slots=True)
class Goal:
    """How much less coterie should need than another, or how much at most."""

    contender: str
    ratio: float = 1.0
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The samples of all contenders at one task."""

    task: str
    unit: str
    samples: dict[str, list[float]]
    goals: list[Goal] = field(default_factory=list)
    by_best: bool = False  # of long samples: each is disturbed, if only now and then

    def value(self, contender: str) -> float:
        """Give what counts of a contender's samples: the median, or the least."""
        choose = min if self.by_best else statistics.median
        return choose(self.samples[contender])

    def ratio(self, contender: str) -> float:
        """Tell how many times as much as coterie another contender needs."""
        own = self.value("coterie")  # 0 is memory that has not grown
        return self.value(contender) / own if own else math.inf

    def reaches(self, goal: Goal) -> bool:
        """Tell whether coterie is as good as was hoped."""
        if goal.limit is None:
            return self.ratio(goal.contender) >= goal.ratio
        return self.value(goal.contender) <= goal.limit


def thread_pool(workers: int) -> Pool:
    """Make a pool of threads."""
    return ThreadPoolExecutor(workers)


def process_pool(workers: int) -> Pool:
    """Make a pool of processes, by the start method that is quick and safe."""
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(workers, context)


def loky_pool(workers: int) -> Pool:
    """Make a pool of loky's processes, with its defaults.

    Imported only where it is used: workers that are processes, of whatever kind,
    import this file again.
    """
    return import_module("loky").ProcessPoolExecutor(workers)


def interpreter_pool(workers: int) -> Pool:
    """Make a pool of the standard library's sub-interpreters."""
    return InterpreterPoolExecutor(workers)


def coterie_pool(workers: int) -> Pool:
    """Make a pool of coterie's interpreters."""
    return Executor(workers)


POOLS: dict[str, Callable[[int], Pool]] = {
    "processes": process_pool,
    **({"loky": loky_pool} if HAS_LOKY else {}),
    "threads": thread_pool,
    **({"interpreters": interpreter_pool} if HAS_INTERPRETERS else {}),
    "coterie": coterie_pool,
}


def import_pool(contender: str) -> None:
    """Import what a pool comes from, if that is not here: it shall not count."""
    if contender == "loky":
        import_module("loky")


@contextmanager
def all_pools(workers: int) -> Iterator[dict[str, Pool]]:
    """Open a pool of each kind."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(make(workers)) for name, make in POOLS.items()}


def interleaved(loops: Mapping[str, Loop], effort: Effort) -> dict[str, list[float]]:
    """Measure the seconds that one turn of each loop takes, by turns."""
    counts = {name: calibrated(loop, effort) for name, loop in loops.items()}
    samples: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(effort.repeats):
        for name, loop in loops.items():
            samples[name].append(loop(counts[name]) / counts[name])
    return samples


def calibrated(loop: Loop, effort: Effort) -> int:
    """Find how many turns take as long as one repeat should."""
    count = 1
    while (taken := loop(count)) < effort.seconds / 4:
        count *= 2
    return max(1, round(count * effort.seconds / taken))


def in_unit(factor: float, samples: dict[str, list[float]]) -> dict[str, list[float]]:
    """Give all samples, multiplied."""
    return {name: [factor * s for s in each] for name, each in samples.items()}


microseconds = 1e6
milliseconds = 1e3


@dataclass(frozen=True, slots=True)
class Placement:
    """The processors that the caller and its only worker may run on."""

    name: str
    caller: set[int]
    worker: set[int]

    @contextmanager
    def __call__(self, pools: Iterable[Pool]) -> Iterator[None]:
        """Put the calling thread and the workers of the pools in their place."""
        before = current_affinity()
        for pool in pools:
            place_worker(pool, self.worker)
        place_caller(self.caller)
        try:
            yield
        finally:
            place_caller(before)
            for pool in pools:
                place_worker(pool, before)


def placements() -> list[Placement]:
    """List the placements that can be measured here."""
    cores = current_affinity()
    anywhere = Placement("anywhere", cores, cores)
    if len(cores) < 2:
        return [anywhere]
    first, second, *_ = sorted(cores)
    return [
        Placement("two cores", {first}, {second}),
        Placement("one core", {first}, {first}),
        anywhere,
    ]


def current_affinity() -> set[int]:
    """Give the processors that the calling thread may use, if that is known."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def place_caller(cores: set[int]) -> None:
    """Pin the calling thread: on Linux, 0 is the thread, not the process."""
    if cores:
        os.sched_setaffinity(0, cores)


def place_worker(pool: Pool, cores: set[int]) -> None:
    """Pin the only worker of a pool, by a task that pins its thread."""
    if cores:
        pool.submit(os.sched_setaffinity, 0, cores).result()


def main(
    measure: Callable[[Effort], Iterable[Result]], folders: Iterable[Path] = ()
) -> None:
    """Run the benchmark of one file: `python benchmarks/NAME.py`.

    Workers import from this folder and those given.
    """
    find_work([HERE, *folders])
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only see if it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the samples")
    options = parser.parse_args()
    results = []
    for result in measure(QUICK if options.quick else THOROUGH):
        print_result(result)
        results.append(result)
    if options.json:
        options.json.write_text(json.dumps([as_json(result) for result in results]))


def find_work(folders: Iterable[Path]) -> None:
    """Start again with the folders on the path of workers of every kind."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    missing = [folder for folder in map(str, folders) if folder not in path]
    if missing:
        os.environ["PYTHONPATH"] = os.pathsep.join([*missing, *filter(None, path)])
        os.execv(sys.executable, [sys.executable, *sys.argv])


def print_result(result: Result) -> None:
    """Print one line for each contender, coterie's last."""
    print(f"\n{result.task}, {result.unit}")
    for name in result.samples:
        ratio = "" if name == "coterie" else readable(result.ratio(name))
        print(f"  {name:<16}{result.value(name):>12.3f}{ratio:<12}", end="")
        print(*(verdict(result, g) for g in result.goals if g.contender == name))
    sys.stdout.flush()


def readable(ratio: float) -> str:
    """Give a ratio with as many digits as its goal has."""
    return f"{ratio:>10.2f}x" if ratio < 10 else f"{ratio:>9.1f}x"


def verdict(result: Result, goal: Goal) -> str:
    """Say what the goal is and whether it is reached."""
    if goal.limit is None:
        text = f"at least {goal.ratio:g}x"
    else:
        text = f"at most {goal.limit:g} {result.unit}"
    return f"  goal: {text}: {'reached' if result.reaches(goal) else 'NOT REACHED'}"


def as_json(result: Result) -> dict[str, object]:
    """Give the result with what can be read off it."""
    names = result.samples
    return asdict(result) | {
        "value": {name: result.value(name) for name in names},
        "ratio": {name: result.ratio(name) for name in names},
        "goals": [
            asdict(goal) | {"reached": result.reaches(goal)}
            for goal in result.goals
            if goal.contender in names
        ],
    }


def machine() -> dict[str, object]:
    """Say where and when this was measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "coterie": coterie.__version__,
        "python": sys.version,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.process_cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def processor() -> str:
    """Give the processor's name, as far as it is known."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def timed(call: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
