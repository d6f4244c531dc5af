"""A call of the engine "process" (see _processes), which is its future as well."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProcessCall"]


class ProcessCall(Future["object"]):
    """What is asked for, and what comes of it.

    While the call runs it is PENDING to the base class: what runs could not be
    cancelled there.
    """

    def __init__(self, request: bytes, timeout: float | None) -> None:
        super().__init__()
        self.request = request
        self._timeout = timeout
        self._lock = threading.Lock()  # guards what follows
        self._has_begun = False
        self._is_over = False  # it was cancelled, or has ended
        self._is_unwanted = False  # it was interrupted
        self._ring: Callable[[], None] | None = None
        # Of the thread that waits for it: how often it was told to end, and by
        # when it has to be told, or given up.
        self.told = 0
        self.is_late = False
        self.deadline: float | None = None

    # ---- who wants it ----------------------------------------------------------

    def cancel(self) -> bool:
        """Cancel it if it has not begun: whether so."""
        with self._lock:
            if self._has_begun or self._is_over:
                return self.cancelled()
            self._is_over = True
        self._end_cancelled()
        return True

    def interrupt(self) -> bool:
        """Cancel the call if it has not begun; else stop it.

        Interrupted is raised in it, so that its finally blocks run, and the future
        is cancelled when it ends by that.  True if it will end or is cancelled;
        False if it has ended.  Does not wait.
        """
        if self.cancel():
            return True
        with self._lock:
            if not self._is_over:
                if self._ring is not None and not self._is_unwanted:
                    self._ring()
                self._is_unwanted = True
                return True
        return self.cancelled()

    def running(self) -> bool:
        """Whether it has begun and not ended."""
        with self._lock:
            return self._has_begun and not self._is_over

    # ---- who makes it ----------------------------------------------------------

    def begin(self) -> bool:
        """From now on it can be interrupted only; False: it was cancelled."""
        with self._lock:
            self._has_begun = not self._is_over
            return self._has_begun

    def watch(self, ring: Callable[[], None] | None) -> bool:
        """Whether it is still wanted.  *ring* is called when it is no more."""
        with self._lock:
            self._ring = ring
            return not self._is_unwanted

    def start_clock(self) -> None:
        """It runs now."""
        if self._timeout is not None:
            self.deadline = monotonic() + self._timeout

    def has_to_end(self) -> bool:
        """Whether it has to be told so, once more, or to be given up."""
        now = monotonic()
        if self.told == 0:
            with self._lock:
                if self._is_unwanted:
                    return True
            self.is_late = self.deadline is not None and now >= self.deadline
            return self.is_late
        return self.deadline is not None and now >= self.deadline

    def tell(self, grace: float) -> None:
        """It was told to end, and has *grace* seconds."""
        self.told += 1
        self.deadline = monotonic() + grace

    def stop(self) -> None:
        """It has ended because it was told to, or was given up."""
        if self.is_late:
            self.fail(
                TimeoutError(f"the call was not over after {self._timeout} seconds")
            )
            return
        self._end()
        self._end_cancelled()

    def succeed(self, result: object) -> None:
        self._end()
        self.set_result(result)

    def fail(self, exc: BaseException) -> None:
        self._end()
        self.set_exception(exc)

    def _end(self) -> None:
        with self._lock:
            self._is_over = True

    def _end_cancelled(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()
