#include "core/payload.h"

#include "core/slab.h"
#include "port/memory.h"

void
cot_payload_init(cot_payload *payload, size_t len, cot_format format)
{
    *payload = (cot_payload){.len = len, .format = (uint16_t)format};
}

cot_payload *
cot_payload_create(size_t len, cot_format format)
{
    if (len > SIZE_MAX - sizeof(cot_payload)) {
        return NULL;
    }
    cot_payload *payload = cot_alloc(sizeof(*payload) + len);
    if (payload != NULL) {
        cot_payload_init(payload, len, format);
    }
    return payload;
}

cot_key *
cot_key_create(size_t len)
{
    if (len > SIZE_MAX - sizeof(cot_key)) {
        return NULL;
    }
    cot_key *key = cot_alloc(sizeof(*key) + len);
    if (key != NULL) {
        key->len = len;
        key->turn = 0;
    }
    return key;
}

cot_status
cot_payload_attach(cot_payload *payload, cot_object *object)
{
    // Grown at every power of two: the length tells the capacity.
    uint32_t len = payload->objects_len;
    if ((len & (len - 1)) == 0) {
        size_t capacity = len ? (size_t)len * 2 : 1;
        cot_object **grown = cot_realloc(payload->objects,
                                         capacity * sizeof(*grown));
        if (grown == NULL) {
            return COT_NO_MEMORY;
        }
        payload->objects = grown;
    }
    cot_object_ref(object);
    payload->objects[payload->objects_len++] = object;
    return COT_OK;
}

void
cot_payload_bind(cot_payload *payload, uint64_t origin,
                 cot_unbound_op unbound_op)
{
    payload->origin = origin;
    payload->unbound_op = (uint16_t)unbound_op;
}

static void
release_objects(cot_payload *payload, cot_object **dead)
{
    for (uint32_t i = 0; i < payload->objects_len; i++) {
        cot_object_release(payload->objects[i], dead);
    }
    if (payload->objects != NULL) {
        cot_free(payload->objects);
    }
}

cot_payload *
cot_payload_unbind(cot_payload *payload, cot_object **dead)
{
    if (payload->unbound_op == COT_UNBOUND_REMOVE) {
        cot_payload_dissolve(payload, dead);
        return NULL;
    }
    release_objects(payload, dead);
    payload->objects = NULL;
    payload->objects_len = 0;
    payload->len = 0;
    payload->origin = 0;
    payload->format = COT_UNBOUND;
    if (payload->slab != NULL) {
        return payload;
    }
    // Gives the bytes back.  One that cannot shrink is as good.
    cot_payload *shrunk = cot_realloc(payload, sizeof(*payload));
    return shrunk ? shrunk : payload;
}

void
cot_payload_dissolve(cot_payload *payload, cot_object **dead)
{
    if (payload == NULL) {
        return;
    }
    release_objects(payload, dead);
    if (payload->key != NULL) {
        cot_free(payload->key);
    }
    if (payload->slab != NULL) {
        cot_slab_release(payload->slab, 1);
    }
    else {
        cot_free(payload);
    }
}

void
cot_payload_destroy(cot_payload *payload)
{
    cot_object *dead = NULL;
    cot_payload_dissolve(payload, &dead);
    cot_object_bury(dead);
}
