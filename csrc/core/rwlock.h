// A lock for many readers or one writer.
//
// Writers are preferred: while one waits, readers who come wait behind it.  But
// they wait for one writer only: when a write hold ends, all readers who wait
// then go first, before the next writer.  So none waits for ever.  A writer that
// has waited for a millisecond goes before other writers.
//
// Holds belong to interpreters (the ids of their homes); a write hold also to an
// actor, so that one who would wait for himself is told.  Read holds are only
// counted.  When an interpreter ends, its read holds are let go of; its write
// hold breaks the lock: the next one who tries, to read or to write, is told
// (COT_OWNER_DIED), and it is free then.
//
// A wait is its waiter's from its first attempt to its end, also between two
// attempts: it keeps its place before those whom it comes before.

#ifndef COT_CORE_RWLOCK_H
#define COT_CORE_RWLOCK_H

#include "core/object.h"
#include "core/owner.h"
#include "core/park.h"

typedef struct cot_rwlock cot_rwlock;

extern const cot_class cot_rwlock_class;

typedef enum { COT_READ, COT_WRITE } cot_rwlock_side;

// Zeroed memory, but for `side`, is a wait that has not begun.
typedef struct {
    cot_rwlock_side side;
    bool is_counted;   // among those who wait
    uint64_t phase;    // of the lock, when it began
    int64_t since_ns;  // when it began
} cot_rwlock_wait;

// A free lock with one reference, the caller's.  NULL if there is no memory.
cot_rwlock *cot_rwlock_create(void);

cot_object *cot_rwlock_object(cot_rwlock *lock);
cot_rwlock *cot_rwlock_from_object(cot_object *object);

// Waits until the lock is the owner's (for COT_NOW: COT_TIMED_OUT at once);
// again, if need be.  COT_OWNER_DIED: it is not, but was freed from a writer
// whose interpreter ended.
COT_MUST_CHECK cot_status cot_rwlock_acquire(cot_rwlock *lock,
                                             cot_rwlock_wait *wait,
                                             cot_owner owner,
                                             cot_parker *parker,
                                             int64_t deadline_ns);

// Ends a wait: after the last attempt, whatever came of it.  It need not have
// begun.
void cot_rwlock_end(cot_rwlock *lock, cot_rwlock_wait *wait);

// COT_NOT_OWNER: the owner has no such hold; to write: not this actor.
COT_MUST_CHECK cot_status cot_rwlock_release(cot_rwlock *lock,
                                             cot_rwlock_side side,
                                             cot_owner owner);

// Whether this actor holds the lock to write, in whichever interpreter.
bool cot_rwlock_is_written_by(const cot_rwlock *lock, cot_owner owner);

// Look at a changing state: hints.  Whether an attempt would succeed now; how
// many read; whether somebody writes.
bool cot_rwlock_can_acquire(const cot_rwlock *lock,
                            const cot_rwlock_wait *wait);
size_t cot_rwlock_readers(const cot_rwlock *lock);
bool cot_rwlock_is_written(const cot_rwlock *lock);

// Who holds it: the writer, or the only interpreter that reads; the actor is 0
// if that is not known.  False: nobody, or several.  A hint, too.
bool cot_rwlock_holder(cot_rwlock *lock, cot_owner *owner);

#endif
