// A queue of payloads, with the rules of Python's queue.Queue: bounded or not,
// unfinished count, shutdown.  Its class tells which payload is the next: the
// oldest, the youngest, or the one with the least key.
//
// The queue owns the payloads in it: they outlive whoever put them, but for
// those bound to an interpreter, which are unbound when it ends (a registered
// queue only).  Its one lock guards all of it and is held for some instructions
// only.

#ifndef COT_CORE_QUEUE_H
#define COT_CORE_QUEUE_H

#include "core/batch.h"
#include "core/object.h"
#include "core/park.h"
#include "core/payload.h"

typedef struct cot_queue cot_queue;

extern const cot_class cot_queue_class;           // first in, first out
extern const cot_class cot_simple_queue_class;    // the same
extern const cot_class cot_lifo_queue_class;      // last in, first out
extern const cot_class cot_priority_queue_class;  // by payload->key

// The same for queues that are registered, and whose payloads may be bound.
extern const cot_class cot_bound_queue_class;

// A queue with one reference, the caller's; `capacity` 0 means without bound.
// NULL if there is no memory.
cot_queue *cot_queue_create(size_t capacity);

// The same, of one of the four classes above.
cot_queue *cot_queue_create_as(const cot_class *cls, size_t capacity);

// What makes keys of items, for those who put: `maker` is adopted, once, before
// anybody else has the queue.  Lent, for as long as the queue lives; or NULL.
void cot_queue_set_key_maker(cot_queue *queue, cot_payload *maker);
const cot_payload *cot_queue_key_maker(const cot_queue *queue);

// What the putters of a bound queue do if they are told nothing else.  The queue
// itself takes what it is given.
typedef struct {
    cot_unbound_op unbound_op;
    bool is_native;  // puts COT_NATIVE payloads only
} cot_queue_rules;

// A registered one.
cot_queue *cot_queue_create_bound(size_t capacity, cot_queue_rules rules);

cot_queue_rules cot_queue_get_rules(const cot_queue *queue);

cot_object *cot_queue_object(cot_queue *queue);

// The queue that an object of one of the classes is.
cot_queue *cot_queue_from_object(cot_object *object);

// Waits for room until the deadline (COT_TIMED_OUT; with COT_NOW at once), then
// adopts the payload.  It stays the caller's unless the answer is COT_OK.
// COT_SHUT_DOWN: no more is taken.
COT_MUST_CHECK cot_status cot_queue_put(cot_queue *queue, cot_parker *parker,
                                        int64_t deadline_ns,
                                        cot_payload *payload);

// Waits for a payload and moves it out.  COT_SHUT_DOWN: empty, and none comes.
COT_MUST_CHECK cot_status cot_queue_get(cot_queue *queue, cot_parker *parker,
                                        int64_t deadline_ns,
                                        cot_payload **payload);

// Waits until there is room for all of the batch, and adopts its payloads, next
// to each other: it is empty then.  They stay the caller's unless the answer is
// COT_OK.  A batch that exceeds the capacity would wait for ever.
COT_MUST_CHECK cot_status cot_queue_put_many(cot_queue *queue,
                                             cot_parker *parker,
                                             int64_t deadline_ns,
                                             cot_batch *batch);

// Waits for a payload, and moves it and those that are there besides, up to
// `max` (above 0) of them, out to the batch, an empty one.
COT_MUST_CHECK cot_status cot_queue_get_many(cot_queue *queue,
                                             cot_parker *parker,
                                             int64_t deadline_ns, size_t max,
                                             cot_batch *batch);

// Puts what was gotten back to where it came from, bound or not: the first of
// the batch is the next to be gotten.  If the queue was shut down at once
// meanwhile, they are dropped, and count as done.  The batch is empty then; it
// stays as it is if there is no memory.
COT_MUST_CHECK cot_status cot_queue_put_back(cot_queue *queue,
                                             cot_batch *batch);

// Counts one gotten item as done.  COT_OVERDONE: more than were put.
COT_MUST_CHECK cot_status cot_queue_task_done(cot_queue *queue);

// Waits until all items put are done.
COT_MUST_CHECK cot_status cot_queue_join(cot_queue *queue, cot_parker *parker,
                                         int64_t deadline_ns);

// No more puts; gets go on until empty.  `immediate`: what is inside is dropped
// and counted as done.
void cot_queue_shut_down(cot_queue *queue, bool immediate);

// Looks at a changing number: a hint.
size_t cot_queue_len(const cot_queue *queue);
size_t cot_queue_capacity(const cot_queue *queue);
bool cot_queue_is_shut_down(const cot_queue *queue);

// Whether a get (a put, a join) would not wait now: a hint, without the lock.
bool cot_queue_can_get(const cot_queue *queue);
bool cot_queue_can_put(const cot_queue *queue);
bool cot_queue_is_done(const cot_queue *queue);

#endif
