// coterie._core.Wait and Inbox: a wait of an event loop's task, and where the
// loop hears that it may go on.

#ifndef COT_TYPES_ASYNC_WAIT_H
#define COT_TYPES_ASYNC_WAIT_H

#include "types/state.h"

extern PyType_Spec cot_wait_spec;
extern PyType_Spec cot_inbox_spec;

// Lets all event loops of the interpreter go on, which may sleep in C code: after
// an interrupt, with its GIL held.
void async_ring(module_state *state);

// Ends all waits of this interpreter, which ends.
void async_waits_end(module_state *state);

#endif
