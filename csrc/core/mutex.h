// A lock that users hold: plain, or recursive.
//
// One word says it all while nobody waits, so that to take and to release it is
// one atomic each.  The owner is an interpreter (the id of its home); of a
// recursive lock also an actor in it.  A plain lock may be released by anyone.
//
//      0                  free
//      owner | WAITED     held, and somebody stands in line
//      WAITED             free, and somebody stands in line: look there
//      RESERVED           free for who was woken last: he has waited too long
//      BROKEN             its owner's interpreter has ended: the next one who
//                         tries is told (COT_OWNER_DIED), and it is free then
//
// Who releases a lock that is waited for takes the first off the line and wakes
// him.  Others may be faster than he; then he stands in line again, and once he
// has waited for a millisecond the next release is for him alone.  Who was
// taken off the line always looks at the word, so no wake-up is lost.

#ifndef COT_CORE_MUTEX_H
#define COT_CORE_MUTEX_H

#include "core/object.h"
#include "core/owner.h"
#include "core/park.h"

typedef struct cot_mutex cot_mutex;

extern const cot_class cot_mutex_class;
extern const cot_class cot_recursive_mutex_class;

// A free lock with one reference, the caller's.  NULL if there is no memory.
cot_mutex *cot_mutex_create(bool is_recursive);

cot_object *cot_mutex_object(cot_mutex *mutex);
cot_mutex *cot_mutex_from_object(cot_object *object);

// Waits until the lock is the owner's (for COT_NOW: COT_TIMED_OUT at once).
// COT_OWNER_DIED: it is not, but was freed from one whose interpreter ended.
COT_MUST_CHECK cot_status cot_mutex_acquire(cot_mutex *mutex, cot_owner owner,
                                            cot_parker *parker,
                                            int64_t deadline_ns);

// COT_NOT_OWNER: nobody holds it, or, if it is recursive, not the caller.
COT_MUST_CHECK cot_status cot_mutex_release(cot_mutex *mutex, cot_owner owner);

// All the way, however often it was acquired: *depth, for set_depth once it is
// acquired again.
COT_MUST_CHECK cot_status cot_mutex_release_all(cot_mutex *mutex,
                                                cot_owner owner,
                                                size_t *depth);
void cot_mutex_set_depth(cot_mutex *mutex, size_t depth);

// Whether the caller holds it; a plain lock: whether anybody does.
bool cot_mutex_is_owned(const cot_mutex *mutex, cot_owner owner);

// Looks at a changing state: hints.  Whether it is not free; whether an acquire
// would not wait; the actor that holds a recursive lock (or 0), and how often.
bool cot_mutex_is_locked(const cot_mutex *mutex);
bool cot_mutex_can_acquire(const cot_mutex *mutex);
uint64_t cot_mutex_actor(const cot_mutex *mutex);
size_t cot_mutex_depth(const cot_mutex *mutex);

// Who holds it; the actor is 0 if that is not known.  False: nobody.  A hint,
// too.
bool cot_mutex_holder(const cot_mutex *mutex, cot_owner *owner);

#endif
