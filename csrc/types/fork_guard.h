// Refuses what kills a process while interpreters of ours live.
//
// The child of os.fork dies before it can do anything, even exit.  Before 3.14
// sys._current_frames corrupts memory.

#ifndef COT_TYPES_FORK_GUARD_H
#define COT_TYPES_FORK_GUARD_H

#include "types/state.h"

// Installs the guard, once per process.  -1 with an exception set.
int fork_guard_install(module_state *state);

#endif
