#include "core/outbox.h"

#include "port/memory.h"
#include "port/thread.h"

#include <stddef.h>

// Linked by task->next_posted.
typedef struct {
    cot_task *first;  // owned: one reference each
    cot_task *last;
} task_list;

// A thread while it does what one thread does at a time.
typedef struct {
    bool is_taken;
    cot_thread_ident thread;
} role;

struct cot_outbox {
    atomic_size_t refs;
    cot_lock lock;  // guards all below
    task_list posts;
    task_list due;
    role publisher;
    role caller;
    bool is_closed;
    bool is_delivering;  // the caller has one in hand
    uint32_t takers;
    uint64_t posted;
    uint64_t delivered;
    cot_waitlist settlers;
    cot_waitlist waiting;  // takers
    cot_waitlist joiners;  // who wait for their end
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

static void
append(task_list *list, cot_task *task)
{
    task->next_posted = NULL;
    *(list->last ? &list->last->next_posted : &list->first) = task;
    list->last = task;
}

static cot_task *
shift(task_list *list)
{
    cot_task *task = list->first;
    if (task != NULL) {
        list->first = task->next_posted;
        if (list->first == NULL) {
            list->last = NULL;
        }
        task->next_posted = NULL;
    }
    return task;
}

static void
take_role_locked(role *own)
{
    own->is_taken = true;
    own->thread = cot_thread_self();
}

static bool
is_mine_locked(const role *own)
{
    return own->is_taken && own->thread == cot_thread_self();
}

// Adopts the reference.  Whom to unpark once the lock is released, or NULL: who
// publishes looks himself.
static cot_parker *
post_locked(cot_outbox *outbox, cot_task *task)
{
    append(&outbox->posts, task);
    outbox->posted++;
    return outbox->publisher.is_taken ? NULL
                                      : cot_waitlist_pop(&outbox->waiting);
}

static void
unpark(cot_parker *parker)
{
    if (parker != NULL) {
        cot_unpark(parker);
    }
}

void
cot_outbox_post(cot_outbox *outbox, cot_task *task)
{
    cot_task_ref(task);
    cot_lock_acquire(&outbox->lock);
    cot_parker *taker = post_locked(outbox, task);
    cot_lock_release(&outbox->lock);
    unpark(taker);
}

static cot_status
take_locked(cot_outbox *outbox, cot_task **task)
{
    if (outbox->posts.first == NULL && outbox->is_closed) {
        cot_waitlist_wake_all(&outbox->waiting);
        return COT_SHUT_DOWN;
    }
    if (outbox->posts.first == NULL || outbox->publisher.is_taken) {
        return COT_AGAIN;
    }
    take_role_locked(&outbox->publisher);
    *task = shift(&outbox->posts);
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
        waited = cot_wait_locked(&outbox->waiting, &outbox->lock, parker,
                                 deadline_ns);
    }
    cot_lock_release(&outbox->lock);
    return status == COT_AGAIN ? waited : status;
}

bool
cot_outbox_published(cot_outbox *outbox, cot_task *task)
{
    cot_parker *next = NULL;
    cot_lock_acquire(&outbox->lock);
    append(&outbox->due, task);
    outbox->publisher.is_taken = false;
    bool calls = !outbox->caller.is_taken;
    if (calls) {
        take_role_locked(&outbox->caller);
        if (outbox->posts.first != NULL) {
            next = cot_waitlist_pop(&outbox->waiting);
        }
    }
    cot_lock_release(&outbox->lock);
    unpark(next);
    return calls;
}

cot_task *
cot_outbox_next_due(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    if (outbox->is_delivering) {
        outbox->delivered++;
        cot_waitlist_wake_all(&outbox->settlers);
    }
    cot_task *task = shift(&outbox->due);
    outbox->is_delivering = task != NULL;
    outbox->caller.is_taken = task != NULL;
    cot_lock_release(&outbox->lock);
    return task;
}

bool
cot_outbox_claim(cot_outbox *outbox, uint32_t max)
{
    cot_lock_acquire(&outbox->lock);
    if (outbox->takers == 0) {
        outbox->is_closed = false;
    }
    bool is_free = outbox->takers < max && !outbox->is_closed;
    outbox->takers += is_free;
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
    bool is_heard = outbox->takers > 0 && !outbox->is_closed;
    cot_parker *taker = is_heard ? post_locked(outbox, task) : NULL;
    cot_lock_release(&outbox->lock);
    unpark(taker);
    if (!is_heard) {
        cot_task_unref(task);
    }
    return is_heard ? COT_OK : COT_SHUT_DOWN;
}

static bool
is_settled_locked(const cot_outbox *outbox, uint64_t posted)
{
    return outbox->delivered >= posted || outbox->takers == 0
           || is_mine_locked(&outbox->publisher)
           || is_mine_locked(&outbox->caller);
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
    if (--outbox->takers == 0) {
        cot_waitlist_wake_all(&outbox->settlers);
        cot_waitlist_wake_all(&outbox->joiners);
    }
    cot_lock_release(&outbox->lock);
}

void
cot_outbox_close(cot_outbox *outbox)
{
    cot_lock_acquire(&outbox->lock);
    outbox->is_closed = true;
    cot_waitlist_wake_all(&outbox->waiting);
    cot_lock_release(&outbox->lock);
}

cot_status
cot_outbox_join(cot_outbox *outbox, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&outbox->lock);
    while (outbox->takers > 0 && status == COT_OK) {
        status = cot_wait_locked(&outbox->joiners, &outbox->lock, parker,
                                 deadline_ns);
    }
    if (outbox->takers == 0) {
        status = COT_OK;
    }
    cot_lock_release(&outbox->lock);
    return status;
}

void
cot_outbox_after_fork_in_child(cot_outbox *outbox)
{
    outbox->lock = (cot_lock){0};
    outbox->takers = 0;
    outbox->publisher.is_taken = outbox->caller.is_taken = false;
    outbox->waiting = outbox->joiners = outbox->settlers = (cot_waitlist){0};
}
