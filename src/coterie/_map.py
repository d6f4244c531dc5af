"""map: a function over many items, in parallel and in order."""

from __future__ import annotations

import builtins
import collections
import itertools
import time

from coterie.executor import Executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any, Protocol, Self

    from coterie.executor import Future

    class Results[R](Iterator[R], Protocol):
        """An iterator that stops the work when it is closed."""

        def close(self) -> None: ...


__all__ = ["map"]


def map[R](
    func: Callable[..., R],
    *iterables: Iterable[Any],
    workers: int | None = None,
    progress: bool = False,
) -> Results[R]:
    """Return an iterator over ``func(*args)`` for args of zip(*iterables).

    The calls start at once, in *workers* interpreters (None: as many as there
    are processors to use), and the results come in the order of the items.
    Closing the iterator, or losing it, stops the rest: what has not begun is
    cancelled, what runs is interrupted.  A call that raises ends the iteration
    with its exception.

    progress: True shows a progress bar on standard error.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, not {type(func).__name__}")
    if not iterables:
        raise TypeError("map() must have at least one iterable")
    pool = Executor(workers, thread_name_prefix="coterie-map")
    try:
        futures = collections.deque(_submissions(pool, func, iterables))
        pool._close()
    except BaseException:
        pool._cancel_pending()
        pool._interrupt(False)
        raise
    results = _Results(pool, futures)
    return _with_progress(results, len(futures)) if progress else results


def _with_progress(results: _Results, total: int) -> Generator[Any]:
    from coterie._progress import progress_bar

    with progress_bar(total, enabled=True) as bar:
        try:
            for result in results:
                bar.update()
                yield result
        finally:
            results.close()


class _Results:
    """The results of futures in order; owns the pool that they come from."""

    def __init__(self, pool: Executor, futures: collections.deque[Future[Any]]) -> None:
        self._pool: Executor | None = pool
        self._futures = futures

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if not self._futures:
            self._end()
            raise StopIteration
        try:
            return self._futures.popleft().result()
        except BaseException:
            self.close()
            raise

    def _end(self) -> None:
        # Joined, so that no interpreter is left when the loop is over.
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.shutdown()

    def close(self) -> None:
        """Cancel what has not begun and interrupt what runs."""
        self._futures.clear()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool._cancel_pending()
            pool._interrupt(False)

    def __del__(self) -> None:
        self.close()


def map_with[R](
    pool: Executor,
    fn: Callable[..., R],
    *iterables: Iterable[Any],
    timeout: float | None,
    chunksize: int,
    buffersize: int | None,
) -> Iterator[R]:
    """Executor.map: the iterator over the results."""
    if chunksize < 1:
        raise ValueError("chunksize must be >= 1.")
    if buffersize is not None and not isinstance(buffersize, int):
        raise TypeError("buffersize must be an integer or None")
    if buffersize is not None and buffersize < 1:
        raise ValueError("buffersize must be None or > 0")
    deadline = None if timeout is None else time.monotonic() + timeout
    if chunksize > 1 and pool._can_reference(fn):
        calls = zip(*iterables, strict=False)
        chunks = itertools.batched(calls, chunksize, strict=False)
        tasks = (pool._submit_many(fn, list(chunk)) for chunk in chunks)
        results = _in_order(tasks, buffersize, deadline)
        return itertools.chain.from_iterable(results)
    return _in_order(_submissions(pool, fn, iterables), buffersize, deadline)


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
