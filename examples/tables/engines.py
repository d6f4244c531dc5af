"""One engine a function: start it, and it gives a `map` to work with.

This is all that differs between them.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any

type Map = Callable[..., Iterator[Any]]
type Engine = Callable[[int], AbstractContextManager[Map]]


@contextmanager
def loop(workers: int) -> Iterator[Map]:
    """One after another; the number of workers does not matter."""
    yield map


@contextmanager
def threads(workers: int) -> Iterator[Map]:
    """Threads, which share one GIL."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        yield pool.map


@contextmanager
def processes(workers: int) -> Iterator[Map]:
    """Processes, forked from a clean server process."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
        yield pool.map


@contextmanager
def interpreters(workers: int) -> Iterator[Map]:
    """The standard library's sub-interpreters, since Python 3.14."""
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(workers) as pool:
        yield pool.map


@contextmanager
def coterie(workers: int) -> Iterator[Map]:
    """Coterie's sub-interpreters."""
    from coterie import Executor

    with Executor(workers) as pool:
        yield pool.map


ENGINES: dict[str, Engine] = {
    "loop": loop,
    "threads": threads,
    "processes": processes,
    "interpreters": interpreters,
    "coterie": coterie,
}


def why_not(engine: str) -> str | None:
    """Say why an engine cannot run here, if it cannot."""
    if engine == "interpreters" and sys.version_info < (3, 14):
        return "InterpreterPoolExecutor came with Python 3.14"
    if engine == "coterie" and find_spec("coterie") is None:
        return "coterie is not installed"
    return None
