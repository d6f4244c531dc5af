"""coterie.debug: who waits for what, since when, where, and who has it."""

import functools
import io
import threading
import time
import traceback
from contextlib import contextmanager

import pytest

import coterie
from coterie import debug, interpreters, sync
from coterie.interpreters import channels

BOUND = 30  # seconds; only keeps a test that hangs from hanging for ever


def wait_for(look):
    """What look() gives once that is true."""
    end = time.monotonic() + BOUND
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.001)
    return found


def waiting_on(target):
    return [w for w in debug.waiters(timeout=BOUND) if w.target == target]


def the_waiter(target):
    (waiter,) = wait_for(lambda: waiting_on(target))
    return waiter


# ---- where it waits ----------------------------------------------------------


@contextmanager
def start_in_worker(function, *args):
    with coterie.Executor(1) as pool:
        call = pool.submit(function, *args)
        yield
        call.result(BOUND)


@contextmanager
def start_in_thread(function, *args):
    errors = []

    def run():
        try:
            function(*args)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="the waiter")
    thread.start()
    yield
    thread.join(BOUND)
    assert not thread.is_alive()
    assert not errors


@contextmanager
def start_in_interpreter(function, *args, create=interpreters.create):
    interp = create()
    with start_in_thread(interp.call, function, *args):
        yield
    interp.close()


def start_sharing_the_gil(function, *args):
    create = functools.partial(interpreters.create, gil="shared")
    return start_in_interpreter(function, *args, create=create)


places = pytest.mark.parametrize(
    "start",
    [start_in_thread, start_in_worker, start_in_interpreter, start_sharing_the_gil],
)


def get_here(queue, report):
    """Waits, from a frame that a stack shows."""
    import threading

    from coterie import _core

    report.put((_core.current_id(), threading.get_ident()))
    return queue.get()


@places
def test_who_waits_where_and_since_when(start):
    queue, report = coterie.Queue(), coterie.Queue()
    before = time.monotonic()
    with start(get_here, queue, report):
        interpreter, thread = report.get(timeout=BOUND)
        waiter = the_waiter(queue)
        queue.put(None)
    assert (waiter.interpreter, waiter.thread) == (interpreter, thread)
    assert (interpreter == 0) == (start is start_in_thread)
    assert waiter.kind == "thread"
    assert waiter.task is None
    assert waiter.operation == "Queue.get"
    assert waiter.target is queue
    assert waiter.target_id == hash(queue)
    assert 0 <= waiter.waited <= time.monotonic() - before
    assert waiter.timeout is None
    assert waiter.holder is None
    last = waiter.stack[-1]
    assert last.name == "get_here"
    assert last.filename == __file__
    assert last.line == "return queue.get()"
    assert not waiting_on(queue)


def test_names_of_threads():
    queue = coterie.Queue()
    with start_in_thread(queue.get):
        assert the_waiter(queue).thread_name == "the waiter"
        queue.put(None)
    with coterie.Executor(1, thread_name_prefix="grinder") as pool:
        call = pool.submit(queue.get)
        assert the_waiter(queue).thread_name.startswith("grinder")
        queue.put(None)
        call.result(BOUND)


def look_from_a_worker(queue, seen):
    from coterie import debug

    found = []
    while not found:
        found = [w for w in debug.waiters(timeout=30) if w.target == queue]
    (waiter,) = found
    seen.put((waiter.interpreter, waiter.thread, [f.name for f in waiter.stack]))
    queue.put(None)


def test_a_wait_in_the_main_thread_seen_from_a_worker():
    queue, seen = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1) as pool:
        call = pool.submit(look_from_a_worker, queue, seen)
        queue.get(timeout=BOUND)
        call.result(BOUND)
    interpreter, thread, names = seen.get(timeout=BOUND)
    assert (interpreter, thread) == (0, threading.get_ident())
    assert names[-1] == "test_a_wait_in_the_main_thread_seen_from_a_worker"


def test_nobody_waits():
    with coterie.Executor(2) as pool:
        pool.submit(len, "").result()
        # Neither idle workers nor the thread that runs callbacks.
        done = threading.Event()
        pool.submit(len, "").add_done_callback(lambda _: done.set())
        assert done.wait(BOUND)
        assert debug.waiters() == []


# ---- what is waited for ------------------------------------------------------


def full_queue():
    queue = coterie.Queue(1)
    queue.put(None)
    return queue


def held(lock):
    lock.acquire()
    return lock


def wait_on(condition):
    with condition:
        condition.wait()


def wait_at(barrier):
    with pytest.raises(sync.BrokenBarrierError):
        barrier.wait()


def held_to_write():
    lock = sync.RWLock()
    lock.acquire_write()
    return lock


def held_to_read():
    lock = sync.RWLock()
    lock.acquire_read()
    return lock


def write_elsewhere():
    """An RWLock that another thread writes: it lets go of it when asked to."""
    return elsewhere(sync.RWLock(), lambda lock: lock.write())


def notify(condition):
    with condition:
        condition.notify()


def elsewhere(target, hold):
    """The target, that another thread holds: it lets go of it when asked to."""
    asked, ready = threading.Event(), threading.Event()

    def run():
        with hold(target):
            ready.set()
            asked.wait(BOUND)

    threading.Thread(target=run).start()
    ready.wait(BOUND)
    releases[target] = asked.set
    return target


def locked_elsewhere():
    return elsewhere(sync.RLock(), lambda lock: lock)


@contextmanager
def inside(once):
    entered, leave = threading.Event(), threading.Event()

    def call():
        entered.set()
        leave.wait(BOUND)
        return 5

    thread = threading.Thread(target=once.get, args=(call,))
    thread.start()
    entered.wait(BOUND)
    yield
    leave.set()
    thread.join()


def done_elsewhere():
    return elsewhere(sync.Once(), inside)


releases = {}


def queue_with_a_task():
    queue = coterie.Queue()
    queue.put(None)
    return queue


# name of the operation: what makes the object, how to wait, how to end that
PRIMITIVES = {
    "Queue.get": (coterie.Queue, lambda q: q.get(), lambda q: q.put(1)),
    "Queue.put": (full_queue, lambda q: q.put(1), lambda q: q.get()),
    "Queue.join": (queue_with_a_task, lambda q: q.join(), lambda q: q.task_done()),
    "Queue.get_many": (coterie.Queue, lambda q: q.get_many(2), lambda q: q.put(1)),
    "Queue.put_many": (full_queue, lambda q: q.put_many([1]), lambda q: q.get()),
    "LifoQueue.get": (
        coterie.queue.LifoQueue, lambda q: q.get(), lambda q: q.put(1)),
    "PriorityQueue.get": (
        coterie.queue.PriorityQueue, lambda q: q.get(), lambda q: q.put(1)),
    "SimpleQueue.get": (
        coterie.queue.SimpleQueue, lambda q: q.get(), lambda q: q.put(1)),
    "Lock.acquire": (
        lambda: held(sync.Lock()), lambda k: k.acquire(), lambda k: k.release()),
    "RLock.acquire": (
        locked_elsewhere, lambda k: k.acquire(), lambda k: releases.pop(k)()),
    "Semaphore.acquire": (
        lambda: sync.Semaphore(0), lambda s: s.acquire(), lambda s: s.release()),
    "BoundedSemaphore.acquire": (
        lambda: held(sync.BoundedSemaphore(1)), lambda s: s.acquire(),
        lambda s: s.release()),
    "Event.wait": (sync.Event, lambda e: e.wait(), lambda e: e.set()),
    "Condition.wait": (sync.Condition, wait_on, notify),
    "Barrier.wait": (lambda: sync.Barrier(2), wait_at, lambda b: b.abort()),
    "RWLock.acquire_read": (
        write_elsewhere, lambda k: k.acquire_read(), lambda k: releases.pop(k)()),
    "RWLock.acquire_write": (
        held_to_read, lambda k: k.acquire_write(), lambda k: k.release_read()),
    "Once.call": (
        done_elsewhere, lambda o: o.call(int), lambda o: releases.pop(o)()),
    "Once.get": (
        done_elsewhere, lambda o: o.get(int), lambda o: releases.pop(o)()),
}  # fmt: skip


@pytest.mark.parametrize("start", [start_in_thread, start_in_worker])
@pytest.mark.parametrize("operation", PRIMITIVES)
def test_each_primitive(operation, start):
    make, wait, end = PRIMITIVES[operation]
    target = make()
    with start(wait, target):
        waiter = the_waiter(target)
        end(target)
    assert waiter.operation == operation
    assert waiter.target is target
    assert f"{operation} on {operation.partition('.')[0]} {hash(target)}" in str(waiter)
    assert not waiting_on(target)


@pytest.mark.parametrize("start", [start_in_thread, start_in_worker])
def test_channels(start):
    recv, send = channels.create()
    with start(recv.recv):
        assert the_waiter(recv).operation == "RecvChannel.recv"
        send.send_nowait(1)
    with start(send.send, 1):
        assert the_waiter(send).operation == "SendChannel.send"
        recv.recv()


def test_a_timeout():
    queue = coterie.Queue()
    with start_in_thread(lambda: queue.get(timeout=1000)):
        waiter = the_waiter(queue)
        queue.put(None)
    assert 999 < waiter.timeout <= 1000
    assert f"of {waiter.timeout:.3f} s" in str(waiter)
    with pytest.raises(coterie.queue.Empty):
        queue.get(timeout=0.05)
    assert not waiting_on(queue)


def test_it_is_gone_when_the_wait_is_left_by_an_interrupt():
    queue = coterie.Queue()
    interp = interpreters.create()

    def wait():
        with pytest.raises(interpreters.ExecutionFailed):
            interp.call(queue.get)

    with start_in_thread(wait):
        the_waiter(queue)
        assert interp.interrupt()
    assert not waiting_on(queue)
    interp.close()


SIGNALLED = """
import os, signal, threading, time
import coterie
from coterie import debug
queue = coterie.Queue()
seen = []
def handler(*_):
    seen.append([w.operation for w in debug.waiters()])
    raise ZeroDivisionError
signal.signal(signal.SIGUSR1, handler)
def kill():
    while not debug.waiters():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGUSR1)
threading.Thread(target=kill).start()
try:
    queue.get()
except ZeroDivisionError:
    print(seen, debug.waiters())
"""


def test_it_is_gone_when_a_signal_handler_raises(run_script):
    ended = run_script(SIGNALLED)
    assert (ended.rc, ended.stderr) == (0, "")
    assert ended.lines == ["[['Queue.get']] []"]


# ---- who has it --------------------------------------------------------------


def hold(lock, ready, release):
    with lock:
        import threading

        from coterie import _core

        ready.put((_core.current_id(), threading.get_ident()))
        release.get()


@places
@pytest.mark.parametrize("cls", [sync.Lock, sync.RLock])
def test_who_holds_a_lock(cls, start):
    lock, ready, release = cls(), coterie.Queue(), coterie.Queue()
    with start(hold, lock, ready, release):
        interpreter, thread = ready.get(timeout=BOUND)

        def take():
            with lock:
                pass

        with start_in_thread(take):
            waiter = the_waiter(lock)
            release.put(None)
    assert waiter.holder.interpreter == interpreter
    assert waiter.holder.thread == (thread if cls is sync.RLock else None)
    assert f"held by {waiter.holder}" in str(waiter)


def write(lock, ready, release):
    import threading

    from coterie import _core

    with lock.write():
        ready.put((_core.current_id(), threading.get_ident()))
        release.get()


def read(lock, ready, release):
    from coterie import _core

    with lock.read():
        ready.put((_core.current_id(), None))
        release.get()


@places
@pytest.mark.parametrize("hold", [read, write])
def test_who_holds_a_read_write_lock(hold, start):
    lock, ready, release = sync.RWLock(), coterie.Queue(), coterie.Queue()
    with start(hold, lock, ready, release):
        holder = ready.get(timeout=BOUND)
        with start_in_thread(lock.acquire_write):
            waiter = the_waiter(lock)
            release.put(None)
    assert waiter.holder == holder
    assert f"held by {waiter.holder}" in str(waiter)


def test_who_reads_is_not_known_of_several():
    lock = held_to_read()
    with interpreters.create() as interp:
        interp.call(lock.acquire_read)
        with start_in_thread(lock.acquire_write):
            assert the_waiter(lock).holder is None
            lock.release_read()
            assert the_waiter(lock).holder == (interp.id, None)
            interp.call(lock.release_read)


def do_once(once, ready, release):
    def call():
        import threading

        from coterie import _core

        ready.put((_core.current_id(), threading.get_ident()))
        release.get()

    once.call(call)


@places
def test_who_is_at_it_once(start):
    once, ready, release = sync.Once(), coterie.Queue(), coterie.Queue()
    with start(do_once, once, ready, release):
        holder = ready.get(timeout=BOUND)
        with start_in_thread(once.call, int):
            waiter = the_waiter(once)
            release.put(None)
    assert waiter.holder == holder
    assert f"run by {waiter.holder}" in str(waiter)


def test_who_runs_a_call():
    queue = coterie.Queue()
    with coterie.Executor(2) as pool:
        call = pool.submit(lambda q: q.get(), queue)
        runner = the_waiter(queue)
        with start_in_thread(call.result):
            (asker,) = wait_for(
                lambda: [w for w in debug.waiters() if w.operation == "Future.result"]
            )
            queue.put(None)
    assert asker.holder == (runner.interpreter, runner.thread)
    assert f"run by {asker.holder}" in str(asker)
    assert asker.target is None


def text_of_dump():
    out = io.StringIO()
    debug.dump_waiters(out, timeout=BOUND)
    return out.getvalue()


@contextmanager
def crossed(cls):
    """Two interpreters, each of which has a lock that the other one wants."""
    a, b, ready = cls(), cls(), coterie.Queue()
    first, second = interpreters.create(), interpreters.create()

    def call_in_vain():
        with pytest.raises(interpreters.ExecutionFailed):
            first.call(take_both, a, b, ready)

    calls = start_in_thread(second.call, take_both, b, a, ready)
    with start_in_thread(call_in_vain), calls:
        the_waiter(a), the_waiter(b)
        yield a, b
        first.interrupt()
    first.close()
    second.close()


def take_both(first, second, ready):
    with first:
        ready.put(None)
        while ready.qsize() < 2:
            pass
        if second.acquire(timeout=1000):
            second.release()


def test_a_dead_lock_is_found():
    with crossed(sync.RLock) as (a, b):
        text = text_of_dump()
    assert text.startswith("2 waiting\n")
    assert text.count("if second.acquire(timeout=1000):") == 2
    after = text.partition("Dead lock:")[2]
    assert f"RLock {hash(a)}" in after
    assert f"RLock {hash(b)}" in after
    assert "until a timeout ends it" in after


def test_without_the_threads_that_hold_the_locks_it_is_not_sure():
    with crossed(sync.Lock):
        text = text_of_dump()
    assert text.count("may be a dead lock:") == 1
    assert "which thread holds a Lock is not known" in text


def test_a_call_that_waits_for_a_lock_of_its_asker():
    lock = sync.RLock()

    def ask(pool):
        with lock:
            call = pool.submit(lambda lock: lock.acquire(timeout=5), lock)
            with pytest.raises(TimeoutError):
                call.result(timeout=2)

    with coterie.Executor(1) as pool, start_in_thread(ask, pool):
        text = wait_for(
            lambda: text if "Dead lock:" in (text := text_of_dump()) else None
        )
    after = text.partition("Dead lock:")[2]
    assert "Future.result" in after
    assert "RLock.acquire" in after


def test_a_lock_that_many_threads_of_one_interpreter_want_is_no_dead_lock():
    lock = held(sync.Lock())

    def take():
        with lock:
            pass

    with start_in_thread(take), start_in_thread(take):
        wait_for(lambda: len(waiting_on(lock)) == 2)
        assert "dead lock" not in text_of_dump().lower()
        lock.release()


# ---- tasks -------------------------------------------------------------------


async def named(loop, group, name, function, *args):
    import asyncio

    async def run():
        if isinstance(group, asyncio.TaskGroup):
            asyncio.current_task().set_name(name)
        else:
            import trio

            trio.lowlevel.current_task().name = name
        await function(*args)

    return await loop.start(group, run)


# What makes the object, how to wait, how to end that
AWAITED = {
    "Queue.get": (coterie.Queue, lambda q: q.aget(), lambda q: q.put(1)),
    "Queue.get_many": (coterie.Queue, lambda q: q.aget_many(2), lambda q: q.put(1)),
    "Queue.put_many": (full_queue, lambda q: q.aput_many([1]), lambda q: q.get()),
    "Lock.acquire": (
        lambda: held(sync.Lock()), lambda k: k.aacquire(), lambda k: k.release()),
    "Barrier.wait": (
        lambda: sync.Barrier(2), lambda b: b.await_(), lambda b: b.wait(BOUND)),
    "RWLock.acquire_read": (
        held_to_write, lambda k: k.aacquire_read(), lambda k: k.release_write()),
    "RWLock.acquire_write": (
        held_to_read, lambda k: k.aacquire_write(), lambda k: k.release_read()),
    "Once.get": (
        done_elsewhere, lambda o: o.aget(int), lambda o: releases.pop(o)()),
}  # fmt: skip


@pytest.mark.parametrize("operation", AWAITED)
def test_tasks(loop, operation):
    make, wait, end = AWAITED[operation]
    target = make()

    async def main():
        async with loop.group() as group:
            await named(loop, group, "the task", wait, target)
            (waiter,) = waiting_on(target)
            end(target)
        assert not waiting_on(target)
        return waiter

    before = time.monotonic()
    waiter = loop.run(main)
    assert (waiter.kind, waiter.task) == ("task", "the task")
    assert (waiter.interpreter, waiter.thread) == (0, threading.get_ident())
    assert waiter.operation == operation
    assert waiter.target is target
    assert 0 <= waiter.waited <= time.monotonic() - before
    assert waiter.stack is None
    assert "task 'the task', thread " in str(waiter)


def test_a_task_that_is_cancelled_is_gone(loop):
    queue = coterie.Queue()

    async def main():
        async with loop.group() as group:
            cancel = await named(loop, group, "one", queue.aget)
            await named(loop, group, "two", queue.aget)
            assert [w.task for w in waiting_on(queue)] == ["one", "two"]
            cancel()
            await loop.pause()
            await loop.pause()
            assert [w.task for w in waiting_on(queue)] == ["two"]
            queue.put(1)
        assert not waiting_on(queue)

    loop.run(main)


def test_tasks_of_other_interpreters():
    queue = coterie.Queue()

    def wait(queue):
        import asyncio

        async def get():
            asyncio.current_task().set_name("elsewhere")
            return await queue.aget()

        return asyncio.run(get())

    with start_in_interpreter(wait, queue):
        waiter = the_waiter(queue)
        assert (waiter.kind, waiter.task) == ("task", "elsewhere")
        assert waiter.interpreter != 0
        assert "the stack could not be seen" in text_of_dump()
        queue.put(1)
    assert not waiting_on(queue)


def test_a_task_that_selects(loop):
    from coterie import aio

    queues = [coterie.Queue() for _ in range(2)]

    async def main():
        async with loop.group() as group:
            await named(loop, group, "the task", aio.select, *queues)
            (waiter,) = (w for w in debug.waiters(timeout=BOUND) if w.kind == "task")
            queues[0].put(1)
        return waiter

    waiter = loop.run(main)
    assert (waiter.task, waiter.operation) == ("the task", "coterie.aio.select")
    assert waiter.target is None
    assert not debug.waiters()


def test_a_lock_that_a_task_holds(loop):
    async def main():
        lock = sync.RLock()
        async with loop.group() as group, lock:
            await named(loop, group, "the task", lock.aacquire)
            (waiter,) = waiting_on(lock)
        return waiter

    assert loop.run(main).holder == (0, None)


# ---- dumps -------------------------------------------------------------------


def test_a_dump_goes_to_stderr(capsys):
    debug.dump_waiters()
    assert capsys.readouterr() == ("", "0 waiting\n")


STUCK = """
import time
import coterie
from coterie import debug

def work(queue, go_on):
    import threading
    thread = threading.Thread(target=queue.get)
    thread.start()
    go_on.get()
    sum(range(4 * 10**8))  # C code, that keeps the GIL
    thread.join()

def main():
    queue, go_on = coterie.Queue(), coterie.Queue()
    def look(timeout):
        found = [w for w in debug.waiters(timeout=timeout) if w.target == queue]
        return found[0] if found else None
    with coterie.Executor(1) as pool:
        call = pool.submit(work, queue, go_on)
        while not look(30):
            pass
        print(look(30).stack is not None)
        go_on.put(None)
        while look(0.01).stack is not None and not call.done():
            pass
        print("seen in time:", look(0.01).stack is not None, flush=True)
        queue.put(None)
        call.result()
    print(debug.waiters())

main()
"""


def test_a_stack_that_is_not_to_be_had_in_time(run_script):
    ended = run_script(STUCK)
    assert (ended.rc, ended.stderr) == (0, "")
    assert ended.lines == ["True", "seen in time: False", "[]"]


def test_without_time_only_the_stacks_of_this_interpreter_are_seen():
    queue, out = coterie.Queue(), io.StringIO()
    with start_in_thread(queue.get), start_in_worker(queue.get):
        wait_for(lambda: len(waiting_on(queue)) == 2)
        found = debug.waiters(timeout=0)
        debug.dump_waiters(out, timeout=0)
        queue.put_many([None, None])
    for waiter in found:
        assert (waiter.stack is None) == (waiter.interpreter != 0)
    assert out.getvalue().count("the stack could not be seen") == 1


def test_bad_timeouts():
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            debug.waiters(timeout=timeout)
    with pytest.raises(TypeError, match="timeout"):
        debug.waiters(timeout="1")
    with pytest.raises(TypeError):
        debug.waiters(1.0)


def test_waiters_are_constant():
    queue = coterie.Queue()
    with start_in_thread(queue.get):
        waiter = the_waiter(queue)
        queue.put(None)
    with pytest.raises(AttributeError):
        waiter.operation = "another"
    assert isinstance(waiter.stack, traceback.StackSummary)


# ---- others at the same time -------------------------------------------------


def pass_on(inbox, outbox):
    for item in iter(inbox.get, None):
        outbox.put(item)


@pytest.mark.parametrize("peers", [2])
def test_looking_while_waits_come_and_go(peers):
    queues = [coterie.Queue(1) for _ in range(2 * peers + 1)]
    seen = []
    with coterie.Executor(peers) as pool:
        calls = [pool.submit(pass_on, queues[i], queues[i + 1]) for i in range(peers)]

        def feed():
            for number in range(2000):
                queues[0].put(number)
                assert queues[peers].get() == number
            queues[0].put(None)
            for i in range(1, peers):
                queues[i].put(None) if i else None

        with start_in_thread(feed):
            while not all(call.done() for call in calls):
                for waiter in debug.waiters(timeout=BOUND):
                    assert waiter.operation in ("Queue.get", "Queue.put")
                    seen.append(waiter)
                    if waiter.stack:
                        assert waiter.stack[-1].name in ("pass_on", "feed")
    assert seen
    assert debug.waiters() == []


def test_looking_while_interpreters_come_and_go():
    queue = coterie.Queue()
    stop = threading.Event()

    def work(queue):
        import threading

        inner = threading.Thread(target=queue.get)
        inner.start()
        queue.get()
        inner.join()

    turns = [0]

    def come_and_go():
        for number in range(20):
            turns.append(number)
            if number % 2:
                with interpreters.create() as interp:
                    interp.call(work, queue)
            else:
                with coterie.Executor(1) as pool:
                    pool.submit(work, queue).result()
        stop.set()

    seen = set()
    with start_in_thread(come_and_go):
        while not stop.is_set():
            turn = turns[-1]
            found = waiting_on(queue)
            # Both of them wait; and they are looked at while they go.
            if len(found) == 2 and turn not in seen:
                seen.add(turn)
                queue.put_many([None, None])
    assert len(seen) == 20
    assert debug.waiters() == []


# ---- faulthandler ------------------------------------------------------------

DUMPS = """
import faulthandler, sys, threading, time
import coterie
from coterie import debug, interpreters

def spin(queue, started):
    started.put(None)
    while queue.empty():
        pass

def look():
    faulthandler.dump_traceback(all_threads=True)
    faulthandler.dump_traceback_later(0.01, repeat=True)

def main():
    queue, started, stop = coterie.Queue(), coterie.Queue(), coterie.Queue()
    inside = interpreters.create()
    with coterie.Executor(3) as pool:
        calls = [pool.submit(queue.get) for _ in range(2)]
        calls.append(pool.submit(spin, stop, started))
        started.get()
        threads = [threading.Thread(target=get_in_thread, args=(queue,))]
        threads.append(threading.Thread(target=inside.call, args=(queue.get,)))
        for thread in threads:
            thread.start()
        while len(debug.waiters()) < 4:
            pass
        look()
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            debug.waiters()
        faulthandler.cancel_dump_traceback_later()
        stop.put(None)
        for _ in range(4):
            queue.put(None)
        for thread in threads:
            thread.join()
    inside.close()

def get_in_thread(queue):
    queue.get()

main()
"""


def test_faulthandler(run_script):
    ended = run_script(DUMPS, guard="import faulthandler; faulthandler.enable()\n")
    assert ended.rc == 0
    first = ended.stderr.partition("Timeout")[0]
    assert "in get_in_thread" in first
    assert "in look" in first
    assert "Timeout (0:00:00.0" in ended.stderr


def test_frames_of_all_threads_are_refused_where_that_would_crash(run_script):
    """3.13 looks at the frames of interpreters whose GIL it does not hold."""
    result = run_script("""
        import sys, coterie
        def spin():
            import time
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                max([1, 2, 3], key=lambda x: -x)
        with coterie.Executor(2) as pool:
            pool.submit(int).result()  # there is a worker
            running = [pool.submit(spin) for _ in range(2)]
            refused = set()
            while not all(future.done() for future in running):
                try:
                    sys._current_frames()
                    refused.add(False)
                except RuntimeError as exc:
                    refused.add("coterie.debug.waiters" in str(exc))
        assert refused == {sys.version_info < (3, 14)}, refused
        assert sys._current_frames()
        """)
    assert (result.rc, result.stderr) == (0, "")
