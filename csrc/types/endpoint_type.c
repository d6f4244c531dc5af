#include "types/endpoint_type.h"

#include "core/endpoint.h"
#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/broadcast_type.h"
#include "types/channel_type.h"
#include "types/errors.h"
#include "types/shared.h"

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// The channel behind the end, or NULL: then it is one of the others.
static cot_channel *
channel_of(PyObject *op)
{
    const cot_object *end = SharedObject_CAST(op)->object;
    return end->cls == &cot_receiver_class || end->cls == &cot_sender_class
               ? cot_endpoint_channel(end)
               : NULL;
}

static cot_subscription *
subscription_of(PyObject *op)
{
    return cot_subscription_from_object(SharedObject_CAST(op)->object);
}

static cot_broadcast *
broadcast_of(PyObject *op)
{
    return cot_broadcast_of_end(SharedObject_CAST(op)->object);
}

// ---- create --------------------------------------------------------------

static int
refuse_capacity(PyObject *capacity)
{
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Format(PyExc_ValueError,
                     "capacity must be from 0 to %zd, or None, not %R",
                     PY_SSIZE_T_MAX, capacity);
    }
    else if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError,
                     "capacity must be an int or None, not %.200s",
                     Py_TYPE(capacity)->tp_name);
    }
    return -1;
}

static int
capacity_from(PyObject *capacity, size_t *room)
{
    if (capacity == NULL || capacity == Py_None) {
        *room = capacity ? COT_CHANNEL_UNBOUNDED : 0;
        return 0;
    }
    Py_ssize_t number = PyNumber_AsSsize_t(capacity, PyExc_OverflowError);
    if (number == -1 && PyErr_Occurred()) {
        return refuse_capacity(capacity);
    }
    if (number < 0) {
        PyErr_Format(PyExc_ValueError,
                     "capacity must be at least 0, or None, not %zd", number);
        return -1;
    }
    *room = (size_t)number;
    return 0;
}

// Adopts the references to both.
static PyObject *
wrap_both(module_state *state, PyTypeObject *recv_type, cot_object *recv,
          cot_object *send)
{
    PyObject *first = shared_adopt(state, recv_type, recv);
    if (first == NULL) {
        cot_object_unref(send);
        return NULL;
    }
    PyObject *second = shared_adopt(state, state->sender_type, send);
    PyObject *pair = second ? PyTuple_Pack(2, first, second) : NULL;
    Py_DECREF(first);
    Py_XDECREF(second);
    return pair;
}

PyObject *
endpoint_create(module_state *state, PyObject *capacity, PyObject *broadcast)
{
    size_t room;
    cot_object *recv, *send;
    int has_source = broadcast ? PyObject_IsTrue(broadcast) : 0;
    if (has_source < 0 || capacity_from(capacity, &room) < 0) {
        return NULL;
    }
    cot_status status = has_source ? cot_broadcast_create(room, &recv, &send)
                                   : cot_endpoint_create(room, &recv, &send);
    if (status != COT_OK) {
        raise_status(state, status);
        return NULL;
    }
    return wrap_both(state,
                     has_source ? state->source_type : state->receiver_type,
                     recv, send);
}

// ---- what all ends have --------------------------------------------------

PyObject *
raise_from_endpoint(module_state *state, cot_status status,
                    lazy_name when_late)
{
    if (status == COT_SHUT_DOWN) {
        return raise_lazy(state, LAZY_CLOSED, "the channel is closed");
    }
    if (status == COT_TIMED_OUT) {
        return raise_lazy(state, when_late, NULL);
    }
    raise_status(state, status);
    return NULL;
}

const char endpoint_capacity_doc[] = PyDoc_STR(
    "How many objects fit in; None: without bound.");

PyObject *
endpoint_capacity(size_t capacity)
{
    if (capacity == COT_CHANNEL_UNBOUNDED) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(capacity);
}

PyObject *
endpoint_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(op);
}

// An end is not false when nothing is in line.
int
endpoint_bool(PyObject *Py_UNUSED(op))
{
    return 1;
}

static PyObject *
describe(PyObject *op, PyObject *capacity, size_t len, bool is_closed)
{
    if (capacity == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat(
        "<coterie.%s %llu capacity=%S len=%zu%s>",
        SharedObject_CAST(op)->object->cls->name,
        (unsigned long long)SharedObject_CAST(op)->object->id, capacity, len,
        is_closed ? " closed" : "");
    Py_DECREF(capacity);
    return text;
}

// ---- Receiver ------------------------------------------------------------

static int
receive_from_channel(module_state *state, cot_channel *channel,
                     cot_object *end, int64_t deadline_ns, cot_status *status,
                     PyObject **item)
{
    cot_payload *payload;
    int failed = channel_block_to_recv(state, channel, end, deadline_ns,
                                       status, &payload);
    if (failed || *status != COT_OK) {
        return failed;
    }
    *item = cot_decode(&state->codec, payload);
    cot_payload_destroy(payload);
    return *item ? 0 : -1;
}

static int
receive_as_subscriber(module_state *state, cot_subscription *subscription,
                      int64_t deadline_ns, cot_status *status, PyObject **item)
{
    cot_message *message;
    int failed = subscription_block_to_recv(state, subscription, deadline_ns,
                                            status, &message);
    if (failed || *status != COT_OK) {
        return failed;
    }
    *item = cot_decode(&state->codec, cot_message_payload(message));
    cot_message_unref(message);
    return *item ? 0 : -1;
}

// 0 with the item if the status is COT_OK; -1 with an exception set.
static int
receive(PyObject *op, int64_t deadline_ns, cot_status *status, PyObject **item)
{
    cot_channel *channel = channel_of(op);
    *item = NULL;
    return channel ? receive_from_channel(state_of(op), channel,
                                          SharedObject_CAST(op)->object,
                                          deadline_ns, status, item)
                   : receive_as_subscriber(state_of(op), subscription_of(op),
                                           deadline_ns, status, item);
}

static PyObject *
receive_or_raise(PyObject *op, int64_t deadline_ns)
{
    cot_status status;
    PyObject *item;
    if (receive(op, deadline_ns, &status, &item) < 0) {
        return NULL;
    }
    return status == COT_OK
               ? item
               : raise_from_endpoint(state_of(op), status, LAZY_EMPTY);
}

PyDoc_STRVAR(recv_doc,
             "recv($self, /, timeout=None)\n--\n\n"
             "Wait for the next object and return it.\n\n"
             "Raises Empty if none comes in time (seconds), and Closed when\n"
             "none comes any more.");

static PyObject *
receiver_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    static const signature recv = {"recv", 0, 1, {"timeout"}};
    PyObject *values[1];
    int64_t deadline_ns;
    if (parse_arguments(&recv, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[0], false, &deadline_ns) < 0) {
        return NULL;
    }
    return receive_or_raise(op, deadline_ns);
}

PyDoc_STRVAR(recv_nowait_doc, "recv_nowait($self, /)\n--\n\n"
                              "recv(timeout=0).");

static PyObject *
receiver_recv_nowait(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return receive_or_raise(op, COT_NOW);
}

static PyObject *
receiver_next(PyObject *op)
{
    cot_status status;
    PyObject *item;
    if (receive(op, COT_NEVER, &status, &item) < 0
        || status == COT_SHUT_DOWN) {
        return NULL;
    }
    return status == COT_OK
               ? item
               : raise_from_endpoint(state_of(op), status, LAZY_EMPTY);
}

PyDoc_STRVAR(
    receiver_close_doc,
    "close($self, /)\n--\n\n"
    "Receive nothing any more, here or elsewhere: what is in line is\n"
    "dropped, and sends raise Closed.\n\n"
    "A subscriber only leaves.  Closing again does nothing.");

static PyObject *
receiver_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_channel *channel = channel_of(op);
    if (channel != NULL) {
        // COT_SHUT_DOWN: it is closed already.
        (void)!cot_channel_close(channel, COT_RECV_END, true);
    }
    else {
        cot_subscription_close(subscription_of(op));
    }
    Py_RETURN_NONE;
}

static PyObject *
receiver_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
              Py_ssize_t Py_UNUSED(nargs))
{
    return receiver_close(op, NULL);
}

static bool
is_receiver_closed(PyObject *op)
{
    cot_channel *channel = channel_of(op);
    return channel ? cot_channel_refuses_recv(channel)
                   : cot_subscription_refuses_recv(subscription_of(op));
}

static Py_ssize_t
receiver_len(PyObject *op)
{
    cot_channel *channel = channel_of(op);
    return (Py_ssize_t)(channel ? cot_channel_len(channel)
                                : cot_subscription_len(subscription_of(op)));
}

static PyObject *
receiver_get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_receiver_closed(op));
}

static PyObject *
receiver_get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    cot_channel *channel = channel_of(op);
    return endpoint_capacity(
        channel ? cot_channel_capacity(channel)
                : cot_subscription_capacity(subscription_of(op)));
}

static PyObject *
receiver_repr(PyObject *op)
{
    return describe(op, receiver_get_capacity(op, NULL),
                    (size_t)receiver_len(op), is_receiver_closed(op));
}

// ---- Sender --------------------------------------------------------------

static PyObject *
send_object(PyObject *op, PyObject *obj, int64_t deadline_ns, bool as_buffer)
{
    module_state *state = state_of(op);
    cot_channel *channel = channel_of(op);
    cot_payload *payload = channel_encode(state, obj, as_buffer);
    if (payload == NULL) {
        return NULL;
    }
    cot_status status;
    int failed = channel
                     ? channel_block_to_send(state, channel,
                                             SharedObject_CAST(op)->object,
                                             payload, deadline_ns, &status)
                     : broadcast_block_to_send(state,
                                               SharedObject_CAST(op)->object,
                                               payload, deadline_ns, &status);
    if (failed) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_endpoint(state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    send_doc,
    "send($self, /, obj, timeout=None)\n--\n\n"
    "Send a copy of the object: wait until there is room for it.\n\n"
    "(Without capacity: until it is received.)  Raises Full if that is\n"
    "not so in time (seconds), Closed, and NotShareableError; then\n"
    "nobody receives it.");

static PyObject *
sender_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    static const signature send = {"send", 1, 2, {"obj", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&send, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[1], false, &deadline_ns) < 0) {
        return NULL;
    }
    return send_object(op, values[0], deadline_ns, false);
}

PyDoc_STRVAR(send_nowait_doc, "send_nowait($self, /, obj)\n--\n\n"
                              "send(obj, timeout=0).");

static PyObject *
sender_send_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const signature send_nowait = {"send_nowait", 1, 1, {"obj"}};
    PyObject *values[1];
    if (parse_arguments(&send_nowait, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return send_object(op, values[0], COT_NOW, false);
}

PyDoc_STRVAR(
    send_buffer_doc,
    "send_buffer($self, /, obj, timeout=None)\n--\n\n"
    "Send the object's memory, as send() does an object, without a copy.\n\n"
    "The receiver gets a memoryview of the same memory, which can be\n"
    "written to if the object can.");

static PyObject *
sender_send_buffer(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const signature send_buffer = {
        "send_buffer", 1, 2, {"obj", "timeout"}};
    PyObject *values[2];
    int64_t deadline_ns;
    if (parse_arguments(&send_buffer, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[1], false, &deadline_ns) < 0) {
        return NULL;
    }
    return send_object(op, values[0], deadline_ns, true);
}

PyDoc_STRVAR(
    sender_close_doc,
    "close($self, /)\n--\n\n"
    "Send nothing any more, here or elsewhere: receivers get what is\n"
    "in line, then Closed.\n\n"
    "Closing again does nothing.");

static PyObject *
sender_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_channel *channel = channel_of(op);
    if (channel != NULL) {
        // COT_SHUT_DOWN: it is closed already.
        (void)!cot_channel_close(channel, COT_SEND_END, false);
    }
    else {
        (void)cot_broadcast_close(broadcast_of(op));
    }
    Py_RETURN_NONE;
}

static PyObject *
sender_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
            Py_ssize_t Py_UNUSED(nargs))
{
    return sender_close(op, NULL);
}

static bool
is_sender_closed(PyObject *op)
{
    cot_channel *channel = channel_of(op);
    return channel ? cot_channel_refuses_send(channel)
                   : cot_broadcast_refuses_send(broadcast_of(op));
}

static Py_ssize_t
sender_len(PyObject *op)
{
    cot_channel *channel = channel_of(op);
    return (Py_ssize_t)(channel ? cot_channel_len(channel)
                                : cot_broadcast_len(broadcast_of(op)));
}

static PyObject *
sender_get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_sender_closed(op));
}

static PyObject *
sender_get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    cot_channel *channel = channel_of(op);
    return endpoint_capacity(channel
                                 ? cot_channel_capacity(channel)
                                 : cot_broadcast_capacity(broadcast_of(op)));
}

static PyObject *
sender_repr(PyObject *op)
{
    return describe(op, sender_get_capacity(op, NULL), (size_t)sender_len(op),
                    is_sender_closed(op));
}

// ---- tables --------------------------------------------------------------

static PyMethodDef receiver_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))receiver_recv,
     METH_FASTCALL | METH_KEYWORDS, recv_doc},
    {"recv_nowait", receiver_recv_nowait, METH_NOARGS, recv_nowait_doc},
    {"close", receiver_close, METH_NOARGS, receiver_close_doc},
    AWAIT_METHOD("arecv", await_recv,
                 "arecv($self, /, timeout=None)\n--\n\n"
                 "recv() for a task of an event loop."),
    {"__enter__", endpoint_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))receiver_exit, METH_FASTCALL,
     NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef receiver_getset[] = {
    {"closed", receiver_get_closed, NULL,
     PyDoc_STR("Whether nothing can be received any more.")},
    {"capacity", receiver_get_capacity, NULL, endpoint_capacity_doc},
    {NULL},
};

PyDoc_STRVAR(receiver_doc,
             "The receiving end of a channel, or what a Source's subscriber\n"
             "has: made by create_channel and Source.subscribe.\n\n"
             "It can be sent; on the other side it is the same end.\n"
             "Iteration receives until the channel is closed; len() tells\n"
             "how many objects are in line.  As a context manager it is\n"
             "closed at the end of the block.");

static PyType_Slot receiver_slots[] = {
    {Py_tp_doc, (void *)receiver_doc}, {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},   {Py_tp_repr, receiver_repr},
    {Py_tp_iter, PyObject_SelfIter},   {Py_tp_iternext, receiver_next},
    {Py_tp_hash, shared_hash},         {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, receiver_methods}, {Py_tp_members, shared_members},
    {Py_tp_getset, receiver_getset},   {Py_sq_length, receiver_len},
    {Py_nb_bool, endpoint_bool},       {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, await_next_recv},    {0, NULL},
};

PyType_Spec cot_receiver_spec = {
    .name = "coterie.channel.Receiver",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = receiver_slots,
};

static PyMethodDef sender_methods[] = {
    {"send", (PyCFunction)(void (*)(void))sender_send,
     METH_FASTCALL | METH_KEYWORDS, send_doc},
    {"send_nowait", (PyCFunction)(void (*)(void))sender_send_nowait,
     METH_FASTCALL | METH_KEYWORDS, send_nowait_doc},
    {"send_buffer", (PyCFunction)(void (*)(void))sender_send_buffer,
     METH_FASTCALL | METH_KEYWORDS, send_buffer_doc},
    {"close", sender_close, METH_NOARGS, sender_close_doc},
    AWAIT_METHOD("asend", await_send,
                 "asend($self, /, obj, timeout=None)\n--\n\n"
                 "send() for a task of an event loop."),
    AWAIT_METHOD("asend_buffer", await_send_buffer,
                 "asend_buffer($self, /, obj, timeout=None)\n--\n\n"
                 "send_buffer() for a task of an event loop."),
    {"__enter__", endpoint_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))sender_exit, METH_FASTCALL,
     NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef sender_getset[] = {
    {"closed", sender_get_closed, NULL,
     PyDoc_STR("Whether nothing can be sent any more.")},
    {"capacity", sender_get_capacity, NULL, endpoint_capacity_doc},
    {NULL},
};

PyDoc_STRVAR(sender_doc,
             "The sending end of a channel: made by create_channel.\n\n"
             "It can be sent; on the other side it is the same end.  len()\n"
             "tells how many objects are in line.  As a context manager it\n"
             "is closed at the end of the block.");

static PyType_Slot sender_slots[] = {
    {Py_tp_doc, (void *)sender_doc}, {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc}, {Py_tp_repr, sender_repr},
    {Py_tp_hash, shared_hash},       {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, sender_methods}, {Py_tp_members, shared_members},
    {Py_tp_getset, sender_getset},   {Py_sq_length, sender_len},
    {Py_nb_bool, endpoint_bool},     {0, NULL},
};

PyType_Spec cot_sender_spec = {
    .name = "coterie.channel.Sender",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = sender_slots,
};
