"""How the workers end when the program does.

A process that ends while interpreters are busy crashes, so nothing is left to
chance: accepted work is finished first (for as long as `exit_grace` allows),
then what waits is cancelled and what runs is interrupted, and only a worker
that is stuck in C code is left behind, by leaving the process without
finalization.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from functools import partial

from coterie import _compat, _core
from coterie._processors import available

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from coterie.interpreters import Interpreter

    class Engine(Protocol):
        def shutdown(self) -> None: ...

        def kill_workers(self) -> None:
            """Cancel what waits, and stop what runs."""


_STOP_SECONDS = 1.0  # for what runs, once it is interrupted
_AGAIN_SECONDS = 0.4  # a call that caught the first interrupt gets another
_KEPT_SECONDS = 10.0  # for interpreters in which no code runs any more

_MANY = 1000

# How many interpreters wait for the next pool, on a machine with few processors.
_KEPT_AT_LEAST = 4

_installed = False
_installed_for_interpreters = False
_has_left = False

_engines_lock = threading.Lock()
_engines: Any = None  # a WeakSet, of those that run calls elsewhere


def install() -> None:
    """Arrange for the workers' end; once in each interpreter."""
    global _installed
    if not _installed:
        # Raises RuntimeError when the interpreter is ending already, to every
        # caller: the mark comes after it.
        _compat.before_threads_are_joined(_leave)
        _installed = True
        if _core.is_main():
            # None any more, once _leave has begun.
            _core.keep_interpreters(max(available(), _KEPT_AT_LEAST))
        os.register_at_fork(
            before=_warn_of_fork, after_in_child=_core.after_fork_in_child
        )


def install_for_interpreters() -> None:
    """Arrange for the end of what coterie.interpreters made."""
    global _installed_for_interpreters
    install()
    if not _installed_for_interpreters and _core.is_main():
        # After the threads are joined, which may run code in them.
        atexit.register(_leave_interpreters)
        _installed_for_interpreters = True


def look_after(engine: Engine) -> None:
    """Arrange for the engine's end, which it may have had before."""
    global _engines
    with _engines_lock:
        if _engines is None:
            from concurrent.futures import thread  # noqa: F401  joins its own before us
            from weakref import WeakSet

            _engines = WeakSet()
            try:
                _compat.before_threads_are_joined(_leave_all)
            except RuntimeError:
                pass  # the end has begun: _leave looks
        _engines.add(engine)


def stop(pools: Sequence[_core.Pool], seconds: float = _STOP_SECONDS) -> bool:
    """Interrupt what the pools run, and wait; whether all of it ended.

    The pools take no more calls already.
    """
    deadline = time.monotonic() + seconds
    again = False
    while True:
        for pool in pools:
            pool._interrupt(again)
        until = min(time.monotonic() + _AGAIN_SECONDS, deadline)
        for pool in pools:
            pool._join(max(0.0, until - time.monotonic()), True)
        if not any(pool._worker_count for pool in pools):
            return True
        if until >= deadline:
            return False
        again = True


def _leave() -> None:
    global _has_left
    if _has_left:
        return
    _has_left = True
    _core.leave()
    pools = _core.pools()
    for pool in pools:
        pool._close()
    try:
        _finish(pools)
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:  # a signal handler may raise anything
        _whatever_signals_do(lambda: _end(pools))
        if _core.is_main():
            _whatever_signals_do(_end_kept)
        if _installed_for_interpreters:
            _whatever_signals_do(_stop_daemons)
        _end_callbacks()
    _end_engines()


def _leave_all() -> None:
    if _installed:
        _leave()  # first: what ends there may move to an engine
    _end_engines()


def _end_engines() -> None:
    """Let the engines end what they accepted; Ctrl-C gives them up."""
    engines = list(_engines or ())
    try:
        if not _was_interrupted():
            for engine in engines:
                engine.shutdown()
            return
    except (KeyboardInterrupt, SystemExit):
        pass
    for engine in engines:
        _whatever_signals_do(engine.kill_workers)
    for engine in engines:
        _give_up(engine)


def _give_up(engine: Engine) -> None:
    ending = threading.Thread(target=engine.shutdown)
    ending.start()
    while ending.is_alive():
        engine.kill_workers()  # a call may catch it, or have begun just now
        ending.join(_AGAIN_SECONDS)


def _finish(pools: Sequence[_core.Pool]) -> None:
    """Let accepted work end, within the pools' grace; Ctrl-C ends the grace."""
    begin = time.monotonic()
    for pool in sorted(pools, key=_grace):
        if _was_interrupted():
            return
        grace = pool._exit_grace
        if grace is None:
            pool._join(None, False)
        elif not pool._join(begin + grace - time.monotonic(), False):
            pool._cancel_pending()
            pool._interrupt(False)


def _was_interrupted() -> bool:
    """Whether Ctrl-C has left a wait of ours, or is what ends the program."""
    last = getattr(sys, "last_exc", None)
    return _core.was_interrupted() or isinstance(last, KeyboardInterrupt)


def _end(pools: Sequence[_core.Pool]) -> None:
    for pool in pools:
        pool._cancel_pending()
    if not _stop_all():
        if _core.is_main():
            stuck = _core.pools()
            _leave_stuck(
                ", ".join(f"{pool._name} ({pool._worker_count})" for pool in stuck)
            )
        # Only the process can be left: a worker stays until that happens.
        for pool in _core.pools():
            pool._join(None, True)


def _end_kept() -> None:
    if not _core.join_kept(_KEPT_SECONDS):
        _leave_stuck("an interpreter that is ending")


def _end_callbacks() -> None:
    """Let callbacks that are due end; Ctrl-C bounds it, before or now."""
    # An interpreter that is not the main one may not leave the thread behind.
    is_bounded = _core.is_main() and _was_interrupted()
    try:
        _core.end_dispatcher(_STOP_SECONDS if is_bounded else None)
    except KeyboardInterrupt:
        pass


def _stop_all() -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while True:
        try:
            return stop(_core.pools(), deadline - time.monotonic())
        except BaseException:  # a signal handler's, or there is no memory
            if time.monotonic() > deadline:
                return False


def _grace(pool: _core.Pool) -> float:
    return float("inf") if pool._exit_grace is None else pool._exit_grace


def _whatever_signals_do(function: Callable[[], None]) -> None:
    """Call *function*, again and again while a signal handler leaves it.

    Not for ever: what fails every time is no signal handler's doing.
    """
    for _ in range(_MANY):
        try:
            function()
        except BaseException:
            continue
        return
    function()


def _leave_interpreters() -> None:
    """Close the interpreters that are left, as CPython would, but busy ones too."""
    from coterie.interpreters import list_all

    left = [interpreter for interpreter in list_all() if interpreter._is_ours]
    if left:
        import warnings

        try:
            warnings.warn(
                "remaining subinterpreters; close them with Interpreter.close()",
                RuntimeWarning,
                stacklevel=2,
            )
        except RuntimeWarning:  # by the user's filters: they are closed no less
            sys.excepthook(*sys.exc_info())
    stuck: list[Interpreter] = []
    for interpreter in left:
        _whatever_signals_do(partial(_end_interpreter, interpreter, stuck))
    _core.end_parked()
    if stuck or not _core.join_closing(_STOP_SECONDS):
        # Callbacks that were registered before ours do not run any more.
        _say_stuck(", ".join(map(repr, stuck)) or "an interpreter that is ending")
        _leave_process()


def _end_interpreter(interpreter: Interpreter, stuck: list[Interpreter]) -> None:
    from coterie.interpreters import InterpreterError, InterpreterNotFoundError

    # Threads inside are waited for, as those of the main interpreter are; Ctrl-C
    # ends that.
    try:
        if interpreter.is_running() or _was_interrupted():
            interpreter.close(interrupt=True, timeout=_STOP_SECONDS)
        else:
            interpreter.close()
    except InterpreterNotFoundError:
        pass
    except InterpreterError:
        stuck.append(interpreter)


def _stop_daemons() -> None:
    """Interrupt what runs in interpreters on threads that nobody will join."""
    from coterie.interpreters import list_all

    joined = {t.ident for t in threading.enumerate() if not t.daemon}
    stuck: list[Interpreter] = []
    for interpreter in list_all():
        if interpreter._is_ours and interpreter._runner not in (None, *joined):
            _end_interpreter(interpreter, stuck)
    if stuck:
        _leave_stuck(", ".join(map(repr, stuck)))


def _leave_stuck(names: str) -> None:
    """Leave the process although code runs: never through finalization."""
    _say_stuck(names)
    try:
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread():
                thread.join()
    except KeyboardInterrupt:
        pass  # as where the interpreter joins them
    # All but our own, which would find the stuck ones once more.
    atexit.unregister(_leave_interpreters)
    _compat.run_exit_callbacks()
    _leave_process()


def _say_stuck(names: str) -> None:
    print(
        "coterie: leaving with workers that could not be stopped, in C code "
        f"or a call that catches Interrupted: {names}",
        file=sys.stderr,
    )


def _leave_process() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    # sys.exit(n) leaves no trace of n that could be seen here.
    os._exit(1 if getattr(sys, "last_exc", None) is not None else 0)


def _warn_of_fork() -> None:
    """os.fork is refused before; what comes here is preexec_fn of subprocess."""
    _core.end_idle()
    if _core.interpreters():
        import warnings

        warnings.warn(
            "a fork while coterie's interpreters are alive kills the child: "
            "subprocess with preexec_fn forks; use its other arguments "
            "(start_new_session, process_group, umask...) instead",
            RuntimeWarning,
            stacklevel=2,
        )
