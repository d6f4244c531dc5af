"""Where the items of a map come from, and how many of them are sent at once."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Sized
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_NANOSECONDS = 1e9

# Nobody waits for the next item of these.
_AT_HAND = frozenset({bytearray, bytes, dict, frozenset, list, range, set, str, tuple})

# While a chunk is put together, the items that it has already wait.
_PATIENCE = 100e-6

_LARGEST_CHUNK = 2048
_GROWTH = 4

# What is on its way if the caller sets no bound: so much work for each worker,
# but not more than so many items and bytes.
_AHEAD_SECONDS = 1.0
_AHEAD_ITEMS = 8192
_AHEAD_BYTES = 64 << 20


def _length(iterables: tuple[Iterable[Any], ...]) -> int | None:
    try:
        sizes = [len(each) for each in iterables if isinstance(each, Sized)]
    except (TypeError, OverflowError, NotImplementedError):
        return None  # it stands before a generator, say, or is too long for len()
    return min(sizes) if len(sizes) == len(iterables) else None


class Source:
    """The items, in the order of the iterables.

    They are taken by the thread that asks for results, and by no other.
    """

    def __init__(self, items: Iterator[Any], iterables: tuple[Iterable[Any], ...]):
        self._items = items
        self._is_at_hand = all(type(each) in _AT_HAND for each in iterables)
        self.total = _length(iterables)
        self.left = self.total
        self.is_exhausted = False
        self.seconds = 0.0  # that the last items took, each

    @property
    def is_slow(self) -> bool:
        """Whether what is finished should not wait for the next item."""
        return self.seconds > _PATIENCE

    def take(self, most: int) -> list[Any]:
        """Return the next items, at most so many, and fewer if they come slowly."""
        chunk = self._take_at_once(most) if self._is_at_hand else self._take(most)
        if self.left is not None:
            self.left = max(0, self.left - len(chunk))
        return chunk

    def _take_at_once(self, most: int) -> list[Any]:
        chunk = list(itertools.islice(self._items, most))
        self.is_exhausted = len(chunk) < most
        return chunk

    def _take(self, most: int) -> list[Any]:
        begin = perf_counter()
        chunk: list[Any] = []
        size = 1
        while size > 0:
            before = len(chunk)
            chunk.extend(itertools.islice(self._items, size))
            if len(chunk) - before < size:
                self.is_exhausted = True
                break
            if perf_counter() - begin > _PATIENCE:
                break
            # More and more at once: a look at the clock costs as much as an item.
            size = min(2 * size, most - len(chunk))
        self.seconds = (perf_counter() - begin) / max(1, len(chunk))
        return chunk


def from_iterables(iterables: tuple[Iterable[Any], ...]) -> tuple[Source, bool]:
    """The items for map, and whether they are tuples of arguments."""
    if len(iterables) == 1:
        return Source(iter(iterables[0]), iterables), False
    return Source(zip(*iterables, strict=False), iterables), True


def from_tuples(iterable: Iterable[Iterable[Any]]) -> tuple[Source, bool]:
    """The items for starmap, and that they are tuples of arguments."""
    return Source(builtins.map(tuple, iterable), (iterable,)), True


class Pace:
    """How many items make a chunk, and how many may be on their way.

    It measures: a chunk shall take `target` seconds, so that the sending of
    tiny tasks costs little and long ones are spread over the workers.
    """

    def __init__(
        self,
        workers: int,
        chunksize: int | None,
        buffersize: int | None,
        target: float,
    ) -> None:
        self._workers = workers
        self._is_measured = chunksize is None
        self.is_growing = False  # the next chunk will be larger for sure
        self._buffersize = buffersize
        self._target = target
        self._nbytes = 0.0  # of one item, or of its result
        self.seconds: float | None = None  # that one item takes
        self.chunk = min(chunksize or 1, buffersize or chunksize or 1)
        self.room = buffersize or 4 * workers * self.chunk

    def learn(self, count: int, nanoseconds: int, nbytes: int) -> None:
        """Take into account how long a chunk took, and how large it was."""
        seconds = nanoseconds / _NANOSECONDS / count
        if self.seconds is not None:
            seconds = (self.seconds + seconds) / 2
        self.seconds = seconds
        self._nbytes = (self._nbytes + nbytes / count) / 2
        if self._is_measured:
            ideal = int(self._target / seconds) if seconds > 0 else _LARGEST_CHUNK
            # Not far beyond what was seen: the next items may take longer.
            known = max(self.chunk, _GROWTH * count)
            ideal = min(ideal, _LARGEST_CHUNK)
            self.chunk = max(1, min(ideal, known))
            self.is_growing = known < ideal
        if self._buffersize is None:
            self.room = self._look_ahead(seconds)
        if self._is_measured:
            # So that each worker has a chunk to do and one to go on with.
            self.chunk = max(1, min(self.chunk, self.room // (2 * self._workers)))

    def _look_ahead(self, seconds: float) -> int:
        least = 4 * self._workers * self.chunk
        items = _AHEAD_SECONDS * self._workers / max(seconds, 1e-9)
        bound = _AHEAD_BYTES / max(self._nbytes, 1.0)
        return max(
            2 * self._workers, int(min(max(least, min(items, _AHEAD_ITEMS)), bound))
        )

    def next_chunk(self, room: int, left: int | None) -> int:
        """How many items to send next, if there is room for so many."""
        most = min(self.chunk, room)
        if left is not None and self._is_measured:
            # The last chunks become smaller, for all workers to end together; not
            # so small that the sending takes longer.
            most = min(most, max(left // (2 * self._workers), self.chunk // 16))
        return max(1, most)
