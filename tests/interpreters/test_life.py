"""Many interpreters: alive at once, made and closed at once, one after another."""

import gc
import os
import random
import sys
import threading
import time

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import (
    ExecutionFailed,
    InterpreterError,
    InterpreterNotFoundError,
)

pytestmark = pytest.mark.timeout(100)


def ids():
    return {interp.id for interp in interpreters.list_all()}


# ---- many --------------------------------------------------------------------


def test_two_hundred_alive(run_script):
    ended = run_script(
        """
        import coterie
        from coterie import interpreters
        made = [interpreters.create() for _ in range(200)]
        assert len({interp.id for interp in made}) == 200
        assert set(made) < set(interpreters.list_all())
        queue = coterie.Queue()
        for n, interp in enumerate(made):
            interp.prepare_main(n=n, queue=queue)
        for interp in made:
            interp.exec("queue.put(n)")
        assert [queue.get_nowait() for _ in made] == list(range(200))
        assert sum(interp.call(abs, -1) for interp in made) == 200
        for interp in made[::2] + made[1::2]:
            interp.close()
        print(interpreters.list_all())
        """
    )
    assert (ended.rc, ended.lines) == (0, ["[Interpreter(0)]"]), ended.stderr


@pytest.mark.parametrize("gil", ["own", "shared"])
def test_made_and_closed_by_four_threads(in_threads, gil):
    before = ids()

    def make_and_close(number):
        seen = set()
        for n in range(8):
            interp = interpreters.create(gil=gil)
            seen.add(interp.id)
            interp.exec("import json, datetime, threading; x = json.loads('[1]')")
            assert interp.get_main_attr("x") == [1]
            assert interp.call(pow, number, n) == number**n
            if n % 2:
                interp.close()
            else:
                del interp
        return seen

    seen = in_threads(make_and_close, [(n,) for n in range(4)])
    assert len(set().union(*seen)) == 4 * 8  # no id twice
    assert ids() == before


def test_those_of_one_thread_are_closed_by_another(in_threads):
    handed = coterie.Queue()

    def make():
        for _ in range(10):
            interp = interpreters.create()
            interp.exec("import threading; x = threading.local(); x.y = 1")
            handed.put(interp)

    def close():
        for _ in range(10):
            interp = handed.get()
            assert interp.call(abs, -1) == 1
            interp.close()

    before = ids()
    in_threads(lambda f: f(), [(make,), (close,), (make,), (close,)])
    assert ids() == before


def test_one_used_by_many_threads_that_end(in_threads):
    with interpreters.create() as interp:
        turn = threading.Lock()

        def work(number):
            with turn:
                interp.exec("import threading; seen = threading.get_ident()")
                assert interp.get_main_attr("seen") == threading.get_ident()
                return interp.call(lambda: threading.active_count())

        for _ in range(20):
            in_threads(work, [(n,) for n in range(4)])
        # What the threads have left is cleared away by those that come later.
        assert interp.call_in_thread(abs, -1).result() == 1


# ---- at random ---------------------------------------------------------------


class Storm:
    """Several threads at the same few interpreters: whatever they do to them."""

    def __init__(self, seed, seconds):
        self.seed = seed
        self.deadline = time.monotonic() + seconds
        self.slots = [None] * 4
        self.turns = 0

    def play(self, number):
        rng = random.Random(f"{self.seed}.{number}")
        games = (
            self.replace, self.close, self.call, self.call, self.call, self.exec,
            self.spin, self.interrupt, self.interrupt, self.list, self.nest, self.send,
        )  # fmt: skip
        while time.monotonic() < self.deadline:
            slot = rng.randrange(len(self.slots))
            interp = self.slots[slot]
            game = rng.choice(games)
            self.turns += 1
            if interp is None or game == self.replace:
                gil = rng.choice(["own", "own", "shared"])
                self.slots[slot] = interpreters.create(gil=gil)
                continue
            try:
                game(rng, interp)
            except InterpreterNotFoundError:
                self.slots[slot] = None
            except ExecutionFailed as error:
                # Somebody else's interrupt, or close; perhaps of one inside.
                known = ("KeyboardInterrupt", "InterpreterError", "NotFoundError")
                assert any(name in str(error) for name in known), error
            except InterpreterError as error:
                assert "running" in str(error), error

    def replace(self, rng, interp):
        raise AssertionError("never called")

    def close(self, rng, interp):
        how = rng.randrange(3)
        if how == 0:
            interp.close()
        else:
            interp.close(interrupt=how == 1, timeout=rng.random() * 0.01)

    def call(self, rng, interp):
        n = rng.randrange(10**6)
        assert interp.call(divmod, n, 7) == divmod(n, 7)

    def exec(self, rng, interp):
        interp.exec("import json\nx = json.loads('[1, 2]')\nassert x == [1, 2]")

    def spin(self, rng, interp):
        thread = interp.call_in_thread(spin)
        time.sleep(rng.random() * 0.003)
        while thread.is_alive():
            interp.interrupt()
            thread.join(0.01)
        raise thread.exception()

    def interrupt(self, rng, interp):
        time.sleep(rng.random() * 0.001)
        interp.interrupt()

    def list(self, rng, interp):
        for one in interpreters.list_all():
            try:
                one.is_running()
            except InterpreterNotFoundError:
                pass

    def nest(self, rng, interp):
        other = rng.choice(self.slots)
        if other is not None and other is not interp:
            assert interp.call(call_other, other, 5) == -5

    def send(self, rng, interp):
        queue = coterie.Queue()
        queue.put([interp])
        assert queue.get() == [interp]

    def end(self):
        for interp in self.slots:
            if interp is not None:
                try:
                    interp.close(interrupt=True, timeout=50)
                except InterpreterNotFoundError:
                    pass


def spin():
    while True:
        pass


def call_other(other, n):
    import operator

    return other.call(operator.neg, n)


@pytest.mark.slow
@pytest.mark.stress
def test_everything_at_once(in_threads):
    seed = int(os.environ.get("COTERIE_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    storm = Storm(seed, seconds=3)
    before = ids()
    in_threads(storm.play, [(n,) for n in range(4)])
    storm.end()
    storm.slots.clear()
    print(f"{storm.turns} turns")
    deadline = time.monotonic() + 50
    while ids() != before:  # what nobody held ends elsewhere
        gc.collect()  # exceptions hold what they have gone through
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.stress
def test_everything_at_once_for_longer(in_threads):
    for _ in range(5):
        test_everything_at_once(in_threads)


# ---- one after another -------------------------------------------------------

CYCLES = """
import gc, resource, sys
from coterie import interpreters

def memory():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

def cycle(count):
    for _ in range(count):
        interp = interpreters.create()
        interp.exec("import json, re, datetime, threading, collections, functools")
        interp.call(len, [1, 2])
        interp.close()

cycle(100)
before = memory()
cycle(int(sys.argv[1]))
print((memory() - before) / int(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no figures here")
@pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython leaks interpreters")
@pytest.mark.timeout(300)
def test_a_thousand_cycles_are_flat(start_script):
    with start_script(CYCLES, 1000, guard="") as process:
        stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 0, stderr
    # A leak of an interpreter is 1 MB or more; of one of its objects, some kB.
    assert float(stdout) < 4096
