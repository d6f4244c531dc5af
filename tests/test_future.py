"""coterie.Future: everything that concurrent.futures promises of a future.

What holds for both is tried on the stdlib's thread pool too.
"""

import asyncio
import concurrent.futures
import gc
import logging
import operator
import threading
import time
import weakref
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

EXECUTORS = {
    "coterie": coterie.Executor,
    "stdlib": concurrent.futures.ThreadPoolExecutor,
}


@pytest.fixture(params=EXECUTORS)
def executor(request):
    """With one worker, ours and the stdlib's."""
    with EXECUTORS[request.param](1) as executor:
        yield executor


class Trouble(Exception):
    pass


def fail(text):
    raise Trouble(text)


class Held:
    """A call that runs until it is let go: `future`, and `let_go(result)`."""

    def __init__(self, executor):
        started, self.go = coterie.Queue(), coterie.Queue()
        self.future = executor.submit(self.wait, started, self.go)
        started.get()

    @staticmethod
    def wait(started, go):
        started.put(None)
        result = go.get()
        if isinstance(result, Exception):
            raise result
        return result

    def let_go(self, result=None):
        self.go.put(result)


# ---- result and exception ----------------------------------------------------


def test_result(executor):
    future = executor.submit(operator.add, 1, 2)
    assert future.result() == 3
    assert future.result(timeout=0) == 3
    assert future.exception() is None
    assert future.exception(0) is None


def test_the_result_is_one_object(executor):
    future = executor.submit(list, "abc")
    assert future.result() is future.result()


def test_exception(executor):
    future = executor.submit(fail, "text")
    error = future.exception(timeout=None)
    assert type(error) is Trouble
    with pytest.raises(Trouble) as caught:
        future.result()
    assert caught.value is error


@pytest.mark.parametrize("timeout", [0, 0.01, -1, -0.5, False], ids=repr)
@pytest.mark.parametrize("method", ["result", "exception"])
def test_a_timeout(executor, method, timeout):
    held = Held(executor)
    with pytest.raises(TimeoutError):
        getattr(held.future, method)(timeout)
    with pytest.raises(concurrent.futures.TimeoutError):
        getattr(held.future, method)(timeout=timeout)
    assert held.future.running()
    held.let_go("after all")
    assert held.future.result(timeout=1e9) == "after all"


@pytest.mark.parametrize("method", ["result", "exception"])
def test_wrong_arguments(executor, method):
    held = Held(executor)
    with pytest.raises(TypeError):
        getattr(held.future, method)("1")
    with pytest.raises(TypeError):
        getattr(held.future, method)(1, 2)
    with pytest.raises(TypeError):
        getattr(held.future, method)(when=1)
    held.let_go()


def test_states(executor):
    held = Held(executor)
    pending = executor.submit(len, "abc")
    states = [(f.running(), f.done(), f.cancelled()) for f in (held.future, pending)]
    assert states == [(True, False, False), (False, False, False)]
    held.let_go()
    pending.result()
    states = [(f.running(), f.done(), f.cancelled()) for f in (held.future, pending)]
    assert states == [(False, True, False), (False, True, False)]


def test_many_threads_wait_for_one_future(executor, in_threads):
    held = Held(executor)
    threading.Timer(0, held.let_go, [[1, 2]]).start()
    results = in_threads(held.future.result, [()] * 16)
    assert results == [[1, 2]] * 16
    assert all(result is results[0] for result in results)


def test_many_threads_wait_for_one_failure(executor, in_threads):
    held = Held(executor)
    waiting = in_threads(
        lambda first: held.let_go(Trouble()) if first else held.future.exception(),
        [(n == 0,) for n in range(8)],
    )
    assert len(set(map(id, waiting[1:]))) == 1
    assert type(waiting[1]) is Trouble


def test_a_future_outlives_its_executor():
    with coterie.Executor(1) as pool:
        good, bad = pool.submit(dict, a=[1]), pool.submit(fail, "text")
    del pool
    gc.collect()
    assert good.result() == {"a": [1]}
    assert bad.exception().args == ("text",)


def test_a_dropped_future_still_runs(executor):
    q = coterie.Queue()
    executor.submit(q.put, "ran")
    assert q.get() == "ran"


def test_a_future_with_its_result_is_collected(pool):
    class Token:
        pass

    future = pool.submit(Token)
    future.result().future = future  # a cycle
    weak = weakref.ref(future.result())
    del future
    gc.collect()
    assert weak() is None


def test_an_exception_of_a_future_is_no_cycle(pool):
    future = pool.submit(fail, "text")
    with pytest.raises(Trouble):
        future.result()
    weak = weakref.ref(future.exception())
    gc.disable()
    try:
        del future
        assert weak() is None
    finally:
        gc.enable()


# ---- cancel ------------------------------------------------------------------


def test_cancel_before_the_start(executor):
    held = Held(executor)
    pending = executor.submit(len, "abc")
    assert pending.cancel()
    assert pending.cancel()
    assert (pending.cancelled(), pending.done(), pending.running()) == (
        True, True, False,
    )  # fmt: skip
    for method in (pending.result, pending.exception):
        with pytest.raises(concurrent.futures.CancelledError):
            method()
    held.let_go()
    assert executor.submit(len, "abc").result() == 3


def test_cancel_of_what_runs_or_has_ended(executor):
    held = Held(executor)
    assert not held.future.cancel()
    held.let_go("done")
    assert held.future.result() == "done"
    assert not held.future.cancel()
    assert not held.future.cancelled()
    failed = executor.submit(fail, "text")
    failed.exception()
    assert not failed.cancel()


def test_what_is_cancelled_does_not_run(executor):
    held, ran = Held(executor), coterie.Queue()
    futures = [executor.submit(ran.put, n) for n in range(10)]
    for future in futures[::2]:
        assert future.cancel()
    held.let_go()
    concurrent.futures.wait(futures)
    assert [ran.get_nowait() for _ in range(5)] == [1, 3, 5, 7, 9]
    assert ran.empty()


def test_cancel_wakes_who_waits(executor, in_threads):
    held = Held(executor)
    pending = executor.submit(len, "abc")

    def wait_or_cancel(cancels):
        if cancels:
            return pending.cancel()
        try:
            return pending.result()
        except concurrent.futures.CancelledError:
            return "cancelled"

    outcomes = in_threads(wait_or_cancel, [(False,), (False,), (True,)])
    held.let_go()
    assert outcomes == ["cancelled", "cancelled", True]


# ---- callbacks ---------------------------------------------------------------


def called_back(future):
    """Adds a callback; gives the function that waits for its arguments."""
    called = threading.Event()
    arguments = []

    def note(*args):
        arguments.extend(args)
        called.set()

    def wait():
        called.wait()
        return arguments

    future.add_done_callback(note)
    return wait


def test_a_callback_before_the_end(executor):
    held = Held(executor)
    wait = called_back(held.future)
    held.let_go("result")
    assert wait() == [held.future]
    assert held.future.result() == "result"


def test_a_callback_after_the_end_is_called_at_once(executor):
    future = executor.submit(len, "abc")
    concurrent.futures.wait([future])
    calls = []
    future.add_done_callback(lambda f: calls.append((f, threading.get_ident())))
    assert calls == [(future, threading.get_ident())]


def test_callbacks_come_in_order_and_once(executor):
    held = Held(executor)
    order, all_done = [], threading.Event()
    for n in range(5):
        held.future.add_done_callback(lambda f, n=n: order.append(n))
    held.future.add_done_callback(lambda f: all_done.set())
    held.let_go()
    all_done.wait()
    assert order == [0, 1, 2, 3, 4]
    held.future.add_done_callback(lambda f: order.append("late"))
    held.future.result()
    assert order[:5] == [0, 1, 2, 3, 4]
    assert order.count("late") == 1


def test_a_callback_of_a_cancelled_call(executor):
    held = Held(executor)
    pending = executor.submit(len, "abc")
    wait = called_back(pending)
    pending.cancel()
    pending.cancel()
    assert wait() == [pending]
    held.let_go()


def test_a_callback_of_a_call_that_cannot_be_sent(pool):
    future = pool.submit(len, threading.Lock())
    assert called_back(future)() == [future]


def test_a_callback_of_what_shutdown_cancelled():
    with coterie.Executor(1) as pool:
        held = Held(pool)
        pending = pool.submit(len, "abc")
        wait = called_back(pending)
        pool.shutdown(wait=False, cancel_futures=True)
        assert wait() == [pending]
        assert pending.cancelled()
        held.let_go()


def test_shutdown_waits_for_callbacks():
    called = []

    def call(future):
        time.sleep(0.05)
        called.append(future)

    with coterie.Executor(2) as pool:
        futures = [pool.submit(len, "abc") for _ in range(4)]
        for future in futures:
            future.add_done_callback(call)
    assert set(called) == set(futures)


def test_shutdown_waits_for_callbacks_as_long_as_it_may():
    gate = threading.Event()
    pool = coterie.Executor(1)
    held = Held(pool)
    held.future.add_done_callback(lambda _: gate.wait())
    held.let_go()
    with pytest.raises(TimeoutError):
        pool.shutdown(timeout=0.05)
    gate.set()
    pool.shutdown(timeout=50)


def test_a_callback_may_shut_down():
    pool = coterie.Executor(1)
    held = Held(pool)
    ended = threading.Event()

    def shut_down(_):
        pool.shutdown()
        ended.set()

    held.future.add_done_callback(shut_down)
    held.let_go()
    ended.wait()


def test_the_result_is_there_when_the_callback_runs(executor):
    seen = []
    done = threading.Event()

    def look(future):
        seen.append((future.done(), future.running(), future.result(0)))
        done.set()

    held = Held(executor)
    held.future.add_done_callback(look)
    held.let_go([1])
    done.wait()
    assert seen == [(True, False, [1])]


def test_a_callback_that_raises_is_logged_and_ignored(executor, caplog):
    held = Held(executor)

    def raise_(future):
        raise ValueError("in the callback")

    held.future.add_done_callback(raise_)
    wait = called_back(held.future)
    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        held.let_go("fine")
        wait()
    held.future.add_done_callback(raise_)
    assert held.future.result() == "fine"
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    for record in caplog.records:
        assert "exception calling callback" in record.getMessage()
        assert record.exc_info[0] is ValueError


def test_a_callback_may_submit_more(pool):
    results, done = [], threading.Event()

    def go_on(future):
        results.append(future.result())
        if len(results) < 5:
            pool.submit(operator.neg, future.result()).add_done_callback(go_on)
        else:
            done.set()

    pool.submit(operator.neg, 1).add_done_callback(go_on)
    done.wait()
    assert results == [-1, 1, -1, 1, -1]


def test_callbacks_of_many_futures(pool):
    left = threading.Semaphore(0)
    futures = [pool.submit(operator.neg, n) for n in range(300)]
    for future in futures:
        future.add_done_callback(lambda f: left.release())
    for _ in futures:
        left.acquire()
    assert not left.acquire(blocking=False)


def test_callbacks_added_while_the_call_ends(pool, in_threads):
    for _ in range(30):
        future = pool.submit(len, "abc")
        calls = threading.Semaphore(0)
        in_threads(
            lambda f=future, c=calls: f.add_done_callback(lambda _: c.release()),
            [()] * 3,
        )
        for _ in range(3):
            calls.acquire()
        assert not calls.acquire(blocking=False)


def test_a_callback_inside_a_worker(pool):
    def outer():
        done = coterie.Queue()
        with coterie.Executor(1) as inner:
            future = inner.submit(len, "abc")
            future.add_done_callback(lambda f: done.put(f.result()))
            return done.get()

    assert pool.submit(outer).result() == 3


# ---- as_completed and wait ---------------------------------------------------


def test_as_completed(pool):
    futures = [pool.submit(operator.neg, n) for n in range(50)]
    done = list(concurrent.futures.as_completed(futures))
    assert set(done) == set(futures)
    assert sorted(f.result() for f in done) == sorted(-n for n in range(50))


def test_as_completed_gives_what_ends_first(pool):
    first, second = Held(pool), Held(pool)
    completed = concurrent.futures.as_completed([first.future, second.future])
    second.let_go()
    assert next(completed) is second.future
    first.let_go()
    assert next(completed) is first.future
    assert list(completed) == []


def test_as_completed_with_a_timeout(executor):
    held = Held(executor)
    done = executor.submit(len, "abc")
    completed = concurrent.futures.as_completed([held.future], timeout=0.01)
    with pytest.raises(TimeoutError):
        list(completed)
    held.let_go()
    assert set(concurrent.futures.as_completed([held.future, done], 1e6)) == {
        held.future, done,
    }  # fmt: skip


def test_as_completed_with_failed_and_cancelled_ones(executor):
    held = Held(executor)
    failing, cancelled = executor.submit(fail, "text"), executor.submit(len, "abc")
    assert cancelled.cancel()
    completed = concurrent.futures.as_completed([held.future, failing, cancelled])
    held.let_go()
    assert set(completed) == {held.future, failing, cancelled}


def test_as_completed_with_one_that_could_not_be_sent(pool):
    bad, good = pool.submit(len, threading.Lock()), pool.submit(len, "abc")
    assert set(concurrent.futures.as_completed([bad, good])) == {bad, good}


def test_wait_for_all(pool):
    futures = {pool.submit(operator.neg, n) for n in range(20)}
    done, not_done = concurrent.futures.wait(futures)
    assert (done, not_done) == (futures, set())
    assert concurrent.futures.wait(futures, timeout=0).done == futures


def test_wait_for_the_first(pool):
    held, other = Held(pool), Held(pool)
    other.let_go()
    done, not_done = concurrent.futures.wait(
        [held.future, other.future], return_when=FIRST_COMPLETED
    )
    assert (done, not_done) == ({other.future}, {held.future})
    held.let_go()


def test_wait_for_the_first_exception(pool):
    held, other = Held(pool), Held(pool)
    fine = pool.submit(len, "abc")
    other.let_go(Trouble("first"))
    done, not_done = concurrent.futures.wait(
        [held.future, other.future], return_when=FIRST_EXCEPTION
    )
    assert (done, not_done) == ({other.future}, {held.future})
    held.let_go()
    assert concurrent.futures.wait([fine, held.future], None, FIRST_EXCEPTION) == (
        {fine, held.future},
        set(),
    )


@pytest.mark.parametrize(
    "return_when", [ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION]
)
@pytest.mark.parametrize("timeout", [0, 0.01])
def test_wait_with_a_timeout(executor, return_when, timeout):
    held = Held(executor)
    done, not_done = concurrent.futures.wait([held.future], timeout, return_when)
    assert (done, not_done) == (set(), {held.future})
    held.let_go()
    assert held.future.result() is None


def test_wait_for_ours_and_the_stdlibs_together(pool):
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        ours, theirs = Held(pool), Held(threads)
        both = [ours.future, theirs.future]
        ours.let_go()
        done, not_done = concurrent.futures.wait(both, return_when=FIRST_COMPLETED)
        assert (done, not_done) == ({ours.future}, {theirs.future})
        theirs.let_go()
        assert concurrent.futures.wait(both).done == set(both)
        assert set(concurrent.futures.as_completed(both)) == set(both)


def test_wait_in_many_threads(pool, in_threads):
    held = [Held(pool), Held(pool)]
    futures = {one.future for one in held}

    def act(which):
        if which < 2:
            held[which].let_go()
            return futures
        return concurrent.futures.wait(futures).done

    assert in_threads(act, [(n,) for n in (2, 2, 2, 2, 0, 1)]) == [futures] * 6


def test_wait_for_what_is_cancelled_meanwhile(executor, in_threads):
    held = Held(executor)
    pending = executor.submit(len, "abc")

    def act(cancels):
        if cancels:
            was_cancelled = pending.cancel()
            held.let_go()  # the stdlib tells of it only now
            return was_cancelled
        return concurrent.futures.wait([pending]).done

    assert in_threads(act, [(False,), (True,)]) == [{pending}, True]


def test_wait_inside_a_worker(pool):
    def outer():
        with coterie.Executor(1) as inner:
            futures = [inner.submit(operator.neg, n) for n in range(5)]
            done = concurrent.futures.as_completed(futures)
            return sorted(future.result() for future in done)

    assert pool.submit(outer).result() == [-4, -3, -2, -1, 0]


# ---- asyncio -----------------------------------------------------------------


def test_wrap_future(pool):
    async def main():
        first = asyncio.wrap_future(pool.submit(operator.add, 1, 2))
        second = asyncio.wrap_future(pool.submit(fail, "text"))
        return await asyncio.gather(first, second, return_exceptions=True)

    total, error = asyncio.run(main())
    assert total == 3
    assert type(error) is Trouble


def test_run_in_executor(pool):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, operator.neg, n) for n in range(20)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [-n for n in range(20)]


def test_the_loop_goes_on_while_a_call_runs(pool):
    async def main():
        held = await asyncio.to_thread(Held, pool)
        call = asyncio.wrap_future(held.future)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not call.done()
        held.let_go("result")
        return await call

    assert asyncio.run(main()) == "result"


def test_cancelling_a_wrapped_future_cancels_what_has_not_begun():
    async def main(pool):
        held = await asyncio.to_thread(Held, pool)
        pending = pool.submit(len, "abc")
        call = asyncio.wrap_future(pending)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)  # the loop tells the pool of it
        held.let_go("ran")
        assert await asyncio.wrap_future(held.future) == "ran"
        return pending

    with coterie.Executor(1) as pool:
        assert asyncio.run(main(pool)).cancelled()


def test_what_is_cancelled_cancels_the_wrapped_future():
    async def main(pool):
        held = await asyncio.to_thread(Held, pool)
        pending = pool.submit(len, "abc")
        call = asyncio.wrap_future(pending)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held.let_go()

    with coterie.Executor(1) as pool:
        asyncio.run(main(pool))


def test_wait_for_a_wrapped_future_with_a_timeout(pool):
    async def main():
        held = await asyncio.to_thread(Held, pool)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(held.future), 0.01)
        held.let_go()

    asyncio.run(main())


# ---- what it looks like ------------------------------------------------------


def test_repr():
    with coterie.Executor(1) as pool:
        held = Held(pool)
        pending, cancelled = (pool.submit(len, "abc") for _ in range(2))
        cancelled.cancel()
        assert "state=running" in repr(held.future)
        assert "state=pending" in repr(pending)
        assert "state=cancelled" in repr(cancelled)
        held.let_go()
        pending.result()
        assert "state=finished" in repr(pending)
        assert repr(pending).startswith("<Future at 0x")


def test_its_state_is_set_by_the_worker_only(pool):
    future = pool.submit(len, "abc")
    for call in (
        lambda: future.set_result(1),
        lambda: future.set_exception(ValueError()),
        lambda: future.set_running_or_notify_cancel(),
    ):
        with pytest.raises(concurrent.futures.InvalidStateError):
            call()
    assert future.result() == 3


def test_a_future_is_made_by_submit_only():
    with pytest.raises(TypeError, match="submit"):
        coterie.Future()


def test_it_is_a_future_for_everybody(pool):
    future = pool.submit(len, "abc")
    assert isinstance(future, concurrent.futures.Future)
    assert isinstance(future, coterie.Future)
    assert {future: 1}[future] == 1
