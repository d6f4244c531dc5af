#include "core/task.h"

#include "core/outbox.h"
#include "core/panic.h"
#include "port/memory.h"

enum {
    STATE_MASK = 3,
    WAITED = 4,   // somebody waits, or is about to: take the lock and look
    WATCHED = 8,  // post it to the outbox when it ends
};

cot_terms *
cot_terms_create(int64_t timeout_ns, int64_t priority, cot_payload *extras)
{
    cot_terms *terms = cot_alloc_zeroed(sizeof(*terms));
    if (terms != NULL) {
        atomic_init(&terms->refs, 1);
        terms->timeout_ns = timeout_ns;
        terms->priority = priority;
        terms->extras = extras;
    }
    return terms;
}

cot_terms *
cot_terms_ref(cot_terms *terms)
{
    if (terms != NULL) {
        atomic_fetch_add_explicit(&terms->refs, 1, memory_order_relaxed);
    }
    return terms;
}

void
cot_terms_unref(cot_terms *terms)
{
    if (terms != NULL
        && atomic_fetch_sub_explicit(&terms->refs, 1, memory_order_acq_rel)
               == 1) {
        cot_payload_destroy(terms->extras);
        cot_free(terms);
    }
}

cot_task *
cot_task_create(cot_object *function, cot_payload *call, cot_call_kind kind,
                cot_outbox *outbox)
{
    cot_task *task = cot_alloc_zeroed(sizeof(*task));
    if (task != NULL) {
        atomic_init(&task->refs, 1);
        task->function = function;
        task->call = call;
        task->call_kind = (uint8_t)kind;
        task->outbox = outbox;
        cot_outbox_ref(outbox);
    }
    return task;
}

void
cot_task_ref(cot_task *task)
{
    atomic_fetch_add_explicit(&task->refs, 1, memory_order_relaxed);
}

void
cot_task_unref(cot_task *task)
{
    if (task == NULL
        || atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel)
               != 1) {
        return;
    }
    cot_object_unref(task->function);
    cot_payload_destroy(task->call);
    cot_payload_destroy(task->outcome);
    cot_terms_unref(task->terms);
    cot_outbox_unref(task->outbox);
    cot_free(task);
}

cot_task_state
cot_task_get_state(const cot_task *task)
{
    return (cot_task_state)(atomic_load_explicit(&task->state,
                                                 memory_order_acquire)
                            & STATE_MASK);
}

// Changes the state and keeps the flags: the old word, or `from` not found.
static bool
change(cot_task *task, cot_task_state from, cot_task_state to, unsigned *old)
{
    *old = atomic_load_explicit(&task->state, memory_order_relaxed);
    do {
        if ((*old & STATE_MASK) != from) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &task->state, old, (*old & ~(unsigned)STATE_MASK) | to,
        memory_order_acq_rel, memory_order_relaxed));
    return true;
}

static void
wake_waiters(cot_task *task, unsigned old)
{
    if (old & WAITED) {
        cot_lock_acquire(&task->lock);
        cot_waitlist_wake_all(&task->waiters);
        cot_lock_release(&task->lock);
    }
}

bool
cot_task_begin(cot_task *task)
{
    unsigned old;
    return change(task, COT_TASK_PENDING, COT_TASK_RUNNING, &old);
}

void
cot_task_finish(cot_task *task, cot_outcome_kind kind, cot_payload *outcome)
{
    unsigned old;
    task->outcome = outcome;
    task->outcome_kind = (uint8_t)kind;
    if (!change(task, COT_TASK_RUNNING, COT_TASK_FINISHED, &old)) {
        cot_panic("a task ended that did not run");
    }
    wake_waiters(task, old);
    if (old & WATCHED) {
        cot_outbox_post(task->outbox, task);
    }
}

bool
cot_task_cancel(cot_task *task)
{
    unsigned old;
    if (!change(task, COT_TASK_PENDING, COT_TASK_CANCELLED, &old)) {
        return false;
    }
    cot_payload_destroy(task->call);
    task->call = NULL;
    wake_waiters(task, old);
    return true;
}

bool
cot_task_watch(cot_task *task)
{
    // Acquire: whoever hears that it has ended may look at the outcome.
    unsigned old = atomic_load_explicit(&task->state, memory_order_acquire);
    do {
        if ((old & STATE_MASK) >= COT_TASK_FINISHED) {
            return (old & WATCHED) != 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &task->state, &old, old | WATCHED, memory_order_acq_rel,
        memory_order_acquire));
    return true;
}

bool
cot_task_is_watched(const cot_task *task)
{
    return atomic_load_explicit(&task->state, memory_order_acquire) & WATCHED;
}

cot_status
cot_task_wait(cot_task *task, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&task->lock);
    unsigned old = atomic_fetch_or_explicit(&task->state, WAITED,
                                            memory_order_acq_rel);
    if ((old & STATE_MASK) < COT_TASK_FINISHED) {
        do {
            status = cot_wait_locked(&task->waiters, &task->lock, parker,
                                     deadline_ns);
        } while (status == COT_OK && !cot_task_is_done(task));
    }
    cot_lock_release(&task->lock);
    return cot_task_is_done(task) ? COT_OK : status;
}
