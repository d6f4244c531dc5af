"""The channels of PEP 554, between threads and between interpreters."""

import copy
import gc
import inspect
import pickle
import signal
import threading
import weakref

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import channels

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails


@pytest.fixture
def channel():
    return channels.create()


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


while_peer_waits = pytest.mark.parametrize(
    "peer", ["other-thread", "other-interpreter"], indirect=True
)


def wait_for_count(end, count):
    """Until so many objects are in the channel: of senders that wait, too."""
    while end.info.count != count:
        threading.Event().wait(0.001)


def recv_all(recv, count):
    return [recv.recv() for _ in range(count)]


def send_all(send, *objects):
    for obj in objects:
        send.send(obj)


def name_of_error(function, *args):
    try:
        function(*args)
    except Exception as error:
        return type(error).__name__
    return None


# ---- objects -----------------------------------------------------------------


def test_an_object_that_was_left_in_the_channel(channel, peer):
    recv, send = channel
    assert send.send_nowait("spam!") is False
    assert peer(recv.recv) == "spam!"
    peer(send.send_nowait, [1, {"two": (3.0, b"4")}])
    assert recv.recv() == [1, {"two": (3.0, b"4")}]


@while_peer_waits
def test_a_send_waits_for_the_receiver(channel, peer):
    recv, send = channel
    sending = peer.start(send_all, send, 1, 2)
    wait_for_count(recv, 1)
    assert not sending.done()
    assert recv.recv() == 1
    wait_for_count(recv, 1)
    assert not sending.done()
    assert recv.recv_nowait() == 2
    assert sending.result() is None


@while_peer_waits
def test_a_receiver_waits(channel, peer):
    recv, send = channel
    receiving = peer.start(recv_all, recv, 100)
    for i in range(100):
        send.send(i)
    assert receiving.result() == list(range(100))


@while_peer_waits
def test_whether_somebody_was_waiting(channel, peer):
    recv, send = channel
    receiving = peer.start(recv_until_closed, recv)
    sent = 1
    while not send.send_nowait(None):  # until it stands there
        sent += 1
        wait_for_count(recv, 0)
    send.close()
    assert receiving.result() == sent


def test_what_was_not_sent_is_not_received(channel):
    recv, send = channel
    with pytest.raises(TimeoutError):
        send.send(1, 0)
    with pytest.raises(TimeoutError):
        send.send(1, timeout=0.01)
    assert recv.info.count == 0
    with pytest.raises(TimeoutError):
        recv.recv(0)
    with pytest.raises(TimeoutError):
        recv.recv(timeout=0.01)


def test_nothing_there(channel):
    recv, send = channel
    default = object()
    with pytest.raises(channels.ChannelEmptyError):
        recv.recv_nowait()
    assert recv.recv_nowait(default) is default
    assert recv.recv_nowait(default=None) is None
    send.send_nowait(None)
    assert recv.recv_nowait(default) is None


def test_bad_arguments(channel):
    recv, send = channel
    with pytest.raises(coterie.NotShareableError):
        send.send_nowait(threading.Lock())
    with pytest.raises(ValueError, match="non-negative"):
        recv.recv(-1)
    with pytest.raises(TypeError):
        recv.recv("1")
    with pytest.raises(TypeError):
        send.send()
    with pytest.raises(TypeError):
        send.send(1, None, channels.UNBOUND)
    with pytest.raises(TypeError):
        send.send_buffer_nowait(1)
    with pytest.raises(NotImplementedError):
        send.send_nowait(1, unbounditems=3)
    assert recv.info.count == 0


def test_many_senders_and_receivers(channel, pool, in_threads):
    recv, send = channel
    receiving = [pool.submit(recv_all, recv, 300) for _ in range(2)]
    in_threads(send_all, [(send, *range(i, 600, 3)) for i in range(3)])
    received = sorted(sum((each.result() for each in receiving), []))
    assert received == list(range(600))


# ---- ends --------------------------------------------------------------------


def test_there_is_one_object_for_an_end(channel, peer):
    recv, send = channel
    assert peer(lambda *ends: ends, recv, send) == channel
    assert peer(lambda *ends: ends, recv, send)[0] is recv
    assert channels.RecvChannel(recv.id) is recv
    assert channels.SendChannel(id=send.id) is send
    assert recv.id == send.id
    assert recv != send
    assert len({recv, send, *channel}) == 2
    assert copy.copy(recv) is recv
    assert pickle.loads(pickle.dumps(channel)) == channel


def test_ends_can_be_sent_through_their_own_channel(channel, interp):
    recv, send = channel
    interp.prepare_main(recv=recv, send=send)
    send.send_nowait(recv)
    send.send_nowait([send])
    interp.exec(
        """
        assert recv.recv() is recv
        assert recv.recv() == [send]
        send.send_nowait((recv, send))
        """
    )
    assert recv.recv() == channel


def test_ends_are_shareable(channel):
    for end in channel:
        assert channels.is_shareable(end)


def test_list_all(channel):
    other = channels.create()
    listed = channels.list_all()
    assert [ends for ends in listed if ends in (channel, other)] == [channel, other]
    assert listed == sorted(listed, key=lambda ends: ends[0].id)
    other[0].close()
    assert channel in channels.list_all()
    assert other not in channels.list_all()


def test_a_channel_goes_with_its_last_end(channel):
    recv, send = channels.create()
    number = recv.id
    channel[1].send_nowait((recv, send))
    gone = weakref.ref(recv)
    del recv, send
    assert gone() is None
    assert channels.SendChannel(number).info.open  # there is one in the other
    channel[0].recv()
    gc.collect()
    with pytest.raises(channels.ChannelNotFoundError):
        channels.SendChannel(number)


def test_bad_ids():
    for number in (0, -1, 10**9, 10**30):
        for end in (channels.RecvChannel, channels.SendChannel):
            with pytest.raises(channels.ChannelNotFoundError):
                end(number)
    with pytest.raises(TypeError):
        channels.RecvChannel("1")


def test_attributes(channel):
    for end in channel:
        assert repr(end) == f"{type(end).__name__}(id={end.id})"
        assert end.info == (True, False, False, 0)
        for name in ("id", "is_closed", "info"):
            with pytest.raises(AttributeError):
                setattr(end, name, 1)


def test_errors():
    for error in (
        channels.ChannelClosedError,
        channels.ChannelEmptyError,
        channels.ChannelNotEmptyError,
        channels.ChannelNotFoundError,
        channels.ItemInterpreterDestroyed,
    ):
        assert issubclass(error, channels.ChannelError)
    assert issubclass(channels.ChannelError, (coterie.CoterieError, RuntimeError))


# ---- close -------------------------------------------------------------------


def test_what_was_sent_can_be_received_after_the_close(channel, peer):
    recv, send = channel
    send.send_nowait(1)
    peer(send.close)
    assert send.is_closed
    assert not recv.is_closed
    assert recv.info == (False, True, False, 1)
    for refused in (send.send, send.send_nowait):
        assert peer(name_of_error, refused, 2) == "ChannelClosedError"
    with pytest.raises(channels.ChannelClosedError):
        send.close()
    assert recv.recv() == 1
    assert recv.is_closed
    assert recv.info == (False, False, True, 0)
    for refused in (recv.recv, recv.recv_nowait, recv.close):
        assert peer(name_of_error, refused) == "ChannelClosedError"


def test_the_receiving_end_is_not_closed_over_objects(channel):
    recv, send = channel
    send.send_nowait(1)
    with pytest.raises(channels.ChannelNotEmptyError):
        recv.close()
    assert not send.is_closed
    recv.recv()
    recv.close()
    assert recv.is_closed
    assert send.is_closed


@pytest.mark.parametrize("which", [0, 1], ids=["recv", "send"])
def test_a_forced_close(channel, which):
    recv, send = channel
    send.send_nowait(1)
    channel[which].close(force=True)
    assert recv.info == (False, False, True, 0)
    with pytest.raises(channels.ChannelClosedError):
        recv.recv()


@while_peer_waits
@pytest.mark.parametrize("which", [0, 1], ids=["recv", "send"])
def test_a_close_ends_receivers(channel, peer, which):
    recv, _ = channel
    receiving = [peer.start(name_of_error, recv.recv) for _ in range(3)]
    channel[which].close()
    assert {each.result() for each in receiving} == {"ChannelClosedError"}


@while_peer_waits
def test_the_close_of_the_receiving_end_ends_senders(channel, peer):
    recv, send = channel
    sending = [peer.start(name_of_error, send.send, i) for i in range(3)]
    wait_for_count(recv, 3)
    recv.close()
    assert {each.result() for each in sending} == {"ChannelClosedError"}


@while_peer_waits
def test_who_is_sending_outlasts_the_close_of_the_sending_end(channel, peer):
    recv, send = channel
    sending = peer.start(send.send, 1)
    wait_for_count(recv, 1)
    send.close()
    assert recv.recv() == 1
    assert sending.result() is None


def send_until_closed(send):
    count = 0
    try:
        while True:
            send.send(count)
            count += 1
    except channels.ChannelClosedError:
        return count


def recv_until_closed(recv):
    count = 0
    try:
        while True:
            recv.recv()
            count += 1
    except channels.ChannelClosedError:
        return count


@pytest.mark.parametrize("which", [0, 1], ids=["recv", "send"])
def test_a_close_amid_traffic_loses_nothing(pool, which):
    for _ in range(20):
        channel = channels.create()
        receiving = pool.submit(recv_until_closed, channel[0])
        sending = pool.submit(send_until_closed, channel[1])
        for _ in range(10):
            channel[1].send(None)
        channel[which].close()
        assert receiving.result() == sending.result() + 10


# ---- interrupts --------------------------------------------------------------


def interrupt_main():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_ctrl_c_leaves_a_send_and_takes_the_object_back(channel):
    recv, send = channel

    def interrupt():
        wait_for_count(recv, 1)
        interrupt_main()

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        send.send(1)
    thread.join()
    assert recv.info.count == 0


def test_ctrl_c_leaves_a_recv(channel):
    recv, send = channel
    thread = threading.Thread(target=interrupt_main)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        recv.recv()
    thread.join()
    assert send.send_nowait(1) is False
    assert recv.recv() == 1


def test_an_interpreter_is_interrupted_while_it_sends(channel, interp):
    recv, send = channel
    interp.prepare_main(send=send)
    thread = threading.Thread(
        target=lambda: errors.append(name_of_error(interp.exec, "send.send(1)"))
    )
    errors = []
    thread.start()
    wait_for_count(recv, 1)
    interp.interrupt()
    thread.join()
    assert errors == ["ExecutionFailed"]
    assert recv.info.count == 0
    interp.exec("send.send_nowait(2)")
    assert recv.recv() == 2


# ---- interpreters that end ---------------------------------------------------


def end_of_sender(send, *statements):
    with interpreters.create() as interp:
        interp.prepare_main(send=send)
        interp.exec("from coterie.interpreters.channels import *")
        for statement in statements:
            interp.exec(statement)


def test_objects_are_bound_to_their_interpreter(channel):
    recv, send = channel
    send.send_nowait("main's")
    end_of_sender(
        send,
        "send.send_nowait(1)",
        "send.send_nowait(2, unbounditems=UNBOUND_REMOVE)",
        "send.send_nowait(3, unbounditems=UNBOUND_ERROR)",
        "send.send_nowait(4, unbounditems=UNBOUND)",
    )
    assert recv.info.count == 4
    assert recv.recv() == "main's"
    assert recv.recv() is channels.UNBOUND
    with pytest.raises(channels.ItemInterpreterDestroyed):
        recv.recv()
    assert recv.recv_nowait() is channels.UNBOUND
    assert recv.recv_nowait(None) is None


@pytest.mark.parametrize("name", ["UNBOUND", "UNBOUND_ERROR", "UNBOUND_REMOVE"])
def test_the_channel_says_what_becomes_of_its_objects(name):
    constant = getattr(channels, name)
    recv, send = channels.create(unbounditems=constant)
    assert send.unbounditems is constant
    end_of_sender(send, f"assert send.unbounditems is {name}", "send.send_nowait(1)")
    if name == "UNBOUND":
        assert recv.recv() is channels.UNBOUND
    elif name == "UNBOUND_ERROR":
        with pytest.raises(channels.ItemInterpreterDestroyed):
            recv.recv()
    else:
        assert recv.info.count == 0


def test_the_constants(pool):
    assert repr(channels.UNBOUND) == "coterie.interpreters.channels.UNBOUND"
    for name in ("UNBOUND", "UNBOUND_ERROR", "UNBOUND_REMOVE"):
        constant = getattr(channels, name)
        assert pool.submit(lambda it: it, constant).result() is constant
    with pytest.raises(NotImplementedError):
        channels.create(unbounditems=None)


# ---- the HOWTO ---------------------------------------------------------------


def test_the_howto_with_an_object(interp, capfd):
    rch, sch = channels.create()
    interp.prepare_main(rch=rch)

    sch.send_nowait("spam!")
    interp.exec(
        """
        msg = rch.recv()
        print(msg, flush=True)
        """
    )
    assert capfd.readouterr().out == "spam!\n"


def test_the_howto_with_a_buffer(interp):
    rch, sch = channels.create()
    interp.prepare_main(rch=rch)

    data = bytearray(100)

    sch.send_buffer_nowait(data)
    interp.exec(
        """
        data = rch.recv()
        for i in range(len(data)):
            data[i] = i
        """
    )
    assert len(data) == 100
    for i in range(len(data)):
        assert data[i] == i


# ---- the backport ------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (channels.create, ["*unbounditems"]),
        (channels.list_all, []),
        (channels.RecvChannel.recv, ["timeout"]),
        (channels.RecvChannel.recv_nowait, ["default"]),
        (channels.SendChannel.send, ["obj", "timeout", "*unbounditems"]),
        (channels.SendChannel.send_nowait, ["obj", "*unbounditems"]),
        (channels.SendChannel.send_buffer, ["obj", "timeout", "*unbounditems"]),
        (channels.SendChannel.send_buffer_nowait, ["obj", "*unbounditems"]),
    ],
)
def test_signatures(function, parameters):
    found = [
        "*" * (parameter.kind is parameter.KEYWORD_ONLY) + name
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    ]
    assert found == parameters
