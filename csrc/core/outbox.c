#include "core/outbox.h"

#include "port/memory.h"
#include "port/thread.h"

#include <stddef.h>

struct cot_outbox {
    atomic_size_t refs;
    cot_lock lock;    // guards all below
    cot_task *first;  // owned: one reference each, linked by task->next_posted
    cot_task *last;
    bool is_closed;
    bool has_taker;
    bool has_entered;
    cot_thread_ident thread;  // the taker's, once it has entered
    uint64_t posted;
    uint64_t delivered;
    cot_waitlist settlers;
    cot_waitlist takers;   // at most the one
    cot_waitlist joiners;  // who wait for its end
};

cot_outbox *
cot_outbox_create(void)
{
    cot_outbox *outbox = cot_alloc_zeroed(sizeof(*outbox));
    if (outbox != NULL) {
        atomic_init(&outbox->refs, 1);
    }
    return outbox;
}

void
cot_outbox_ref(cot_outbox *outbox)
{
    atomic_fetch_add_explicit(&outbox->refs, 1, memory_order_relaxed);
}

void
cot_outbox_unref(cot_outbox *outbox)
{
    if (outbox == NULL
        || atomic_fetch_sub_explicit(&outbox->refs, 1, memory_order_acq_rel)
               != 1) {
        return;
    }
    // No task is left inside: each holds a reference to its outbox.
    cot_free(outbox);
}

// Adopts the reference.  Whom to unpark once the lock is released, or NULL.
static cot_parker *
append_locked(cot_outbox *outbox, cot_task *task)
{
    task->next_posted = NULL;
    *(outbox->last ? &outbox->last->next_posted : &outbox->first) = task;
    outbox->last = task;
    outbox->posted++;
    return cot_waitlist_pop(&outbox->takers);
}

void
cot_outbox_post(cot_outbox *outbox, cot_task *task)
{
    cot_task_ref(task);
    cot_lock_acquire(&outbox->lock);
    cot_parker *taker = append_locked(outbox, task);
    cot_lock_release(&outbox->lock);
    if (taker != NULL) {
        cot_unpark(taker);
    }
}

static cot_status
take_locked(cot_outbox *outbox, cot_task **task)
{
    if (outbox->first == NULL) {
        return outbox->is_closed ? COT_SHUT_DOWN : COT_AGAIN;
    }
    *task = outbox->first;
    outbox->first = (*task)->next_posted;
    if (outbox->first == NULL) {
        outbox->last = NULL;
    }
    (*task)->next_posted = NULL;
    return COT_OK;
}

cot_status
cot_outbox_take(cot_outbox *outbox, cot_parker *parker, int64_t deadline_ns,
                cot_task **task)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&outbox->lock);
    while ((status = take_locked(outbox, task)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&outbox->takers, &outbox->lock, parker,
                                 deadline_ns);
    }
    cot_lock_release(&outbox->lock);
    return status == COT_AGAIN ? waited : status;
}

bool
cot_outbox_claim(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    bool is_free = !outbox->has_taker;
    if (is_free) {
        outbox->has_taker = true;
        outbox->has_entered = false;
        outbox->is_closed = false;
    }
    cot_lock_release(&outbox->lock);
    return is_free;
}

cot_status
cot_outbox_tell(cot_outbox *outbox, cot_payload *note, cot_call_kind kind)
{
    cot_task *task = cot_task_create(NULL, note, kind, outbox);
    if (task == NULL) {
        cot_payload_destroy(note);
        return COT_NO_MEMORY;
    }
    cot_lock_acquire(&outbox->lock);
    bool is_heard = outbox->has_taker && !outbox->is_closed;
    cot_parker *taker = is_heard ? append_locked(outbox, task) : NULL;
    cot_lock_release(&outbox->lock);
    if (taker != NULL) {
        cot_unpark(taker);
    }
    if (!is_heard) {
        cot_task_unref(task);
    }
    return is_heard ? COT_OK : COT_SHUT_DOWN;
}

void
cot_outbox_enter(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    outbox->has_entered = true;
    outbox->thread = cot_thread_self();
    cot_lock_release(&outbox->lock);
}

void
cot_outbox_delivered(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    outbox->delivered++;
    cot_waitlist_wake_all(&outbox->settlers);
    cot_lock_release(&outbox->lock);
}

static bool
is_settled_locked(const cot_outbox *outbox, uint64_t posted)
{
    return outbox->delivered >= posted || !outbox->has_taker
           || (outbox->has_entered && outbox->thread == cot_thread_self());
}

cot_status
cot_outbox_settle(cot_outbox *outbox, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&outbox->lock);
    uint64_t posted = outbox->posted;
    while (!is_settled_locked(outbox, posted) && status == COT_OK) {
        status = cot_wait_locked(&outbox->settlers, &outbox->lock, parker,
                                 deadline_ns);
    }
    if (is_settled_locked(outbox, posted)) {
        status = COT_OK;
    }
    cot_lock_release(&outbox->lock);
    return status;
}

void
cot_outbox_resign(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    outbox->has_taker = false;
    cot_waitlist_wake_all(&outbox->settlers);
    cot_waitlist_wake_all(&outbox->joiners);
    cot_lock_release(&outbox->lock);
}

void
cot_outbox_close(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    outbox->is_closed = true;
    cot_waitlist_wake_all(&outbox->takers);
    cot_lock_release(&outbox->lock);
}

cot_status
cot_outbox_join(cot_outbox *outbox, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&outbox->lock);
    while (outbox->has_taker && status == COT_OK) {
        status = cot_wait_locked(&outbox->joiners, &outbox->lock, parker,
                                 deadline_ns);
    }
    if (!outbox->has_taker) {
        status = COT_OK;
    }
    cot_lock_release(&outbox->lock);
    return status;
}

void
cot_outbox_after_fork_in_child(cot_outbox *outbox)
{
    outbox->lock = (cot_lock){0};
    outbox->has_taker = false;
    outbox->takers = outbox->joiners = outbox->settlers = (cot_waitlist){0};
}
