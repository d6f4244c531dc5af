#include "core/event.h"

#include "port/memory.h"

// The numbers are written under the lock and read anywhere.
struct cot_event {
    cot_object object;
    atomic_bool is_set;
    atomic_uint_fast64_t sets;
    cot_lock lock;
    cot_waitlist waiters;  // under the lock
};

static void
event_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_free(cot_event_from_object(object));
}

const cot_class cot_event_class = {"Event", event_destroy, NULL};

cot_event *
cot_event_create(void)
{
    cot_event *event = cot_alloc_zeroed(sizeof(*event));
    if (event != NULL) {
        cot_object_init(&event->object, &cot_event_class);
    }
    return event;
}

cot_object *
cot_event_object(cot_event *event)
{
    return &event->object;
}

cot_event *
cot_event_from_object(cot_object *object)
{
    return (cot_event *)((char *)object - offsetof(cot_event, object));
}

void
cot_event_set(cot_event *event)
{
    cot_lock_acquire(&event->lock);
    atomic_store(&event->is_set, true);
    atomic_fetch_add(&event->sets, 1);
    cot_waitlist_wake_all(&event->waiters);
    cot_lock_release(&event->lock);
}

void
cot_event_clear(cot_event *event)
{
    cot_lock_acquire(&event->lock);
    atomic_store(&event->is_set, false);
    cot_lock_release(&event->lock);
}

bool
cot_event_is_set(const cot_event *event)
{
    return atomic_load(&event->is_set);
}

uint64_t
cot_event_sets(const cot_event *event)
{
    return atomic_load(&event->sets);
}

bool
cot_event_is_over(const cot_event *event, uint64_t sets)
{
    return cot_event_is_set(event) || cot_event_sets(event) != sets;
}

cot_status
cot_event_wait(cot_event *event, uint64_t sets, cot_parker *parker,
               int64_t deadline_ns)
{
    if (cot_event_is_over(event, sets)) {
        return COT_OK;
    }
    if (deadline_ns == COT_NOW) {
        return COT_TIMED_OUT;
    }
    cot_status status = COT_OK;
    cot_lock_acquire(&event->lock);
    while (!cot_event_is_over(event, sets) && status == COT_OK) {
        status = cot_wait_locked(&event->waiters, &event->lock, parker,
                                 deadline_ns);
    }
    if (cot_event_is_over(event, sets)) {
        status = COT_OK;
    }
    cot_lock_release(&event->lock);
    return status;
}
