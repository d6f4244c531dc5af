#include "types/priority_queue_type.h"

#include "codec/key.h"
#include "core/queue.h"
#include "types/errors.h"
#include "types/shared.h"

typedef struct {
    SharedObject shared;
    PyObject
        *key;  // owned: this interpreter's function, or NULL: not yet here
} PriorityQueueObject;

#define PriorityQueueObject_CAST(op) ((PriorityQueueObject *)(op))

static cot_queue *
queue_of(PyObject *op)
{
    return cot_queue_from_object(SharedObject_CAST(op)->object);
}

// ---- life ----------------------------------------------------------------

// The function travels with the queue, as it is now.
static int
send_key(module_state *state, cot_queue *queue, PyObject *key)
{
    if (!PyCallable_Check(key)) {
        PyErr_Format(PyExc_TypeError,
                     "key must be None or callable, not %.200s",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    cot_payload *payload = cot_encode(&state->codec, key);
    if (payload == NULL) {
        raise_not_shareable(state, "key not shareable");
        return -1;
    }
    cot_queue_set_key_maker(queue, payload);
    return 0;
}

static PyObject *
priority_queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"maxsize", "key", NULL};
    Py_ssize_t maxsize = 0;
    PyObject *key = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n$O:PriorityQueue",
                                     keywords, &maxsize, &key)) {
        return NULL;
    }
    module_state *state = state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    cot_queue *queue = cot_queue_create_as(&cot_priority_queue_class,
                                           maxsize > 0 ? (size_t)maxsize : 0);
    if (queue == NULL) {
        return PyErr_NoMemory();
    }
    if (key != Py_None && send_key(state, queue, key) < 0) {
        cot_object_unref(cot_queue_object(queue));
        return NULL;
    }
    PyObject *op = shared_adopt(state, type, cot_queue_object(queue));
    if (op != NULL && key != Py_None) {
        PriorityQueueObject_CAST(op)->key = Py_NewRef(key);
    }
    return op;
}

static int
priority_queue_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(PriorityQueueObject_CAST(op)->key);
    return shared_traverse(op, visit, arg);
}

static int
priority_queue_clear(PyObject *op)
{
    Py_CLEAR(PriorityQueueObject_CAST(op)->key);
    return 0;
}

static void
priority_queue_dealloc(PyObject *op)
{
    PyObject *key = PriorityQueueObject_CAST(op)->key;
    PriorityQueueObject_CAST(op)->key = NULL;
    shared_dealloc(op);
    Py_XDECREF(key);
}

// ---- keys ----------------------------------------------------------------

// The function that makes keys, a new reference.
static PyObject *
receive_key(PyObject *op, const cot_payload *maker)
{
    PriorityQueueObject *self = PriorityQueueObject_CAST(op);
    if (self->key == NULL) {
        PyObject *key = cot_decode(&self->shared.state->codec, maker);
        if (key == NULL) {
            return NULL;
        }
        Py_XSETREF(self->key, key);
    }
    return Py_NewRef(self->key);
}

cot_key *
priority_queue_make_key(PyObject *op, PyObject *item, const char *what)
{
    const cot_payload *maker = cot_queue_key_maker(queue_of(op));
    if (maker == NULL) {
        return cot_encode_key(item, what);
    }
    PyObject *function = receive_key(op, maker);
    PyObject *value = function ? PyObject_CallOneArg(function, item) : NULL;
    cot_key *key = value ? cot_encode_key(value, "key") : NULL;
    Py_XDECREF(function);
    Py_XDECREF(value);
    return key;
}

// ---- type ----------------------------------------------------------------

PyDoc_STRVAR(
    priority_queue_doc,
    "PriorityQueue(maxsize=0, *, key=None)\n--\n\n"
    "A Queue that gives the least item first, equal ones in order.\n\n"
    "Items are numbers, str, bytes, and tuples of them.  For others, and\n"
    "for another order, key(item) is such a value: it is called by put(),\n"
    "in whatever interpreter that is.  put() raises TypeError for what has\n"
    "no order.");

static PyType_Slot priority_queue_slots[] = {
    {Py_tp_doc, (void *)priority_queue_doc},
    {Py_tp_new, priority_queue_new},
    {Py_tp_traverse, priority_queue_traverse},
    {Py_tp_clear, priority_queue_clear},
    {Py_tp_dealloc, priority_queue_dealloc},
    {0, NULL},
};

PyType_Spec cot_priority_queue_spec = {
    .name = "coterie.queue.PriorityQueue",
    .basicsize = sizeof(PriorityQueueObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = priority_queue_slots,
};
