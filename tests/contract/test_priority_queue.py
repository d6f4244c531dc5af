"""The order of coterie.queue.PriorityQueue is Python's own."""

import collections
import enum
import gc
import itertools
import math
import queue
import random
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coterie.queue
from coterie.queue import PriorityQueue

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


def through(items, **options):
    """Out of a PriorityQueue that they all are in at once."""
    q = PriorityQueue(**options)
    q.put_many(items)
    return q.get_many(len(items)) if items else []


def exact(items):
    """Equal numbers of several types are told apart."""
    return [(type(item), repr(item)) for item in items]


# ---- as sorted() -------------------------------------------------------------

numbers = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    # Neighbours: powers of two, and ints beside the float of their value.
    st.builds(
        lambda power, more, sign: sign * (2**power + more),
        st.integers(0, 1100),
        st.integers(-2, 2),
        st.sampled_from([-1, 1]),
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(int),
    st.integers(-(2**60), 2**60).map(float),
)
texts = st.text(st.characters(codec=None), max_size=6) | st.text("\0\1\2a", max_size=5)
octets = st.binary(max_size=6) | st.binary(max_size=4).map(lambda b: b"\0\1" + b)
columns = st.lists(st.sampled_from([numbers, texts, octets]), min_size=1, max_size=3)


def rows(kinds):
    """Tuples of these, and what they begin with."""
    whole = st.tuples(*kinds)
    part = st.builds(lambda row, n: row[:n], whole, st.integers(0, len(kinds)))
    return st.lists(whole | part, max_size=30)


@pytest.mark.parametrize(
    "values",
    [
        st.lists(numbers, max_size=30),
        st.lists(texts, max_size=30),
        st.lists(octets, max_size=30),
        columns.flatmap(rows),
        columns.flatmap(lambda kinds: rows([st.tuples(*kinds), *kinds])),
    ],
    ids=["numbers", "str", "bytes", "tuples", "nested-tuples"],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_order_is_that_of_sorted(values, data):
    items = data.draw(values)
    assert exact(through(items)) == exact(sorted(items))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, st.integers()), max_size=30))
def test_equal_ones_come_first_in_first_out(items):
    q = PriorityQueue(key=lambda item: item[0])
    for item in items:
        q.put(item)
    got = [q.get() for _ in items]
    assert exact(got) == exact(sorted(items, key=lambda item: item[0]))


NEIGHBOURS = [
    -math.inf, -(10**400), -1e308, -(2**64) - 1, -(2**64), -(2**63) - 1, -(2.0**63),
    -(2**53) - 1, -(2.0**53), -257, -256.5, -256, -255, -1.5, -1, -0.5, -5e-324, 0,
    5e-324, 2.2250738585072014e-308, 0.1, 0.5, 1, 1.0000000000000002, 2, 255, 256,
    2**53, 2**53 + 1, 2.0**53 + 2, 2**63 - 1, 2**63, 2**63 + 1, 2.0**64, 2**64 + 1,
    1e308, 10**308, 10**400, math.inf,
]  # fmt: skip


def test_numbers_that_are_near_each_other():
    expected = sorted(NEIGHBOURS)
    shuffled = list(NEIGHBOURS)
    for seed in range(20):
        random.Random(seed).shuffle(shuffled)
        assert through(shuffled) == expected


@pytest.mark.parametrize("first", [0, 1, 2])
def test_equal_numbers_of_other_types_are_equal(first):
    zeros = [[0, 0.0, -0.0, False], [1, 1.0, True], [2**70, 2.0**70]][first]
    for items in itertools.permutations(zeros):
        assert exact(through(items)) == exact(items)
        pairs = [(item, -n) for n, item in enumerate(items)]
        assert exact(through(pairs)) == exact(pairs[::-1])


def test_str_is_ordered_by_code_points():
    items = ["", "\0", "\0\0", "\1", "a", "ab", "\x7f", "\x80", "\xff", "\u07ff",
             "\u0800", "\ud7ff", "\ud800", "\udfff", "\ue000", "\uffff",
             "\U00010000", "\U0010ffff"]  # fmt: skip
    assert items == sorted(items)
    assert through(items[::-1]) == items


def test_long_keys():
    items = ["x" * 100_000 + end for end in "cab"] + ["x" * 99_999]
    assert through(items) == sorted(items)
    items = [(b"\0" * 100_000, n) for n in (3, 1, 2)]
    assert through(items) == sorted(items)


def test_what_python_cannot_compare_is_ordered_by_kind():
    assert through([(1,), b"a", "a", 1, 2.5]) == [1, 2.5, "a", b"a", (1,)]


# ---- what is a key -----------------------------------------------------------


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Name(str):
    pass


class Backwards(int):
    def __lt__(self, other):
        return int(self) > int(other)


Row = collections.namedtuple("Row", "level name")


def test_a_subclass_that_compares_as_its_base_is_one():
    items = [Row(Level.HIGH, "b"), (2, "a"), Row(1, Name("z")), (Level.LOW, "y")]
    assert through(items) == sorted(items)


REFUSED = {
    "none": (TypeError, "item: NoneType", None),
    "list": (TypeError, "item: list", [1]),
    "complex": (TypeError, "item: complex", 1j),
    "in-a-tuple": (TypeError, r"item\[1\]: dict", (1, {})),
    "deep": (TypeError, r"item\[1\]\[0\]: NoneType", ("a", (None, 1))),
    "own-order": (TypeError, "item: Backwards", Backwards(3)),
    "nan": (ValueError, "item: a NaN", math.nan),
    "nan-in-a-tuple": (ValueError, r"item\[0\]: a NaN", (math.nan,)),
}


@pytest.mark.parametrize(("error", "text", "item"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_order_is_refused_at_put(peer, error, text, item):
    q = PriorityQueue()
    q.put(1)
    with pytest.raises(error, match=text):
        peer(q.put, item)
    assert (q.qsize(), q.get()) == (1, 1)
    q.task_done()
    q.join()


def test_a_tuple_too_deep_is_refused():
    item = ()
    for _ in range(200_000):
        item = (item,)
    q = PriorityQueue()
    with pytest.raises(RecursionError):
        q.put(item)
    assert q.empty()
    while item:  # no recursion at its end
        (item,) = item


# ---- key= --------------------------------------------------------------------


def test_key_makes_the_order(peer):
    q = PriorityQueue(key=lambda job: job["priority"])
    for priority in (3, 1):
        q.put({"priority": priority})
    peer(q.put, {"priority": 2, "more": [1, 2]})
    peer(q.put_many, [{"priority": 0}, {"priority": 4}])
    assert [job["priority"] for job in q.get_many(9)] == [0, 1, 2, 3, 4]


def test_key_by_keyword_only_and_none():
    with pytest.raises(TypeError):
        PriorityQueue(0, len)
    with pytest.raises(TypeError, match="key must be None or callable, not int"):
        PriorityQueue(key=3)
    assert PriorityQueue(3, key=None).maxsize == 3
    assert through(["ccc", "a", "bb"], key=len) == ["a", "bb", "ccc"]


def test_key_that_cannot_be_sent():
    generator = (n for n in [])
    with pytest.raises(coterie.NotShareableError, match="key not shareable"):
        PriorityQueue(key=lambda item: generator)


def test_key_is_computed_at_put():
    q = PriorityQueue(key=len)
    item = [1, 2]
    q.put(item)
    item += [3, 4, 5]
    q.put([1, 2, 3])
    assert q.get_many(2) == [[1, 2], [1, 2, 3]]


def test_key_that_raises_puts_nothing(peer):
    q = PriorityQueue(key=lambda item: 1 / item)
    q.put(1)
    with pytest.raises(ZeroDivisionError):
        peer(q.put, 0)
    with pytest.raises(ZeroDivisionError):
        peer(q.put_many, [2, 0])
    assert q.get_many(9) == [1]


def test_key_whose_value_has_no_order(peer):
    q = PriorityQueue(key=lambda item: (1, item))
    with pytest.raises(TypeError, match=r"key\[1\]: list has no order"):
        peer(q.put, [])
    assert q.empty()


def test_key_outlives_the_interpreter_that_made_the_queue():
    def make():
        offset = 10
        q = coterie.queue.PriorityQueue(key=lambda n: -(n + offset))
        q.put(1)
        return q

    with coterie.Executor(1) as pool:
        q = pool.submit(make).result()
    q.put_many([3, 2])
    assert q.get_many(9) == [3, 2, 1]


def test_key_may_refer_to_the_queue_in_a_cycle():
    class Key:
        def __call__(self, item):
            return item

    key = Key()
    q = PriorityQueue(key=key)
    weak = weakref.ref(q)
    key.queue = q
    del q, key
    gc.collect()
    assert weak() is None


# ---- as the standard library's -----------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.tuples(st.integers(0, 5), st.text(max_size=2))))
def test_puts_and_gets_in_any_sequence_are_as_in_the_stdlib(steps):
    ours, theirs = PriorityQueue(), queue.PriorityQueue()
    for step in steps:
        if step is not None:
            ours.put(step)
            theirs.put(step)
        elif theirs.empty():
            with pytest.raises(queue.Empty):
                ours.get_nowait()
        else:
            assert ours.get_nowait() == theirs.get_nowait()
    assert ours.qsize() == theirs.qsize()
