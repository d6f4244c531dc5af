"""joblib's loops in interpreters."""

import faulthandler  # refuses an own GIL
import multiprocessing
import os
import warnings

import pytest

joblib = pytest.importorskip("joblib")

import coterie.joblib  # noqa: E402
from coterie import _engines  # noqa: E402


@pytest.fixture
def loop():
    """joblib.Parallel with two interpreters; `loop(f, items)` is its results."""

    def run(function, items, **options):
        parallel = joblib.Parallel(n_jobs=2, backend="coterie", **options)
        return parallel(joblib.delayed(function)(item) for item in items)

    return run


def place(x=None):
    return os.getpid(), coterie.interpreters.get_current().id


def add(x, *, one):
    return x + one


def uses_refused(x):
    return faulthandler.__name__, place()


def fail_at_three(x):
    if x == 3:
        raise ZeroDivisionError(x)
    return x


class Refused:
    def __reduce__(self):
        return __import__, ("faulthandler",)


def test_calls_run_in_interpreters(loop):
    places = loop(place, range(20))
    assert {pid for pid, _ in places} == {os.getpid()}
    assert 0 not in {interpreter for _, interpreter in places}


def test_results_are_in_order(loop):
    assert loop(lambda x: x * x, range(1000)) == [x * x for x in range(1000)]
    assert list(loop(abs, range(-50, 0), return_as="generator")) == [*range(50, 0, -1)]


def test_keywords():
    with joblib.parallel_config(backend="coterie", n_jobs=2):
        calls = (joblib.delayed(add)(n, one=1) for n in range(10))
        assert joblib.Parallel()(calls) == [*range(1, 11)]


def test_the_older_context_manager():
    with joblib.parallel_backend("coterie", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(abs)(-n) for n in range(5)) == [
            *range(5)
        ]


def test_batches(loop):
    assert loop(abs, range(100), batch_size=30) == [*range(100)]


def test_an_exception_ends_the_loop(loop):
    with pytest.raises(ZeroDivisionError):
        loop(fail_at_three, range(1000))
    assert loop(fail_at_three, range(3)) == [0, 1, 2]


def test_an_exception_stops_what_runs(loop):
    # Else it would run for ever.
    with pytest.raises(ZeroDivisionError):
        loop(fail_or_spin, [0, 1])


def fail_or_spin(x):
    if x == 0:
        raise ZeroDivisionError
    while True:
        pass


def test_it_can_be_used_again():
    with joblib.Parallel(n_jobs=2, backend="coterie") as parallel:
        for n in range(3):
            assert parallel(joblib.delayed(abs)(-n) for _ in range(4)) == [n] * 4
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                parallel(joblib.delayed(fail_at_three)(n) for n in range(9))
            assert parallel(joblib.delayed(abs)(-n) for n in range(4)) == [0, 1, 2, 3]


def test_one_job_stays_here():
    parallel = joblib.Parallel(n_jobs=1, backend="coterie")
    assert parallel(joblib.delayed(place)(n) for n in range(3)) == [place()] * 3


@pytest.mark.parametrize("fallback", ["process", "main", "shared"])
def test_what_is_refused_runs_elsewhere(fallback, monkeypatch):
    monkeypatch.setattr(_engines, "_warned_of", set())
    with joblib.parallel_config(backend="coterie", n_jobs=2, fallback=fallback):
        with pytest.warns(RuntimeWarning, match="'faulthandler' does not support"):
            found = joblib.Parallel()(joblib.delayed(uses_refused)(n) for n in range(9))
        for name, (pid, interpreter) in found:
            assert name == "faulthandler"
            assert (pid == os.getpid()) == (fallback != "process")
            assert (interpreter == 0) == (fallback != "shared")


def test_arguments_that_are_refused(loop):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = loop(place, [Refused() for _ in range(4)])
    assert os.getpid() not in {pid for pid, _ in places}


def test_a_loop_inside_a_loop(loop):
    def inner(n):
        return joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-n) for _ in range(2))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert loop(inner, range(3)) == [[0, 0], [1, 1], [2, 2]]


def test_bad_arguments(loop):
    with pytest.raises(ValueError, match="n_jobs == 0"):
        joblib.Parallel(n_jobs=0, backend="coterie")(
            joblib.delayed(abs)(n) for n in range(2)
        )
    with pytest.raises(ValueError, match="fallback must be one of"):
        coterie.joblib.CoterieBackend(fallback="dask")


def test_the_number_of_jobs():
    backend = coterie.joblib.CoterieBackend()
    assert backend.effective_n_jobs(3) == 3
    assert backend.effective_n_jobs(None) == 1
    assert backend.effective_n_jobs(-1) >= 1
    assert backend.effective_n_jobs(-1000) == 1


def test_a_timeout(loop):
    with pytest.raises(multiprocessing.TimeoutError):
        loop(fail_or_spin, [1, 1], timeout=0.1)
