#include "types/broadcast_type.h"

#include "types/blocking.h"
#include "types/endpoint_type.h"
#include "types/errors.h"
#include "types/shared.h"
#include "types/shared_buffer.h"

// ---- waiting -------------------------------------------------------------

typedef struct {
    cot_broadcast *broadcast;
    cot_message *message;
    cot_object *end;
} delivery;

static bool
can_send(void *arg)
{
    delivery *send = arg;
    return cot_broadcast_can_send(send->broadcast, send->message);
}

static cot_status
attempt_send(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    delivery *send = arg;
    return cot_broadcast_send(send->broadcast, parker, deadline_ns,
                              send->message);
}

static cot_object *
end_of(void *arg)
{
    return ((delivery *)arg)->end;
}

static const blocking_op send_op = {can_send, attempt_send, "send", end_of};

static int
send_message(module_state *state, delivery *send, int64_t deadline_ns,
             cot_status *status)
{
    if (deadline_ns == COT_NOW) {
        *status = cot_broadcast_post(send->broadcast, send->message);
        return 0;
    }
    int failed = cot_block(state, &send_op, send, deadline_ns, status);
    if ((failed || *status != COT_OK)
        && !cot_broadcast_withdraw(send->broadcast, send->message)) {
        *status = COT_OK;
    }
    return failed;
}

int
broadcast_block_to_send(module_state *state, cot_object *end,
                        cot_payload *payload, int64_t deadline_ns,
                        cot_status *status)
{
    delivery send = {
        cot_broadcast_of_end(end),
        cot_message_create(payload),
        end,
    };
    if (send.message == NULL) {
        cot_payload_destroy(payload);
        *status = COT_NO_MEMORY;
        return 0;
    }
    int failed = send_message(state, &send, deadline_ns, status);
    cot_message_unref(send.message);
    return failed;
}

typedef struct {
    cot_subscription *subscription;
    cot_message *message;
} reception;

static bool
can_recv(void *arg)
{
    return cot_subscription_can_recv(((reception *)arg)->subscription);
}

static cot_status
attempt_recv(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    reception *recv = arg;
    return cot_subscription_recv(recv->subscription, parker, deadline_ns,
                                 &recv->message);
}

static cot_object *
subscription_of(void *arg)
{
    return cot_subscription_object(((reception *)arg)->subscription);
}

static const blocking_op recv_op = {
    can_recv,
    attempt_recv,
    "recv",
    subscription_of,
};

int
subscription_block_to_recv(module_state *state, cot_subscription *subscription,
                           int64_t deadline_ns, cot_status *status,
                           cot_message **message)
{
    reception recv = {.subscription = subscription};
    buffer_owner_reclaim(state->buffers);
    int failed = cot_block(state, &recv_op, &recv, deadline_ns, status);
    *message = recv.message;
    return failed;
}

// ---- Source --------------------------------------------------------------

static cot_broadcast *
broadcast_of(PyObject *op)
{
    return cot_broadcast_of_end(SharedObject_CAST(op)->object);
}

static PyObject *
source_repr(PyObject *op)
{
    cot_broadcast *broadcast = broadcast_of(op);
    return PyUnicode_FromFormat(
        "<coterie.channel.Source %llu subscribers=%zu%s>",
        (unsigned long long)SharedObject_CAST(op)->object->id,
        cot_broadcast_subscriptions(broadcast),
        cot_broadcast_refuses_subscribe(broadcast) ? " closed" : "");
}

PyDoc_STRVAR(subscribe_doc,
             "subscribe($self, /)\n--\n\n"
             "A Receiver that gets every object that is sent from now on.\n\n"
             "Raises Closed if one of the ends is.");

static PyObject *
source_subscribe(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    module_state *state = SharedObject_CAST(op)->state;
    cot_subscription *subscription;
    cot_status status = cot_broadcast_subscribe(broadcast_of(op),
                                                &subscription);
    if (status != COT_OK) {
        return raise_from_endpoint(state, status, LAZY_CLOSED);
    }
    return shared_adopt(state, state->receiver_type,
                        cot_subscription_object(subscription));
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Let nobody subscribe any more; those who have go on.\n\n"
             "Sends raise Closed once there are no subscribers left.");

static PyObject *
source_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_broadcast_close_source(broadcast_of(op));
    Py_RETURN_NONE;
}

static PyObject *
source_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
            Py_ssize_t Py_UNUSED(nargs))
{
    return source_close(op, NULL);
}

static PyObject *
source_get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(cot_broadcast_refuses_subscribe(broadcast_of(op)));
}

static PyObject *
source_get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    return endpoint_capacity(cot_broadcast_capacity(broadcast_of(op)));
}

static PyObject *
source_get_subscribers(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(cot_broadcast_subscriptions(broadcast_of(op)));
}

static PyMethodDef source_methods[] = {
    {"subscribe", source_subscribe, METH_NOARGS, subscribe_doc},
    {"close", source_close, METH_NOARGS, close_doc},
    {"__enter__", endpoint_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))source_exit, METH_FASTCALL,
     NULL},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

static PyGetSetDef source_getset[] = {
    {"closed", source_get_closed, NULL,
     PyDoc_STR("Whether nobody can subscribe any more.")},
    {"capacity", source_get_capacity, NULL, endpoint_capacity_doc},
    {"subscribers", source_get_subscribers, NULL,
     PyDoc_STR("How many there are now.")},
    {NULL},
};

PyDoc_STRVAR(
    source_doc,
    "What one subscribes to: made by create_channel(broadcast=True).\n\n"
    "It can be sent; on the other side it is the same source.  As a\n"
    "context manager it is closed at the end of the block.");

static PyType_Slot source_slots[] = {
    {Py_tp_doc, (void *)source_doc}, {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc}, {Py_tp_repr, source_repr},
    {Py_tp_hash, shared_hash},       {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, source_methods}, {Py_tp_members, shared_members},
    {Py_tp_getset, source_getset},   {0, NULL},
};

PyType_Spec cot_source_spec = {
    .name = "coterie.channel.Source",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = source_slots,
};
