"""coterie.interpreters.queues against its promise: concurrent.interpreters.

What holds for both is tried on both, where the standard library has it (3.14 and
newer).  What ends an interpreter is tried with each kind of interpreter of ours.
"""

import copy
import gc
import inspect
import pickle
import queue
from contextlib import contextmanager

import pytest

import coterie
from coterie import interpreters
from coterie.interpreters import queues

pytestmark = pytest.mark.timeout(60)  # what waits, waits for ever if it fails

MODULES = {"coterie": queues}
try:
    from concurrent import interpreters as stdlib
    from concurrent.interpreters import _queues as stdlib_queues
except ImportError:
    pass
else:
    MODULES["stdlib"] = stdlib_queues

on_both = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)


def across(*peers):
    """For each peer, with our queues and, where they work, with the stdlib's."""
    sides = [
        (name, peer)
        for name in MODULES
        for peer in peers
        if (name, peer) != ("stdlib", "other-interpreter")
    ]
    return pytest.mark.parametrize(
        ("module", "peer"),
        [(MODULES[name], peer) for name, peer in sides],
        indirect=["peer"],
        ids=[f"{name}-{peer}" for name, peer in sides],
    )


by_any_peer = across("same-thread", "other-thread", "other-interpreter")
while_peer_waits = across("other-thread", "other-interpreter")


def put(q, *items):
    for item in items:
        q.put(item)


def take(q, count):
    return [q.get() for _ in range(count)]


def outcome(function, *args):
    """What a call gives: its result, or what its exception tells."""
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__, str(error)


# ---- making and finding ------------------------------------------------------


@on_both
def test_create(module):
    q = module.create()
    assert type(q) is module.Queue
    assert (q.maxsize, q.unbounditems) == (0, module.UNBOUND)
    assert module.create(3).maxsize == 3
    assert module.create(maxsize=5).maxsize == 5
    assert module.create(-1).maxsize <= 0


@on_both
def test_ids_are_small_and_grow(module):
    first, second = module.create(), module.create()
    assert type(first.id) is int
    assert 0 < first.id < second.id < 100_000
    assert repr(first) == str(first) == f"Queue({first.id})"
    with pytest.raises(AttributeError):
        first.id = 7


@on_both
def test_one_object_for_one_id(module):
    q = module.create()
    assert module.Queue(q.id) is q
    assert copy.copy(q) is q
    assert copy.deepcopy(q) is q
    assert pickle.loads(pickle.dumps(q)) is q


@on_both
def test_equality_and_hash(module):
    q, other = module.create(), module.create()
    assert q == module.Queue(q.id)
    assert q != other
    assert q != q.id
    assert hash(q) == hash(q.id)
    assert {q: "found"}[module.Queue(q.id)] == "found"
    with pytest.raises(TypeError):
        _ = q < other


@on_both
def test_list_all(module):
    before = set(module.list_all())
    created = {module.create() for _ in range(100)}
    after = module.list_all()
    assert set(after) == before | created
    assert len(after) == len(set(after))
    del created, after
    gc.collect()
    assert set(module.list_all()) == before


@on_both
def test_a_queue_that_nobody_holds_is_gone(module):
    q = module.create()
    q.put("inside")
    q_id = q.id
    del q
    gc.collect()
    assert q_id not in {each.id for each in module.list_all()}
    with pytest.raises(module.QueueNotFoundError, match=f"^queue {q_id} not found$"):
        module.Queue(q_id)


IDS = [10**9, 2**63 - 1, "1", 1.0, None, b"1"]


@pytest.mark.parametrize("wrong", IDS)
def test_wrong_ids(wrong):
    answers = [outcome(module.Queue, wrong) for module in MODULES.values()]
    assert answers[0][0] in {"QueueNotFoundError", "TypeError"}
    assert answers == answers[:1] * len(answers)


# The stdlib also complains of its half-made object, when that is freed.
@pytest.mark.parametrize("wrong", [-1, -(2**70), 2**63], ids=repr)
def test_ids_out_of_range(wrong):
    with pytest.raises((ValueError, OverflowError), match=f"queue ID.*, got {wrong}$"):
        queues.Queue(wrong)


def test_an_id_may_be_of_any_int_type():
    class Number(int):
        pass

    q = queues.create()
    assert queues.Queue(Number(q.id)) is q


@pytest.mark.parametrize("maxsize", ["3", 1.5, None, 2**70], ids=repr)
def test_wrong_maxsizes(maxsize):
    answers = [outcome(module.create, maxsize) for module in MODULES.values()]
    assert answers[0][0] in {"TypeError", "OverflowError"}
    assert {name for name, _ in answers} == {answers[0][0]}


@pytest.mark.skipif("stdlib" not in MODULES, reason="3.14 and newer have it")
@pytest.mark.parametrize(
    "name", ["put", "put_nowait", "get", "get_nowait", "qsize", "empty", "full"]
)
def test_signatures(name):
    ours = inspect.signature(getattr(queues.Queue, name)).parameters
    theirs = inspect.signature(getattr(MODULES["stdlib"].Queue, name)).parameters
    public = [parameter for parameter in theirs if not parameter.startswith("_")]
    assert list(ours)[: len(public)] == public
    for parameter in public[1:]:  # not self
        assert ours[parameter].kind == theirs[parameter].kind
        assert ours[parameter].default == theirs[parameter].default
    extra = [ours[parameter] for parameter in list(ours)[len(public) :]]
    assert all(parameter.kind == parameter.KEYWORD_ONLY for parameter in extra)


@pytest.mark.skipif("stdlib" not in MODULES, reason="3.14 and newer have it")
def test_names():
    assert set(MODULES["stdlib"].__all__) == set(queues.__all__)


@on_both
def test_exceptions(module):
    assert issubclass(module.QueueError, RuntimeError)
    for name, base in [
        ("QueueNotFoundError", RuntimeError),
        ("QueueEmpty", queue.Empty),
        ("QueueFull", queue.Full),
        ("ItemInterpreterDestroyed", Exception),
    ]:
        assert issubclass(getattr(module, name), module.QueueError)
        assert issubclass(getattr(module, name), base)


# ---- items -------------------------------------------------------------------


@by_any_peer
def test_items_come_in_order(module, peer):
    q = module.create()
    peer(put, q, *range(100))
    assert take(q, 100) == list(range(100))
    put(q, *range(100))
    assert peer(take, q, 100) == list(range(100))


ITEMS = [
    None,
    True,
    2**200,
    -1.5,
    "ünïcödé",
    b"\0bytes",
    (1, ("nested", None)),
    [1, [2, (3, {4: {5}})]],
    {"a": frozenset({1, 2}), None: ()},
    range(3),
    ValueError("text", 3),
]


@by_any_peer
@pytest.mark.parametrize("item", ITEMS, ids=ascii)
def test_any_item_arrives_equal(module, peer, item):
    q = module.create()
    peer(q.put, item)
    got = q.get()
    assert type(got) is type(item)
    assert repr(got) == repr(item)


@on_both
def test_an_item_is_a_copy(module):
    q = module.create()
    item = [1]
    q.put(item)
    item.append(2)
    assert q.get() == [1]


@by_any_peer
def test_a_queue_in_a_queue_is_the_same_queue(module, peer):
    outer, inner = module.create(), module.create()
    peer(outer.put, inner)
    assert outer.get() is inner


@on_both
def test_what_cannot_be_sent(module):
    q = module.create()
    with pytest.raises(TypeError) as raised:
        q.put(item for item in ())
    assert type(raised.value).__name__ == "NotShareableError"
    assert q.empty()


@by_any_peer
def test_sizes(module, peer):
    q = module.create(2)
    assert (q.qsize(), q.empty(), q.full()) == (0, True, False)
    peer(q.put, 1)
    assert (q.qsize(), q.empty(), q.full()) == (1, False, False)
    peer(q.put, 2)
    assert (q.qsize(), q.empty(), q.full()) == (2, False, True)
    assert peer(q.qsize) == 2
    assert peer(q.full)


# ---- not waiting, and waiting ------------------------------------------------

GETS = {
    "get_nowait": lambda q: q.get_nowait(),
    "block-false": lambda q: q.get(False),
    "block-by-name": lambda q: q.get(block=False),
    "block-false-ignores-timeout": lambda q: q.get(False, -5),
    "timeout-zero": lambda q: q.get(timeout=0),
    "timeout-float": lambda q: q.get(timeout=0.01),
    "timeout-by-position": lambda q: q.get(True, 0),
}
PUTS = {
    "put_nowait": lambda q: q.put_nowait(1),
    "put_nowait-by-name": lambda q: q.put_nowait(obj=1),
    "block-false": lambda q: q.put(1, False),
    "block-by-name": lambda q: q.put(obj=1, block=False),
    "block-false-ignores-timeout": lambda q: q.put(1, False, -5),
    "timeout-zero": lambda q: q.put(1, timeout=0),
    "timeout-float": lambda q: q.put(1, timeout=0.01),
    "timeout-by-position": lambda q: q.put(1, True, 0),
}


@by_any_peer
@pytest.mark.parametrize("get", GETS.values(), ids=GETS)
def test_get_from_an_empty_queue(module, peer, get):
    q = module.create()
    with pytest.raises(module.QueueEmpty, match=f"^queue {q.id} is empty$"):
        peer(get, q)
    q.put("there")
    assert peer(get, q) == "there"


@by_any_peer
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_put_into_a_full_queue(module, peer, put):
    q = module.create(1)
    peer(put, q)
    with pytest.raises(module.QueueFull, match=f"^queue {q.id} is full$"):
        peer(put, q)
    assert take(q, 1) == [1]
    assert q.empty()


WRONG_CALLS = {
    "get-negative-timeout": lambda q: q.get(timeout=-1),
    "put-negative-timeout": lambda q: q.put(1, timeout=-1),
    "unbounditems-number": lambda q: q.put(1, unbounditems=3),
    "unbounditems-nowait": lambda q: q.put_nowait(1, unbounditems="UNBOUND"),
    "create-unbounditems": lambda q: queues.create(unbounditems=None),
}


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls_say_what_the_stdlib_says(call):
    answers = [outcome(call, module.create()) for module in MODULES.values()]
    assert answers[0] in [
        ("ValueError", "timeout value must be non-negative"),
        ("NotImplementedError", "unsupported unbound replacement op 3"),
        ("NotImplementedError", "unsupported unbound replacement op 'UNBOUND'"),
        ("NotImplementedError", "unsupported unbound replacement op None"),
    ]
    assert answers == answers[:1] * len(answers)


REFUSED_CALLS = {
    "get-three-arguments": lambda q: q.get(True, 1, 2),
    "get-unknown-name": lambda q: q.get(when=1),
    "get-twice-the-same": lambda q: q.get(True, block=True),
    "put-nothing": lambda q: q.put(),
    "put-four-arguments": lambda q: q.put(1, True, 1, queues.UNBOUND),
    "put-unknown-name": lambda q: q.put(1, when=1),
    "put_nowait-two-arguments": lambda q: q.put_nowait(1, True),
    "create-two-arguments": lambda q: queues.create(1, queues.UNBOUND),
    "queue-without-id": lambda q: type(q)(),
    "queue-id-by-name": lambda q: type(q)(id=1),
}


@on_both
@pytest.mark.parametrize("call", REFUSED_CALLS.values(), ids=REFUSED_CALLS)
def test_refused_calls(module, call):
    q = module.create()
    with pytest.raises(TypeError):
        call(q)
    assert q.empty()


@while_peer_waits
@pytest.mark.parametrize("timeout", [None, 1e6], ids=["for-ever", "for-a-time"])
def test_get_waits_for_an_item(module, peer, timeout):
    ask, answer = module.create(), module.create()

    def serve():
        answer.put("waiting")
        return ask.get(timeout=timeout)

    got = peer.start(serve)
    assert answer.get() == "waiting"
    ask.put("item")
    assert got.result() == "item"


@while_peer_waits
@pytest.mark.parametrize("timeout", [None, 1e6], ids=["for-ever", "for-a-time"])
def test_put_waits_for_room(module, peer, timeout):
    q, sign = module.create(1), module.create()
    q.put("first")

    def fill():
        sign.put("waiting")
        q.put("second", timeout=timeout)

    done = peer.start(fill)
    assert sign.get() == "waiting"
    assert q.get() == "first"
    done.result()
    assert q.get() == "second"


# ---- an interpreter ends -----------------------------------------------------


@contextmanager
def worker_of_a_pool():
    with coterie.Executor(1) as pool:
        yield lambda code, **names: pool.submit(exec, code, names).result()


@contextmanager
def interpreter_of(make):
    interpreter = make()

    def run(code, **names):
        if names:
            interpreter.prepare_main(names)
        interpreter.exec(code)

    try:
        yield run
    finally:
        interpreter.close()


@contextmanager
def interpreter_of_theirs():
    """With queues of ours, which it finds by their ids."""
    with interpreter_of(stdlib.create) as run_there:

        def run(code, **names):
            run_there("from coterie.interpreters.queues import Queue")
            for name, q in names.items():
                run_there(f"{name} = Queue({q.id})")
            run_there(code)

        yield run


MORTALS = {
    "coterie-worker": (queues, worker_of_a_pool),
    "coterie-own-gil": (queues, lambda: interpreter_of(interpreters.create)),
    "coterie-shared-gil": (
        queues,
        lambda: interpreter_of(lambda: interpreters.create(gil="shared")),
    ),
}
if "stdlib" in MODULES:
    MORTALS["stdlib"] = stdlib_queues, lambda: interpreter_of(stdlib.create)
    MORTALS["coterie-in-stdlib"] = queues, interpreter_of_theirs


def mortals(*but):
    """For each kind: its queues, and what gives `run(code, **names)` there."""
    return pytest.mark.parametrize(
        ("module", "mortal"),
        [pair for name, pair in MORTALS.items() if name not in but],
        ids=[name for name in MORTALS if name not in but],
    )


@mortals()
def test_its_items_are_replaced(module, mortal):
    q = module.create()
    with mortal() as run:
        run("q.put(1); q.put(2)", q=q)
        q.put("ours")
        run("q.put(3)", q=q)
        assert q.qsize() == 4
    assert q.qsize() == 4
    assert take(q, 4) == [module.UNBOUND, module.UNBOUND, "ours", module.UNBOUND]
    q.put("later")
    assert take(q, 1) == ["later"]


@mortals()
def test_its_items_raise_once(module, mortal):
    q = module.create(unbounditems=module.UNBOUND_ERROR)
    with mortal() as run:
        run("q.put(1)", q=q)
        q.put("ours")
        run("q.put(2)", q=q)
    message = "^item's original interpreter destroyed$"
    assert q.qsize() == 3
    with pytest.raises(module.ItemInterpreterDestroyed, match=message):
        q.get()
    assert q.get_nowait() == "ours"
    with pytest.raises(module.ItemInterpreterDestroyed, match=message):
        q.get(timeout=5)
    q.put("later")
    assert q.get() == "later"
    assert q.empty()


@mortals()
def test_its_items_are_removed(module, mortal):
    q = module.create(unbounditems=module.UNBOUND_REMOVE)
    with mortal() as run:
        run("q.put(1)", q=q)
        q.put("ours")
        run("q.put(2)", q=q)
        q.put("last")
        assert q.qsize() == 4
    assert q.qsize() == 2
    q.put("later")
    assert take(q, 3) == ["ours", "last", "later"]


@mortals("stdlib")  # gh-146427: it loses what is put later
def test_nothing_is_lost_after_the_last_item_was_removed(module, mortal):
    q = module.create(unbounditems=module.UNBOUND_REMOVE)
    with mortal() as run:
        q.put("ours")
        run("q.put(1)", q=q)
    put(q, "later", "last")
    assert take(q, 3) == ["ours", "later", "last"]
    with mortal() as run:
        run("q.put(1)", q=q)
    assert q.empty()
    put(q, "again")
    assert take(q, 1) == ["again"]


@mortals()
def test_each_put_may_say_otherwise(module, mortal):
    q = module.create(unbounditems=module.UNBOUND_ERROR)
    code = f"""
from {module.__name__} import UNBOUND, UNBOUND_REMOVE
q.put(1, unbounditems=UNBOUND)
q.put(2, unbounditems=UNBOUND_REMOVE)
q.put_nowait(3, unbounditems=UNBOUND_REMOVE)
q.put_nowait(4, unbounditems=UNBOUND)
q.put(5)
q.put(6, unbounditems=None)
q.put(7, unbounditems=UNBOUND)
"""
    with mortal() as run:
        run(code, q=q)
    assert q.qsize() == 5
    assert take(q, 2) == [module.UNBOUND] * 2
    for _ in range(2):
        with pytest.raises(module.ItemInterpreterDestroyed):
            q.get()
    assert take(q, 1) == [module.UNBOUND]


@pytest.mark.parametrize("peer", ["other-thread"], indirect=True)
@mortals()
def test_removed_items_make_room_for_who_waits(module, mortal, peer):
    q, sign = module.create(1), module.create()

    def fill():
        sign.put("waiting")
        q.put("in time")

    with mortal() as run:
        code = f"""
from {module.__name__} import UNBOUND_REMOVE
q.put(1, unbounditems=UNBOUND_REMOVE)
"""
        run(code, q=q)
        filled = peer.start(fill)
        assert sign.get() == "waiting"
    filled.result()
    assert take(q, 1) == ["in time"]


MAKE = """
import sys
from {} import create
sys.kept = create(7)
sys.kept.put("inside")
q.put(sys.kept.id)
"""


@mortals()
def test_a_queue_outlives_who_made_it(module, mortal):
    q = module.create()
    with mortal() as run:
        run(MAKE.format(module.__name__), q=q)
        made = module.Queue(q.get())
    assert (made.maxsize, made.get()) == (7, module.UNBOUND)


@mortals("stdlib")  # it forgets to let go of what sys holds at the end
def test_a_queue_that_only_it_held_is_gone(module, mortal):
    q = module.create()
    with mortal() as run:
        run(MAKE.format(module.__name__), q=q)
        made_id = q.get()
        assert made_id in {each.id for each in module.list_all()}
        gc.collect()
    with pytest.raises(module.QueueNotFoundError):
        module.Queue(made_id)


@on_both
def test_unbounditems_can_be_read(module):
    for op in (module.UNBOUND, module.UNBOUND_ERROR, module.UNBOUND_REMOVE):
        assert module.create(unbounditems=op).unbounditems is op


@on_both
def test_unbound_is_one(module):
    assert repr(module.UNBOUND) == f"{module.__name__}.UNBOUND"
    with pytest.raises(Exception, match="UNBOUND"):
        type(module.UNBOUND)()
