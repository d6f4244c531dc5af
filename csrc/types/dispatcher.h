// The threads that tell an interpreter's futures that their tasks ended.
//
// One exists once somebody added a callback or waits for several futures, takes
// ended tasks from the outbox, and runs the callbacks in the interpreter that
// asked for the tasks.  A second one goes on telling while the first one runs a
// callback, which may wait for other futures.  They are no threads that
// `threading` started.

#ifndef COT_TYPES_DISPATCHER_H
#define COT_TYPES_DISPATCHER_H

#include "types/state.h"

// Starts this interpreter's dispatcher unless it runs.  -1 with an exception
// set.
int dispatcher_ensure(module_state *state);

// Waits until it has delivered what was posted before, not if it is the one who
// calls: 1; 0 if the deadline has passed before.  -1 with an exception set.
int dispatcher_settle(module_state *state, int64_t deadline_ns);

// Lets it deliver what is in the outbox, and waits until it ended or the deadline
// has passed.  -1 with an exception set.
int dispatcher_end(module_state *state, int64_t deadline_ns);

#endif
