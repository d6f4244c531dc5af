#include "types/event_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/lock_type.h"
#include "types/shared.h"
#include "types/waitable.h"

static cot_event *
event_of(PyObject *op)
{
    return cot_event_from_object(SharedObject_CAST(op)->object);
}

static PyObject *
event_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, ":Event", keywords)) {
        return NULL;
    }
    cot_event *event = cot_event_create();
    return event ? shared_adopt(state, type, cot_event_object(event))
                 : PyErr_NoMemory();
}

static PyObject *
event_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coterie.sync.Event at %p: %s>", op,
                                cot_event_is_set(event_of(op)) ? "set"
                                                               : "unset");
}

PyDoc_STRVAR(is_set_doc, "is_set($self, /)\n--\n\n"
                         "Whether the event is set.");

static PyObject *
event_is_set(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_event_is_set(event_of(op)));
}

PyDoc_STRVAR(set_doc, "set($self, /)\n--\n\n"
                      "Set the event: who waits goes on, and nobody waits.");

static PyObject *
event_set(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_event_set(event_of(op));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\n"
                        "Unset the event: from now on it is waited for.");

static PyObject *
event_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_event_clear(event_of(op));
    Py_RETURN_NONE;
}

typedef struct {
    cot_event *event;
    uint64_t sets;
} event_wait_arg;

static bool
is_over(void *arg)
{
    event_wait_arg *own = arg;
    return cot_event_is_over(own->event, own->sets);
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    event_wait_arg *own = arg;
    return cot_event_wait(own->event, own->sets, parker, deadline_ns);
}

static cot_object *
object_of(void *arg)
{
    return cot_event_object(((event_wait_arg *)arg)->event);
}

static const blocking_op wait_op = {is_over, attempt_wait, "wait", object_of};

PyDoc_STRVAR(wait_doc, "wait($self, /, timeout=None)\n--\n\n"
                       "Wait until the event is set.\n\n"
                       "False if it is not in time (seconds), else True.");

static PyObject *
event_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    static const signature wait = {"wait", 0, 1, {"timeout"}};
    PyObject *values[1];
    int64_t deadline_ns;
    cot_status status;
    event_wait_arg own = {event_of(op), cot_event_sets(event_of(op))};
    if (parse_arguments(&wait, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[0], true, &deadline_ns) < 0
        || cot_block(SharedObject_CAST(op)->state, &wait_op, &own, deadline_ns,
                     &status)
               < 0) {
        return NULL;
    }
    return PyBool_FromLong(status == COT_OK);
}

static int
begin_wait(turn *own, PyObject *value)
{
    (void)value;
    cot_event *event = event_of(own->target);
    *TURN_ROOM(own, event_wait_arg) = (event_wait_arg){
        event,
        cot_event_sets(event),
    };
    return 0;
}

static PyObject *
finish_wait(turn *own, cot_status status)
{
    (void)own;
    return PyBool_FromLong(status == COT_OK);
}

const waitable waitable_event_wait = {
    .name = "wait",
    .op = &wait_op,
    .begin = begin_wait,
    .finish = finish_wait,
};

static PyMethodDef event_methods[] = {
    {"is_set", event_is_set, METH_NOARGS, is_set_doc},
    {"set", event_set, METH_NOARGS, set_doc},
    {"clear", event_clear, METH_NOARGS, clear_doc},
    {"wait", (PyCFunction)(void (*)(void))event_wait,
     METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    AWAIT_METHOD("await_", await_wait,
                 "await_($self, /, timeout=None)\n--\n\n"
                 "wait() for a task of an event loop."),
    {NULL},
};

PyDoc_STRVAR(
    event_doc,
    "Event()\n--\n\n"
    "A flag that threads of any interpreters wait for.\n\n"
    "The interface and the rules are those of threading.Event.  It can be\n"
    "sent; on the other side it is the same event.");

static PyType_Slot event_slots[] = {
    {Py_tp_doc, (void *)event_doc},
    {Py_tp_new, event_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, event_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, event_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_event_spec = {
    .name = "coterie.sync.Event",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = event_slots,
};
