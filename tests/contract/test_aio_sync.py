"""The awaitable twins of Barrier, RWLock and Once: on asyncio, and on trio."""

import asyncio
import gc
import threading

import pytest

import coterie
from coterie import _core, aio, interpreters, sync

pytestmark = pytest.mark.timeout(60)

bad_timeouts = pytest.mark.parametrize("bad", [-1, float("nan")])


# ---- Barrier -----------------------------------------------------------------


def test_all_come(loop):
    async def main():
        barrier, numbers = sync.Barrier(3), []

        async def come():
            for _ in range(5):
                numbers.append(await barrier.await_())

        async with loop.group() as group:
            for _ in range(3):
                await loop.start(group, come)
        assert sorted(numbers) == sorted([0, 1, 2] * 5)
        assert not barrier.broken

    loop.run(main)


@pytest.mark.parametrize("peer", ["other-thread", "other-interpreter"], indirect=True)
def test_a_task_and_a_thread(loop, peer):
    async def main():
        barrier = sync.Barrier(2)
        for _ in range(20):
            waiting = peer.start(barrier.wait)
            number = await barrier.await_(timeout=30)
            assert {number, await loop.in_thread(waiting.result)} == {0, 1}

    loop.run(main)


def test_who_comes_last_acts(loop):
    async def main():
        acted = coterie.Queue()
        barrier = sync.Barrier(2, action=lambda: acted.put(None))

        async def come():
            await barrier.await_()
            assert acted.qsize() == 1

        async with loop.group() as group:
            await loop.start(group, come)
            assert acted.empty()
            await loop.start(group, come)
        assert acted.qsize() == 1

    loop.run(main)


def test_an_action_that_raises_breaks_it(loop):
    async def main():
        barrier, ends = sync.Barrier(2, action=lambda: 1 / 0), []

        async def come():
            try:
                await barrier.await_()
            except (ZeroDivisionError, sync.BrokenBarrierError) as exc:
                ends.append(type(exc))

        async with loop.group() as group:
            await loop.start(group, come)
            await loop.start(group, come)
        assert sorted(ends, key=str) == [ZeroDivisionError, sync.BrokenBarrierError]
        assert barrier.broken

    loop.run(main)


def test_time_that_is_up_breaks_it(loop):
    async def main():
        barrier, ends = sync.Barrier(3), []

        async def come():
            with pytest.raises(sync.BrokenBarrierError):
                await barrier.await_()
            ends.append(None)

        async with loop.group() as group:
            await loop.start(group, come)
            with pytest.raises(sync.BrokenBarrierError):
                await barrier.await_(timeout=0.01)
        assert ends == [None]
        barrier.reset()
        with pytest.raises(sync.BrokenBarrierError):
            await barrier.await_(timeout=0)

    loop.run(main)


@pytest.mark.parametrize("usual", [0, -1, 0.01])
def test_the_usual_timeout(loop, usual):
    async def main():
        barrier = sync.Barrier(2, timeout=usual)
        with pytest.raises(sync.BrokenBarrierError):
            await barrier.await_()

    loop.run(main)


class Closing:
    """A barrier for two, and who came last, in the midst of his action."""

    def __init__(self):
        acts, self.go_on = sync.Event(), sync.Event()

        self.barrier = sync.Barrier(2, action=make_action(acts, self.go_on))
        self.last = threading.Thread(target=self.barrier.wait)
        self.acts = acts

    def begin(self):
        self.last.start()
        self.acts.wait()

    def end(self):
        self.go_on.set()
        self.last.join()


def make_action(acts, go_on):
    def action():
        acts.set()
        go_on.wait()

    return action


def test_time_does_not_count_while_the_action_runs():
    closing = Closing()
    wait = _core.Wait(_core.Inbox(), 0, "wait", (closing.barrier,))
    assert wait.step() is None
    closing.begin()
    assert wait.expire() is None
    assert not wait.over
    assert wait.step() is None
    closing.end()
    assert wait.step() == (0, 0)
    assert wait.over


def test_who_comes_while_the_action_runs_waits_for_its_end(loop):
    """Then his time counts again, and it is up."""

    async def main():
        closing, ends = Closing(), []

        async def come():
            await closing.barrier.await_()

        async def come_late():
            with pytest.raises(sync.BrokenBarrierError):
                await closing.barrier.await_(timeout=0)
            ends.append(None)

        async with loop.group() as group:
            await loop.start(group, come)
            closing.begin()
            await loop.start(group, come_late)
            assert ends == []
            closing.end()
        assert ends == [None]

    loop.run(main)


def test_a_cancelled_task_breaks_it(loop):
    async def main():
        barrier = sync.Barrier(2)
        async with loop.group() as group:
            cancel = await loop.start(group, barrier.await_)
            assert barrier.n_waiting == 1
            cancel()
        assert barrier.broken
        with pytest.raises(sync.BrokenBarrierError):
            await barrier.await_()
        barrier.reset()
        assert barrier.n_waiting == 0

    loop.run(main)


def test_who_is_cancelled_when_all_have_come_breaks_nothing(loop):
    async def main():
        barrier = sync.Barrier(2)
        async with loop.group() as group:
            cancel = await loop.start(group, barrier.await_)
            barrier.wait(timeout=10)
            cancel()
        assert not barrier.broken

    loop.run(main)


def test_abort_and_reset(loop):
    async def main():
        barrier, ends = sync.Barrier(2), []

        async def come():
            with pytest.raises(sync.BrokenBarrierError):
                await barrier.await_()
            ends.append(None)

        for end in (barrier.reset, barrier.abort):
            async with loop.group() as group:
                await loop.start(group, come)
                end()
        assert len(ends) == 2
        assert barrier.broken

    loop.run(main)


@bad_timeouts
def test_bad_timeouts_of_a_barrier(loop, bad):
    async def main():
        barrier = sync.Barrier(2)
        with pytest.raises(ValueError, match="timeout"):
            await barrier.await_(bad)
        assert barrier.n_waiting == 0
        assert not barrier.broken

    loop.run(main)


def test_a_coroutine_that_is_dropped_breaks_the_barrier():
    barrier = sync.Barrier(2)

    async def main():
        waiting = barrier.await_()
        waiting.send(None)
        del waiting
        gc.collect()

    asyncio.run(main())
    assert barrier.broken


# ---- RWLock ------------------------------------------------------------------


def test_many_read_and_one_writes(loop):
    async def main():
        lock, state = sync.RWLock(), {"readers": 0, "writers": 0, "most": 0}

        async def read():
            for _ in range(20):
                async with lock.read():
                    state["readers"] += 1
                    state["most"] = max(state["most"], state["readers"])
                    await loop.pause()
                    assert state["writers"] == 0
                    state["readers"] -= 1

        async def write():
            for _ in range(20):
                async with lock.write() as is_held:
                    assert is_held is True
                    state["writers"] += 1
                    await loop.pause()
                    assert (state["readers"], state["writers"]) == (0, 1)
                    state["writers"] -= 1
                await loop.pause()

        async with loop.group() as group:
            for _ in range(3):
                await loop.start(group, read)
                await loop.start(group, write)
        assert state["most"] > 1
        assert lock.acquire_write(blocking=False)

    loop.run(main)


@pytest.mark.parametrize("peer", ["other-thread", "other-interpreter"], indirect=True)
def test_a_task_and_a_thread_write(loop, peer):
    def add(lock, count):
        for _ in range(100):
            with lock.write():
                count.put(count.get() + 1)

    async def main():
        lock, count = sync.RWLock(), coterie.Queue()
        count.put(0)
        adding = peer.start(add, lock, count)
        for _ in range(100):
            async with lock.write():
                value = count.get()
                await loop.pause()
                count.put(value + 1)
        await loop.in_thread(adding.result)
        assert count.get() == 200

    loop.run(main)


def test_the_owner_is_the_task(loop):
    async def main():
        lock, ends = sync.RWLock(), []

        async def try_it():
            ends.append(await lock.aacquire_read(timeout=0.01))
            ends.append(await lock.aacquire_write(timeout=0))
            with pytest.raises(RuntimeError, match="un-acquired write lock"):
                lock.release_write()

        async with lock.write():
            async with loop.group() as group:
                await loop.start(group, try_it)
            assert ends == [False, False]
            with pytest.raises(RuntimeError, match="un-acquired write lock"):
                await loop.in_thread(lock.release_write)
            for acquire in (lock.aacquire_read, lock.aacquire_write):
                with pytest.raises(RuntimeError, match="this task holds"):
                    await acquire()
            for acquire in (lock.acquire_read, lock.acquire_write):
                with pytest.raises(RuntimeError, match="this task holds"):
                    acquire()
        assert await lock.aacquire_write() is True
        lock.release_write()
        assert await lock.aacquire_read(timeout=1) is True
        await loop.in_thread(lock.release_read)  # the interpreter's
        with pytest.raises(RuntimeError, match="un-acquired read lock"):
            lock.release_read()

    loop.run(main)


def test_a_thread_that_writes_is_no_task(loop):
    async def main():
        lock = sync.RWLock()
        with lock.write():
            assert await lock.aacquire_write(timeout=0.01) is False
            with pytest.raises(RuntimeError, match="this thread holds"):
                lock.acquire_read()
        assert await lock.aacquire_write() is True
        lock.release_write()

    loop.run(main)


@pytest.mark.parametrize("side", ["read", "write"])
def test_who_is_cancelled_does_not_hold_it(loop, side):
    async def main():
        lock = sync.RWLock()
        async with loop.group() as group:
            lock.acquire_write()
            cancel = await loop.start(group, getattr(lock, f"aacquire_{side}"))
            cancel()
            await loop.pause()
            lock.release_write()
        assert lock.acquire_write(blocking=False)

    loop.run(main)


def test_a_writer_that_is_cancelled_lets_the_readers_go_on(loop):
    async def main():
        lock, got = sync.RWLock(), []

        async def read():
            got.append(await lock.aacquire_read())

        lock.acquire_read()
        async with loop.group() as group:
            cancel = await loop.start(group, lock.aacquire_write)
            await loop.start(group, read)
            assert got == []  # it waits behind the writer
            cancel()
        assert got == [True]

    loop.run(main)


def test_a_writer_whose_time_is_up_lets_the_readers_go_on(loop):
    async def main():
        lock, got = sync.RWLock(), []

        async def read():
            got.append(await lock.aacquire_read())

        async def write():
            got.append(await lock.aacquire_write(timeout=0.05))

        lock.acquire_read()
        async with loop.group() as group:
            await loop.start(group, write)
            await loop.start(group, read)
        assert sorted(got) == [False, True]

    loop.run(main)


def test_an_owner_that_died(loop):
    async def main():
        lock = sync.RWLock()
        with interpreters.create() as interp:
            interp.call(lock.acquire_write)
        with pytest.raises(sync.OwnerDied):
            async with lock.read():
                pass
        async with lock.write():
            pass

    loop.run(main)


def test_holds_are_cases(loop):
    async def main():
        lock, never = sync.RWLock(), sync.Event()
        reading, writing = lock.read(), lock.write()
        assert await aio.select(reading, never) == (reading, True)
        assert await aio.select(writing, never, default=0) == (None, 0)
        lock.release_read()
        assert await aio.select(writing, never) == (writing, True)
        lock.release_write()

    loop.run(main)


# ---- Once --------------------------------------------------------------------


def test_a_coroutine_function_is_awaited_once(loop):
    async def main():
        once, calls, got = sync.Once(), [], []

        async def make(*parts):
            calls.append(parts)
            for _ in range(5):
                await loop.pause()
            return parts

        async def ask():
            got.append(await once.aget(make, 1, 2))

        async with loop.group() as group:
            for _ in range(4):
                await loop.start(group, ask)
        assert calls == [(1, 2)]
        assert got == [(1, 2)] * 4
        assert once.get(int) == (1, 2)
        assert await once.aget(int, timeout=0) == (1, 2)

    loop.run(main)


def test_a_plain_function_is_called_once(loop):
    async def main():
        once, calls = sync.Once(), []
        assert await once.acall(calls.append, 1) is None
        assert await once.acall(calls.append, 2) is None
        assert calls == [1]
        with pytest.raises(RuntimeError, match="keeps no value"):
            await once.aget(int)

    loop.run(main)


@pytest.mark.parametrize("peer", ["other-thread", "other-interpreter"], indirect=True)
def test_a_task_waits_for_a_thread(loop, peer):
    def make(inside, go_on):
        inside.set()
        go_on.wait()
        return "theirs"

    def get(once, make, *args):
        return once.get(make, *args)

    async def main():
        once, inside, go_on = sync.Once(), sync.Event(), sync.Event()
        getting = peer.start(get, once, make, inside, go_on)
        await inside.await_()
        with pytest.raises(TimeoutError):
            await once.aget(int, timeout=0.01)
        go_on.set()
        assert await once.aget(int) == "theirs"
        assert await loop.in_thread(getting.result) == "theirs"

    loop.run(main)


def test_a_thread_waits_for_a_task(loop):
    async def main():
        once, inside, got = sync.Once(), sync.Event(), []
        asking = threading.Thread(target=lambda: got.append(once.get(int)))

        async def make():
            inside.set()
            asking.start()
            await loop.pause()
            return "ours"

        assert await once.aget(make) == "ours"
        await loop.in_thread(asking.join)
        assert got == ["ours"]

    loop.run(main)


@pytest.mark.parametrize("is_async", [False, True])
def test_who_fails_lets_the_next_try(loop, is_async):
    async def main():
        once, ends = sync.Once(), []

        def fail():
            raise KeyError(len(ends))

        async def fail_later():
            await loop.pause()
            fail()

        async def try_it():
            try:
                ends.append(await once.aget(fail_later if is_async else fail))
            except KeyError as exc:
                ends.append(exc)

        async with loop.group() as group:
            for _ in range(3):
                await loop.start(group, try_it)
        assert [type(end) for end in ends] == [KeyError] * 3
        assert not once.done
        assert await once.aget(int) == 0

    loop.run(main)


def test_who_is_cancelled_inside_lets_the_next_try(loop):
    async def main():
        once, got = sync.Once(), []

        async def never():
            await sync.Event().await_()

        async def ask():
            got.append(await once.aget(int, "7"))

        async with loop.group() as group:
            cancel = await loop.start(group, once.acall, never)
            await loop.start(group, ask)
            assert got == []
            cancel()
        assert got == [7]

    loop.run(main)


def test_who_is_cancelled_waiting_leaves_the_line(loop):
    async def main():
        once, inside, go_on, got = sync.Once(), sync.Event(), sync.Event(), []

        async def fail():
            inside.set()
            await go_on.await_()
            raise KeyError

        async def call():
            with pytest.raises(KeyError):
                await once.acall(fail)

        async def ask():
            got.append(await once.aget(int, "7"))

        async with loop.group() as group:
            await loop.start(group, call)
            await inside.await_()
            cancel = await loop.start(group, ask)
            await loop.start(group, ask)
            cancel()
            go_on.set()
        assert got == [7]

    loop.run(main)


def test_a_value_that_cannot_be_sent(loop):
    async def main():
        once = sync.Once()
        with pytest.raises(coterie.NotShareableError, match="value not shareable"):
            await once.aget(lambda: (x for x in ()))
        assert not once.done
        assert await once.aget(lambda: 5) == 5

    loop.run(main)


def test_inside_the_call(loop):
    async def main():
        once = sync.Once()

        async def ask_again():
            with pytest.raises(RuntimeError, match="this task is inside the call"):
                await once.acall(int)
            with pytest.raises(RuntimeError, match="this task is inside the call"):
                once.call(int)

        await once.acall(ask_again)
        assert once.done

    loop.run(main)


def test_a_loop_inside_the_call(loop):
    once = sync.Once()

    async def main():
        with pytest.raises(RuntimeError, match="this thread is inside the call"):
            await once.acall(int)

    once.call(loop.run, main)
    assert once.done


def test_a_task_that_is_dropped_inside_the_call():
    once = sync.Once()

    async def main():
        calling = once.acall(asyncio.sleep, 1000)
        calling.send(None)
        assert "running" in repr(once)
        del calling
        gc.collect()

    asyncio.run(main())
    assert "not done" in repr(once)


@pytest.mark.parametrize("name", ["acall", "aget"])
def test_bad_arguments_of_once(loop, name):
    async def main():
        method = getattr(sync.Once(), name)
        with pytest.raises(TypeError, match="missing required argument: 'f'"):
            method()
        with pytest.raises(TypeError, match="f must be callable, not int"):
            method(3)
        with pytest.raises(TypeError, match="'base'"):
            method(int, base=3)
        with pytest.raises(ValueError, match="timeout"):
            await method(int, timeout=-1)
        assert await method(int, timeout=None) in (0, None)

    loop.run(main)


def test_in_several_interpreters(loop):
    def ask(once):
        import asyncio

        return asyncio.run(once.aget(int, "7"))

    async def main():
        once, numbers = sync.Once(), []
        with coterie.Executor(2) as pool:
            asked = [pool.submit(ask, once) for _ in range(4)]
            numbers.append(await once.aget(int, "7"))
            for future in asked:
                numbers.append(await loop.in_thread(future.result))
        assert numbers == [7] * 5

    loop.run(main)
