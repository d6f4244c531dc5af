"""A generator function that is mapped: its results arrive while it runs.

Each generator runs in a worker as one task and puts what it yields into a
bounded queue: one queue for each if the results come in the order of the items,
else one for all.  Who asks for results takes items, sends them and reads the
queues, as in `_mapping`.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError

from coterie._core import Queue
from coterie._outcome import rebuild
from coterie.queue import Full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from coterie._chunks import Source
    from coterie._mapping import OnError
    from coterie._progress import Progress
    from coterie.executor import Executor, Future

_GENERATOR = 0x20  # inspect.CO_GENERATOR, which is an import of 10 ms

# How many results wait in a queue, if the caller does not say.
_CAPACITY = 64


def is_generator_function(func: Any) -> bool:
    """Whether a call gives a generator; also behind methods and partials."""
    while not hasattr(func, "__code__"):
        inner = getattr(func, "func", None) or getattr(func, "__func__", None)
        if inner is None or inner is func:
            return False
        func = inner
    return bool(getattr(func.__code__, "co_flags", 0) & _GENERATOR)


def _pump_of(
    func: Callable[..., Generator[Any]], is_starred: bool
) -> Callable[[Any, Queue[Any], int], Any]:
    # By value, with `func` in it: so it is sent once, not with each item.
    def pump(item: Any, queue: Queue[Any], tag: int) -> Any:
        from coterie._pour import pour

        return pour(queue, tag, func, item if is_starred else (item,))

    # What cannot be sent is an argument of that function, for all the caller knows.
    pump.__qualname__ = getattr(func, "__qualname__", repr(func))
    return pump


class Streams:
    """The generators of one map; owns the pool that they run in."""

    def __init__(
        self,
        pool: Executor,
        func: Callable[..., Generator[Any]],
        source: Source,
        *,
        workers: int,
        is_starred: bool,
        is_ordered: bool,
        buffersize: int | None,
        on_error: OnError,
    ) -> None:
        self._pool = pool
        self._pump = _pump_of(func, is_starred)
        self._source = source
        self._most = 2 * workers  # running, and ready to go on with
        self._capacity = buffersize or _CAPACITY
        self._on_error = on_error
        self._shared: Queue[Any] | None = None if is_ordered else Queue(self._capacity)
        # By tag, in the order of the items.
        self._running: dict[int, tuple[Queue[Any], Future[Any]]] = {}
        self._tags = 0
        # Those that never ran, or not to the end.
        self._lost: set[int] = set()

    def begin(self) -> None:
        """Start what is there at once."""
        self._feed(until=lambda: True)

    def _feed(self, until: Callable[[], bool]) -> None:
        source, running = self._source, self._running
        while not source.is_exhausted and len(running) < self._most:
            if running and source.is_slow and until():
                return
            for item in source.take(1):
                self._start(item)

    def _has_results(self) -> bool:
        return not self._next_queue().empty()

    def _next_queue(self) -> Queue[Any]:
        return next(iter(self._running.values()))[0]

    def _start(self, item: Any) -> None:
        tag = self._tags
        self._tags += 1
        queue = self._shared or Queue(self._capacity)

        def note_if_lost(future: Future[Any]) -> None:
            if future.cancelled() or future.exception() is not None:
                self._lost.add(tag)
                try:
                    queue.put_nowait((tag,))
                except Full:
                    pass  # then nobody waits; _lost is looked at before the next wait

        future = self._pool.submit(self._pump, item, queue, tag)
        self._running[tag] = queue, future
        future.add_done_callback(note_if_lost)

    def deliver(self, progress: Progress | None) -> Generator[Any]:
        """Give all results; begins with one None, as Mapping.deliver does."""
        is_over = False
        try:
            yield
            while self._has_more():
                for result in self._receive():
                    if progress is not None:
                        progress.update()
                    yield result
            self._pool.shutdown()  # so that no interpreter is left
            is_over = True
        finally:
            if not is_over:
                self.stop()

    def _has_more(self) -> bool:
        self._feed(until=self._has_results)
        return len(self._running) > 0

    def _receive(self) -> Generator[Any]:
        if (lost := self._next_lost()) is not None:
            yield from self._end(lost)
            return
        try:
            batch = self._next_queue().get_many(self._capacity)
        except Exception as exc:  # the next result cannot be made here
            yield from self._instead(exc)
            return
        batch.reverse()
        while batch:
            tag, *result = batch.pop()
            yield from result or self._end(tag)

    def _next_lost(self) -> int | None:
        """Which one has ended without a word, and is next."""
        if not self._lost:
            return None
        if self._shared is not None:
            return min(self._lost)
        tag, (queue, _) = next(iter(self._running.items()))
        return tag if tag in self._lost and queue.empty() else None

    def _end(self, tag: int) -> list[BaseException]:
        """The generator has ended: what is given for it, if that was by an error."""
        self._lost.discard(tag)
        if tag not in self._running:
            return []
        _, future = self._running.pop(tag)
        try:
            account = future.result()
        except (BrokenExecutor, CancelledError):
            raise
        except Exception as exc:
            error: BaseException = exc  # it never ran: the item cannot be sent
        else:
            if account is None:
                return []
            error = rebuild(account)
        try:
            return self._instead(error)
        finally:
            del error  # it holds this frame

    def _instead(self, error: BaseException) -> list[BaseException]:
        """What is given where this happened, if it is not raised."""
        try:
            if self._on_error == "raise" or not isinstance(error, Exception):
                raise error
            return [error] if self._on_error == "return" else []
        finally:
            del error  # it holds this frame

    def stop(self) -> None:
        """Cancel what has not begun and interrupt what runs.

        The queues stay open: a generator that is closed because its queue is shut
        down could be interrupted while it cleans up.
        """
        self._running.clear()
        self._pool._cancel_pending()
        self._pool._interrupt(False)
