#include "types/barrier_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/lock_type.h"
#include "types/shared.h"
#include "types/waitable.h"

#include <math.h>

typedef struct {
    SharedObject shared;
    PyObject *action;  // owned: this interpreter's, or NULL: not yet here
} BarrierObject;

#define BarrierObject_CAST(op) ((BarrierObject *)(op))

static cot_barrier *
barrier_of(PyObject *op)
{
    return cot_barrier_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

// The action travels with the barrier, as it is now: *payload, NULL for None.
static int
encode_action(module_state *state, PyObject *action, cot_payload **payload)
{
    *payload = NULL;
    if (action == Py_None) {
        return 0;
    }
    if (!PyCallable_Check(action)) {
        PyErr_Format(PyExc_TypeError,
                     "action must be None or callable, not %.200s",
                     Py_TYPE(action)->tp_name);
        return -1;
    }
    *payload = cot_encode(&state->codec, action);
    if (*payload == NULL) {
        raise_not_shareable(state, "action not shareable");
        return -1;
    }
    return 0;
}

static PyObject *
create(PyTypeObject *type, Py_ssize_t parties, PyObject *action,
       double timeout)
{
    cot_payload *payload;
    module_state *state = state_of_type(type);
    if (state == NULL || encode_action(state, action, &payload) < 0) {
        return NULL;
    }
    cot_barrier *barrier = cot_barrier_create((size_t)parties, payload,
                                              timeout);
    if (barrier == NULL) {
        cot_payload_destroy(payload);
        return PyErr_NoMemory();
    }
    PyObject *op = shared_adopt(state, type, cot_barrier_object(barrier));
    if (op != NULL && action != Py_None) {
        BarrierObject_CAST(op)->action = Py_NewRef(action);
    }
    return op;
}

static PyObject *
barrier_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"parties", "action", "timeout", NULL};
    Py_ssize_t parties;
    PyObject *action = Py_None;
    PyObject *timeout = Py_None;
    int64_t deadline_ns;  // to see whether the timeout is one
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|OO:Barrier", keywords,
                                     &parties, &action, &timeout)
        || deadline_from_timeout(timeout, true, &deadline_ns) < 0) {
        return NULL;
    }
    if (parties < 1) {
        PyErr_SetString(PyExc_ValueError, "parties must be >= 1");
        return NULL;
    }
    double seconds = timeout == Py_None ? INFINITY : PyFloat_AsDouble(timeout);
    if (seconds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return create(type, parties, action, seconds);
}

static int
barrier_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(BarrierObject_CAST(op)->action);
    return shared_traverse(op, visit, arg);
}

static int
barrier_clear(PyObject *op)
{
    Py_CLEAR(BarrierObject_CAST(op)->action);
    return 0;
}

static void
barrier_dealloc(PyObject *op)
{
    PyObject *action = BarrierObject_CAST(op)->action;
    BarrierObject_CAST(op)->action = NULL;
    shared_dealloc(op);
    Py_XDECREF(action);
}

static PyObject *
barrier_repr(PyObject *op)
{
    const cot_barrier *barrier = barrier_of(op);
    if (cot_barrier_is_broken(barrier)) {
        return PyUnicode_FromFormat("<coterie.sync.Barrier at %p: broken>",
                                    op);
    }
    return PyUnicode_FromFormat(
        "<coterie.sync.Barrier at %p: waiters=%zu/%zu>", op,
        cot_barrier_len(barrier), cot_barrier_parties(barrier));
}

// ---- wait ----------------------------------------------------------------

typedef struct {
    cot_barrier *barrier;
    cot_barrier_wait wait;
    cot_barrier_outcome outcome;
} barrier_wait_arg;

static bool
can_go_on(void *arg)
{
    barrier_wait_arg *own = arg;
    return cot_barrier_can_go_on(own->barrier, &own->wait);
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    barrier_wait_arg *own = arg;
    return cot_barrier_wait_on(own->barrier, &own->wait, parker, deadline_ns,
                               &own->outcome);
}

static cot_object *
object_of(void *arg)
{
    return cot_barrier_object(((barrier_wait_arg *)arg)->barrier);
}

static const blocking_op wait_op = {
    can_go_on,
    attempt_wait,
    "wait",
    object_of,
};

// Waits until the outcome is known; -1 with an exception set.
static int
wait_until(module_state *state, barrier_wait_arg *own, int64_t deadline_ns)
{
    cot_status status;
    if (cot_block(state, &wait_op, own, deadline_ns, &status) < 0) {
        return -1;
    }
    if (status == COT_TIMED_OUT
        && !cot_barrier_is_late(own->barrier, &own->wait)) {
        own->outcome = COT_BARRIER_BROKEN;
        return 0;
    }
    if (status == COT_TIMED_OUT
        && cot_block(state, &wait_op, own, COT_NEVER, &status) < 0) {
        return -1;
    }
    if (status != COT_OK) {
        raise_status(state, status);
        return -1;
    }
    return 0;
}

// The action, in this interpreter: a new reference.
static PyObject *
receive_action(PyObject *op)
{
    BarrierObject *self = BarrierObject_CAST(op);
    if (self->action == NULL) {
        PyObject *action = cot_decode(&state_of(op)->codec,
                                      cot_barrier_action(barrier_of(op)));
        if (action == NULL) {
            return NULL;
        }
        Py_XSETREF(self->action, action);
    }
    return Py_NewRef(self->action);
}

// What the last comer does before he lets the others go.
static int
act(PyObject *op)
{
    if (cot_barrier_action(barrier_of(op)) == NULL) {
        return 0;
    }
    PyObject *action = receive_action(op);
    PyObject *result = action ? PyObject_CallNoArgs(action) : NULL;
    Py_XDECREF(action);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

// Once the outcome is known; -1 with an exception set.
static int
pass(PyObject *op, barrier_wait_arg *own)
{
    bool passes = own->outcome == COT_BARRIER_PASSED;
    if (own->outcome == COT_BARRIER_LAST) {
        bool is_done = act(op) == 0;
        passes = cot_barrier_release(own->barrier, &own->wait, is_done);
        if (!is_done) {
            return -1;
        }
    }
    if (!passes) {
        raise_lazy(state_of(op), LAZY_BROKEN_BARRIER, NULL);
        return -1;
    }
    return 0;
}

// A new reference: the barrier's own for who gives none.
static PyObject *
timeout_or_usual(PyObject *op, PyObject *timeout)
{
    double usual = cot_barrier_timeout(barrier_of(op));
    if (timeout != NULL && timeout != Py_None) {
        return Py_NewRef(timeout);
    }
    return usual == INFINITY ? Py_NewRef(Py_None)
                             : PyFloat_FromDouble(usual > 0 ? usual : 0);
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Wait until all parties have come: a number from 0 to parties - 1,\n"
    "another one for each of them.\n\n"
    "Who comes last runs the action.  Raises BrokenBarrierError if the\n"
    "barrier is broken or reset, and breaks it when time (seconds) is up,\n"
    "by default that of the barrier.");

static PyObject *
barrier_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    static const signature wait = {"wait", 0, 1, {"timeout"}};
    PyObject *values[1];
    int64_t deadline_ns;
    barrier_wait_arg own = {.barrier = barrier_of(op)};
    if (parse_arguments(&wait, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    PyObject *timeout = timeout_or_usual(op, values[0]);
    if (timeout == NULL) {
        return NULL;
    }
    int failed = deadline_from_timeout(timeout, true, &deadline_ns);
    Py_DECREF(timeout);
    if (failed) {
        return NULL;
    }
    failed = wait_until(state_of(op), &own, deadline_ns) < 0
             || pass(op, &own) < 0;
    cot_barrier_end(own.barrier, &own.wait);
    return failed ? NULL : PyLong_FromSize_t(own.wait.idx);
}

// ---- without a thread ----------------------------------------------------

static int
begin_wait(turn *own, PyObject *value)
{
    (void)value;
    TURN_ROOM(own, barrier_wait_arg)->barrier = barrier_of(own->target);
    return 0;
}

// While the last comer is at it nobody gives up.
static bool
is_late(turn *own)
{
    barrier_wait_arg *room = TURN_ROOM(own, barrier_wait_arg);
    return cot_barrier_is_late(room->barrier, &room->wait);
}

static void
drop_wait(turn *own)
{
    barrier_wait_arg *room = TURN_ROOM(own, barrier_wait_arg);
    cot_barrier_end(room->barrier, &room->wait);
}

static PyObject *
finish_wait(turn *own, cot_status status)
{
    barrier_wait_arg *room = TURN_ROOM(own, barrier_wait_arg);
    int failed = 0;
    if (status != COT_OK && status != COT_TIMED_OUT) {
        raise_status(own->state, status);
        failed = -1;
    }
    else {
        if (status == COT_TIMED_OUT) {
            room->outcome = COT_BARRIER_BROKEN;
        }
        failed = pass(own->target, room);
    }
    drop_wait(own);
    return failed ? NULL : PyLong_FromSize_t(room->wait.idx);
}

const waitable waitable_barrier_wait = {
    .name = "wait",
    .op = &wait_op,
    .begin = begin_wait,
    .finish = finish_wait,
    .drop = drop_wait,
    .is_late = is_late,
};

PyDoc_STRVAR(await_doc,
             "await_($self, /, timeout=None)\n--\n\n"
             "wait() for a task of an event loop.\n\n"
             "A task that is cancelled meanwhile breaks the barrier.");

static PyObject *
barrier_await(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    static const signature await = {"await_", 0, 1, {"timeout"}};
    PyObject *values[1];
    if (parse_arguments(&await, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    PyObject *timeout = timeout_or_usual(op, values[0]);
    PyObject *coroutine = timeout ? await_operation(op, "wait", NULL, timeout)
                                  : NULL;
    Py_XDECREF(timeout);
    return coroutine;
}

// ---- all of them ---------------------------------------------------------

PyDoc_STRVAR(reset_doc,
             "reset($self, /)\n--\n\n"
             "Make the barrier like new; who waits gets BrokenBarrierError.");

static PyObject *
barrier_reset(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_barrier_reset(barrier_of(op));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(abort_doc,
             "abort($self, /)\n--\n\n"
             "Break the barrier: who waits, and who comes until it is reset,\n"
             "gets BrokenBarrierError.");

static PyObject *
barrier_abort(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_barrier_abort(barrier_of(op));
    Py_RETURN_NONE;
}

static PyObject *
barrier_get_parties(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_barrier_parties(barrier_of(op)));
}

static PyObject *
barrier_get_n_waiting(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_barrier_len(barrier_of(op)));
}

static PyObject *
barrier_get_broken(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(cot_barrier_is_broken(barrier_of(op)));
}

static PyGetSetDef barrier_getset[] = {
    {"parties", barrier_get_parties, NULL, PyDoc_STR("How many have to come."),
     NULL},
    {"n_waiting", barrier_get_n_waiting, NULL,
     PyDoc_STR("How many wait at this moment."), NULL},
    {"broken", barrier_get_broken, NULL,
     PyDoc_STR("Whether the barrier is broken."), NULL},
    {NULL},
};

static PyMethodDef barrier_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))barrier_wait,
     METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"reset", barrier_reset, METH_NOARGS, reset_doc},
    {"abort", barrier_abort, METH_NOARGS, abort_doc},
    {"await_", (PyCFunction)(void (*)(void))barrier_await,
     METH_FASTCALL | METH_KEYWORDS, await_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    barrier_doc,
    "Barrier(parties, action=None, timeout=None)\n--\n\n"
    "Where threads of any interpreters wait until all have come.\n\n"
    "The interface and the rules are those of threading.Barrier.  It can be\n"
    "sent, and the action with it, as it is now; on the other side it is\n"
    "the same barrier.  A wait that is interrupted breaks it.");

static PyType_Slot barrier_slots[] = {
    {Py_tp_doc, (void *)barrier_doc},
    {Py_tp_new, barrier_new},
    {Py_tp_traverse, barrier_traverse},
    {Py_tp_clear, barrier_clear},
    {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_repr, barrier_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, barrier_methods},
    {Py_tp_getset, barrier_getset},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_barrier_spec = {
    .name = "coterie.sync.Barrier",
    .basicsize = sizeof(BarrierObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = barrier_slots,
};
