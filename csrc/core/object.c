#include "core/object.h"

#include "core/runtime.h"

void
cot_object_init(cot_object *object, const cot_class *cls)
{
    atomic_init(&object->refs, 1);
    object->cls = cls;
    object->id = cot_runtime_next_id();
    object->number = 0;
}

void
cot_object_ref(cot_object *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}

bool
cot_object_try_ref(cot_object *object)
{
    size_t refs = atomic_load_explicit(&object->refs, memory_order_relaxed);
    while (refs != 0) {
        if (atomic_compare_exchange_weak_explicit(
                &object->refs, &refs, refs + 1, memory_order_relaxed,
                memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

void
cot_object_release(cot_object *object, cot_object **dead)
{
    // Release: what this holder wrote is seen by the one who destroys;
    // acquire: and that one sees what all the others wrote.
    if (object != NULL
        && atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel)
               == 1) {
        object->next = *dead;
        *dead = object;
    }
}

void
cot_object_bury(cot_object *dead)
{
    while (dead != NULL) {
        cot_object *object = dead;
        dead = object->next;
        object->cls->destroy(object, &dead);
    }
}

void
cot_object_unref(cot_object *object)
{
    cot_object *dead = NULL;
    cot_object_release(object, &dead);
    cot_object_bury(dead);
}
