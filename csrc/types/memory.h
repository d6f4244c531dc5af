// How much memory each interpreter has taken for its objects.
//
// CPython tells of all interpreters together only, and that by walking through
// memory that others change (sys.getallocatedblocks).  But what gives it arenas
// can be replaced: ours asks the one before, and notes who got what.  That costs
// nothing per object.  What is larger than 512 bytes is in no arena.

#ifndef COT_TYPES_MEMORY_H
#define COT_TYPES_MEMORY_H

#include <stdint.h>

// Begins to count in this process, once: of interpreters made later.  Failing,
// nothing is known.
void memory_watch(void);

// Bytes of the interpreter with this id; -1 if that is not known.
int64_t memory_of(int64_t interpreter_id);

#endif
