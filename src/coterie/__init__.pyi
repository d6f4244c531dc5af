from coterie import aio, channel, debug, executor, interpreters, queue, runners, sync
from coterie import dask as dask
from coterie import joblib as joblib
from coterie._core import (
    CoterieError,
    ForkRefused,
    Interrupted,
    NotShareableError,
    Queue,
    RemoteError,
    WorkerLost,
    create_channel,
    dumps,
    loads,
    select,
)
from coterie._map import imap_unordered, map, reduce, starmap
from coterie._merge import merge
from coterie.executor import (
    BrokenInterpreterPool,
    Executor,
    Future,
    InterpreterPoolExecutor,
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

__version__: str
