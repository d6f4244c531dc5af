#include "types/condition_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/lock_type.h"
#include "types/shared.h"

static cot_condition *
condition_of(PyObject *op)
{
    return cot_condition_from_object(SharedObject_CAST(op)->object);
}

static cot_mutex *
mutex_of(PyObject *op)
{
    return cot_condition_mutex(condition_of(op));
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

static PyObject *
create_with(module_state *state, PyTypeObject *type, cot_mutex *mutex)
{
    cot_condition *condition = cot_condition_create(mutex);
    return condition
               ? shared_adopt(state, type, cot_condition_object(condition))
               : PyErr_NoMemory();
}

static PyObject *
condition_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"lock", NULL};
    PyObject *lock = Py_None;
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Condition", keywords,
                                        &lock)) {
        return NULL;
    }
    if (Py_TYPE(lock) == state->lock_type
        || Py_TYPE(lock) == state->rlock_type) {
        return create_with(
            state, type,
            cot_mutex_from_object(SharedObject_CAST(lock)->object));
    }
    if (lock != Py_None) {
        PyErr_Format(PyExc_TypeError,
                     "lock must be a coterie.sync.Lock or RLock, not %.200s",
                     Py_TYPE(lock)->tp_name);
        return NULL;
    }
    cot_mutex *mutex = cot_mutex_create(true);
    if (mutex == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *self = create_with(state, type, mutex);
    cot_object_unref(cot_mutex_object(mutex));
    return self;
}

static PyObject *
condition_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coterie.sync.Condition at %p: %s, %zu>", op,
                                cot_mutex_is_locked(mutex_of(op)) ? "locked"
                                                                  : "unlocked",
                                cot_condition_len(condition_of(op)));
}

// ---- its lock ------------------------------------------------------------

static PyObject *
condition_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    return lock_acquire_mutex(state_of(op), mutex_of(op), args, nargs,
                              kwnames);
}

static PyObject *
condition_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return lock_acquire_mutex(state_of(op), mutex_of(op), NULL, 0, NULL);
}

static PyObject *
condition_release(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return lock_release_mutex(state_of(op), mutex_of(op));
}

static PyObject *
condition_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
               Py_ssize_t Py_UNUSED(nargs))
{
    return lock_release_mutex(state_of(op), mutex_of(op));
}

static PyObject *
condition_locked(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_mutex_is_locked(mutex_of(op)));
}

// Whether the caller has the lock; false with an exception set.
static bool
has_lock(PyObject *op, const char *message)
{
    if (cot_mutex_is_owned(mutex_of(op),
                           lock_owner(state_of(op), mutex_of(op)))) {
        return true;
    }
    PyErr_SetString(PyExc_RuntimeError, message);
    return false;
}

// ---- wait ----------------------------------------------------------------

typedef struct {
    cot_condition *condition;
    cot_condition_wait wait;
} standing;

static bool
is_notified(void *arg)
{
    return atomic_load(&((standing *)arg)->wait.is_notified);
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    standing *own = arg;
    return cot_condition_wait_on(own->condition, &own->wait, parker,
                                 deadline_ns);
}

static cot_object *
object_of(void *arg)
{
    return cot_condition_object(((standing *)arg)->condition);
}

static const blocking_op wait_op = {is_notified, attempt_wait, "wait",
                                    object_of};

// Comes back with the lock, whatever happens: an interrupt, or the end of the
// one who had it, is raised once it is held.  -1 with an exception set.
static int
acquire_again(PyObject *op, size_t depth)
{
    PyObject *raised = NULL;
    cot_status status = COT_TIMED_OUT;
    while (status != COT_OK) {
        if (lock_block(state_of(op), mutex_of(op), COT_NEVER, &status) < 0) {
            status = COT_TIMED_OUT;
        }
        else if (status != COT_OK) {
            raise_status(state_of(op), status);
        }
        if (status != COT_OK) {
            Py_XSETREF(raised, PyErr_GetRaisedException());
        }
    }
    cot_mutex_set_depth(mutex_of(op), depth);
    PyErr_SetRaisedException(raised);
    return raised ? -1 : 0;
}

// Whether it was notified in time; -1 with an exception set.
static int
wait_until(PyObject *op, int64_t deadline_ns)
{
    module_state *state = state_of(op);
    standing own = {.condition = condition_of(op)};
    cot_status status;
    size_t depth = 0;
    if (!has_lock(op, "cannot wait on un-acquired lock")) {
        return -1;
    }
    cot_condition_begin(own.condition, &own.wait);
    status = cot_mutex_release_all(mutex_of(op), owner_here(state), &depth);
    if (status != COT_OK) {  // a plain lock, that somebody else has released
        (void)cot_condition_end(own.condition, &own.wait);
        raise_status(state, status);
        return -1;
    }
    int failed = cot_block(state, &wait_op, &own, deadline_ns, &status);
    bool was_notified = cot_condition_end(own.condition, &own.wait);
    PyObject *raised = failed < 0 ? PyErr_GetRaisedException() : NULL;
    if (raised != NULL && was_notified) {
        // It is for somebody who goes on.
        cot_condition_notify(own.condition, 1);
    }
    if (acquire_again(op, depth) < 0) {
        Py_XDECREF(raised);
        return -1;
    }
    PyErr_SetRaisedException(raised);
    return failed < 0 ? -1 : was_notified;
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Let go of the lock, wait to be notified, and acquire it again.\n\n"
    "Whether it was notified in time (seconds).");

static PyObject *
condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static const signature wait = {"wait", 0, 1, {"timeout"}};
    PyObject *values[1];
    int64_t deadline_ns;
    if (parse_arguments(&wait, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[0], true, &deadline_ns) < 0) {
        return NULL;
    }
    int was_notified = wait_until(op, deadline_ns);
    return was_notified < 0 ? NULL : PyBool_FromLong(was_notified);
}

PyDoc_STRVAR(wait_for_doc,
             "wait_for($self, /, predicate, timeout=None)\n--\n\n"
             "Wait until predicate() is true, or time is up: what it said\n"
             "last.");

static PyObject *
condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const signature wait_for = {
        "wait_for", 1, 2, {"predicate", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&wait_for, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[1], true, &deadline_ns) < 0) {
        return NULL;
    }
    for (bool is_first = true;; is_first = false) {
        PyObject *result = PyObject_CallNoArgs(values[0]);
        int is_true = result ? PyObject_IsTrue(result) : -1;
        if (is_true > 0
            || (is_true == 0 && !is_first && cot_clock_ns() >= deadline_ns)) {
            return result;
        }
        Py_XDECREF(result);
        if (is_true < 0 || wait_until(op, deadline_ns) < 0) {
            return NULL;
        }
    }
}

// ---- without a thread ----------------------------------------------------

static int
begin_acquire(turn *own, PyObject *value)
{
    (void)value;
    lock_begin_turn(own, mutex_of(own->target));
    return 0;
}

const waitable waitable_condition_acquire = {
    .name = "acquire",
    .op = &lock_acquire_op,
    .begin = begin_acquire,
    .finish = lock_finish_turn,
};

// Lets go of the lock; whose turn it is acquires it again.
static int
begin_wait(turn *own, PyObject *value)
{
    (void)value;
    size_t depth;
    standing *room = TURN_ROOM(own, standing);
    room->condition = condition_of(own->target);
    if (!cot_mutex_is_owned(mutex_of(own->target), own->owner)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot wait on un-acquired lock");
        return -1;
    }
    cot_condition_begin(room->condition, &room->wait);
    cot_status status = cot_mutex_release_all(mutex_of(own->target),
                                              own->owner, &depth);
    if (status != COT_OK) {  // a plain lock, that somebody else has released
        (void)cot_condition_end(room->condition, &room->wait);
        raise_status(own->state, status);
        return -1;
    }
    return 0;
}

static PyObject *
finish_wait(turn *own, cot_status status)
{
    (void)status;
    standing *room = TURN_ROOM(own, standing);
    return PyBool_FromLong(cot_condition_end(room->condition, &room->wait));
}

// A notification is for somebody who goes on.
static void
drop_wait(turn *own)
{
    standing *room = TURN_ROOM(own, standing);
    if (cot_condition_end(room->condition, &room->wait)) {
        cot_condition_notify(room->condition, 1);
    }
}

const waitable waitable_condition_wait = {
    .name = "wait",
    .op = &wait_op,
    .begin = begin_wait,
    .finish = finish_wait,
    .drop = drop_wait,
};

PyDoc_STRVAR(await_doc, "await_($self, /, timeout=None)\n--\n\n"
                        "wait() for a task of an event loop.");

static PyObject *
condition_await(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static const signature await = {"await_", 0, 1, {"timeout"}};
    PyObject *values[1];
    if (parse_arguments(&await, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    PyObject *wait = state_import(state_of(op), LAZY_ASYNC_CONDITION);
    return wait ? PyObject_CallFunctionObjArgs(
                      wait, op, values[0] ? values[0] : Py_None, NULL)
                : NULL;
}

PyDoc_STRVAR(await_for_doc,
             "await_for($self, /, predicate, timeout=None)\n--\n\n"
             "wait_for() for a task of an event loop.");

static PyObject *
condition_await_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const signature await_for = {
        "await_for", 1, 2, {"predicate", "timeout"}};
    PyObject *values[2];
    if (parse_arguments(&await_for, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    PyObject *wait = state_import(state_of(op), LAZY_ASYNC_CONDITION);
    return wait ? PyObject_CallFunctionObjArgs(wait, op,
                                               values[1] ? values[1] : Py_None,
                                               values[0], NULL)
                : NULL;
}

// How often the lock is held, for who acquires it again.
static PyObject *
condition_get_depth(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_mutex_depth(mutex_of(op)));
}

static int
condition_set_depth(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    size_t depth = value ? PyLong_AsSize_t(value) : 0;
    if (PyErr_Occurred()) {
        return -1;
    }
    cot_mutex_set_depth(mutex_of(op), depth);
    return 0;
}

// ---- notify --------------------------------------------------------------

static PyObject *
notify(PyObject *op, size_t count)
{
    if (!has_lock(op, "cannot notify on un-acquired lock")) {
        return NULL;
    }
    cot_condition_notify(condition_of(op), count);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(notify_doc, "notify($self, /, n=1)\n--\n\n"
                         "Let n of those who wait go on.");

static PyObject *
condition_notify(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const signature notify_n = {"notify", 0, 1, {"n"}};
    PyObject *values[1];
    if (parse_arguments(&notify_n, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    Py_ssize_t count = values[0] ? PyNumber_AsSsize_t(values[0], NULL) : 1;
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return notify(op, count > 0 ? (size_t)count : 0);
}

PyDoc_STRVAR(notify_all_doc, "notify_all($self, /)\n--\n\n"
                             "Let all of those who wait go on.");

static PyObject *
condition_notify_all(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return notify(op, SIZE_MAX);
}

// ---- type ----------------------------------------------------------------

static PyMethodDef condition_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))condition_acquire,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
               "Acquire the lock, as its own acquire().")},
    {"release", condition_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\nRelease the lock.")},
    {"locked", condition_locked, METH_NOARGS,
     PyDoc_STR("locked($self, /)\n--\n\n"
               "Whether the lock is held: it may change at once.")},
    {"__enter__", condition_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))condition_exit, METH_FASTCALL,
     NULL},
    {"wait", (PyCFunction)(void (*)(void))condition_wait,
     METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"wait_for", (PyCFunction)(void (*)(void))condition_wait_for,
     METH_FASTCALL | METH_KEYWORDS, wait_for_doc},
    {"notify", (PyCFunction)(void (*)(void))condition_notify,
     METH_FASTCALL | METH_KEYWORDS, notify_doc},
    {"notify_all", condition_notify_all, METH_NOARGS, notify_all_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    AWAIT_ACQUIRE,
    AWAIT_ENTER,
    {"await_", (PyCFunction)(void (*)(void))condition_await,
     METH_FASTCALL | METH_KEYWORDS, await_doc},
    {"await_for", (PyCFunction)(void (*)(void))condition_await_for,
     METH_FASTCALL | METH_KEYWORDS, await_for_doc},
    {NULL},
};

static PyGetSetDef condition_getset[] = {
    {"_depth", condition_get_depth, condition_set_depth, NULL, NULL},
    {NULL},
};

PyDoc_STRVAR(
    condition_doc,
    "Condition(lock=None)\n--\n\n"
    "What threads of any interpreters wait for, with a lock.\n\n"
    "The interface and the rules are those of threading.Condition; the\n"
    "lock is a Lock or RLock from here, a new RLock if None.  It can be\n"
    "sent; on the other side it is the same condition.");

static PyType_Slot condition_slots[] = {
    {Py_tp_doc, (void *)condition_doc},
    {Py_tp_new, condition_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, condition_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, condition_methods},
    {Py_tp_members, shared_members},
    {Py_tp_getset, condition_getset},
    {0, NULL},
};

PyType_Spec cot_condition_spec = {
    .name = "coterie.sync.Condition",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = condition_slots,
};
