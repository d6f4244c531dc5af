#include "types/semaphore_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/lock_type.h"
#include "types/shared.h"
#include "types/waitable.h"

static cot_semaphore *
semaphore_of(PyObject *op)
{
    return cot_semaphore_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

static PyObject *
semaphore_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"value", NULL};
    Py_ssize_t value = 1;
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|n:Semaphore", keywords,
                                        &value)) {
        return NULL;
    }
    if (value < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "semaphore initial value must be >= 0");
        return NULL;
    }
    cot_semaphore *semaphore = cot_semaphore_create(
        (size_t)value, type == state->bounded_semaphore_type);
    return semaphore
               ? shared_adopt(state, type, cot_semaphore_object(semaphore))
               : PyErr_NoMemory();
}

static PyObject *
semaphore_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coterie.sync.Semaphore at %p: value=%zu>",
                                op, cot_semaphore_value(semaphore_of(op)));
}

static PyObject *
bounded_semaphore_repr(PyObject *op)
{
    return PyUnicode_FromFormat(
        "<coterie.sync.BoundedSemaphore at %p: value=%zu/%zu>", op,
        cot_semaphore_value(semaphore_of(op)),
        cot_semaphore_bound(semaphore_of(op)));
}

// ---- acquire and release -------------------------------------------------

static bool
can_acquire(void *arg)
{
    return cot_semaphore_value(arg) > 0;
}

static cot_status
attempt_acquire(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_semaphore_acquire(arg, parker, deadline_ns);
}

static cot_object *
object_of(void *arg)
{
    return cot_semaphore_object(arg);
}

static const blocking_op acquire_op = {can_acquire, attempt_acquire, "acquire",
                                       object_of};

static PyObject *
acquire_until(PyObject *op, int64_t deadline_ns)
{
    cot_status status;
    if (cot_block(state_of(op), &acquire_op, semaphore_of(op), deadline_ns,
                  &status)
        < 0) {
        return NULL;
    }
    return PyBool_FromLong(status == COT_OK);
}

PyDoc_STRVAR(acquire_doc,
             "acquire($self, /, blocking=True, timeout=None)\n--\n\n"
             "Count down, once the value is above 0: whether so in time.");

static PyObject *
semaphore_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const signature acquire = {
        "acquire", 0, 2, {"blocking", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&acquire, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    int blocks = values[0] ? PyObject_IsTrue(values[0]) : 1;
    if (blocks < 0
        || deadline_from_timeout(values[1], true, &deadline_ns) < 0) {
        return NULL;
    }
    if (!blocks && values[1] != NULL && values[1] != Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "can't specify timeout for non-blocking acquire");
        return NULL;
    }
    return acquire_until(op, blocks ? deadline_ns : COT_NOW);
}

static PyObject *
semaphore_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return acquire_until(op, COT_NEVER);
}

static PyObject *
release_times(PyObject *op, size_t count)
{
    if (cot_semaphore_release(semaphore_of(op), count) != COT_OK) {
        PyErr_SetString(PyExc_ValueError, "Semaphore released too many times");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(release_doc,
             "release($self, /, n=1)\n--\n\n"
             "Count up by n, and wake as many who wait.\n\n"
             "A BoundedSemaphore raises ValueError instead of going above\n"
             "the value that it started with.");

static PyObject *
semaphore_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const signature release = {"release", 0, 1, {"n"}};
    PyObject *values[1];
    if (parse_arguments(&release, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    Py_ssize_t count = values[0] ? PyNumber_AsSsize_t(values[0], NULL) : 1;
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return NULL;
    }
    return release_times(op, (size_t)count);
}

static PyObject *
semaphore_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
               Py_ssize_t Py_UNUSED(nargs))
{
    return release_times(op, 1);
}

// ---- without a thread ----------------------------------------------------

static int
begin_acquire(turn *own, PyObject *value)
{
    (void)value;
    own->arg = semaphore_of(own->target);
    return 0;
}

static PyObject *
finish_acquire(turn *own, cot_status status)
{
    (void)own;
    return PyBool_FromLong(status == COT_OK);
}

const waitable waitable_semaphore_acquire = {
    .name = "acquire",
    .op = &acquire_op,
    .begin = begin_acquire,
    .finish = finish_acquire,
};

// ---- types ---------------------------------------------------------------

static PyMethodDef semaphore_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire,
     METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", (PyCFunction)(void (*)(void))semaphore_release,
     METH_FASTCALL | METH_KEYWORDS, release_doc},
    {"__enter__", semaphore_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL,
     NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    AWAIT_ACQUIRE,
    AWAIT_ENTER,
    {NULL},
};

PyDoc_STRVAR(
    semaphore_doc,
    "Semaphore(value=1)\n--\n\n"
    "A number that threads of any interpreters count down and up.\n\n"
    "The interface and the rules are those of threading.Semaphore.  It can\n"
    "be sent; on the other side it is the same semaphore.");

static PyType_Slot semaphore_slots[] = {
    {Py_tp_doc, (void *)semaphore_doc},
    {Py_tp_new, semaphore_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, semaphore_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, semaphore_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_semaphore_spec = {
    .name = "coterie.sync.Semaphore",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = semaphore_slots,
};

PyDoc_STRVAR(
    bounded_semaphore_doc,
    "BoundedSemaphore(value=1)\n--\n\n"
    "A semaphore that is never above the value that it started with.\n\n"
    "The interface and the rules are those of threading.BoundedSemaphore.\n"
    "It can be sent; on the other side it is the same semaphore.");

static PyType_Slot bounded_semaphore_slots[] = {
    {Py_tp_doc, (void *)bounded_semaphore_doc},
    {Py_tp_new, semaphore_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, bounded_semaphore_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, semaphore_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_bounded_semaphore_spec = {
    .name = "coterie.sync.BoundedSemaphore",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bounded_semaphore_slots,
};
