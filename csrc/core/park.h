// Waiting and waking: every blocking call of the package ends here.
//
// A thread waits on a list that belongs to some object and that the object's
// lock guards.  To wait is to stand on the list, release the lock and park on
// one's own word; to wake is to take somebody off the list under the lock and
// unpark him after it.
//
//      waiter                                   waker
//      ------                                   -----
//      lock(object)                             lock(object)
//      condition false?                         make the condition true
//      stand on the list ------------------->   take the first off the list
//      unlock(object)                           unlock(object)
//      spin, then sleep while word is EMPTY  <- word = NOTIFIED, wake
//      lock(object)
//      still listed? then nobody woke us: leave the list
//      look at the condition again
//
// No wake-up is lost: the waiter stands on the list before it lets go of the
// lock, and NOTIFIED stays in the word until the waiter takes it.  None is
// wasted: who was taken off the list always looks at the condition once more,
// even when its deadline passed meanwhile.
//
// tests/model/park.pml is a model of this that is checked: change both.
//
// A parker is one thread's word.  It lives on the waiter's stack, or with the
// worker whose waits others may interrupt.  The waker may touch it until
// NOTIFIED is set, so a waiter that was taken off the list waits for that bit.
//
// Who waits for the first of several things, or without a thread, does not park:
// his parker *stands* in his place.  An operation that is given such a parker
// leaves it in the line where it would have waited, and answers COT_TIMED_OUT
// at once (core/choice.h).

#ifndef COT_CORE_PARK_H
#define COT_CORE_PARK_H

#include "core/lock.h"
#include "port/clock.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cot_stand cot_stand;

// Zeroed memory is a parker ready for use.
typedef struct {
    cot_word word;
    cot_stand *stand;  // borrowed: whose place it keeps; or NULL
} cot_parker;

// Waits for cot_unpark.  COT_OK: unparked, or was already; COT_TIMED_OUT;
// COT_SIGNALLED; COT_INTERRUPTED: until cot_parker_calm, every park gives it.
COT_MUST_CHECK cot_status cot_park(cot_parker *parker, int64_t deadline_ns);

// Lets the thread that parks, or parks next, go on.
void cot_unpark(cot_parker *parker);

// Makes its owner's waits, this one and later ones, end with COT_INTERRUPTED.
void cot_parker_interrupt(cot_parker *parker);

// Takes an interrupt back.  True if there was one.
bool cot_parker_calm(cot_parker *parker);

// Forgets that it was unparked.
void cot_parker_forget(cot_parker *parker);

typedef struct cot_waiter cot_waiter;

struct cot_waiter {
    cot_waiter *next;    // borrowed; the list's, under the object's lock
    cot_waiter *prev;    // borrowed; likewise
    cot_parker *parker;  // borrowed
    bool is_listed;      // under the object's lock
};

// First in, first out.  Zeroed memory is an empty list.
typedef struct {
    cot_waiter *first;  // borrowed: waiters own themselves
    cot_waiter *last;   // borrowed
} cot_waitlist;

static inline bool
cot_waitlist_is_empty(const cot_waitlist *list)
{
    return list->first == NULL;
}

// Waits on the list until woken.  `lock` is held on entry and on return, and
// guards the list.  COT_OK means: look at the condition again.
COT_MUST_CHECK cot_status cot_wait_locked(cot_waitlist *list, cot_lock *lock,
                                          cot_parker *parker,
                                          int64_t deadline_ns);

// The two halves of it: leaving, of one that still stands there.
void cot_waitlist_enlist(cot_waitlist *list, cot_waiter *waiter);
void cot_waitlist_delist(cot_waitlist *list, cot_waiter *waiter);

// Takes the first (the last) waiter off the list: whom to unpark once the lock
// is released, or NULL.
cot_parker *cot_waitlist_pop(cot_waitlist *list);
cot_parker *cot_waitlist_pop_last(cot_waitlist *list);

// Wakes all of them, with the lock held.
void cot_waitlist_wake_all(cot_waitlist *list);

#endif
