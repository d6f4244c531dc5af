#include "core/semaphore.h"

#include "port/memory.h"

struct cot_semaphore {
    cot_object object;
    size_t bound;  // constant; SIZE_MAX: none
    cot_lock lock;
    atomic_size_t value;   // written under the lock, read anywhere as a hint
    cot_waitlist waiters;  // under the lock
};

static void
semaphore_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_free(cot_semaphore_from_object(object));
}

const cot_class cot_semaphore_class = {"Semaphore", semaphore_destroy, NULL};
const cot_class cot_bounded_semaphore_class = {
    "BoundedSemaphore",
    semaphore_destroy,
    NULL,
};

cot_semaphore *
cot_semaphore_create(size_t value, bool is_bounded)
{
    cot_semaphore *semaphore = cot_alloc_zeroed(sizeof(*semaphore));
    if (semaphore != NULL) {
        cot_object_init(&semaphore->object, is_bounded
                                                ? &cot_bounded_semaphore_class
                                                : &cot_semaphore_class);
        semaphore->bound = is_bounded ? value : SIZE_MAX;
        atomic_init(&semaphore->value, value);
    }
    return semaphore;
}

cot_object *
cot_semaphore_object(cot_semaphore *semaphore)
{
    return &semaphore->object;
}

cot_semaphore *
cot_semaphore_from_object(cot_object *object)
{
    return (cot_semaphore *)((char *)object - offsetof(cot_semaphore, object));
}

size_t
cot_semaphore_value(const cot_semaphore *semaphore)
{
    return atomic_load_explicit(&semaphore->value, memory_order_relaxed);
}

size_t
cot_semaphore_bound(const cot_semaphore *semaphore)
{
    return semaphore->bound;
}

static bool
take_locked(cot_semaphore *semaphore)
{
    size_t value = cot_semaphore_value(semaphore);
    if (value > 0) {
        atomic_store_explicit(&semaphore->value, value - 1,
                              memory_order_relaxed);
    }
    return value > 0;
}

cot_status
cot_semaphore_acquire(cot_semaphore *semaphore, cot_parker *parker,
                      int64_t deadline_ns)
{
    cot_status waited = deadline_ns == COT_NOW ? COT_TIMED_OUT : COT_OK;
    cot_lock_acquire(&semaphore->lock);
    bool has_it = take_locked(semaphore);
    while (!has_it && waited == COT_OK) {
        waited = cot_wait_locked(&semaphore->waiters, &semaphore->lock, parker,
                                 deadline_ns);
        has_it = take_locked(semaphore);
    }
    cot_lock_release(&semaphore->lock);
    return has_it ? COT_OK : waited;
}

cot_status
cot_semaphore_release(cot_semaphore *semaphore, size_t count)
{
    cot_parker *parker;
    cot_lock_acquire(&semaphore->lock);
    size_t value = cot_semaphore_value(semaphore);
    if (count > semaphore->bound - value) {
        cot_lock_release(&semaphore->lock);
        return COT_OVERDONE;
    }
    atomic_store_explicit(&semaphore->value, value + count,
                          memory_order_relaxed);
    for (;
         count > 0 && (parker = cot_waitlist_pop(&semaphore->waiters)) != NULL;
         count--) {
        cot_unpark(parker);
    }
    cot_lock_release(&semaphore->lock);
    return COT_OK;
}
