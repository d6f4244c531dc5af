#include "core/timer.h"

#include "port/memory.h"
#include "port/thread.h"

#include <stdatomic.h>

#define STACK_SIZE ((size_t)256 << 10)

struct cot_timer {
    atomic_size_t refs;
    cot_lock lock;     // guards all below
    cot_alarm *first;  // borrowed: the first that is due
    cot_alarm *last;
    bool has_thread;
    bool is_closed;
    int64_t wakes_ns;       // when the thread will look by itself
    cot_waitlist sleepers;  // the thread
    cot_waitlist forgetters;
};

cot_timer *
cot_timer_create(void)
{
    cot_timer *timer = cot_alloc_zeroed(sizeof(*timer));
    if (timer != NULL) {
        atomic_init(&timer->refs, 1);
    }
    return timer;
}

static void
unref(cot_timer *timer)
{
    if (atomic_fetch_sub_explicit(&timer->refs, 1, memory_order_acq_rel)
        == 1) {
        cot_free(timer);
    }
}

void
cot_timer_unref(cot_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    cot_lock_acquire(&timer->lock);
    timer->is_closed = true;
    cot_waitlist_wake_all(&timer->sleepers);
    cot_lock_release(&timer->lock);
    unref(timer);
}

// ---- the list ------------------------------------------------------------

static void
remove_locked(cot_timer *timer, cot_alarm *alarm)
{
    if (alarm->due_ns == 0) {
        return;
    }
    *(alarm->prev ? &alarm->prev->next : &timer->first) = alarm->next;
    *(alarm->next ? &alarm->next->prev : &timer->last) = alarm->prev;
    alarm->next = alarm->prev = NULL;
    alarm->due_ns = 0;
}

// From the end: who comes later is mostly due later.
static void
insert_locked(cot_timer *timer, cot_alarm *alarm)
{
    cot_alarm *before = timer->last;
    while (before != NULL && before->due_ns > alarm->due_ns) {
        before = before->prev;
    }
    alarm->prev = before;
    alarm->next = before ? before->next : timer->first;
    *(before ? &before->next : &timer->first) = alarm;
    *(alarm->next ? &alarm->next->prev : &timer->last) = alarm;
}

// ---- the thread ----------------------------------------------------------

static void
ring_locked(cot_timer *timer, cot_alarm *alarm)
{
    remove_locked(timer, alarm);
    alarm->is_ringing = true;
    cot_lock_release(&timer->lock);
    alarm->ring(alarm);
    cot_lock_acquire(&timer->lock);
    alarm->is_ringing = false;
    cot_waitlist_wake_all(&timer->forgetters);
}

static void
run_timer(void *arg)
{
    cot_timer *timer = arg;
    cot_parker parker = {0};
    cot_lock_acquire(&timer->lock);
    while (!timer->is_closed) {
        int64_t due_ns = timer->first ? timer->first->due_ns : COT_NEVER;
        if (timer->first != NULL && due_ns <= cot_clock_ns()) {
            ring_locked(timer, timer->first);
            continue;
        }
        timer->wakes_ns = due_ns;
        cot_status status = cot_wait_locked(&timer->sleepers, &timer->lock,
                                            &parker, due_ns);
        (void)status;  // whatever ended it: it looks again
        timer->wakes_ns = COT_NOW;
    }
    cot_lock_release(&timer->lock);
    unref(timer);
}

cot_status
cot_timer_start(cot_timer *timer)
{
    cot_lock_acquire(&timer->lock);
    bool is_mine = !timer->has_thread;
    timer->has_thread = true;
    cot_lock_release(&timer->lock);
    if (!is_mine) {
        return COT_OK;
    }
    atomic_fetch_add_explicit(&timer->refs, 1, memory_order_relaxed);
    cot_status status = cot_thread_start(run_timer, timer, STACK_SIZE,
                                         "coterie-timer");
    if (status != COT_OK) {
        unref(timer);
        cot_lock_acquire(&timer->lock);
        timer->has_thread = false;
        cot_lock_release(&timer->lock);
    }
    return status;
}

// ---- alarms --------------------------------------------------------------

void
cot_timer_set(cot_timer *timer, cot_alarm *alarm, int64_t due_ns)
{
    cot_parker *sleeper = NULL;
    cot_lock_acquire(&timer->lock);
    remove_locked(timer, alarm);
    alarm->due_ns = due_ns > 0 ? due_ns : 1;
    insert_locked(timer, alarm);
    if (alarm->due_ns < timer->wakes_ns) {
        sleeper = cot_waitlist_pop(&timer->sleepers);
    }
    cot_lock_release(&timer->lock);
    if (sleeper != NULL) {
        cot_unpark(sleeper);
    }
}

void
cot_timer_unset(cot_timer *timer, cot_alarm *alarm)
{
    cot_lock_acquire(&timer->lock);
    remove_locked(timer, alarm);
    cot_lock_release(&timer->lock);
}

void
cot_timer_forget(cot_timer *timer, cot_alarm *alarm)
{
    cot_parker parker = {0};
    cot_lock_acquire(&timer->lock);
    remove_locked(timer, alarm);
    while (alarm->is_ringing) {
        cot_status status = cot_wait_locked(&timer->forgetters, &timer->lock,
                                            &parker, COT_NEVER);
        (void)status;  // what rings does not wait
        remove_locked(timer, alarm);
    }
    cot_lock_release(&timer->lock);
}

void
cot_timer_after_fork_in_child(cot_timer *timer)
{
    timer->lock = (cot_lock){0};
    timer->has_thread = false;
    timer->sleepers = timer->forgetters = (cot_waitlist){0};
}
