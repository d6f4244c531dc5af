#include "core/inbox.h"

#include "port/memory.h"

cot_inbox *
cot_inbox_create(void)
{
    cot_inbox *inbox = cot_alloc_zeroed(sizeof(*inbox));
    if (inbox != NULL && cot_notifier_open(&inbox->notifier) != COT_OK) {
        cot_free(inbox);
        return NULL;
    }
    if (inbox != NULL) {
        atomic_init(&inbox->refs, 1);
    }
    return inbox;
}

void
cot_inbox_ref(cot_inbox *inbox)
{
    atomic_fetch_add_explicit(&inbox->refs, 1, memory_order_relaxed);
}

void
cot_inbox_unref(cot_inbox *inbox)
{
    if (inbox != NULL
        && atomic_fetch_sub_explicit(&inbox->refs, 1, memory_order_acq_rel)
               == 1) {
        cot_notifier_close(&inbox->notifier);
        cot_free(inbox);
    }
}

int
cot_inbox_file(const cot_inbox *inbox)
{
    return inbox->notifier.readable;
}

void
cot_inbox_post(cot_inbox *inbox, cot_note *note)
{
    bool was_empty = false;
    cot_lock_acquire(&inbox->lock);
    if (!note->is_posted) {
        was_empty = inbox->first == NULL;
        note->is_posted = true;
        note->next = NULL;
        note->prev = inbox->last;
        *(inbox->last ? &inbox->last->next : &inbox->first) = note;
        inbox->last = note;
    }
    cot_lock_release(&inbox->lock);
    if (was_empty) {
        cot_notifier_ring(&inbox->notifier);
    }
}

static void
take_out_locked(cot_inbox *inbox, cot_note *note)
{
    note->is_posted = false;
    *(note->prev ? &note->prev->next : &inbox->first) = note->next;
    *(note->next ? &note->next->prev : &inbox->last) = note->prev;
}

void
cot_inbox_remove(cot_inbox *inbox, cot_note *note)
{
    cot_lock_acquire(&inbox->lock);
    if (note->is_posted) {
        take_out_locked(inbox, note);
    }
    cot_lock_release(&inbox->lock);
}

void
cot_inbox_ring(cot_inbox *inbox)
{
    cot_notifier_ring(&inbox->notifier);
}

void
cot_inbox_calm(cot_inbox *inbox)
{
    cot_notifier_calm(&inbox->notifier);
}

cot_note *
cot_inbox_take(cot_inbox *inbox)
{
    cot_lock_acquire(&inbox->lock);
    cot_note *note = inbox->first;
    if (note != NULL) {
        take_out_locked(inbox, note);
    }
    cot_lock_release(&inbox->lock);
    return note;
}
