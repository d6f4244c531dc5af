"""What the workers do. Importable, and importing next to nothing."""


def nothing():
    """Do nothing."""


def same(item):
    """Give back what was given."""
    return item


def wait_for(fifo):
    """Wait until somebody has opened the FIFO to write into it, and closed it."""
    with open(fifo) as file:
        file.read()


def echo(ping, pong):
    """Send back what comes, until None does."""
    while (item := ping.get()) is not None:
        pong.put(item)


def drain(queue):
    """Take what comes, until None does."""
    while queue.get() is not None:
        pass


def drain_many(queue, most):
    """Take what comes, several at once, until the queue is shut down."""
    from coterie.queue import ShutDown

    count = 0
    try:
        while True:
            count += len(queue.get_many(most))
    except ShutDown:
        return count


def hand_over(ping, pong, last):
    """Release one lock whenever the other is released, until `last` is free."""
    while ping.acquire() and last.locked():
        pong.release()


def echo_channel(ping, pong):
    """Send back what comes, until None does."""
    while (item := ping.recv()) is not None:
        pong.send(item)


def drain_channel(recv):
    """Take what comes, until None does."""
    while recv.recv() is not None:
        pass


def count_traps(places, grid, width):
    """Count the places where one more obstacle is a trap: of examples/patrol."""
    from lab import is_trap

    return sum(is_trap(*place, grid=grid, width=width) for place in places)
