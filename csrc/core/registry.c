#include "core/registry.h"

#include "core/panic.h"
#include "core/runtime.h"

static size_t
bucket_of(uint64_t number)
{
    return number % COT_REGISTRY_BUCKETS;
}

// The row of the class; NULL if it has none.  Rows are never given up.
static cot_registry_row *
find_row_locked(cot_registry *registry, const cot_class *cls)
{
    for (size_t i = 0; i < COT_REGISTRY_CLASSES; i++) {
        if (registry->rows[i].cls == cls) {
            return &registry->rows[i];
        }
    }
    return NULL;
}

static cot_registry_row *
need_row_locked(cot_registry *registry, const cot_class *cls)
{
    cot_registry_row *row = find_row_locked(registry, cls);
    if (row == NULL) {
        row = find_row_locked(registry, NULL);
        if (row == NULL) {
            cot_panic("more classes than COT_REGISTRY_CLASSES");
        }
        row->cls = cls;
    }
    return row;
}

void
cot_registry_add(cot_object *object)
{
    cot_registry *registry = cot_runtime_registry();
    cot_lock_acquire(&registry->lock);
    cot_registry_row *row = need_row_locked(registry, object->cls);
    object->number = ++row->last;
    cot_object **first = &row->buckets[bucket_of(object->number)];
    object->prev_registered = NULL;
    object->next_registered = *first;
    if (*first != NULL) {
        (*first)->prev_registered = object;
    }
    *first = object;
    cot_lock_release(&registry->lock);
}

void
cot_registry_remove(cot_object *object)
{
    if (object->number == 0) {
        return;
    }
    cot_registry *registry = cot_runtime_registry();
    cot_lock_acquire(&registry->lock);
    cot_object *next = object->next_registered;
    cot_object *prev = object->prev_registered;
    if (next != NULL) {
        next->prev_registered = prev;
    }
    if (prev != NULL) {
        prev->next_registered = next;
    }
    else {
        cot_registry_row *row = find_row_locked(registry, object->cls);
        row->buckets[bucket_of(object->number)] = next;
    }
    cot_lock_release(&registry->lock);
}

cot_object *
cot_registry_get(const cot_class *cls, uint64_t number)
{
    cot_registry *registry = cot_runtime_registry();
    cot_object *object = NULL;
    cot_lock_acquire(&registry->lock);
    cot_registry_row *row = find_row_locked(registry, cls);
    if (row != NULL) {
        object = row->buckets[bucket_of(number)];
    }
    while (object != NULL && object->number != number) {
        object = object->next_registered;
    }
    if (object != NULL && !cot_object_try_ref(object)) {
        object = NULL;
    }
    cot_lock_release(&registry->lock);
    return object;
}

// What stands after the object; after NULL, the first.
static cot_object *
successor_locked(const cot_registry_row *row, const cot_object *object)
{
    size_t bucket = 0;
    if (object != NULL) {
        if (object->next_registered != NULL) {
            return object->next_registered;
        }
        bucket = bucket_of(object->number) + 1;
    }
    while (bucket < COT_REGISTRY_BUCKETS && row->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < COT_REGISTRY_BUCKETS ? row->buckets[bucket] : NULL;
}

// The next living object: a new reference, or NULL.  The reference to `last`
// has kept its place until now, and is let go of.
static cot_object *
step(cot_registry *registry, const cot_class *cls, cot_object *last)
{
    cot_object *next = NULL;
    cot_lock_acquire(&registry->lock);
    const cot_registry_row *row = find_row_locked(registry, cls);
    if (row != NULL) {
        next = successor_locked(row, last);
        while (next != NULL && !cot_object_try_ref(next)) {
            next = successor_locked(row, next);
        }
    }
    cot_lock_release(&registry->lock);
    cot_object_unref(last);
    return next;
}

void
cot_registry_each(const cot_class *cls,
                  void (*visit)(cot_object *object, void *arg), void *arg)
{
    cot_registry *registry = cot_runtime_registry();
    cot_object *object = NULL;
    while ((object = step(registry, cls, object)) != NULL) {
        visit(object, arg);
    }
}

static void
tell(cot_object *object, void *home)
{
    object->cls->interpreter_ended(object, home);
}

void
cot_registry_interpreter_ended(const cot_home *home)
{
    cot_registry *registry = cot_runtime_registry();
    for (size_t i = 0; i < COT_REGISTRY_CLASSES; i++) {
        cot_lock_acquire(&registry->lock);
        const cot_class *cls = registry->rows[i].cls;
        cot_lock_release(&registry->lock);
        if (cls != NULL && cls->interpreter_ended != NULL) {
            cot_registry_each(cls, tell, (void *)(uintptr_t)home);
        }
    }
}
