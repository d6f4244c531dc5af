"""Choices: python tests/stress/choosing.py [SEED [ITEMS]].

Interpreters select over two queues and two channels, sending and receiving in one
choice; some are threads, some have tasks of asyncio, of which some give up after
no time at all or are cancelled again and again.  Each has a number of items to
send, and receives until all are shut down.  In the end every number has arrived
once: they are counted and summed.  ITEMS are sent in all; the seed is printed.
"""

import random
import sys

import coterie
from coterie import queue
from coterie.interpreters import channels

INTERPRETERS = (2, 4, 8)
TASKS = 3  # in an interpreter that has tasks
SECONDS = 60  # a wait that takes longer is one for ever
GONE = (queue.ShutDown, channels.ChannelClosedError)


class Account:
    """What one has sent and received; the numbers that it has to send."""

    def __init__(self, places, numbers, seed):
        import random

        self.gets = [*places[:2], *(recv for recv, _ in places[2:])]
        self.puts = [*places[:2], *(send for _, send in places[2:])]
        self.numbers = iter(numbers)
        self.rng = random.Random(seed)
        self.number = next(self.numbers, None)
        self.count = self.total = 0

    def cases(self):
        """What may be done next: to send somewhere, to receive somewhere."""
        puts = []
        if self.number is not None:
            puts = self.rng.sample(self.puts, self.rng.randrange(1, len(self.puts) + 1))
        # To receive anywhere: so there is always somebody for who sends.
        both = [*self.gets, *((place, self.number) for place in puts)]
        self.rng.shuffle(both)
        return both

    def note(self, case, value):
        if isinstance(case, tuple):
            self.number = next(self.numbers, None)
        elif case is not None:
            self.count += 1
            self.total += value

    def drop(self, place):
        """It is shut down, and empty."""
        self.gets.remove(place)


def choose(places, numbers, ready, seed):
    """A thread: sends all, then receives what comes."""
    one = Account(places, numbers, seed)
    while one.number is not None:
        hasty = one.rng.random() < 0.2
        options = {"default": None} if hasty else {"timeout": SECONDS}
        one.note(*coterie.select(*one.cases(), **options))
    ready.put(None)
    while one.gets:
        try:
            one.note(*coterie.select(*one.gets, timeout=SECONDS))
        except GONE as exc:
            one.drop(exc.case)
    return one.count, one.total


async def choose_in_task(one, ready):
    from coterie import aio

    while one.number is not None:
        options = {"timeout": SECONDS}
        if one.rng.random() < 0.2:
            options = {"timeout": 0.0001, "default": None}
        one.note(*await aio.select(*one.cases(), **options))
    await ready.aput(None)
    while one.gets:
        try:
            one.note(*await aio.select(*one.gets, timeout=SECONDS))
        except GONE as exc:
            one.drop(exc.case)


async def be_cancelled(places, seed, stop):
    """Waits for what it lets go again: no item, no wake-up may stay with it."""
    import asyncio

    one = Account(places, (), seed)
    while not stop.is_set():
        waiting = [asyncio.ensure_future(take_one(one)) for _ in range(2)]
        for _ in range(one.rng.randrange(4)):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(result, tuple):
                one.note(*result)
            else:
                assert isinstance(result, (asyncio.CancelledError, *GONE)), result
    return one.count, one.total


async def take_one(one):
    from coterie import aio

    if one.rng.random() < 0.5:
        return await aio.select(*one.gets)
    place = one.gets[0]  # a queue
    return place, await place.aget()


def choose_in_tasks(places, numbers, ready, seed):
    """TASKS tasks, and some that are cancelled."""
    import asyncio

    async def main():
        ones = [
            Account(places, numbers[at::TASKS], f"{seed} {at}") for at in range(TASKS)
        ]
        stop = asyncio.Event()
        restless = asyncio.ensure_future(be_cancelled(places, seed, stop))
        await asyncio.gather(*(choose_in_task(one, ready) for one in ones))
        stop.set()
        results = [(one.count, one.total) for one in ones]
        return [*results, await restless]

    # Not asyncio.run: it asks for the current thread, and what 3.13 makes up for one
    # that threading did not start may complain as the interpreter ends.
    loop = asyncio.new_event_loop()
    try:
        results = loop.run_until_complete(main())
    finally:
        loop.close()
    return sum(count for count, _ in results), sum(total for _, total in results)


def rest(get):
    """What one that was cancelled gave back when all others had gone."""
    take = getattr(get, "get", None) or get.recv
    count = total = 0
    try:
        while True:
            total += take(timeout=SECONDS)
            count += 1
    except GONE:
        return count, total


def send_all(pool, rng, interpreters, items):
    places = [queue.Queue(rng.choice([1, 2, 10])) for _ in range(2)]
    places += [channels.create() for _ in range(2)]
    ready = queue.Queue()
    kinds = [rng.choice([choose, choose_in_tasks]) for _ in range(interpreters)]
    print(f"{items} by {[kind.__name__ for kind in kinds]}", flush=True)
    futures = [
        pool.submit(
            kind, places, range(at, items, interpreters), ready, rng.randrange(2**32)
        )
        for at, kind in enumerate(kinds)
    ]
    for kind in kinds:
        for _ in range(TASKS if kind is choose_in_tasks else 1):
            ready.get(timeout=SECONDS)
    for place in places:
        if isinstance(place, tuple):
            place[1].close()
        else:
            place.shutdown()
    results = [future.result() for future in futures]
    results.extend(rest(get) for get in Account(places, (), 0).gets)
    assert sum(count for count, _ in results) == items
    assert sum(total for _, total in results) == items * (items - 1) // 2


def main(seed=None, items=100_000):
    seed = random.randrange(2**32) if seed is None else int(seed)
    items = int(items)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    rounds = [count for count in INTERPRETERS for _ in range(3)]
    with coterie.Executor(max(INTERPRETERS)) as pool:
        for count in rounds:
            send_all(pool, rng, count, items // len(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
