from coterie import executor as executor
from coterie import interpreters as interpreters
from coterie import queue as queue
from coterie._core import (
    CoterieError as CoterieError,
    ForkRefused as ForkRefused,
    Interrupted as Interrupted,
    NotShareableError as NotShareableError,
    Queue as Queue,
    RemoteError as RemoteError,
    WorkerLost as WorkerLost,
    dumps as dumps,
    loads as loads,
)
from coterie._map import map as map
from coterie.executor import (
    BrokenInterpreterPool as BrokenInterpreterPool,
    Executor as Executor,
    Future as Future,
    InterpreterPoolExecutor as InterpreterPoolExecutor,
)

__all__: list[str]
__version__: str
