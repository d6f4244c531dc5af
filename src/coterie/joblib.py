"""joblib's loops in interpreters.

Importing this module registers the backend "coterie"::

    import coterie.joblib
    with joblib.parallel_config(backend="coterie"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(f)(x) for x in items)
"""

from __future__ import annotations

try:
    from joblib import register_parallel_backend
    from joblib.parallel import (
        AutoBatchingMixin,
        FallbackToBackend,
        ParallelBackendBase,
        SequentialBackend,
    )
except ImportError as error:
    raise ImportError(
        "coterie.joblib needs joblib 1.5 or newer: install coterie[joblib]",
        name=error.name,
    ) from error

from coterie import _remote
from coterie._engines import FallbackExecutor, check_fallback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

__all__ = ["CoterieBackend"]


class CoterieBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs the calls of joblib.Parallel in interpreters.

    fallback:
        Where those go whose function or arguments need an extension module that
        refuses to be imported there: "process", "main" or "shared", as of
        coterie.Executor.

    Only the functions and their arguments reach an interpreter; joblib itself,
    which could not be imported there, stays outside.
    """

    supports_retrieve_callback = True
    uses_threads = False
    supports_sharedmem = False
    default_n_jobs = -1

    def __init__(self, *, fallback: str = "process", **options: Any) -> None:
        super().__init__(**options)
        check_fallback(fallback)
        self._fallback = fallback
        self._pool: FallbackExecutor | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many calls run at the same time, for that many jobs."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs < 0:
            from coterie.executor import _default_workers

            return max(_default_workers() + 1 + n_jobs, 1)
        return n_jobs

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **memmapping: Any,
    ) -> int:
        """Open the pool of a loop: how many workers it has."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self._pool = self._open(n_jobs)
        self.parallel = parallel
        return n_jobs

    def _open(self, workers: int) -> FallbackExecutor:
        return FallbackExecutor(workers, "coterie-joblib", fallback=self._fallback)

    def submit(
        self, func: Any, callback: Callable[[Future[Any]], object] | None = None
    ) -> Future[list[Any]]:
        """Start a batch of calls."""
        assert self._pool is not None
        functions = {id(fn): fn for fn, _, _ in func.items}
        only = functions.popitem()[1] if len(functions) == 1 else None
        future = self._pool._submit_with(only, _remote.run_batch, func.items)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future[list[Any]]) -> list[Any]:
        """The results of a batch that has ended."""
        return future.result()

    def start_call(self) -> None:
        """Forget what a loop that failed has left.

        joblib keeps the batches that it had cut and not sent yet, and would put
        their results before those of the next loop of the same Parallel.
        """
        super().start_call()
        left = getattr(self.parallel, "_ready_batches", None)
        if left is not None:
            with left.mutex:
                left.queue.clear()

    def terminate(self) -> None:
        """Close the pool, at the end of a loop."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.shutdown()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel what waits and interrupt what runs: a call has failed."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool._give_up()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)


register_parallel_backend("coterie", CoterieBackend)
