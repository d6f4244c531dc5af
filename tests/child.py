"""What the scripts of the tests import; lies in their folder."""

import os
import signal
import time

STATUS = f"/proc/self/task/{os.getpid()}/status"


def main_thread():
    """Its state, and how often it went to sleep, as the kernel sees it."""
    with open(STATUS) as status:
        fields = dict(line.split(":\t", 1) for line in status)
    return fields["State"], fields["voluntary_ctxt_switches"]


def main_waits():
    """Whether the main thread waits: not only for a moment, as for a lock."""
    before = main_thread()
    if not before[0].startswith("S"):
        return False
    time.sleep(0.003)
    return main_thread() == before


def signal_waiting_main(number=signal.SIGINT):
    """Send the signal when the main thread waits: called by a worker."""
    if os.path.exists(STATUS):
        while not main_waits():
            pass
    os.kill(os.getpid(), number)


def spin():
    """Runs for ever, in Python code."""
    while True:
        pass


def signal_waiting_main_and_spin(number=signal.SIGINT):
    signal_waiting_main(number)
    spin()


def say(text):
    print(text, flush=True)


def report_and_spin(started):
    started.put(None)
    spin()


# What nothing can stop, in C code: with the GIL of the worker, and without.


def compute(started):
    started.put(None)
    return sum(range(10**12))


def sleep(started):
    started.put(None)
    time.sleep(10**6)
