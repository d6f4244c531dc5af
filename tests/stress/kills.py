"""Interpreters that are killed: python tests/stress/kills.py [SEED [ROUNDS]].

An interpreter puts, gets, sends, receives, selects, gets in a task or takes a
lock, over and over, beside others that do the same.  It is killed in the midst: by
an exception at each bytecode in turn, by an interrupt, or by being closed, each
after a random number of turns (nothing here sleeps).  Afterwards the books must
balance: what it has put and knows of is there, once and in order; what it has
gotten is with nobody else; at most the one item that was in its hands is
unaccounted for; and nobody waits for ever.  The seed is printed.
"""

import contextlib
import itertools
import os
import random
import sys
import threading

from coterie import interpreters, queue, sync
from coterie.interpreters import channels

SECONDS = 60  # a wait that takes longer is one for ever
OPCODES = 50  # two turns or three of each victim: it is killed at each of these
MARKS = 1 << 12  # more items than a victim is let have
STARTED = MARKS  # the mark of having started


# ---- victims: what they know of is in `marks`, memory that is shared ------------


def put_all(place, marks):
    marks[-1] = 1
    for n in range(len(marks) - 1):
        place.put(n)
        marks[n] = 1


def get_all(place, marks):
    marks[-1] = 1
    while True:
        n = place.get()
        marks[n] += 1


def send_all(place, marks):
    marks[-1] = 1
    for n in range(len(marks) - 1):
        place[1].send(n)
        marks[n] = 1


def receive_all(place, marks):
    marks[-1] = 1
    while True:
        n = place[0].recv()
        marks[n] += 1


def lock_all(place, marks):
    marks[-1] = 1
    while True:
        with place:
            marks[0] = 1
            marks[0] = 0


def select_all(place, marks):
    import coterie

    other = coterie.Queue()
    marks[-1] = 1
    while True:
        _, n = coterie.select(other, place)
        marks[n] += 1


def select_recv_all(place, marks):
    import coterie

    other = coterie.Queue()
    marks[-1] = 1
    while True:
        _, n = coterie.select(other, place[0])
        marks[n] += 1


def get_all_in_task(place, marks):
    import asyncio
    import warnings

    # Who dies between the call and the await leaves a coroutine that never ran.
    warnings.simplefilter("ignore", RuntimeWarning)

    async def main():
        marks[-1] = 1
        while True:
            n = await place.aget()
            marks[n] += 1

    # Not asyncio.run: it asks for the current thread, and what 3.13 makes up for one
    # that threading did not start may complain as the interpreter ends.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def at_opcode(count, victim, place, marks):
    """Run a victim, and raise at the count-th bytecode of it."""
    import sys

    class Killed(BaseException):
        pass

    inner = [one for one in victim.__code__.co_consts if hasattr(one, "co_code")]
    codes = {inner[0] if inner else victim.__code__}

    def trace(frame, event, arg):
        nonlocal count
        # Its own bytecodes, or those of the task in it.
        if frame.f_code not in codes:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count -= 1
            if count == 0:
                raise Killed
        return trace

    sys.settrace(trace)
    try:
        victim(place, marks)
    except Killed:
        pass
    finally:
        sys.settrace(None)


# ---- how they are killed, and who is beside them -------------------------------


def start(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def join(thread):
    thread.join(SECONDS)
    assert not thread.is_alive(), "it waits for ever"


class Victim:
    """An interpreter that does its part on a thread of its own."""

    def __init__(self, function, *args):
        self.interp = interpreters.create()
        self.marks = bytearray(MARKS + 1)
        self.thread = start(self.run, function, *args)

    def run(self, function, *args):
        with contextlib.suppress(KeyboardInterrupt, interpreters.InterpreterError):
            self.interp.call(function, *args, memoryview(self.marks))

    def await_start(self, turns):
        while not self.marks[STARTED] and self.thread.is_alive():
            os.sched_yield()
        for _ in range(turns):
            pass

    def join(self):
        join(self.thread)

    def close(self):
        with contextlib.suppress(interpreters.InterpreterNotFoundError):
            self.interp.close()

    def known(self):
        return [n for n in range(MARKS) if self.marks[n]]


def some_turns(rng):
    return int(rng.choice([1, 10, 1000, 30_000]) * rng.random())


def by_exception(rng, count, victim, place):
    return Victim(at_opcode, count % OPCODES + 1, victim, place)


def by_interrupt(rng, count, victim, place):
    one = Victim(victim, place)
    one.await_start(some_turns(rng))
    one.interp.interrupt()
    return one


def by_close(rng, count, victim, place):
    one = Victim(victim, place)
    one.await_start(some_turns(rng))
    one.interp.close(interrupt=True, timeout=SECONDS)
    return one


# ---- what is checked -----------------------------------------------------------


def check_sent(got, one):
    """All that a victim put and knows of has come, and at most one item more."""
    known = one.known()
    assert known == list(range(len(known)))
    assert got == list(range(len(got))), "lost, doubled or out of order"
    assert len(known) <= len(got) <= len(known) + 1


def check_received(rest, one, put):
    """Each item was had by one: the victim or the bystander; one may be in hand."""
    assert max(one.marks) <= 1, "doubled"
    had = sorted([*one.known(), *rest])
    assert len(set(had)) == len(had), "doubled"
    missing = set(range(put)) - set(had)
    assert len(missing) <= 1, f"lost: {missing}"
    assert set(had) <= set(range(put))


def puts(rng, kill, count):
    """A victim puts into a small queue, which a bystander empties, or nobody."""
    place = queue.Queue(rng.choice([1, 3, 1000]))
    got = []
    taker = start(drain, place.get, got) if rng.random() < 0.5 else None
    one = kill(rng, count, put_all, place)
    taker = taker or start(drain, place.get, got)
    one.join()
    place.put(None, timeout=SECONDS)
    join(taker)
    one.close()
    check_sent(got, one)


def gets(rng, kill, count):
    """A victim and a bystander get what is put meanwhile."""
    place = queue.Queue(rng.choice([0, 1, 10]))
    transfer(rng, kill, count, get_all, place, place.put, place.get)


def sends(rng, kill, count):
    """A victim sends to a bystander."""
    place = channels.create()
    got = []
    taker = start(drain, place[0].recv, got)
    one = kill(rng, count, send_all, place)
    one.join()
    place[1].send(None, timeout=SECONDS)
    join(taker)
    one.close()
    check_sent(got, one)


def receives(rng, kill, count):
    """A victim and a bystander receive what is sent meanwhile."""
    place = channels.create()
    transfer(rng, kill, count, receive_all, place, place[1].send, place[0].recv)


def selects(rng, kill, count):
    """A victim that selects, and a bystander."""
    if rng.random() < 0.5:
        place = queue.Queue(rng.choice([0, 1, 10]))
        transfer(rng, kill, count, select_all, place, place.put, place.get)
    else:
        place = channels.create()
        transfer(rng, kill, count, select_recv_all, place, place[1].send, place[0].recv)


def tasks(rng, kill, count):
    """A victim whose task gets, and a bystander."""
    place = queue.Queue(rng.choice([0, 1, 10]))
    ways = place.put, place.get
    transfer(rng, kill, count, get_all_in_task, place, *ways, closes_first=True)


def transfer(rng, kill, count, victim, place, put, get, closes_first=False):
    stop = threading.Event()
    numbers = []
    rest = []
    giver = start(give, put, numbers, stop)
    taker = start(drain, get, rest) if rng.random() < 0.5 else None
    one = kill(rng, count, victim, place)
    if taker is not None and kill is by_exception:
        # It may get nothing any more, and would not come to its bytecode.
        join(giver)
        one.await_start(0)
        one.interp.interrupt()
    one.join()
    if closes_first:
        # Killed between two steps, a task is left in its event loop, and keeps its
        # place in the line until its interpreter ends.
        one.close()
    stop.set()
    taker = taker or start(drain, get, rest)
    join(giver)
    put(None, timeout=SECONDS)
    join(taker)
    one.close()
    check_received(rest, one, len(numbers))


def locks(rng, kill, count):
    """A victim and a bystander take a lock in turn."""
    place = rng.choice([sync.Lock, sync.RLock])()
    stop = threading.Event()
    turns = []
    taker = start(take, place, turns, stop)
    one = kill(rng, count, lock_all, place)
    one.join()
    one.close()  # an owner dies, if the lock is still its own
    stop.set()
    join(taker)
    take_once(place)
    assert not place.locked()


def drain(get, got):
    while (item := get(timeout=SECONDS)) is not None:
        got.append(item)


def give(put, numbers, stop):
    while not stop.is_set() and len(numbers) < MARKS:
        put(len(numbers), timeout=SECONDS)
        numbers.append(None)


def take(place, turns, stop):
    while not stop.is_set():
        take_once(place)
        turns.append(None)
        os.sched_yield()


def take_once(place):
    for _ in range(2):
        try:
            assert place.acquire(timeout=SECONDS), "it waits for ever"
        except sync.OwnerDied:
            continue
        place.release()
        return
    raise AssertionError("two owners died")


def main(seed=None, rounds=30):
    seed = random.randrange(2**32) if seed is None else int(seed)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    failures = []
    threading.excepthook = failures.append
    first = rng.randrange(OPCODES)
    opcodes = itertools.count(first, 10 if int(rounds) < OPCODES else 1)
    for count in itertools.islice(opcodes, int(rounds)):
        for game in (puts, gets, sends, receives, selects, tasks, locks):
            for kill in (by_exception, by_interrupt, by_close):
                print(count, game.__name__, kill.__name__, flush=True)
                game(rng, kill, count)
                assert not failures, failures[0].exc_value
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
