// What one interpreter owns in the runtime: the workers of its pools, the outbox
// of its tasks, and the timer of those that run.
//
// When an interpreter exits it asks its home which workers are left, and waits
// until none is.

#ifndef COT_CORE_HOME_H
#define COT_CORE_HOME_H

#include "core/object.h"
#include "core/outbox.h"
#include "core/timer.h"

// Where a worker stands in the home's list.
typedef struct cot_worker_link {
    struct cot_worker_link *next;
    struct cot_worker_link *prev;
} cot_worker_link;

// A home with one reference; NULL if there is no memory.
cot_home *cot_home_create(void);

// A number that no other home of this process has or had; never 0.
uint64_t cot_home_id(const cot_home *home);

// Says which interpreter it is of; at first it is of none.  From then on it is
// found by its id, for as long as it lives.  Called again, it changes that: an
// interpreter that is used again has another id.
void cot_home_settle(cot_home *home, int64_t interpreter);

// The id of the interpreter whose home has that id; -1 if there is none.
int64_t cot_home_find_interpreter(uint64_t id);

void cot_home_ref(cot_home *home);

// NULL is allowed.
void cot_home_unref(cot_home *home);

cot_outbox *cot_home_outbox(cot_home *home);
cot_timer *cot_home_timer(cot_home *home);

void cot_home_add_worker(cot_home *home, cot_worker_link *link);
void cot_home_remove_worker(cot_home *home, cot_worker_link *link);

// Calls visit(link, arg) for each worker, with the home's lock held.
void cot_home_each_worker(cot_home *home,
                          void (*visit)(cot_worker_link *, void *), void *arg);

// How many workers there are: a hint.
size_t cot_home_count(const cot_home *home);

// Whether a join would not wait: a hint.
bool cot_home_is_empty(const cot_home *home);

// Waits until no worker is left.
COT_MUST_CHECK cot_status cot_home_join(cot_home *home, cot_parker *parker,
                                        int64_t deadline_ns);

// In the child of a fork, which had no workers.
void cot_home_after_fork_in_child(cot_home *home);

#endif
