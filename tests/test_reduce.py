"""coterie.reduce against functools.reduce."""

import functools
import itertools
import operator
import threading

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


class Trouble(Exception):
    pass


def tokens(n):
    return f"<{n}>"


@pytest.mark.parametrize("chunksize", ["auto", 1, 2, 7, 1000])
@pytest.mark.parametrize("size", [1, 2, 3, 50, 500])
def test_the_order_is_that_of_the_items(size, chunksize):
    """Concatenation is associative and not commutative."""
    found = coterie.reduce(
        tokens, operator.add, range(size), workers=2, chunksize=chunksize
    )
    assert found == functools.reduce(operator.add, map(tokens, range(size)))


def test_the_order_is_kept_whoever_is_first():
    first, second = coterie.Queue(), coterie.Queue()
    go = threading.Timer(0, lambda: (second.put("b"), first.put("a")))
    go.start()
    found = coterie.reduce(
        lambda queue: queue.get(), operator.add, [first, second], workers=2, chunksize=1
    )
    assert found == "ab"
    go.join()


def test_initial():
    add = operator.add
    assert coterie.reduce(tokens, add, [1, 2], "begin ") == "begin <1><2>"
    assert coterie.reduce(tokens, add, [], "begin ") == "begin "
    assert coterie.reduce(tokens, add, [], initial=None) is None


def test_of_nothing():
    with pytest.raises(TypeError, match="empty iterable with no initial value"):
        coterie.reduce(tokens, operator.add, [])


def test_of_one_item_nothing_is_combined():
    assert coterie.reduce(tokens, "never called".index, [5]) == "<5>"


def test_partial_results_are_combined_in_the_workers():
    """One result comes back for each chunk."""
    calls = []

    def combine(a, b):
        calls.append(threading.get_ident())
        return a + b

    total = coterie.reduce(abs, combine, range(1000), workers=2, chunksize=100)
    assert total == sum(range(1000))
    # A copy of the list is in each worker: what is seen here was done here.
    assert len(calls) == 9


def test_a_lazy_source_is_not_taken_at_once():
    taken = []

    def items():
        for n in range(500):
            taken.append(n)
            yield n

    ahead = []

    def combine(a, b):
        ahead.append(len(taken) - b[1])
        return max(a, b)

    coterie.reduce(lambda n: (0, n), combine, items(), buffersize=10, chunksize=2)
    assert 0 < max(ahead) <= 12


def test_an_error_in_a_worker():
    def fail(n):
        if n == 30:
            raise Trouble(n)
        return n

    with pytest.raises(Trouble) as caught:
        coterie.reduce(fail, operator.add, range(100), workers=2)
    assert caught.value.args == (30,)
    assert "fail" in str(caught.value.__cause__)


def test_an_error_of_combining_stops_what_runs():
    events = coterie.Queue()

    def work(n):
        if n < 2:
            return n
        events.put("began")
        try:
            while True:
                pass
        finally:
            events.put("cleaned up")

    def combine(a, b):
        events.get()  # until it runs
        raise Trouble

    with pytest.raises(Trouble):
        coterie.reduce(work, combine, range(3), workers=3, chunksize=1)
    assert events.get(timeout=50) == "cleaned up"


def test_endless_items_until_the_combining_has_enough():
    def combine(a, b):
        if b > 5000:
            raise Trouble("enough")
        return max(a, b)

    with pytest.raises(Trouble, match="enough"):
        coterie.reduce(abs, combine, itertools.count(), workers=2)


def test_progress():
    told = []
    coterie.reduce(
        abs, operator.add, range(20), chunksize=6, progress=lambda *n: told.append(n)
    )
    assert told == [(n, 20) for n in range(1, 21)]


@pytest.mark.parametrize(
    ("name", "error", "arguments"),
    [
        ("map_f", TypeError, (None, max, [1])),
        ("combine_f", TypeError, (abs, 5, [1])),
        ("int", TypeError, (abs, max, 5)),
    ],
)
def test_a_wrong_argument_is_named(name, error, arguments):
    with pytest.raises(error, match=name):
        coterie.reduce(*arguments)


@pytest.mark.parametrize("name", ["workers", "chunksize", "buffersize"])
def test_a_wrong_number_is_named(name):
    with pytest.raises(ValueError, match=name):
        coterie.reduce(abs, max, [1], **{name: 0})


def test_what_cannot_be_sent():
    with pytest.raises(coterie.NotShareableError):
        coterie.reduce(id, max, [1, threading.Lock()])
    with pytest.raises(coterie.NotShareableError):
        coterie.reduce(threading.Lock().acquire, max, [1])
