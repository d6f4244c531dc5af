"""Memory that is seen from other interpreters: memoryviews, and send_buffer."""

import array
import ctypes
import gc
import inspect
import threading

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import channels

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


def fill(view):
    for i in range(len(view)):
        view[i] = i


def test_an_argument_is_a_view_of_the_same_memory(peer):
    data = bytearray(100)
    peer(fill, memoryview(data))
    assert list(data) == list(range(100))


@pytest.mark.parametrize("send", ["send_buffer", "send_buffer_nowait"])
def test_a_buffer_through_a_channel(send):
    recv, sender = channels.create()
    data = bytearray(b"spamspamspam")
    thread = threading.Thread(target=getattr(sender, send), args=(data,))
    thread.start()
    view = recv.recv()
    thread.join()
    assert isinstance(view, memoryview)
    data[4:8] = b"eggs"
    assert view == b"spameggsspam"
    view[4:8] = b"ham."
    assert data == b"spamham.spam"


def test_both_ways(interp):
    data = bytearray(100)
    view = interp.call(lambda view: (fill(view), view[10:])[1], memoryview(data))
    assert list(data) == list(range(100))
    view[0] = 99
    assert data[10] == 99


def test_in_containers_once(interp):
    view = memoryview(bytearray(b"abc"))

    def check(views, more):
        return views[0] is views[1] and more["it"] is views[0]

    assert interp.call(check, [view, view], {"it": view}) is not None

    def is_one(views):
        return views[0] is views[1]

    assert interp.call(is_one, [view, view])


def test_in_what_is_pickled(interp):
    data = bytearray(3)

    def write(it):
        it[1][0] = 7
        return it[0]

    assert interp.call(write, (1 + 2j, memoryview(data), range(3))) == 1 + 2j
    assert data[0] == 7


def test_reading_only(interp):
    def write(view):
        view[0] = 1

    view = memoryview(b"abc")
    assert interp.call(lambda view: view.readonly, view)
    with pytest.raises(interpreters.ExecutionFailed, match="read-only"):
        interp.call(write, view)
    assert interp.call(bytes, view) == b"abc"


def describe(view):
    return (
        view.format,
        view.itemsize,
        view.ndim,
        view.shape,
        view.strides,
        view.readonly,
        view.nbytes,
        view.tolist(),
    )


@pytest.mark.parametrize(
    "view",
    [
        memoryview(b""),
        memoryview(bytearray(range(12))),
        memoryview(bytearray(range(12)))[2:9:3],
        memoryview(bytearray(range(12)))[::-1],
        memoryview(bytearray(range(12))).cast("B", (3, 4)),
        memoryview(bytearray(range(12))).cast("I"),
        memoryview(array.array("d", [1.5, 2.5, 3.5])),
        memoryview(array.array("d", [1.5, 2.5, 3.5]))[1:],
        memoryview((ctypes.c_uint16 * 3 * 2)((1, 2, 3), (4, 5, 6))),
    ],
)
def test_the_shape_is_kept(interp, view):
    if view.format in {"<H", "<u"}:  # memoryview.tolist cannot
        there = interp.call(lambda it: (it.shape, it.format, bytes(it)), view)
        assert there == (view.shape, view.format, bytes(view))
    else:
        assert interp.call(describe, view) == describe(view)
    again = interp.call(lambda it: it, view)
    assert again.shape == view.shape
    assert again.strides == view.strides
    assert bytes(again) == bytes(view)


def test_a_part_of_a_part(interp):
    data = bytearray(range(20))
    with interpreters.create() as other:
        part = interp.call(lambda view: view[2:18], memoryview(data))
        part = other.call(lambda view: view[2:14:2], part)
        part = interp.call(lambda view: view[::-1], part)
    assert part.tolist() == [14, 12, 10, 8, 6, 4]
    part[0] = 99
    assert data[14] == 99
    # Who passed it on holds nothing.
    interp.close()
    assert part[0] == 99
    del part
    data.append(1)


# ---- when it is let go of ----------------------------------------------------


def test_the_owner_may_resize_it_when_nobody_has_a_view(interp):
    data = bytearray(100)
    interp.prepare_main(view=memoryview(data))
    with pytest.raises(BufferError):
        data.append(1)
    interp.exec("part = view[10:]; del view")
    with pytest.raises(BufferError):
        data.append(1)
    interp.exec("del part")
    data.append(1)
    assert len(data) == 101


def test_arguments_are_let_go_of_before_the_result_is_there(pool):
    data = bytearray(10)
    calls = []
    for _ in range(100):
        calls.append(pool.submit(fill, memoryview(data)))
        calls[-1].result()
        data.append(1)
    assert len(data) == 110


def test_what_is_never_received_is_let_go_of():
    data = bytearray(10)
    recv, send = channels.create()
    send.send_buffer_nowait(data)
    send.send_nowait([memoryview(data)])
    with pytest.raises(TimeoutError):
        send.send_buffer(data, timeout=0)
    with pytest.raises(BufferError):
        data.append(1)
    del recv, send
    data.append(1)


def test_an_owner_that_is_no_main_interpreter(interp):
    interp.exec("data = bytearray(b'abc')")
    view = interp.call(get_view)
    view[0] = ord("A")
    with pytest.raises(interpreters.ExecutionFailed, match="BufferError"):
        interp.exec("data.append(1)")
    del view
    interp.exec("data.append(1); assert data[:3] == b'Abc'")


def get_view():
    import __main__

    return memoryview(__main__.data)


def test_from_a_thread_that_is_not_the_main_one(interp, in_threads):
    def use(size):
        data = bytearray(size)
        with interpreters.create() as other:
            for _ in range(20):
                other.call(fill, memoryview(data))
                data.append(1)
        return len(data)

    assert in_threads(use, [(i,) for i in range(1, 5)]) == [21, 22, 23, 24]


def test_many_come_back(pool):
    datas = [bytearray(10) for _ in range(1000)]
    views = [memoryview(data) for data in datas]
    assert sum(pool.submit(lambda views: len(views), views).result() for _ in "12") > 0
    del views
    gc.collect()
    for data in datas:
        data.append(1)


# ---- the owner's end ---------------------------------------------------------


@pytest.mark.parametrize("size", [10, 600, 5_000_000])
def test_memory_outlives_the_interpreter_that_it_belongs_to(size):
    def make(size):
        return memoryview(bytearray(b"x" * size))

    with interpreters.create() as interp:
        view = interp.call(make, size)
    with coterie.Executor(1) as pool:
        other = pool.submit(make, size).result()
    junk = [bytearray(size) for _ in range(20)]
    for it in (view, other):
        assert it == b"x" * size
        fill_part = it[: size // 2]
        fill_part[:] = b"y" * (size // 2)
        assert it == b"y" * (size // 2) + b"x" * (size - size // 2)
    assert len(junk) == 20


def test_at_the_end_of_the_process(run_script):
    ended = run_script(
        """
        import coterie
        from coterie import interpreters
        interp = interpreters.create()
        view = interp.call(lambda: memoryview(bytearray(b"theirs")))
        interp.prepare_main(mine=memoryview(bytearray(b"mine")), theirs=view)
        interp.exec("mine[0] = theirs[0] = 65")
        print(bytes(view))
        interp.close()
        """
    )
    assert (ended.rc, ended.stdout, ended.stderr) == (0, "b'Aheirs'\n", "")


# ---- bad input ---------------------------------------------------------------


def test_a_view_that_was_released(interp):
    view = memoryview(bytearray(3))
    view.release()
    with pytest.raises(coterie.NotShareableError, match="released"):
        interp.call(fill, view)
    recv, send = channels.create()
    with pytest.raises(ValueError, match="released"):
        send.send_buffer_nowait(view)
    there = interp.call(lambda it: it, memoryview(bytearray(3)))
    there.release()
    with pytest.raises(ValueError, match="released"):
        send.send_buffer_nowait(there)


def test_a_view_lives_in_this_process_only():
    with pytest.raises(coterie.NotShareableError, match="memoryview"):
        coterie.dumps(memoryview(b"abc"))


def test_the_exporter(interp):
    view = interp.call(lambda it: it, memoryview(b"abc"))
    exporter = view.obj
    assert memoryview(exporter) == b"abc"
    with pytest.raises(TypeError):
        type(exporter)()
    assert exporter.__buffer__(inspect.BufferFlags.FULL_RO) == b"abc"
    with pytest.raises(BufferError, match="read-only"):
        exporter.__buffer__(inspect.BufferFlags.FULL)
    with pytest.raises(BufferError, match="memoryview"):
        exporter.__buffer__(inspect.BufferFlags.SIMPLE)
