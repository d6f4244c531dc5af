"""map and its like: a function over many items, in parallel."""

from __future__ import annotations

import builtins
import collections
import functools
import itertools
import time

from coterie._chunks import Pace, from_iterables, from_tuples
from coterie._mapping import CHUNK_SECONDS, FOLD_SECONDS, Folding, Mapping, fold_of
from coterie._streams import Streams, is_generator_function
from coterie.executor import Executor, _default_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any, Literal, Protocol

    from coterie._chunks import Source
    from coterie._mapping import OnError
    from coterie._progress import Callback
    from coterie.executor import Future

    class Results[R](Iterator[R], Protocol):
        """An iterator that stops the work when it is closed."""

        def close(self) -> None: ...


__all__ = ["imap_unordered", "map", "reduce", "starmap"]

_missing: Any = object()


def map[R](
    func: Callable[..., R],
    *iterables: Iterable[Any],
    workers: int | None = None,
    chunksize: int | Literal["auto"] = "auto",
    ordered: bool = True,
    buffersize: int | None = None,
    progress: bool | Callback | None = None,
    on_error: OnError = "raise",
) -> Results[R]:
    """Return an iterator over ``func(*args)`` for args of zip(*iterables).

    The first calls start at once, in *workers* interpreters (None: as many as
    there are processors to use).  Closing the iterator, or losing it, stops the
    rest: what has not begun is cancelled, what runs is interrupted.  The results
    of a generator function are what it yields, and come while it runs.

    chunksize: how many items are sent at once; "auto" measures.
    ordered: False gives results as they come, not in the order of the items.
    buffersize: how many items at most are taken before their results are asked
        for; None: by itself, so that workers are busy and memory is bounded.
    progress: True shows a progress bar on standard error; a function is called
        with the number of finished items and of all, or None if that is unknown.
    on_error: "raise" what a call raised, at its place, and stop; "return" the
        exception at its place; or "skip" the item.
    """
    if not iterables:
        raise TypeError("map() must have at least one iterable")
    wanted = _Options(workers, chunksize, ordered, buffersize, progress, on_error)
    return _start("map", func, from_iterables(iterables), wanted)


def starmap[R](
    func: Callable[..., R],
    iterable: Iterable[Iterable[Any]],
    *,
    workers: int | None = None,
    chunksize: int | Literal["auto"] = "auto",
    ordered: bool = True,
    buffersize: int | None = None,
    progress: bool | Callback | None = None,
    on_error: OnError = "raise",
) -> Results[R]:
    """Return an iterator over ``func(*args)`` for args of *iterable*.

    Otherwise as map().
    """
    wanted = _Options(workers, chunksize, ordered, buffersize, progress, on_error)
    return _start("starmap", func, from_tuples(iterable), wanted)


def imap_unordered[R](
    func: Callable[..., R],
    *iterables: Iterable[Any],
    workers: int | None = None,
    chunksize: int | Literal["auto"] = "auto",
    buffersize: int | None = None,
    progress: bool | Callback | None = None,
    on_error: OnError = "raise",
) -> Results[R]:
    """Return an iterator over the results as they come: map(ordered=False)."""
    if not iterables:
        raise TypeError("imap_unordered() must have at least one iterable")
    wanted = _Options(workers, chunksize, False, buffersize, progress, on_error)
    return _start("imap_unordered", func, from_iterables(iterables), wanted)


class _Options:
    """What the maps have in common, checked."""

    def __init__(
        self,
        workers: int | None,
        chunksize: int | Literal["auto"],
        ordered: bool,
        buffersize: int | None,
        progress: bool | Callback | None,
        on_error: OnError,
    ) -> None:
        if workers is None:
            workers = _default_workers()
        self.workers = _positive("workers", workers)
        self.chunksize = None
        if chunksize != "auto":
            self.chunksize = _positive("chunksize", chunksize, '"auto" or ')
        self.is_ordered = bool(ordered)
        self.buffersize = None
        if buffersize is not None:
            self.buffersize = _positive("buffersize", buffersize, "None or ")
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            raise TypeError(
                "progress must be True, False, None or a function, not "
                f"{type(progress).__name__}"
            )
        self.progress = progress
        if on_error not in ("raise", "return", "skip"):
            raise ValueError(
                f'on_error must be "raise", "return" or "skip", not {on_error!r}'
            )
        self.on_error = on_error

    def pace(self, target: float) -> Pace:
        return Pace(self.workers, self.chunksize, self.buffersize, target)


def _positive(name: str, value: object, or_else: str = "") -> int:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be {or_else}an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be {or_else}greater than 0, not {value}")
    return value


def _check_callable(name: str, func: object) -> None:
    if not callable(func):
        raise TypeError(f"{name} must be callable, not {type(func).__name__}")


def _start[R](
    name: str, func: Callable[..., R], items: tuple[Source, bool], wanted: _Options
) -> Results[R]:
    """Send the first items; the results, which have begun."""
    _check_callable("func", func)
    source, is_starred = items
    work = _work(name, func, source, is_starred, wanted)
    try:
        work.begin()
    except BaseException:
        work.stop()
        raise
    if wanted.progress is None or wanted.progress is False:
        results = work.deliver(None)
    else:
        total = None if isinstance(work, Streams) else source.total
        results = _with_bar(work, total, wanted.progress)
    next(results)
    return results


def _work(
    name: str,
    func: Callable[..., Any],
    source: Source,
    is_starred: bool,
    wanted: _Options,
) -> Mapping | Streams:
    name = f"coterie-{name}"
    if is_generator_function(func):
        return Streams(
            # What waits for room in a queue would wait for ever.
            Executor(wanted.workers, name, exit_grace=0),
            func,
            source,
            workers=wanted.workers,
            is_starred=is_starred,
            is_ordered=wanted.is_ordered,
            buffersize=wanted.buffersize,
            on_error=wanted.on_error,
        )
    return Mapping(
        Executor(wanted.workers, name),
        func,
        source,
        wanted.pace(CHUNK_SECONDS),
        workers=wanted.workers,
        is_starred=is_starred,
        is_ordered=wanted.is_ordered,
        has_fixed_chunks=wanted.chunksize is not None,
        on_error=wanted.on_error,
    )


def _with_bar(
    work: Mapping | Streams, total: int | None, progress: bool | Callback
) -> Generator[Any]:
    from coterie._progress import progress_bar

    try:
        with progress_bar(total, progress) as bar:
            yield from work.deliver(bar)
    finally:
        work.stop()  # also if there is no bar to be had


def reduce[T, R](
    map_f: Callable[[T], R],
    combine_f: Callable[[R, R], R],
    items: Iterable[T],
    initial: R = _missing,
    *,
    workers: int | None = None,
    chunksize: int | Literal["auto"] = "auto",
    buffersize: int | None = None,
    progress: bool | Callback | None = None,
) -> R:
    """Return combine_f of map_f(item) for all items, from the left to the right.

    As functools.reduce(combine_f, map(map_f, items)), for a *combine_f* that is
    associative: each worker combines the results of a chunk of neighbours, and
    what comes of the chunks is combined here, in the order of the items.

    initial: comes before the first item, and is the answer if there is none.
    Otherwise as map(); an int as chunksize makes the same chunks every time.
    """
    _check_callable("map_f", map_f)
    _check_callable("combine_f", combine_f)
    wanted = _Options(workers, chunksize, True, buffersize, progress, "raise")
    source, _ = from_iterables((items,))
    work = Folding(
        Executor(wanted.workers, "coterie-reduce"),
        fold_of(map_f, combine_f),
        source,
        wanted.pace(FOLD_SECONDS),
        workers=wanted.workers,
    )
    try:
        work.begin()
        results = _folded(work, source.total, wanted.progress)
        begin: tuple[R, ...] = () if initial is _missing else (initial,)
        result: R = functools.reduce(combine_f, itertools.chain(begin, results))
        return result
    finally:
        work.stop()


def _folded(
    work: Folding, total: int | None, progress: bool | Callback | None
) -> Generator[Any]:
    from coterie._progress import progress_bar

    with progress_bar(total, progress or False) as bar:
        results = work.deliver(bar)
        next(results)
        yield from results


def map_with[R](
    pool: Executor,
    fn: Callable[..., R],
    *iterables: Iterable[Any],
    timeout: float | None,
    chunksize: int,
    buffersize: int | None,
) -> Iterator[R]:
    """Executor.map: the iterator over the results."""
    deadline = _deadline(timeout, chunksize, buffersize)
    if chunksize > 1 and pool._can_reference(fn):
        calls = zip(*iterables, strict=False)
        return _in_chunks(pool, fn, calls, chunksize, buffersize, deadline)
    return _in_order(_submissions(pool, fn, iterables), buffersize, deadline)


def starmap_with[R](
    pool: Executor,
    fn: Callable[..., R],
    iterable: Iterable[Iterable[Any]],
    *,
    timeout: float | None,
    chunksize: int,
    buffersize: int | None,
) -> Iterator[R]:
    """The same for tuples of arguments."""
    deadline = _deadline(timeout, chunksize, buffersize)
    calls = builtins.map(tuple, iterable)
    if chunksize > 1 and pool._can_reference(fn):
        return _in_chunks(pool, fn, calls, chunksize, buffersize, deadline)
    tasks = itertools.starmap(functools.partial(pool.submit, fn), calls)
    return _in_order(tasks, buffersize, deadline)


def _deadline(
    timeout: float | None, chunksize: int, buffersize: int | None
) -> float | None:
    """Check what Executor.map was given; when the results are too late."""
    if chunksize < 1:
        raise ValueError("chunksize must be >= 1.")
    if buffersize is not None and not isinstance(buffersize, int):
        raise TypeError("buffersize must be an integer or None")
    if buffersize is not None and buffersize < 1:
        raise ValueError("buffersize must be None or > 0")
    return None if timeout is None else time.monotonic() + timeout


def _in_chunks[R](
    pool: Executor,
    fn: Callable[..., R],
    calls: Iterator[tuple[Any, ...]],
    chunksize: int,
    buffersize: int | None,
    deadline: float | None,
) -> Iterator[R]:
    chunks = itertools.batched(calls, chunksize, strict=False)
    tasks = (pool._submit_many(fn, list(chunk)) for chunk in chunks)
    results = _in_order(tasks, buffersize, deadline)
    return itertools.chain.from_iterable(results)


def _submissions[R](
    pool: Executor, fn: Callable[..., R], iterables: tuple[Iterable[Any], ...]
) -> Iterator[Future[R]]:
    """Submit as it is iterated, with no Python code per item.

    That would cost as much as the sending.
    """
    if not iterables:
        return iter(())
    return builtins.map(pool.submit, itertools.repeat(fn), *iterables)


def _in_order[R](
    tasks: Iterator[Future[R]], buffersize: int | None, deadline: float | None
) -> Iterator[R]:
    """Start *buffersize* tasks now; the iterator over all their results."""
    # The next one last: taken off a list's end it costs nothing.
    futures = list(itertools.islice(tasks, buffersize))
    futures.reverse()
    if buffersize is not None:
        return _refilled(collections.deque(futures), tasks, deadline)
    return _results(futures, deadline)


def _results[R](futures: list[Future[R]], deadline: float | None) -> Iterator[R]:
    waiting: list[Any] = futures
    try:
        while waiting:
            # In place: the one that is waited for is cancelled with the rest,
            # and no result is kept here while the caller works with it.
            waiting[-1] = waiting[-1].result(
                None if deadline is None else deadline - time.monotonic()
            )
            yield waiting.pop()
    finally:
        for future in waiting:
            future.cancel()
        waiting.clear()  # an exception holds this frame, and a future it


def _refilled[R](
    futures: collections.deque[Future[R]],
    tasks: Iterator[Future[R]],
    deadline: float | None,
) -> Iterator[R]:
    """Fetch a new task for each result that is about to be yielded."""
    try:
        while futures:
            futures.extendleft(itertools.islice(tasks, 1))
            yield _result_or_cancel(futures.pop(), deadline)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel[R](future: Future[R], deadline: float | None) -> R:
    timeout = None if deadline is None else deadline - time.monotonic()
    try:
        return future.result(timeout)
    except BaseException:
        future.cancel()  # late, or Ctrl-C: nobody waits for it any more
        raise
    finally:
        del future  # which holds the exception, which holds this frame
