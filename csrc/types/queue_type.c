#include "types/queue_type.h"

#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/priority_queue_type.h"
#include "types/queue_many.h"
#include "types/shared.h"

#include "port/memory.h"

// The queue behind the object, lent.
static cot_queue *
queue_of(PyObject *op)
{
    return cot_queue_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

static PyObject *
make(PyTypeObject *type, const cot_class *cls, Py_ssize_t maxsize)
{
    module_state *state = state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    size_t capacity = maxsize > 0 ? (size_t)maxsize : 0;
    cot_queue *queue = cot_queue_create_as(cls, capacity);
    if (queue == NULL) {
        return PyErr_NoMemory();
    }
    return shared_adopt(state, type, cot_queue_object(queue));
}

static char *maxsize_keywords[] = {"maxsize", NULL};

static PyObject *
queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t maxsize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n:Queue",
                                     maxsize_keywords, &maxsize)) {
        return NULL;
    }
    return make(type, &cot_queue_class, maxsize);
}

static PyObject *
lifo_queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t maxsize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n:LifoQueue",
                                     maxsize_keywords, &maxsize)) {
        return NULL;
    }
    return make(type, &cot_lifo_queue_class, maxsize);
}

static PyObject *
simple_queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":SimpleQueue", keywords)) {
        return NULL;
    }
    return make(type, &cot_simple_queue_class, 0);
}

// There are subclasses of Queue, so it is a base type; but one from outside
// could not be sent.
static PyObject *
queue_init_subclass(PyObject *Py_UNUSED(cls), PyObject *Py_UNUSED(args),
                    PyObject *Py_UNUSED(kwargs))
{
    PyErr_SetString(
        PyExc_TypeError,
        "type 'coterie.queue.Queue' is not an acceptable base type");
    return NULL;
}

static PyObject *
queue_repr(PyObject *op)
{
    cot_queue *queue = queue_of(op);
    return PyUnicode_FromFormat(
        "<coterie.%s %llu maxsize=%zu qsize=%zu%s>",
        cot_queue_object(queue)->cls->name,
        (unsigned long long)cot_queue_object(queue)->id,
        cot_queue_capacity(queue), cot_queue_len(queue),
        cot_queue_is_shut_down(queue) ? " shut down" : "");
}

static PyObject *
simple_queue_repr(PyObject *op)
{
    cot_queue *queue = queue_of(op);
    return PyUnicode_FromFormat(
        "<coterie.%s %llu qsize=%zu>", cot_queue_object(queue)->cls->name,
        (unsigned long long)cot_queue_object(queue)->id, cot_queue_len(queue));
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

static cot_object *
queue_of_transfer(void *arg)
{
    return cot_queue_object(((transfer *)arg)->queue);
}

static cot_object *
queue_of_join(void *arg)
{
    return cot_queue_object(arg);
}

const blocking_op queue_put_op = {can_put, attempt_put, "put",
                                  queue_of_transfer};
const blocking_op queue_get_op = {can_get, attempt_get, "get",
                                  queue_of_transfer};
static const blocking_op join_op = {is_done, attempt_join, "join",
                                    queue_of_join};

PyObject *
raise_from_queue(module_state *state, cot_status status, lazy_name when_late)
{
    if (status != COT_TIMED_OUT) {
        raise_status(state, status);
        return NULL;
    }
    return raise_lazy(state, when_late, NULL);
}

int
queue_block_to_put(module_state *state, cot_queue *queue, cot_payload *payload,
                   int64_t deadline_ns, cot_status *status)
{
    transfer put = {queue, payload};
    int failed = cot_block(state, &queue_put_op, &put, deadline_ns, status);
    if (failed || *status != COT_OK) {
        cot_payload_destroy(payload);
    }
    return failed;
}

int
queue_block_to_get(module_state *state, cot_queue *queue, int64_t deadline_ns,
                   cot_status *status, cot_payload **payload)
{
    transfer get = {.queue = queue};
    int failed = cot_block(state, &queue_get_op, &get, deadline_ns, status);
    *payload = get.payload;
    return failed;
}

static void
name_item(char *name, size_t size, Py_ssize_t idx)
{
    if (idx < 0) {
        PyOS_snprintf(name, size, "item");
    }
    else {
        PyOS_snprintf(name, size, "items[%zd]", idx);
    }
}

cot_payload *
queue_encode(PyObject *op, PyObject *item, Py_ssize_t idx)
{
    module_state *state = state_of(op);
    cot_key *key = NULL;
    char name[40];
    if (SharedObject_CAST(op)->object->cls == &cot_priority_queue_class) {
        name_item(name, sizeof(name), idx);
        key = priority_queue_make_key(op, item, name);
        if (key == NULL) {
            return NULL;
        }
    }
    cot_payload *payload = cot_encode_passing(&state->codec, item);
    if (payload == NULL) {
        cot_free(key);
        name_item(name, sizeof(name), idx);
        char text[80];
        PyOS_snprintf(text, sizeof(text), "%s not shareable", name);
        raise_not_shareable(state, text);
        return NULL;
    }
    payload->key = key;
    return payload;
}

static PyObject *
answer_put(module_state *state, cot_status status)
{
    if (status != COT_OK) {
        return raise_from_queue(state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

// The payload is there, and adopted, if the status is COT_OK.
static PyObject *
answer_get(module_state *state, cot_status status, cot_payload *payload)
{
    if (status != COT_OK) {
        return raise_from_queue(state, status, LAZY_EMPTY);
    }
    PyObject *item = cot_decode(&state->codec, payload);
    cot_payload_destroy(payload);
    return item;
}

static PyObject *
put_item(PyObject *op, PyObject *item, int64_t deadline_ns)
{
    module_state *state = state_of(op);
    cot_payload *payload = queue_encode(op, item, -1);
    if (payload == NULL) {
        return NULL;
    }
    cot_status status;
    if (queue_block_to_put(state, queue_of(op), payload, deadline_ns, &status)
        < 0) {
        return NULL;
    }
    return answer_put(state, status);
}

static PyObject *
get_item(PyObject *op, int64_t deadline_ns)
{
    module_state *state = state_of(op);
    cot_payload *payload;
    cot_status status;
    if (queue_block_to_get(state, queue_of(op), deadline_ns, &status, &payload)
        < 0) {
        return NULL;
    }
    return answer_get(state, status, payload);
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
    static const signature put = {"put", 1, 3, {"item", "block", "timeout"}};
    PyObject *values[3];
    int64_t deadline_ns = COT_NEVER;
    if (parse_arguments(&put, args, nargs, kwnames, values) < 0
        || deadline_from_block(values[1], values[2], &deadline_ns) < 0) {
        return NULL;
    }
    return put_item(op, values[0], deadline_ns);
}

PyDoc_STRVAR(get_doc,
             "get($self, /, block=True, timeout=None)\n--\n\n"
             "Remove and return the next item, as queue.Queue.get.\n\n"
             "Raises Empty if none comes in time (seconds), and ShutDown\n"
             "when the queue is shut down and empty.");

static PyObject *
queue_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const signature get = {"get", 0, 2, {"block", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns = COT_NEVER;
    if (parse_arguments(&get, args, nargs, kwnames, values) < 0
        || deadline_from_block(values[0], values[1], &deadline_ns) < 0) {
        return NULL;
    }
    return get_item(op, deadline_ns);
}

PyDoc_STRVAR(put_nowait_doc, "put_nowait($self, /, item)\n--\n\n"
                             "put(item, block=False).");

static PyObject *
queue_put_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const signature put_nowait = {"put_nowait", 1, 1, {"item"}};
    PyObject *values[1];
    if (parse_arguments(&put_nowait, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return put_item(op, values[0], COT_NOW);
}

PyDoc_STRVAR(get_nowait_doc, "get_nowait($self, /)\n--\n\n"
                             "get(block=False).");

static PyObject *
queue_get_nowait(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return get_item(op, COT_NOW);
}

// ---- without a thread ----------------------------------------------------

void
queue_begin_turn(turn *own, cot_queue *queue, cot_payload *payload)
{
    *TURN_ROOM(own, transfer) = (transfer){queue, payload};
}

void
queue_drop_turn(turn *own)
{
    cot_payload_destroy(TURN_ROOM(own, transfer)->payload);
}

cot_payload *
queue_turn_payload(turn *own)
{
    return TURN_ROOM(own, transfer)->payload;
}

static int
begin_put(turn *own, PyObject *item)
{
    cot_payload *payload = queue_encode(own->target, item, -1);
    queue_begin_turn(own, queue_of(own->target), payload);
    return payload ? 0 : -1;
}

static PyObject *
finish_put(turn *own, cot_status status)
{
    if (status != COT_OK) {
        queue_drop_turn(own);
    }
    return answer_put(own->state, status);
}

const waitable waitable_queue_put = {
    .name = "put",
    .op = &queue_put_op,
    .begin = begin_put,
    .finish = finish_put,
    .drop = queue_drop_turn,
};

static int
begin_get(turn *own, PyObject *value)
{
    (void)value;
    queue_begin_turn(own, queue_of(own->target), NULL);
    return 0;
}

static PyObject *
finish_get(turn *own, cot_status status)
{
    return answer_get(own->state, status, queue_turn_payload(own));
}

const waitable waitable_queue_get = {
    .name = "get",
    .op = &queue_get_op,
    .begin = begin_get,
    .finish = finish_get,
};

static int
begin_join(turn *own, PyObject *value)
{
    (void)value;
    own->arg = queue_of(own->target);
    return 0;
}

static PyObject *
finish_join(turn *own, cot_status status)
{
    if (status != COT_OK) {
        raise_status(own->state, status);
        return NULL;
    }
    Py_RETURN_NONE;
}

const waitable waitable_queue_join = {
    .name = "join",
    .op = &join_op,
    .begin = begin_join,
    .finish = finish_join,
};

// ---- counting, and the end -----------------------------------------------

PyDoc_STRVAR(task_done_doc,
             "task_done($self, /)\n--\n\n"
             "Say that an item that was gotten is done with.\n\n"
             "Raises ValueError when called more often than items were put.");

static PyObject *
queue_task_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_status status = cot_queue_task_done(queue_of(op));
    if (status != COT_OK) {
        raise_status(state_of(op), status);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(join_doc, "join($self, /)\n--\n\n"
                       "Wait until every item that was put is done with.");

static PyObject *
queue_join(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_status status;
    if (cot_block(state_of(op), &join_op, queue_of(op), COT_NEVER, &status)
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
    static const signature shutdown = {"shutdown", 0, 1, {"immediate"}};
    PyObject *values[1];
    if (parse_arguments(&shutdown, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    int immediate = values[0] ? PyObject_IsTrue(values[0]) : 0;
    if (immediate < 0) {
        return NULL;
    }
    cot_queue_shut_down(queue_of(op), immediate);
    Py_RETURN_NONE;
}

const char queue_qsize_doc[] = PyDoc_STR(
    "qsize($self, /)\n--\n\n"
    "The number of items inside: it may change at once.");

PyObject *
queue_qsize(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(cot_queue_len(queue_of(op)));
}

const char queue_empty_doc[] = PyDoc_STR(
    "empty($self, /)\n--\n\n"
    "Whether nothing is inside: it may change at once.");

PyObject *
queue_empty(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_queue_len(queue_of(op)) == 0);
}

const char queue_full_doc[] = PyDoc_STR(
    "full($self, /)\n--\n\n"
    "Whether there is no room: it may change at once.");

PyObject *
queue_full(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_queue *queue = queue_of(op);
    size_t capacity = cot_queue_capacity(queue);
    return PyBool_FromLong(capacity != 0 && cot_queue_len(queue) >= capacity);
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "Refused: a queue lives in this process only.");

static PyObject *
queue_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyErr_SetString(state_of(op)->not_shareable_error,
                    "a queue of coterie lives in this process only: it "
                    "travels between interpreters, not in a pickle");
    return NULL;
}

PyObject *
queue_get_maxsize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_queue_capacity(queue_of(op)));
}

PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nThe queue itself.");

static PyObject *
queue_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(op);
}

PyDoc_STRVAR(exit_doc, "__exit__($self, /, *exc_info)\n--\n\n"
                       "shutdown(): what is inside can still be gotten.");

static PyObject *
queue_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
           Py_ssize_t Py_UNUSED(nargs))
{
    cot_queue_shut_down(queue_of(op), false);
    Py_RETURN_NONE;
}

// ---- iteration -----------------------------------------------------------

static PyObject *
queue_next(PyObject *op)
{
    module_state *state = state_of(op);
    cot_payload *payload;
    cot_status status;
    if (queue_block_to_get(state, queue_of(op), COT_NEVER, &status, &payload)
            < 0
        || status == COT_SHUT_DOWN) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_queue(state, status, LAZY_EMPTY);
    }
    PyObject *item = cot_decode(&state->codec, payload);
    cot_payload_destroy(payload);
    return item;
}

// ---- tables --------------------------------------------------------------

static PyMethodDef simple_queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put,
     METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"get", (PyCFunction)(void (*)(void))queue_get,
     METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait,
     METH_FASTCALL | METH_KEYWORDS, put_nowait_doc},
    {"get_nowait", queue_get_nowait, METH_NOARGS, get_nowait_doc},
    {"put_many", (PyCFunction)(void (*)(void))queue_put_many,
     METH_FASTCALL | METH_KEYWORDS, queue_put_many_doc},
    {"get_many", (PyCFunction)(void (*)(void))queue_get_many,
     METH_FASTCALL | METH_KEYWORDS, queue_get_many_doc},
    AWAIT_METHOD("aget", await_get,
                 "aget($self, /, timeout=None)\n--\n\n"
                 "get() for a task of an event loop."),
    AWAIT_METHOD("aput", await_put,
                 "aput($self, /, item, timeout=None)\n--\n\n"
                 "put() for a task of an event loop."),
    AWAIT_MANY,
    {"qsize", queue_qsize, METH_NOARGS, queue_qsize_doc},
    {"empty", queue_empty, METH_NOARGS, queue_empty_doc},
    {"__reduce__", queue_reduce, METH_NOARGS, reduce_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put,
     METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"get", (PyCFunction)(void (*)(void))queue_get,
     METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait,
     METH_FASTCALL | METH_KEYWORDS, put_nowait_doc},
    {"get_nowait", queue_get_nowait, METH_NOARGS, get_nowait_doc},
    {"put_many", (PyCFunction)(void (*)(void))queue_put_many,
     METH_FASTCALL | METH_KEYWORDS, queue_put_many_doc},
    {"get_many", (PyCFunction)(void (*)(void))queue_get_many,
     METH_FASTCALL | METH_KEYWORDS, queue_get_many_doc},
    AWAIT_METHOD("aget", await_get,
                 "aget($self, /, timeout=None)\n--\n\n"
                 "get() for a task of an event loop."),
    AWAIT_METHOD("aput", await_put,
                 "aput($self, /, item, timeout=None)\n--\n\n"
                 "put() for a task of an event loop."),
    AWAIT_MANY,
    AWAIT_METHOD("ajoin", await_join,
                 "ajoin($self, /, timeout=None)\n--\n\n"
                 "join() for a task of an event loop."),
    {"task_done", queue_task_done, METH_NOARGS, task_done_doc},
    {"join", queue_join, METH_NOARGS, join_doc},
    {"shutdown", (PyCFunction)(void (*)(void))queue_shutdown,
     METH_FASTCALL | METH_KEYWORDS, shutdown_doc},
    {"qsize", queue_qsize, METH_NOARGS, queue_qsize_doc},
    {"empty", queue_empty, METH_NOARGS, queue_empty_doc},
    {"full", queue_full, METH_NOARGS, queue_full_doc},
    {"__enter__", queue_enter, METH_NOARGS, enter_doc},
    {"__exit__", (PyCFunction)(void (*)(void))queue_exit, METH_FASTCALL,
     exit_doc},
    {"__init_subclass__", (PyCFunction)(void (*)(void))queue_init_subclass,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL},
    {"__reduce__", queue_reduce, METH_NOARGS, reduce_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef queue_getset[] = {
    {"maxsize", queue_get_maxsize, NULL,
     PyDoc_STR("How many items fit in; 0: without bound.")},
    {NULL},
};

PyDoc_STRVAR(
    queue_doc,
    "Queue(maxsize=0)\n--\n\n"
    "A first-in, first-out queue between threads and interpreters.\n\n"
    "The interface and the rules are those of queue.Queue.  A queue\n"
    "can be sent: as an argument, a result, inside a container, or\n"
    "through another queue; on the other side it is the same queue.\n\n"
    "Iteration gets items until the queue is shut down and empty.  As a\n"
    "context manager it is shut down at the end of the block.");

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)queue_doc},
    {Py_tp_new, queue_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, queue_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, queue_next},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, await_next_get},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, shared_members},
    {Py_tp_getset, queue_getset},
    {0, NULL},
};

PyType_Spec cot_queue_spec = {
    .name = "coterie.queue.Queue",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = queue_slots,
};

PyDoc_STRVAR(lifo_queue_doc, "LifoQueue(maxsize=0)\n--\n\n"
                             "A Queue that gives the youngest item first.");

static PyType_Slot lifo_queue_slots[] = {
    {Py_tp_doc, (void *)lifo_queue_doc},
    {Py_tp_new, lifo_queue_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {0, NULL},
};

PyType_Spec cot_lifo_queue_spec = {
    .name = "coterie.queue.LifoQueue",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lifo_queue_slots,
};

PyDoc_STRVAR(
    simple_queue_doc,
    "SimpleQueue()\n--\n\n"
    "A first-in, first-out queue without bound, count and shutdown.\n\n"
    "The interface is that of queue.SimpleQueue.  It can be sent as\n"
    "a Queue can.");

static PyType_Slot simple_queue_slots[] = {
    {Py_tp_doc, (void *)simple_queue_doc},
    {Py_tp_new, simple_queue_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, simple_queue_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, simple_queue_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_simple_queue_spec = {
    .name = "coterie.queue.SimpleQueue",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = simple_queue_slots,
};
