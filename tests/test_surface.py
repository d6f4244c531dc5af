"""The public names: `__all__`, the stubs and what is there at run time agree."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import coterie

PACKAGE = Path(coterie.__file__).parent
MODULES = [
    "coterie",
    "coterie.aio",
    "coterie.channel",
    "coterie.debug",
    "coterie.executor",
    "coterie.interpreters",
    "coterie.interpreters.queues",
    "coterie.queue",
    "coterie.runners",
    "coterie.sync",
    "coterie._map",
    "coterie._core",
]
SUBMODULES = ["coterie.interpreters.channels"]
# What they stand on, which is an extra.
NEEDS = {"coterie.dask": "distributed", "coterie.joblib": "joblib"}
MODULES += NEEDS
public_modules = pytest.mark.parametrize(
    "name", [*(name for name in MODULES if "._" not in name), *SUBMODULES]
)


def is_public(name):
    return not name.startswith("_")


def import_public(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    return importlib.import_module(name)


def stub_of(name):
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path / "__init__.pyi", path.with_suffix(".pyi")):
        if candidate.exists():
            return ast.parse(candidate.read_text())
    return None


def names_in(nodes):
    """What a stub, or the body of a class in it, declares."""
    names = set()
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.AnnAssign():
                names.add(node.target.id)
            case ast.Assign(targets=[ast.Name("__all__")]):
                # What of its imports it exports.
                names |= set(ast.literal_eval(node.value))
    return names


@public_modules
def test_everything_in_all_is_there_and_public(name):
    module = import_public(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for public in module.__all__:
        assert is_public(public)
        assert getattr(module, public) is not None
    assert set(module.__all__) <= set(dir(module))


@public_modules
def test_what_a_module_defines_is_public_or_underscored(name):
    module = import_public(name)
    defined = {
        key
        for key, value in vars(module).items()
        if is_public(key) and getattr(value, "__module__", None) == name
    }
    assert defined <= set(module.__all__)


def test_every_public_module_is_reachable():
    found = {path.stem for path in PACKAGE.glob("*.py")}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    public = {name for name in found if is_public(name)}
    assert {f"coterie.{name}" for name in public} == {
        name for name in MODULES if name.count(".") == 1 and "._" not in name
    }
    for name in public:
        assert name in dir(coterie)
        if f"coterie.{name}" not in NEEDS:
            assert inspect.ismodule(getattr(coterie, name))


@pytest.mark.parametrize("name", NEEDS)
def test_modules_that_need_an_extra(name):
    code = f"import sys; sys.modules[{NEEDS[name]!r}] = None; import {name}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    extra = name.partition(".")[2]
    assert f"install coterie[{extra}]" in ended.stderr


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'not_there'"):
        _ = coterie.not_there
    with pytest.raises(ImportError):
        from coterie import not_there  # noqa: F401


def test_star_import():
    names = {}
    exec("from coterie import *", names)
    assert set(coterie.__all__) <= set(names)


def test_the_stub_of_the_front_door():
    declared = names_in(stub_of("coterie").body)
    modules = {
        name.partition(".")[2]
        for name in MODULES
        if name.count(".") == 1 and "._" not in name and name not in NEEDS
    }
    assert declared == set(coterie.__all__) | modules | {"__version__"}


def test_the_stub_of_the_core():
    import coterie._core as core

    stub = stub_of("coterie._core")
    declared = names_in(stub.body)
    there = {name for name in vars(core) if not name.startswith("__")}
    assert declared == there


@pytest.mark.parametrize(
    "cls", [node for node in stub_of("coterie._core").body
            if isinstance(node, ast.ClassDef)], ids=lambda cls: cls.name,
)  # fmt: skip
def test_the_stubs_classes(cls):
    import coterie._core as core

    there = getattr(core, cls.name)
    methods = {name for name in vars(there) if not name.startswith("__")}
    declared = {name for name in names_in(cls.body) if not name.startswith("__")}
    assert declared == methods
    bases = {ast.unparse(base).partition("[")[0] for base in cls.bases}
    known = {base.__name__ for base in there.__mro__}
    assert bases - {"Generic"} <= known


# What blocks, in the classes for it (all but "Atomic...", whose get() does not).
TWINS = {
    **{
        name: f"a{name}"
        for name in (
            "acquire", "acquire_read", "acquire_write", "call", "get", "get_many",
            "join", "put", "put_many", "recv", "send", "send_buffer",
        )
    },
    "wait": "await_",
    "wait_for": "await_for",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
}  # fmt: skip


def classes_that_block():
    from coterie import _core, channel, queue, sync
    from coterie.interpreters import channels, queues

    native = {cls for cls in vars(_core).values() if inspect.isclass(cls)}
    for module in (queue, sync, channel, queues, channels):
        for name in module.__all__:
            if not name.startswith("Atomic") and getattr(module, name) in native:
                yield pytest.param(
                    getattr(module, name), id=f"{module.__name__}.{name}"
                )


@pytest.mark.parametrize("cls", [*classes_that_block()])
def test_what_blocks_has_its_awaitable_twin(cls):
    for name, twin in TWINS.items():
        if not hasattr(cls, name):
            continue
        theirs = getattr(cls, twin)
        if not name.startswith("__"):
            takes = inspect.signature(getattr(cls, name)).parameters
            options = {"block", "blocking", "unbounditems", "syncobj"}
            expected = [one for one in takes if one not in options]
            if "timeout" not in expected:
                expected.append("timeout")
            assert [*inspect.signature(theirs).parameters] == expected


def test_async_with_is_there_where_with_waits():
    from coterie import _core, sync

    waiting = [sync.Lock, sync.RLock, sync.Condition, sync.Semaphore]
    for cls in (*waiting, sync.BoundedSemaphore, _core.RWLockHold):
        for name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
            assert hasattr(cls, name)


@pytest.mark.parametrize("name", ["put", "get", "task_done", "join", "shutdown"])
def test_queue_has_the_signatures_of_the_stdlibs(name):
    import queue

    ours = inspect.signature(getattr(coterie.Queue, name))
    theirs = inspect.signature(getattr(queue.Queue, name))
    assert list(ours.parameters) == list(theirs.parameters)
    for parameter in list(ours.parameters)[1:]:
        assert ours.parameters[parameter].default == (
            theirs.parameters[parameter].default
        )


@pytest.mark.parametrize("name", ["submit", "map", "shutdown"])
def test_executor_has_the_signatures_of_the_stdlibs(name):
    import concurrent.futures

    ours = inspect.signature(getattr(coterie.Executor, name))
    theirs = inspect.signature(getattr(concurrent.futures.Executor, name))
    assert set(theirs.parameters) <= set(ours.parameters)
    for parameter, there in theirs.parameters.items():
        assert ours.parameters[parameter].kind == there.kind
        assert ours.parameters[parameter].default == there.default


@pytest.mark.parametrize(
    "obj",
    [getattr(coterie, name) for name in coterie.__all__],
    ids=coterie.__all__,
)
def test_everything_public_is_documented(obj):
    assert inspect.getdoc(obj)


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").exists()


def test_the_version():
    from importlib.metadata import version

    assert coterie.__version__ == version("coterie")


def test_exceptions():
    errors = {
        "NotShareableError": TypeError,
        "RemoteError": RuntimeError,
        "WorkerLost": RuntimeError,
        "ForkRefused": RuntimeError,
        "BrokenInterpreterPool": RuntimeError,
    }
    for name, base in errors.items():
        assert issubclass(getattr(coterie, name), coterie.CoterieError)
        assert issubclass(getattr(coterie, name), base)
    assert issubclass(coterie.CoterieError, Exception)
    assert issubclass(coterie.Interrupted, BaseException)
    assert not issubclass(coterie.Interrupted, Exception)


# ---- how little is imported --------------------------------------------------

HEAVY = {
    "argparse", "asyncio", "cloudpickle", "concurrent", "concurrent.futures",
    "copyreg", "dataclasses", "enum", "inspect", "logging", "pickle", "queue", "re",
    "threading", "tqdm", "traceback", "typing", "warnings", "weakref",
}  # fmt: skip


def modules_of(*lines, flags=()):
    command = [sys.executable, *flags, "-c", "\n".join(lines)]
    return set(json.loads(subprocess.check_output(command, text=True)))


@pytest.fixture(scope="module")
def bare():
    """What a Python of this environment has imported before it begins."""
    return modules_of("import sys, json; print(json.dumps(list(sys.modules)))")


def test_the_import_imports_nothing_else(bare):
    found = modules_of(
        "import sys, json, coterie", "print(json.dumps(list(sys.modules)))"
    )
    assert found - bare == {"coterie"}


def test_the_import_takes_no_time_for_others():
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import coterie"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = [line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()]
    assert imported[-1] == "coterie"
    assert not {"concurrent.futures", "pickle", "threading"} & set(imported)


def test_a_worker_stays_lean(bare, folder):
    source = """
import json, sys, coterie, lean_worker
with coterie.Executor(1) as pool:
    pool.submit(lean_worker.no_op, [1, {"a": (2.5, b"c")}]).result()
    print(json.dumps(pool.submit(lean_worker.modules).result()))
"""
    folder(
        "lean_worker",
        """
        import sys
        def no_op(x): return x
        def modules(): return list(sys.modules)
        """,
    )
    path = sys.path[0]
    found = modules_of(f"import sys; sys.path.insert(0, {path!r})", source)
    assert "coterie" in found
    assert not found & HEAVY - bare


def test_a_worker_stays_lean_with_functions_by_value(bare):
    source = """
import json, sys, coterie
offset = 1
def modules(x):
    return list(sys.modules) + [x + offset] * 0
with coterie.Executor(1) as pool:
    print(json.dumps(pool.submit(modules, 1).result()))
"""
    assert not modules_of(source) & HEAVY - bare
