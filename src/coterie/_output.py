"""What code in another interpreter writes to sys.stdout and sys.stderr.

Inside, a stream of ours stands in sys; what is written to it, as text or as
bytes, goes into a queue, which can be read from outside at any time: while the
code runs, and when its interpreter is gone.  Two uses: `capture_output`, for a
block of code, and the relay, for one run whose caller has redirected its own
streams.

A stream may be held for longer than it stands in sys (a logging handler does):
what is written to it then goes on to the stream that it stood for.

Not seen are writes to the file descriptors, by C code, child processes or
os.write.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from io import BufferedIOBase, TextIOWrapper

from coterie._core import Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Iterable, Iterator
    from typing import Any, Self, TextIO

    from coterie.interpreters import Interpreter

    type Chunks = Queue[tuple[int, bytes]]

_NAMES = ("stdout", "stderr")  # in sys; numbered in the queue


def _to_text(data: bytes | bytearray) -> str:
    """Bytes written to one of our streams as text: any str comes back as it was."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")


# ---- inside ------------------------------------------------------------------


class _Sink(BufferedIOBase):
    """The binary layer: every write is one item of the queue, or goes on."""

    def __init__(self, number: int, queue: Chunks | None) -> None:
        self.name = f"<{_NAMES[number]}>"  # as of the process's own
        self.number = number
        self.queue = queue  # None: what is written goes on
        self.previous: Any = None  # the stream that this one stands for

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        if self.closed:
            raise ValueError("write to closed file")
        chunk = memoryview(data).tobytes()
        if chunk and not self._put(chunk):
            self._pass_on(chunk)
        return len(chunk)

    def flush(self) -> None:
        if self.queue is None and self.previous is not None:
            self.previous.flush()

    def _put(self, chunk: bytes) -> bool:
        if self.queue is None:
            return False
        try:
            self.queue.put((self.number, chunk))
        except Exception as error:
            from coterie.queue import ShutDown

            if not isinstance(error, ShutDown):
                raise
            self.queue = None  # nobody reads it any more
            return False
        return True

    def _pass_on(self, chunk: bytes) -> None:
        if self.previous is None:
            return
        try:
            text = chunk.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self._pass_bytes_on(chunk)
        else:
            # The stream encodes and buffers it in its own way.
            self.previous.write(text)

    def _pass_bytes_on(self, chunk: bytes) -> None:
        binary = getattr(self.previous, "buffer", None)
        if binary is None:
            self.previous.write(_to_text(chunk))
        else:
            self.previous.flush()
            binary.write(chunk)


class _Stream(TextIOWrapper):
    """The text layer; it keeps nothing back."""

    def __init__(self, number: int, queue: Chunks | None = None) -> None:
        self.sink = _Sink(number, queue)
        super().__init__(
            self.sink,
            encoding="utf-8",
            errors="surrogatepass",
            newline="\n",
            write_through=True,
        )


def _in_use(stream: Any) -> Any:
    """What *stream* stands for, if it is one of ours and nobody reads it."""
    while isinstance(stream, _Stream) and stream.sink.queue is None:
        stream = stream.sink.previous
    return stream


def begin(queue: Chunks) -> None:
    """Write what comes into *queue*, until `end`, or its shutdown."""
    for number, name in enumerate(_NAMES):
        stream = _Stream(number, queue)
        stream.sink.previous = _in_use(getattr(sys, name, None))
        setattr(sys, name, stream)


def end(queue: Chunks) -> None:
    """Put the streams back, unless the code has put others there."""
    for name in _NAMES:
        top = stream = getattr(sys, name, None)
        while isinstance(stream, _Stream):
            if stream.sink.queue is queue:
                _let_go(stream)
            stream = stream.sink.previous
        if top is not _in_use(top):
            setattr(sys, name, _in_use(top))


def _let_go(stream: _Stream) -> None:
    try:
        stream.flush()  # its user may have reconfigured it
    except ValueError:
        pass  # closed, or detached
    stream.sink.queue = None


# The relay's streams stay the same: who holds one from an earlier run writes to
# the later ones.
_relays: dict[str, _Stream] = {}


def run_relayed(
    queue: Chunks,
    names: Iterable[str],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call it; what it writes meanwhile comes into *queue*."""
    _begin_relay(queue, names)
    try:
        return function(*args, **kwargs)
    finally:
        _end_relay()


def _begin_relay(queue: Chunks, names: Iterable[str]) -> None:
    """A stream is left alone if it is not the process's own: it is captured then, or
    the code in this interpreter has redirected it.
    """
    for name in names:
        original = getattr(sys, f"__{name}__", None)
        if _in_use(getattr(sys, name, None)) is not original:
            continue
        relay = _relays.get(name)
        if relay is None or relay.sink.closed or relay.sink.previous is not original:
            relay = _relays[name] = _Stream(_NAMES.index(name))
            relay.sink.previous = original
        relay.sink.queue = queue
        setattr(sys, name, relay)


def _end_relay() -> None:
    for name, relay in _relays.items():
        _let_go(relay)
        if getattr(sys, name, None) is relay:
            setattr(sys, name, relay.sink.previous)


# ---- outside -----------------------------------------------------------------


def _taken(queue: Chunks) -> Iterator[tuple[int, bytes]]:
    """What is in the queue now; for its only reader."""
    while queue.qsize():
        yield queue.get_nowait()


class CapturedOutput:
    """What code in an interpreter writes while a block is executed.

    All of it can be read during the block, while the code runs, and after it.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        """call(function, *args) calls it in the interpreter."""
        self._call = call
        self._queue: Chunks | None = None
        self._lock = allocate_lock()  # of who reads the queue
        self._data = bytearray(), bytearray()

    @classmethod
    def of(cls, queue: Chunks) -> Self:
        """What comes through a queue that `begin` was given."""
        output = cls(lambda: None)
        output._queue = queue
        return output

    def __enter__(self) -> Self:
        if self._queue is not None:
            raise RuntimeError("a capture of output can be used only once")
        queue: Chunks = Queue()
        self._call(begin, queue)
        self._queue = queue
        return self

    def __exit__(self, *exc_info: object) -> None:
        from coterie._errors import ExecutionFailed, InterpreterError

        assert self._queue is not None
        try:
            self._call(end, self._queue)
        except ExecutionFailed:
            raise
        except InterpreterError:
            pass  # it is gone, or runs in another thread: what it writes goes on
        finally:
            self._queue.shutdown()
            self._read()

    def _read(self) -> None:
        if self._queue is not None:
            with self._lock:
                for number, chunk in _taken(self._queue):
                    self._data[number].extend(chunk)

    def _bytes(self, number: int) -> bytes:
        self._read()
        return bytes(self._data[number])

    @property
    def stdout(self) -> str:
        """What was written to sys.stdout so far, as text."""
        return _to_text(self._bytes(0))

    @property
    def stderr(self) -> str:
        """What was written to sys.stderr so far, as text."""
        return _to_text(self._bytes(1))

    @property
    def stdout_bytes(self) -> bytes:
        """What was written to sys.stdout so far; text is UTF-8."""
        return self._bytes(0)

    @property
    def stderr_bytes(self) -> bytes:
        """What was written to sys.stderr so far; text is UTF-8."""
        return self._bytes(1)


def relayed_call(
    interpreter: Interpreter, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call it in the interpreter; what it writes comes to our own streams.

    It comes after the call, in order, also if that raises; to the streams that
    were there before it.  The caller has seen that one of them is not the
    process's own.
    """
    if not callable(function):
        return interpreter._call(function)  # raises what it has to
    streams = _redirected()
    queue: Chunks = Queue()
    try:
        return interpreter._call(
            run_relayed, queue, list(streams), function, args, kwargs
        )
    finally:
        queue.shutdown()
        _deliver(queue, streams)


def _redirected() -> dict[str, TextIO]:
    streams = {}
    for name in _NAMES:
        stream = getattr(sys, name, None)
        if stream is not None and stream is not getattr(sys, f"__{name}__", None):
            streams[name] = stream
    return streams


def _deliver(queue: Chunks, streams: dict[str, TextIO]) -> None:
    pending, last = bytearray(), 0
    for number, chunk in _taken(queue):
        if number != last:
            _write(streams, last, pending)
            pending, last = bytearray(), number
        pending += chunk
    _write(streams, last, pending)


def _write(streams: dict[str, TextIO], number: int, data: bytearray) -> None:
    if data:
        streams[_NAMES[number]].write(_to_text(data))
