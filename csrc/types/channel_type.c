#include "types/channel_type.h"

#include "core/registry.h"
#include "types/arguments.h"
#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/shared.h"
#include "types/shared_buffer.h"

static cot_channel *
channel_of(PyObject *op)
{
    return cot_channel_of_end(SharedObject_CAST(op)->object);
}

static cot_channel_side
side_of(PyObject *op)
{
    return cot_channel_side_of_end(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

// The object for the end: a new reference.
static PyObject *
wrap_end(module_state *state, cot_channel *channel, cot_channel_side side)
{
    cot_object *end = cot_channel_end(channel, side);
    if (end == NULL) {
        return PyErr_NoMemory();
    }
    return shared_adopt(state,
                        side == COT_SEND_END ? state->send_channel_type
                                             : state->recv_channel_type,
                        end);
}

static PyObject *
wrap_both(module_state *state, cot_channel *channel)
{
    PyObject *recv = wrap_end(state, channel, COT_RECV_END);
    PyObject *send = recv ? wrap_end(state, channel, COT_SEND_END) : NULL;
    PyObject *pair = send ? PyTuple_Pack(2, recv, send) : NULL;
    Py_XDECREF(recv);
    Py_XDECREF(send);
    return pair;
}

PyObject *
channel_create(module_state *state, PyObject *capacity, PyObject *unbound_op)
{
    size_t room = COT_CHANNEL_UNBOUNDED;
    if (capacity != Py_None) {
        room = PyLong_AsSize_t(capacity);
        if (room == (size_t)-1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    unsigned long op = PyLong_AsUnsignedLong(unbound_op);
    if (op > COT_UNBOUND_REPLACE) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "no such unbound op");
        }
        return NULL;
    }
    cot_channel *channel = cot_channel_create(room, (cot_unbound_op)op);
    if (channel == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *pair = wrap_both(state, channel);
    cot_object_unref(cot_channel_object(channel));
    return pair;
}

typedef struct {
    module_state *state;
    PyObject *list;  // owned; NULL: with an exception set
} listing;

static void
list_one(cot_object *object, void *arg)
{
    listing *all = arg;
    cot_channel *channel = cot_channel_from_object(object);
    if (all->list == NULL || cot_channel_refuses_recv(channel)) {
        return;
    }
    PyObject *pair = wrap_both(all->state, channel);
    if (pair == NULL || PyList_Append(all->list, pair) < 0) {
        Py_CLEAR(all->list);
    }
    Py_XDECREF(pair);
}

PyObject *
channel_list(module_state *state)
{
    listing all = {.state = state, .list = PyList_New(0)};
    if (all.list != NULL) {
        cot_registry_each(&cot_channel_class, list_one, &all);
    }
    return all.list;
}

// A new reference to the channel of that id, or NULL with an exception set.
static cot_channel *
find_channel(module_state *state, PyObject *id)
{
    PyObject *index = PyNumber_Index(id);
    if (index == NULL) {
        return NULL;
    }
    unsigned long long number = PyLong_AsUnsignedLongLong(index);
    if (PyErr_Occurred()) {  // too big, or negative: nothing has it
        PyErr_Clear();
        number = 0;
    }
    cot_object *object = cot_registry_get(&cot_channel_class, number);
    if (object == NULL) {
        raise_lazy(state, LAZY_CHANNEL_NOT_FOUND, "channel %S not found",
                   index);
    }
    Py_DECREF(index);
    return object ? cot_channel_from_object(object) : NULL;
}

static PyObject *
channel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"id", NULL};
    PyObject *id;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", keywords, &id)) {
        return NULL;
    }
    module_state *state = state_of_type(type);
    cot_channel *channel = state ? find_channel(state, id) : NULL;
    if (channel == NULL) {
        return NULL;
    }
    PyObject *obj = wrap_end(state, channel,
                             type == state->send_channel_type ? COT_SEND_END
                                                              : COT_RECV_END);
    cot_object_unref(cot_channel_object(channel));
    return obj;
}

static unsigned long long
id_of(PyObject *op)
{
    return cot_channel_object(channel_of(op))->number;
}

static PyObject *
channel_repr(PyObject *op)
{
    return PyUnicode_FromFormat(
        "%s(id=%llu)", SharedObject_CAST(op)->object->cls->name, id_of(op));
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\n"
                         "By id: for the same process, while it lives.");

static PyObject *
channel_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(K)", Py_TYPE(op), id_of(op));
}

// ---- send ----------------------------------------------------------------

typedef struct {
    cot_channel *channel;
    cot_payload *payload;
    bool waits;       // has not to be done at once
    cot_object *end;  // borrowed: whose method it is
} transfer;

// Before it detaches the thread, cot_block looks for a moment whether it need
// not.  Two who look for each other would never meet: who may wait stands in
// line meanwhile.  (A park spins before it sleeps, so this is all the time.)
static int64_t
deadline_of_look(const transfer *it, int64_t deadline_ns)
{
    return it->waits && deadline_ns == COT_NOW ? cot_clock_after(COT_US)
                                               : deadline_ns;
}

static cot_status
status_of_look(const transfer *it, int64_t deadline_ns, cot_status status)
{
    return it->waits && deadline_ns == COT_NOW && status == COT_SIGNALLED
               ? COT_TIMED_OUT
               : status;
}

static bool
can_send(void *arg)
{
    return cot_channel_can_send(((transfer *)arg)->channel);
}

static cot_status
attempt_send(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *send = arg;
    cot_status status = cot_channel_send(send->channel, parker,
                                         deadline_of_look(send, deadline_ns),
                                         send->payload);
    return status_of_look(send, deadline_ns, status);
}

static bool
can_recv(void *arg)
{
    return cot_channel_can_recv(((transfer *)arg)->channel);
}

static cot_status
attempt_recv(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    transfer *recv = arg;
    cot_status status = cot_channel_recv(recv->channel, parker,
                                         deadline_of_look(recv, deadline_ns),
                                         &recv->payload);
    return status_of_look(recv, deadline_ns, status);
}

static cot_object *
end_of(void *arg)
{
    return ((transfer *)arg)->end;
}

static const blocking_op send_op = {can_send, attempt_send, "send", end_of};
static const blocking_op recv_op = {can_recv, attempt_recv, "recv", end_of};

int
channel_block_to_send(module_state *state, cot_channel *channel,
                      cot_object *end, cot_payload *payload,
                      int64_t deadline_ns, cot_status *status)
{
    transfer send = {channel, payload, deadline_ns != COT_NOW, end};
    int failed = cot_block(state, &send_op, &send, deadline_ns, status);
    if (failed || *status != COT_OK) {
        cot_payload_destroy(payload);
    }
    return failed;
}

int
channel_block_to_recv(module_state *state, cot_channel *channel,
                      cot_object *end, int64_t deadline_ns, cot_status *status,
                      cot_payload **payload)
{
    transfer recv = {
        .channel = channel,
        .waits = deadline_ns != COT_NOW,
        .end = end,
    };
    buffer_owner_reclaim(state->buffers);
    int failed = cot_block(state, &recv_op, &recv, deadline_ns, status);
    *payload = recv.payload;
    return failed;
}

static PyObject *
raise_from_channel(PyObject *op, cot_status status)
{
    module_state *state = state_of(op);
    if (status == COT_SHUT_DOWN) {
        return raise_lazy(state, LAZY_CHANNEL_CLOSED, "channel %llu is closed",
                          id_of(op));
    }
    raise_status(state, status);
    return NULL;
}

// What `unbounditems` (NULL: not given) means for an item; -1 with an exception
// set.
static int
unbound_op_from(PyObject *op, PyObject *unbounditems)
{
    if (unbounditems == NULL || unbounditems == Py_None) {
        return (int)cot_channel_unbound_op(channel_of(op));
    }
    return unbound_op_of(state_of(op), LAZY_CHANNEL_FLAG_OF, unbounditems);
}

static cot_payload *
encode_view(module_state *state, PyObject *obj)
{
    PyObject *view = PyMemoryView_FromObject(obj);
    cot_payload *payload = view ? cot_encode(&state->codec, view) : NULL;
    Py_XDECREF(view);
    return payload;
}

cot_payload *
channel_encode(module_state *state, PyObject *obj, bool as_buffer)
{
    buffer_owner_reclaim(state->buffers);
    if (as_buffer) {
        return encode_view(state, obj);
    }
    cot_payload *payload = cot_encode_passing(&state->codec, obj);
    if (payload == NULL) {
        raise_not_shareable(state, "item not shareable");
    }
    return payload;
}

static cot_payload *
make_payload(PyObject *op, PyObject *obj, bool as_buffer,
             PyObject *unbounditems)
{
    module_state *state = state_of(op);
    int unbound_op = unbound_op_from(op, unbounditems);
    cot_payload *payload = unbound_op < 0
                               ? NULL
                               : channel_encode(state, obj, as_buffer);
    if (payload != NULL && unbound_op > 0) {
        cot_payload_bind(payload, cot_home_id(state->home),
                         (cot_unbound_op)unbound_op);
    }
    return payload;
}

static PyObject *
send_and_wait(PyObject *op, PyObject *const *values, bool as_buffer)
{
    int64_t deadline_ns;
    cot_status status;
    if (deadline_from_timeout(values[1], false, &deadline_ns) < 0) {
        return NULL;
    }
    cot_payload *payload = make_payload(op, values[0], as_buffer, values[2]);
    if (payload == NULL
        || channel_block_to_send(state_of(op), channel_of(op),
                                 SharedObject_CAST(op)->object, payload,
                                 deadline_ns, &status)
               < 0) {
        return NULL;
    }
    if (status != COT_OK) {
        return raise_from_channel(op, status);
    }
    Py_RETURN_NONE;
}

static PyObject *
send_at_once(PyObject *op, PyObject *const *values, bool as_buffer)
{
    cot_payload *payload = make_payload(op, values[0], as_buffer, values[1]);
    if (payload == NULL) {
        return NULL;
    }
    bool was_awaited;
    cot_status status = cot_channel_post(channel_of(op), payload,
                                         &was_awaited);
    if (status != COT_OK) {
        cot_payload_destroy(payload);
        return raise_from_channel(op, status);
    }
    return PyBool_FromLong(was_awaited);
}

PyDoc_STRVAR(
    send_doc,
    "send($self, /, obj, timeout=None, *, unbounditems=None)\n--\n\n"
    "Send the object, and wait until it is received.\n\n"
    "(In a channel with a capacity: until there is room for it.)\n"
    "Raises TimeoutError if nobody receives it in time (seconds), and\n"
    "ChannelClosedError; then it is not received later either.");

static PyObject *
send_channel_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const signature send = {
        "send", 1, 2, {"obj", "timeout", "unbounditems"}};
    PyObject *values[3];
    if (parse_arguments(&send, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return send_and_wait(op, values, false);
}

PyDoc_STRVAR(send_nowait_doc,
             "send_nowait($self, /, obj, *, unbounditems=None)\n--\n\n"
             "Send the object, and do not wait, whatever the capacity.\n\n"
             "Whether a receiver was waiting, and has it.");

static PyObject *
send_channel_send_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    static const signature send_nowait = {
        "send_nowait", 1, 1, {"obj", "unbounditems"}};
    PyObject *values[2];
    if (parse_arguments(&send_nowait, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return send_at_once(op, values, false);
}

PyDoc_STRVAR(
    send_buffer_doc,
    "send_buffer($self, /, obj, timeout=None, *, unbounditems=None)\n--\n\n"
    "Send the object's memory, and wait until it is received.\n\n"
    "The receiver gets a memoryview of the same memory, which can be\n"
    "written to if the object can.");

static PyObject *
send_channel_send_buffer(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    static const signature send_buffer = {
        "send_buffer", 1, 2, {"obj", "timeout", "unbounditems"}};
    PyObject *values[3];
    if (parse_arguments(&send_buffer, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return send_and_wait(op, values, true);
}

PyDoc_STRVAR(send_buffer_nowait_doc,
             "send_buffer_nowait($self, /, obj, *, unbounditems=None)\n--\n\n"
             "Send the object's memory, and do not wait.\n\n"
             "Whether a receiver was waiting, and has it.");

static PyObject *
send_channel_send_buffer_nowait(PyObject *op, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *kwnames)
{
    static const signature send_buffer_nowait = {
        "send_buffer_nowait", 1, 1, {"obj", "unbounditems"}};
    PyObject *values[2];
    if (parse_arguments(&send_buffer_nowait, args, nargs, kwnames, values)
        < 0) {
        return NULL;
    }
    return send_at_once(op, values, true);
}

// ---- receive -------------------------------------------------------------

// Adopts the payload.
static PyObject *
decode_item(PyObject *op, cot_payload *payload)
{
    module_state *state = state_of(op);
    PyObject *item = NULL;
    if (payload->format == COT_UNBOUND) {
        PyObject *take = state_import(state, LAZY_CHANNEL_TAKE_UNBOUND);
        if (take != NULL) {
            item = PyObject_CallFunction(take, "i", (int)payload->unbound_op);
        }
    }
    else {
        item = cot_decode(&state->codec, payload);
    }
    cot_payload_destroy(payload);
    return item;
}

PyDoc_STRVAR(recv_doc, "recv($self, /, timeout=None)\n--\n\n"
                       "Wait for the next object and return it.\n\n"
                       "Raises TimeoutError if none comes in time (seconds),\n"
                       "and ChannelClosedError when none comes any more.");

static PyObject *
recv_channel_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const signature recv = {"recv", 0, 1, {"timeout"}};
    PyObject *values[1];
    int64_t deadline_ns;
    cot_status status;
    cot_payload *payload;
    if (parse_arguments(&recv, args, nargs, kwnames, values) < 0
        || deadline_from_timeout(values[0], false, &deadline_ns) < 0
        || channel_block_to_recv(state_of(op), channel_of(op),
                                 SharedObject_CAST(op)->object, deadline_ns,
                                 &status, &payload)
               < 0) {
        return NULL;
    }
    return status == COT_OK ? decode_item(op, payload)
                            : raise_from_channel(op, status);
}

PyDoc_STRVAR(recv_nowait_doc,
             "recv_nowait($self, /, default=...)\n--\n\n"
             "Return the next object, or the default if there is none now.\n\n"
             "Without a default: raises ChannelEmptyError then.");

static PyObject *
recv_channel_recv_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    static const signature recv_nowait = {"recv_nowait", 0, 1, {"default"}};
    PyObject *values[1];
    cot_status status;
    cot_payload *payload;
    if (parse_arguments(&recv_nowait, args, nargs, kwnames, values) < 0
        || channel_block_to_recv(state_of(op), channel_of(op),
                                 SharedObject_CAST(op)->object, COT_NOW,
                                 &status, &payload)
               < 0) {
        return NULL;
    }
    if (status == COT_OK) {
        return decode_item(op, payload);
    }
    if (status != COT_TIMED_OUT) {
        return raise_from_channel(op, status);
    }
    if (values[0] != NULL) {
        return Py_NewRef(values[0]);
    }
    return raise_lazy(state_of(op), LAZY_CHANNEL_EMPTY,
                      "nothing is in the channel");
}

// ---- without a thread ----------------------------------------------------

static int
begin_recv(turn *own, PyObject *value)
{
    (void)value;
    TURN_ROOM(own, cot_channel_turn)->channel = channel_of(own->target);
    return 0;
}

static PyObject *
finish_recv(turn *own, cot_status status)
{
    cot_payload *payload = TURN_ROOM(own, cot_channel_turn)->payload;
    return status == COT_OK ? decode_item(own->target, payload)
                            : raise_from_channel(own->target, status);
}

const waitable waitable_channel_recv = {
    .name = "recv",
    .op = &channel_turn_recv_op,
    .withdraw = cot_channel_withdraw_recv,
    .begin = begin_recv,
    .finish = finish_recv,
    .undo = channel_undo_recv,
};

static int
begin_payload(turn *own, PyObject *value, bool as_buffer)
{
    cot_channel_turn *send = TURN_ROOM(own, cot_channel_turn);
    send->channel = channel_of(own->target);
    send->payload = make_payload(own->target, value, as_buffer, NULL);
    return send->payload ? 0 : -1;
}

static int
begin_send(turn *own, PyObject *value)
{
    return begin_payload(own, value, false);
}

static int
begin_send_buffer(turn *own, PyObject *value)
{
    return begin_payload(own, value, true);
}

static PyObject *
finish_send(turn *own, cot_status status)
{
    if (status != COT_OK) {
        channel_drop_send(own);
        return raise_from_channel(own->target, status);
    }
    Py_RETURN_NONE;
}

const waitable waitable_channel_send = {
    .name = "send",
    .op = &channel_turn_send_op,
    .withdraw = cot_channel_withdraw_send,
    .begin = begin_send,
    .finish = finish_send,
    .drop = channel_drop_send,
    .undo = channel_undo_send,
};

const waitable waitable_channel_send_buffer = {
    .name = "send_buffer",
    .op = &channel_turn_send_op,
    .withdraw = cot_channel_withdraw_send,
    .begin = begin_send_buffer,
    .finish = finish_send,
    .drop = channel_drop_send,
    .undo = channel_undo_send,
};

// ---- the end, and attributes ---------------------------------------------

PyDoc_STRVAR(recv_close_doc,
             "close($self, /, *, force=False)\n--\n\n"
             "Close the channel: nothing is sent or received any more.\n\n"
             "Senders that wait raise ChannelClosedError.  Raises\n"
             "ChannelNotEmptyError if there are objects that were sent; with\n"
             "force they are dropped.");

PyDoc_STRVAR(
    send_close_doc,
    "close($self, /, *, force=False)\n--\n\n"
    "Close the channel: nothing is sent any more.\n\n"
    "What was sent, or is being sent, can still be received; with force\n"
    "it is dropped.");

static PyObject *
channel_close(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    static const signature close = {"close", 0, 0, {"force"}};
    PyObject *values[1];
    if (parse_arguments(&close, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    int force = values[0] ? PyObject_IsTrue(values[0]) : 0;
    if (force < 0) {
        return NULL;
    }
    cot_status status = cot_channel_close(channel_of(op), side_of(op), force);
    if (status == COT_AGAIN) {
        return raise_lazy(state_of(op), LAZY_CHANNEL_NOT_EMPTY,
                          "objects that were sent are in the channel");
    }
    if (status != COT_OK) {
        return raise_from_channel(op, status);
    }
    Py_RETURN_NONE;
}

static PyObject *
channel_get_id(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(id_of(op));
}

static PyObject *
recv_channel_get_is_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(cot_channel_refuses_recv(channel_of(op)));
}

static PyObject *
send_channel_get_is_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(cot_channel_refuses_send(channel_of(op)));
}

static PyObject *
channel_get_info(PyObject *op, void *Py_UNUSED(closure))
{
    cot_channel *channel = channel_of(op);
    PyObject *make = state_import(state_of(op), LAZY_CHANNEL_INFO);
    if (make == NULL) {
        return NULL;
    }
    size_t count = cot_channel_len(channel);
    bool is_closing = cot_channel_refuses_send(channel);
    bool is_closed = cot_channel_refuses_recv(channel);
    return PyObject_CallFunction(make, "OOOn", is_closing ? Py_False : Py_True,
                                 is_closing && !is_closed ? Py_True : Py_False,
                                 is_closed ? Py_True : Py_False,
                                 (Py_ssize_t)count);
}

static PyObject *
send_channel_get_unbounditems(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *constant_of = state_import(state_of(op),
                                         LAZY_CHANNEL_CONSTANT_OF);
    return constant_of ? PyObject_CallFunction(
                             constant_of, "i",
                             (int)cot_channel_unbound_op(channel_of(op)))
                       : NULL;
}

// ---- types ---------------------------------------------------------------

PyDoc_STRVAR(id_doc, "A number: an end can be had from it.");
PyDoc_STRVAR(info_doc, "A ChannelInfo: what can be said of the channel now.");

static PyMethodDef recv_channel_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))recv_channel_recv,
     METH_FASTCALL | METH_KEYWORDS, recv_doc},
    {"recv_nowait", (PyCFunction)(void (*)(void))recv_channel_recv_nowait,
     METH_FASTCALL | METH_KEYWORDS, recv_nowait_doc},
    AWAIT_METHOD("arecv", await_recv,
                 "arecv($self, /, timeout=None)\n--\n\n"
                 "recv() for a task of an event loop."),
    {"close", (PyCFunction)(void (*)(void))channel_close,
     METH_FASTCALL | METH_KEYWORDS, recv_close_doc},
    {"__reduce__", channel_reduce, METH_NOARGS, reduce_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef recv_channel_getset[] = {
    {"id", channel_get_id, NULL, id_doc},
    {"is_closed", recv_channel_get_is_closed, NULL,
     PyDoc_STR("Whether nothing can be received any more.")},
    {"info", channel_get_info, NULL, info_doc},
    {NULL},
};

PyDoc_STRVAR(recv_channel_doc,
             "RecvChannel(id)\n--\n\n"
             "The receiving end of a channel between interpreters.\n\n"
             "It can be sent; on the other side it is the same end.");

static PyType_Slot recv_channel_slots[] = {
    {Py_tp_doc, (void *)recv_channel_doc},
    {Py_tp_new, channel_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, channel_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, recv_channel_methods},
    {Py_tp_members, shared_members},
    {Py_tp_getset, recv_channel_getset},
    {0, NULL},
};

PyType_Spec cot_recv_channel_spec = {
    .name = "coterie.interpreters.channels.RecvChannel",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = recv_channel_slots,
};

static PyMethodDef send_channel_methods[] = {
    {"send", (PyCFunction)(void (*)(void))send_channel_send,
     METH_FASTCALL | METH_KEYWORDS, send_doc},
    {"send_nowait", (PyCFunction)(void (*)(void))send_channel_send_nowait,
     METH_FASTCALL | METH_KEYWORDS, send_nowait_doc},
    {"send_buffer", (PyCFunction)(void (*)(void))send_channel_send_buffer,
     METH_FASTCALL | METH_KEYWORDS, send_buffer_doc},
    {"send_buffer_nowait",
     (PyCFunction)(void (*)(void))send_channel_send_buffer_nowait,
     METH_FASTCALL | METH_KEYWORDS, send_buffer_nowait_doc},
    AWAIT_METHOD("asend", await_send,
                 "asend($self, /, obj, timeout=None)\n--\n\n"
                 "send() for a task of an event loop, as create() was told."),
    AWAIT_METHOD("asend_buffer", await_send_buffer,
                 "asend_buffer($self, /, obj, timeout=None)\n--\n\n"
                 "send_buffer() for a task of an event loop, as create() was\n"
                 "told."),
    {"close", (PyCFunction)(void (*)(void))channel_close,
     METH_FASTCALL | METH_KEYWORDS, send_close_doc},
    {"__reduce__", channel_reduce, METH_NOARGS, reduce_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef send_channel_getset[] = {
    {"id", channel_get_id, NULL, id_doc},
    {"is_closed", send_channel_get_is_closed, NULL,
     PyDoc_STR("Whether nothing can be sent any more.")},
    {"info", channel_get_info, NULL, info_doc},
    {"unbounditems", send_channel_get_unbounditems, NULL,
     PyDoc_STR("What sends use that do not say another.")},
    {NULL},
};

PyDoc_STRVAR(send_channel_doc,
             "SendChannel(id)\n--\n\n"
             "The sending end of a channel between interpreters.\n\n"
             "It can be sent; on the other side it is the same end.");

static PyType_Slot send_channel_slots[] = {
    {Py_tp_doc, (void *)send_channel_doc},
    {Py_tp_new, channel_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, channel_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, send_channel_methods},
    {Py_tp_members, shared_members},
    {Py_tp_getset, send_channel_getset},
    {0, NULL},
};

PyType_Spec cot_send_channel_spec = {
    .name = "coterie.interpreters.channels.SendChannel",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = send_channel_slots,
};
