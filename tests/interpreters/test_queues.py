"""coterie.interpreters.queues: what goes beyond concurrent.interpreters.

What both promise is in tests/contract/test_interpreter_queue.py.
"""

import copy
import gc
import itertools
import pickle
import queue
import time

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import queues
from coterie.interpreters.queues import UNBOUND, UNBOUND_ERROR, UNBOUND_REMOVE

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

CONSTANTS = UNBOUND, UNBOUND_ERROR, UNBOUND_REMOVE


@pytest.fixture(params=["own", "shared"])
def interp(request):
    with interpreters.create(gil=request.param) as interp:
        yield interp


def take(q, count):
    return [q.get() for _ in range(count)]


def identity(x):
    return x


def alive():
    gc.collect()
    return {q.id for q in queues.list_all()}


# ---- names -------------------------------------------------------------------


def test_the_names_of_the_package():
    assert interpreters.create_queue is queues.create
    assert interpreters.Queue is queues.Queue
    assert interpreters.QueueEmpty is queues.QueueEmpty
    assert interpreters.QueueFull is queues.QueueFull
    assert interpreters.queues is queues


def test_errors_are_those_of_coterie():
    assert issubclass(queues.QueueError, coterie.CoterieError)
    with pytest.raises(queue.Empty):
        queues.create().get_nowait()


def test_a_queue_has_no_room_for_attributes():
    with pytest.raises(AttributeError):
        queues.create().anything = 1


# ---- sent everywhere ---------------------------------------------------------


class Holder:
    def __init__(self, q):
        self.q = q


def test_a_queue_is_the_same_wherever_it_comes_by(peer):
    q = queues.create()
    assert peer(identity, q) is q
    assert peer(identity, [{"q": (q, q)}]) == [{"q": (q, q)}]
    assert peer(lambda: q) is q  # by a cell
    assert peer(identity, Holder(q)).q is q  # in a pickle
    for other in queues.create(), coterie.Queue():
        peer(other.put, {"q": q})
        assert other.get() == {"q": q}


def test_a_queue_of_an_interpreter(interp):
    q = queues.create(5, unbounditems=UNBOUND_ERROR)
    interp.prepare_main(q=q)
    assert interp.get_main_attr("q") is q
    interp.exec("""
        from coterie.interpreters import Queue, queues
        assert type(q) is Queue
        assert Queue(q.id) is q
        assert q in queues.list_all()
        assert (q.maxsize, q.unbounditems) == (5, queues.UNBOUND_ERROR)
        q.put([repr(q), hash(q)])
        """)
    assert q.get() == [repr(q), hash(q)]
    assert interp.call(lambda a, b: a is b, q, q)
    assert interp.call(pickle.loads, pickle.dumps(q)) is q


def test_a_queue_does_not_leave_the_process():
    with pytest.raises(coterie.NotShareableError):
        coterie.dumps(queues.create())


@pytest.mark.parametrize("constant", CONSTANTS, ids=repr)
def test_the_constants_stay_themselves(peer, constant):
    assert copy.copy(constant) is constant
    assert copy.deepcopy(constant) is constant
    assert pickle.loads(pickle.dumps(constant)) is constant
    assert coterie.loads(coterie.dumps(constant)) is constant
    assert peer(identity, constant) is constant
    assert peer(identity, {"c": [constant]})["c"][0] is constant
    q = queues.create()
    peer(q.put, constant)
    assert q.get() is constant
    # There it is the constant too.
    assert peer(lambda: constant in (UNBOUND, UNBOUND_ERROR, UNBOUND_REMOVE))
    assert peer(lambda: queues.create(unbounditems=constant).unbounditems) is constant


def test_the_constants_say_what_they_are():
    assert [repr(constant).rpartition(".")[2] for constant in CONSTANTS] == [
        "UNBOUND",
        "UNBOUND_ERROR",
        "UNBOUND_REMOVE",
    ]
    for constant in CONSTANTS:
        with pytest.raises(TypeError, match="there is one UNBOUND"):
            type(constant)()


# ---- life --------------------------------------------------------------------


def test_an_item_keeps_a_queue_alive():
    outer, inner = queues.create(), queues.create()
    inner.put("inside")
    inner_id = inner.id
    outer.put([inner])
    del inner
    assert inner_id in alive()
    assert outer.get()[0].get() == "inside"
    assert inner_id not in alive()


def test_an_interpreter_keeps_a_queue_alive(interp):
    q = queues.create()
    q_id = q.id
    interp.prepare_main(q=q)
    del q
    assert q_id in alive()
    interp.exec("del q; import gc; gc.collect()")
    assert q_id not in alive()


def test_what_an_ended_interpreter_has_put_keeps_nothing_alive():
    q, inner = queues.create(), queues.create()
    inner_id = inner.id
    with interpreters.create() as interp:
        interp.call(lambda q, inner: q.put([inner]), q, inner)
        del inner
        assert inner_id in alive()
    assert inner_id not in alive()
    assert q.get() is UNBOUND


def test_a_queue_may_hold_itself():
    q = queues.create()
    q.put(q)
    assert q.get() is q


def test_queues_come_and_go_while_others_look(in_threads):
    def make():
        for n in range(300):
            q = queues.create()
            q.put(n)
            assert queues.Queue(q.id) is q

    def look():
        for _ in range(300):
            for q in queues.list_all():
                assert q.qsize() <= 1

    with coterie.Executor(2) as pool:
        before = alive()
        elsewhere = [pool.submit(make), pool.submit(look)]
        in_threads(lambda function: function(), [(make,), (look,)])
        for future in elsewhere:
            future.result()
    assert alive() <= before


# ---- an interpreter ends -----------------------------------------------------


def test_items_of_other_interpreters_stay():
    q = queues.create(unbounditems=UNBOUND_REMOVE)
    with interpreters.create() as stays:
        with interpreters.create() as ends:
            for n in range(40):
                (stays if n % 4 == 0 else ends).call(q.put, n)
        assert take(q, 10) == list(range(0, 40, 4))
        stays.call(q.put, "more")
    assert q.empty()


def test_an_item_that_was_taken_stays():
    q = queues.create(unbounditems=UNBOUND_REMOVE)
    with interpreters.create() as interp:
        interp.call(q.put, ["taken"])
        got = q.get()
    assert got == ["taken"]


def test_items_put_while_the_interpreter_ends():
    q = queues.create()
    with interpreters.create() as interp:
        interp.prepare_main(q=q)
        interp.exec("""
            class PutsLast:
                def __del__(self, q=q):
                    q.put("last words")
            last = PutsLast()
            import atexit
            atexit.register(q.put, "at exit")
            """)
    assert take(q, 2) == [UNBOUND] * 2


def test_queues_of_coterie_are_not_concerned():
    q = coterie.Queue()
    with interpreters.create() as interp:
        interp.call(q.put, ["outlives", "it"])
    assert q.get() == ["outlives", "it"]


def test_interpreters_end_while_others_put_and_get(in_threads):
    q = queues.create(unbounditems=UNBOUND_REMOVE)
    lives = 8

    def live_and_put():
        for n in range(lives):
            with interpreters.create() as interp:
                interp.call(lambda: [q.put(-1) for _ in range(20)])
                q.put(n)
        q.put(None)

    def consume():
        return list(iter(q.get, None))

    _, _, *got = in_threads(
        lambda function: function(), [(live_and_put,)] * 2 + [(consume,)] * 2
    )
    kept = [n for n in itertools.chain.from_iterable(got) if n != -1]
    assert sorted(kept) == sorted([*range(lives)] * 2)
    assert q.empty()


# ---- waiting -----------------------------------------------------------------


def test_a_timeout_is_taken_as_it_is():
    # The standard library's makes an int of it: 0.
    q = queues.create(1)
    began = time.monotonic()
    with pytest.raises(queues.QueueEmpty):
        q.get(timeout=0.05)
    assert time.monotonic() - began >= 0.05
    q.put(1)
    began = time.monotonic()
    with pytest.raises(queues.QueueFull):
        q.put(2, timeout=0.05)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("timeout", [-0.001, float("nan"), float("-inf")])
def test_wrong_timeouts(timeout):
    with pytest.raises(ValueError, match="^timeout value must be non-negative$"):
        queues.create().get(timeout=timeout)
    with pytest.raises(TypeError):
        queues.create().get(timeout="1")


def test_a_timeout_may_be_longer_than_any_clock():
    q = queues.create()
    q.put("there", timeout=float("inf"))
    assert q.get(timeout=1e300) == "there"


def test_threads_and_interpreters_share_a_queue(interp, in_threads):
    q, answer = queues.create(2), queues.create()

    def serve(q, answer):
        for n in iter(q.get, None):
            answer.put(n + 1)

    served = interp.call_in_thread(serve, q, answer)
    with coterie.Executor(1) as pool:
        fed = pool.submit(lambda: [q.put(n) for n in range(200)])
        got = in_threads(take, [(answer, 50)] * 4)
        fed.result()
    q.put(None)
    served.result()
    assert sorted(itertools.chain.from_iterable(got)) == list(range(1, 201))


@pytest.mark.parametrize("gil", ["own", "shared"])
def test_an_interrupt_ends_a_wait(gil):
    q, sign = queues.create(), queues.create()

    def wait():
        sign.put("waiting")
        try:
            q.get()
        except KeyboardInterrupt:
            return "interrupted"

    with interpreters.create(gil=gil) as interp:
        thread = interp.call_in_thread(wait)
        assert sign.get() == "waiting"
        assert interp.interrupt()
        assert thread.result() == "interrupted"
        q.put("still works")
        assert interp.call(q.get) == "still works"


def test_ctrl_c_ends_a_wait(run_script):
    ended = run_script("""
        import _thread, threading
        from coterie.interpreters import queues
        q = queues.create()
        timer = threading.Timer(0.1, _thread.interrupt_main)
        timer.start()
        try:
            q.get()
        except KeyboardInterrupt:
            print("interrupted")
        """)
    assert (ended.rc, ended.stdout) == (0, "interrupted\n"), ended.stderr


# ---- syncobj -----------------------------------------------------------------


def test_syncobj_refuses_what_would_be_pickled():
    strict, free = queues.create(syncobj=True), queues.create()
    pickled = ValueError("text")
    for put in (
        lambda: strict.put(pickled),
        lambda: strict.put_nowait([pickled]),
        lambda: free.put(pickled, syncobj=True),
        lambda: free.put_nowait(pickled, syncobj=True),
    ):
        with pytest.raises(coterie.NotShareableError, match="syncobj"):
            put()
    assert strict.empty()
    assert free.empty()
    strict.put(pickled, syncobj=False)
    free.put(pickled)
    free.put(pickled, syncobj=None)
    assert [repr(q.get()) for q in (strict, free, free)] == [repr(pickled)] * 3


def test_syncobj_goes_with_the_queue():
    q = queues.create(syncobj=True)
    with coterie.Executor(1) as pool:
        with pytest.raises(coterie.NotShareableError, match="syncobj"):
            pool.submit(q.put, ValueError("text")).result()
        pool.submit(q.put, ("a", [1], q)).result()
        assert q.get() == ("a", [1], q)
