"""The engine "dask": calls on the workers of a Dask cluster."""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import threading

try:
    from distributed import Client, LocalCluster, WorkerPlugin
except ImportError as error:
    raise ImportError(
        "engine='dask' needs distributed 2024.12 or newer: install coterie[dask]",
        name=error.name,
    ) from error

from coterie import _remote
from coterie._core import NotShareableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["DaskEngine"]


class DaskEngine(concurrent.futures.Executor):
    """Calls by a client of *address*, or by *client*, which stays open then.

    Without both: on a cluster of its own, of *max_workers* processes here.
    """

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        address: str | None = None,
        client: Client | None = None,
        bind: dict[str, Any] | None = None,
    ) -> None:
        if address is not None and client is not None:
            raise TypeError("engine='dask' takes an address or a client, not both")
        self._to_close: list[Any] = []  # in this order
        if client is None:
            if address is None:
                cluster = _local_cluster(max_workers, thread_name_prefix)
                self._to_close.append(cluster)
                address = cluster.scheduler_address
            client = Client(address, set_as_default=False)
            self._to_close.insert(0, client)
        self._client = client
        self._executor = client.get_executor(pure=False)
        self._lock = threading.Lock()
        self._unsettled: set[concurrent.futures.Future[Any]] = set()
        self._is_closed = False
        # Sent once, to all workers.
        self._bound = client.scatter(dict(bind), broadcast=True) if bind else None
        if initializer is not None:
            self._initialize(initializer, initargs)

    def _initialize(
        self, initializer: Callable[..., object], initargs: tuple[Any, ...]
    ) -> None:
        from coterie.executor import BrokenInterpreterPool

        try:
            self._client.register_plugin(
                _Initializer(initializer, initargs), name=f"coterie-{id(self):x}"
            )
        except Exception as exc:
            self.shutdown()
            raise BrokenInterpreterPool(
                f"an initializer failed: {type(exc).__name__}: {exc}"
            ) from exc

    def submit[T](
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        # The client has keywords of its own (key, workers, retries...).
        call: Any = functools.partial(fn, **kwargs) if kwargs else fn
        with self._lock:
            if self._is_closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
        if self._bound is not None:
            args = self._bound, call, *args
            call = _remote.call_bound
        try:
            future: concurrent.futures.Future[T] = self._executor.submit(
                _with_check(call), *args
            )
        except TypeError as exc:  # the client's, for what cannot be pickled
            raise NotShareableError(f"call not shareable: {exc}") from exc
        with self._lock:
            self._unsettled.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._unsettled.discard(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            self._is_closed = True
            unsettled = list(self._unsettled)
        if cancel_futures:
            for future in unsettled:
                future.cancel()
        if wait:
            self._close(unsettled)
        else:
            threading.Thread(target=self._close, args=(unsettled,)).start()

    def kill_workers(self) -> None:
        """Cancel all; the workers themselves are the cluster's."""
        self.shutdown(wait=False, cancel_futures=True)

    def _close(self, unsettled: list[concurrent.futures.Future[Any]]) -> None:
        concurrent.futures.wait(unsettled)
        with self._lock:
            to_close, self._to_close = self._to_close, []
        for it in to_close:
            it.close()


def _with_check(fn: Callable[..., Any]) -> Callable[..., Any]:
    """See there whether the result can leave: the client would ask for ever.

    It goes by value, to workers that need not have this package.
    """
    if inspect.iscoroutinefunction(fn):
        return fn

    # Its name, and for who looks (coterie.dask) what it is.
    @functools.wraps(fn, assigned=["__name__"], updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        from cloudpickle import dumps

        result = fn(*args, **kwargs)
        try:
            dumps(result, protocol=5, buffer_callback=lambda _: None)
        except Exception as exc:
            why = f"result not shareable: {exc}"
            try:
                from coterie import NotShareableError
            except ImportError:
                raise TypeError(why) from exc
            raise NotShareableError(why) from exc
        return result

    return call


def _local_cluster(workers: int, name: str) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        name=name or None,
    )


class _Initializer(WorkerPlugin):  # type: ignore[misc]
    """Calls a pool's initializer in each process, those that come later too."""

    def __init__(
        self, initializer: Callable[..., object], initargs: tuple[Any, ...]
    ) -> None:
        self._call = functools.partial(initializer, *initargs)

    def setup(self, worker: Any) -> None:
        self._call()
