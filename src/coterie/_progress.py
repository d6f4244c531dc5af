"""A progress bar, a function of the caller's, or nothing: one interface."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

type Callback = Callable[[int, int | None], object]

_lock = threading.RLock()


class Progress(Protocol):
    """What is told of each finished item."""

    def update(self) -> object:
        """Count one more item."""

    def write(self, text: str, file: TextIO) -> None:
        """Write a line without tearing the bar."""


class _Silent:
    def update(self) -> None:
        pass

    def write(self, text: str, file: TextIO) -> None:
        print(text, file=file, flush=True)


class _Told(_Silent):
    def __init__(self, callback: Callback, total: int | None) -> None:
        self._callback = callback
        self._total = total
        self._done = 0

    def update(self) -> None:
        self._done += 1
        self._callback(self._done, self._total)


@contextmanager
def progress_bar(total: int | None, enabled: bool | Callback) -> Iterator[Progress]:
    """Show how many of `total` items are done, as long as the block runs.

    `enabled` is True for a bar on standard error, False for nothing, or a
    function that is called with the number of items done and the total.
    """
    if not enabled:
        yield _Silent()
    elif callable(enabled):
        yield _Told(enabled, total)
    else:
        with _bar_type()(total=total) as bar:
            yield bar


def _bar_type() -> Any:
    # Not before somebody asks for a bar; and tqdm.auto, which imports asyncio, only
    # where it would give another one: in a notebook.
    name = "tqdm.auto" if "IPython" in sys.modules else "tqdm"
    tqdm = importlib.import_module(name).tqdm

    # A type of our own, for its lock: tqdm's is one of multiprocessing, for which
    # a process is started.  And without its thread, which would be left behind.
    bar_type: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar_type.set_lock(_lock)
    return bar_type
