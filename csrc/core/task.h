// One call that somebody asked for: what to call, and what came of it.
//
//               cancel                  begin               finish
//   CANCELLED <-------- PENDING -------------------> RUNNING -------> FINISHED
//
// Who moves a task out of PENDING owns `call`; who runs it writes `outcome`
// before FINISHED; after that the outcome belongs to the asker.  A task that
// its asker watches is posted to the asker's outbox when it ends, so that
// callbacks run in the asker's interpreter; one that is not costs nothing more
// than the change of state.

#ifndef COT_CORE_TASK_H
#define COT_CORE_TASK_H

#include "core/object.h"
#include "core/park.h"
#include "core/payload.h"

typedef enum {
    COT_TASK_PENDING,
    COT_TASK_RUNNING,
    COT_TASK_FINISHED,
    COT_TASK_CANCELLED,
} cot_task_state;

typedef enum {
    COT_CALL_ONE,   // one call
    COT_CALL_MANY,  // a call for each of a sequence of argument tuples
    COT_CALL_EACH,  // the same, each with an outcome of its own
    // No calls, but notes, on their way through an outbox:
    COT_CALL_NOTE,     // `call` is an object
    COT_CALL_WARNING,  // `call` is words, in UTF-8
} cot_call_kind;

typedef enum {
    COT_OUTCOME_NONE,     // returned None: no payload
    COT_OUTCOME_VALUE,    // returned: the payload of the value
    COT_OUTCOME_RAISED,   // raised: the payload of the exception's account
    COT_OUTCOME_STOPPED,  // ended by an interrupt: no payload
    COT_OUTCOME_LATE,     // the same, when its timeout had passed
    COT_OUTCOME_LOST,     // never ran, or was lost: UTF-8 text that says why,
                          // or no payload when memory was short
} cot_outcome_kind;

// On what terms calls are made, where they are not the usual ones.  Constant.
typedef struct {
    atomic_size_t refs;
    int64_t timeout_ns;   // how long the call may run; 0: as long as it takes
    int64_t priority;     // the highest runs first; 0 is the usual one
    cot_payload *extras;  // owned; the business of who runs calls; or NULL
} cot_terms;

typedef struct cot_task cot_task;
typedef struct cot_outbox cot_outbox;

struct cot_task {
    atomic_size_t refs;
    atomic_uint state;  // cot_task_state and flags; see task.c
    cot_lock lock;      // guards waiters
    cot_waitlist waiters;
    cot_task *next;         // in a pool's line, under the pool's lock
    cot_task *next_posted;  // in its outbox, under the outbox's lock
    cot_object *function;   // shared, refcounted: what to call
    cot_payload *call;      // owned; NULL: no arguments
    cot_payload *outcome;   // owned; see above
    uint8_t call_kind;      // cot_call_kind; constant
    uint8_t outcome_kind;   // cot_outcome_kind; written before FINISHED
    cot_outbox *outbox;     // shared, refcounted: the asker's
    void *asker;            // borrowed; only the asker's interpreter reads it
    cot_terms *terms;       // shared: one reference; NULL: the usual ones
};

// Terms with one reference; adopts `extras`, which stays the caller's if the
// answer is NULL (no memory).
cot_terms *cot_terms_create(int64_t timeout_ns, int64_t priority,
                            cot_payload *extras);

cot_terms *cot_terms_ref(cot_terms *terms);  // NULL is allowed

// NULL is allowed.  Any thread.
void cot_terms_unref(cot_terms *terms);

// A pending task with one reference.  Adopts `call` and a reference to
// `function`; both stay the caller's if the answer is NULL (no memory).
cot_task *cot_task_create(cot_object *function, cot_payload *call,
                          cot_call_kind kind, cot_outbox *outbox);

void cot_task_ref(cot_task *task);

// NULL is allowed.
void cot_task_unref(cot_task *task);

cot_task_state cot_task_get_state(const cot_task *task);

// Whether it is finished or cancelled.
static inline bool
cot_task_is_done(const cot_task *task)
{
    return cot_task_get_state(task) >= COT_TASK_FINISHED;
}

// PENDING to RUNNING; false if it was cancelled.
COT_MUST_CHECK bool cot_task_begin(cot_task *task);

// RUNNING to FINISHED: adopts the outcome, wakes and posts.
void cot_task_finish(cot_task *task, cot_outcome_kind kind,
                     cot_payload *outcome);

// PENDING to CANCELLED: wakes, but does not post: the canceller is the asker,
// or posts himself (cot_outbox_post).  False if it is not pending any more.
COT_MUST_CHECK bool cot_task_cancel(cot_task *task);

// Asks for the task to be posted to its outbox when it ends, once.  False: it
// has ended already and will not be posted.
COT_MUST_CHECK bool cot_task_watch(cot_task *task);

// Whether the task is watched: its end reaches the asker through the outbox.
bool cot_task_is_watched(const cot_task *task);

// Waits until it is done.
COT_MUST_CHECK cot_status cot_task_wait(cot_task *task, cot_parker *parker,
                                        int64_t deadline_ns);

#endif
