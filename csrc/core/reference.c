#include "core/reference.h"

#include "port/memory.h"

struct cot_value {
    cot_object object;
    cot_payload *payload;  // owned, constant
};

struct cot_reference {
    cot_object object;
    cot_lock lock;             // guards all below
    cot_value *value;          // shared: one reference
    _Atomic(uint64_t) number;  // of the value; written under the lock
};

// ---- values --------------------------------------------------------------

static cot_value *
value_from_object(cot_object *object)
{
    return (cot_value *)((char *)object - offsetof(cot_value, object));
}

static void
value_destroy(cot_object *object, cot_object **dead)
{
    cot_value *value = value_from_object(object);
    cot_payload_dissolve(value->payload, dead);
    cot_free(value);
}

static const cot_class value_class = {"value", value_destroy, NULL};

cot_value *
cot_value_create(cot_payload *payload)
{
    cot_value *value = cot_alloc_zeroed(sizeof(*value));
    if (value != NULL) {
        cot_object_init(&value->object, &value_class);
        value->payload = payload;
    }
    return value;
}

void
cot_value_unref(cot_value *value)
{
    cot_object_unref(&value->object);
}

const cot_payload *
cot_value_payload(const cot_value *value)
{
    return value->payload;
}

uint64_t
cot_value_number(const cot_value *value)
{
    return value->object.id;
}

// ---- places --------------------------------------------------------------

static void
reference_destroy(cot_object *object, cot_object **dead)
{
    cot_reference *reference = cot_reference_from_object(object);
    cot_object_release(&reference->value->object, dead);
    cot_free(reference);
}

const cot_class cot_reference_class = {
    "AtomicReference",
    reference_destroy,
    NULL,
};

// The value that was there.
static cot_value *
put_locked(cot_reference *reference, cot_value *value)
{
    cot_value *before = reference->value;
    reference->value = value;
    atomic_store(&reference->number, cot_value_number(value));
    return before;
}

cot_reference *
cot_reference_create(cot_value *value)
{
    cot_reference *reference = cot_alloc_zeroed(sizeof(*reference));
    if (reference != NULL) {
        cot_object_init(&reference->object, &cot_reference_class);
        (void)put_locked(reference, value);
    }
    return reference;
}

cot_object *
cot_reference_object(cot_reference *reference)
{
    return &reference->object;
}

cot_reference *
cot_reference_from_object(cot_object *object)
{
    return (cot_reference *)((char *)object - offsetof(cot_reference, object));
}

cot_value *
cot_reference_get(cot_reference *reference)
{
    cot_lock_acquire(&reference->lock);
    cot_value *value = reference->value;
    cot_object_ref(&value->object);
    cot_lock_release(&reference->lock);
    return value;
}

uint64_t
cot_reference_number(const cot_reference *reference)
{
    return atomic_load(&reference->number);
}

cot_value *
cot_reference_exchange(cot_reference *reference, cot_value *value)
{
    cot_lock_acquire(&reference->lock);
    cot_value *before = put_locked(reference, value);
    cot_lock_release(&reference->lock);
    return before;
}

cot_value *
cot_reference_replace(cot_reference *reference, uint64_t number,
                      cot_value *value)
{
    cot_value *before = NULL;
    cot_lock_acquire(&reference->lock);
    if (cot_value_number(reference->value) == number) {
        before = put_locked(reference, value);
    }
    cot_lock_release(&reference->lock);
    return before;
}
