// Stopping Python code that runs in another interpreter.
//
// A thread of its own visits the worker, waits for its GIL, and sets the
// asynchronous exception there, if the worker is still at the task it was sent
// for.  C code that holds its GIL cannot be stopped: the visitor waits as long.

#ifndef COT_TYPES_INTERRUPT_H
#define COT_TYPES_INTERRUPT_H

#include "core/pool.h"
#include "port/status.h"

// Interrupts what the pool's workers run now.  Does not wait.  A call that was
// interrupted before may be cleaning up: it is left alone unless `again`.
COT_MUST_CHECK cot_status interrupt_running(cot_pool *pool, bool again);

#endif
