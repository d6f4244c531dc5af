#include "core/park.h"

#include "core/choice.h"
#include "core/spin.h"

#include <stddef.h>

enum {
    NOTIFIED = 1,   // unparked; taken by the parker's owner
    INTERRUPT = 2,  // stays until calmed
    ASLEEP = 4,     // the owner sleeps: wakers must call the system
};

static bool
take_notice(cot_parker *parker, cot_status *status)
{
    uint32_t word = atomic_load_explicit(&parker->word, memory_order_acquire);
    if (word & NOTIFIED) {
        atomic_fetch_and_explicit(&parker->word, ~(uint32_t)NOTIFIED,
                                  memory_order_acquire);
        *status = COT_OK;
        return true;
    }
    if (word & INTERRUPT) {
        *status = COT_INTERRUPTED;
        return true;
    }
    return false;
}

static cot_status
sleep_on(cot_parker *parker, int64_t deadline_ns)
{
    cot_status slept = COT_OK, status;
    for (;;) {
        // Announce first, then look: a waker that missed ASLEEP has set its
        // bit before, and the look sees it.
        uint32_t word = atomic_fetch_or_explicit(&parker->word, ASLEEP,
                                                 memory_order_acq_rel);
        if ((word & (NOTIFIED | INTERRUPT)) == 0 && slept == COT_OK) {
            slept = cot_futex_wait(&parker->word, ASLEEP, deadline_ns);
        }
        atomic_fetch_and_explicit(&parker->word, ~(uint32_t)ASLEEP,
                                  memory_order_acq_rel);
        if (take_notice(parker, &status)) {
            return status;
        }
        if (slept != COT_OK) {
            return slept;
        }
    }
}

cot_status
cot_park(cot_parker *parker, int64_t deadline_ns)
{
    cot_status status;
    if (take_notice(parker, &status)) {
        return status;
    }
    if (deadline_ns == COT_NOW) {
        return COT_TIMED_OUT;
    }
    cot_spin spin = cot_spin_for(COT_SPIN_NS);
    while (cot_spin_once(&spin)) {
        if (take_notice(parker, &status)) {
            return status;
        }
    }
    return sleep_on(parker, deadline_ns);
}

static void
post(cot_parker *parker, uint32_t bit)
{
    uint32_t old = atomic_fetch_or_explicit(&parker->word, bit,
                                            memory_order_acq_rel);
    // After NOTIFIED the parker may be gone; its address alone is harmless:
    // the worst is a spurious wake-up of who sleeps there next.
    if (old & ASLEEP) {
        cot_futex_wake_one(&parker->word);
    }
}

void
cot_unpark(cot_parker *parker)
{
    if (parker->stand != NULL) {
        cot_stand_notify(parker->stand);
        return;
    }
    post(parker, NOTIFIED);
}

void
cot_parker_forget(cot_parker *parker)
{
    atomic_fetch_and_explicit(&parker->word, ~(uint32_t)NOTIFIED,
                              memory_order_acquire);
}

void
cot_parker_interrupt(cot_parker *parker)
{
    post(parker, INTERRUPT);
}

bool
cot_parker_calm(cot_parker *parker)
{
    return atomic_fetch_and_explicit(&parker->word, ~(uint32_t)INTERRUPT,
                                     memory_order_acq_rel)
           & INTERRUPT;
}

void
cot_waitlist_enlist(cot_waitlist *list, cot_waiter *waiter)
{
    waiter->is_listed = true;
    waiter->next = NULL;
    waiter->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = waiter;
    list->last = waiter;
}

void
cot_waitlist_delist(cot_waitlist *list, cot_waiter *waiter)
{
    waiter->is_listed = false;
    *(waiter->prev ? &waiter->prev->next : &list->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &list->last) = waiter->prev;
}

// The bit that an unlisted waiter is owed comes at once: its waker is between
// releasing the lock and setting it.
static void
await_notice(cot_parker *parker)
{
    while (!(atomic_fetch_and_explicit(&parker->word, ~(uint32_t)NOTIFIED,
                                       memory_order_acquire)
             & NOTIFIED)) {
        cot_thread_yield();
    }
}

cot_status
cot_wait_locked(cot_waitlist *list, cot_lock *lock, cot_parker *parker,
                int64_t deadline_ns)
{
    if (parker->stand != NULL) {
        return cot_stand_in_line_locked(parker->stand, list, lock);
    }
    cot_waiter waiter = {.parker = parker};
    cot_waitlist_enlist(list, &waiter);
    cot_lock_release(lock);
    cot_status status = cot_park(parker, deadline_ns);
    cot_lock_acquire(lock);
    if (waiter.is_listed) {
        cot_waitlist_delist(list, &waiter);
        return status;
    }
    if (status != COT_OK) {
        cot_lock_release(lock);
        await_notice(parker);
        cot_lock_acquire(lock);
    }
    return COT_OK;
}

cot_parker *
cot_waitlist_pop(cot_waitlist *list)
{
    cot_waiter *waiter = list->first;
    if (waiter == NULL) {
        return NULL;
    }
    cot_waitlist_delist(list, waiter);
    return waiter->parker;
}

cot_parker *
cot_waitlist_pop_last(cot_waitlist *list)
{
    cot_waiter *waiter = list->last;
    if (waiter == NULL) {
        return NULL;
    }
    cot_waitlist_delist(list, waiter);
    return waiter->parker;
}

void
cot_waitlist_wake_all(cot_waitlist *list)
{
    cot_parker *parker;
    while ((parker = cot_waitlist_pop(list)) != NULL) {
        cot_unpark(parker);
    }
}
