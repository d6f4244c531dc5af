#include "core/endpoint.h"

#include "port/memory.h"

#include <stddef.h>

typedef struct {
    cot_object object;
    cot_channel *channel;  // shared: one reference
} endpoint;

static endpoint *
from_object(const cot_object *object)
{
    return (endpoint *)((char *)(uintptr_t)object
                        - offsetof(endpoint, object));
}

static void
endpoint_destroy(cot_object *object, cot_object **dead)
{
    endpoint *end = from_object(object);
    cot_channel_abandon(
        end->channel,
        object->cls == &cot_sender_class ? COT_SEND_END : COT_RECV_END, dead);
    cot_object_release(cot_channel_object(end->channel), dead);
    cot_free(end);
}

const cot_class cot_receiver_class = {
    .name = "channel.Receiver",
    .destroy = endpoint_destroy,
};

const cot_class cot_sender_class = {
    .name = "channel.Sender",
    .destroy = endpoint_destroy,
};

static cot_object *
create_end(cot_channel *channel, const cot_class *cls)
{
    endpoint *end = cot_alloc_zeroed(sizeof(*end));
    if (end == NULL) {
        return NULL;
    }
    cot_object_init(&end->object, cls);
    end->channel = channel;
    cot_object_ref(cot_channel_object(channel));
    return &end->object;
}

cot_status
cot_endpoint_create(size_t capacity, cot_object **receiver,
                    cot_object **sender)
{
    *receiver = *sender = NULL;
    cot_channel *channel = cot_channel_create_unlisted(capacity);
    if (channel == NULL) {
        return COT_NO_MEMORY;
    }
    *receiver = create_end(channel, &cot_receiver_class);
    *sender = create_end(channel, &cot_sender_class);
    cot_object_unref(cot_channel_object(channel));
    if (*receiver == NULL || *sender == NULL) {
        cot_object_unref(*receiver);
        cot_object_unref(*sender);
        return COT_NO_MEMORY;
    }
    return COT_OK;
}

cot_channel *
cot_endpoint_channel(const cot_object *end)
{
    return from_object(end)->channel;
}
