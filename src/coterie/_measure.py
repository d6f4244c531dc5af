"""What the runners send along with a call: who made it, and what it took."""

from __future__ import annotations

import os
import sys
from threading import get_ident
from time import perf_counter

from coterie._core import current_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # Process, interpreter, thread; seconds; bytes; result, exception.
    type Report = tuple[tuple[int, int, int], float, int, Any, BaseException | None]

_RESIDENT = 1  # of the numbers in /proc/self/statm, in pages


def resident_memory() -> int:
    """How many bytes of memory this process has, as the system counts them.

    Where that cannot be asked for: the most that it ever had.
    """
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[_RESIDENT]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def identify() -> tuple[int, int, int]:
    """Who runs this: process, interpreter, thread."""
    return os.getpid(), current_id(), get_ident()


def measured(fn: Callable[[], Any]) -> Report:
    """Call *fn*; what to report of it.  What it raises is no less an outcome."""
    begin = perf_counter()
    result = exception = None
    try:
        result = fn()
    except BaseException as exc:
        exception = exc
    return identify(), perf_counter() - begin, resident_memory(), result, exception


def measured_elsewhere(fn: Callable[[], Any]) -> Report:
    """The same where the report is pickled: of an exception that cannot be, what
    it says.
    """
    *report, exception = measured(fn)
    return *report, exception and _sendable(exception)


def _sendable(exc: BaseException) -> BaseException:
    from coterie._core import RemoteError, dumps, loads

    try:
        loads(dumps(exc))
    except Exception:
        cls = type(exc)
        return RemoteError(
            f"the call raised {cls.__module__}.{cls.__qualname__}, "
            f"which cannot be sent: {exc}"
        )
    return exc


def measured_dumped(block: bytes) -> bytes:
    """The same for a function and a report that travel as blocks of bytes."""
    from coterie._core import dumps, loads

    return dumps(measured_elsewhere(loads(block)))


def count_primes(limit: int) -> int:
    """Something to compute: how many primes there are below *limit*."""
    count = 0
    for n in range(2, limit):
        for divisor in range(2, int(n**0.5) + 1):
            if n % divisor == 0:
                break
        else:
            count += 1
    return count
