"""Everything at once, at random: python tests/stress/storm.py [SEED [SECONDS]].

Several threads make executors and shut them down in every way, submit, cancel,
wait, map and pass queues around; the main thread does so too, and is
interrupted again and again.  What must hold is asserted; the seed is printed.
"""

import concurrent.futures
import contextlib
import operator
import random
import signal
import sys
import threading
import time
import traceback

import coterie

THREADS = 3
DELICATE = (
    "importlib._bootstrap>",
    "threading.py",
    "futures/_base.py",
    "cloudpickle/cloudpickle.py",
)


class Expected(Exception):
    pass


class Alarm(BaseException):
    """What the main thread is interrupted by."""


def fail(n):
    raise Expected(n)


def pump(source, target):
    total = 0
    for n in iter(source.get, None):
        target.put(n)
        total += n
    return total


def spin_or_not(rng):
    if rng.random() < 0.5:
        return spin, ()
    return operator.neg, (5,)


def spin():
    while True:
        pass


def nested(n):
    with coterie.Executor(1) as pool:
        return pool.submit(operator.neg, n).result()


class Player:
    """One thread's part; all that it does comes from its own random numbers."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.turns = 0

    def play(self, deadline):
        games = [self.submits, self.queues, self.maps, self.ends, self.nests]
        while time.monotonic() < deadline:
            self.rng.choice(games)()
            self.turns += 1

    def executor(self):
        return coterie.Executor(self.rng.randint(1, 3))

    def submits(self):
        called = threading.Semaphore(0)
        added = 0
        expected = {}
        with self.executor() as pool:
            for n in range(self.rng.randint(1, 60)):
                if self.rng.random() < 0.2:
                    future = pool.submit(fail, n)
                    expected[future] = Expected
                else:
                    future = pool.submit(operator.mul, n, 3)
                    expected[future] = n * 3
                if self.rng.random() < 0.3:
                    future.add_done_callback(lambda future: called.release())
                    added += 1
                if self.rng.random() < 0.2 and future.cancel():
                    expected[future] = "cancelled"
            self.wait(list(expected))
        for future, value in expected.items():
            assert future.done()
            assert future.cancelled() == (value == "cancelled")
            if value == "cancelled":
                continue
            if value is Expected:
                error = future.exception()
                assert type(error) is Expected, "".join(
                    traceback.format_exception(error)
                )
            else:
                assert future.result(0) == value
        for _ in range(added):
            assert called.acquire(timeout=30), "a callback was not called"
        assert not called.acquire(blocking=False), "a callback was called twice"

    def wait(self, futures):
        how = self.rng.randrange(5)
        if how == 0:
            concurrent.futures.wait(futures, self.rng.choice([None, 0, 0.01]))
        elif how == 1:
            done = list(concurrent.futures.as_completed(futures))
            assert sorted(map(id, done)) == sorted(map(id, futures))
        elif how == 2:
            for future in self.rng.sample(futures, len(futures) // 2):
                with contextlib.suppress(TimeoutError):
                    if not future.cancelled():
                        future.exception(self.rng.choice([0, 0.001, 1]))
        elif how == 3:
            when = self.rng.choice(["FIRST_COMPLETED", "FIRST_EXCEPTION"])
            concurrent.futures.wait(futures, return_when=when)

    def queues(self):
        source = coterie.Queue(self.rng.randint(0, 3))
        target = coterie.Queue()
        pumps = self.rng.randint(1, 3)
        numbers = [self.rng.randrange(1000) for _ in range(self.rng.randint(0, 200))]
        with coterie.Executor(pumps) as pool:
            totals = [pool.submit(pump, source, target) for _ in range(pumps)]
            for n in [*numbers, *[None] * pumps]:
                source.put(n)
            assert sum(total.result() for total in totals) == sum(numbers)
        got = [target.get_nowait() for _ in numbers]
        assert sorted(got) == sorted(numbers)
        assert target.empty()
        assert source.empty()

    def maps(self):
        size = self.rng.randint(0, 50)
        results = coterie.map(operator.neg, range(size), workers=self.rng.randint(1, 3))
        stop = self.rng.randint(0, 60)
        for n, result in enumerate(results):
            assert result == -n
            if n == stop:
                break
        if self.rng.random() < 0.5:
            results.close()

    def ends(self):
        # An interrupt may come before anybody stops what spins.
        pool = coterie.Executor(self.rng.randint(1, 3), exit_grace=0)
        calls = [spin_or_not(self.rng) for _ in range(self.rng.randint(0, 6))]
        if self.rng.random() < 0.3:  # all of it ends by itself
            calls = [call for call in calls if call[0] is not spin]
        futures = [pool.submit(function, *args) for function, args in calls]
        if any(function is spin for function, _ in calls):
            with contextlib.suppress(KeyboardInterrupt), pool:
                raise KeyboardInterrupt
        else:
            how = self.rng.randrange(4)
            if how == 0:
                pool.shutdown(wait=False)
            elif how == 1:
                pool.shutdown(cancel_futures=True)
            elif how == 2:
                pool.shutdown(wait=False, cancel_futures=True)
            del pool
        for future, (function, _) in zip(futures, calls, strict=True):
            with contextlib.suppress(concurrent.futures.CancelledError):
                assert future.result(30) == -5
                assert function is not spin

    def nests(self):
        with self.executor() as pool:
            futures = [pool.submit(nested, n) for n in range(self.rng.randint(1, 3))]
            assert [future.result() for future in futures] == [
                -n for n in range(len(futures))
            ]


def play(player, deadline, failures):
    try:
        player.play(deadline)
    except BaseException:
        failures.append(traceback.format_exc())


def is_delicate(frame):
    """Whether an exception now would leave the work of others half done."""
    while frame is not None:
        if frame.f_code.co_filename.endswith(DELICATE):
            return True
        frame = frame.f_back
    return False


def interrupted_games(player, deadline):
    """The main thread's part: whatever it does, it is interrupted in the midst."""

    def raise_alarm(number, frame):
        if is_delicate(frame):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            raise Alarm

    signal.signal(signal.SIGALRM, raise_alarm)
    while time.monotonic() < deadline:
        turns = player.turns
        try:
            signal.setitimer(signal.ITIMER_REAL, player.rng.uniform(0.001, 0.1))
            player.play(deadline)
        except Alarm:
            player.turns = turns + 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def main(seed=None, seconds=10):
    seed = random.randrange(2**32) if seed is None else int(seed)
    print(f"seed {seed}", flush=True)
    deadline = time.monotonic() + float(seconds)
    players = [Player(seed + n) for n in range(THREADS + 1)]
    failures = []
    threads = [
        threading.Thread(target=play, args=(player, deadline, failures))
        for player in players[1:]
    ]
    for thread in threads:
        thread.start()
    interrupted_games(players[0], deadline)
    for thread in threads:
        thread.join()
    print("turns", *(player.turns for player in players), flush=True)
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
