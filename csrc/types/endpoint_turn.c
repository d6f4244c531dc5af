// Receiving and sending, by any kind of end, without a thread.

#include "core/broadcast.h"
#include "core/endpoint.h"
#include "types/channel_type.h"
#include "types/endpoint_type.h"
#include "types/shared.h"
#include "types/waitable.h"

// Of any: an operation's argument is the room of its turn.
static cot_object *
end_of(void *arg)
{
    const turn *own = (turn *)((char *)arg - offsetof(turn, room));
    return SharedObject_CAST(own->target)->object;
}

// ---- a channel -----------------------------------------------------------

static bool
can_recv(void *arg)
{
    return cot_channel_can_recv(((cot_channel_turn *)arg)->channel);
}

static PyObject *
finish_recv(turn *own, cot_status status)
{
    cot_payload *payload = TURN_ROOM(own, cot_channel_turn)->payload;
    if (status != COT_OK) {
        return raise_from_endpoint(own->state, status, LAZY_EMPTY);
    }
    PyObject *item = cot_decode(&own->state->codec, payload);
    cot_payload_destroy(payload);
    return item;
}

void
channel_undo_recv(turn *own, cot_status status)
{
    cot_channel_turn *recv = TURN_ROOM(own, cot_channel_turn);
    if (status == COT_OK) {
        cot_channel_put_back(recv->channel, recv->payload);
    }
}

static bool
can_send(void *arg)
{
    return cot_channel_can_send(((cot_channel_turn *)arg)->channel);
}

void
channel_drop_send(turn *own)
{
    cot_payload_destroy(TURN_ROOM(own, cot_channel_turn)->payload);
}

static PyObject *
answer_send(module_state *state, cot_status status)
{
    if (status != COT_OK) {
        return raise_from_endpoint(state, status, LAZY_FULL);
    }
    Py_RETURN_NONE;
}

static PyObject *
finish_send(turn *own, cot_status status)
{
    if (status != COT_OK) {
        channel_drop_send(own);
    }
    return answer_send(own->state, status);
}

// What was handed over has been sent.
void
channel_undo_send(turn *own, cot_status status)
{
    if (status != COT_OK) {
        channel_drop_send(own);
    }
}

// ---- a channel to subscribers --------------------------------------------

typedef struct {
    cot_subscription *subscription;
    cot_message *message;
} reception;

static bool
can_recv_message(void *arg)
{
    return cot_subscription_can_recv(((reception *)arg)->subscription);
}

static cot_status
attempt_recv_message(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    reception *recv = arg;
    return cot_subscription_recv(recv->subscription, parker, deadline_ns,
                                 &recv->message);
}

static PyObject *
finish_recv_message(turn *own, cot_status status)
{
    cot_message *message = TURN_ROOM(own, reception)->message;
    if (status != COT_OK) {
        return raise_from_endpoint(own->state, status, LAZY_EMPTY);
    }
    PyObject *item = cot_decode(&own->state->codec,
                                cot_message_payload(message));
    cot_message_unref(message);
    return item;
}

static const blocking_op recv_message_op = {
    can_recv_message,
    attempt_recv_message,
    "recv",
    end_of,
};

static const waitable recv_message = {
    .name = "recv",
    .op = &recv_message_op,
    .finish = finish_recv_message,
};

typedef struct {
    cot_broadcast *broadcast;
    cot_message *message;
} delivery;

static bool
can_offer(void *arg)
{
    delivery *send = arg;
    return cot_broadcast_can_send(send->broadcast, send->message);
}

static cot_status
attempt_offer(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    delivery *send = arg;
    return cot_broadcast_offer(send->broadcast, parker, deadline_ns,
                               send->message);
}

static void
drop_offer(turn *own)
{
    cot_message_unref(TURN_ROOM(own, delivery)->message);
}

static PyObject *
finish_offer(turn *own, cot_status status)
{
    drop_offer(own);
    return answer_send(own->state, status);
}

static const blocking_op offer_op = {
    can_offer,
    attempt_offer,
    "send",
    end_of,
};

static const waitable offer_message = {
    .name = "send",
    .op = &offer_op,
    .finish = finish_offer,
    .drop = drop_offer,
};

// ---- both ----------------------------------------------------------------

static int
begin_recv(turn *own, PyObject *value)
{
    (void)value;
    cot_object *end = SharedObject_CAST(own->target)->object;
    if (end->cls == &cot_receiver_class) {
        TURN_ROOM(own, cot_channel_turn)->channel = cot_endpoint_channel(end);
    }
    else {
        own->how = &recv_message;
        TURN_ROOM(own, reception)->subscription = cot_subscription_from_object(
            end);
    }
    return 0;
}

static int
begin_payload(turn *own, cot_payload *payload)
{
    const cot_object *end = SharedObject_CAST(own->target)->object;
    if (payload == NULL) {
        return -1;
    }
    if (end->cls == &cot_sender_class) {
        cot_channel_turn *send = TURN_ROOM(own, cot_channel_turn);
        send->channel = cot_endpoint_channel(end);
        send->payload = payload;
        return 0;
    }
    own->how = &offer_message;
    delivery *offer = TURN_ROOM(own, delivery);
    *offer = (delivery){
        cot_broadcast_of_end(end),
        cot_message_create(payload),
    };
    if (offer->message == NULL) {
        cot_payload_destroy(payload);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
begin_send(turn *own, PyObject *value)
{
    return begin_payload(own, channel_encode(own->state, value, false));
}

static int
begin_send_buffer(turn *own, PyObject *value)
{
    return begin_payload(own, channel_encode(own->state, value, true));
}

const blocking_op channel_turn_recv_op = {
    can_recv,
    cot_channel_attempt_recv,
    "recv",
    end_of,
};

const blocking_op channel_turn_send_op = {
    can_send,
    cot_channel_attempt_send,
    "send",
    end_of,
};

const waitable waitable_recv = {
    .name = "recv",
    .op = &channel_turn_recv_op,
    .withdraw = cot_channel_withdraw_recv,
    .begin = begin_recv,
    .finish = finish_recv,
    .undo = channel_undo_recv,
};

const waitable waitable_send = {
    .name = "send",
    .op = &channel_turn_send_op,
    .withdraw = cot_channel_withdraw_send,
    .begin = begin_send,
    .finish = finish_send,
    .drop = channel_drop_send,
    .undo = channel_undo_send,
};

const waitable waitable_send_buffer = {
    .name = "send_buffer",
    .op = &channel_turn_send_op,
    .withdraw = cot_channel_withdraw_send,
    .begin = begin_send_buffer,
    .finish = finish_send,
    .drop = channel_drop_send,
    .undo = channel_undo_send,
};
