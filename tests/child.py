"""What the scripts of the tests import; lies in their folder."""

import os
import signal

MAIN = f"/proc/self/task/{os.getpid()}/stat"


def main_sleeps():
    """Whether the main thread waits for something, as the kernel sees it."""
    with open(MAIN) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def signal_waiting_main(number=signal.SIGINT):
    """Send the signal when the main thread waits: called by a worker."""
    if os.path.exists(MAIN):
        while not main_sleeps():
            pass
    os.kill(os.getpid(), number)


def spin():
    """Runs for ever, in Python code."""
    while True:
        pass


def signal_waiting_main_and_spin(number=signal.SIGINT):
    signal_waiting_main(number)
    spin()


def compute():
    """Runs for ever, as far as anybody can wait, in C code."""
    return sum(range(10**12))
