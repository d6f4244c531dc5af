// The one place where a thread waits with its interpreter released.
//
// A blocking operation of the core is two functions: a cheap look whether it
// would wait, and an attempt with a deadline.  cot_block tries at once; polls
// for a moment with the GIL held (another thread that wants to compute would
// keep it for a whole switch interval: the convoy); then detaches the thread
// state and attempts until it is done, the deadline has passed, a signal
// handler of Python has raised, or somebody interrupts this worker.

#ifndef COT_TYPES_BLOCKING_H
#define COT_TYPES_BLOCKING_H

#include "types/state.h"

typedef struct {
    bool (*is_ready)(void *arg);  // a hint; no waiting
    cot_status (*attempt)(void *arg, cot_parker *parker, int64_t deadline_ns);

    // For coterie.debug, which lists who waits.  What the caller called: "get",
    // or "Future.result" for what is no shared object.
    const char *verb;
    // The object that is waited for, lent: it lives until the wait is over; or
    // NULL, or the call: compared, never followed.
    cot_object *(*object)(void *arg);
    const void *(*awaited)(void *arg);
} blocking_op;

// 0 with what the operation answered in *status (COT_TIMED_OUT once the
// deadline has passed); -1 with an exception set: the operation had no effect.
int cot_block(module_state *state, const blocking_op *op, void *arg,
              int64_t deadline_ns, cot_status *status);

// While the main thread waits, a signal wakes it by itself; the slice is for
// the one that arrives between the look at the flag and the sleep.
#define BLOCK_SLICE (50 * COT_MS)

// Whether the thread is one that signals are handled on.
bool block_needs_slices(const module_state *state);

// Runs the handlers of signals that have come; -1 with an exception set.
int block_check_signals(module_state *state);

// A timeout argument, None or a number of seconds, as a deadline.  -1 with an
// exception set.  A timeout below 0 is 0 if `clips`, else a ValueError.
int deadline_from_timeout(PyObject *timeout, bool clips, int64_t *deadline_ns);

#endif
