#include "types/rwlock_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/lock_type.h"
#include "types/shared.h"
#include "types/waitable.h"

static cot_rwlock *
rwlock_of(PyObject *op)
{
    return cot_rwlock_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// Who writes, if it is this thread or the task that runs on it now; else the
// thread.
static cot_owner
owner_of(PyObject *op)
{
    const cot_rwlock *lock = rwlock_of(op);
    cot_owner here = owner_here(state_of(op));
    if (!state_of(op)->has_actors || cot_rwlock_is_written_by(lock, here)) {
        return here;
    }
    cot_owner task = {here.home, actor_of_task(state_of(op))};
    return cot_rwlock_is_written_by(lock, task) ? task : here;
}

// ---- life ----------------------------------------------------------------

static PyObject *
rwlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, ":RWLock", keywords)) {
        return NULL;
    }
    cot_rwlock *lock = cot_rwlock_create();
    return lock ? shared_adopt(state, type, cot_rwlock_object(lock))
                : PyErr_NoMemory();
}

static PyObject *
rwlock_repr(PyObject *op)
{
    const cot_rwlock *lock = rwlock_of(op);
    if (cot_rwlock_is_written(lock)) {
        return PyUnicode_FromFormat("<coterie.sync.RWLock at %p: writer>", op);
    }
    return PyUnicode_FromFormat("<coterie.sync.RWLock at %p: readers=%zu>", op,
                                cot_rwlock_readers(lock));
}

// ---- acquire and release -------------------------------------------------

typedef struct {
    cot_rwlock *lock;
    cot_rwlock_wait wait;
    cot_owner owner;
} acquisition;

static bool
can_acquire(void *arg)
{
    acquisition *own = arg;
    return cot_rwlock_can_acquire(own->lock, &own->wait);
}

static cot_status
attempt_acquire(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    acquisition *own = arg;
    return cot_rwlock_acquire(own->lock, &own->wait, own->owner, parker,
                              deadline_ns);
}

static cot_object *
object_of(void *arg)
{
    return cot_rwlock_object(((acquisition *)arg)->lock);
}

static const blocking_op read_op = {
    can_acquire,
    attempt_acquire,
    "acquire_read",
    object_of,
};

static const blocking_op write_op = {
    can_acquire,
    attempt_acquire,
    "acquire_write",
    object_of,
};

// -1 with an exception set.
static int
refuse_own(const cot_rwlock *lock, cot_owner owner)
{
    if (!cot_rwlock_is_written_by(lock, owner)) {
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError,
                 "this %s holds the lock to write: it would wait for itself",
                 cot_owner_is_task(owner) ? "task" : "thread");
    return -1;
}

static PyObject *
answer_acquire(module_state *state, cot_status status)
{
    if (status != COT_OK && status != COT_TIMED_OUT) {
        raise_status(state, status);
        return NULL;
    }
    return PyBool_FromLong(status == COT_OK);
}

static PyObject *
acquire_until(PyObject *op, cot_rwlock_side side, int64_t deadline_ns)
{
    module_state *state = state_of(op);
    acquisition own = {rwlock_of(op), {.side = side}, owner_here(state)};
    cot_status status = attempt_acquire(&own, NULL, COT_NOW);
    if (status == COT_TIMED_OUT && deadline_ns != COT_NOW) {
        if (refuse_own(own.lock, owner_of(op)) < 0) {
            return NULL;
        }
        int failed = cot_block(state, side == COT_READ ? &read_op : &write_op,
                               &own, deadline_ns, &status);
        cot_rwlock_end(own.lock, &own.wait);
        if (failed) {
            return NULL;
        }
    }
    return answer_acquire(state, status);
}

static PyObject *
release(PyObject *op, cot_rwlock_side side)
{
    cot_owner owner = side == COT_READ ? owner_here(state_of(op))
                                       : owner_of(op);
    if (cot_rwlock_release(rwlock_of(op), side, owner) != COT_OK) {
        PyErr_Format(PyExc_RuntimeError, "cannot release un-acquired %s lock",
                     side == COT_READ ? "read" : "write");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    acquire_read_doc,
    "acquire_read($self, /, blocking=True, timeout=-1)\n--\n\n"
    "Acquire the lock together with other readers: whether it is held now.\n\n"
    "Waits while somebody writes, and for one writer who came before.\n"
    "Raises OwnerDied, and does not hold the lock, if the interpreter that\n"
    "held it to write has ended; it is free then.  Raises RuntimeError if\n"
    "this thread would wait for itself.");

static PyObject *
rwlock_acquire_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const signature acquire_read = {
        "acquire_read", 0, 2, {"blocking", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&acquire_read, args, nargs, kwnames, values) < 0
        || deadline_from_blocking(values[0], values[1], &deadline_ns) < 0) {
        return NULL;
    }
    return acquire_until(op, COT_READ, deadline_ns);
}

PyDoc_STRVAR(
    acquire_write_doc,
    "acquire_write($self, /, blocking=True, timeout=-1)\n--\n\n"
    "Acquire the lock alone: whether it is held now.\n\n"
    "Raises what acquire_read() raises.  A thread that reads must let go of\n"
    "that first: this waits for all readers.");

static PyObject *
rwlock_acquire_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static const signature acquire_write = {
        "acquire_write", 0, 2, {"blocking", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&acquire_write, args, nargs, kwnames, values) < 0
        || deadline_from_blocking(values[0], values[1], &deadline_ns) < 0) {
        return NULL;
    }
    return acquire_until(op, COT_WRITE, deadline_ns);
}

PyDoc_STRVAR(release_read_doc,
             "release_read($self, /)\n--\n\n"
             "Let go of one read hold of this interpreter.\n\n"
             "Raises RuntimeError if it has none.");

static PyObject *
rwlock_release_read(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return release(op, COT_READ);
}

PyDoc_STRVAR(release_write_doc,
             "release_write($self, /)\n--\n\n"
             "Let go of the write hold.\n\n"
             "Raises RuntimeError if neither this thread of this interpreter\n"
             "nor the task that runs on it has it.");

static PyObject *
rwlock_release_write(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return release(op, COT_WRITE);
}

// ---- without a thread ----------------------------------------------------

static int
begin_turn(turn *own, PyObject *lock, cot_rwlock_side side)
{
    *TURN_ROOM(own, acquisition) = (acquisition){
        rwlock_of(lock),
        {.side = side},
        own->owner,
    };
    return refuse_own(rwlock_of(lock), own->owner);
}

static int
begin_read(turn *own, PyObject *value)
{
    (void)value;
    return begin_turn(own, own->target, COT_READ);
}

static int
begin_write(turn *own, PyObject *value)
{
    (void)value;
    return begin_turn(own, own->target, COT_WRITE);
}

static void
drop_turn(turn *own)
{
    acquisition *room = TURN_ROOM(own, acquisition);
    cot_rwlock_end(room->lock, &room->wait);
}

static PyObject *
finish_turn(turn *own, cot_status status)
{
    drop_turn(own);
    return answer_acquire(own->state, status);
}

const waitable waitable_rwlock_read = {
    .name = "acquire_read",
    .op = &read_op,
    .begin = begin_read,
    .finish = finish_turn,
    .drop = drop_turn,
};

const waitable waitable_rwlock_write = {
    .name = "acquire_write",
    .op = &write_op,
    .begin = begin_write,
    .finish = finish_turn,
    .drop = drop_turn,
};

static PyObject *
rwlock_await_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const signature expected = {"aacquire_read", 0, 1, {"timeout"}};
    return await_plain(op, &expected, "acquire_read", args, nargs, kwnames);
}

static PyObject *
rwlock_await_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const signature expected = {"aacquire_write", 0, 1, {"timeout"}};
    return await_plain(op, &expected, "acquire_write", args, nargs, kwnames);
}

// ---- context managers ----------------------------------------------------

typedef struct {
    PyObject_HEAD
    PyObject *lock;  // owned
    cot_rwlock_side side;
} HoldObject;

#define HoldObject_CAST(op) ((HoldObject *)(op))

static PyObject *
make_hold(PyObject *op, cot_rwlock_side side)
{
    PyTypeObject *type = state_of(op)->rwlock_hold_type;
    HoldObject *self = (HoldObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->lock = Py_NewRef(op);
        self->side = side;
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(read_doc, "read($self, /)\n--\n\n"
                       "A context manager: the lock is held to read in it.");

static PyObject *
rwlock_read(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return make_hold(op, COT_READ);
}

PyDoc_STRVAR(write_doc, "write($self, /)\n--\n\n"
                        "A context manager: the lock is held to write in it.");

static PyObject *
rwlock_write(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return make_hold(op, COT_WRITE);
}

static PyObject *
hold_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    HoldObject *self = HoldObject_CAST(op);
    return acquire_until(self->lock, self->side, COT_NEVER);
}

static PyObject *
hold_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
          Py_ssize_t Py_UNUSED(nargs))
{
    return release(HoldObject_CAST(op)->lock, HoldObject_CAST(op)->side);
}

static PyObject *
hold_await_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const HoldObject *self = HoldObject_CAST(op);
    return await_operation(
        self->lock, self->side == COT_READ ? "acquire_read" : "acquire_write",
        NULL, NULL);
}

static PyObject *
hold_await_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
                Py_ssize_t Py_UNUSED(nargs))
{
    const HoldObject *self = HoldObject_CAST(op);
    return await_release(self->lock, self->side == COT_READ ? "release_read"
                                                            : "release_write");
}

// As a case of select: the lock is held then, and let go of by its release.
static int
begin_hold(turn *own, PyObject *value)
{
    (void)value;
    const HoldObject *hold = HoldObject_CAST(own->target);
    own->how = hold->side == COT_READ ? &waitable_rwlock_read
                                      : &waitable_rwlock_write;
    return begin_turn(own, hold->lock, hold->side);
}

const waitable waitable_rwlock_hold = {
    .name = "acquire",
    .op = &read_op,
    .begin = begin_hold,
    .finish = finish_turn,
    .drop = drop_turn,
};

static int
hold_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(HoldObject_CAST(op)->lock);
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
hold_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(HoldObject_CAST(op)->lock);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef hold_methods[] = {
    {"__enter__", hold_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))hold_exit, METH_FASTCALL, NULL},
    {"__aenter__", hold_await_enter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))hold_await_exit, METH_FASTCALL,
     NULL},
    {NULL},
};

PyDoc_STRVAR(hold_doc, "What RWLock.read() and write() give.");

static PyType_Slot hold_slots[] = {
    {Py_tp_doc, (void *)hold_doc},
    {Py_tp_traverse, hold_traverse},
    {Py_tp_dealloc, hold_dealloc},
    {Py_tp_methods, hold_methods},
    {0, NULL},
};

PyType_Spec cot_rwlock_hold_spec = {
    .name = "coterie._core.RWLockHold",
    .basicsize = sizeof(HoldObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hold_slots,
};

// ---- type ----------------------------------------------------------------

static PyMethodDef rwlock_methods[] = {
    {"read", rwlock_read, METH_NOARGS, read_doc},
    {"write", rwlock_write, METH_NOARGS, write_doc},
    {"acquire_read", (PyCFunction)(void (*)(void))rwlock_acquire_read,
     METH_FASTCALL | METH_KEYWORDS, acquire_read_doc},
    {"release_read", rwlock_release_read, METH_NOARGS, release_read_doc},
    {"acquire_write", (PyCFunction)(void (*)(void))rwlock_acquire_write,
     METH_FASTCALL | METH_KEYWORDS, acquire_write_doc},
    {"release_write", rwlock_release_write, METH_NOARGS, release_write_doc},
    AWAIT_METHOD("aacquire_read", rwlock_await_read,
                 "aacquire_read($self, /, timeout=None)\n--\n\n"
                 "acquire_read() for a task of an event loop."),
    AWAIT_METHOD("aacquire_write", rwlock_await_write,
                 "aacquire_write($self, /, timeout=None)\n--\n\n"
                 "acquire_write() for a task of an event loop, which owns it\n"
                 "then."),
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    rwlock_doc,
    "RWLock()\n--\n\n"
    "A lock for many readers or one writer, of any interpreters.\n\n"
    "Writers go before readers who come later; those who had to wait for a\n"
    "writer go before the next one.  It is not reentrant: a thread that\n"
    "holds it, to read or to write, must not acquire it again.  It can be\n"
    "sent; on the other side it is the same lock.");

static PyType_Slot rwlock_slots[] = {
    {Py_tp_doc, (void *)rwlock_doc},
    {Py_tp_new, rwlock_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, rwlock_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, rwlock_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_rwlock_spec = {
    .name = "coterie.sync.RWLock",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rwlock_slots,
};
