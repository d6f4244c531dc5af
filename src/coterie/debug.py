"""Who waits for what, since when and where: for humans who look for a dead lock."""

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TextIO

from coterie import _core

__all__ = ["Holder", "Waiter", "dump_waiters", "waiters"]


class Holder(NamedTuple):
    """Who has what somebody waits for: the owner of a lock, who runs a call."""

    interpreter: int
    thread: int | None  # its ident, if it is known

    def __str__(self) -> str:
        if self.thread is None:
            return f"interpreter {self.interpreter}"
        return f"thread {self.thread} of interpreter {self.interpreter}"


class _Row(NamedTuple):
    """What `_core.waits` tells of a wait."""

    id: int
    kind: str
    verb: str
    target_id: int
    target_class: str | None
    interpreter: int
    thread: int
    label: str | None
    waited: float
    timeout: float | None
    awaited: int
    serves: int
    holder: tuple[int, int] | None

    @property
    def operation(self) -> str:
        if self.target_class is None:
            return self.verb
        return f"{self.target_class.rpartition('.')[2]}.{self.verb}"


@dataclass(frozen=True, slots=True)
class Waiter:
    """One wait: a thread of any interpreter, in a call of coterie's that blocks."""

    interpreter: int
    kind: str  # "thread"; or "task", of an event loop
    thread: int  # its ident; of a task: that of its event loop
    thread_name: str | None
    task: str | None  # the task's name
    operation: str  # "Queue.get"
    target: Any  # the object that is waited for, if it can be had here
    target_id: int | None  # the same in all interpreters; the object's hash
    waited: float  # seconds
    timeout: float | None  # seconds in all
    holder: Holder | None
    stack: traceback.StackSummary | None = field(repr=False)
    _row: _Row = field(repr=False, compare=False)

    def __str__(self) -> str:
        who = f"interpreter {self.interpreter}, "
        if self.kind == "task":
            who += f"task {self.task!r}, "
        who += f"thread {self.thread}"
        if self.thread_name:
            who += f" ({self.thread_name})"
        what = self.operation
        if self.target_id is not None:
            name = self.operation.rpartition(".")[0]
            what += f" on {name} {self.target_id}"
        text = f"{who}: {what}, for {self.waited:.3f} s"
        if self.timeout is not None:
            text += f" of {self.timeout:.3f} s"
        if self.holder is not None:
            runs = self._row.awaited or self._row.target_class == "Once"
            verb = "run" if runs else "held"
            text += f", {verb} by {self.holder}"
        return text


def waiters(*, timeout: float | None = 1.0) -> list[Waiter]:
    """Who waits now, in all threads of all interpreters; longest first.

    A stack in another interpreter can be seen as soon as code there lets go of
    its GIL: *timeout* says for how many seconds to wait for that (None: as long
    as it takes).  What was not to be had in time has a stack of None.
    """
    found = [(_Row(*row), target) for row, target in _core.waits()]
    ids = {row.interpreter for row, _ in found if row.kind == "thread"}
    seen = {id: (name, stack) for id, name, stack in _core.wait_stacks([*ids], timeout)}
    serving = {row.serves: row for row, _ in found if row.serves}
    names = _thread_names()
    return [
        _make_waiter(row, target, seen.get(row.id), serving, names)
        for row, target in found
    ]


def dump_waiters(file: TextIO | None = None, *, timeout: float | None = 1.0) -> None:
    """Print who waits now, where, and which of them wait for each other.

    To *file*, or else to sys.stderr; *timeout* as for waiters().
    """
    file = sys.stderr if file is None else file
    found = waiters(timeout=timeout)
    print(f"{len(found)} waiting", file=file)
    for waiter in found:
        print(f"\n{waiter}", file=file)
        print(_describe_stack(waiter.stack), end="", file=file)
    for cycle in _cycles(found):
        print(f"\n{_describe_cycle(cycle)}", file=file)


def _describe_stack(stack: traceback.StackSummary | None) -> str:
    if stack is None:
        return "  the stack could not be seen\n"
    return "".join(stack.format()) or "  no Python code: the call itself\n"


# ---- one waiter --------------------------------------------------------------


def _thread_names() -> dict[int, str]:
    """Of this interpreter's threads, if threading has been asked for any."""
    threading = sys.modules.get("threading")
    if threading is None:
        return {}
    return {thread.ident: thread.name for thread in threading.enumerate()}


def _make_waiter(
    row: _Row,
    target: Any,
    seen: tuple[str, list[tuple[str, int, str]]] | None,
    serving: dict[int, _Row],
    names: dict[int, str],
) -> Waiter:
    name, stack = seen or ("", None)
    return Waiter(
        interpreter=row.interpreter,
        kind=row.kind,
        thread=row.thread,
        # What the system calls it is often cut, or only the program's name.
        thread_name=names.get(row.thread) or name or None,
        task=row.label,
        operation=row.operation,
        target=target,
        target_id=row.target_id or None,
        waited=row.waited,
        timeout=row.timeout,
        holder=_holder(row, serving),
        stack=None if stack is None else _summary(stack),
        _row=row,
    )


def _summary(stack: list[tuple[str, int, str]]) -> traceback.StackSummary:
    # The lines of the source are read when they are asked for.
    return traceback.StackSummary.from_list(
        [
            traceback.FrameSummary(file, line, name, lookup_line=False)
            for file, line, name in stack
        ]
    )


def _holder(row: _Row, serving: dict[int, _Row]) -> Holder | None:
    if row.holder is not None:
        interpreter, thread = row.holder
        return Holder(interpreter, thread or None)
    if row.awaited in serving:
        runner = serving[row.awaited]
        return Holder(runner.interpreter, runner.thread)
    return None


# ---- who waits for each other ------------------------------------------------


def _blockers(waiter: Waiter, found: list[Waiter]) -> Iterator[Waiter]:
    """The waits that have to end before this one can: those of its holder.

    If only the interpreter of the holder is known, any of its threads may be it,
    but for those that wait for the same.
    """
    holder = waiter.holder
    for other in found if holder else ():
        if holder == (other.interpreter, other.thread) or (
            holder == (other.interpreter, None)
            and (other.target_id is None or other.target_id != waiter.target_id)
        ):
            yield other


def _cycles(found: list[Waiter]) -> list[list[Waiter]]:
    """Rings of waits, each of which waits for the next, and each once."""
    rings: dict[frozenset[int], list[Waiter]] = {}
    done: set[int] = set()

    def follow(path: list[Waiter]) -> None:
        for blocker in _blockers(path[-1], found):
            places = [waiter._row.id for waiter in path]
            if blocker._row.id in places:
                ring = path[places.index(blocker._row.id) :]
                rings.setdefault(frozenset(w._row.id for w in ring), ring)
            elif blocker._row.id not in done:
                follow([*path, blocker])
        done.add(path[-1]._row.id)

    for waiter in found:
        if waiter._row.id not in done:
            follow([waiter])
    return list(rings.values())


def _describe_cycle(ring: list[Waiter]) -> str:
    is_sure = all(w.holder and w.holder.thread is not None for w in ring)
    lines = ["Dead lock:" if is_sure else "This may be a dead lock:"]
    for waiter in ring:
        lines.append(f"  {waiter}")
    if not is_sure:
        lines.append("  (not sure: which thread holds a Lock is not known)")
    if any(waiter.timeout is not None for waiter in ring):
        lines.append("  (until a timeout ends it)")
    return "\n".join(lines)
