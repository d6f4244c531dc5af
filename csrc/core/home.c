#include "core/home.h"

#include "core/runtime.h"
#include "port/memory.h"

#include <stddef.h>

struct cot_home {
    atomic_size_t refs;
    uint64_t id;
    int64_t interpreter;      // under the lock of the runtime's list
    cot_home *next_settled;   // in the runtime's list, under its lock
    cot_home *prev_settled;   // likewise
    bool is_settled;          // by its interpreter, or who holds it last
    cot_outbox *outbox;       // shared: one reference
    cot_timer *timer;         // likewise
    cot_lock lock;            // guards all below
    cot_worker_link workers;  // a ring through its sentinel; borrowed
    atomic_size_t count;
    cot_waitlist joiners;
};

cot_home *
cot_home_create(void)
{
    cot_home *home = cot_alloc_zeroed(sizeof(*home));
    if (home == NULL) {
        return NULL;
    }
    home->outbox = cot_outbox_create();
    home->timer = cot_timer_create();
    if (home->outbox == NULL || home->timer == NULL) {
        cot_timer_unref(home->timer);
        cot_outbox_unref(home->outbox);
        cot_free(home);
        return NULL;
    }
    atomic_init(&home->refs, 1);
    home->id = cot_runtime_next_id();
    home->workers.next = home->workers.prev = &home->workers;
    return home;
}

uint64_t
cot_home_id(const cot_home *home)
{
    return home->id;
}

// ---- the list of all -----------------------------------------------------

void
cot_home_settle(cot_home *home, int64_t interpreter)
{
    cot_homes *homes = cot_runtime_homes();
    cot_lock_acquire(&homes->lock);
    home->interpreter = interpreter;
    if (!home->is_settled) {
        home->is_settled = true;
        home->next_settled = homes->first;
        if (homes->first != NULL) {
            homes->first->prev_settled = home;
        }
        homes->first = home;
    }
    cot_lock_release(&homes->lock);
}

static void
unsettle(cot_home *home)
{
    cot_homes *homes = cot_runtime_homes();
    cot_lock_acquire(&homes->lock);
    if (home->prev_settled != NULL) {
        home->prev_settled->next_settled = home->next_settled;
    }
    else {
        homes->first = home->next_settled;
    }
    if (home->next_settled != NULL) {
        home->next_settled->prev_settled = home->prev_settled;
    }
    cot_lock_release(&homes->lock);
}

int64_t
cot_home_find_interpreter(uint64_t id)
{
    cot_homes *homes = cot_runtime_homes();
    int64_t interpreter = -1;
    cot_lock_acquire(&homes->lock);
    for (const cot_home *at = homes->first; at; at = at->next_settled) {
        if (at->id == id) {
            interpreter = at->interpreter;
            break;
        }
    }
    cot_lock_release(&homes->lock);
    return interpreter;
}

// ---- life ----------------------------------------------------------------

void
cot_home_ref(cot_home *home)
{
    atomic_fetch_add_explicit(&home->refs, 1, memory_order_relaxed);
}

void
cot_home_unref(cot_home *home)
{
    if (home == NULL
        || atomic_fetch_sub_explicit(&home->refs, 1, memory_order_acq_rel)
               != 1) {
        return;
    }
    if (home->is_settled) {
        unsettle(home);
    }
    cot_timer_unref(home->timer);
    cot_outbox_unref(home->outbox);
    cot_free(home);
}

cot_outbox *
cot_home_outbox(cot_home *home)
{
    return home->outbox;
}

cot_timer *
cot_home_timer(cot_home *home)
{
    return home->timer;
}

void
cot_home_add_worker(cot_home *home, cot_worker_link *link)
{
    cot_lock_acquire(&home->lock);
    link->prev = home->workers.prev;
    link->next = &home->workers;
    link->prev->next = link;
    home->workers.prev = link;
    atomic_fetch_add(&home->count, 1);
    cot_lock_release(&home->lock);
}

void
cot_home_remove_worker(cot_home *home, cot_worker_link *link)
{
    cot_lock_acquire(&home->lock);
    link->prev->next = link->next;
    link->next->prev = link->prev;
    if (atomic_fetch_sub(&home->count, 1) == 1) {
        cot_waitlist_wake_all(&home->joiners);
    }
    cot_lock_release(&home->lock);
}

void
cot_home_each_worker(cot_home *home, void (*visit)(cot_worker_link *, void *),
                     void *arg)
{
    cot_lock_acquire(&home->lock);
    for (cot_worker_link *link = home->workers.next; link != &home->workers;
         link = link->next) {
        visit(link, arg);
    }
    cot_lock_release(&home->lock);
}

size_t
cot_home_count(const cot_home *home)
{
    return atomic_load(&home->count);
}

bool
cot_home_is_empty(const cot_home *home)
{
    return cot_home_count(home) == 0;
}

cot_status
cot_home_join(cot_home *home, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&home->lock);
    while (!cot_home_is_empty(home) && status == COT_OK) {
        status = cot_wait_locked(&home->joiners, &home->lock, parker,
                                 deadline_ns);
    }
    if (cot_home_is_empty(home)) {
        status = COT_OK;
    }
    cot_lock_release(&home->lock);
    return status;
}

void
cot_home_after_fork_in_child(cot_home *home)
{
    home->lock = (cot_lock){0};
    home->joiners = (cot_waitlist){0};
    cot_timer_after_fork_in_child(home->timer);
    cot_outbox_after_fork_in_child(home->outbox);
}
