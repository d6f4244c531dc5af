"""Calls that are stopped: interrupt(), timeouts, workers that are given up."""

import asyncio
import concurrent.futures
import logging
import os
import random
import threading
import time

import pytest

import coterie
from coterie import Interrupted

pytestmark = pytest.mark.timeout(60)


def spin(started, ended=None):
    started.put("started")
    try:
        while True:
            pass
    finally:
        if ended is not None:
            ended.put("ended")


def wait(started, never):
    started.put("started")
    never.get()


def hold(started, go):
    started.put("started")
    return go.get()


def catch(started, go):
    started.put("started")
    try:
        while True:
            pass
    except Interrupted:
        return "caught"


def compute(started):
    started.put("started")
    return sum(range(10**12))


def double(x):
    return 2 * x


# ---- interrupt ---------------------------------------------------------------


def test_what_runs_is_stopped(pool):
    started, ended = coterie.Queue(), coterie.Queue()
    future = pool.submit(spin, started, ended)
    started.get()
    assert future.interrupt() is True
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()
    assert future.cancelled()
    assert future.done()
    assert ended.get() == "ended"
    assert future.interrupt() is True  # it is cancelled
    assert pool.submit(double, 2).result() == 4


def test_the_worker_lives_on():
    started = coterie.Queue()
    with coterie.Executor(1) as pool:
        pool.submit(setattr, coterie, "mark", 5).result()
        for _ in range(3):
            future = pool.submit(spin, started)
            started.get()
            future.interrupt()
            concurrent.futures.wait([future])
            assert future.cancelled()
        assert pool.submit(getattr, coterie, "mark").result() == 5
        assert pool.stats().started == 1


def test_a_wait_is_stopped(pool):
    started, never = coterie.Queue(), coterie.Queue()
    future = pool.submit(wait, started, never)
    started.get()
    assert future.interrupt()
    concurrent.futures.wait([future])
    assert future.cancelled()


def test_what_waits_is_cancelled():
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1) as pool:
        first, second = pool.submit(hold, started, go), pool.submit(double, 1)
        started.get()
        assert second.interrupt() is True
        assert second.cancelled()
        go.put(7)
        assert first.result() == 7
        assert first.interrupt() is False
        assert not first.cancelled()


def test_what_could_not_be_sent_has_ended(pool):
    future = pool.submit(double, threading.Lock())
    assert future.interrupt() is False
    assert type(future.exception()) is coterie.NotShareableError


def test_who_catches_it_may_return(pool):
    started, go = coterie.Queue(), coterie.Queue()
    future = pool.submit(catch, started, go)
    started.get()
    future.interrupt()
    assert future.result() == "caught"
    assert not future.cancelled()


def test_callbacks_and_waiters_hear_of_it(pool):
    started = coterie.Queue()
    future = pool.submit(spin, started)
    called = coterie.Queue()
    future.add_done_callback(lambda it: called.put(it.cancelled()))
    started.get()
    future.interrupt()
    assert called.get() is True
    done, _ = concurrent.futures.wait([future])
    assert done == {future}


def test_asyncio_hears_of_it(pool):
    async def main():
        started = coterie.Queue()
        future = pool.submit(spin, started)
        await asyncio.to_thread(started.get)
        wrapped = asyncio.wrap_future(future)
        future.interrupt()
        with pytest.raises(asyncio.CancelledError):
            await wrapped

    asyncio.run(main())


@pytest.mark.parametrize("rounds", [1000])
def test_interrupts_end_the_right_call_and_no_other(rounds):
    seed = random.randrange(2**32)
    print("seed", seed)
    choose = random.Random(seed)
    started, never = coterie.Queue(), coterie.Queue()
    bystanders = []
    with coterie.Executor(2) as pool:
        for n in range(rounds):
            function = choose.choice([spin_on, wait, spin_in_pieces])
            victim = pool.submit(function, started, never)
            bystanders += [(i, pool.submit(double, i)) for i in range(n, n + 3)]
            if choose.random() < 0.7:
                started.get()
                was_started = True
            else:
                was_started = False
            assert victim.interrupt()
            with pytest.raises(concurrent.futures.CancelledError):
                victim.result()
            if not was_started:
                while started.qsize():
                    started.get()
        assert [f.result() for _, f in bystanders] == [2 * i for i, _ in bystanders]
        assert pool.stats().lost_ever == 0
        assert pool.stats().started <= 2


def spin_on(started, never):
    spin(started)


def spin_in_pieces(started, never):
    started.put("started")
    while True:
        try:
            time.sleep(0)
        finally:
            double(1)


def test_it_may_come_while_the_call_tells_what_it_raised(pool):
    started = coterie.Queue()
    for cls in Untold, Unsent:
        future = pool.submit(throw, cls, started)
        started.get()
        assert future.interrupt() is True
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
    assert pool.submit(double, 2).result() == 4


class Untold(Exception):
    def __str__(self):
        if not self.args[1]:
            self.args[1].append("asked")
            spin(self.args[0])
        return "told"


class Unsent(Exception):
    def __reduce__(self):
        spin(self.args[0])


def throw(cls, started):
    raise cls(started, [])


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_asking_again_and_again_takes_one_thread(run_script):
    ended = run_script("""
    import child, coterie, os

    started = coterie.Queue()
    pool = coterie.Executor(1, stop_grace=100)
    future = pool.submit(child.compute, started)
    started.get()
    before = len(os.listdir("/proc/self/task"))
    for _ in range(50):
        assert future.interrupt()
    print(len(os.listdir("/proc/self/task")) - before, flush=True)
    os._exit(0)
    """)
    assert int(ended.lines[0]) < 10  # a visitor, and what is started once


# ---- timeouts ----------------------------------------------------------------


def test_a_call_that_takes_too_long():
    started, ended = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1, task_timeout=0.02) as pool:
        future = pool.submit(spin, started, ended)
        with pytest.raises(TimeoutError, match="longer than its timeout of 0.02"):
            future.result()
        assert isinstance(future.exception(), TimeoutError)
        assert not future.cancelled()
        assert ended.get() == "ended"
        assert pool.submit(double, 2).result() == 4
        assert pool.stats().started == 1


def test_the_time_in_line_does_not_count():
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1) as pool:
        first = pool.submit(hold, started, go)
        second = pool.options(timeout=30).submit(double, 1)
        third = pool.options(timeout=0.01).submit(spin, started)
        started.get()
        go.put(1)
        assert first.result() == 1
        assert second.result() == 2
        assert isinstance(third.exception(), TimeoutError)


def test_a_timeout_is_of_one_call_only():
    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1) as pool:
        quick = pool.options(timeout=60)
        assert [quick.submit(double, n).result() for n in range(100)] == [
            2 * n for n in range(100)
        ]
        late = pool.options(timeout=0.01).submit(wait, started, go)
        held = pool.submit(hold, started, go)
        assert isinstance(late.exception(), TimeoutError)
        started.get(), started.get()
        go.put(5)
        assert held.result() == 5


def test_many_timeouts_at_once():
    started = coterie.Queue()
    with coterie.Executor(4, task_timeout=0.01) as pool:
        futures = [pool.submit(spin, started) for _ in range(40)]
        futures += [pool.submit(double, n) for n in range(40)]
        errors = [future.exception() for future in futures]
    assert all(isinstance(error, TimeoutError) for error in errors[:40])
    assert errors[40:] == [None] * 40


def test_a_timeout_of_a_chunk(pool):
    results = pool.options(timeout=0.02).map(spin, [coterie.Queue()] * 4, chunksize=2)
    with pytest.raises(TimeoutError):
        next(results)


class Slow:
    def __reduce__(self):
        return time.sleep, (0.5,)


@pytest.mark.parametrize("call", [(time.sleep, 0.5), (abs, Slow())])
def test_a_timeout_that_passes_in_c_code(call):
    with coterie.Executor(1, task_timeout=0.02, stop_grace=50) as pool:
        assert isinstance(pool.submit(*call).exception(), TimeoutError)
        assert pool.stats().lost_ever == 0


def test_a_chunk_of_c_code_ends_after_the_item():
    with coterie.Executor(1, stop_grace=50) as pool:
        view = pool.options(timeout=0.02)
        with pytest.raises(TimeoutError):
            list(view.map(time.sleep, [0.01] * 500, chunksize=500))


# ---- workers that are given up -----------------------------------------------

STUCK = """
    import child, coterie, logging, os, sys
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stdout)
    started = coterie.Queue()
    pool = coterie.Executor(1, "stuck", stop_grace=0.05)
"""


def test_a_worker_that_cannot_be_stopped_is_replaced(run_script):
    ended = run_script(
        STUCK
        + """
    future = pool.submit(child.compute, started)
    waiting = [pool.submit(len, "abc") for _ in range(5)]
    started.get()
    print(future.interrupt())
    print([each.result() for each in waiting])
    try:
        future.result()
    except BaseException as error:
        print(type(error).__name__)
    late = pool.options(timeout=0.5).submit(child.compute, started)
    print(type(late.exception()).__name__)
    stats = pool.stats()
    print(stats.lost, stats.lost_ever, stats.started, stats.serving)
    print([worker.state for worker in stats.workers])
    pool.shutdown()
    pool._settle(None)
    print("left", flush=True)
    os._exit(0)
    """
    )
    lines = [line for line in ended.lines if "WARNING" not in line]
    assert lines[:4] == ["True", "[3, 3, 3, 3, 3]", "CancelledError", "TimeoutError"]
    assert lines[4] == "2 2 2 0"
    assert lines[5] == "['lost', 'lost']"
    assert lines[-1] == "left"
    warned = [line for line in ended.lines if "WARNING" in line]
    assert len(warned) == 2
    assert "stuck_0 could not be stopped" in warned[0]
    assert (ended.rc, ended.stderr) == (0, "")


def test_the_end_of_the_program_with_a_worker_that_was_given_up(run_script):
    ended = run_script(
        STUCK
        + """
    future = pool.submit(child.compute, started)
    started.get()
    future.interrupt()
    print(pool.submit(len, "abc").result())
    import atexit
    atexit.register(print, "at the end")
    """
    )
    assert ended.rc == 0
    assert "leaving with workers that could not be stopped" in ended.stderr
    assert "stuck (1)" in ended.stderr
    lines = [line for line in ended.lines if "WARNING" not in line]
    assert lines == ["3", "at the end"]


def test_a_worker_that_comes_back_is_not_used(pool):
    def stay(started, go):
        started.put("started")
        while True:
            try:
                return go.get()
            except Interrupted:
                pass

    started, go = coterie.Queue(), coterie.Queue()
    with coterie.Executor(1, stop_grace=0.02) as pool:
        future = pool.submit(stay, started, go)
        started.get()
        future.interrupt()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
        assert pool.stats().lost == 1
        go.put("late")
        # It ends by itself: nobody waits for its result any more.
        while pool.stats().lost:
            time.sleep(0.001)
        assert pool.submit(double, 3).result() == 6
        assert pool.stats().lost_ever == 1
        assert pool.stats().started == 2
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()


def test_it_is_logged(caplog):
    def stay(started, go):
        started.put("started")
        while True:
            try:
                return go.get()
            except Interrupted:
                pass

    started, go = coterie.Queue(), coterie.Queue()
    with caplog.at_level(logging.WARNING, "concurrent.futures"):
        with coterie.Executor(1, "stubborn", stop_grace=0.02) as pool:
            future = pool.submit(stay, started, go)
            started.get()
            future.interrupt()
            concurrent.futures.wait([future])
            pool._settle(None)
            go.put(1)
    assert "stubborn_0 could not be stopped" in caplog.text


# ---- shutdown ----------------------------------------------------------------


def test_shutdown_may_interrupt():
    started = coterie.Queue()
    pool = coterie.Executor(2)
    futures = [pool.submit(spin, started) for _ in range(2)]
    waiting = pool.submit(double, 1)
    started.get(), started.get()
    pool.shutdown(cancel_futures=True, interrupt=True)
    assert all(future.cancelled() for future in [*futures, waiting])


def test_shutdown_may_interrupt_and_finish_what_waits():
    started = coterie.Queue()
    pool = coterie.Executor(1)
    future, waiting = pool.submit(spin, started), pool.submit(double, 1)
    started.get()
    pool.shutdown(interrupt=True)
    assert future.cancelled()
    assert waiting.result() == 2


def test_shutdown_with_a_timeout():
    started, go = coterie.Queue(), coterie.Queue()
    pool = coterie.Executor(1)
    future = pool.submit(hold, started, go)
    started.get()
    with pytest.raises(TimeoutError, match="workers are left after 0.01 seconds"):
        pool.shutdown(timeout=0.01)
    with pytest.raises(RuntimeError):
        pool.submit(double, 1)
    go.put(3)
    pool.shutdown(timeout=50)
    assert future.result() == 3


def test_an_initializer_that_hangs_is_interrupted():
    started = coterie.Queue()
    pool = coterie.Executor(1, initializer=spin, initargs=(started,))
    future = pool.submit(double, 1)
    started.get()
    pool.shutdown(interrupt=True)
    error = future.exception()
    assert type(error) is coterie.BrokenInterpreterPool
    assert "Interrupted" in str(error)


def test_an_initializer_that_would_hang_does_not_begin_any_more():
    for _ in range(20):
        pool = coterie.Executor(1, initializer=spin, initargs=(coterie.Queue(),))
        future = pool.submit(double, 1)
        pool.shutdown(cancel_futures=True, interrupt=True)
        assert future.cancelled()


def test_an_initializer_that_cannot_be_stopped_breaks_the_pool(run_script):
    ended = run_script("""
    import child, coterie, os
    started = coterie.Queue()
    pool = coterie.Executor(
        1, initializer=child.compute, initargs=(started,), stop_grace=0.05
    )
    future = pool.submit(len, "abc")
    started.get()
    pool.shutdown(interrupt=True)
    print(type(future.exception()).__name__)
    print(pool.stats().started, flush=True)
    os._exit(0)
    """)
    assert ended.lines == ["BrokenInterpreterPool", "1"]
