// A new interpreter, from nothing to one that can take calls.

#ifndef COT_TYPES_OPENING_H
#define COT_TYPES_OPENING_H

#include "types/state.h"

// What PEP 684 calls isolated, as the standard library makes them.
#define OPENING_OWN_GIL                     \
    {                                       \
        .use_main_obmalloc = 0,             \
        .allow_fork = 0,                    \
        .allow_exec = 0,                    \
        .allow_threads = 1,                 \
        .allow_daemon_threads = 0,          \
        .check_multi_interp_extensions = 1, \
        .gil = PyInterpreterConfig_OWN_GIL, \
    }

// The thread is then attached to it.  A reason why it could not be made, or
// NULL; the thread is then attached to what it was.
const char *opening_create(const PyInterpreterConfig *config,
                           PyThreadState **tstate);

// Ends the interpreter that the thread is attached to by its only state, and
// undoes what it has changed in the environment; the thread is then attached to
// nothing.
void opening_end(PyThreadState *tstate);

// Sets (sys.path, sys.argv): before anything is imported, as the parent may
// have found us by its sys.path.  -1 with an exception set.
int opening_apply(const cot_payload *settings, bool has_own_gil);

// The state of our module there, or NULL with an exception set.
module_state *opening_state(void);

#endif
