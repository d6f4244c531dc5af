"""AtomicInt, AtomicFlag and AtomicReference of coterie.sync."""

import math
import operator

import pytest

import coterie
from coterie import interpreters, sync

pytestmark = pytest.mark.timeout(60)

MOST, LEAST = 2**63 - 1, -(2**63)
while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


# ---- AtomicInt: steps --------------------------------------------------------


def test_a_number():
    number = sync.AtomicInt()
    assert number.get() == 0
    assert number.set(5) is None
    assert number.get() == 5
    assert sync.AtomicInt(value=MOST).get() == MOST
    assert sync.AtomicInt(LEAST).get() == LEAST
    assert sync.AtomicInt(number).get() == 5
    assert sync.AtomicInt(True).get() == 1
    assert repr(number).endswith(": 5>")


@pytest.mark.parametrize(
    ("name", "operand", "found", "after"),
    [
        ("add", 3, 13, 13),
        ("sub", 3, 7, 7),
        ("exchange", 3, 10, 3),
        ("fetch_add", 3, 10, 13),
        ("fetch_sub", 3, 10, 7),
        ("fetch_and", 3, 10, 2),
        ("fetch_or", 3, 10, 11),
        ("fetch_xor", 3, 10, 9),
        ("fetch_max", 3, 10, 10),
        ("fetch_max", 30, 10, 30),
        ("fetch_min", 3, 10, 3),
        ("fetch_min", 30, 10, 10),
    ],
)
def test_steps(name, operand, found, after):
    number = sync.AtomicInt(10)
    assert getattr(number, name)(operand) == found
    assert number.get() == after
    number.set(10)
    assert getattr(number, name)(sync.AtomicInt(operand)) == found
    for bad in (1.5, "1", None):
        with pytest.raises(TypeError, match=r"must be an int, not"):
            getattr(number, name)(bad)
    for big in (MOST + 1, LEAST - 1):
        with pytest.raises(OverflowError):
            getattr(number, name)(big)
    assert number.get() == after


def test_compare_exchange():
    number = sync.AtomicInt(1)
    assert number.compare_exchange(2, 3) is False
    assert number.get() == 1
    assert number.compare_exchange(expected=1, value=3) is True
    assert number.get() == 3
    with pytest.raises(TypeError, match="expected must be an int, not str"):
        number.compare_exchange("3", 4)
    with pytest.raises(TypeError, match="value must be an int, not str"):
        number.compare_exchange(3, "4")
    with pytest.raises(OverflowError):
        number.compare_exchange(3, MOST + 1)
    assert number.get() == 3


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (MOST, lambda number: number.add(1)),
        (MOST, lambda number: number.fetch_add(1)),
        (MOST, lambda number: number.sub(-1)),
        (LEAST, lambda number: number.sub(1)),
        (LEAST, lambda number: number.fetch_sub(1)),
        (MOST, lambda number: operator.iadd(number, 1)),
        (LEAST, lambda number: operator.isub(number, 1)),
        (MOST, lambda number: operator.imul(number, 2)),
        (MOST, lambda number: operator.ilshift(number, 1)),
        (MOST, lambda number: operator.ipow(number, 2)),
    ],
)
def test_it_never_wraps(value, step):
    number = sync.AtomicInt(value)
    with pytest.raises(OverflowError):
        step(number)
    assert number.get() == value


@pytest.mark.parametrize(
    ("args", "error"),
    [(("1",), TypeError), ((1.0,), TypeError), ((MOST + 1,), OverflowError),
     ((1, 2), TypeError)],
)  # fmt: skip
def test_values_that_are_refused(args, error):
    with pytest.raises(error):
        sync.AtomicInt(*args)


# ---- AtomicInt: as an int ----------------------------------------------------

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
    operator.mod, operator.pow, operator.lshift, operator.rshift, operator.and_,
    operator.or_, operator.xor, divmod,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


@pytest.mark.parametrize("function", BINARY)
def test_it_calculates_and_orders_as_an_int(function):
    number = sync.AtomicInt(13)
    for found, expected in [
        (function(number, 3), function(13, 3)),
        (function(100, number), function(100, 13)),
        (function(number, number), function(13, 13)),
        (function(number, sync.AtomicInt(2)), function(13, 2)),
    ]:
        assert type(found) is type(expected)
        assert found == expected
    with pytest.raises(TypeError):
        function(number, None)
    assert number.get() == 13


@pytest.mark.parametrize(
    "function",
    [int, float, complex, bool, abs, hex, operator.neg, operator.pos, operator.invert,
     operator.index, math.sqrt, range, "%d".__mod__],
)  # fmt: skip
@pytest.mark.parametrize("value", [0, 1, 5])
def test_what_functions_make_of_it(function, value):
    assert function(sync.AtomicInt(value)) == function(value)


def test_it_calculates_with_other_numbers():
    number = sync.AtomicInt(5)
    assert number + 0.5 == 0.5 + number == 5.5
    assert number < 5.5 < number + 1
    assert pow(number, 2, 7) == 4
    assert pow(2, number, 7) == 4
    assert number + 2**100 == 5 + 2**100
    assert [1, 2, 3][sync.AtomicInt(1)] == 2
    assert sorted([number, 7, 3])[1] is number


@pytest.mark.parametrize(
    "name",
    ["iadd", "isub", "imul", "ifloordiv", "imod", "ipow", "ilshift", "irshift",
     "iand", "ior", "ixor"],
)  # fmt: skip
def test_in_place(name):
    function = getattr(operator, name)
    number = same = sync.AtomicInt(13)
    number = function(number, 3)
    assert number is same
    assert number.get() == function(13, 3)
    for bad in (1.5, "1"):
        with pytest.raises(TypeError, match="operand must be an int, not"):
            function(number, bad)
    assert number.get() == function(13, 3)


def test_in_place_what_gives_no_int():
    number = sync.AtomicInt(4)
    with pytest.raises(TypeError, match="the result must be an int, not float"):
        number /= 2
    with pytest.raises(ZeroDivisionError):
        number //= 0
    assert number.get() == 4


def test_equality_is_identity():
    number, other = sync.AtomicInt(5), sync.AtomicInt(5)
    assert number == number
    assert number != other
    before = hash(number)
    number += 1
    assert hash(number) == before
    assert {number: "found"}[number] == "found"
    assert number != "6"
    for value in (6, 6.0, True):
        with pytest.warns(RuntimeWarning, match="compare its get"):
            assert not number == value  # noqa: SIM201
        with pytest.warns(RuntimeWarning, match="compare its get"):
            assert value != number
    # Dictionaries with both need not compare them.
    mixed = {**dict.fromkeys(range(100)), number: "number", other: "other"}
    assert (mixed[number], mixed[other], len(mixed)) == ("number", "other", 102)


# ---- AtomicInt: elsewhere ----------------------------------------------------


def count(number, times):
    for turn in range(times):
        if turn % 3 == 0:
            number += 1
        elif turn % 3 == 1:
            number.fetch_add(1)
        else:
            before = number.get()
            while not number.compare_exchange(before, before + 1):
                before = number.get()


@while_peer_waits
def test_no_step_is_lost(peer):
    number = sync.AtomicInt()
    calls = [peer.start(count, number, 3000) for _ in range(3)]
    count(number, 3000)
    for call in calls:
        call.result()
    assert number.get() == 12000


def test_the_value_outlives_who_set_it(interp):
    number, reference = sync.AtomicInt(), sync.AtomicReference()
    interp.call(number.set, 3)
    interp.call(reference.set, ("a", 3))
    interp.close()
    assert number.get() == 3
    assert reference.get() == ("a", 3)


# ---- AtomicFlag --------------------------------------------------------------


def test_a_flag():
    flag = sync.AtomicFlag()
    assert flag.test() is False
    assert not flag
    assert repr(flag).endswith(": clear>")
    assert flag.test_and_set() is False
    assert flag.test_and_set() is True
    assert flag.test() is True
    assert flag
    assert repr(flag).endswith(": set>")
    assert flag.test_and_clear() is True
    assert flag.test_and_clear() is False
    assert flag.set() is None
    assert flag.test() is True
    assert flag.clear() is None
    assert flag.test() is False
    assert sync.AtomicFlag(True).test() is True
    assert sync.AtomicFlag(value=1).test() is True
    with pytest.raises(TypeError):
        sync.AtomicFlag(1, 2)


def set_all(flags):
    return sum(not flag.test_and_set() for flag in flags)


@while_peer_waits
def test_one_finds_it_clear(peer):
    flags = [sync.AtomicFlag() for _ in range(500)]
    calls = [peer.start(set_all, flags) for _ in range(3)]
    assert set_all(flags) + sum(call.result() for call in calls) == 500


# ---- AtomicReference ---------------------------------------------------------

IMMUTABLE = [
    None, True, 5, -(2**100), 1.5, 2j, "text", b"bytes", (), (1, ("a", b"b", None)),
    frozenset({1, "a", (2, 3)}),
]  # fmt: skip


@pytest.mark.parametrize("value", IMMUTABLE)
def test_a_reference(value, peer):
    reference = sync.AtomicReference(value)
    assert reference.get() is value
    assert reference.exchange("other") == value
    assert reference.set(value) is None
    assert reference.get() is value
    assert peer(reference.get) == value
    assert peer(reference.exchange, "theirs") == value
    assert reference.get() == "theirs"
    assert reference.compare_exchange("theirs", value) is True
    assert peer(reference.compare_exchange, value, "theirs") is True
    assert peer(reference.compare_exchange, value, "theirs") is (value == "theirs")
    assert reference.get() == "theirs"


def test_a_reference_is_to_nothing_at_first():
    reference = sync.AtomicReference()
    assert reference.get() is None
    assert repr(reference).endswith(": None>")
    assert isinstance(sync.AtomicReference[int], type(list[int]))


def test_a_reference_to_what_is_shared(peer):
    queue = coterie.Queue()
    reference = sync.AtomicReference((queue, 1))
    assert peer(reference.get) == (queue, 1)
    assert peer(reference.compare_exchange, (queue, 1), queue) is True
    assert reference.get() is queue


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "value must be .*, not list"),
        (bytearray(), "value must be .*, not bytearray"),
        ((1, (2, {})), r"value\[1\]\[1\] must be .*, not dict"),
        (frozenset({(1, len)}), r"value\{...\}\[1\] must be .*, not builtin_function"),
        (object(), "value must be .*, not object"),
        (type("Text", (str,), {})(), "value must be .*, not Text"),
    ],
)
def test_what_is_mutable_is_refused(value, message):
    reference = sync.AtomicReference("kept")
    for refused in (
        sync.AtomicReference,
        reference.set,
        reference.exchange,
        lambda value: reference.compare_exchange("kept", value),
    ):
        with pytest.raises(TypeError, match=message):
            refused(value)
    with pytest.raises(TypeError, match=message.replace("value", "expected")):
        reference.compare_exchange(value, "other")
    assert reference.get() == "kept"


def test_a_reference_does_not_hold_itself():
    reference = sync.AtomicReference("kept")
    for refused in (reference.set, reference.exchange):
        with pytest.raises(ValueError, match="holds the AtomicReference"):
            refused((reference,))
    assert reference.get() == "kept"


def test_a_deep_value():
    value = ()
    for _ in range(100_000):
        value = (value,)
    with pytest.raises((RecursionError, coterie.NotShareableError)):
        sync.AtomicReference(value)
    while value:  # not by recursion
        (value,) = value


def test_compare_exchange_compares_as_python_does():
    reference = sync.AtomicReference(1)
    assert reference.compare_exchange(True, math.nan) is True
    nan = reference.get()
    assert reference.compare_exchange(float("nan"), 1) is False
    assert reference.compare_exchange(nan, 1.0) is True
    assert reference.compare_exchange(2, 3) is False
    assert reference.get() == 1


def add_to(reference, times):
    for _ in range(times):
        before = reference.get()
        while not reference.compare_exchange(before, (*before[1:], before[0] + 1)):
            before = reference.get()


@while_peer_waits
def test_no_change_is_lost(peer):
    reference = sync.AtomicReference((0, 0))
    calls = [peer.start(add_to, reference, 300) for _ in range(3)]
    add_to(reference, 300)
    for call in calls:
        call.result()
    assert reference.get() == (600, 600)
