#include "core/once.h"

#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"

typedef enum { IS_NEW, RUNS, IS_DONE } once_state;

struct cot_once {
    cot_object object;
    cot_lock lock;       // guards all below
    atomic_int state;    // a once_state
    cot_owner owner;     // who is at it
    cot_payload *value;  // owned; constant once it is done
    cot_waitlist waiters;
};

static void
once_destroy(cot_object *object, cot_object **dead)
{
    cot_once *once = cot_once_from_object(object);
    cot_registry_remove(object);
    cot_payload_dissolve(once->value, dead);
    cot_free(once);
}

static void once_interpreter_ended(cot_object *object, const cot_home *home);

const cot_class cot_once_class = {
    "Once",
    once_destroy,
    once_interpreter_ended,
};

cot_once *
cot_once_create(void)
{
    cot_once *once = cot_alloc_zeroed(sizeof(*once));
    if (once != NULL) {
        cot_object_init(&once->object, &cot_once_class);
        cot_registry_add(&once->object);
    }
    return once;
}

cot_object *
cot_once_object(cot_once *once)
{
    return &once->object;
}

cot_once *
cot_once_from_object(cot_object *object)
{
    return (cot_once *)((char *)object - offsetof(cot_once, object));
}

static once_state
state_of(const cot_once *once)
{
    return (once_state)atomic_load_explicit(&once->state,
                                            memory_order_acquire);
}

static void
set_state_locked(cot_once *once, once_state state)
{
    atomic_store_explicit(&once->state, state, memory_order_release);
}

// COT_AGAIN: somebody else is at it.
static cot_status
look_locked(cot_once *once, cot_owner owner, cot_once_outcome *outcome)
{
    switch (state_of(once)) {
        case IS_DONE:
            *outcome = COT_ONCE_DONE;
            return COT_OK;
        case RUNS:
            *outcome = COT_ONCE_INSIDE;
            return once->owner.actor == owner.actor ? COT_OK : COT_AGAIN;
        case IS_NEW:
            break;
    }
    set_state_locked(once, RUNS);
    once->owner = owner;
    *outcome = COT_ONCE_MINE;
    return COT_OK;
}

cot_status
cot_once_enter(cot_once *once, cot_owner owner, cot_parker *parker,
               int64_t deadline_ns, cot_once_outcome *outcome)
{
    cot_status waited = deadline_ns == COT_NOW ? COT_TIMED_OUT : COT_OK;
    cot_lock_acquire(&once->lock);
    cot_status status = look_locked(once, owner, outcome);
    while (status == COT_AGAIN && waited == COT_OK) {
        waited = cot_wait_locked(&once->waiters, &once->lock, parker,
                                 deadline_ns);
        status = look_locked(once, owner, outcome);
    }
    cot_lock_release(&once->lock);
    return status == COT_AGAIN ? waited : status;
}

void
cot_once_finish(cot_once *once, cot_payload *value)
{
    cot_lock_acquire(&once->lock);
    once->value = value;
    set_state_locked(once, IS_DONE);
    cot_waitlist_wake_all(&once->waiters);
    cot_lock_release(&once->lock);
}

// One of those who wait is to do it.
static void
give_up_locked(cot_once *once)
{
    set_state_locked(once, IS_NEW);
    cot_parker *next = cot_waitlist_pop(&once->waiters);
    if (next != NULL) {
        cot_unpark(next);
    }
}

void
cot_once_fail(cot_once *once)
{
    cot_lock_acquire(&once->lock);
    give_up_locked(once);
    cot_lock_release(&once->lock);
}

static void
once_interpreter_ended(cot_object *object, const cot_home *home)
{
    cot_once *once = cot_once_from_object(object);
    cot_lock_acquire(&once->lock);
    if (state_of(once) == RUNS && once->owner.home == cot_home_id(home)) {
        give_up_locked(once);
    }
    cot_lock_release(&once->lock);
}

bool
cot_once_is_done(const cot_once *once)
{
    return state_of(once) == IS_DONE;
}

const cot_payload *
cot_once_value(const cot_once *once)
{
    return once->value;
}

bool
cot_once_is_running(const cot_once *once)
{
    return state_of(once) == RUNS;
}

bool
cot_once_holder(cot_once *once, cot_owner *owner)
{
    cot_lock_acquire(&once->lock);
    bool is_running = cot_once_is_running(once);
    if (is_running) {
        *owner = once->owner;
    }
    cot_lock_release(&once->lock);
    return is_running;
}
