"""What runs inside another interpreter, for `coterie.interpreters`.

Called there by `Interpreter.call`, with plain values.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEPT_SOURCES = 256  # of the latest scripts, for tracebacks


def execute(code: bytes, filename: str, source: str | None) -> None:
    """Run a marshalled code object in ``__main__``."""
    import marshal

    if source is not None:
        _remember_source(filename, source)
    namespace = sys.modules["__main__"].__dict__
    exec(marshal.loads(code), namespace, namespace)


_remembered: list[str] = []


def _remember_source(filename: str, source: str) -> None:
    """Let tracebacks show the lines, also those that the script prints itself."""
    import linecache

    # No time of modification: then linecache does not look for a file.
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = len(source), None, lines, filename
    _remembered.append(filename)
    if len(_remembered) > _KEPT_SOURCES:
        linecache.cache.pop(_remembered.pop(0), None)


def bind(values: dict[str, Any]) -> None:
    """Bind the values to names in ``__main__``."""
    sys.modules["__main__"].__dict__.update(values)


def get(name: str) -> Any:
    """Return an attribute of ``__main__``."""
    return getattr(sys.modules["__main__"], name)


def give_frame(builtin: Any) -> Any:
    """What is called in the place of a builtin that looks for its caller's frame.

    There is none where C code makes the call: it finds the names of ``__main__``.
    """

    def evaluate(
        source: Any, /, globals: Any = None, locals: Any = None, **more: Any
    ) -> Any:
        if globals is None:
            globals = sys.modules["__main__"].__dict__
        return builtin(source, globals, locals, **more)

    def look(*args: Any) -> Any:
        names = sys.modules["__main__"].__dict__
        if args:
            return builtin(*args)
        return sorted(names) if builtin is dir else names

    call = evaluate if builtin in (eval, exec) else look
    call.__name__ = call.__qualname__ = builtin.__name__
    return call


def join_threads(seconds: float) -> bool:
    """Wait for the threads that this interpreter has started; below 0: for ever.

    Whether they have ended.
    """
    import threading
    import time

    deadline = time.monotonic() + seconds
    here = threading.current_thread()
    for thread in threading.enumerate():
        if thread is here or thread is threading.main_thread() or thread.daemon:
            continue
        try:
            thread.join(None if seconds < 0 else max(0.0, deadline - time.monotonic()))
        except RuntimeError:
            continue  # a caller's, which was here and was not started here
        if thread.is_alive():
            return False
    return True


def interrupt_threads() -> None:
    """Raise KeyboardInterrupt in the threads that this interpreter has started."""
    import threading

    from coterie._core import raise_in_thread

    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.ident is not None:
            raise_in_thread(thread.ident, KeyboardInterrupt)


def allow_all_imports() -> None:
    """Import extension modules that do not support several interpreters."""
    from coterie._compat import import_check_off

    import_check_off()
