#include "types/interpreter_queue_type.h"

#include "core/registry.h"
#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/queue_type.h"
#include "types/shared.h"

// The queue behind the object, lent.
static cot_queue *
queue_of(PyObject *op)
{
    return cot_queue_from_object(SharedObject_CAST(op)->object);
}

static unsigned long long
id_of(PyObject *op)
{
    return SharedObject_CAST(op)->object->number;
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

static PyObject *
queue_from_id(module_state *state, PyTypeObject *type, uint64_t id)
{
    cot_object *object = cot_registry_get(&cot_bound_queue_class, id);
    if (object != NULL) {
        return shared_adopt(state, type, object);
    }
    return raise_lazy(state, LAZY_QUEUE_NOT_FOUND, "queue %llu not found",
                      (unsigned long long)id);
}

// A non-negative number; -1 with an exception set.
static long long
parse_id(PyObject *id)
{
    if (!PyLong_Check(id)) {
        PyErr_Format(PyExc_TypeError, "id must be an int, got %R", id);
        return -1;
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(id, &overflow);
    if (overflow > 0) {
        PyErr_Format(PyExc_OverflowError, "max queue ID is %lld, got %R",
                     LLONG_MAX, id);
        return -1;
    }
    if (number < 0) {
        PyErr_Format(PyExc_ValueError,
                     "queue ID must be a non-negative int, got %R", id);
    }
    return number;
}

static PyObject *
queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"", NULL};
    PyObject *id;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Queue", keywords, &id)) {
        return NULL;
    }
    module_state *state = state_of_type(type);
    long long number = state ? parse_id(id) : -1;
    return number < 0 ? NULL : queue_from_id(state, type, (uint64_t)number);
}

PyDoc_STRVAR(create_doc,
             "_create($type, maxsize, flag, syncobj, /)\n--\n\n"
             "A new queue.  The flag is that of the unbound items.");

static PyObject *
queue_create(PyObject *type, PyObject *args)
{
    Py_ssize_t maxsize;
    int flag, syncobj;
    if (!PyArg_ParseTuple(args, "nip:_create", &maxsize, &flag, &syncobj)) {
        return NULL;
    }
    module_state *state = state_of_type((PyTypeObject *)type);
    if (state == NULL) {
        return NULL;
    }
    cot_queue_rules rules = {(cot_unbound_op)flag, syncobj};
    size_t capacity = maxsize > 0 ? (size_t)maxsize : 0;
    cot_queue *queue = cot_queue_create_bound(capacity, rules);
    if (queue == NULL) {
        return PyErr_NoMemory();
    }
    return shared_adopt(state, (PyTypeObject *)type, cot_queue_object(queue));
}

typedef struct {
    module_state *state;
    PyObject *list;  // NULL after a failure
} listing;

static void
append_queue(cot_object *object, void *arg)
{
    listing *all = arg;
    if (all->list == NULL) {
        return;
    }
    PyObject *queue = shared_wrap(all->state,
                                  all->state->interpreter_queue_type, object);
    if (queue == NULL || PyList_Append(all->list, queue) < 0) {
        Py_CLEAR(all->list);
    }
    Py_XDECREF(queue);
}

PyDoc_STRVAR(list_all_doc, "_list_all($type, /)\n--\n\n"
                           "A list of all queues, in no order.");

static PyObject *
queue_list_all(PyObject *type, PyObject *Py_UNUSED(ignored))
{
    listing all = {.state = state_of_type((PyTypeObject *)type)};
    if (all.state != NULL && (all.list = PyList_New(0)) != NULL) {
        cot_registry_each(&cot_bound_queue_class, append_queue, &all);
    }
    return all.list;
}

static PyObject *
queue_repr(PyObject *op)
{
    return PyUnicode_FromFormat("Queue(%llu)", id_of(op));
}

// As that of the id.
static Py_hash_t
queue_hash(PyObject *op)
{
    return (Py_hash_t)id_of(op);
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "By the id, which leads to the queue for as long as\n"
                         "an interpreter of this process holds it.");

static PyObject *
queue_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(K)", Py_TYPE(op), id_of(op));
}

// ---- put -----------------------------------------------------------------

// The stdlib's words for a timeout below zero.
static int
parse_deadline(PyObject *block, PyObject *timeout, int64_t *deadline_ns)
{
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0) {
        return -1;
    }
    *deadline_ns = COT_NOW;
    if (!blocks || deadline_from_timeout(timeout, false, deadline_ns) == 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_SetString(PyExc_ValueError,
                        "timeout value must be non-negative");
    }
    return -1;
}

// What the arguments say, or else the queue does.
static int
parse_rules(PyObject *op, PyObject *unbounditems, PyObject *syncobj,
            cot_queue_rules *rules)
{
    *rules = cot_queue_get_rules(queue_of(op));
    if (unbounditems != NULL && unbounditems != Py_None) {
        int unbound_op = unbound_op_of(state_of(op), LAZY_QUEUE_FLAG_OF,
                                       unbounditems);
        if (unbound_op < 0) {
            return -1;
        }
        rules->unbound_op = (cot_unbound_op)unbound_op;
    }
    if (syncobj != NULL && syncobj != Py_None) {
        int is_native = PyObject_IsTrue(syncobj);
        if (is_native < 0) {
            return -1;
        }
        rules->is_native = is_native;
    }
    return 0;
}

static cot_payload *
encode_item(module_state *state, PyObject *item, cot_queue_rules rules)
{
    cot_payload *payload = cot_encode_passing(&state->codec, item);
    if (payload == NULL) {
        raise_not_shareable(state, "item not shareable");
        return NULL;
    }
    if (rules.is_native && payload->format != COT_NATIVE) {
        cot_payload_destroy(payload);
        PyErr_Format(state->not_shareable_error,
                     "item not shareable: %R can be sent as a pickle only, "
                     "which syncobj=True excludes",
                     item);
        return NULL;
    }
    cot_payload_bind(payload, cot_home_id(state->home), rules.unbound_op);
    return payload;
}

static PyObject *
raise_late(PyObject *op, cot_status status, lazy_name name, const char *what)
{
    if (status != COT_TIMED_OUT) {
        raise_status(state_of(op), status);
        return NULL;
    }
    return raise_lazy(state_of(op), name, "queue %llu is %s", id_of(op), what);
}

static PyObject *
answer_put(PyObject *op, cot_status status)
{
    if (status != COT_OK) {
        return raise_late(op, status, LAZY_QUEUE_FULL, "full");
    }
    Py_RETURN_NONE;
}

static PyObject *
put_item(PyObject *op, PyObject *item, int64_t deadline_ns,
         cot_queue_rules rules)
{
    cot_status status;
    cot_payload *payload = encode_item(state_of(op), item, rules);
    if (payload == NULL
        || queue_block_to_put(state_of(op), queue_of(op), payload, deadline_ns,
                              &status)
               < 0) {
        return NULL;
    }
    return answer_put(op, status);
}

PyDoc_STRVAR(
    put_doc,
    "put($self, /, obj, block=True, timeout=None, *, unbounditems=None,\n"
    "    syncobj=None)\n--\n\n"
    "Add the object to the queue.\n\n"
    "What get() gives is a copy, but for what several interpreters can\n"
    "have at once, as queues.  Raises QueueFull if there is no room in\n"
    "time (seconds), and NotShareableError for what cannot be sent.\n\n"
    "unbounditems says what becomes of the item when this interpreter\n"
    "ends while it is in the queue: UNBOUND (get() gives UNBOUND in its\n"
    "place), UNBOUND_ERROR (get() raises ItemInterpreterDestroyed) or\n"
    "UNBOUND_REMOVE (it is removed at once).  syncobj=True refuses what\n"
    "can only be sent as a pickle.  None: as create() was told.");

static PyObject *
queue_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const signature put = {
        "put", 1, 3, {"obj", "block", "timeout", "unbounditems", "syncobj"}};
    PyObject *values[5];
    int64_t deadline_ns;
    cot_queue_rules rules;
    if (parse_arguments(&put, args, nargs, kwnames, values) < 0
        || parse_deadline(values[1], values[2], &deadline_ns) < 0
        || parse_rules(op, values[3], values[4], &rules) < 0) {
        return NULL;
    }
    return put_item(op, values[0], deadline_ns, rules);
}

PyDoc_STRVAR(put_nowait_doc, "put_nowait($self, /, obj, *, unbounditems=None, "
                             "syncobj=None)\n--\n\n"
                             "put(obj, block=False).");

static PyObject *
queue_put_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const signature put_nowait = {
        "put_nowait", 1, 1, {"obj", "unbounditems", "syncobj"}};
    PyObject *values[3];
    cot_queue_rules rules;
    if (parse_arguments(&put_nowait, args, nargs, kwnames, values) < 0
        || parse_rules(op, values[1], values[2], &rules) < 0) {
        return NULL;
    }
    return put_item(op, values[0], COT_NOW, rules);
}

// ---- get -----------------------------------------------------------------

static PyObject *
constant_of(module_state *state, cot_unbound_op unbound_op)
{
    PyObject *function = state_import(state, LAZY_QUEUE_CONSTANT_OF);
    return function ? PyObject_CallFunction(function, "i", (int)unbound_op)
                    : NULL;
}

static PyObject *
resolve_unbound(module_state *state, const cot_payload *payload)
{
    if (payload->unbound_op != COT_UNBOUND_ERROR) {
        return constant_of(state, payload->unbound_op);
    }
    return raise_lazy(state, LAZY_QUEUE_ITEM_DESTROYED,
                      "item's original interpreter destroyed");
}

// Adopts the payload, if the status is COT_OK.
static PyObject *
answer_get(PyObject *op, cot_status status, cot_payload *payload)
{
    if (status != COT_OK) {
        return raise_late(op, status, LAZY_QUEUE_EMPTY, "empty");
    }
    PyObject *item = payload->format == COT_UNBOUND
                         ? resolve_unbound(state_of(op), payload)
                         : cot_decode(&state_of(op)->codec, payload);
    cot_payload_destroy(payload);
    return item;
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
    return answer_get(op, status, payload);
}

PyDoc_STRVAR(get_doc,
             "get($self, /, block=True, timeout=None)\n--\n\n"
             "Remove and return the next object of the queue.\n\n"
             "Raises QueueEmpty if none comes in time (seconds).  For an\n"
             "item whose interpreter has ended, see put().");

static PyObject *
queue_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const signature get = {"get", 0, 2, {"block", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&get, args, nargs, kwnames, values) < 0
        || parse_deadline(values[0], values[1], &deadline_ns) < 0) {
        return NULL;
    }
    return get_item(op, deadline_ns);
}

PyDoc_STRVAR(get_nowait_doc, "get_nowait($self, /)\n--\n\n"
                             "get(block=False).");

static PyObject *
queue_get_nowait(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return get_item(op, COT_NOW);
}

// ---- without a thread ----------------------------------------------------

static int
begin_put(turn *own, PyObject *item)
{
    cot_queue *queue = queue_of(own->target);
    cot_payload *payload = encode_item(own->state, item,
                                       cot_queue_get_rules(queue));
    queue_begin_turn(own, queue, payload);
    return payload ? 0 : -1;
}

static PyObject *
finish_put(turn *own, cot_status status)
{
    if (status != COT_OK) {
        queue_drop_turn(own);
    }
    return answer_put(own->target, status);
}

const waitable waitable_interpreter_queue_put = {
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
    return answer_get(own->target, status, queue_turn_payload(own));
}

const waitable waitable_interpreter_queue_get = {
    .name = "get",
    .op = &queue_get_op,
    .begin = begin_get,
    .finish = finish_get,
};

// ---- attributes ----------------------------------------------------------

static PyObject *
queue_get_id(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(id_of(op));
}

static PyObject *
queue_get_unbounditems(PyObject *op, void *Py_UNUSED(closure))
{
    cot_queue_rules rules = cot_queue_get_rules(queue_of(op));
    return constant_of(state_of(op), rules.unbound_op);
}

// ---- the type ------------------------------------------------------------

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put,
     METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait,
     METH_FASTCALL | METH_KEYWORDS, put_nowait_doc},
    {"get", (PyCFunction)(void (*)(void))queue_get,
     METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"get_nowait", queue_get_nowait, METH_NOARGS, get_nowait_doc},
    AWAIT_METHOD("aput", await_put_obj,
                 "aput($self, /, obj, timeout=None)\n--\n\n"
                 "put() for a task of an event loop, as create() was told."),
    AWAIT_METHOD("aget", await_get,
                 "aget($self, /, timeout=None)\n--\n\n"
                 "get() for a task of an event loop."),
    {"qsize", queue_qsize, METH_NOARGS, queue_qsize_doc},
    {"empty", queue_empty, METH_NOARGS, queue_empty_doc},
    {"full", queue_full, METH_NOARGS, queue_full_doc},
    {"_create", queue_create, METH_VARARGS | METH_CLASS, create_doc},
    {"_list_all", queue_list_all, METH_NOARGS | METH_CLASS, list_all_doc},
    {"__reduce__", queue_reduce, METH_NOARGS, reduce_doc},
    {NULL},
};

static PyGetSetDef queue_getset[] = {
    {"id", queue_get_id, NULL, PyDoc_STR("The number that leads to it.")},
    {"maxsize", queue_get_maxsize, NULL,
     PyDoc_STR("How many items fit in; 0: without bound.")},
    {"unbounditems", queue_get_unbounditems, NULL,
     PyDoc_STR("What put() does with items, if it is not told.")},
    {NULL},
};

PyDoc_STRVAR(queue_doc,
             "Queue(id, /)\n--\n\n"
             "A first-in, first-out queue between interpreters.\n\n"
             "create() makes one; Queue(id) is the one of that id, the same\n"
             "object each time.  A queue can be sent everywhere, and is the\n"
             "same queue on the other side.  It is gone when no interpreter\n"
             "holds it.");

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)queue_doc},
    {Py_tp_new, queue_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, queue_repr},
    {Py_tp_hash, queue_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, shared_members},
    {Py_tp_getset, queue_getset},
    {0, NULL},
};

PyType_Spec cot_interpreter_queue_spec = {
    .name = "coterie.interpreters.queues.Queue",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = queue_slots,
};
