// Refuses os.fork while interpreters of ours live.
//
// CPython's child of such a fork dies before it can do anything, even exit.

#ifndef COT_TYPES_FORK_GUARD_H
#define COT_TYPES_FORK_GUARD_H

#include "types/state.h"

// Installs the guard, once per process.  -1 with an exception set.
int fork_guard_install(module_state *state);

#endif
