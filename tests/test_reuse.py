"""A new pool's workers may have interpreters that another pool has used: like new."""

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import coterie
from coterie import interpreters


def spoil_main():
    import __main__

    __main__.left = 1


def look_main():
    import __main__

    return sorted(name for name in vars(__main__) if not name.startswith("__"))


def spoil_builtins():
    import builtins

    builtins.left = 1
    builtins.oct = lambda x: "spoilt"


def look_builtins():
    import builtins

    return hasattr(builtins, "left"), oct(8)


def spoil_sys():
    import io

    sys.left = 1
    sys.path.append("/left")
    sys.argv.append("left")
    sys.stdout = io.StringIO()
    sys.excepthook = print
    sys.meta_path.insert(0, None)
    sys.setrecursionlimit(321)
    sys.set_int_max_str_digits(5000)
    sys.setswitchinterval(1.0)
    sys.settrace(lambda *args: None)
    sys.monitoring.use_tool_id(2, "left")


def look_sys():
    return (
        hasattr(sys, "left"),
        sys.path,
        sys.argv,
        sys.stdout is sys.__stdout__,
        sys.excepthook is sys.__excepthook__,
        len(sys.meta_path),
        sys.getrecursionlimit(),
        sys.get_int_max_str_digits(),
        sys.getswitchinterval(),
        sys.gettrace(),
        sys.monitoring.get_tool(2),
    )


def spoil_modules():
    import json  # of the library: it stays, but for what is put into it
    import types

    sys.modules["left"] = types.ModuleType("left")
    os.left = json
    os.path.expandvars = None
    sys.path_importer_cache["/left"] = None


def look_modules():
    import json

    return (
        "left" in sys.modules,
        hasattr(os, "left"),
        os.path.expandvars("a"),
        "/left" in sys.path_importer_cache,
        json.dumps([1]),
    )


def spoil_environment():
    os.environ["COTERIE_LEFT"] = "1"
    os.environ["COTERIE_BOTH"] = "changed"
    os.environ.pop("COTERIE_GONE", None)
    os.environ.left = 1


def look_environment():
    names = "COTERIE_LEFT", "COTERIE_BOTH", "COTERIE_GONE"
    return [os.environ.get(name) for name in names]


def spoil_warnings():
    import warnings

    warnings.simplefilter("ignore")
    warnings.filterwarnings("once", "left")


def look_warnings():
    import warnings

    return list(warnings.filters)


def spoil_logging():
    import logging

    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("left").setLevel(5)
    logging.disable(logging.INFO)


def look_logging():
    import logging

    root = logging.getLogger()
    left = logging.getLogger("left")
    return len(root.handlers), root.level, left.level, left.isEnabledFor(40)


def spoil_thread():
    import contextvars
    import decimal
    import threading

    threading.left = threading.local()
    threading.left.x = 1
    decimal.getcontext().prec = 3
    sys.left = contextvars.ContextVar("left")
    sys.left.set(1)


def look_thread():
    import decimal

    return str(decimal.Decimal(1) / 3)


def spoil_collector():
    import gc

    gc.disable()
    gc.set_threshold(1, 2, 3)
    gc.callbacks.append(lambda *args: None)


def look_collector():
    import gc

    return gc.isenabled(), gc.get_threshold(), gc.callbacks


def spoil_library():
    import copyreg
    import linecache
    import random

    class Left:
        pass

    random.seed(1)
    copyreg.pickle(Left, repr)
    linecache.cache["left"] = (1, None, ["x"], "left")


def look_library():
    import copyreg
    import linecache
    import random

    seeded = random.Random(1).random()
    return (
        random.random() == seeded,
        [cls.__name__ for cls in copyreg.dispatch_table if cls.__name__ == "Left"],
        "left" in linecache.cache,
    )


def spoil_bindings():
    import datetime
    import functools
    import json
    import pickle
    import re
    import string
    import threading
    import warnings

    json.dumps = functools.partial(json.dumps, indent=4)
    json.left = 1
    pickle.DEFAULT_PROTOCOL = 2
    re._MAXCACHE = 1
    datetime.UTC = 5
    del string.ascii_letters
    threading.excepthook = print
    warnings.showwarning = warnings.formatwarning = print


def look_bindings():
    import datetime
    import json
    import pickle
    import re
    import string
    import threading
    import warnings

    return (
        json.dumps([1]),
        hasattr(json, "left"),
        pickle.DEFAULT_PROTOCOL,
        re._MAXCACHE,
        str(datetime.UTC),
        string.ascii_letters,
        threading.excepthook is print,
        warnings.showwarning is print,
        warnings.formatwarning is print,
    )


def spoil_what_is_imported():
    import json  # noqa: F401
    import queue  # noqa: F401
    import types
    import urllib.parse

    sys.modules["json"] = types.ModuleType("json")
    del sys.modules["queue"], urllib.parse


def look_what_is_imported():
    import json
    import queue
    import urllib.parse

    try:
        raise queue.Empty
    except sys.modules["_queue"].Empty:
        return json.dumps([1]), urllib.parse.__name__


def spoil_fake():
    import types

    fake = types.ModuleType("statistics")
    for _ in range(2):
        sys.modules["statistics"] = fake
        del sys.modules["statistics"]
    sys.modules["statistics"] = fake


def look_fake():
    import statistics

    return statistics.mean([1, 3])


def spoil_log():
    import logging

    logging.captureWarnings(True)
    logging.addLevelName(logging.WARNING, "left")
    logging.raiseExceptions = False
    logging.lastResort = None
    logging.setLogRecordFactory(print)
    logging.getLogger().manager.setLogRecordFactory(print)


def look_log():
    import logging
    import warnings

    return (
        warnings.showwarning.__module__ == "logging",
        logging.getLevelName(30),
        logging.getLevelName("WARNING"),
        logging.raiseExceptions,
        logging.lastResort is None,
        logging.getLogRecordFactory() is print,
        logging.getLogger().manager.logRecordFactory,
    )


def spoil_decimal():
    import decimal

    for name in "Default", "Basic", "Extended":
        context = getattr(decimal, f"{name}Context")
        context.prec = 4
        context.rounding = decimal.ROUND_UP
        context.Emin, context.Emax, context.capitals, context.clamp = -5, 5, 0, 1
        for signal in context.traps:
            context.traps[signal] = not context.traps[signal]
            context.flags[signal] = True


def look_decimal():
    import decimal

    names = "Default", "Basic", "Extended"
    contexts = [repr(getattr(decimal, f"{name}Context")) for name in names]
    return str(decimal.Decimal(1) / 3), contexts


def spoil_tables():
    import copy
    import copyreg
    import re
    import typing

    copyreg.pickle(complex, str)
    copyreg.pickle(int, str)
    copyreg.add_extension("left", "left", 5)
    copy._deepcopy_dispatch[int] = lambda value, memo: 99
    return re, typing  # they tell copyreg something


def look_tables():
    import copy
    import copyreg
    import pickle
    import re
    import typing

    pickle.loads(pickle.dumps(re.compile("a")))
    return (
        copyreg.dispatch_table[complex].__name__,
        int in copyreg.dispatch_table,
        [cls in copyreg.dispatch_table for cls in (re.Pattern, typing.ParamSpecArgs)],
        ("left", "left") in copyreg._extension_registry,
        copy.deepcopy(5),
    )


def spoil_lazy_imports():
    if sys.version_info >= (3, 15):
        sys.set_lazy_imports_filter(lambda *args: True)
        sys.set_lazy_imports("all")


def look_lazy_imports():
    if sys.version_info >= (3, 15):
        return sys.get_lazy_imports(), sys.get_lazy_imports_filter()
    return None


counter = [0]


def spoil_globals():
    counter.append(1)
    globals()["left"] = 1


def look_globals():
    return counter, "left" in globals()


LIVES = {
    name.removeprefix("spoil_"): (function, globals()[f"look_{name[6:]}"])
    for name, function in list(globals().items())
    if name.startswith("spoil_")
}


def own_id():
    return interpreters.get_current().id


def in_new_pool(*calls, **options):
    """What each call gives, and the id of the interpreter that all ran in."""
    with coterie.Executor(1, **options) as pool:
        return [pool.submit(call).result() for call in (*calls, own_id)]


@pytest.mark.parametrize("name", LIVES)
def test_it_is_like_new(name, monkeypatch):
    monkeypatch.setenv("COTERIE_BOTH", "as it was")
    monkeypatch.setenv("COTERIE_GONE", "still here")
    spoil, look = LIVES[name]
    first, _, id = in_new_pool(look, spoil)
    assert in_new_pool(look) == [first, id]


def test_what_the_process_changed_is_seen(monkeypatch):
    monkeypatch.setenv("COTERIE_GONE", "1")
    environment, id = in_new_pool(look_environment)
    assert environment[2] == "1"
    monkeypatch.delenv("COTERIE_GONE")
    monkeypatch.setenv("COTERIE_LEFT", "2")
    monkeypatch.setattr(sys, "path", [*sys.path, "/somewhere"])
    monkeypatch.setattr(sys, "argv", ["some", "where"])
    environment, path, argv, same = in_new_pool(
        look_environment, lambda: sys.path, lambda: sys.argv
    )
    assert environment[::2] == ["2", None]
    assert (path[-1], argv) == ("/somewhere", ["some", "where"])
    assert same == id


def test_what_went_past_os_environ_is_seen(monkeypatch):
    monkeypatch.setenv("COTERIE_GONE", "1")
    _, id = in_new_pool(int)
    os.putenv("COTERIE_GONE", "2")
    assert in_new_pool(look_environment) == [[None, None, "2"], id]
    assert in_new_pool(lambda: os.putenv("COTERIE_GONE", "3")) == [None, id]
    assert in_new_pool(look_environment) == [[None, None, "2"], id]


def variable(name="COTERIE_LEFT"):
    """What a child process is given."""
    shell = ["sh", "-c", 'printf %s "${' + name + '-none}"']
    return subprocess.run(shell, check=True, capture_output=True, text=True).stdout


def set_to(value):
    os.environ["COTERIE_LEFT"] = value


def remove():
    del os.environ["COTERIE_LEFT"]


def set_twice():
    set_to("first")
    set_to("second")


def put():
    os.putenv("COTERIE_LEFT", "put")


def unset():
    os.unsetenv("COTERIE_LEFT")


def set_and_replace():
    set_to("set")
    os.environ = os.environb = {}


def set_at_exit():
    import atexit

    atexit.register(set_to, "at its end")


CHANGES = [set_twice, put, unset, set_and_replace, set_at_exit]


@pytest.fixture(params=[None, "", "original"])
def original(request, monkeypatch):
    """The value that a variable of the process has; None if it is not there."""
    monkeypatch.delenv("COTERIE_LEFT", raising=False)
    if request.param is not None:
        monkeypatch.setenv("COTERIE_LEFT", request.param)
    return request.param


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setenv("COTERIE_LEFT", "")
    del os.environ["COTERIE_LEFT"]


def shown(value):
    return "none" if value is None else value


@pytest.mark.parametrize("options", [{}, {"max_tasks_per_child": 1}], ids=str)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_a_worker_changes_in_the_environment_is_undone(change, options, original):
    with coterie.Executor(1, **options) as pool:
        pool.submit(change).result()
    assert variable() == shown(original)
    assert os.environ.get("COTERIE_LEFT") == original
    assert in_new_pool(look_environment)[0][0] == original


def test_while_it_lives_its_changes_are_the_processs(absent):
    with coterie.Executor(1) as pool:
        pool.submit(set_to, "worker's").result()
        assert variable() == "worker's"
        pool.submit(remove).result()
        assert variable() == "none"


def test_each_worker_sets_a_variable_to_something_else(absent):
    barrier = coterie.sync.Barrier(3)

    def mark():
        set_to(coterie.executor.current_worker())
        barrier.wait()

    for _ in range(2):
        with coterie.Executor(3, initializer=mark) as pool:
            [f.result() for f in [pool.submit(int) for _ in range(3)]]
        assert variable() == "none"
        assert in_new_pool(look_environment)[0][0] is None


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_the_last_who_changed_it_undoes_it(first_ends_first, original):
    with coterie.Executor(1) as first, coterie.Executor(1) as second:
        first.submit(set_to, "first").result()
        second.submit(set_to, "second").result()
        (first if first_ends_first else second).shutdown()
        assert variable() == ("second" if first_ends_first else shown(original))
    assert variable() == shown(original)
    assert in_new_pool(look_environment)[0][0] == original


def main_sets():
    os.environ["COTERIE_LEFT"] = "main"


def main_removes():
    os.environ.pop("COTERIE_LEFT", None)
    os.unsetenv("COTERIE_LEFT")


@pytest.mark.parametrize("value", ["worker", "main"])
@pytest.mark.parametrize("say", [main_sets, main_removes])
def test_the_word_of_main_is_final(say, value, original):
    with coterie.Executor(1) as pool:
        pool.submit(set_to, value).result()
        say()
    assert variable() == shown(os.environ.get("COTERIE_LEFT"))
    with coterie.Executor(1) as pool:
        assert pool.submit(look_environment).result()[0] == os.environ.get(
            "COTERIE_LEFT"
        )
        pool.submit(set_to, "worker").result()
    assert variable() == shown(os.environ.get("COTERIE_LEFT"))


def read_anew():
    from coterie import _compat

    _compat.reload_environ()


def test_what_a_worker_only_reads_is_not_its_own(absent):
    with coterie.Executor(1) as pool:
        pool.submit(int).result()
        main_sets()
        pool.submit(read_anew).result()
        assert pool.submit(os.environ.get, "COTERIE_LEFT").result() == "main"
    assert variable() == os.environ["COTERIE_LEFT"] == "main"


def test_what_it_has_not_written_last_stays(absent):
    ctypes = pytest.importorskip("ctypes")
    with coterie.Executor(1) as pool:
        pool.submit(set_to, "worker").result()
        # As a C library does it: nobody is told.
        ctypes.CDLL(None).setenv(b"COTERIE_LEFT", b"library", 1)
    assert variable() == "library"
    assert in_new_pool(look_environment)[0][0] == "library"


def test_events_that_code_makes_up_change_nothing(absent):
    def audit():
        sys.audit("os.putenv")
        sys.audit("os.putenv", "COTERIE_LEFT", 1)
        sys.audit("os.putenv", b"COTERIE_LEFT", b"\0")
        sys.audit("os.unsetenv", b"COTERIE_LEFT", 1)
        sys.audit("os.putenv", b"", b"")

    main_sets()
    in_new_pool(audit)
    assert variable() == "main"


def test_a_parked_interpreter_reads_the_environment_anew(absent):
    interpreter = interpreters.create()
    interpreter.call(set_to, "inside")
    assert variable() == "inside"
    interpreter.close()
    if sys.version_info < (3, 14):
        assert variable() == "none"
    main_sets()
    interpreter = interpreters.create()
    assert interpreter.call(look_environment)[0] == "main"
    interpreter.close()
    assert variable() == "main"


def test_a_module_is_imported_anew(tmp_path, monkeypatch):
    module = tmp_path / "counts_for_reuse.py"
    module.write_text("count = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def count():
        import counts_for_reuse

        counts_for_reuse.count += 1
        return counts_for_reuse.count

    *counts, id = in_new_pool(count, count)
    assert counts == [2, 3]
    assert in_new_pool(count) == [2, id]
    module.write_text("count = 1000\n")
    assert in_new_pool(count) == [1001, id]


def test_names_that_are_bound_go():
    def bound():
        return left  # noqa: F821

    assert in_new_pool(bound, bind={"left": "once"})[0] == "once"
    with pytest.raises(NameError):
        in_new_pool(bound)


def test_callbacks_of_its_end_run_each_time(capfd):
    def arrange():
        import atexit
        import weakref

        sys.something = set()

        class Thing:
            pass

        sys.thing = Thing()
        weakref.finalize(sys.thing, os.write, 1, b"finalize ")
        atexit.register(os.write, 1, b"atexit ")

    ids = set()
    for _ in range(3):
        *_, id = in_new_pool(arrange)
        ids.add(id)
        assert sorted(capfd.readouterr().out.split()) == ["atexit", "finalize"]
    assert len(ids) == 1


def test_what_it_held_is_given_up():
    lock = coterie.sync.Lock()
    queue = interpreters.create_queue()

    def hold():
        lock.acquire()
        queue.put("bound", unbounditems=interpreters.queues.UNBOUND)

    in_new_pool(hold)
    with pytest.raises(coterie.sync.OwnerDied):
        lock.acquire()
    assert lock.acquire(timeout=0)
    lock.release()
    assert queue.get() is interpreters.queues.UNBOUND


def test_the_pool_is_a_new_one():
    _, id = in_new_pool(int)
    with coterie.Executor(1, "named") as pool:
        assert pool.submit(own_id).result() == id
        assert pool.submit(coterie.executor.current_worker).result() == "named_0"
        (worker,) = pool.stats().workers
        assert (worker.tasks, worker.last_error) == (2, None)
        assert pool.stats().started == 1


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")
def test_the_thread_has_the_name_of_its_worker():
    def name():
        with open("/proc/thread-self/comm") as file:
            return file.read().strip()

    first, id = in_new_pool(name, thread_name_prefix="one")
    assert first == "one_0"
    assert in_new_pool(name, thread_name_prefix="two") == ["two_0", id]


def test_while_it_is_kept_it_is_no_interpreter_of_anybody():
    _, id = in_new_pool(int)
    assert id not in [interpreter.id for interpreter in interpreters.list_all()]
    with pytest.raises(interpreters.InterpreterNotFoundError):
        interpreters.Interpreter(id)


def test_several_are_kept():
    def run(count):
        barrier = coterie.sync.Barrier(count)

        def meet():
            barrier.wait()
            return own_id()

        with coterie.Executor(count) as pool:
            return {f.result() for f in [pool.submit(meet) for _ in range(count)]}

    assert run(3) == run(3)


def use_library():
    import array
    import base64
    import collections
    import concurrent.futures
    import contextlib
    import contextvars
    import copy
    import dataclasses
    import datetime
    import decimal
    import enum
    import fractions
    import functools
    import glob
    import hashlib
    import heapq
    import html
    import inspect
    import io
    import ipaddress
    import itertools
    import json
    import logging
    import math
    import operator
    import pathlib
    import pickle
    import platform
    import pprint
    import queue
    import random
    import re
    import statistics
    import string
    import struct
    import textwrap
    import threading
    import tokenize
    import traceback
    import types
    import typing
    import urllib.parse
    import uuid
    import warnings
    import weakref
    import zlib
    from importlib import util

    @dataclasses.dataclass
    class Point:
        x: int
        y: "typing.Annotated[int, 1]"

    class Color(enum.Flag):
        RED = enum.auto()
        BLUE = enum.auto()

    @typing.runtime_checkable
    class Named(typing.Protocol):
        name: str

    class Pair(typing.NamedTuple):
        a: int

    class Reference:
        pass

    @contextlib.contextmanager
    def nothing():
        yield

    with warnings.catch_warnings(record=True) as seen, nothing():
        warnings.simplefilter("always")
        warnings.warn("seen", stacklevel=1)
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("a.b").addHandler(handler)
    logging.getLogger("a.b").warning("%s", "said")
    lines = queue.Queue()
    thread = threading.Thread(target=lambda: lines.put(threading.current_thread()))
    thread.start()
    thread.join()
    future = concurrent.futures.Future()
    future.set_result(1)
    kept = Reference()
    weakref.finalize(kept, int)
    token = contextvars.ContextVar("token")
    token.set(1)
    try:
        raise ValueError("no")
    except ValueError:
        trace = traceback.format_exc()
    tokens = tokenize.generate_tokens(io.StringIO("a = 1").readline)
    with decimal.localcontext() as context:
        context.prec = 5
        third = str(decimal.Decimal(1) / 3)
    return (
        array.array("i", [1]).tolist(),
        base64.b85decode(base64.b85encode(base64.b64encode(b"a"))),
        collections.Counter("aab").most_common(),
        copy.deepcopy(dataclasses.asdict(Point(1, 2))),
        str(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)),
        third,
        str(Color.RED | Color.BLUE),
        str(fractions.Fraction(1, 3)),
        functools.lru_cache(operator.neg)(1),
        glob.glob(os.devnull),
        hashlib.sha256(b"a").hexdigest(),
        heapq.merge([1], [2]).__next__(),
        html.unescape("&amp;"),
        str(inspect.signature(Point)),
        ipaddress.ip_address("127.0.0.1").is_loopback,
        list(itertools.pairwise("abc")),
        json.loads(json.dumps({"a": [1.5, None]})),
        math.sqrt(4),
        pathlib.Path(os.devnull).exists(),
        pickle.loads(pickle.dumps(re.compile("a"))).pattern,
        platform.system(),
        pprint.pformat({1: 2}),
        lines.get() is thread,
        0 <= random.random() < 1,
        re.sub("a+", "b", "caat"),
        said.getvalue(),
        statistics.mean([1, 2]),
        string.Template("$a").substitute(a=1),
        struct.pack("<i", 1),
        textwrap.dedent(" a"),
        next(tokens).string,
        trace.count("ValueError"),
        types.SimpleNamespace(a=1).a,
        typing.get_type_hints(Pair),
        isinstance(thread, Named),
        urllib.parse.urlsplit("http://a/b").netloc,
        uuid.uuid4().version + uuid.uuid1().version,
        zlib.decompress(zlib.compress(b"a")),
        util.find_spec("json").name,
        future.result(),
        [str(warning.message) for warning in seen],
    )


def test_who_uses_the_library_leaves_it_like_new():
    first, again, id = in_new_pool(use_library, use_library)
    assert first == again
    for _ in range(2):
        assert in_new_pool(use_library) == [first, id]


# ---- what is not used again --------------------------------------------------


def patch_class():
    import json

    json.JSONEncoder.default = lambda self, o: "patched"


def patch_class_of_start():
    os._Environ.get = lambda self, key: "patched"


def add_to_class():
    import queue

    queue.Queue.left = 5


def change_class():
    import threading

    threading.Thread.daemon = True


def close_output():
    sys.stdout.close()


def reconfigure_output():
    sys.stderr.reconfigure(errors="ignore")


def detach_input():
    sys.stdin.detach()


def add_audit_hook():
    sys.addaudithook(lambda *args: None)


def use_pool_inside():
    with coterie.Executor(1) as pool:
        pool.submit(int).result()


def import_what_keeps_something():
    import csv

    csv.register_dialect("left", delimiter="!")


SPOILT = [patch_class, patch_class_of_start, add_to_class, change_class]
SPOILT += [close_output, reconfigure_output, detach_input, add_audit_hook]
SPOILT += [use_pool_inside, import_what_keeps_something]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_cannot_be_made_new_ends(spoil):
    def look():
        import csv
        import json

        print(end="", flush=True)
        return (
            json.dumps(1),
            json.JSONEncoder.default.__module__,
            os.environ.get("HOME_OF_NOBODY"),
            "left" in csv.list_dialects(),
        )

    _, id = in_new_pool(spoil)
    *found, other = in_new_pool(look)
    assert found == [("1", "json.encoder", None, False)]
    assert other != id


def test_an_extension_module_ends_with_its_interpreter(tmp_path, monkeypatch):
    # One of the standard library, under a name that is not.
    spec = importlib.util.find_spec("_multiprocessing")
    if spec is None or not Path(str(spec.origin)).exists():
        pytest.skip("the library has no such extension module")
    path = Path(spec.origin)
    package = tmp_path / "package_for_reuse"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / path.name).write_bytes(path.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)

    def load():
        import package_for_reuse._multiprocessing

        return package_for_reuse._multiprocessing.__name__

    name, id = in_new_pool(load)
    assert name == "package_for_reuse._multiprocessing"
    assert in_new_pool()[-1] != id


def test_a_thread_that_runs_is_waited_for():
    go_on = coterie.sync.Event()
    ended = coterie.Queue()

    def leave_thread():
        import threading

        def wait():
            go_on.wait()
            ended.put("ended")

        threading.Thread(target=wait).start()

    with coterie.Executor(1) as pool:
        pool.submit(leave_thread).result()
        threading.Timer(0.1, go_on.set).start()
    assert ended.get_nowait() == "ended"


@pytest.mark.parametrize("options", [{"max_tasks_per_child": 1}])
def test_a_worker_that_leaves_its_pool_ends(options):
    *_, id = in_new_pool(own_id, **options)
    assert in_new_pool()[-1] != id


def test_a_failed_initializer_leaves_nothing_behind():
    used = coterie.Queue()

    def fail():
        used.put(interpreters.get_current().id)
        raise ValueError("no")

    with coterie.Executor(1, initializer=fail) as pool:
        with pytest.raises(coterie.BrokenInterpreterPool):
            pool.submit(int).result()
    assert in_new_pool()[-1] != used.get_nowait()


def test_an_interrupt_does_not_reach_the_next_worker():
    id = None
    for _ in range(20):
        started = coterie.sync.Event()

        def run(started=started):
            started.set()
            while True:
                pass

        with coterie.Executor(1) as pool:
            future = pool.submit(run)
            started.wait()
            assert future.interrupt()
        results = in_new_pool(*[lambda: sum(range(1000))] * 5)
        assert results[:-1] == [499500] * 5
        assert id in (None, results[-1])
        id = results[-1]


# ---- for how long ------------------------------------------------------------


def test_they_end_with_the_program(run_script):
    ended = run_script("""
        import coterie
        with coterie.Executor(3) as pool:
            print(sum(pool.map(abs, range(10))))
        print(coterie._core.interpreters() > 0)
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "45\nTrue\n", "")


def test_they_end_before_a_fork(run_script):
    ended = run_script(
        """
        import os, coterie
        for _ in range(3):
            with coterie.Executor(2) as pool:
                print(sum(pool.map(abs, range(10))), flush=True)
            pid = os.fork()
            if pid == 0:
                with coterie.Executor(2) as pool:
                    print(sum(pool.map(abs, range(10))), flush=True)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        """,
        flags=["-W", "ignore::DeprecationWarning"],
        guard="",
    )
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["45"] * 6, "")


def test_what_was_written_is_out_when_the_pool_is_closed(run_script):
    ended = run_script(
        """
        import coterie
        with coterie.Executor(1) as pool:
            pool.submit(print, "inside").result()
        print("outside", flush=True)
        """,
        flags=["-E"],  # not unbuffered, as other scripts are here
    )
    assert (ended.rc, ended.lines, ended.stderr) == (0, ["inside", "outside"], "")


def test_no_more_are_kept_than_may_be_of_use(run_script):
    ended = run_script("""
        import coterie, os
        barrier = coterie.sync.Barrier(12)
        with coterie.Executor(12) as pool:
            for future in [pool.submit(barrier.wait) for _ in range(12)]:
                future.result()
        print(coterie._core.interpreters() <= max(4, os.process_cpu_count()))
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "True\n", "")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
@pytest.mark.slow
def test_many_lives_take_no_more_memory(run_script):
    ended = run_script("""
        import coterie
        def memory():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * 4
        def use():
            import collections, dataclasses, datetime, decimal, hashlib, json, logging
            import pathlib, pickle, random, re, statistics, threading, typing, uuid
            return coterie.interpreters.get_current().id
        def lives(count):
            ids = set()
            for _ in range(count):
                with coterie.Executor(1) as pool:
                    ids.add(pool.submit(use).result())
            return len(ids)
        lives(50)
        before = memory()
        print(lives(300) <= 2, (memory() - before) / 300 < 10)
        """)
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "True True\n", "")
