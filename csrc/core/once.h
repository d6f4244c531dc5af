// What is done one time in a process, by whoever comes first; the others wait
// until it is over.
//
// If it fails, or the interpreter of who is at it ends, the next one who comes,
// or waits, is to do it.

#ifndef COT_CORE_ONCE_H
#define COT_CORE_ONCE_H

#include "core/object.h"
#include "core/owner.h"
#include "core/park.h"
#include "core/payload.h"

typedef struct cot_once cot_once;

extern const cot_class cot_once_class;

typedef enum {
    COT_ONCE_MINE,   // the caller is to do it, and then to leave
    COT_ONCE_DONE,   // it is done
    COT_ONCE_INSIDE  // this actor is at it already: it would wait for itself
} cot_once_outcome;

// One that is not done, with one reference, the caller's; NULL if there is no
// memory.
cot_once *cot_once_create(void);

cot_object *cot_once_object(cot_once *once);
cot_once *cot_once_from_object(cot_object *object);

// Waits until nobody is at it.
COT_MUST_CHECK cot_status cot_once_enter(cot_once *once, cot_owner owner,
                                         cot_parker *parker,
                                         int64_t deadline_ns,
                                         cot_once_outcome *outcome);

// By who was to do it: it is done, with a value (adopted) or none (NULL); or it
// failed.
void cot_once_finish(cot_once *once, cot_payload *value);
void cot_once_fail(cot_once *once);

bool cot_once_is_done(const cot_once *once);

// Once it is done: its value, lent, or NULL.
const cot_payload *cot_once_value(const cot_once *once);

// Whether somebody is at it: a hint.
bool cot_once_is_running(const cot_once *once);

// Who is at it; false: nobody.  A hint, too.
bool cot_once_holder(cot_once *once, cot_owner *owner);

#endif
