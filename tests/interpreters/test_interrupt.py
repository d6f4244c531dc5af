"""Stopping code in an interpreter: from another thread, and by Ctrl-C."""

import operator
import os
import random
import signal
import threading
import time

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import ExecutionFailed, InterpreterError

pytestmark = pytest.mark.timeout(60)  # what is not stopped, goes on for ever


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def spin(entered):
    entered.put(None)
    while True:
        pass


def interrupted(interp, function, *args, by=()):
    """Call it there, interrupt it once it has put something into its queue."""
    entered = coterie.Queue()
    thread = interp.call_in_thread(function, entered, *args)
    entered.get()
    assert interp.interrupt(*by) is True
    return thread


def cause(thread):
    exc = thread.exception()
    assert type(exc) is ExecutionFailed
    return exc.__cause__


# ---- interrupt ---------------------------------------------------------------


def test_what_runs_is_stopped(interp):
    thread = interrupted(interp, spin)
    assert type(cause(thread)) is KeyboardInterrupt
    assert "in spin" in str(thread.exception())
    assert interp.is_running() is False
    assert interp.call(abs, -1) == 1
    assert interp.call_in_thread(abs, -2).result() == 2


def test_nothing_runs(interp):
    assert interp.interrupt() is False
    assert interp.call(sum, range(10**4)) == sum(range(10**4))
    interp.close()
    assert interp.interrupt() is False


def test_finally_runs(interp):
    def work(entered, done):
        try:
            spin(entered)
        finally:
            for n in range(1000):
                done.put(n)

    done = coterie.Queue()
    thread = interrupted(interp, work, done)
    assert type(cause(thread)) is KeyboardInterrupt
    assert [done.get_nowait() for _ in range(1000)] == list(range(1000))


def test_the_import_lock_is_let_go(interp):
    # As if it came just between the taking of it and the `with` that lets it go.
    def take(entered):
        import _imp

        _imp.acquire_lock()
        _imp.acquire_lock()
        spin(entered)

    assert type(cause(interrupted(interp, take))) is KeyboardInterrupt
    interp.exec("import colorsys")  # on another thread


def test_it_may_be_caught(interp):
    def work(entered):
        try:
            spin(entered)
        except KeyboardInterrupt:
            return "caught"

    assert interrupted(interp, work).result() == "caught"


def test_exec_is_stopped(interp):
    interp.prepare_main(entered=(entered := coterie.Queue()))
    thread = threading.Thread(target=interp.interrupt)
    failed = []

    def run():
        try:
            interp.exec("before = 1\nentered.put(None)\nwhile True: pass\nafter = 1")
        except ExecutionFailed as error:
            failed.append(error)

    runner = threading.Thread(target=run)
    runner.start()
    entered.get()
    thread.start()
    runner.join()
    thread.join()
    assert failed[0].excinfo.type.__name__ == "KeyboardInterrupt"
    assert interp.get_main_attr("before") == 1
    with pytest.raises(AttributeError):
        interp.get_main_attr("after")


class OwnBase(BaseException):
    pass


class Own(Exception):
    def __init__(self, text="as made"):
        super().__init__(text)


@pytest.mark.parametrize(
    "by", [ValueError, TimeoutError, SystemExit, GeneratorExit, coterie.Interrupted]
)
def test_by_other_exceptions(interp, by):
    assert type(cause(interrupted(interp, spin, by=[by]))) is by


@pytest.mark.parametrize("by", [OwnBase, Own])
def test_by_exceptions_of_ones_own(interp, by):
    thread = interrupted(interp, spin, by=[by])
    assert type(cause(thread)) is by
    if by is Own:
        assert cause(thread).args == ("as made",)


def test_by_exceptions_that_can_be_imported(interp, folder):
    folder("own_errors", "class Stop(Exception): pass")
    import own_errors

    with interpreters.create() as interp:  # it has our sys.path
        thread = interrupted(interp, spin, by=[own_errors.Stop])
        assert type(cause(thread)) is own_errors.Stop


def test_by_exceptions_of_main(run_script):
    ended = run_script(
        """
        import coterie
        from coterie import interpreters

        class Stop(Exception):
            pass

        def spin(entered):
            entered.put(None)
            try:
                while True:
                    pass
            except Stop as stop:
                return f"caught {stop!r} in {interpreters.get_current().id}"

        with interpreters.create() as interp:
            entered = coterie.Queue()
            thread = interp.call_in_thread(spin, entered)
            entered.get()
            interp.interrupt(Stop)
            print(thread.result())
        """
    )
    assert (ended.rc, ended.lines) == (0, ["caught Stop() in 1"]), ended.stderr


def test_by_an_exception_that_cannot_be_made(interp):
    class Needy(Exception):
        def __init__(self, needed):
            pass

    thread = interrupted(interp, spin, by=[Needy])
    assert isinstance(cause(thread), (TypeError, Needy))
    assert interp.call(abs, -1) == 1


@pytest.mark.parametrize("by", [5, None, "ValueError", ValueError(1), int])
def test_by_what_is_no_exception(interp, by):
    with pytest.raises(TypeError, match="exc must be an exception type"):
        interp.interrupt(by)


def test_main_is_not_ours_to_interrupt():
    with pytest.raises(InterpreterError, match="cannot interrupt unrecognized"):
        interpreters.get_main().interrupt()


@pytest.mark.parametrize(
    "wait",
    [
        lambda queue: queue.get(),
        lambda queue: queue.get(timeout=1000),
        lambda queue: (queue.put(1), queue.join()),
    ],
    ids=["get", "get-with-timeout", "join"],
)
def test_waits_of_ours_are_left(interp, wait):
    def work(entered, wait, queue):
        entered.put(None)
        wait(queue)

    queue = coterie.Queue()
    thread = interrupted(interp, work, wait, queue)
    assert type(cause(thread)) is KeyboardInterrupt
    assert interp.call(echo_through, queue, 5)[-1] == 5


def echo_through(queue, value):
    queue.put(value)
    return [queue.get() for _ in range(queue.qsize())]


def test_a_wait_is_left_by_the_exception_that_was_named(interp):
    def work(entered, queue):
        entered.put(None)
        try:
            queue.get()
        except OwnBase:
            return "left"

    thread = interrupted(interp, work, coterie.Queue(), by=[OwnBase])
    assert thread.result() == "left"


def test_from_inside(interp):
    def interrupt_it(other):
        return other.interrupt()

    with interpreters.create() as other:
        entered = coterie.Queue()
        thread = interp.call_in_thread(spin, entered)
        entered.get()
        assert other.call(interrupt_it, interp) is True
        assert type(cause(thread)) is KeyboardInterrupt


def test_several_at_once(interp):
    # All of them at one run: it is stopped once, and no other is.
    for _ in range(20):
        entered = coterie.Queue()
        thread = interp.call_in_thread(spin, entered)
        entered.get()
        threads = [threading.Thread(target=interp.interrupt) for _ in range(4)]
        for one in threads:
            one.start()
        assert isinstance(cause(thread), KeyboardInterrupt)
        for _ in range(10):
            assert interp.call(sum, [1, 2]) == 3
        for one in threads:
            one.join()


def test_what_is_thrown_away_stays_in_force(interp):
    # An interrupt in a destructor, where nothing can be raised.
    def work(entered):
        class Slow:
            def __del__(self):
                entered.put(None)
                while True:
                    pass

        Slow()
        while True:
            pass

    assert type(cause(interrupted(interp, work))) is KeyboardInterrupt


# ---- late interrupts ---------------------------------------------------------


@pytest.mark.stress
@pytest.mark.parametrize("gil", ["own", "shared"])
def test_a_late_interrupt_never_hits_the_next_call(gil):
    """One call may be hit; the one after it, which nobody interrupts, never."""
    seed = int(os.environ.get("COTERIE_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    turn, acted = threading.Semaphore(0), threading.Semaphore(0)
    hits, races = 0, 1000
    delay = 0.0
    over = False

    def interrupt_again_and_again():
        while turn.acquire() and not over:
            end = time.perf_counter() + delay
            while time.perf_counter() < end:
                pass
            interp.interrupt()
            acted.release()

    with interpreters.create(gil=gil) as interp:
        thread = threading.Thread(target=interrupt_again_and_again)
        thread.start()
        try:
            for n in range(races):
                delay = rng.random() * 0.0002
                size = rng.randrange(2000)
                turn.release()
                try:
                    assert interp.call(count_to, size) == size
                except ExecutionFailed as error:
                    assert isinstance(error.__cause__, KeyboardInterrupt), str(error)
                    hits += 1
                # Its interrupt may be under way still, but not for these.
                assert acted.acquire(timeout=50)
                assert interp.call(count_to, 50) == 50
                assert interp.call(operator.neg, n) == -n
        finally:
            over = True
            turn.release()
            thread.join()
    print(f"{hits} of {races} were hit")


def count_to(size):
    n = 0
    while n < size:
        n += 1
    return n


# ---- Ctrl-C on the main thread -----------------------------------------------

PREFACE = """
import os, signal, sys, threading, time
import coterie
from coterie import interpreters
from child import say, signal_waiting_main

def press():
    os.kill(os.getpid(), signal.SIGINT)

def press_later(entered):
    entered.get()
    os.kill(os.getpid(), signal.SIGINT)

def spin(entered):
    entered.put(None)
    while True:
        pass

presser = interpreters.create()
presser.exec("import os, signal")
entered = coterie.Queue()
def arrange():
    return presser.call_in_thread(press_later, entered)
"""


def program(source):
    from textwrap import dedent

    return PREFACE + dedent(source)


def check(ends, *lines):
    assert {(end.rc, tuple(end.lines), end.stderr) for end in ends} == {(0, lines, "")}


INSIDE = {
    "call": "interp.call(spin, entered)",
    "run": "interp.run(spin, entered)",
    "exec": """
interp.prepare_main(entered=entered)
interp.exec("entered.put(None)\\nwhile True: pass")
""",
    "queue": """
interp.call(lambda e, q: (e.put(None), q.get()), entered, coterie.Queue())
""",
    "relayed": """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()):
    interp.call(spin, entered)
""",
    "nested": """
with interpreters.create() as inner:
    interp.call(lambda inner, *args: inner.call(*args), inner, spin, entered)
""",
    "entered-again": """
with interpreters.create() as inner:
    interp.call(lambda inner, *args: (inner.call(abs, -1), spin(*args)), inner, entered)
""",
}


# The others are near to these, and run in make check.
FAST = {("call", "own"), ("call", "shared"), ("exec", "own"), ("nested", "own")}


@pytest.mark.parametrize(
    ("name", "gil"),
    [
        pytest.param(name, gil, marks=[] if (name, gil) in FAST else [pytest.mark.slow])
        for name in INSIDE
        for gil in ("own", "shared")
    ],
)
def test_ctrl_c(repeat_script, name, gil):
    source = f"""
interp = interpreters.create(gil={gil!r})
for _ in range(3):
    thread = arrange()
    try:
{"".join("        " + line + chr(10) for line in INSIDE[name].strip().splitlines())}
    except KeyboardInterrupt:
        say("answered")
    thread.result()
    say(interp.call(abs, -1))
interp.close()
presser.close()
"""
    check(repeat_script(program(source)), *["answered", "1"] * 3)


@pytest.mark.slow
def test_ctrl_c_that_nobody_handles(repeat_script):
    source = """
    arrange()
    try:
        with interpreters.create() as interp:
            interp.call(spin, entered)
    finally:
        presser.close(timeout=10)
    """
    for end in repeat_script(program(source)):
        assert end.rc == -signal.SIGINT
        assert end.stderr.splitlines()[-1].startswith("KeyboardInterrupt")
        assert "Traceback" in end.stderr


def test_ctrl_c_beside_threads_that_may_take_it(repeat_script):
    # The kernel gives the signal to any thread that does not block it.
    source = """
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    other = interpreters.create()
    busy = other.call_in_thread(spin, coterie.Queue())
    target = threads[1].ident
    def press_there(entered, target):
        entered.get()
        signal.pthread_kill(target, signal.SIGINT)
    with interpreters.create() as interp:
        thread = presser.call_in_thread(press_there, entered, target)
        try:
            interp.call(spin, entered)
        except KeyboardInterrupt:
            say("answered")
        thread.result()
        say(interp.call(abs, -1))
    say(busy.is_alive())
    stop.set()
    other.close(interrupt=True)
    busy.exception()
    presser.close()
    """
    check(repeat_script(program(source)), "answered", "1", "True")


def test_a_handler_of_ones_own(repeat_script):
    source = """
    class Own(BaseException):
        pass
    def handler(number, frame):
        say(f"handler {number == signal.SIGINT}")
        raise Own
    signal.signal(signal.SIGINT, handler)
    with interpreters.create() as interp:
        for _ in range(2):
            thread = arrange()
            try:
                interp.call(spin, entered)
            except Own:
                say("answered")
            thread.result()
        say(interp.call(abs, -1))
    presser.close()
    """
    lines = ["handler True", "answered"] * 2
    check(repeat_script(program(source)), *lines, "1")


def test_a_handler_that_raises_nothing(repeat_script):
    source = """
    signal.signal(signal.SIGINT, lambda number, frame: say("noted"))
    with interpreters.create() as interp:
        thread = arrange()
        try:
            interp.call(spin, entered)
        except interpreters.ExecutionFailed as error:
            say(error.excinfo.type.__name__)
        thread.result()
        say(interp.call(abs, -1))
    presser.close()
    """
    check(repeat_script(program(source)), "noted", "KeyboardInterrupt", "1")


@pytest.mark.parametrize(
    "how",
    [
        "signal.signal(signal.SIGINT, handler)",
        "signal.siginterrupt(signal.SIGINT, True)",
        "signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
    ],
    ids=["handler", "siginterrupt", "ignored-for-a-while"],
)
def test_the_handler_changes_between_two_calls(repeat_script, how):
    source = f"""
    def handler(number, frame):
        raise KeyboardInterrupt
    with interpreters.create() as interp:
        interp.call(abs, -1)
        for _ in range(2):
            {how}
            thread = arrange()
            try:
                interp.call(spin, entered)
            except KeyboardInterrupt:
                say("answered")
            thread.result()
    presser.close()
    """
    check(repeat_script(program(source)), "answered", "answered")


@pytest.mark.slow
def test_ignored_it_stops_nothing(repeat_script):
    source = """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    def wait_for(pressed, entered):
        entered.put(None)
        pressed.get()
        return sum(1 for _ in range(10**5))
    def press_and_tell(entered, pressed):
        press_later(entered)
        pressed.put(None)
    pressed = coterie.Queue()
    with interpreters.create() as interp:
        thread = presser.call_in_thread(press_and_tell, entered, pressed)
        say(interp.call(wait_for, pressed, entered))
        thread.result()
    presser.close()
    """
    check(repeat_script(program(source)), "100000")


def test_it_comes_while_the_call_is_being_sent(repeat_script):
    source = """
    interp = interpreters.create()
    big = [dict.fromkeys(range(1_000_000))]
    def press_soon(entered):
        entered.get()
        time.sleep(0.005)
        press()
    for _ in range(3):
        thread = presser.call_in_thread(press_soon, entered)
        try:
            entered.put(None)
            interp.call(lambda big: spin(coterie.Queue()), big)
        except KeyboardInterrupt:
            say("answered")
        thread.result()
    say(interp.call(abs, -1))
    interp.close()
    presser.close()
    """
    check(repeat_script(program(source)), *["answered"] * 3, "1")


def test_it_comes_at_any_time(repeat_script):
    # Around the begin and the end of calls: each is raised once, in main.
    source = """
    import random
    def press_at_random(seed, count, asked, done):
        rng = random.Random(seed)
        for _ in range(count):
            asked.get()
            end = time.perf_counter() + rng.random() * 0.0003
            while time.perf_counter() < end:
                pass
            press()
            done.put(None)
    asked, done = coterie.Queue(), coterie.Queue()
    interp = interpreters.create()
    thread = presser.call_in_thread(press_at_random, sys.argv[1], 100, asked, done)
    count = 0
    for _ in range(100):
        try:
            asked.put(None)
            while True:
                interp.call(sum, [1, 2])
        except KeyboardInterrupt:
            count += 1
        except interpreters.ExecutionFailed as error:
            say(error)
        done.get()
    say(count)
    thread.result()
    interp.close()
    presser.close()
    """
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    check(repeat_script(program(source), seed), "100")


def test_close_is_left(repeat_script):
    # It waits for a thread inside.
    source = """
    interp = interpreters.create()
    interp.prepare_main(entered=entered)
    interp.exec('''
    import threading, coterie
    stop = coterie.Queue()
    def work():
        entered.put(None)
        stop.get()
    threading.Thread(target=work).start()
    ''')
    entered.get()
    thread = presser.call_in_thread(signal_waiting_main)
    try:
        interp.close()
    except KeyboardInterrupt:
        say("answered")
    thread.result()
    interp.exec("stop.put(None)")
    interp.close()
    presser.close()
    """
    check(repeat_script(program(source)), "answered")


@pytest.mark.slow
def test_a_close_that_waits_for_a_run_is_left(repeat_script):
    source = """
    interp = interpreters.create()
    busy = interp.call_in_thread(spin, entered)
    entered.get()
    thread = presser.call_in_thread(signal_waiting_main)
    try:
        interp.close(timeout=1e6)
    except KeyboardInterrupt:
        say("answered")
    thread.result()
    interp.close(interrupt=True)
    busy.exception()
    presser.close()
    """
    check(repeat_script(program(source)), "answered")


def test_at_exit_it_ends_the_wait_for_threads_inside(repeat_script):
    source = """
    import atexit
    presser.close()
    go = coterie.Queue()
    interp = interpreters.create()
    interp.prepare_main(go=go)
    interp.exec('''
    import threading
    from child import signal_waiting_main, spin
    def press_and_spin():
        go.get()
        signal_waiting_main()
        spin()
    threading.Thread(target=press_and_spin).start()
    ''')
    atexit.register(go.put, None)  # before interpreters are closed
    say("end")
    """
    for end in repeat_script(program(source)):
        assert (end.rc, end.lines) == (0, ["end"]), end.stderr
        assert "remaining subinterpreters" in end.stderr
        assert "coterie: leaving" not in end.stderr
