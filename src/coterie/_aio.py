"""How a task of asyncio or trio waits: the awaitable twins of what blocks.

A wait parks no thread. It stands in the lines of what it waits for, and who
wakes it posts it to the inbox of its event loop, which polls that like a
socket. Then the task looks again, as a thread that was woken does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from coterie import _core
from coterie.queue import ShutDown

if TYPE_CHECKING:
    import asyncio

# ---- event loops -------------------------------------------------------------


class _Hub(Protocol):
    """What connects one event loop with the waits of its tasks.

    It is found by its loop, weakly, so it must not hold that.
    """

    inbox: _core.Inbox

    def task(self) -> Any:
        """Return the task that runs now."""

    def name(self) -> str:
        """Return its name."""

    async def before(self) -> None:
        """Do what is this loop's custom before an operation."""

    async def after(self) -> None:
        """Likewise after one that did not have to wait."""

    async def notice(self, wait: _core.Wait, timeout: float | None) -> bool:
        """Wait until the wait may go on; False: time is up."""

    async def shield(
        self, make: Callable[[], Awaitable[None]], error: BaseException | None = None
    ) -> None:
        """Await it to its end, though the task is cancelled meanwhile.

        error: what goes on then, rather than the cancellation.
        """

    def cancellation(self, why: str) -> BaseException:
        """Return what is raised in who awaits what others have cancelled."""

    def spawn(
        self, make: Callable[[], Coroutine[Any, Any, None]], over: _core.Event
    ) -> Callable[[], object]:
        """Let a task await it, then set the event; return what cancels the task."""


class _AsyncioHub:
    def __init__(self, loop: Any) -> None:
        import asyncio

        self._asyncio = asyncio
        self.inbox = _core.Inbox()
        loop.add_reader(self.inbox.fileno(), _resume_futures, self.inbox)

    def task(self) -> Any:
        return self._asyncio.current_task()

    def name(self) -> str:
        task = self._asyncio.current_task()
        return "" if task is None else task.get_name()

    async def before(self) -> None:
        pass

    async def after(self) -> None:
        pass

    async def notice(self, wait: _core.Wait, timeout: float | None) -> bool:
        loop = self._asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        wait.waker = future
        if timeout is None:
            return await future
        timer = loop.call_later(timeout, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def shield(
        self, make: Callable[[], Awaitable[None]], error: BaseException | None = None
    ) -> None:
        cancelled = None
        while True:
            try:
                await make()
                break
            except self._asyncio.CancelledError as exc:
                cancelled = exc
        try:
            if cancelled is not None and (
                error is None or isinstance(error, self._asyncio.CancelledError)
            ):
                raise cancelled
        finally:
            del cancelled  # it holds this frame

    def cancellation(self, why: str) -> BaseException:
        return self._asyncio.CancelledError(why)

    def spawn(
        self, make: Callable[[], Coroutine[Any, Any, None]], over: _core.Event
    ) -> Callable[[], object]:
        task = self._asyncio.ensure_future(make())
        task.add_done_callback(lambda _: over.set())  # also if it never began
        return task.cancel


def _expire(future: Any) -> None:
    if not future.done():
        future.set_result(False)


def _resume_futures(inbox: _core.Inbox) -> None:
    for future in inbox.take():
        if not future.done():
            future.set_result(True)


class _TrioHub:
    def __init__(self) -> None:
        import trio

        self._trio = trio
        self.inbox = _core.Inbox()
        trio.lowlevel.spawn_system_task(self._resume)

    async def _resume(self) -> None:
        while True:
            await self._trio.lowlevel.wait_readable(self.inbox.fileno())
            for resume in self.inbox.take():
                resume()

    def task(self) -> Any:
        return self._trio.lowlevel.current_task()

    def name(self) -> str:
        return str(self._trio.lowlevel.current_task().name)

    async def before(self) -> None:
        await self._trio.lowlevel.checkpoint_if_cancelled()

    async def after(self) -> None:
        await self._trio.lowlevel.cancel_shielded_checkpoint()

    async def notice(self, wait: _core.Wait, timeout: float | None) -> bool:
        if timeout is None:
            await self._suspend(wait)
            return True
        with self._trio.move_on_after(timeout) as scope:
            await self._suspend(wait)
        return not scope.cancelled_caught

    async def _suspend(self, wait: _core.Wait) -> None:
        lowlevel = self._trio.lowlevel
        task = lowlevel.current_task()

        def resume() -> None:
            # Once: until it steps again it waits for nothing.
            wait.waker = None
            lowlevel.reschedule(task)

        def abort(_: object) -> Any:
            wait.waker = None
            return lowlevel.Abort.SUCCEEDED

        wait.waker = resume
        await lowlevel.wait_task_rescheduled(abort)

    async def shield(
        self, make: Callable[[], Awaitable[None]], error: BaseException | None = None
    ) -> None:
        with self._trio.CancelScope(shield=True):
            await make()

    def cancellation(self, why: str) -> BaseException:
        from concurrent.futures import CancelledError

        return CancelledError(why)  # trio's own is only to be had from a scope

    def spawn(
        self, make: Callable[[], Coroutine[Any, Any, None]], over: _core.Event
    ) -> Callable[[], object]:
        scope = self._trio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await make()
            finally:
                over.set()

        self._trio.lowlevel.spawn_system_task(run, context=copy_context())
        return scope.cancel


_hubs: WeakKeyDictionary[Any, _Hub] = WeakKeyDictionary()


def _in_trio() -> bool:
    sniffio = sys.modules.get("sniffio")
    if sniffio is None or "trio" not in sys.modules:
        return False
    try:
        return bool(sniffio.current_async_library() == "trio")
    except sniffio.AsyncLibraryNotFoundError:
        return False


def current_hub() -> _Hub:
    """Return what connects the event loop that runs on this thread."""
    in_trio = _in_trio()
    if in_trio:
        loop = sys.modules["trio"].lowlevel.current_root_task()
    else:
        import asyncio

        loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = _TrioHub() if in_trio else _AsyncioHub(loop)
    return hub


# ---- who holds a lock --------------------------------------------------------

_actors: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def _actor(hub: _Hub) -> int:
    task = hub.task()
    actor = _actors.get(task)
    if actor is None:
        actor = _actors[task] = _core.next_actor()
    return actor


def find_actor() -> int:
    """Return the number of the task that runs on this thread, or 0."""
    try:
        task = current_hub().task()
    except RuntimeError:  # no event loop
        return 0
    return 0 if task is None else _actors.get(task, 0)


# ---- waiting -----------------------------------------------------------------


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and not timeout >= 0:  # also what is not a number
        raise ValueError(f"timeout must be None or a number >= 0, not {timeout!r}")


async def _outcome(
    hub: _Hub, wait: _core.Wait, timeout: float | None
) -> tuple[int, Any] | None:
    """Return what was done, or None: time is up for all of several cases."""
    try:
        wait.label = hub.name()
        await hub.before()
        outcome = wait.step()
        if outcome is not None:
            await hub.after()
            return outcome
        until = None if timeout is None else time.monotonic() + timeout
        while outcome is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                outcome = wait.expire()
                if wait.over:
                    return outcome
                until, outcome = None, wait.step()
            elif await hub.notice(wait, left):
                outcome = wait.step()
        return outcome
    except BaseException:
        wait.cancel()
        raise


_OWNED = frozenset(
    {
        "acquire",
        "acquire_read",
        "acquire_write",
        "enter_call",
        "enter_get",
        "wait",
    }
)


async def perform(
    target: object, name: str, timeout: float | None = None, *value: object
) -> Any:
    """Do the operation of that name, once it can be done."""
    _check_timeout(timeout)
    hub = current_hub()
    actor = _actor(hub) if name in _OWNED else 0
    wait = _core.Wait(hub.inbox, actor, name, (target, *value))
    outcome = await _outcome(hub, wait, timeout)
    assert outcome is not None  # there is one case
    return outcome[1]


async def next_item(target: object, name: str) -> Any:
    """Return the next of its items, for "async for"."""
    try:
        return await perform(target, name)
    except ShutDown:
        raise StopAsyncIteration from None


async def release(target: Any, name: str) -> None:
    """Let go of what "async with" has acquired, by the method of that name."""
    getattr(target, name)()


async def select(
    cases: tuple[object, ...], timeout: float | None
) -> tuple[int, Any] | None:
    """Do the first of them: its index and what came of it; None: time is up."""
    _check_timeout(timeout)
    hub = current_hub()
    wait = _core.Wait(hub.inbox, _actor(hub), None, cases)
    return await _outcome(hub, wait, timeout)


# ---- conditions --------------------------------------------------------------


async def _acquire_again(condition: Any, depth: int) -> None:
    died = None
    while True:
        try:
            await perform(condition, "acquire")
            break
        except _core.OwnerDied as exc:  # the lock is free now
            died = exc
    condition._depth = depth
    try:
        if died is not None:
            raise died
    finally:
        del died  # it holds this frame


async def _wait_once(condition: Any, timeout: float | None) -> bool:
    hub = current_hub()
    depth = condition._depth
    wait = _core.Wait(hub.inbox, _actor(hub), "wait", (condition,))
    try:
        outcome = await _outcome(hub, wait, timeout)
    finally:
        await hub.shield(lambda: _acquire_again(condition, depth))
    assert outcome is not None  # there is one case
    return bool(outcome[1])


async def wait_condition(
    condition: Any, timeout: float | None, predicate: Callable[[], Any] | None = None
) -> Any:
    """Wait for it; or until the predicate is true, or time is up."""
    _check_timeout(timeout)
    if predicate is None:
        return await _wait_once(condition, timeout)
    until = None if timeout is None else time.monotonic() + timeout
    while not (found := predicate()):
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            break
        await _wait_once(condition, left)
    return found


# ---- Once --------------------------------------------------------------------


async def do_once(
    once: Any,
    keeps_value: bool,
    timeout: float | None,
    call: tuple[Any, ...],
) -> Any:
    """Call it, or await it, unless that was done before; return what was kept."""
    _check_timeout(timeout)
    name = "enter_get" if keeps_value else "enter_call"
    if not once.done and await perform(once, name, timeout):
        function, *args = call
        try:
            value = function(*args)
            if isinstance(value, Coroutine):
                value = await value
        except BaseException:
            once._fail()
            raise
        once._finish(value, keeps_value)
    return once._receive() if keeps_value else None
