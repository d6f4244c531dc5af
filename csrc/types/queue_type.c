#include "types/queue_type.h"

#include "core/queue.h"
#include "types/blocking.h"
#include "types/errors.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    module_state *state;  // borrowed: the type keeps the module
    cot_queue *queue;     // shared: one reference
    PyObject *known;      // owned: the registry that it is in, or NULL
    PyObject *key;        // owned: what for
    PyObject *reference;  // owned: a weak one, to itself
    PyObject *weakrefs;
} QueueObject;

#define QueueObject_CAST(op) ((QueueObject *)(op))

// ---- one object for one queue --------------------------------------------

// The interpreter's dictionary {id: weak reference to the object}, lent.  No
// callbacks in it: an interrupt could be raised in one, and so be lost.
static PyObject *
registry(module_state *state)
{
    if (state->wrapped == NULL) {
        state->wrapped = PyDict_New();
    }
    return state->wrapped;
}

// Adopts the reference to `queue`.
static QueueObject *
queue_adopt(module_state *state, PyTypeObject *type, cot_queue *queue)
{
    QueueObject *self = (QueueObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        cot_object_unref(cot_queue_object(queue));
        return NULL;
    }
    self->state = state;
    self->queue = queue;
    return self;
}

static PyObject *
remember(QueueObject *self, PyObject *known, PyObject *key)
{
    self->reference = PyWeakref_NewRef((PyObject *)self, NULL);
    if (self->reference == NULL
        || PyDict_SetItem(known, key, self->reference) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->known = Py_NewRef(known);
    self->key = Py_NewRef(key);
    return (PyObject *)self;
}

// By the object that goes.  Another one may have taken its place.
static void
forget(QueueObject *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    if (PyDict_GetItemWithError(self->known, self->key) == self->reference) {
        (void)PyDict_DelItem(self->known, self->key);
    }
    PyErr_SetRaisedException(pending);
}

PyObject *
queue_wrap(module_state *state, cot_object *object)
{
    PyObject *obj = NULL;
    PyObject *known = registry(state);
    PyObject *key = known ? PyLong_FromUnsignedLongLong(object->id) : NULL;
    if (key == NULL) {
        return NULL;
    }
    PyObject *reference = PyDict_GetItemWithError(known, key);
    if (reference != NULL) {
        (void)PyWeakref_GetRef(reference, &obj);
    }
    if (obj == NULL && !PyErr_Occurred()) {
        cot_object_ref(object);
        QueueObject *self = queue_adopt(state, state->queue_type,
                                        cot_queue_from_object(object));
        obj = self ? remember(self, known, key) : NULL;
    }
    Py_DECREF(key);
    return obj;
}

cot_object *
queue_unwrap(module_state *state, PyObject *obj)
{
    if (!PyObject_TypeCheck(obj, state->queue_type)) {
        return NULL;
    }
    return cot_queue_object(QueueObject_CAST(obj)->queue);
}

// ---- life ----------------------------------------------------------------

static PyObject *
queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"maxsize", NULL};
    Py_ssize_t maxsize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n:Queue", keywords,
                                     &maxsize)) {
        return NULL;
    }
    PyObject *module = PyType_GetModuleByDef(type, &cot_module_def);
    if (module == NULL) {
        return NULL;
    }
    module_state *state = PyModule_GetState(module);
    cot_queue *queue = cot_queue_create(maxsize > 0 ? (size_t)maxsize : 0);
    if (queue == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *known = registry(state);
    PyObject *key = PyLong_FromUnsignedLongLong(cot_queue_object(queue)->id);
    QueueObject *self = queue_adopt(state, type, queue);
    PyObject *obj = NULL;
    if (self != NULL && known != NULL && key != NULL) {
        obj = remember(self, known, key);
    }
    else {
        Py_XDECREF(self);
    }
    Py_XDECREF(key);
    return obj;
}

static int
queue_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
queue_dealloc(PyObject *op)
{
    QueueObject *self = QueueObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->known != NULL) {
        forget(self);
    }
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Py_CLEAR(self->known);
    Py_CLEAR(self->key);
    Py_CLEAR(self->reference);
    if (self->queue != NULL) {
        cot_object_unref(cot_queue_object(self->queue));
    }
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
queue_repr(PyObject *op)
{
    cot_queue *queue = QueueObject_CAST(op)->queue;
    return PyUnicode_FromFormat(
        "<coterie.Queue %llu maxsize=%zu qsize=%zu%s>",
        (unsigned long long)cot_queue_object(queue)->id,
        cot_queue_capacity(queue), cot_queue_len(queue),
        cot_queue_is_shut_down(queue) ? " shut down" : "");
}

static Py_hash_t
queue_hash(PyObject *op)
{
    return (Py_hash_t)cot_queue_object(QueueObject_CAST(op)->queue)->id;
}

static PyObject *
queue_richcompare(PyObject *op, PyObject *other, int how)
{
    QueueObject *self = QueueObject_CAST(op);
    if ((how != Py_EQ && how != Py_NE)
        || !PyObject_TypeCheck(other, self->state->queue_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool is_same = self->queue == QueueObject_CAST(other)->queue;
    return PyBool_FromLong(is_same == (how == Py_EQ));
}

// ---- put and get ---------------------------------------------------------

typedef struct {
    cot_queue *queue;
    cot_payload *payload;
} transfer;

static bool
can_put(void *arg)
{
    return cot_queue_can_put(((transfer *)arg)->queue);
}

static cot_status
attempt_put(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *put = arg;
    return cot_queue_put(put->queue, parker, deadline_ns, put->payload);
}

static bool
can_get(void *arg)
{
    return cot_queue_can_get(((transfer *)arg)->queue);
}

static cot_status
attempt_get(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *get = arg;
    return cot_queue_get(get->queue, parker, deadline_ns, &get->payload);
}

static bool
is_done(void *arg)
{
    return cot_queue_is_done(arg);
}

static cot_status
attempt_join(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_queue_join(arg, parker, deadline_ns);
}

static const blocking_op put_op = {can_put, attempt_put};
static const blocking_op get_op = {can_get, attempt_get};
static const blocking_op join_op = {is_done, attempt_join};

static PyObject *
raise_from_queue(module_state *state, cot_status status, lazy_name when_late)
{
    if (status != COT_TIMED_OUT) {
        raise_status(state, status);
        return NULL;
    }
    PyObject *exc = state_import(state, when_late);
    if (exc != NULL) {
        PyErr_SetNone(exc);
    }
    return NULL;
}

static PyObject *
put_item(QueueObject *self, PyObject *item, int64_t deadline_ns)
{
    transfer put = {self->queue, cot_encode(&self->state->codec, item)};
    if (put.payload == NULL) {
        return raise_not_shareable(self->state, "item not shareable");
    }
    cot_status status;
    if (cot_block(self->state, &put_op, &put, deadline_ns, &status) < 0) {
        cot_payload_destroy(put.payload);
        return NULL;
    }
    if (status != COT_OK) {
        cot_payload_destroy(put.payload);
        return raise_from_queue(self->state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

static PyObject *
get_item(QueueObject *self, int64_t deadline_ns)
{
    transfer get = {.queue = self->queue};
    cot_status status;
    if (cot_block(self->state, &get_op, &get, deadline_ns, &status) < 0) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_queue(self->state, status, LAZY_EMPTY);
    }
    PyObject *item = cot_decode(&self->state->codec, get.payload);
    cot_payload_destroy(get.payload);
    return item;
}

// block and timeout, as queue.Queue has them.
static int
deadline_from_block(PyObject *block, PyObject *timeout, int64_t *deadline_ns)
{
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0) {
        return -1;
    }
    if (!blocks) {
        *deadline_ns = COT_NOW;
        return 0;
    }
    return deadline_from_timeout(timeout, false, deadline_ns);
}

// Up to `max` arguments, the same by position or by name, into `values`.
static int
parse(const char *function, PyObject *const *args, Py_ssize_t nargs,
      PyObject *kwnames, const char *const *names, int required, int max,
      PyObject **values)
{
    if (nargs > max) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %d arguments (%zd given)", function,
                     max, nargs);
        return -1;
    }
    for (int i = 0; i < max; i++) {
        values[i] = i < nargs ? args[i] : NULL;
    }
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int at = 0;
        while (at < max && !PyUnicode_EqualToUTF8(name, names[at])) {
            at++;
        }
        if (at == max || values[at] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         at == max ? "%s() got an unexpected keyword "
                                     "argument '%U'"
                                   : "%s() got multiple values for argument "
                                     "'%U'",
                         function, name);
            return -1;
        }
        values[at] = args[nargs + i];
    }
    for (int i = 0; i < required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument: '%s'", function,
                         names[i]);
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(put_doc,
             "put($self, /, item, block=True, timeout=None)\n--\n\n"
             "Put an item into the queue, as queue.Queue.put.\n\n"
             "The item is copied: the queue owns the copy, which outlives\n"
             "the interpreter that put it.  Raises Full if there is no room\n"
             "in time (seconds), ShutDown after shutdown(), and\n"
             "NotShareableError for what cannot be sent.");

static PyObject *
queue_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const char *const names[] = {"item", "block", "timeout"};
    PyObject *values[3];
    int64_t deadline_ns = COT_NEVER;
    if (parse("put", args, nargs, kwnames, names, 1, 3, values) < 0
        || deadline_from_block(values[1], values[2], &deadline_ns) < 0) {
        return NULL;
    }
    return put_item(QueueObject_CAST(op), values[0], deadline_ns);
}

PyDoc_STRVAR(get_doc,
             "get($self, /, block=True, timeout=None)\n--\n\n"
             "Remove and return the oldest item, as queue.Queue.get.\n\n"
             "Raises Empty if none comes in time (seconds), and ShutDown\n"
             "when the queue is shut down and empty.");

static PyObject *
queue_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const char *const names[] = {"block", "timeout"};
    PyObject *values[2];
    int64_t deadline_ns = COT_NEVER;
    if (parse("get", args, nargs, kwnames, names, 0, 2, values) < 0
        || deadline_from_block(values[0], values[1], &deadline_ns) < 0) {
        return NULL;
    }
    return get_item(QueueObject_CAST(op), deadline_ns);
}

PyDoc_STRVAR(put_nowait_doc, "put_nowait($self, item, /)\n--\n\n"
                             "put(item, block=False).");

static PyObject *
queue_put_nowait(PyObject *op, PyObject *item)
{
    return put_item(QueueObject_CAST(op), item, COT_NOW);
}

PyDoc_STRVAR(get_nowait_doc, "get_nowait($self, /)\n--\n\n"
                             "get(block=False).");

static PyObject *
queue_get_nowait(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return get_item(QueueObject_CAST(op), COT_NOW);
}

// ---- counting, and the end -----------------------------------------------

PyDoc_STRVAR(task_done_doc,
             "task_done($self, /)\n--\n\n"
             "Say that an item that was gotten is done with.\n\n"
             "Raises ValueError when called more often than items were put.");

static PyObject *
queue_task_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    QueueObject *self = QueueObject_CAST(op);
    cot_status status = cot_queue_task_done(self->queue);
    if (status != COT_OK) {
        raise_status(self->state, status);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(join_doc, "join($self, /)\n--\n\n"
                       "Wait until every item that was put is done with.");

static PyObject *
queue_join(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    QueueObject *self = QueueObject_CAST(op);
    cot_status status;
    if (cot_block(self->state, &join_op, self->queue, COT_NEVER, &status)
        < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(shutdown_doc,
             "shutdown($self, /, immediate=False)\n--\n\n"
             "Let puts raise ShutDown, and gets once the queue is empty.\n\n"
             "With immediate, what is inside is dropped and counts as done.");

static PyObject *
queue_shutdown(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static const char *const names[] = {"immediate"};
    PyObject *values[1];
    if (parse("shutdown", args, nargs, kwnames, names, 0, 1, values) < 0) {
        return NULL;
    }
    int immediate = values[0] ? PyObject_IsTrue(values[0]) : 0;
    if (immediate < 0) {
        return NULL;
    }
    cot_queue_shut_down(QueueObject_CAST(op)->queue, immediate);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(qsize_doc, "qsize($self, /)\n--\n\n"
                        "The number of items inside: it may change at once.");

static PyObject *
queue_qsize(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(cot_queue_len(QueueObject_CAST(op)->queue));
}

PyDoc_STRVAR(empty_doc, "empty($self, /)\n--\n\n"
                        "Whether nothing is inside: it may change at once.");

static PyObject *
queue_empty(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_queue_len(QueueObject_CAST(op)->queue) == 0);
}

PyDoc_STRVAR(full_doc, "full($self, /)\n--\n\n"
                       "Whether there is no room: it may change at once.");

static PyObject *
queue_full(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_queue *queue = QueueObject_CAST(op)->queue;
    size_t capacity = cot_queue_capacity(queue);
    return PyBool_FromLong(capacity != 0 && cot_queue_len(queue) >= capacity);
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "Refused: a queue lives in this process only.");

static PyObject *
queue_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyErr_SetString(QueueObject_CAST(op)->state->not_shareable_error,
                    "a coterie.Queue lives in this process only: it travels "
                    "between interpreters, not in a pickle");
    return NULL;
}

static PyObject *
queue_get_maxsize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_queue_capacity(QueueObject_CAST(op)->queue));
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put,
     METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"get", (PyCFunction)(void (*)(void))queue_get,
     METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"put_nowait", queue_put_nowait, METH_O, put_nowait_doc},
    {"get_nowait", queue_get_nowait, METH_NOARGS, get_nowait_doc},
    {"task_done", queue_task_done, METH_NOARGS, task_done_doc},
    {"join", queue_join, METH_NOARGS, join_doc},
    {"shutdown", (PyCFunction)(void (*)(void))queue_shutdown,
     METH_FASTCALL | METH_KEYWORDS, shutdown_doc},
    {"qsize", queue_qsize, METH_NOARGS, qsize_doc},
    {"empty", queue_empty, METH_NOARGS, empty_doc},
    {"full", queue_full, METH_NOARGS, full_doc},
    {"__reduce__", queue_reduce, METH_NOARGS, reduce_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef queue_getset[] = {
    {"maxsize", queue_get_maxsize, NULL,
     PyDoc_STR("How many items fit in; 0: without bound.")},
    {NULL},
};

static PyMemberDef queue_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(QueueObject, weakrefs),
     Py_READONLY},
    {NULL},
};

PyDoc_STRVAR(
    queue_doc,
    "Queue(maxsize=0)\n--\n\n"
    "A first-in, first-out queue between threads and interpreters.\n\n"
    "The interface and the rules are those of queue.Queue.  A queue\n"
    "can be sent: as an argument, a result, inside a container, or\n"
    "through another queue; on the other side it is the same queue.");

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)queue_doc},
    {Py_tp_new, queue_new},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_repr, queue_repr},
    {Py_tp_hash, queue_hash},
    {Py_tp_richcompare, queue_richcompare},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, queue_members},
    {Py_tp_getset, queue_getset},
    {0, NULL},
};

PyType_Spec cot_queue_spec = {
    .name = "coterie.queue.Queue",
    .basicsize = sizeof(QueueObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = queue_slots,
};
