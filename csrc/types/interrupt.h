// Stopping Python code that runs in another interpreter.
//
// A thread of its own visits the worker, waits for its GIL, and sets the
// asynchronous exception there, if the worker is still at the task it was sent
// for.  C code that holds its GIL cannot be stopped: the visitor waits as long.

#ifndef COT_TYPES_INTERRUPT_H
#define COT_TYPES_INTERRUPT_H

#include "core/pool.h"
#include "types/state.h"

// Interrupts what the pool's workers run now.  Does not wait.  A call that was
// interrupted before may be cleaning up: it is left alone unless `again`.
COT_MUST_CHECK cot_status interrupt_running(cot_pool *pool, bool again);

// The worker's sys.unraisablehook.  An interrupt that came where nothing can be
// raised (a callback of a weak reference, say) is not reported and lost, but set
// again.  -1 with an exception set.
int interrupt_note_unraisable(module_state *state, PyObject *unraisable);

#endif
