#include "core/waits.h"

#include "core/runtime.h"

#include <string.h>

static void
enlist_locked(cot_waits *waits, cot_wait_record *record)
{
    record->generation = waits->generation;
    record->next = NULL;
    record->prev = waits->last;
    if (waits->last != NULL) {
        waits->last->next = record;
    }
    else {
        waits->first = record;
    }
    waits->last = record;
}

static void
delist_locked(cot_waits *waits, cot_wait_record *record)
{
    if (record->prev != NULL) {
        record->prev->next = record->next;
    }
    else {
        waits->first = record->next;
    }
    if (record->next != NULL) {
        record->next->prev = record->prev;
    }
    else {
        waits->last = record->prev;
    }
}

void
cot_waits_begin(cot_wait_record *record)
{
    cot_waits *waits = cot_runtime_waits();
    record->id = cot_runtime_next_id();
    cot_lock_acquire(&waits->lock);
    enlist_locked(waits, record);
    cot_lock_release(&waits->lock);
}

void
cot_waits_end(cot_wait_record *record)
{
    cot_waits *waits = cot_runtime_waits();
    cot_parker parker = {0};  // not the waiter's: that one may be interrupted
    cot_lock_acquire(&waits->lock);
    if (record->generation == waits->generation) {
        while (record->guests > 0) {
            cot_status status = cot_wait_locked(&record->leaving, &waits->lock,
                                                &parker, COT_NEVER);
            (void)status;  // guests are short; a signal is looked at later
        }
        delist_locked(waits, record);
    }
    cot_lock_release(&waits->lock);
}

// ---- reading -------------------------------------------------------------

static void
copy_locked(const cot_wait_record *record, cot_wait_copy *copy)
{
    copy->id = record->id;
    copy->facts = record->facts;
    memset(copy->label, 0, sizeof(copy->label));
    if (record->label != NULL) {
        strncpy(copy->label, record->label, sizeof(copy->label) - 1);
    }
    // The waiter has a reference for as long as the record is listed.
    if (copy->facts.object != NULL) {
        cot_object_ref(copy->facts.object);
    }
}

size_t
cot_waits_list(const int64_t *interpreter, cot_wait_copy *copies, size_t len)
{
    cot_waits *waits = cot_runtime_waits();
    size_t count = 0;
    cot_lock_acquire(&waits->lock);
    for (const cot_wait_record *at = waits->first; at; at = at->next) {
        if (interpreter == NULL || at->facts.interpreter == *interpreter) {
            if (count < len) {
                copy_locked(at, &copies[count]);
            }
            count++;
        }
    }
    cot_lock_release(&waits->lock);
    return count;
}

// ---- visits --------------------------------------------------------------

cot_wait_record *
cot_waits_visit(int64_t interpreter)
{
    cot_waits *waits = cot_runtime_waits();
    cot_lock_acquire(&waits->lock);
    cot_wait_record *at = waits->first;
    while (at != NULL
           && (at->facts.interpreter != interpreter
               || at->facts.kind != COT_WAIT_THREAD)) {
        at = at->next;
    }
    if (at != NULL) {
        at->guests++;
    }
    cot_lock_release(&waits->lock);
    return at;
}

void
cot_waits_leave(cot_wait_record *record)
{
    cot_waits *waits = cot_runtime_waits();
    cot_lock_acquire(&waits->lock);
    if (--record->guests == 0) {
        cot_waitlist_wake_all(&record->leaving);
    }
    cot_lock_release(&waits->lock);
}

void
cot_waits_after_fork_in_child(cot_waits *waits)
{
    *waits = (cot_waits){.generation = waits->generation + 1};
}
