// What threads wait for while they let go of a lock.
//
// A wait stands in line from before its lock is released until it is over, also
// between its attempts: it is the waiter's own struct, and a notification is
// written into it.

#ifndef COT_CORE_CONDITION_H
#define COT_CORE_CONDITION_H

#include "core/mutex.h"

typedef struct cot_condition cot_condition;

extern const cot_class cot_condition_class;

// Zeroed memory is a wait that has not begun.
typedef struct cot_condition_wait {
    struct cot_condition_wait *next;  // borrowed; the line's, under its lock
    struct cot_condition_wait *prev;  // borrowed; likewise
    atomic_bool is_notified;          // and in line no more
    cot_waitlist waiters;             // the one whose wait it is
} cot_condition_wait;

// A condition with one reference, the caller's, that holds a reference to the
// lock.  NULL if there is no memory.
cot_condition *cot_condition_create(cot_mutex *mutex);

cot_object *cot_condition_object(cot_condition *condition);
cot_condition *cot_condition_from_object(cot_object *object);

// Its lock, lent.
cot_mutex *cot_condition_mutex(const cot_condition *condition);

// Puts the wait into the line; nothing may move it until it has ended.
void cot_condition_begin(cot_condition *condition, cot_condition_wait *wait);

// Waits until it is notified; again, if need be.
COT_MUST_CHECK cot_status cot_condition_wait_on(cot_condition *condition,
                                                cot_condition_wait *wait,
                                                cot_parker *parker,
                                                int64_t deadline_ns);

// Takes it out of the line: whether it was notified.
bool cot_condition_end(cot_condition *condition, cot_condition_wait *wait);

// Notifies the first ones in line.
void cot_condition_notify(cot_condition *condition, size_t count);

// How many are in line: a hint.
size_t cot_condition_len(const cot_condition *condition);

#endif
