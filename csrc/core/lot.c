#include "core/lot.h"

#include "port/memory.h"

void
cot_lot_open(cot_lot *lot, uint32_t max)
{
    cot_lock_acquire(&lot->lock);
    lot->max = lot->is_closed ? 0 : max;
    cot_lock_release(&lot->lock);
}

static void
list_locked(cot_lot *lot, cot_spot *spot)
{
    spot->is_listed = true;
    spot->prev = NULL;
    spot->next = lot->first;
    if (spot->next != NULL) {
        spot->next->prev = spot;
    }
    lot->first = spot;
    lot->len++;
}

static void
unlist_locked(cot_lot *lot, cot_spot *spot)
{
    spot->is_listed = false;
    *(spot->prev ? &spot->prev->next : &lot->first) = spot->next;
    if (spot->next != NULL) {
        spot->next->prev = spot->prev;
    }
    lot->len--;
}

void
cot_lot_clear(cot_lot *lot, bool closes)
{
    cot_lock_acquire(&lot->lock);
    if (closes) {
        lot->is_closed = true;
        lot->max = 0;
    }
    cot_spot *spot;
    while ((spot = lot->first) != NULL) {
        unlist_locked(lot, spot);
        lot->leaving++;
        cot_waitlist_wake_all(&spot->waiters);
    }
    cot_lock_release(&lot->lock);
}

bool
cot_lot_has_room(cot_lot *lot)
{
    cot_lock_acquire(&lot->lock);
    bool has_room = lot->len < lot->max;
    cot_lock_release(&lot->lock);
    return has_room;
}

bool
cot_lot_enter(cot_lot *lot, cot_spot *spot)
{
    cot_lock_acquire(&lot->lock);
    bool has_room = lot->len < lot->max;
    if (has_room) {
        list_locked(lot, spot);
    }
    cot_lock_release(&lot->lock);
    return has_room;
}

struct cot_worker *
cot_lot_wait(cot_lot *lot, cot_spot *spot, int64_t deadline_ns)
{
    cot_parker parker = {0};
    cot_status status = COT_OK;
    cot_lock_acquire(&lot->lock);
    while (spot->is_listed && status != COT_TIMED_OUT) {
        status = cot_wait_locked(&spot->waiters, &lot->lock, &parker,
                                 deadline_ns);
    }
    if (spot->is_listed) {
        unlist_locked(lot, spot);
        lot->leaving++;
    }
    cot_lock_release(&lot->lock);
    return spot->worker;
}

void
cot_lot_left(cot_lot *lot)
{
    cot_lock_acquire(&lot->lock);
    lot->leaving--;
    cot_waitlist_wake_all(&lot->joiners);
    cot_lock_release(&lot->lock);
}

bool
cot_lot_give(cot_lot *lot, struct cot_worker *worker)
{
    cot_lock_acquire(&lot->lock);
    cot_spot *spot = lot->first;
    if (spot != NULL) {
        unlist_locked(lot, spot);
        spot->worker = worker;
        cot_waitlist_wake_all(&spot->waiters);
    }
    cot_lock_release(&lot->lock);
    return spot != NULL;
}

int64_t *
cot_lot_copy_ids(cot_lot *lot, size_t *len)
{
    cot_lock_acquire(&lot->lock);
    *len = 0;
    int64_t *ids = cot_alloc((lot->len + 1) * sizeof(*ids));
    for (cot_spot *spot = lot->first; spot && ids; spot = spot->next) {
        ids[(*len)++] = spot->interpreter_id;
    }
    cot_lock_release(&lot->lock);
    return ids;
}

static bool
is_empty_locked(const cot_lot *lot)
{
    return lot->len == 0 && lot->leaving == 0;
}

bool
cot_lot_is_empty(cot_lot *lot)
{
    cot_lock_acquire(&lot->lock);
    bool is_empty = is_empty_locked(lot);
    cot_lock_release(&lot->lock);
    return is_empty;
}

cot_status
cot_lot_join(cot_lot *lot, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&lot->lock);
    while (!is_empty_locked(lot) && status == COT_OK) {
        status = cot_wait_locked(&lot->joiners, &lot->lock, parker,
                                 deadline_ns);
    }
    if (is_empty_locked(lot)) {
        status = COT_OK;
    }
    cot_lock_release(&lot->lock);
    return status;
}

void
cot_lot_after_fork_in_child(cot_lot *lot)
{
    *lot = (cot_lot){.max = lot->max, .is_closed = lot->is_closed};
}
