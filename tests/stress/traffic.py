"""Heavy traffic: python tests/stress/traffic.py [SEED [ITEMS]].

Producers and consumers in 2 to 16 interpreters send numbers through each kind of
queue and through channels, and give up their turn at random places.  In the end
every number has arrived once: they are counted, summed, and where the kind keeps
an order, that is looked at.  ITEMS are sent in all; the seed is printed.
"""

import random
import sys

import coterie
from coterie import queue
from coterie.interpreters import channels

INTERPRETERS = (2, 4, 8, 16)
STRIDE = 1 << 32  # between the numbers of two producers
END = -1  # what a SimpleQueue, which cannot be shut down, ends with
SECONDS = 60  # a wait that takes longer is one for ever


def yielding(seed):
    """Gives up its turn at random, every some dozen calls."""
    import os
    import random

    rng = random.Random(seed)
    left = 0

    def pass_by():
        nonlocal left
        if left == 0:
            os.sched_yield()
            left = rng.randrange(1, 100)
        left -= 1

    return pass_by


def produce(make_put, place, first, count, most, seed):
    pass_by = yielding(seed)
    put = make_put(place, most)
    numbers = range(first, first + count)
    for at in range(0, count, most):
        pass_by()
        put(numbers[at : at + most])


def consume(make_get, place, most, seed):
    """Counts and sums what comes, until no more does; and what comes too late."""
    pass_by = yielding(seed)
    get = make_get(place, most)
    count = total = late = 0
    last = {}
    try:
        while True:
            pass_by()
            for number in get():
                if number == END:
                    return count, total, late
                producer = number // STRIDE
                late += last.get(producer, -1) >= number
                last[producer] = number
                count += 1
                total += number
    except (queue.ShutDown, channels.ChannelClosedError):
        return count, total, late


# How each kind is sent several numbers, and what gets one or more.


def put_one_by_one(place, most):
    def put(numbers):
        for number in numbers:
            place.put(number, timeout=SECONDS)

    return put


def put_together(place, most):
    return lambda numbers: place.put_many(numbers, timeout=SECONDS)


def get_one(place, most):
    return lambda: (place.get(timeout=SECONDS),)


def get_together(place, most):
    return lambda: place.get_many(most, timeout=SECONDS)


def send_and_wait(ends, most):
    def put(numbers):
        for number in numbers:
            ends[1].send(number, timeout=SECONDS)

    return put


def send_and_go_on(ends, most):
    def put(numbers):
        for number in numbers:
            # The item stays when its sender's interpreter ends.
            ends[1].send_nowait(number)

    return put


def receive(ends, most):
    return lambda: (ends[0].recv(timeout=SECONDS),)


def unbounded(kind):
    return lambda rng: kind()


def bounded(kind):
    # Room for the largest batch.
    return lambda rng: kind(rng.choice([64, 65, 1000]))


def tight(kind):
    return lambda rng: kind(rng.choice([1, 2, 10]))


def channel(rng):
    return channels.create()


# name: (what makes the place, how to put, how to get, whether the numbers of one
# producer come to one consumer in their order)
KINDS = {
    "Queue": (unbounded(queue.Queue), put_one_by_one, get_one, True),
    "Queue, tight": (tight(queue.Queue), put_one_by_one, get_one, True),
    "Queue, in batches": (unbounded(queue.Queue), put_together, get_together, True),
    "Queue, bounded, in batches": (
        *(bounded(queue.Queue), put_together, get_together, True),
    ),
    "Queue, batches to one by one": (
        *(bounded(queue.Queue), put_together, get_one, True),
    ),
    "Queue, one by one to batches": (
        *(tight(queue.Queue), put_one_by_one, get_together, True),
    ),
    "SimpleQueue": (unbounded(queue.SimpleQueue), put_one_by_one, get_one, True),
    "LifoQueue": (tight(queue.LifoQueue), put_one_by_one, get_one, False),
    "PriorityQueue": (tight(queue.PriorityQueue), put_one_by_one, get_one, True),
    "channel": (channel, send_and_wait, receive, True),
    "channel, not waited for": (channel, send_and_go_on, receive, True),
}


def shares(rng, items, producers):
    """Parts the items between the producers."""
    cuts = sorted(rng.randrange(items + 1) for _ in range(producers - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, items], strict=True)]


def end(place, consumers):
    if isinstance(place, tuple):
        place[1].close()
    elif isinstance(place, queue.SimpleQueue):
        for _ in range(consumers):
            place.put(END)
    else:
        place.shutdown()


def send_all(pool, rng, kind, interpreters, items):
    make, make_put, make_get, is_ordered = KINDS[kind]
    place = make(rng)
    producers = rng.randrange(1, interpreters)
    consumers = interpreters - producers
    most = rng.choice([1, 7, 64])
    parts = shares(rng, items, producers)
    print(
        f"{kind}: {items} from {producers} to {consumers}, {most} at a time",
        flush=True,
    )
    consuming = [
        pool.submit(consume, make_get, place, most, rng.random())
        for _ in range(consumers)
    ]
    producing = [
        pool.submit(produce, make_put, place, at * STRIDE, part, most, rng.random())
        for at, part in enumerate(parts)
    ]
    for future in producing:
        future.result()
    end(place, consumers)
    results = [future.result() for future in consuming]
    expected = sum(
        at * STRIDE * part + part * (part - 1) // 2 for at, part in enumerate(parts)
    )
    assert sum(count for count, _, _ in results) == items
    assert sum(total for _, total, _ in results) == expected
    if is_ordered:
        assert not any(late for _, _, late in results)


def main(seed=None, items=1_000_000):
    seed = random.randrange(2**32) if seed is None else int(seed)
    items = int(items)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    rounds = [(kind, count) for kind in KINDS for count in INTERPRETERS]
    with coterie.Executor(max(INTERPRETERS)) as pool:
        for kind, count in rounds:
            send_all(pool, rng, kind, count, items // len(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
