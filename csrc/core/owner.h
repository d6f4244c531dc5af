// Who holds a lock: in which interpreter, and who there.

#ifndef COT_CORE_OWNER_H
#define COT_CORE_OWNER_H

#include "port/thread.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t home;  // the id of the interpreter's
    uint64_t
        actor;  // a thread (cot_thread_ident, even), or a task of an event
                // loop (an odd number that no other task has or had)
} cot_owner;

// This thread of that interpreter.
static inline cot_owner
cot_owner_here(uint64_t home)
{
    return (cot_owner){home, cot_thread_self()};
}

static inline bool
cot_owner_is_task(cot_owner owner)
{
    return owner.actor & 1;
}

#endif
