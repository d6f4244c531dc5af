"""The awaitable twins: on asyncio, and on trio where it is installed."""

import asyncio
import concurrent.futures
import gc
import importlib.util
import threading

import pytest

import coterie
from coterie import aio, debug, interpreters, queue, sync
from coterie.interpreters import channels, queues

pytestmark = pytest.mark.timeout(60)

# ---- queues ------------------------------------------------------------------


def test_what_there_is_comes_at_once(loop):
    async def main():
        one = coterie.Queue(2)
        await one.aput(1)
        await one.aput(item=2)
        assert await one.aget() == 1
        assert await one.aget(timeout=0) == 2
        with pytest.raises(queue.Empty):
            await one.aget(timeout=0)
        with pytest.raises(queue.Empty):
            await one.aget(timeout=0.01)
        one.put_many([1, 2])
        with pytest.raises(queue.Full):
            await one.aput(3, timeout=0.01)
        one.shutdown()
        with pytest.raises(queue.ShutDown):
            await one.aput(3)

    loop.run(main)


@pytest.mark.parametrize("bad", [-1, float("nan")])
def test_bad_timeouts(loop, bad):
    async def main():
        with pytest.raises(ValueError, match="timeout"):
            await coterie.Queue().aget(timeout=bad)

    loop.run(main)


def test_what_cannot_be_sent(loop):
    async def main():
        with pytest.raises(coterie.NotShareableError):
            await coterie.Queue().aput(x for x in ())

    loop.run(main)


def echo(there, back):
    for item in there:
        back.put(item)
    back.shutdown()


@pytest.mark.parametrize("peer", ["other-thread", "other-interpreter"], indirect=True)
def test_a_round_trip(loop, peer):
    async def main():
        there, back = coterie.Queue(), coterie.Queue()
        echoing = peer.start(echo, there, back)
        for item in range(200):
            await there.aput(item)
            assert await back.aget() == item
        there.shutdown()
        assert [item async for item in back] == []
        await loop.in_thread(echoing.result)

    loop.run(main)


def test_tasks_of_one_loop(loop):
    async def main():
        one, got = coterie.Queue(), []

        async def take(name):
            got.append((name, await one.aget()))

        async with loop.group() as group:
            for name in range(5):
                await loop.start(group, take, name)
            one.put_many(range(5))
        names, items = zip(*got, strict=True)
        assert sorted(names) == sorted(items) == list(range(5))

    loop.run(main)


@pytest.mark.parametrize(
    "kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue]
)
def test_many_at_once(loop, kind):
    async def main():
        one = kind()
        await one.aput_many(iter([1, 2, 3]))
        await one.aput_many(items=[])
        assert sorted(await one.aget_many(2) + await one.aget_many(max=5)) == [1, 2, 3]
        with pytest.raises(queue.Empty):
            await one.aget_many(1, timeout=0.01)
        with pytest.raises(ValueError, match="max must be at least 1"):
            await one.aget_many(0)
        with pytest.raises(TypeError):
            await one.aget_many("1")
        with pytest.raises(TypeError, match=r"items\[1\]"):
            await one.aput_many([1, (x for x in ())])
        assert one.empty()

    loop.run(main)


def test_many_wait_for_room_for_all(loop):
    async def main():
        one, order = coterie.Queue(3), []

        async def put():
            await one.aput_many([4, 5, 6])
            order.append("put")

        one.put_many([1, 2, 3])
        with pytest.raises(queue.Full):
            await one.aput_many([4, 5], timeout=0.01)
        with pytest.raises(ValueError, match="never fit"):
            await one.aput_many(range(4))
        async with loop.group() as group:
            await loop.start(group, put)
            assert await one.aget_many(2) == [1, 2]
            assert order == []
            assert await one.aget_many(2) == [3]
        assert one.get_many(9) == [4, 5, 6]
        one.shutdown()
        with pytest.raises(queue.ShutDown):
            await one.aput_many([1])
        with pytest.raises(queue.ShutDown):
            await one.aget_many(1)

    loop.run(main)


def test_many_and_cancelled_tasks(loop):
    async def main():
        one = coterie.Queue(2)
        async with loop.group() as group:
            cancel = await loop.start(group, one.aget_many, 5)
            cancel()
        one.put_many([1, 2])
        async with loop.group() as group:
            cancel = await loop.start(group, one.aput_many, [3])
            cancel()
        assert one.get_many(5) == [1, 2]
        assert one.empty()

    loop.run(main)


def test_join(loop):
    async def main():
        one = coterie.Queue()
        one.put(1)
        with pytest.raises(TimeoutError):
            await one.ajoin(timeout=0.01)
        async with loop.group() as group:
            await loop.start(group, one.ajoin)
            one.get()
            one.task_done()

    loop.run(main)


def test_loops_in_several_interpreters(loop):
    """Each has its tasks, which talk by queues."""
    there, back = coterie.Queue(1), coterie.Queue(1)

    def answer_all():
        import asyncio

        async def answer():
            async for item in there:
                await back.aput(item + 1)
            back.shutdown()

        asyncio.run(answer())

    async def main():
        async def feed():
            for item in range(100):
                await there.aput(item)
            there.shutdown()

        async with loop.group() as group:
            await loop.start(group, feed)
            return [item async for item in back]

    with interpreters.create() as interp:
        thread = interp.call_in_thread(answer_all)
        assert loop.run(main) == list(range(1, 101))
        thread.result()


def test_a_subinterpreter_ends_while_a_task_waits():
    """Its tasks stand in line no more: the item is for who comes next."""
    one = coterie.Queue()

    def leave_a_task_waiting():
        import asyncio

        async def main():
            global task
            task = asyncio.ensure_future(one.aget())
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())

    with interpreters.create() as interp:
        interp.call(leave_a_task_waiting)
        assert [waiter.kind for waiter in debug.waiters()] == ["task"]
    assert debug.waiters() == []
    one.put(1)
    assert one.get(timeout=10) == 1


def wait_in_a_loop(queue, started):
    import asyncio

    async def main():
        asyncio.get_running_loop().call_soon(started.set)
        await queue.aget()

    asyncio.run(main())


def test_a_loop_that_sleeps_is_interrupted(pool):
    """It waits in C code, for file descriptors: the interrupt wakes it."""
    for _ in range(5):
        one, started = coterie.Queue(), sync.Event()
        future = pool.submit(wait_in_a_loop, one, started)
        started.wait()
        assert future.interrupt()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(timeout=30)
        one.put(1)
        assert one.get(timeout=10) == 1


def test_an_interpreter_whose_loop_sleeps_is_closed():
    one, started = coterie.Queue(), sync.Event()
    interp = interpreters.create()
    thread = interp.call_in_thread(wait_in_a_loop, one, started)
    started.wait()
    interp.close(interrupt=True, timeout=30)
    with pytest.raises(interpreters.ExecutionFailed, match="KeyboardInterrupt"):
        thread.result()


# ---- cancelling --------------------------------------------------------------


def test_who_is_cancelled_takes_nothing(loop):
    async def main():
        one = coterie.Queue()
        async with loop.group() as group:
            for _ in range(20):
                cancel = await loop.start(group, one.aget)
                cancel()
                await loop.pause()
        one.put(1)
        assert one.get_nowait() == 1

    loop.run(main)


def test_who_is_cancelled_after_he_was_woken_passes_it_on(loop):
    async def main():
        one, got = coterie.Queue(), []

        async def take():
            got.append(await one.aget())

        async with loop.group() as group:
            cancels = [await loop.start(group, take) for _ in range(2)]
            one.put(1)  # for the first
            cancels[0]()
        assert got == [1]

    loop.run(main)


def test_items_survive_cancelled_tasks(loop):
    """Many tasks give up at random moments; what they did not take is there."""

    async def main():
        one, got = coterie.Queue(), []
        done = threading.Event()

        def feed():
            for item in range(500):
                one.put(item)
            done.set()

        async def take_some():
            async with loop.move_on_after(0.001):
                while True:
                    got.append(await one.aget())

        threading.Thread(target=feed).start()
        while not done.is_set() or one.qsize():
            async with loop.group() as group:
                for _ in range(4):
                    await loop.start(group, take_some)
        assert sorted(got) == list(range(500))

    loop.run(main)


def test_a_wait_that_is_dropped_leaves_the_line():
    one = coterie.Queue()

    async def main():
        coroutine = one.aget()
        coroutine.send(None)
        coroutine.close()
        waiting = one.aget()
        waiting.send(None)
        del waiting
        gc.collect()

    asyncio.run(main())
    one.put(1)
    assert one.get(timeout=10) == 1


def test_a_loop_that_is_gone():
    """Its tasks are not waited for: what they waited for goes to others."""
    one = coterie.Queue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(one.aget())
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    del task
    one.put(1)
    assert one.get(timeout=10) == 1


# ---- channels ----------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, 1, None])
def test_a_channel(loop, capacity, pool):
    async def main():
        recv, send = coterie.create_channel(capacity)
        back, answer = coterie.create_channel(capacity)

        def double_all():
            with answer:
                for item in recv:
                    answer.send(item * 2)

        doubling = pool.submit(double_all)

        async def feed():
            with send:
                for item in range(50):
                    await send.asend(item)

        async with loop.group() as group:
            await loop.start(group, feed)
            got = [item async for item in back]
        assert got == list(range(0, 100, 2))
        await loop.in_thread(doubling.result)

    loop.run(main)


def test_tasks_meet_in_a_channel(loop):
    async def main():
        recv, send = coterie.create_channel()
        got = []

        async def take():
            async for item in recv:
                got.append(item)

        async with loop.group() as group:
            for _ in range(3):
                await loop.start(group, take)
            for item in range(60):
                await send.asend(item)
            send.close()
        assert sorted(got) == list(range(60))
        with pytest.raises(coterie.channel.Closed):
            await recv.arecv()

    loop.run(main)


def test_what_a_cancelled_receiver_was_handed_is_for_the_next(loop):
    async def main():
        recv, send = coterie.create_channel()
        async with loop.group() as group:
            cancel = await loop.start(group, recv.arecv)
            send.send_nowait(1)  # the task stood in line: it has it
            cancel()
            await loop.pause()
        assert recv.recv_nowait() == 1

    loop.run(main)


def test_a_cancelled_sender_leaves_nothing(loop):
    async def main():
        recv, send = coterie.create_channel()
        async with loop.group() as group:
            cancel = await loop.start(group, send.asend, 1)
            cancel()
            await loop.pause()
        with pytest.raises(coterie.channel.Empty):
            recv.recv_nowait()
        with pytest.raises(coterie.channel.Full):
            await send.asend(2, timeout=0.01)

    loop.run(main)


def test_shared_memory(loop):
    async def main():
        recv, send = coterie.create_channel(1)
        memory = bytearray(b"abc")
        await send.asend_buffer(memory)
        with await recv.arecv() as view:
            view[0] = ord("x")
        assert memory == b"xbc"

    loop.run(main)


def test_subscribers(loop):
    async def main():
        source, send = coterie.create_channel(1, broadcast=True)
        got = [[], []]

        async def take(idx, subscription):
            async for item in subscription:
                got[idx].append(item)

        async with loop.group() as group:
            for idx in range(2):
                await loop.start(group, take, idx, source.subscribe())
            for item in range(20):
                await send.asend(item)
            send.close()
        assert got == [list(range(20))] * 2

    loop.run(main)


# ---- what coterie.interpreters has -------------------------------------------


def test_a_queue_of_interpreters(loop):
    async def main():
        one = queues.create(1)
        await one.aput(obj=1)
        with pytest.raises(queues.QueueFull, match=f"queue {one.id} is full"):
            await one.aput(2, timeout=0.01)
        assert await one.aget() == 1
        with pytest.raises(queues.QueueEmpty, match=f"queue {one.id} is empty"):
            await one.aget(timeout=0)
        with pytest.raises(coterie.NotShareableError):
            await one.aput(x for x in ())
        async with loop.group() as group:
            cancel = await loop.start(group, one.aget)
            cancel()
        one.put(3)
        assert one.get_nowait() == 3

    loop.run(main)


def test_an_item_of_an_interpreter_that_ended(loop):
    async def main():
        replaced = queues.create()
        failing = queues.create(unbounditems=queues.UNBOUND_ERROR)

        def put(one):
            import asyncio

            asyncio.run(one.aput(1))

        with interpreters.create() as interp:
            interp.call(put, replaced)
            interp.call(put, failing)
        assert await replaced.aget() is queues.UNBOUND
        with pytest.raises(queues.ItemInterpreterDestroyed):
            await failing.aget()

    loop.run(main)


def test_a_channel_of_interpreters(loop):
    async def main():
        recv, send = channels.create()
        got = []

        async def take():
            for _ in range(10):
                got.append(await recv.arecv())

        async with loop.group() as group:
            await loop.start(group, take)
            for item in range(10):
                await send.asend(item)
        assert got == list(range(10))
        memory = bytearray(b"abc")
        async with loop.group() as group:
            await loop.start(group, send.asend_buffer, memory)
            with recv.recv() as view:
                view[0] = ord("x")
        assert memory == b"xbc"
        with pytest.raises(TimeoutError):
            await recv.arecv(timeout=0.01)
        with pytest.raises(TimeoutError):
            await send.asend(1, timeout=0.01)
        send.close()
        with pytest.raises(channels.ChannelClosedError):
            await recv.arecv()
        with pytest.raises(channels.ChannelClosedError):
            await send.asend(1)

    loop.run(main)


def test_an_object_whose_interpreter_ended(loop):
    async def main():
        recv, send = channels.create(unbounditems=channels.UNBOUND_ERROR)
        with interpreters.create() as interp:
            interp.call(send.send_nowait, 1)
        with pytest.raises(channels.ItemInterpreterDestroyed):
            await recv.arecv()
        with interpreters.create() as interp:
            interp.call(send.send_nowait, 1, unbounditems=channels.UNBOUND)
        assert await recv.arecv() is channels.UNBOUND

    loop.run(main)


# ---- locks -------------------------------------------------------------------


@pytest.mark.parametrize("create", [sync.Lock, sync.RLock, sync.Condition])
def test_a_lock_is_held_by_one_task(loop, create):
    async def main():
        lock, held, turns = create(), [], []

        async def hold(name):
            for _ in range(20):
                async with lock:
                    held.append(name)
                    await loop.pause()
                    assert held == [name]
                    held.clear()
                    turns.append(name)

        async with loop.group() as group:
            for name in range(4):
                await loop.start(group, hold, name)
        assert len(turns) == 80
        assert not lock.locked()

    loop.run(main)


def test_an_rlock_is_its_tasks(loop):
    async def main():
        lock, tried = sync.RLock(), []

        async def try_it():
            tried.append(await lock.aacquire(timeout=0.01))

        async with loop.group() as group:
            async with lock:
                assert await lock.aacquire() is True
                lock.release()
                await loop.start(group, try_it)
                tried.append(await loop.in_thread(lock.acquire, False))
                tried.append(lock.acquire(blocking=False))
                while len(tried) < 3:
                    await loop.pause()
        assert tried == [False, False, False]
        assert lock.acquire(blocking=False)
        with pytest.raises(RuntimeError):
            await loop.in_thread(lock.release)
        lock.release()

    loop.run(main)


def test_a_lock_between_a_task_and_a_worker(loop, pool):
    async def main():
        lock, count = sync.Lock(), coterie.Queue()
        count.put(0)

        def add(times):
            for _ in range(times):
                with lock:
                    count.put(count.get() + 1)

        working = pool.submit(add, 100)
        for _ in range(100):
            async with lock:
                value = count.get()
                await loop.pause()
                count.put(value + 1)
        await loop.in_thread(working.result)
        assert count.get() == 200

    loop.run(main)


def test_who_is_cancelled_does_not_hold_the_lock(loop):
    async def main():
        lock = sync.Lock()
        for _ in range(20):
            lock.acquire()
            async with loop.group() as group:
                cancel = await loop.start(group, lock.aacquire)
                lock.release()
                cancel()
                await loop.pause()
            if lock.locked():  # it was faster than the cancel
                lock.release()
        assert lock.acquire(timeout=1)

    loop.run(main)


def test_semaphores(loop):
    async def main():
        semaphore, inside, most = sync.Semaphore(2), [], []

        async def enter(name):
            async with semaphore:
                inside.append(name)
                most.append(len(inside))
                for _ in range(10):
                    await loop.pause()
                inside.remove(name)

        async with loop.group() as group:
            for name in range(6):
                await loop.start(group, enter, name)
        assert max(most) == 2

    loop.run(main)


def test_an_owner_that_died(loop):
    async def main():
        lock = sync.Lock()
        with interpreters.create() as interp:
            interp.call(lock.acquire)
        with pytest.raises(sync.OwnerDied):
            async with lock:
                pass
        assert await lock.aacquire()

    loop.run(main)


def test_events(loop, pool):
    async def main():
        event = sync.Event()
        assert await event.await_(timeout=0.01) is False
        pool.submit(event.set)
        assert await event.await_() is True

    loop.run(main)


# ---- conditions --------------------------------------------------------------


def test_a_condition(loop):
    async def main():
        condition, state, seen = sync.Condition(), [], []

        async def wait(name):
            async with condition:
                assert await condition.await_for(lambda: len(state) > name) is True
                seen.append(name)

        async with loop.group() as group:
            for name in range(3):
                await loop.start(group, wait, name)
            for _ in range(3):
                async with condition:
                    state.append(None)
                    condition.notify_all()
        assert sorted(seen) == [0, 1, 2]

    loop.run(main)


def test_a_condition_without_its_lock(loop):
    async def main():
        condition = sync.Condition()
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            await condition.await_()
        with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
            condition.notify()
        async with condition:
            assert await condition.await_(timeout=0.01) is False
            assert await condition.await_for(lambda: 0, timeout=0.01) == 0
            assert condition.locked()

    loop.run(main)


def test_a_condition_held_twice(loop):
    async def main():
        condition = sync.Condition()
        async with condition:
            async with condition:
                assert await condition.await_(timeout=0) is False
                assert condition._depth == 2
        assert not condition.locked()

    loop.run(main)


def test_who_is_cancelled_in_a_condition_has_the_lock_till_he_leaves(loop):
    async def main():
        condition, left = sync.Condition(), []

        async def wait():
            async with condition:
                try:
                    await condition.await_()
                finally:
                    left.append(condition.locked())

        async with loop.group() as group:
            cancel = await loop.start(group, wait)
            async with condition:
                cancel()
                await loop.pause()
                await loop.pause()
                assert left == []
        assert left == [True]
        assert not condition.locked()

    loop.run(main)


def test_a_notification_is_not_lost_with_a_cancelled_task(loop):
    async def main():
        condition, seen = sync.Condition(), []

        async def wait(name):
            async with condition:
                seen.append((name, await condition.await_()))

        async with loop.group() as group:
            cancels = [await loop.start(group, wait, name) for name in range(2)]
            async with condition:
                condition.notify()  # the first
                cancels[0]()
                await loop.pause()
        assert seen == [(1, True)]

    loop.run(main)


# ---- select ------------------------------------------------------------------


def test_select(loop, pool):
    async def main():
        one, event = coterie.Queue(), sync.Event()
        assert await aio.select(one, event, default=3) == (None, 3)
        with pytest.raises(TimeoutError):
            await aio.select(one, event, timeout=0.01)
        with pytest.raises(ValueError, match="for ever"):
            await aio.select()
        pool.submit(one.put, 5)
        assert await aio.select(one, event) == (one, 5)
        future = pool.submit(abs, -3)
        assert await aio.select(future, event) == (future, 3)
        put = one, 7
        assert await aio.select(put, event) == (put, None)
        assert one.get() == 7
        one.shutdown()
        with pytest.raises(queue.ShutDown) as caught:
            await aio.select(one, event)
        assert caught.value.case is one

    loop.run(main)


def test_merge(loop):
    async def main():
        sources = [coterie.Queue() for _ in range(2)]
        for idx, source in enumerate(sources):
            source.put_many(range(idx * 10, idx * 10 + 10))
            source.shutdown()
        return [item async for item in aio.merge(*sources)]

    assert sorted(loop.run(main)) == list(range(20))


# ---- where it does not work --------------------------------------------------


def test_without_a_loop():
    with pytest.raises(RuntimeError, match="no running event loop"):
        coterie.Queue().aget().send(None)


@pytest.mark.skipif(not importlib.util.find_spec("anyio"), reason="needs anyio")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(backend):
    import anyio

    if backend == "trio":
        pytest.importorskip("trio")

    async def main():
        one, got = coterie.Queue(), []

        async def take():
            got.append(await one.aget())

        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await anyio.sleep(0)
            await anyio.to_thread.run_sync(one.put, 1)
        with anyio.move_on_after(0.01):
            await one.aget()
        one.put(2)
        assert await one.aget() == 2
        assert got == [1]

    anyio.run(main, backend=backend)
