"""Peak memory of a process and its children, as Linux counts it.

It is the proportional set size: a page that n processes share counts 1/n in
each, so that the sum is what the machine had to give.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
PERIOD = 0.05


class PeakMemory:
    """Watches a process and all its descendants while the `with` block runs.

    `peak` is in bytes; it stays None where there is no /proc to look into.
    """

    def __init__(self, pid: int) -> None:
        self.peak: int | None = None
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD):
            now = sum(map(proportional_size, family(self._pid)))
            if now:
                self.peak = max(now, self.peak or 0)


def family(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for children in PROC.glob(f"{pid}/task/*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in children.read_text().split():
                yield from family(int(child))


def proportional_size(pid: int) -> int:
    """Give the proportional set size of one process in bytes."""
    with suppress(OSError):
        for line in (PROC / f"{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
