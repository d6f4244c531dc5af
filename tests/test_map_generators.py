"""Generator functions that are mapped: their results arrive while they run."""

import functools
import itertools
import operator
import threading

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


class Trouble(Exception):
    pass


def rows(n):
    for i in range(n):
        yield n, i


def fail_at(n):
    yield n
    if n == 2:
        raise Trouble(n)
    yield -n


def count_and_clean_up(events):
    try:
        yield from itertools.count()
    finally:
        events.put("cleaned up")


ordered_or_not = pytest.mark.parametrize("ordered", [True, False])


def test_results_come_in_the_order_of_the_items():
    numbers = [3, 0, 5, 1, 200]
    expected = [(n, i) for n in numbers for i in range(n)]
    assert list(coterie.map(rows, numbers, workers=2)) == expected
    results = coterie.map(rows, numbers, workers=2, ordered=False)
    assert sorted(results) == sorted(expected)


@ordered_or_not
def test_results_arrive_while_the_generator_runs(ordered):
    def ask(questions):
        for question in questions:
            yield question.upper()

    questions = coterie.Queue()
    results = coterie.map(ask, [questions], ordered=ordered)
    for question in "abc":
        questions.put(question)
        assert next(results) == question.upper()
    questions.shutdown()
    assert list(results) == []


@ordered_or_not
@pytest.mark.parametrize("size", [1, 3])
def test_who_yields_waits_for_room(ordered, size):
    def note(made):
        for n in itertools.count():
            made.put(n)
            yield n

    made = coterie.Queue()
    results = coterie.map(note, [made], ordered=ordered, buffersize=size)
    for n in range(10):
        assert next(results) == n
        # What was taken out of the queue at once, what fills it again, and the
        # one that waits for room.
        assert made.qsize() <= n + 2 * size + 2
    results.close()


@ordered_or_not
@pytest.mark.parametrize("how", ["close", "lose"])
def test_the_generator_ends_when_nobody_wants_more(ordered, how):
    events = coterie.Queue()
    results = coterie.map(count_and_clean_up, [events], ordered=ordered)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    if how == "close":
        results.close()
    del results
    assert events.get(timeout=50) == "cleaned up"


def test_a_generator_that_computes_is_interrupted():
    def compute(events):
        yield "began"
        try:
            while True:
                pass
        finally:
            events.put("cleaned up")

    events = coterie.Queue()
    results = coterie.map(compute, [events])
    assert next(results) == "began"
    results.close()
    assert events.get(timeout=50) == "cleaned up"


def test_several_run_at_once():
    def meet(mine, other):
        other.put(None)
        mine.get(timeout=50)
        yield "met"

    a, b = coterie.Queue(), coterie.Queue()
    assert list(coterie.map(meet, [a, b], [b, a], workers=2)) == ["met", "met"]


def test_starmap_and_callables_that_are_no_functions():
    def both(a, b):
        yield a
        yield b

    assert list(coterie.starmap(both, ["ab", "cd"])) == list("abcd")
    assert list(coterie.map(functools.partial(both, 1), [2])) == [1, 2]
    assert list(coterie.map(both, "ac", "bd")) == list("abcd")


@ordered_or_not
def test_an_error_comes_after_the_results_before_it(ordered):
    results = coterie.map(fail_at, [2], ordered=ordered)
    assert next(results) == 2
    with pytest.raises(Trouble) as caught:
        next(results)
    assert caught.value.args == (2,)
    trace = str(caught.value.__cause__)
    assert "fail_at" in trace
    assert "_pour" not in trace
    assert list(results) == []


@ordered_or_not
def test_errors_as_results_or_skipped(ordered):
    results = list(coterie.map(fail_at, range(1, 5), ordered=ordered, on_error="skip"))
    assert sorted(results) == [-4, -3, -1, 1, 2, 3, 4]
    results = list(
        coterie.map(fail_at, range(1, 5), ordered=ordered, on_error="return")
    )
    (error,) = (r for r in results if isinstance(r, Trouble))
    assert results.index(error) > results.index(2)
    assert len(results) == 8


def test_sys_exit_is_not_skipped():
    def leave(n):
        yield n
        raise SystemExit(n)

    results = coterie.map(leave, [1, 2], on_error="skip", workers=1)
    assert next(results) == 1
    with pytest.raises(SystemExit):
        next(results)


@ordered_or_not
def test_an_item_that_cannot_be_sent(ordered):
    items = [1, threading.Lock(), 3]
    results = list(coterie.map(fail_at, items, ordered=ordered, on_error="return"))
    (error,) = (r for r in results if isinstance(r, coterie.NotShareableError))
    assert "argument 1 of fail_at" in str(error)
    results.remove(error)
    assert sorted(results) == [-3, -1, 1, 3]


class Fussy:
    """Cannot be made again if its number is 2."""

    def __init__(self, n):
        self.n = n

    def __setstate__(self, state):
        if state["n"] == 2:
            raise Trouble("no 2")
        self.__dict__ = state


def twice(x):
    yield x
    yield x


def numbers_of(it):
    yield it.n
    yield -it.n


def numbers_until(results, error):
    numbers = []
    with pytest.raises(error):
        for n in results:
            numbers.append(n)
    return numbers


def test_items_that_cannot_be_sent_or_made_have_their_place():
    items = [0, 1, threading.Lock(), 3]
    results = list(coterie.map(twice, items, workers=2, on_error="return"))
    assert isinstance(results.pop(4), coterie.NotShareableError)
    assert results == [0, 0, 1, 1, 3, 3]
    results = coterie.map(twice, items, workers=2)
    assert numbers_until(results, coterie.NotShareableError) == [0, 0, 1, 1]

    items = [Fussy(n) for n in range(4)]
    results = list(coterie.map(numbers_of, items, workers=2, on_error="return"))
    assert isinstance(results.pop(4), Trouble)
    assert results == [0, 0, 1, -1, 3, -3]
    results = coterie.map(numbers_of, items, workers=2)
    assert numbers_until(results, Trouble) == [0, 0, 1, -1]


def make_fussy(first):
    for n in range(first, first + 3):
        yield Fussy(n)


@ordered_or_not
def test_a_result_that_cannot_be_made_here_is_an_error_of_its_own(ordered):
    results = coterie.map(make_fussy, [0, 3], ordered=ordered, on_error="skip")
    found = [each.n for each in results]
    assert sorted(found) == [0, 1, 3, 4, 5]
    results = coterie.map(make_fussy, [0], ordered=ordered, on_error="return")
    found = [each if isinstance(each, Trouble) else each.n for each in results]
    assert found[:2] == [0, 1]
    assert isinstance(found[2], Trouble)


def test_a_result_that_cannot_be_sent_ends_the_generator():
    def give(events):
        try:
            yield 1
            yield (i for i in [2])
        finally:
            events.put("cleaned up")

    events = coterie.Queue()
    results = coterie.map(give, [events])
    assert next(results) == 1
    with pytest.raises(coterie.NotShareableError):
        next(results)
    assert events.get(timeout=50) == "cleaned up"


def test_progress():
    told = []
    results = coterie.map(rows, [2, 1], progress=lambda *n: told.append(n))
    assert len(list(results)) == 3
    assert told == [(1, None), (2, None), (3, None)]


def test_no_more_generators_begin_than_are_needed():
    taken = []

    def items():
        for n in itertools.count():
            taken.append(n)
            yield 10

    results = coterie.map(rows, items(), workers=2)
    for given in range(100):
        assert len(taken) <= given // 10 + 5
        next(results)
    results.close()


def test_a_program_that_leaves_one_open_ends(run_script):
    source = """
        import coterie

        def count():
            try:
                n = 0
                while True:
                    yield n
                    n += 1
            finally:
                print("cleaned up", flush=True)

        results = coterie.starmap(count, [()], workers=1)
        print(next(results), flush=True)
    """
    ended = run_script(source)
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["0", "cleaned up"], "")


def test_ordinary_functions_behind_many_wrappers():
    assert list(coterie.map(operator.neg, [1])) == [-1]
    assert list(coterie.map(functools.partial(functools.partial(max, 1), 2), [3])) == [
        3
    ]
