"""Memory as Linux counts it: the proportional set size (PSS).

A page that n processes share counts 1/n in each, so that the sum is what the
machine had to give.
"""

from pathlib import Path

PROC = Path("/proc")


def is_known() -> bool:
    """Tell whether this system counts it; if it does not, say so."""
    known = (PROC / "self/smaps_rollup").exists()
    if not known:
        print("\nmemory: not measured, there is no /proc/self/smaps_rollup")
    return known


def total_memory(pid: str) -> int:
    """Give the proportional set size of a process and all its descendants."""
    total = proportional_size(PROC / pid / "smaps_rollup")
    for children in PROC.glob(f"{pid}/task/*/children"):
        total += sum(map(total_memory, children.read_text().split()))
    return total


def proportional_size(rollup: Path) -> int:
    """Give the proportional set size of one process in bytes."""
    for line in rollup.read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no Pss in {rollup}")
