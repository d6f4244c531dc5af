// A call that came as a payload: running it in the interpreter that it came to,
// on the thread that is attached, and what others need to interrupt it.

#ifndef COT_TYPES_RUN_H
#define COT_TYPES_RUN_H

#include "codec/function.h"
#include "core/outbox.h"
#include "core/park.h"
#include "core/task.h"
#include "types/state.h"

// How far a call came.
typedef enum {
    RUN_LOADING_FUNCTION,
    RUN_LOADING_ARGUMENTS,
    RUN_CALLED,
} run_stage;

// Where visitors find the thread that runs calls.  Owned by the worker or the
// interpreter; they see to it that it is valid while there are visitors.
struct run_host {
    PyInterpreterState *interpreter;
    module_state *state;  // borrowed: of our module there
    cot_thread_ident thread;
    unsigned long ident;  // of the thread, as Python counts them
    cot_parker *parker;   // borrowed: of this thread's waits
    cot_outbox *asker;    // borrowed: where notes go; NULL: nowhere
    PyObject *raised;     // owned, under the interpreter's GIL: the exception
                          // type that an interrupt has set, or NULL
    _Atomic(uint64_t)
        awaited;         // the run that a visitor of one who asked is on
                         // his way to, or 0
    const void *serves;  // what it runs now: compared, never followed; or NULL
    const char *pool;    // borrowed: the name of the worker's pool; or NULL
    uint32_t number;     // the worker's, in its pool
    run_stage stage;     // of the latest call
    bool cancels;        // a call that ends by Interrupted counts as cancelled
    bool is_late;        // the interrupt is for a timeout that has passed
    bool is_named;       // threading knows its name
    Py_ssize_t modules;  // how many were imported when that was looked at
};

// What the current thread of this interpreter waits with.
cot_parker *run_parker(const module_state *state, cot_parker *local);

// The call that this thread runs for others, or NULL.
const void *run_served(const module_state *state);

// Before the call, in the asker's interpreter: what to reference (a new
// reference).  What cannot be referenced by itself goes among the arguments, and
// the function is then operator.call.  -1 with an exception set.
int run_get_function(module_state *state, PyObject *callable,
                     cot_function **function, bool *is_among_args);

// Once threading is imported: gives the worker's thread its name there.  In an
// interpreter that is no worker nothing happens.  -1 with an exception set: an
// interrupt.
int run_name_thread(module_state *state);

// Calls; `call` NULL means without arguments.  `extras` (cot_terms), or NULL, are
// for coterie._tasks.wrap.  The host knows then how far it came.
PyObject *run_call(module_state *state, cot_function *function,
                   const cot_payload *call, cot_call_kind kind,
                   const cot_payload *extras);

// C code that is called by itself sees nothing of an interrupt, which the next
// Python code would raise: one that still waits takes the place of the call's
// end, `result` or (NULL) the exception now set, which it steals.
PyObject *run_let_interrupt_in(module_state *state, PyObject *result);

// What to send of it: of `result` (borrowed), or if that is NULL of the
// exception now set, which is cleared.
cot_outcome_kind run_outcome(module_state *state, cot_call_kind call_kind,
                             PyObject *result, cot_payload **outcome);

// The account of the exception now set, which is cleared, for
// coterie._outcome.rebuild: its payload, and the account itself in *account (if
// not NULL; a new reference).  NULL with an exception set: the interrupt came
// meanwhile (run_is_stopped), or there is no memory.
cot_payload *run_account(module_state *state, PyObject **account);

// Whether it can be made here, and so where it goes: many an exception can be
// pickled and not be made again.  If not, an exception is set.
bool run_can_be_decoded(module_state *state, const cot_payload *payload);

// Whether the exception now set is the interrupt that somebody asked for, and
// makes the call count as cancelled.
bool run_is_stopped(const module_state *state);

// Interrupts the thread, with the interpreter's GIL held; steals `type`.
void run_interrupt(run_host *host, PyObject *type);

// On that thread, at the end of a call: takes back an interrupt that came too late,
// and what one that did come may have left.  The caller, who holds the GIL, has
// seen to it that none comes after.
void run_calm(run_host *host);

#endif
