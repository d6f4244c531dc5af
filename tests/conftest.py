"""What the tests share: pools, peers, and scripts that run in a child process."""

import asyncio
import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import coterie

# `python -m pytest` has put the current directory there.  Workers shall not find
# the modules of the tests: what these define has to travel by value.
ROOT = Path(__file__).parents[1]
sys.path[:] = [entry for entry in sys.path if entry and Path(entry) != ROOT]

HANG = 50  # seconds after which a script shows where it hangs, and ends

# Runs before the script, on its first line, so that its line numbers stay.
GUARD = f"import faulthandler; faulthandler.dump_traceback_later({HANG}, exit=True); "


@pytest.fixture
def pool():
    with coterie.Executor(2) as pool:
        yield pool


# ---- peers: who does the other half of a test --------------------------------


class Peer:
    def __call__(self, function, *args):
        return self.start(function, *args).result()


class SameThread(Peer):
    """Calls at once, on this thread."""

    def start(self, function, *args):
        future = concurrent.futures.Future()
        settle(future, function, *args)
        return future


class OtherThread(Peer):
    """Calls on a new thread; one that waits for ever does not keep pytest."""

    def start(self, function, *args):
        future = concurrent.futures.Future()
        args = future, function, *args
        threading.Thread(target=settle, args=args, daemon=True).start()
        return future


class OtherInterpreter(Peer):
    """Calls in a worker."""

    def __init__(self, pool):
        self.start = pool.submit


def settle(future, function, *args):
    try:
        future.set_result(function(*args))
    except BaseException as error:
        future.set_exception(error)


@contextmanager
def make_peer(name):
    if name == "same-thread":
        yield SameThread()
    elif name == "other-thread":
        yield OtherThread()
    else:
        with coterie.Executor(4) as pool:
            yield OtherInterpreter(pool)


@pytest.fixture(params=["same-thread", "other-thread", "other-interpreter"])
def peer(request):
    """`peer(function, *args)` calls it there; `peer.start` gives the future."""
    with make_peer(request.param) as peer:
        yield peer


# ---- scripts -----------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """What came of a script."""

    rc: int
    stdout: str
    stderr: str

    @property
    def lines(self):
        return self.stdout.splitlines()


@pytest.fixture
def start_script(tmp_path):
    """Starts a script in a child process, as `python script.py`.

    It may import `child`.
    """
    shutil.copy(Path(__file__).with_name("child.py"), tmp_path)
    numbers = iter(range(1_000_000))

    def start(source, *args, flags=(), stdin=None, guard=GUARD):
        script = tmp_path / f"script{next(numbers)}.py"
        script.write_text(guard + textwrap.dedent(source).lstrip())
        return subprocess.Popen(
            [sys.executable, *flags, str(script), *map(str, args)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Some scripts leave by os._exit, which flushes nothing.
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            text=True,
            start_new_session=True,  # a group of its own, with its children
        )

    return start


@pytest.fixture
def run_script(start_script):
    """Runs a script to its end: return code, standard output and error."""

    def run(source, *args, **options):
        with start_script(source, *args, **options) as process:
            try:
                stdout, stderr = process.communicate(timeout=HANG + 10)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            return Ended(process.returncode, stdout, stderr)

    return run


@pytest.fixture
def repeat_script(run_script):
    """Runs a script many times: the set of the different ends that it took.

    One run shows little: a process that ends badly does so now and then.
    """

    def repeat(source, *args, times=10, at_once=2, **options):
        with concurrent.futures.ThreadPoolExecutor(at_once) as executor:
            runs = [
                executor.submit(run_script, source, *args, **options)
                for _ in range(times)
            ]
            return {run.result() for run in runs}

    return repeat


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on sys.path; `folder.module(name, source)` puts a module there."""

    def module(name, source):
        (path / f"{name}.py").write_text(textwrap.dedent(source))
        names.append(name)

    path = tmp_path / "modules"
    path.mkdir()
    names = []
    monkeypatch.syspath_prepend(path)
    yield module
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def in_threads():
    """Calls a function in many threads at once: the results, in order."""

    def run(function, argument_lists):
        barrier = threading.Barrier(len(argument_lists))

        def meet_and_call(*args):
            barrier.wait()
            return function(*args)

        peer = OtherThread()
        calls = [peer.start(meet_and_call, *args) for args in argument_lists]
        return [call.result() for call in calls]

    return run


# ---- both kinds of event loop ------------------------------------------------


class Asyncio:
    Cancelled = asyncio.CancelledError

    def run(self, main, *args):
        return asyncio.run(main(*args))

    async def start(self, group, function, *args):
        task = group.create_task(function(*args))
        await asyncio.sleep(0)
        return task.cancel

    def group(self):
        return asyncio.TaskGroup()

    async def pause(self):
        await asyncio.sleep(0)

    async def in_thread(self, function, *args):
        return await asyncio.to_thread(function, *args)

    def move_on_after(self, seconds):
        return MoveOn(seconds)


class MoveOn:
    """As trio's."""

    def __init__(self, seconds):
        self.timeout = asyncio.timeout(seconds)

    async def __aenter__(self):
        await self.timeout.__aenter__()

    async def __aexit__(self, *exc_info):
        try:
            await self.timeout.__aexit__(*exc_info)
        except TimeoutError:
            return True
        return exc_info[0] is not None and self.timeout.expired()


class Trio:
    def __init__(self):
        import trio

        self.trio = trio
        self.Cancelled = trio.Cancelled

    def run(self, main, *args):
        return self.trio.run(main, *args)

    async def start(self, group, function, *args):
        scope = self.trio.CancelScope()

        async def run():
            with scope:
                await function(*args)

        group.start_soon(run)
        await self.trio.lowlevel.checkpoint()
        await self.trio.lowlevel.checkpoint()
        return scope.cancel

    def group(self):
        return self.trio.open_nursery()

    async def pause(self):
        await self.trio.lowlevel.checkpoint()

    async def in_thread(self, function, *args):
        return await self.trio.to_thread.run_sync(function, *args)

    def move_on_after(self, seconds):
        return TrioMoveOn(self.trio.move_on_after(seconds))


class TrioMoveOn:
    def __init__(self, scope):
        self.scope = scope

    async def __aenter__(self):
        self.scope.__enter__()

    async def __aexit__(self, *exc_info):
        return self.scope.__exit__(*exc_info)


@pytest.fixture(params=["asyncio", "trio"])
def loop(request):
    if request.param == "trio":
        pytest.importorskip("trio")
        return Trio()
    return Asyncio()
