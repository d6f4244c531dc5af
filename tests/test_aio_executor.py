"""coterie.aio.Executor, on asyncio and on trio where it is installed."""

import asyncio
import concurrent.futures
import itertools
import sys
from contextlib import aclosing

import pytest

import coterie
from coterie import aio, sync

pytestmark = pytest.mark.timeout(60)


class Trio:
    @staticmethod
    def run(main):
        import trio

        return trio.run(main)

    @staticmethod
    async def cancel_when(event, function, *args):
        """Cancel the call once it has set the event."""
        import trio

        async with trio.open_nursery() as nursery:
            nursery.start_soon(function, *args)
            await event.await_()
            nursery.cancel_scope.cancel()


class Asyncio:
    @staticmethod
    def run(main):
        return asyncio.run(main())

    @staticmethod
    async def cancel_when(event, function, *args):
        task = asyncio.create_task(function(*args))
        await event.await_()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture(params=["asyncio", "trio"])
def loop(request):
    if request.param == "trio":
        pytest.importorskip("trio")
        return Trio()
    return Asyncio()


def square(x):
    return x * x


def run_until_interrupted(started, ended):
    started.set()
    try:
        while True:
            pass
    finally:
        ended.set()


def test_run(loop):
    async def main():
        async with aio.Executor(2) as pool:
            assert await pool.run(square, 3) == 9
            assert await pool.run(lambda *, x: x + 1, x=1) == 2
            with pytest.raises(ZeroDivisionError):
                await pool.run(divmod, 1, 0)
        with pytest.raises(RuntimeError, match="shutdown"):
            await pool.run(square, 3)

    loop.run(main)


def test_many_at_once():
    async def main():
        async with aio.Executor(2) as pool, asyncio.TaskGroup() as group:
            tasks = [group.create_task(pool.run(square, i)) for i in range(50)]
        assert [task.result() for task in tasks] == [i * i for i in range(50)]

    asyncio.run(main())


def test_a_failure_ends_the_group():
    """As TaskGroup has it: the others are cancelled, so their calls end."""
    started, ended = sync.Event(), sync.Event()

    async def main():
        async with aio.Executor(2) as pool:
            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    group.create_task(pool.run(run_until_interrupted, started, ended))
                    await started.await_()
                    group.create_task(pool.run(divmod, 1, 0))
            assert caught.group_contains(ZeroDivisionError)
            assert ended.is_set()
            assert await pool.run(square, 2) == 4

    asyncio.run(main())


def test_who_is_cancelled_interrupts_the_call(loop):
    async def main():
        started, ended = sync.Event(), sync.Event()
        async with aio.Executor(1) as pool:
            await loop.cancel_when(
                started, pool.run, run_until_interrupted, started, ended
            )
            assert ended.is_set()
            assert await pool.run(square, 2) == 4

    loop.run(main)


def test_a_call_that_has_not_begun_is_cancelled(loop):
    async def main():
        started, go_on, ran = sync.Event(), sync.Event(), sync.Event()

        def wait():
            started.set()
            go_on.wait()

        async with aio.Executor(1) as pool:
            first = pool._pool.submit(wait)
            await started.await_()
            await loop.cancel_when(started, pool.run, ran.set)
            go_on.set()
            first.result()
            assert await pool.run(square, 2) == 4
        assert not ran.is_set()

    loop.run(main)


def test_an_exception_in_the_block_ends_what_runs(loop):
    started, ended = sync.Event(), sync.Event()

    async def main():
        async with aio.Executor(1) as pool:
            pool._pool.submit(run_until_interrupted, started, ended)
            await started.await_()
            raise KeyError

    with pytest.raises(KeyError):
        loop.run(main)
    assert ended.is_set()


def test_who_is_cancelled_at_the_end_of_the_block_ends_what_runs(loop):
    async def main():
        started, ended = sync.Event(), sync.Event()

        async def block():
            async with aio.Executor(1) as pool:
                pool._pool.submit(run_until_interrupted, started, ended)

        await loop.cancel_when(started, block)
        assert ended.is_set()

    loop.run(main)


def test_who_is_cancelled_in_shutdown_ends_what_runs(loop):
    async def main():
        started, ended, ran = sync.Event(), sync.Event(), sync.Event()

        async def shut_down():
            pool = aio.Executor(1)
            pool._pool.submit(run_until_interrupted, started, ended)
            pool._pool.submit(ran.set)
            await pool.shutdown()

        await loop.cancel_when(started, shut_down)
        assert ended.is_set()
        assert not ran.is_set()

    loop.run(main)


def test_who_awaits_what_others_cancel_is_cancelled():
    async def main():
        started, ended = sync.Event(), sync.Event()
        async with aio.Executor(1) as pool:
            task = asyncio.create_task(pool.run(run_until_interrupted, started, ended))
            await started.await_()
            await pool.shutdown(interrupt=True)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    asyncio.run(main())


def test_a_cancelled_error_of_the_function_is_one(loop):
    def fail():
        raise concurrent.futures.CancelledError

    async def main():
        async with aio.Executor(1) as pool:
            with pytest.raises(concurrent.futures.CancelledError):
                await pool.run(fail)

    loop.run(main)


async def fail_with_a_call(pool, start, *events):
    async with pool:
        start(pool.run, run_until_interrupted, *events)
        await events[0].await_()
        raise KeyError("why")


def test_an_exception_in_the_block_is_that_of_the_group():
    async def main():
        async with asyncio.TaskGroup() as group:

            def start(function, *args):
                group.create_task(function(*args))

            await fail_with_a_call(aio.Executor(1), start, sync.Event(), sync.Event())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert [type(exc) for exc in caught.value.exceptions] == [KeyError]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_exception_in_the_block_is_seen_with_anyio(backend):
    anyio = pytest.importorskip("anyio")
    if backend == "trio":
        pytest.importorskip("trio")

    async def main():
        async with anyio.create_task_group() as group:
            events = sync.Event(), sync.Event()
            await fail_with_a_call(aio.Executor(1), group.start_soon, *events)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(main, backend=backend)
    assert caught.group_contains(KeyError)


# ---- other engines -----------------------------------------------------------


async def numbers(n):
    for number in range(n):
        yield number


async def use(pool):
    assert await pool.run(square, 3) == 9
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)
    squares = [i * i for i in range(9)]
    assert [x async for x in pool.map(square, range(9))] == squares
    assert [x async for x in pool.map(square, numbers(9))] == squares


@pytest.mark.parametrize("engine", ["thread", "process", "shared", "main"])
def test_engines(loop, engine):
    async def main():
        async with aio.Executor(2, engine=engine, max_pending=3) as pool:
            await use(pool)
            await use(pool.options())
        async with aio.Executor(2) as pool:
            await use(pool.options(engine=engine))

    loop.run(main)


def test_the_engine_of_the_standard_library():
    if sys.version_info < (3, 14):
        pytest.skip("new in 3.14")

    async def main():
        async with aio.Executor(2, engine="stdlib-interpreter") as pool:
            assert await pool.run(divmod, 7, 2) == (3, 1)
            assert [x async for x in pool.map(abs, range(-3, 0))] == [3, 2, 1]

    asyncio.run(main())


def test_fallback(loop):
    async def main():
        async with aio.Executor(2, fallback="main") as pool:
            await use(pool)
            await use(pool.options(retries=1))

    loop.run(main)


def test_who_is_cancelled_sees_a_call_end_that_cannot_be_interrupted():
    async def main():
        started, go_on = sync.Event(), sync.Event()
        ran = []

        def call():
            started.set()
            go_on.wait()
            ran.append("to its end")

        async with aio.Executor(1, engine="thread") as pool:
            task = asyncio.create_task(pool.run(call))
            await started.await_()
            task.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ran == ["to its end"]

    asyncio.run(main())


def test_who_is_cancelled_interrupts_a_call_in_a_process():
    async def main():
        async with aio.Executor(1, engine="process") as pool:
            task = asyncio.create_task(pool.run(run_for_ever))
            future = pool._pool.submit(square, 2)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.wrap_future(future) == 4

    asyncio.run(main())


def run_for_ever():
    while True:
        pass


# ---- map ---------------------------------------------------------------------


def test_map(loop):
    async def main():
        async with aio.Executor(2) as pool:
            found = [x async for x in pool.map(square, range(20))]
            assert found == [i * i for i in range(20)]
            found = [x async for x in pool.map(pow, numbers(20), itertools.repeat(2))]
            assert found == [i * i for i in range(20)]
            assert [x async for x in pool.map(square)] == []
            with pytest.raises(ValueError, match="buffersize"):
                await anext(pool.map(square, [1], buffersize=0))
            with pytest.raises(TypeError, match="buffersize"):
                await anext(pool.map(square, [1], buffersize=1.5))

    loop.run(main)


def test_map_looks_ahead_no_further_than_asked(loop):
    async def main():
        taken = itertools.count()
        async with aio.Executor(2) as pool:
            squares = pool.map(square, taken, buffersize=3)
            assert [await anext(squares) for _ in range(10)] == [
                i * i for i in range(10)
            ]
            assert next(taken) <= 13
            await squares.aclose()

    loop.run(main)


def test_a_map_that_ends_early_interrupts_its_calls(loop):
    async def main():
        started, ended = sync.Event(), sync.Event()

        def call(is_first):
            if is_first:
                return 1
            return run_until_interrupted(started, ended)

        async with aio.Executor(2) as pool:
            results = pool.map(call, [True, False], buffersize=2)
            assert await anext(results) == 1
            await started.await_()
            await results.aclose()
            assert ended.is_set()

    loop.run(main)


@pytest.mark.parametrize("buffersize", [1, 2, None])
def test_a_source_may_wait_for_results(loop, buffersize):
    async def main():
        had = sync.Semaphore(1)
        taken = found = 0

        async def source():
            nonlocal taken
            for number in range(9):
                await had.aacquire()
                taken += 1
                yield number

        async with aio.Executor(2) as pool:
            async for x in pool.map(square, source(), buffersize=buffersize):
                assert x == found**2
                found += 1
                assert taken == found
                had.release()
        assert found == 9

    loop.run(main)


def test_map_looks_ahead_no_further_in_an_asynchronous_source(loop):
    async def main():
        taken = 0

        async def source():
            nonlocal taken
            while True:
                taken += 1
                yield taken

        async with aio.Executor(2) as pool, aclosing(source()) as rows:
            results = pool.map(square, rows, buffersize=3)
            for found in range(1, 10):
                assert await anext(results) == found**2
                assert found <= taken <= found + 3
            await results.aclose()

    loop.run(main)


def test_map_does_not_fill_up_first(loop):
    async def main():
        ended = sync.Event()
        rows = iter(range(1, 100_000))

        def source():
            yield ended
            ended.wait()
            yield from rows

        async with aio.Executor(1) as pool:
            results = pool.map(set_or_pass, source(), buffersize=1_000_000)
            assert await anext(results) is None
            assert next(rows, None) is not None
            await results.aclose()

    loop.run(main)


def set_or_pass(event):
    if not isinstance(event, int):
        event.set()


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_source_raises_comes_after_its_results(loop, is_async):
    def source():
        yield from range(5)
        raise KeyError("why")

    async def async_source():
        for number in source():
            yield number

    async def main():
        found = []
        async with aio.Executor(2) as pool:
            with pytest.raises(KeyError, match="why"):
                async for x in pool.map(
                    square, async_source() if is_async else source()
                ):
                    found.append(x)
        assert found == [0, 1, 4, 9, 16]

    loop.run(main)


def test_a_map_that_ends_early_ends_its_source(loop):
    async def main():
        waits, over = sync.Event(), sync.Event()

        async def source():
            yield 3
            try:
                waits.set()
                await sync.Event().await_()
            finally:
                over.set()

        async def iterate(pool):
            async for x in pool.map(square, source()):
                assert x == 9

        async with aio.Executor(2) as pool:
            results = pool.map(square, source())
            assert await anext(results) == 9
            await waits.await_()
            await results.aclose()
            assert over.is_set()
            waits.clear()
            over.clear()
            await loop.cancel_when(waits, iterate, pool)
            assert over.is_set()
            assert await pool.run(square, 2) == 4

    loop.run(main)


def test_max_pending(loop):
    async def main():
        async with aio.Executor(1, max_pending=2) as pool:
            assert [await pool.run(square, i) for i in range(9)] == [
                i * i for i in range(9)
            ]
        for bad in (0, -1):
            with pytest.raises(ValueError, match="max_pending"):
                aio.Executor(1, max_pending=bad)
        with pytest.raises(TypeError, match="max_pending"):
            aio.Executor(1, max_pending="2")

    loop.run(main)


def test_who_has_no_room_waits_in_the_loop():
    async def main():
        started, go_on = sync.Event(), sync.Event()

        def wait():
            started.set()
            return go_on.wait()

        async with aio.Executor(1, max_pending=1) as pool:
            tasks = [asyncio.create_task(pool.run(wait)) for _ in range(5)]
            await started.await_()
            for _ in range(20):
                await asyncio.sleep(0)
            assert pool._pool.stats().pending == 1
            go_on.set()
            assert await asyncio.gather(*tasks) == [True] * 5

    asyncio.run(main())


def test_options(loop):
    async def main():
        async with aio.Executor(1) as pool:
            with pytest.raises(TimeoutError):
                await pool.options(timeout=0.05).run(
                    run_until_interrupted, sync.Event(), sync.Event()
                )
            assert await pool.run(square, 2) == 4

    loop.run(main)


# ---- an event loop in the worker ---------------------------------------------


async def add_slowly(queue, x):
    import asyncio

    await asyncio.sleep(0)
    return x + await queue.aget()


def test_run_async(loop):
    async def main():
        queue = coterie.Queue()
        queue.put(5)
        async with aio.Executor(1) as pool:
            assert await pool.run_async(add_slowly, queue, 3) == 8
            assert await pool.run_async(add_slowly, x=1, queue=queue_of(2)) == 3

    loop.run(main)


def queue_of(item):
    queue = coterie.Queue()
    queue.put(item)
    return queue


def test_a_cancelled_coroutine_is_cancelled_there(loop):
    async def main():
        started, ended = sync.Event(), sync.Event()

        async def wait():
            import asyncio

            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.set()
                raise

        async with aio.Executor(1) as pool:
            await loop.cancel_when(started, pool.run_async, wait)
            assert ended.is_set()
            assert await pool.run(square, 2) == 4

    loop.run(main)


def test_a_coroutine_that_never_awaits_is_interrupted(loop):
    async def main():
        started, ended = sync.Event(), sync.Event()

        async def run():
            started.set()
            try:
                while True:
                    pass
            finally:
                ended.set()

        async with aio.Executor(1, stop_grace=0.1) as pool:
            await loop.cancel_when(started, pool.run_async, run)
            assert ended.is_set()

    loop.run(main)
