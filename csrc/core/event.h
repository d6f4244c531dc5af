// A flag that threads wait for.
//
// A wait that saw the flag unset also ends by a set that was taken back before
// the waiter could look: it counts the sets.

#ifndef COT_CORE_EVENT_H
#define COT_CORE_EVENT_H

#include "core/object.h"
#include "core/park.h"

typedef struct cot_event cot_event;

extern const cot_class cot_event_class;

// An event that is not set, with one reference, the caller's.  NULL if there is
// no memory.
cot_event *cot_event_create(void);

cot_object *cot_event_object(cot_event *event);
cot_event *cot_event_from_object(cot_object *object);

void cot_event_set(cot_event *event);
void cot_event_clear(cot_event *event);
bool cot_event_is_set(const cot_event *event);

// How often it was set: where a wait begins.
uint64_t cot_event_sets(const cot_event *event);

// Waits until the event is set, or has been since it was set `sets` times.
COT_MUST_CHECK cot_status cot_event_wait(cot_event *event, uint64_t sets,
                                         cot_parker *parker,
                                         int64_t deadline_ns);

// Whether that would not wait.
bool cot_event_is_over(const cot_event *event, uint64_t sets);

#endif
