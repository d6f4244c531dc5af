// Interpreters that nobody uses, and how they end: those that were kept, and those
// of workers that have nothing to do.

#ifndef COT_TYPES_IDLE_H
#define COT_TYPES_IDLE_H

#include "types/state.h"

// Ends what was kept, and the workers of this interpreter's pools if all of them
// have nothing to do; they start again when there is.  Waits for that, a while.
// -1 with an exception set.
int idle_end(module_state *state);

// Ends what was kept only.
int idle_end_kept(module_state *state);

// Lets threads of workers keep up to `max` interpreters.
void idle_keep(uint32_t max);

// From now on none is kept; those that were are told to end.
void idle_keep_none(void);

// Waits until they have: 1 if so, 0 if not in time, -1 with an exception set.
int idle_join_kept(module_state *state, int64_t deadline_ns);

#endif
