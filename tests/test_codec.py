"""Data through the codec: dumps and loads, and through a worker."""

import collections
import datetime
import fractions
import pickle
import random
import struct
import sys
import threading
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import coterie

HEADER = 24


def there_and_back(obj):
    return coterie.loads(coterie.dumps(obj))


# ---- equal, and of the same shape ---------------------------------------------


def shape(obj, known=None):
    """The object as text in which identity shows: who is who, and which type."""
    known = {} if known is None else known
    kind = type(obj).__name__
    if obj is None or isinstance(obj, bool | int | complex):
        return f"{kind}:{obj!r}"
    if isinstance(obj, float):
        return f"float:{struct.pack('<d', obj).hex()}"
    if id(obj) in known:
        return f"#{known[id(obj)]}"
    if not isinstance(obj, str | bytes) and obj != ():
        known[id(obj)] = len(known)
    if isinstance(obj, dict):
        inside = [f"{shape(k, known)}={shape(v, known)}" for k, v in obj.items()]
    elif isinstance(obj, set | frozenset):
        inside = sorted(map(shape, obj))
    elif isinstance(obj, list | tuple):
        inside = [shape(item, known) for item in obj]
    else:
        inside = [repr(obj)]
    return f"{kind}({', '.join(inside)})"


EDGES = [
    *(sign * (1 << bits) + step for bits in (7, 8, 15, 16, 30, 31, 32, 62, 63, 64, 999)
      for sign in (1, -1) for step in (-1, 0, 1)),
    0.0, -0.0, 5e-324, float("inf"), float("-inf"),
    0j, complex(-0.0, float("inf")),
    "", "a", "\x7f", "\x80", "\xff", "\u0100", "\ud800", "\udfff", "\uffff",
    "\U00010000", "\U0010ffff", "a" * 255, "a" * 256, "\xe9" * 300, "\u20ac" * 70000,
    "\U0001f600" * 3, "\0", "a\0b",
    b"", b"\0", bytes(range(256)) * 300, bytearray(), bytearray(b"abc"),
    (), ((),), [], {}, set(), frozenset(), (None,), [[]], {(): {}},
    {frozenset({(1, "a")}), b"x"}, frozenset({frozenset()}),
    ..., NotImplemented, None, True, False,
]  # fmt: skip


@pytest.mark.parametrize("obj", EDGES)
def test_edges(obj):
    back = there_and_back(obj)
    assert back == obj
    assert shape(back) == shape(obj)
    assert shape(there_and_back([obj, obj])) == shape([obj, obj])


def test_nan_keeps_its_bits():
    payloads = [0x7FF8000000000000, 0xFFF8000000000001, 0x7FF8DEADBEEF0000]
    values = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in payloads]
    for value in values, tuple(values), values * 3:
        assert shape(there_and_back(value)) == shape(value)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(), max_size=20)
    | st.text(st.characters(max_codepoint=255), max_size=20)
    | st.text(st.characters(categories=["Cs", "Lu"]), max_size=5)
    | st.binary(max_size=20)
    | st.binary(max_size=20).map(bytearray)
)
keys = st.recursive(
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda keys: (
        st.lists(keys, max_size=3).map(tuple) | st.frozensets(keys, max_size=3)
    ),
    max_leaves=4,
)
values = st.recursive(
    leaves | st.sets(keys, max_size=5) | st.frozensets(keys, max_size=5),
    lambda values: (
        st.lists(values, max_size=6)
        | st.lists(values, max_size=6).map(tuple)
        | st.dictionaries(keys, values, max_size=5)
        | st.lists(st.integers(-40000, 40000), max_size=30)
        | st.lists(st.floats(), max_size=12).map(tuple)
        # The same object several times.
        | values.map(lambda value: [value, (value, value)])
        | st.lists(values, min_size=1, max_size=3).map(lambda some: some * 3)
    ),
    max_leaves=30,
)
quickly = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quickly
@given(values)
def test_any_value(value):
    assert shape(there_and_back(value)) == shape(value)


@quickly
@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_any_graph(random, size):
    """Containers that hold each other, and themselves, at random."""
    nodes = [random.choice([list, dict, list])() for _ in range(size)]
    for node in nodes:
        for i in range(random.randrange(4)):
            other = random.choice([*nodes, i, "text", (random.choice(nodes), 1)])
            if isinstance(node, list):
                node.append(other)
            else:
                node[i] = other
    assert shape(there_and_back(nodes)) == shape(nodes)
    assert shape(there_and_back(nodes[0])) == shape(nodes[0])


def test_cycles():
    items = []
    items.append(items)
    back = there_and_back(items)
    assert back[0] is back
    table = {}
    table["self"] = table
    back = there_and_back(table)
    assert back["self"] is back
    pair = ([],)
    pair[0].append(pair)
    back = there_and_back(pair)
    assert back[0][0] is back
    assert type(back) is tuple


def test_what_is_shared_stays_shared_and_nothing_else():
    shared, alone = ["x"], ["x"]
    text = "".join(["not ", "interned"])
    back = there_and_back([shared, alone, shared, text, text, {text: shared}])
    assert back[0] is back[2]
    assert back[0] is not back[1]
    assert back[3] is back[4]
    assert list(back[5])[0] is back[3]
    assert back[5][back[3]] is back[0]


def test_a_root_that_nobody_else_holds():
    assert there_and_back([*"ab"]) == ["a", "b"]
    # In a call, two arguments may be one object with a single reference.
    with coterie.Executor(1) as pool:
        one = []
        assert pool.submit(lambda a, b: a is b, one, one).result()
        assert pool.submit(lambda *, a, b: a is b, a=one, b=one).result()


@pytest.mark.parametrize("count", [3, 4, 5, 252, 253, 65535, 65536, 70001])
def test_runs_of_numbers(count):
    ints = list(range(-count // 2, count // 2))
    floats = [i / 7 for i in range(count)]
    mixed = [*ints, *floats, 2**40, *ints, True, "a", *floats, None, -(2**31), 2**31]
    for value in ints, floats, mixed, tuple(ints), tuple(mixed):
        assert shape(there_and_back(value)) == shape(value)


@pytest.mark.parametrize("low", [-(2**7), -(2**15), -(2**31), -(2**7) - 1, 2**31 - 9])
def test_runs_at_the_edges_of_a_width(low):
    values = list(range(low, low + 9))
    assert there_and_back(values) == values


def test_subclasses_are_pickled():
    class_list = collections.OrderedDict(a=1), collections.Counter("aab")
    assert there_and_back(class_list) == class_list
    assert type(there_and_back(class_list)[0]) is collections.OrderedDict
    assert there_and_back(True) is True


def test_random_values_as_pickle_has_them():
    rng = random.Random(5)
    records = [
        {"id": i, "name": f"n{i % 7}", "x": rng.random(), "tags": ("a", "b")[: i % 3]}
        for i in range(500)
    ]
    as_pickled = pickle.loads(pickle.dumps(records))
    assert shape(there_and_back(records)) == shape(as_pickled)


# ---- what the format does not hold ---------------------------------------------


@dataclass
class Point:
    x: object
    y: object = None


PICKLED = [
    datetime.datetime(2026, 1, 2, 3, 4, 5),
    fractions.Fraction(1, 3),
    range(3),
    slice(1, 2),
    collections.deque([1, 2], 5),
    memoryview(b"abc").tobytes(),
    ValueError("x", 1),
    [1, [datetime.date(2026, 1, 1)], {"a": (range(2),)}],
]


@pytest.mark.parametrize("obj", PICKLED, ids=lambda obj: type(obj).__name__)
def test_other_objects_are_pickled(obj):
    back = there_and_back(obj)
    assert type(back) is type(obj)
    assert repr(back) == repr(obj)


def test_an_object_is_the_same_wherever_it_is_met():
    point = Point([1])
    back = there_and_back([point, point.x, {"p": point}])
    assert type(back[0]) is Point
    assert back[0] is back[2]["p"]
    assert back[0].x is back[1]


class Unwilling:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError, TypeError, KeyError])
def test_errors_of_pickling_come_through(error):
    with pytest.raises(coterie.NotShareableError, match="no") as caught:
        coterie.dumps([1, Unwilling(error("no"))])
    assert type(caught.value.__cause__) is error


def test_what_cannot_be_sent():
    with pytest.raises(TypeError, match="cannot pickle '_thread.lock' object"):
        coterie.dumps({"a": [threading.Lock()]})
    with pytest.raises(TypeError):
        coterie.dumps(sys._getframe())


def test_objects_of_this_process_are_refused():
    for value in coterie.Queue(), [coterie.Queue()], Point(coterie.Queue()):
        with pytest.raises(coterie.NotShareableError, match="this process only"):
            coterie.dumps(value)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: (x,)])
def test_deep_nesting_is_an_error_and_no_crash(wrap):
    deep = None
    for _ in range(200_000):
        deep = wrap(deep)
    with pytest.raises(coterie.NotShareableError) as caught:
        coterie.dumps(deep)
    assert type(caught.value.__cause__) is RecursionError
    while deep is not None:  # let go from outside in: a deep free is slow
        deep = next(iter(deep.values() if isinstance(deep, dict) else deep))


def test_nesting_that_pickle_can_do():
    deep = None
    for _ in range(300):
        deep = [deep]
    assert there_and_back(deep) == deep


# ---- damaged blocks -------------------------------------------------------------

SAMPLES = [
    None,
    [1, 2.5, "text", b"bytes", (1, 2), {"a": {1, 2}}],
    list(range(100)),
    ["x" * 300] * 3,
    Point(1, [2]),
    len,
]


@pytest.mark.parametrize("obj", SAMPLES)
def test_any_changed_byte_is_noticed(obj):
    block = coterie.dumps(obj)
    for at in range(len(block)):
        for change in 1, 0x80, 0xFF:
            damaged = bytearray(block)
            damaged[at] ^= change
            with pytest.raises(ValueError, match="not a block of coterie"):
                coterie.loads(damaged)


@pytest.mark.parametrize("obj", SAMPLES)
def test_any_cut_is_noticed(obj):
    block = coterie.dumps(obj)
    for end in range(len(block)):
        with pytest.raises(ValueError, match="not a block of coterie"):
            coterie.loads(block[:end])
    for more in b"\0", block:
        with pytest.raises(ValueError, match="its length"):
            coterie.loads(block + more)


@quickly
@given(st.binary(max_size=100))
def test_anything_else_is_refused(block):
    with pytest.raises(ValueError, match="not a block of coterie"):
        coterie.loads(block)


def test_loads_takes_any_buffer():
    block = coterie.dumps([1])
    padded = memoryview(b"--" + block + b"--")[2:-2]
    for buffer in block, bytearray(block), memoryview(block), padded:
        assert coterie.loads(buffer) == [1]
    for nonsense in "text", None, 5:
        with pytest.raises(TypeError):
            coterie.loads(nonsense)
    with pytest.raises(ValueError, match="too short"):
        coterie.loads(b"")


def test_the_header():
    block = coterie.dumps(None)
    magic, version, form, order, _, length, _ = struct.unpack(
        "=4sBBBBQQ", block[:HEADER]
    )
    assert (magic, version, form) == (b"\x93cot", 1, 0)
    assert order == (1 if sys.byteorder == "little" else 2)
    assert length == len(block) - HEADER == 1


# ---- through a worker -------------------------------------------------------------


def echo(*args, **kwargs):
    return args, kwargs


def test_arguments_of_every_layout(pool):
    for args in (), (1,), tuple(range(8)), tuple(range(9)), tuple(range(300)):
        for names in (), ("a",), tuple(f"k{i}" for i in range(20)):
            kwargs = {name: [name] for name in names}
            assert pool.submit(echo, *args, **kwargs).result() == (args, kwargs)


def test_arguments_that_are_pickled(pool):
    point = Point(1, 2)
    args, kwargs = pool.submit(echo, point, [point], key=point).result()
    assert args == (point, [point])
    assert kwargs == {"key": point}
    assert args[0] is args[1][0] is kwargs["key"]


def test_hypothesis_values_through_a_worker(pool):
    @settings(quickly, max_examples=60)
    @given(values)
    def check(value):
        back = pool.submit(lambda x: x, value).result()
        assert shape(back) == shape(value)

    check()


def test_threads_may_encode_at_once(in_threads):
    def work(seed):
        rng = random.Random(seed)
        for _ in range(30):
            value = [rng.choice([seed, "a", (1, 2), Point(seed), len, echo])] * 3
            back = there_and_back(value)
            assert back[0] is back[1]
            assert back[0] == value[0]

    in_threads(work, [(seed,) for seed in range(8)])
