from coterie import debug, executor, interpreters, queue, sync
from coterie._core import (
    CoterieError,
    ForkRefused,
    Interrupted,
    NotShareableError,
    Queue,
    RemoteError,
    WorkerLost,
    dumps,
    loads,
)
from coterie._map import map
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
    "debug",
    "dumps",
    "executor",
    "interpreters",
    "loads",
    "map",
    "queue",
    "sync",
]

__version__: str
