"""Executor.from_entrypoint: one function of a module, with values bound to it."""

import threading

import pytest

import coterie

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def steps(folder):
    folder(
        "steps",
        """
        def move(x, y, /, *, grid, step=1):
            return grid[y][x] * step

        def none():
            return "nothing"

        class Walk:
            def go(*args, **kwargs):
                return args, kwargs

        number = 5
        """,
    )
    return "steps:move"


GRID = ["abc", "def"]


def test_map_over_tuples(steps):
    candidates = ((x, y) for y in range(2) for x in range(3))
    with coterie.Executor.from_entrypoint(
        steps, max_workers=2, bind={"grid": GRID}
    ) as pool:
        assert list(pool.map(candidates)) == list("abcdef")


@pytest.mark.parametrize("chunksize", [1, 2, 100])
@pytest.mark.parametrize("buffersize", [None, 1, 3])
def test_chunks_and_buffers(steps, chunksize, buffersize):
    places = [[x % 3, x % 2] for x in range(20)]  # any iterables of arguments
    expected = [GRID[y][x] * 2 for x, y in places]
    bind = {"grid": GRID, "step": 2}
    with coterie.Executor.from_entrypoint(steps, 2, bind=bind) as pool:
        results = pool.map(places, chunksize=chunksize, buffersize=buffersize)
        assert list(results) == expected


def test_it_is_an_executor(steps):
    with coterie.Executor.from_entrypoint(steps, 1, bind={"grid": GRID}) as pool:
        assert isinstance(pool, coterie.Executor)
        assert pool.submit(pool.entrypoint, 2, 0, step=3).result() == "ccc"
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]
        assert list(pool.map(len, chunksize=5)) == []


@pytest.mark.parametrize(
    "options", [{"timeout": 50}, {"capture_output": True}, {"engine": "process"}]
)
@pytest.mark.parametrize("chunksize", [1, 2])
def test_views_map_tuples_too(steps, options, chunksize):
    with coterie.Executor.from_entrypoint(steps, 1, bind={"grid": GRID}) as pool:
        view = pool.options(**options)
        for each in (view, view.options(retries=1)):
            assert list(each.map([(0, 0), (1, 0)], chunksize=chunksize)) == ["a", "b"]
            assert each.submit(each.entrypoint, 2, 0).result() == "c"
            assert list(each.map(pow, [2], [3])) == [8]
        assert view.options().entrypoint is pool.entrypoint
        view.shutdown()
        with pytest.raises(RuntimeError):
            pool.map([(0, 0)])


def test_a_view_may_change_its_engine(steps):
    with coterie.Executor.from_entrypoint(steps, 1, bind={"grid": GRID}) as pool:
        view = pool.options(engine="thread").options(engine="main", retries=1)
        assert list(view.map([(0, 0)])) == ["a"]


@pytest.mark.parametrize("engine", ["thread", "main"])
def test_two_pools_with_threads(steps, engine):
    make = coterie.Executor.from_entrypoint
    bind = {"grid": GRID}
    with make(steps, 1, bind={**bind, "step": 2}) as pool, make("steps:none") as other:
        view = pool.options(engine=engine)
        assert list(view.map([(0, 0)])) == ["aa"]
        assert list(other.options(engine=engine).map([()])) == ["nothing"]
        assert list(view.map([(0, 0)])) == ["aa"]


def test_nothing_bound(steps):
    with coterie.Executor.from_entrypoint("steps:none") as pool:
        assert list(pool.map([(), ()])) == ["nothing"] * 2


def test_a_path_of_attributes(steps):
    bind = {"a": 1}
    with coterie.Executor.from_entrypoint("steps:Walk.go", 1, bind=bind) as pool:
        assert list(pool.map([(5,)])) == [((5,), {"a": 1})]


def test_what_is_bound_is_sent_once(folder):
    """A worker's calls get the same object, not a copy each."""
    folder("keeping", "def add(item, kept): kept.append(item); return list(kept)")
    bind = {"kept": []}
    with coterie.Executor.from_entrypoint("keeping:add", 1, bind=bind) as pool:
        assert list(pool.map([(1,), (2,), (3,)])) == [[1], [1, 2], [1, 2, 3]]
    assert bind == {"kept": []}


def test_an_initializer_comes_first(steps):
    ready = coterie.Queue()
    with coterie.Executor.from_entrypoint(
        "steps:none", 1, initializer=ready.put, initargs=("ready",), exit_grace=1
    ) as pool:
        assert list(pool.map([()])) == ["nothing"]
        assert ready.get_nowait() == "ready"


def test_source_as_initializer(folder):
    folder("asking", "def ask(): import __main__; return __main__.answer")
    with coterie.Executor.from_entrypoint(
        "asking:ask", 1, initializer="answer = 42"
    ) as pool:
        assert list(pool.map([()])) == [42]


def test_of_a_script(run_script):
    """The function travels by value: no worker can import the script."""
    source = """
        import coterie

        def scaled(x, factor):
            return x * factor

        with coterie.Executor.from_entrypoint(
            "__main__:scaled", 2, bind={"factor": 3}
        ) as pool:
            print(list(pool.map((n,) for n in range(4))))
    """
    ended = run_script(source)
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["[0, 3, 6, 9]"], "")


@pytest.mark.parametrize(
    ("entrypoint", "reason"),
    [
        ("not_there:f", "No module named 'not_there'"),
        ("steps:not_there", "not_there"),
        ("steps:number", "steps:number is not callable"),
    ],
)
def test_what_is_not_there_breaks_the_pool(steps, entrypoint, reason):
    with coterie.Executor.from_entrypoint(entrypoint, 1) as pool:
        with pytest.raises(coterie.BrokenInterpreterPool, match=reason):
            list(pool.map([()]))


@pytest.mark.parametrize("entrypoint", ["", "steps", ":f", "steps:", "a b:c", "a:b:c"])
def test_a_wrong_name(entrypoint):
    with pytest.raises(ValueError, match="entrypoint must be"):
        coterie.Executor.from_entrypoint(entrypoint)


def test_wrong_arguments(steps):
    make = coterie.Executor.from_entrypoint
    with pytest.raises(TypeError, match="entrypoint"):
        make(len)
    with pytest.raises(ValueError, match="max_workers"):
        make(steps, 0)
    with pytest.raises(TypeError, match="bind"):
        make(steps, bind=5)
    with pytest.raises(ValueError, match="bind"):
        make(steps, bind={"no name": 5})
    with pytest.raises(coterie.NotShareableError, match="bind"):
        make(steps, bind={"lock": threading.Lock()})
    with pytest.raises(TypeError, match="initializer"):
        make(steps, initializer=5)
    with pytest.raises(TypeError, match="from_entrypoint.* does not take engine"):
        make(steps, engine="process")
    with pytest.raises(TypeError, match="from_entrypoint.* does not take fallback"):
        make(steps, fallback="process")
    with pytest.raises(TypeError, match="not_known"):
        make(steps, not_known=5)


def test_wrong_items(steps):
    with coterie.Executor.from_entrypoint("steps:none", 1) as pool:
        with pytest.raises(TypeError, match="not iterable"):
            pool.map([1])
        with pytest.raises(TypeError, match="one iterable of argument tuples"):
            pool.map([()], [()])
        with pytest.raises(ValueError, match="chunksize"):
            pool.map([()], chunksize=0)
        assert list(pool.map([()])) == ["nothing"]


def test_the_entry_point_is_in_the_workers_only(steps):
    with coterie.Executor.from_entrypoint("steps:none", 1) as pool:
        with pytest.raises(RuntimeError, match="workers of its pool"):
            pool.entrypoint()
