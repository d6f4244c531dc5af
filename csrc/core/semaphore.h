// A number that is counted down, waiting while it is 0, and up.

#ifndef COT_CORE_SEMAPHORE_H
#define COT_CORE_SEMAPHORE_H

#include "core/object.h"
#include "core/park.h"

typedef struct cot_semaphore cot_semaphore;

extern const cot_class cot_semaphore_class;
extern const cot_class cot_bounded_semaphore_class;

// A semaphore with one reference, the caller's.  A bounded one never has more
// than the value that it starts with.  NULL if there is no memory.
cot_semaphore *cot_semaphore_create(size_t value, bool is_bounded);

cot_object *cot_semaphore_object(cot_semaphore *semaphore);
cot_semaphore *cot_semaphore_from_object(cot_object *object);

// Waits until it can count down (for COT_NOW: COT_TIMED_OUT at once).
COT_MUST_CHECK cot_status cot_semaphore_acquire(cot_semaphore *semaphore,
                                                cot_parker *parker,
                                                int64_t deadline_ns);

// Counts up, and wakes as many.  COT_OVERDONE: it would be above its bound, and
// stays as it is.
COT_MUST_CHECK cot_status cot_semaphore_release(cot_semaphore *semaphore,
                                                size_t count);

// A hint; and what a bounded one started with.
size_t cot_semaphore_value(const cot_semaphore *semaphore);
size_t cot_semaphore_bound(const cot_semaphore *semaphore);

#endif
