"""True parallelism for Python inside one process.

Everything public is reachable from here; each name is imported from its module
when it is first used, so that worker interpreters stay lean.
"""

import sys

if "t" in sys.abiflags:
    raise ImportError(
        "coterie needs a CPython with a GIL: on the free-threaded build, "
        "threads are parallel by themselves"
    )

__all__ = [
    "BrokenInterpreterPool",
    "CoterieError",
    "Executor",
    "ForkRefused",
    "Future",
    "InterpreterPoolExecutor",
    "Interrupted",
    "NotShareableError",
    "Queue",
    "RemoteError",
    "WorkerLost",
    "aio",
    "channel",
    "create_channel",
    "debug",
    "dumps",
    "executor",
    "imap_unordered",
    "interpreters",
    "loads",
    "map",
    "merge",
    "queue",
    "reduce",
    "runners",
    "select",
    "starmap",
    "sync",
]

__version__ = "0.1.0"

_HOMES = {
    "BrokenInterpreterPool": "coterie.executor",
    "CoterieError": "coterie._core",
    "Executor": "coterie.executor",
    "ForkRefused": "coterie._core",
    "Future": "coterie.executor",
    "InterpreterPoolExecutor": "coterie.executor",
    "Interrupted": "coterie._core",
    "NotShareableError": "coterie._core",
    "Queue": "coterie._core",
    "RemoteError": "coterie._core",
    "WorkerLost": "coterie._core",
    "create_channel": "coterie._core",
    "dumps": "coterie._core",
    "imap_unordered": "coterie._map",
    "loads": "coterie._core",
    "map": "coterie._map",
    "merge": "coterie._merge",
    "reduce": "coterie._map",
    "select": "coterie._core",
    "starmap": "coterie._map",
}

_MODULES = frozenset(
    {
        "aio",
        "channel",
        "dask",
        "debug",
        "executor",
        "interpreters",
        "joblib",
        "queue",
        "runners",
        "sync",
    }
)


def __getattr__(name):
    from importlib import import_module

    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        found = import_module(f"coterie.{name}")
    else:
        raise AttributeError(f"module 'coterie' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
