#include "types/lock_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/shared.h"
#include "types/waitable.h"

static cot_mutex *
mutex_of(PyObject *op)
{
    return cot_mutex_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

static cot_owner
owner_of(PyObject *op)
{
    return lock_owner(state_of(op), mutex_of(op));
}

// ---- life ----------------------------------------------------------------

static PyObject *
lock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    module_state *state = state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    bool is_recursive = type == state->rlock_type;
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments",
                     is_recursive ? "RLock" : "Lock");
        return NULL;
    }
    cot_mutex *mutex = cot_mutex_create(is_recursive);
    if (mutex == NULL) {
        return PyErr_NoMemory();
    }
    return shared_adopt(state, type, cot_mutex_object(mutex));
}

cot_owner
lock_owner(module_state *state, const cot_mutex *mutex)
{
    cot_owner here = owner_here(state);
    if (!state->has_actors || cot_mutex_is_owned(mutex, here)) {
        return here;
    }
    cot_owner task = {here.home, actor_of_task(state)};
    return cot_mutex_is_owned(mutex, task) ? task : here;
}

static PyObject *
lock_repr(PyObject *op)
{
    return PyUnicode_FromFormat(
        "<%s coterie.sync.Lock object at %p>",
        cot_mutex_is_locked(mutex_of(op)) ? "locked" : "unlocked", op);
}

static PyObject *
rlock_repr(PyObject *op)
{
    const cot_mutex *mutex = mutex_of(op);
    return PyUnicode_FromFormat(
        "<%s coterie.sync.RLock object owner=%lu count=%zu at %p>",
        cot_mutex_is_locked(mutex) ? "locked" : "unlocked",
        (unsigned long)cot_mutex_actor(mutex), cot_mutex_depth(mutex), op);
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "Refused: a lock lives in this process only.");

// ---- acquire and release -------------------------------------------------

typedef struct {
    cot_mutex *mutex;
    cot_owner owner;
} acquisition;

static bool
can_acquire(void *arg)
{
    return cot_mutex_can_acquire(((acquisition *)arg)->mutex);
}

static cot_status
attempt_acquire(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    acquisition *own = arg;
    return cot_mutex_acquire(own->mutex, own->owner, parker, deadline_ns);
}

static cot_object *
object_of(void *arg)
{
    return cot_mutex_object(((acquisition *)arg)->mutex);
}

const blocking_op lock_acquire_op = {
    can_acquire,
    attempt_acquire,
    "acquire",
    object_of,
};

int
lock_block(module_state *state, cot_mutex *mutex, int64_t deadline_ns,
           cot_status *status)
{
    acquisition own = {mutex, owner_here(state)};
    *status = cot_mutex_acquire(mutex, own.owner, NULL, COT_NOW);
    if (*status != COT_TIMED_OUT || deadline_ns == COT_NOW) {
        return 0;
    }
    return cot_block(state, &lock_acquire_op, &own, deadline_ns, status);
}

int
deadline_from_blocking(PyObject *blocking, PyObject *timeout,
                       int64_t *deadline_ns)
{
    int blocks = blocking ? PyObject_IsTrue(blocking) : 1;
    if (blocks < 0) {
        return -1;
    }
    bool is_given = timeout != NULL && timeout != Py_None;
    double seconds = is_given ? PyFloat_AsDouble(timeout) : -1;
    if (seconds == -1) {  // what threading has for "not given"
        *deadline_ns = blocks ? COT_NEVER : COT_NOW;
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!blocks) {
        PyErr_SetString(PyExc_ValueError,
                        "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (seconds < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "timeout value must be a non-negative number");
        return -1;
    }
    if (seconds > 9.2e9) {  // threading.TIMEOUT_MAX
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    if (seconds != seconds) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    return deadline_from_timeout(timeout, false, deadline_ns);
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
acquire_until(module_state *state, cot_mutex *mutex, int64_t deadline_ns)
{
    cot_status status;
    if (lock_block(state, mutex, deadline_ns, &status) < 0) {
        return NULL;
    }
    return answer_acquire(state, status);
}

PyObject *
lock_acquire_mutex(module_state *state, cot_mutex *mutex,
                   PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const signature acquire = {
        "acquire", 0, 2, {"blocking", "timeout"}};
    PyObject *values[2] = {NULL, NULL};
    int64_t deadline_ns = COT_NEVER;
    if ((nargs != 0 || kwnames != NULL)
        && (parse_arguments(&acquire, args, nargs, kwnames, values) < 0
            || deadline_from_blocking(values[0], values[1], &deadline_ns)
                   < 0)) {
        return NULL;
    }
    return acquire_until(state, mutex, deadline_ns);
}

PyObject *
lock_release_mutex(module_state *state, cot_mutex *mutex)
{
    if (cot_mutex_release(mutex, lock_owner(state, mutex)) != COT_OK) {
        bool is_plain = cot_mutex_object(mutex)->cls == &cot_mutex_class;
        PyErr_SetString(PyExc_RuntimeError,
                        is_plain ? "release unlocked lock"
                                 : "cannot release un-acquired lock");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(acquire_doc,
             "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
             "Acquire the lock, and return whether it is held now.\n\n"
             "Raises OwnerDied, and does not hold the lock, if the\n"
             "interpreter that held it has ended; it is free then.");

static PyObject *
lock_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    return lock_acquire_mutex(state_of(op), mutex_of(op), args, nargs,
                              kwnames);
}

static PyObject *
lock_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return acquire_until(state_of(op), mutex_of(op), COT_NEVER);
}

PyDoc_STRVAR(release_doc,
             "release($self, /)\n--\n\n"
             "Release the lock.\n\n"
             "Raises RuntimeError if it is not held (an RLock: not by this\n"
             "thread of this interpreter).");

static PyObject *
lock_release(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return lock_release_mutex(state_of(op), mutex_of(op));
}

static PyObject *
lock_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
          Py_ssize_t Py_UNUSED(nargs))
{
    return lock_release(op, NULL);
}

PyDoc_STRVAR(locked_doc, "locked($self, /)\n--\n\n"
                         "Whether the lock is held: it may change at once.");

static PyObject *
lock_locked(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_mutex_is_locked(mutex_of(op)));
}

// ---- without a thread ----------------------------------------------------

void
lock_begin_turn(turn *own, cot_mutex *mutex)
{
    *TURN_ROOM(own, acquisition) = (acquisition){mutex, own->owner};
}

PyObject *
lock_finish_turn(turn *own, cot_status status)
{
    return answer_acquire(own->state, status);
}

static int
begin_acquire(turn *own, PyObject *value)
{
    (void)value;
    lock_begin_turn(own, mutex_of(own->target));
    return 0;
}

const waitable waitable_lock_acquire = {
    .name = "acquire",
    .op = &lock_acquire_op,
    .begin = begin_acquire,
    .finish = lock_finish_turn,
};

// ---- what threading.Condition asks of an RLock ---------------------------

static PyObject *
rlock_is_owned(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_mutex_is_owned(mutex_of(op), owner_of(op)));
}

static PyObject *
rlock_release_save(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    size_t depth;
    if (cot_mutex_release_all(mutex_of(op), owner_of(op), &depth) != COT_OK) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    return PyLong_FromSize_t(depth);
}

static PyObject *
rlock_acquire_restore(PyObject *op, PyObject *arg)
{
    size_t depth = PyLong_AsSize_t(arg);
    if (depth == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *done = acquire_until(state_of(op), mutex_of(op), COT_NEVER);
    if (done == NULL) {
        return NULL;
    }
    cot_mutex_set_depth(mutex_of(op), depth);
    Py_DECREF(done);
    Py_RETURN_NONE;
}

// ---- types ---------------------------------------------------------------

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire,
     METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", lock_release, METH_NOARGS, release_doc},
    {"locked", lock_locked, METH_NOARGS, locked_doc},
    {"__enter__", lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, reduce_doc},
    AWAIT_ACQUIRE,
    AWAIT_ENTER,
    {NULL},
};

static PyMethodDef rlock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire,
     METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", lock_release, METH_NOARGS, release_doc},
    {"locked", lock_locked, METH_NOARGS, locked_doc},
    {"__enter__", lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, reduce_doc},
    AWAIT_ACQUIRE,
    AWAIT_ENTER,
    {"_is_owned", rlock_is_owned, METH_NOARGS, NULL},
    {"_release_save", rlock_release_save, METH_NOARGS, NULL},
    {"_acquire_restore", rlock_acquire_restore, METH_O, NULL},
    {NULL},
};

PyDoc_STRVAR(
    lock_doc,
    "Lock()\n--\n\n"
    "A lock between threads and interpreters.\n\n"
    "The interface and the rules are those of threading.Lock.  It can be\n"
    "sent; on the other side it is the same lock.");

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, (void *)lock_doc},
    {Py_tp_new, lock_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, lock_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, lock_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_lock_spec = {
    .name = "coterie.sync.Lock",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lock_slots,
};

PyDoc_STRVAR(
    rlock_doc,
    "RLock()\n--\n\n"
    "A lock that its owner, a thread of an interpreter, may acquire again.\n\n"
    "The interface and the rules are those of threading.RLock.  It can be\n"
    "sent; on the other side it is the same lock.");

static PyType_Slot rlock_slots[] = {
    {Py_tp_doc, (void *)rlock_doc},
    {Py_tp_new, lock_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, rlock_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, rlock_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_rlock_spec = {
    .name = "coterie.sync.RLock",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rlock_slots,
};
