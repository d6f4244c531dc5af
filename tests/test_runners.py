"""The runners: one interface over all that runs calls side by side."""

import os
import subprocess
import sys
import threading

import pytest

import coterie
from coterie import runners

HERE = ["main", "threads", "processes", "interpreters"]
if sys.version_info >= (3, 14):
    HERE.append("stdlib-interpreters")
IN_ONE_PROCESS = [name for name in HERE if name != "processes"]


@pytest.fixture(params=HERE)
def runner(request):
    return runners.RUNNERS[request.param](2)


class Unforeseen(Exception):
    pass


def make_call(n):
    def call():
        if n == 3:
            raise Unforeseen(n)
        return n * n

    return call


def test_outcomes(runner):
    told = []
    run = runner.start([make_call(n) for n in range(6)], told.append)
    assert run.wait()
    assert run.wait(0)
    assert sorted(o.index for o in told) == [*range(6)]
    assert run.outcomes == told
    by_index = {outcome.index: outcome for outcome in told}
    failed = by_index.pop(3)
    assert failed.result is None
    assert type(failed.exception) is Unforeseen
    assert failed.exception.args == (3,)
    for n, outcome in by_index.items():
        assert (outcome.result, outcome.exception) == (n * n, None)
        assert outcome.seconds >= 0
        assert outcome.memory > 1_000_000


def test_results(runner):
    run = runner.start([make_call(n) for n in range(3)])
    assert run.results == [0, 1, 4]
    with pytest.raises(Unforeseen):
        _ = runner.start([make_call(n) for n in range(5)]).results


def test_numbers(runner):
    run = runner.start([make_call(n) for n in range(3)])
    run.wait()
    assert 0 <= run.startup <= run.total
    assert run.memory_per_process > 1_000_000
    assert run.memory_per_interpreter >= 0


def test_workers(runner):
    run = runner.start([place] * 4)
    for outcome in sorted(run.outcomes, key=lambda o: o.index) if run.wait() else ():
        worker = outcome.worker
        assert outcome.result == (worker.process, worker.interpreter, worker.thread)
        assert (worker.process == os.getpid()) == (runner.name in IN_ONE_PROCESS)
        has_own = runner.name in ("interpreters", "stdlib-interpreters")
        assert (worker.interpreter != 0) == has_own


def place():
    import coterie

    id = coterie.interpreters.get_current().id
    return os.getpid(), id, threading.get_ident()


def test_nothing_to_do(runner):
    run = runner.start([])
    assert run.wait()
    assert run.results == []
    assert run.memory_per_process == run.memory_per_interpreter == 0


def test_start_returns_at_once():
    gate = coterie.Queue()
    run = runners.InterpreterRunner(1).start([gate.get])
    assert not run.wait(0)
    assert run.total is None
    gate.put("open")
    assert run.results == ["open"]


def test_exceptions_that_cannot_be_sent(runner):
    def call():
        error = ValueError("why")
        error.lock = threading.Lock()
        raise error

    run = runner.start([call])
    run.wait()
    (outcome,) = run.outcomes
    assert "why" in str(outcome.exception)
    assert outcome.worker is not None


def test_what_cannot_be_sent_itself():
    lock = threading.Lock()
    run = runners.InterpreterRunner(1).start([lambda: lock, make_call(2)])
    run.wait()
    first, second = sorted(run.outcomes, key=lambda outcome: outcome.index)
    assert isinstance(first.exception, coterie.NotShareableError)
    assert first.worker is None
    assert second.result == 4


def test_a_result_that_cannot_be_made_again(runner):
    class Unmakable(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    told = []
    calls = [make_call(1), lambda: Unmakable(1, 2), make_call(2)]
    run = runner.start(calls, told.append)
    run.wait()
    first, second, third = sorted(told, key=lambda outcome: outcome.index)
    assert (first.result, third.result) == (1, 4)
    if isinstance(runner, runners.MainRunner | runners.ThreadRunner):
        assert second.exception is None
    else:
        assert isinstance(second.exception, TypeError)


def test_a_process_that_dies():
    calls = [make_call(0), lambda: os._exit(5), make_call(2)]
    run = runners.ProcessRunner(1).start(calls)
    run.wait()
    first, died, last = sorted(run.outcomes, key=lambda outcome: outcome.index)
    assert (first.result, last.result) == (0, 4)
    assert isinstance(died.exception, coterie.WorkerLost)
    assert died.exception.exitcode == 5
    assert died.worker is None


def test_a_process_that_dies_with_interpreters():
    # What had begun beside it is lost with it, and no more.
    calls = [lambda: os._exit(5), *map(make_call, (1, 2, 4))]
    for _ in range(5):
        run = runners.ProcessRunner(2, interpreters=2).start(calls)
        run.wait()
        outcomes = sorted(run.outcomes, key=lambda outcome: outcome.index)
        assert outcomes[0].exception.exitcode == 5
        for outcome, n in zip(outcomes[1:], (1, 2, 4), strict=True):
            lost = isinstance(outcome.exception, coterie.WorkerLost)
            assert lost or outcome.result == n * n


def test_processes_with_interpreters():
    run = runners.ProcessRunner(2, interpreters=2).start([place] * 6)
    assert {pid for pid, _, _ in run.results}.isdisjoint({os.getpid()})
    assert all(id for _, id, _ in run.results)


def test_a_callback_that_fails(runner, caplog):
    def fail(outcome):
        raise Unforeseen(outcome.index)

    run = runner.start([make_call(n) for n in range(3)], fail)
    assert run.results == [0, 1, 4]
    assert caplog.text.count("exception calling callback") == 3


def test_main_calls_here_and_now():
    calls = []
    run = runners.MainRunner().start([lambda: calls.append(1)] * 3)
    assert calls == [1] * 3
    assert run.total is not None
    with pytest.raises(KeyboardInterrupt):
        runners.MainRunner().start([press_ctrl_c])


def press_ctrl_c():
    raise KeyboardInterrupt


def test_a_back_end_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "coterie._distributed", None)
    run = runners.DaskRunner(1).start([abs])
    with pytest.raises(ImportError):
        run.wait()


def test_dask(run_script):
    pytest.importorskip("distributed")
    ended = run_script("""
        import os
        from coterie import runners
        def f(): return os.getpid()
        if __name__ == "__main__":
            run = runners.DaskRunner(1).start([f] * 3)
            assert set(run.results) == {o.worker.process for o in run.outcomes}
            assert os.getpid() not in run.results
            print("done")
        """)
    assert (ended.rc, ended.stdout) == (0, "done\n"), ended.stderr


@pytest.mark.parametrize("cls", runners.RUNNERS.values())
def test_bad_arguments(cls):
    if cls is not runners.MainRunner:
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            cls(0)
        with pytest.raises(TypeError, match="max_workers must be an int"):
            cls("2")
    with pytest.raises(TypeError, match="expected a callable, got 3"):
        cls(1).start([3])
    with pytest.raises(TypeError, match="callback must be callable"):
        cls(1).start([], 3)


def compare(*arguments):
    command = [sys.executable, "-m", "coterie.runners", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_comparison():
    ended = compare(
        "--calls=2", "--limit=100", "main", "threads", "stdlib-interpreters"
    )
    head, _, main, threads, stdlib = ended.stdout.splitlines()
    assert head.split()[:4] == ["runner", "workers", "start-up", "total"]
    assert main.split()[:2] == ["main", "1"]
    assert main.split()[6] == "1.00"
    assert threads.split()[:2] == ["threads", "2"]
    if sys.version_info < (3, 14):
        assert "needs Python 3.14" in stdlib
    else:
        assert stdlib.split()[:2] == ["stdlib-interpreters", "2"]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_comparison_of_what_is_not_there():
    ended = compare("fibres")
    assert ended.returncode == 2
    assert "there is no runner 'fibres'" in ended.stderr


@pytest.mark.parametrize("option", ["calls", "workers"])
def test_a_comparison_of_nothing(option):
    ended = compare(f"--{option}=0", "main")
    assert ended.returncode == 2
    assert f"--{option} must be at least 1" in ended.stderr
