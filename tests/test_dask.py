"""Dask: a cluster's workers with interpreters, and a pool on a cluster.

Each test is a script with a scheduler and worker processes of its own.
"""

import sys
import textwrap

import pytest

pytest.importorskip("distributed")

HEAD = """
import asyncio, functools, os, signal, subprocess, sys, threading, time, warnings
import dask.bag
from distributed import Client, LocalCluster, as_completed, get_worker
import faulthandler
import coterie

def cluster(workers=2, threads=2):
    return LocalCluster(
        n_workers=workers, threads_per_worker=threads, processes=True,
        dashboard_address="127.0.0.1:0", silence_logs=50,
    )

def place():
    return os.getpid(), coterie.interpreters.get_current().id

def work(n):
    total = 0
    for i in range(20_000):
        total += i * n
    return n, total

EXPECTED = [(n, n * sum(range(20_000))) for n in range(200)]

def kill_one_under_load(futures, pids):
    # Some are done, some are running, most wait.
    for future, _ in zip(as_completed(futures), range(10)):
        pass
    os.kill(pids[0], signal.SIGKILL)

class Refused:
    def __reduce__(self):
        return __import__, ("faulthandler",)

"""


@pytest.fixture
def run_cluster(run_script):
    """Runs the body of a function main(), with a cluster's processes."""

    def run(source):
        body = textwrap.indent(textwrap.dedent(source), "    ")
        main = f"def main():\n{body}\n\nif __name__ == '__main__':\n    main()\n"
        ended = run_script(HEAD + main + "    print('done', flush=True)\n")
        assert (ended.rc, ended.lines[-1:]) == (0, ["done"]), ended.stderr
        return ended

    return run


# ---- workers with interpreters -----------------------------------------------


def test_tasks_run_in_interpreters(run_cluster):
    run_cluster("""
        from coterie.dask import InterpreterPlugin
        with cluster(1) as c, Client(c) as client:
            client.register_plugin(InterpreterPlugin())
            def run(f, *args, **options):
                return client.submit(f, *args, pure=False, **options)
            pid, interpreter = run(place).result()
            assert pid != os.getpid() and interpreter != 0
            # Functions and classes of scripts, keywords, exceptions.
            class Point:
                def __init__(self, x): self.x = x
            def move(point, by=0): return Point(point.x + by), place()
            point, (_, interpreter) = run(move, Point(1), by=2).result()
            assert point.x == 3 and interpreter != 0
            def fail(text): raise ValueError(text, place()[1])
            error = run(fail, "why").exception()
            assert type(error) is ValueError and error.args[0] == "why"
            assert error.args[1] != 0
            # Results of others.
            first = run(work, 3)
            assert run(lambda pair, k: pair[0] * k, first, 5).result() == 15
            # Graphs, fused and not.
            inc = dask.delayed(lambda x: x + 1)
            total = sum([inc(inc(n)) for n in range(5)])
            assert total.compute(scheduler=client) == 20
            bag = dask.bag.from_sequence(range(20), npartitions=4)
            places = bag.map(lambda x: (x * x, place()[1])).compute()
            assert [square for square, _ in places] == [x * x for x in range(20)]
            assert all(interpreter for _, interpreter in places)
        """)


def test_what_stays_on_the_workers_threads(run_cluster):
    run_cluster("""
        from coterie.dask import InterpreterPlugin
        with cluster(1) as c, Client(c) as client:
            client.register_plugin(InterpreterPlugin(interpreters=1))
            def run(f, *args, **options):
                return client.submit(f, *args, pure=False, **options)
            # Who asks for the worker.
            def global_name(): return get_worker().address, place()[1]
            def local_name():
                from distributed import get_worker
                return get_worker().address, place()[1]
            def inside(): return [get_worker().address for _ in "a"][0], place()[1]
            def client_of():
                from distributed import get_client
                return get_client().submit(abs, -1).result(), place()[1]
            address = next(iter(client.scheduler_info()["workers"]))
            for f in global_name, local_name, inside, functools.partial(inside):
                assert run(f).result() == (address, 0)
            assert run(client_of).result() == (1, 0)
            # What cannot be loaded elsewhere: function or argument.
            def uses_refused(x): return faulthandler.__name__, x, place()[1]
            for n in range(3):
                assert run(uses_refused, n).result() == ("faulthandler", n, 0)
            def with_argument(refused): return refused.__name__, place()[1]
            assert run(with_argument, Refused()).result() == ("faulthandler", 0)
            # What lives in the worker only.
            def make(): return threading.Lock()
            with dask.annotate(executor="threads"):
                lock = run(make)
            def held(lock):
                with lock: return lock.locked(), place()[1]
            assert run(held, lock).result() == (True, 0)
            # Coroutines.
            async def coroutine():
                await asyncio.sleep(0)
                return place()[1]
            assert run(coroutine).result() == 0
            # Actors keep their state.
            class Counter:
                n = 0
                def add(self): self.n += 1; return self.n
            counter = run(Counter, actor=True).result()
            assert [counter.add().result() for _ in range(3)] == [1, 2, 3]
            # Once the body runs it is the task's own error.
            def too_late():
                import _curses
            assert isinstance(run(too_late).exception(), ImportError)
            # A result that cannot leave the interpreter is not made twice.
            assert isinstance(run(make).exception(), coterie.NotShareableError)
            assert run(place).result()[1] != 0
        """)


def test_a_worker_is_killed_under_load(run_cluster):
    run_cluster("""
        with cluster(0) as c, Client(c) as client:
            command = [
                *(sys.executable, "-m", "distributed.cli.dask_worker"),
                *(c.scheduler_address, "--preload", "coterie.dask"),
                *("--nthreads", "2", "--no-nanny", "--no-dashboard"),
            ]
            workers = [subprocess.Popen(command) for _ in range(2)]
            try:
                client.wait_for_workers(2)
                places = client.gather(
                    [client.submit(place, workers=[address], pure=False)
                     for address in client.scheduler_info()["workers"]]
                )
                assert {pid for pid, _ in places} == {w.pid for w in workers}
                assert all(interpreter for _, interpreter in places)
                futures = client.map(work, range(200))
                kill_one_under_load(futures, [workers[0].pid])
                assert client.gather(futures) == EXPECTED
                assert workers[0].wait() == -signal.SIGKILL
                assert len(client.scheduler_info()["workers"]) == 1
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
        """)


@pytest.mark.parametrize(
    ("argument", "error"), [(0, ValueError), (-1, ValueError), ("2", TypeError)]
)
def test_bad_arguments(argument, error):
    from coterie.dask import InterpreterPlugin

    with pytest.raises(error, match="interpreters must be"):
        InterpreterPlugin(argument)


# ---- a pool on a cluster -----------------------------------------------------


def test_the_engine(run_cluster):
    run_cluster("""
        with (
            cluster() as c,
            coterie.Executor(engine="dask", address=c.scheduler_address) as pool,
        ):
            assert pool.submit(place).result()[0] != os.getpid()
            assert pool.submit(int, "11", base=2).result() == 3
            # Keywords that the client would take for its own.
            found = pool.submit(dict, key=1, workers=2).result()
            assert found == {"key": 1, "workers": 2}
            assert list(pool.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]
            chunked = pool.map(pow, range(9), [2] * 9, chunksize=4)
            assert list(chunked) == [n * n for n in range(9)]
            error = pool.submit(int, "x").exception()
            assert type(error) is ValueError
            try:
                pool.submit(id, coterie.Queue())
            except coterie.NotShareableError:
                pass
            else:
                raise AssertionError("a queue cannot leave its process")
            error = pool.submit(threading.Lock).exception()
            assert type(error) is coterie.NotShareableError, error
            assert str(error).startswith("result not shareable: "), error
            # What was cancelled is not waited for.
            slow = [pool.submit(time.sleep, 1000) for _ in range(9)]
            assert all(future.cancel() for future in slow[4:])
            pool.shutdown(wait=False, cancel_futures=True)
            try:
                pool.submit(abs, 1)
            except RuntimeError:
                pass
            else:
                raise AssertionError("it is shut down")
        """)


def test_a_worker_of_the_engine_is_killed_under_load(run_cluster):
    run_cluster("""
        import concurrent.futures
        with cluster() as c, Client(c) as client:
            pids = list(client.run(os.getpid).values())
            with coterie.Executor(engine="dask", client=client) as pool:
                futures = [pool.submit(work, n) for n in range(200)]
                done = concurrent.futures.as_completed(futures)
                for _ in range(10):
                    next(done)
                os.kill(pids[0], signal.SIGKILL)
                assert [future.result() for future in futures] == EXPECTED
            assert client.submit(abs, -1).result() == 1  # stays open
        """)


def test_a_cluster_of_its_own(run_cluster):
    run_cluster("""
        def set_up(value): os.environ["COTERIE_TEST"] = value
        with coterie.Executor(2, "", set_up, ("here",), engine="dask") as pool:
            assert pool.submit(os.getenv, "COTERIE_TEST").result() == "here"
            assert len({pid for pid, _ in pool.map(lambda _: place(), range(50))}) >= 1
        bind = {"grid": [5, 6, 7]}
        def find(x, by): return grid[x] + by
        with coterie.Executor(1, engine="dask", bind=bind) as pool:
            assert pool.submit(find, 1, by=2).result() == 8
            assert list(pool.map(lambda x: grid[x], range(3))) == [5, 6, 7]
        def fail(): raise ValueError("why")
        try:
            coterie.Executor(1, "", fail, engine="dask")
        except coterie.BrokenInterpreterPool as error:
            assert "ValueError: why" in str(error)
        else:
            raise AssertionError("its initializer has failed")
        """)


def test_an_address_or_a_client():
    import coterie

    with pytest.raises(TypeError, match="an address or a client, not both"):
        coterie.Executor(engine="dask", address="tcp://127.0.0.1:1", client=object())


def test_without_distributed(run_script):
    ended = run_script("""
        import sys
        sys.modules["distributed"] = None
        import coterie
        try:
            coterie.Executor(engine="dask")
        except ImportError as error:
            print(error)
        """)
    assert ended.lines == [
        "engine='dask' needs distributed 2024.12 or newer: install coterie[dask]"
    ]
    assert sys.modules["distributed"] is not None
