#include "core/condition.h"

#include "port/memory.h"

struct cot_condition {
    cot_object object;
    cot_mutex *mutex;           // shared: one reference
    cot_lock lock;              // guards all below
    cot_condition_wait *first;  // borrowed: waits are their waiters'
    cot_condition_wait *last;   // borrowed
    atomic_size_t len;
};

static void
condition_destroy(cot_object *object, cot_object **dead)
{
    cot_condition *condition = cot_condition_from_object(object);
    cot_object_release(cot_mutex_object(condition->mutex), dead);
    cot_free(condition);
}

const cot_class cot_condition_class = {"Condition", condition_destroy, NULL};

cot_condition *
cot_condition_create(cot_mutex *mutex)
{
    cot_condition *condition = cot_alloc_zeroed(sizeof(*condition));
    if (condition != NULL) {
        cot_object_init(&condition->object, &cot_condition_class);
        cot_object_ref(cot_mutex_object(mutex));
        condition->mutex = mutex;
    }
    return condition;
}

cot_object *
cot_condition_object(cot_condition *condition)
{
    return &condition->object;
}

cot_condition *
cot_condition_from_object(cot_object *object)
{
    return (cot_condition *)((char *)object - offsetof(cot_condition, object));
}

cot_mutex *
cot_condition_mutex(const cot_condition *condition)
{
    return condition->mutex;
}

void
cot_condition_begin(cot_condition *condition, cot_condition_wait *wait)
{
    cot_lock_acquire(&condition->lock);
    wait->next = NULL;
    wait->prev = condition->last;
    *(condition->last ? &condition->last->next : &condition->first) = wait;
    condition->last = wait;
    atomic_fetch_add(&condition->len, 1);
    cot_lock_release(&condition->lock);
}

static void
take_out_locked(cot_condition *condition, cot_condition_wait *wait)
{
    *(wait->prev ? &wait->prev->next : &condition->first) = wait->next;
    *(wait->next ? &wait->next->prev : &condition->last) = wait->prev;
    atomic_fetch_sub(&condition->len, 1);
}

cot_status
cot_condition_wait_on(cot_condition *condition, cot_condition_wait *wait,
                      cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&condition->lock);
    while (!atomic_load(&wait->is_notified) && status == COT_OK) {
        status = cot_wait_locked(&wait->waiters, &condition->lock, parker,
                                 deadline_ns);
    }
    if (atomic_load(&wait->is_notified)) {
        status = COT_OK;
    }
    cot_lock_release(&condition->lock);
    return status;
}

bool
cot_condition_end(cot_condition *condition, cot_condition_wait *wait)
{
    cot_lock_acquire(&condition->lock);
    bool was_notified = atomic_load(&wait->is_notified);
    if (!was_notified) {
        take_out_locked(condition, wait);
    }
    cot_lock_release(&condition->lock);
    return was_notified;
}

void
cot_condition_notify(cot_condition *condition, size_t count)
{
    cot_lock_acquire(&condition->lock);
    for (; count > 0 && condition->first != NULL; count--) {
        cot_condition_wait *wait = condition->first;
        take_out_locked(condition, wait);
        atomic_store(&wait->is_notified, true);
        cot_waitlist_wake_all(&wait->waiters);
    }
    cot_lock_release(&condition->lock);
}

size_t
cot_condition_len(const cot_condition *condition)
{
    return atomic_load(&condition->len);
}
