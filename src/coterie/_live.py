"""A map over lines that come when they come, from a pipe or a terminal.

What is finished does not wait for the next line, and a line does not wait for what
is not finished.
"""

from __future__ import annotations

import collections
import os
import select

from coterie._chunks import Pace, Source
from coterie._mapping import CHUNK_SECONDS, Mapping, Ordered
from coterie.executor import Executor, _default_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from coterie.executor import Future

_READ_AT_ONCE = 1 << 16


class Lines:
    """The lines of a file descriptor; file names may be any bytes, and stay so."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: collections.deque[bytes] = collections.deque()
        self._begun: list[bytes] = []  # of the line that is not complete yet
        self._is_over = False

    def fileno(self) -> int:
        return self._fd

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        while not self._lines:
            if self._is_over:
                raise StopIteration
            select.select([self._fd], [], [])  # reading might not wait
            self._read()
        return os.fsdecode(self._lines.popleft())

    def is_ready(self) -> bool:
        """Whether there is a line, or the end, without a wait."""
        while not self._lines and not self._is_over:
            if not select.select([self._fd], [], [], 0)[0]:
                return False
            self._read()
        return True

    def _read(self) -> None:
        data = os.read(self._fd, _READ_AT_ONCE)
        self._is_over = not data
        whole, newline, rest = data.rpartition(b"\n")
        if newline or self._is_over:
            text = b"".join([*self._begun, whole, newline])
            self._lines.extend(text.splitlines())
            self._begun.clear()
        if rest:
            self._begun.append(rest)


class LiveSource(Source):
    """Gives what is there, and waits for the first item only."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines, (lines,))
        self._lines = lines

    @property
    def is_slow(self) -> bool:
        return not self._lines.is_ready()

    def take(self, most: int) -> list[Any]:
        chunk = []
        for line in self._lines:
            chunk.append(line)
            if len(chunk) == most or not self._lines.is_ready():
                return chunk
        self.is_exhausted = True
        return chunk


class LiveMapping(Mapping):
    """Waits for the next line and the next result, whatever comes first."""

    _line: Ordered

    def __init__(
        self, func: Callable[[str], Any], lines: Lines, *, workers: int
    ) -> None:
        super().__init__(
            Executor(workers, "coterie-map"),
            func,
            LiveSource(lines),
            Pace(workers, None, None, CHUNK_SECONDS),
            workers=workers,
            is_starred=False,
            is_ordered=True,
            has_fixed_chunks=False,
            on_error="raise",
        )
        self._lines = lines
        self._watched: Future[Any] | None = None  # tells by the pipe
        self._told, self._teller = os.pipe()
        os.set_blocking(self._teller, False)

    def _has_results(self) -> bool:
        lines = self._lines.fileno()
        while not (self._line.is_ready() or self._lines.is_ready()):
            self._watch(self._line.first())
            if self._told in select.select([lines, self._told], [], [])[0]:
                os.read(self._told, _READ_AT_ONCE)
        return self._line.is_ready() and (
            self._source.is_slow or len(self._line) >= self._enough
        )

    def _watch(self, future: Future[Any]) -> None:
        if future is not self._watched:
            self._watched = future
            future.add_done_callback(self._tell)

    def _tell(self, _: Future[Any]) -> None:
        try:
            os.write(self._teller, b"\0")
        except BlockingIOError:
            pass  # it is full of such news

    def _feed_ahead(self) -> Exception | None:
        # There is a result to give: not the moment to wait.
        try:
            self._feed(until=lambda: self._source.is_slow)
        except Exception as exc:
            return exc
        return None


def live_map(
    func: Callable[[str], Any], lines: Lines, workers: int | None
) -> Generator[Any]:
    """Return the results, in order; the calls have begun, and stop with them."""
    work = LiveMapping(func, lines, workers=workers or _default_workers())
    try:
        work.begin()
    except BaseException:
        work.stop()
        raise
    results = work.deliver(None)
    next(results)
    return results
