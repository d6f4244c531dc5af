#include "types/queue_many.h"

#include "types/arguments.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/queue_type.h"
#include "types/shared.h"
#include "types/waitable.h"

#include <string.h>

typedef struct {
    cot_queue *queue;
    cot_batch batch;
    size_t max;
} transfer;

static cot_queue *
queue_of(PyObject *op)
{
    return cot_queue_from_object(SharedObject_CAST(op)->object);
}

// ---- put -----------------------------------------------------------------

static bool
can_put(void *arg)
{
    return cot_queue_can_put(((transfer *)arg)->queue);
}

static cot_status
attempt_put(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *put = arg;
    return cot_queue_put_many(put->queue, parker, deadline_ns, &put->batch);
}

static cot_object *
queue_of_transfer(void *arg)
{
    return cot_queue_object(((transfer *)arg)->queue);
}

static const blocking_op put_op = {can_put, attempt_put, "put_many",
                                   queue_of_transfer};

static int
add_item(PyObject *op, PyObject *item, cot_batch *batch)
{
    cot_payload *payload = queue_encode(op, item, (Py_ssize_t)batch->len);
    if (payload == NULL) {
        return -1;
    }
    if (cot_batch_add(batch, payload) != COT_OK) {
        cot_payload_destroy(payload);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
add_items(PyObject *op, PyObject *items, cot_batch *batch)
{
    PyObject *iterator = PyObject_GetIter(items);
    if (iterator == NULL) {
        return -1;
    }
    PyObject *item;
    while ((item = PyIter_Next(iterator)) != NULL) {
        int failed = add_item(op, item, batch);
        Py_DECREF(item);
        if (failed) {
            break;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int
check_room(const cot_queue *queue, size_t count)
{
    size_t capacity = cot_queue_capacity(queue);
    if (capacity != 0 && count > capacity) {
        PyErr_Format(PyExc_ValueError,
                     "%zu items never fit into a queue with maxsize %zu",
                     count, capacity);
        return -1;
    }
    return 0;
}

const char queue_put_many_doc[] = PyDoc_STR(
    "put_many($self, /, items, timeout=None)\n--\n\n"
    "Put all items into the queue, or none of them.\n\n"
    "They get in at once and next to each other, when there is room for\n"
    "all.  Raises Full if there is none in time (seconds), ValueError if\n"
    "they are more than maxsize, and what put() raises.");

PyObject *
queue_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static const signature expected = {"put_many", 1, 2, {"items", "timeout"}};
    PyObject *values[2];
    module_state *state = SharedObject_CAST(op)->state;
    transfer put = {.queue = queue_of(op)};
    int64_t deadline_ns = COT_NEVER;
    cot_status status = COT_OK;
    if (parse_arguments(&expected, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[1], false, &deadline_ns) < 0) {
        return NULL;
    }
    int failed = add_items(op, values[0], &put.batch) < 0
                 || check_room(put.queue, put.batch.len) < 0
                 || cot_block(state, &put_op, &put, deadline_ns, &status) < 0;
    cot_batch_clear(&put.batch);
    if (failed) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_queue(state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

// ---- get -----------------------------------------------------------------

static bool
can_get(void *arg)
{
    return cot_queue_can_get(((transfer *)arg)->queue);
}

static cot_status
attempt_get(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *get = arg;
    return cot_queue_get_many(get->queue, parker, deadline_ns, get->max,
                              &get->batch);
}

static const blocking_op get_op = {can_get, attempt_get, "get_many",
                                   queue_of_transfer};

// Back into the queue with all but the first `count`, which are destroyed.
static void
put_back(transfer *get, size_t count)
{
    PyObject *pending = PyErr_GetRaisedException();
    cot_batch *batch = &get->batch;
    for (size_t i = 0; i < count; i++) {
        cot_payload_destroy(batch->payloads[i]);
    }
    batch->len -= count;
    memmove(batch->payloads, batch->payloads + count,
            batch->len * sizeof(*batch->payloads));
    cot_status status = cot_queue_put_back(get->queue, batch);
    PyErr_SetRaisedException(pending);
    if (status != COT_OK && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
}

// An item could not be decoded.  What was before it is the answer; if nothing
// was, the item is lost, as with get().  An exception that is about the thread
// and not about the item (KeyboardInterrupt) leaves all in the queue.
static PyObject *
settle(transfer *get, PyObject *items)
{
    size_t count = (size_t)PyList_GET_SIZE(items);
    bool is_item = PyErr_ExceptionMatches(PyExc_Exception);
    if (is_item && count > 0) {
        PyErr_Clear();
        put_back(get, count);
    }
    else {
        put_back(get, is_item ? 1 : 0);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(items);
    }
    return items;
}

static PyObject *
decode_items(module_state *state, transfer *get)
{
    PyObject *items = PyList_New(0);
    if (items == NULL) {
        put_back(get, 0);
        return NULL;
    }
    for (size_t i = 0; i < get->batch.len; i++) {
        PyObject *item = cot_decode(&state->codec, get->batch.payloads[i]);
        int failed = item == NULL || PyList_Append(items, item) < 0;
        Py_XDECREF(item);
        if (failed) {
            return settle(get, items);
        }
    }
    return items;
}

// -1 with an exception set.
static Py_ssize_t
max_from(PyObject *value)
{
    Py_ssize_t max = PyNumber_AsSsize_t(value, NULL);
    if (max >= 1) {
        return max;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "max must be at least 1");
    }
    return -1;
}

const char queue_get_many_doc[] = PyDoc_STR(
    "get_many($self, /, max, timeout=None)\n--\n\n"
    "Remove and return the next items as a list: one or more, up to max.\n\n"
    "Waits for the first one only.  Raises Empty if none comes in time\n"
    "(seconds), and ShutDown when the queue is shut down and empty.");

PyObject *
queue_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static const signature expected = {"get_many", 1, 2, {"max", "timeout"}};
    PyObject *values[2];
    module_state *state = SharedObject_CAST(op)->state;
    int64_t deadline_ns = COT_NEVER;
    cot_status status;
    if (parse_arguments(&expected, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[1], false, &deadline_ns) < 0) {
        return NULL;
    }
    Py_ssize_t max = max_from(values[0]);
    if (max < 0) {
        return NULL;
    }
    transfer get = {.queue = queue_of(op), .max = (size_t)max};
    if (cot_block(state, &get_op, &get, deadline_ns, &status) < 0) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_queue(state, status, LAZY_EMPTY);
    }
    PyObject *items = decode_items(state, &get);
    cot_batch_clear(&get.batch);
    return items;
}

// ---- without a thread ----------------------------------------------------

static void
drop_turn(turn *own)
{
    cot_batch_clear(&TURN_ROOM(own, transfer)->batch);
}

static int
begin_put(turn *own, PyObject *items)
{
    transfer *put = TURN_ROOM(own, transfer);
    put->queue = queue_of(own->target);
    if (add_items(own->target, items, &put->batch) < 0
        || check_room(put->queue, put->batch.len) < 0) {
        drop_turn(own);
        return -1;
    }
    return 0;
}

static PyObject *
finish_put(turn *own, cot_status status)
{
    drop_turn(own);
    if (status != COT_OK) {
        return raise_from_queue(own->state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

const waitable waitable_queue_put_many = {
    .name = "put_many",
    .op = &put_op,
    .begin = begin_put,
    .finish = finish_put,
    .drop = drop_turn,
};

static int
begin_get(turn *own, PyObject *value)
{
    transfer *get = TURN_ROOM(own, transfer);
    Py_ssize_t max = max_from(value);
    get->queue = queue_of(own->target);
    get->max = (size_t)max;
    return max < 0 ? -1 : 0;
}

static PyObject *
finish_get(turn *own, cot_status status)
{
    if (status != COT_OK) {
        return raise_from_queue(own->state, status, LAZY_EMPTY);
    }
    PyObject *items = decode_items(own->state, TURN_ROOM(own, transfer));
    drop_turn(own);
    return items;
}

const waitable waitable_queue_get_many = {
    .name = "get_many",
    .op = &get_op,
    .begin = begin_get,
    .finish = finish_get,
};
