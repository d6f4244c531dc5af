// Stopping Python code that runs in another interpreter.
//
// A thread of its own visits the interpreter, waits for its GIL, and sets the
// asynchronous exception there, if the call that it came for still runs.  C code
// that holds its GIL cannot be stopped: the visitor waits as long.

#ifndef COT_TYPES_INTERRUPT_H
#define COT_TYPES_INTERRUPT_H

#include "core/interpreter.h"
#include "core/pool.h"
#include "types/state.h"

// Interrupts what the pool's workers run now.  Does not wait.  A call that was
// interrupted before may be cleaning up: it is left alone unless `again`.  What
// does not end within its grace is given up if `stops`.
COT_MUST_CHECK cot_status interrupt_running(cot_pool *pool, bool again,
                                            bool stops);

// Interrupts the task, if a worker of the home runs it: whether one does.  Does
// not wait.  *status tells whether it could be tried.
COT_MUST_CHECK bool interrupt_task(cot_home *home, const cot_task *task,
                                   cot_status *status);

// The remind and report of cot_pool_config.
void interrupt_remind(cot_worker *worker, uint64_t run, bool is_late);
void interrupt_report_lost(cot_worker *worker);

// Interrupts what runs in the interpreter now, by the exception type that `type`
// is the payload of (adopted; NULL: KeyboardInterrupt).  Does not wait.
// COT_AGAIN: nothing runs.
COT_MUST_CHECK cot_status interrupt_run(cot_interpreter *interpreter,
                                        cot_payload *type);

// The sys.unraisablehook where interrupts come.  One that came where nothing can
// be raised (a callback of a weak reference, say) is not reported and lost, but
// set again.  -1 with an exception set.
int interrupt_note_unraisable(module_state *state, PyObject *unraisable);

#endif
