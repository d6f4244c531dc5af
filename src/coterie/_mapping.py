"""A map at work: chunks of calls on their way, and their results.

The thread that asks for results does it all: it takes items, sends them, and
waits.  No thread of ours stands between, so that nothing is left behind when
the caller leaves, and an iterable is used by the thread that it belongs to.
"""

from __future__ import annotations

import collections
from _queue import Empty, SimpleQueue
from concurrent.futures import BrokenExecutor, CancelledError
from operator import itemgetter

from coterie._core import NotShareableError
from coterie._outcome import rebuild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any, Literal, Protocol

    from coterie._chunks import Pace, Source
    from coterie._progress import Progress
    from coterie.executor import Executor, Future

    type OnError = Literal["raise", "return", "skip"]

    # A task, the number of its items, and the items: not of one alone.
    type Part = tuple[Future[Any], int, list[Any]]

    class Line(Protocol):
        """What is on its way."""

        def __len__(self) -> int: ...
        def add(self, parts: list[Part]) -> None: ...
        def add_first(self, parts: list[Part]) -> None: ...
        def is_ready(self) -> bool: ...
        def wait(self, timeout: float) -> bool: ...
        def take(self) -> Part: ...
        def clear(self) -> None: ...


# What a chunk takes at its best: the sending is some microseconds.
CHUNK_SECONDS = 0.002
# One of a reduction may take longer: the less comes back.
FOLD_SECONDS = 0.02
# A chunk that takes so long after all gives back what it has not begun.
_BUDGET_NS = 20_000_000


class Ordered:
    """The oldest is the next."""

    def __init__(self) -> None:
        self._parts: collections.deque[Part] = collections.deque()

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, parts: list[Part]) -> None:
        self._parts.extend(parts)

    def add_first(self, parts: list[Part]) -> None:
        self._parts.extendleft(reversed(parts))

    def first(self) -> Future[Any]:
        """Return the next one."""
        return self._parts[0][0]

    def is_ready(self) -> bool:
        return self.first().done()

    def wait(self, timeout: float) -> bool:
        """Wait for the next one; whether it has ended."""
        try:
            self.first().exception(timeout)
        except (TimeoutError, CancelledError):
            pass
        return self.is_ready()

    def take(self) -> Part:
        """Remove the next one, whether it has ended or not."""
        return self._parts.popleft()

    def clear(self) -> None:
        self._parts.clear()


class Unordered:
    """The one that ends first is the next."""

    def __init__(self) -> None:
        self._parts: dict[Future[Any], Part] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._next: Future[Any] | None = None

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, parts: list[Part]) -> None:
        for part in parts:
            self._parts[part[0]] = part
            part[0].add_done_callback(self._ended.put)

    add_first = add

    def is_ready(self) -> bool:
        return self._next is not None or not self._ended.empty()

    def wait(self, timeout: float | None) -> bool:
        """Wait until one has ended; whether one has."""
        if self._next is None:
            try:
                self._next = self._ended.get(timeout=timeout)
            except Empty:
                return False
        return True

    def take(self) -> Part:
        """Wait until one has ended, and remove it."""
        self.wait(None)
        future, self._next = self._next, None
        assert future is not None
        return self._parts.pop(future)

    def clear(self) -> None:
        self._parts.clear()


class Mapping:
    """The calls of one map; owns the pool that they run in."""

    def __init__(
        self,
        pool: Executor,
        func: Callable[..., Any],
        source: Source,
        pace: Pace,
        *,
        workers: int,
        is_starred: bool,
        is_ordered: bool,
        has_fixed_chunks: bool,
        on_error: OnError,
    ) -> None:
        self._pool = pool
        self._func = func
        self._source = source
        self._pace = pace
        self._is_starred = is_starred
        self._on_error = on_error
        self._budget = 0 if has_fixed_chunks else _BUDGET_NS
        self._enough = 2 * workers  # chunks to keep the workers busy
        self._line: Line = Ordered() if is_ordered else Unordered()
        self._out = 0  # items whose results were not given yet

    # ---- sending ---------------------------------------------------------------

    def begin(self) -> None:
        """Send what is there at once."""
        self._feed(until=lambda: self._source.is_slow)

    def _feed(self, until: Callable[[], bool]) -> None:
        source, line, pace = self._source, self._line, self._pace
        while not source.is_exhausted and self._out < pace.room:
            room = pace.room - self._out
            if line and until():
                return
            if len(line) >= self._enough and (
                pace.is_growing or room < pace.chunk // 2
            ):
                return  # soon the next chunk may be larger
            items = source.take(pace.next_chunk(room, source.left))
            if items:
                self._out += len(items)
                line.add(self._send(items))

    def _has_results(self) -> bool:
        """Whether to give results first, before more items are taken."""
        source, line = self._source, self._line
        if line.is_ready():
            return source.is_slow or len(line) >= self._enough
        # Where one worker alone does more than the source gives, the result comes
        # before the next item, and shall not wait for it.
        seconds = self._pace.seconds
        if source.is_slow and (seconds is None or source.seconds > 4 * seconds):
            return line.wait(source.seconds)
        return False

    def _send(self, items: list[Any]) -> list[Part]:
        if len(items) == 1:
            return self._send_singly(items)
        try:
            return [(self._submit(items), len(items), items)]
        except NotShareableError:
            return self._send_singly(items)

    def _send_singly(self, items: list[Any]) -> list[Part]:
        """So that of items which cannot be sent, or not be made there, each fails."""
        return [(self._submit([item]), 1, []) for item in items]

    def _submit(self, items: list[Any]) -> Future[Any]:
        """Send them as one task; an item that cannot be sent raises."""
        goes_on = self._on_error != "raise"
        return self._pool._submit_each(
            self._func, items, self._is_starred, goes_on, self._budget
        )

    # ---- receiving -------------------------------------------------------------

    def _receive(self) -> tuple[list[Any], int, BaseException | None]:
        """The next results, of how many items they are, and what to raise then."""
        future, count, items = self._line.take()
        try:
            taken, results, failures, rest = future.result()
        except (BrokenExecutor, CancelledError):
            raise
        except Exception as exc:
            # All of the chunk: an item that cannot be sent, a result that cannot be
            # made here.
            return self._all_failed(exc, count)
        if rest is None:
            return self._none_was_called(items, failures)
        if rest:
            self._send_again(rest)
            count -= len(rest)
        self._pace.learn(count, taken, future._nbytes)
        error = self._put_failures(results, failures)
        return results, count, error

    def _send_again(self, rest: list[Any]) -> None:
        """Send items that took too long as one chunk, in two."""
        middle = (len(rest) + 1) // 2
        halves = [half for half in (rest[:middle], rest[middle:]) if half]
        self._line.add_first([part for half in halves for part in self._send(half)])

    def _none_was_called(
        self, items: list[Any], failures: list[tuple[int, Any]]
    ) -> tuple[list[Any], int, BaseException | None]:
        """One of the items cannot be made in the worker."""
        if not items:
            ((_, account),) = failures
            error = rebuild(account)
            assert isinstance(error, Exception)
            return self._all_failed(error, 1)
        self._line.add_first(self._send_singly(items))
        return [], 0, None

    def _all_failed(
        self, exc: Exception, count: int
    ) -> tuple[list[Any], int, BaseException | None]:
        if self._on_error == "raise":
            return [], count, exc
        return [exc] * count if self._on_error == "return" else [], count, None

    def _put_failures(
        self, results: list[Any], failures: list[tuple[int, Any]]
    ) -> BaseException | None:
        """Do with the failures as the caller wants it; what to raise at the end."""
        failures.sort(key=itemgetter(0))
        error = None
        for position, (index, account) in enumerate(failures):
            exc = rebuild(account)
            # The one after the last result has ended the calls.
            if self._on_error == "raise" or index == len(results):
                error = exc
                del failures[position:], results[index:]
                break
            results[index] = exc
        if self._on_error == "skip":
            for index, _ in reversed(failures):
                del results[index]
        return error

    def deliver(self, progress: Progress | None) -> Generator[Any]:
        """Give all results; begins with one None, which is for nobody.

        So it has begun when the caller gets it, and its end, by whatever it comes,
        is the end of the calls.
        """
        is_over = False
        try:
            yield
            while self._has_more():
                results, count, error = self._receive()
                # The one that is given now is not on its way any more.
                self._out -= 1
                if error is None and not self._source.is_slow:
                    error = self._feed_ahead()
                if progress is None:
                    yield from _handed_out(results)
                else:
                    skipped = count - len(results) if error is None else 0
                    yield from _counted(results, skipped, progress)
                self._out -= count - 1
                if error is not None:
                    raise error
            self._pool.shutdown()  # so that no interpreter is left
            is_over = True
        finally:
            error = None  # it holds this frame
            if not is_over:
                self.stop()

    def _has_more(self) -> bool:
        self._feed(until=self._has_results)
        return len(self._line) > 0

    def _feed_ahead(self) -> Exception | None:
        """Keep the workers busy while the caller works; what to raise after that."""
        try:
            self._feed(until=self._has_results)
        except Exception as exc:
            return exc
        return None

    def stop(self) -> None:
        """Cancel what has not begun and interrupt what runs."""
        self._line.clear()
        self._pool._cancel_pending()
        self._pool._interrupt(False)


class Folding(Mapping):
    """The chunks of one reduction: each gives one result.

    What comes of a chunk is all that travels back.
    """

    def __init__(
        self,
        pool: Executor,
        fold: Callable[[list[Any]], tuple[int, Any]],
        source: Source,
        pace: Pace,
        *,
        workers: int,
    ) -> None:
        super().__init__(
            pool,
            fold,
            source,
            pace,
            workers=workers,
            is_starred=False,
            is_ordered=True,
            has_fixed_chunks=True,
            on_error="raise",
        )

    def _send(self, items: list[Any]) -> list[Part]:
        return [(self._pool.submit(self._func, items), len(items), [])]

    def _receive(self) -> tuple[list[Any], int, BaseException | None]:
        future, count, _ = self._line.take()
        taken, result = future.result()
        self._pace.learn(count, taken, future._nbytes)
        return [result], count, None


def fold_of(
    map_f: Callable[[Any], Any], combine_f: Callable[[Any, Any], Any]
) -> Callable[[list[Any]], tuple[int, Any]]:
    """The function that is sent: maps and combines the items of a chunk."""

    # By value, with the two in it: so they are sent once, not with each chunk.
    def fold(items: list[Any]) -> tuple[int, Any]:
        from functools import reduce
        from time import perf_counter_ns

        begin = perf_counter_ns()
        result = reduce(combine_f, map(map_f, items))
        return perf_counter_ns() - begin, result

    return fold


def _handed_out(results: list[Any]) -> Iterator[Any]:
    # What is large comes alone, and is not kept while the caller works with it.
    return iter(results) if len(results) > 1 else _popped(results)


def _popped(results: list[Any]) -> Generator[Any]:
    while results:
        yield results.pop()


def _counted(results: list[Any], skipped: int, progress: Progress) -> Generator[Any]:
    """Tell of each item: those that were skipped come at the end."""
    results.reverse()
    while results:
        progress.update()
        yield results.pop()
    for _ in range(skipped):
        progress.update()
