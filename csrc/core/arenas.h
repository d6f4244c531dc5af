// Which interpreter has taken which arena.
//
// Arenas are the areas of memory, 1 MiB mostly, from which CPython cuts an
// interpreter's small objects.  It asks for one with that interpreter's GIL
// held, but may give it back when nothing tells any more whose it was: so they
// are known by their addresses.  Zeroed memory is an empty table.

#ifndef COT_CORE_ARENAS_H
#define COT_CORE_ARENAS_H

#include "core/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uintptr_t address;  // 0: a free slot
    size_t size;
    int64_t owner;  // id of an interpreter
} cot_arena;

typedef struct {
    cot_lock lock;     // guards the table
    cot_arena *slots;  // owned
    size_t size;       // of the table: 0, or a power of 2
    size_t len;
    atomic_bool is_watched;
    // What gives the memory: of the layer above, set before others may ask.
    _Atomic(const void *) source;
} cot_arenas;

// True for the first caller, and for nobody after.
bool cot_arenas_claim(cot_arenas *arenas);

// The arena is not counted if there is no memory for a larger table.
void cot_arenas_add(cot_arenas *arenas, const void *address, size_t size,
                    int64_t owner);

// Nothing happens if it was never added.
void cot_arenas_remove(cot_arenas *arenas, const void *address);

// How many bytes the arenas of an interpreter have together.
size_t cot_arenas_of(cot_arenas *arenas, int64_t owner);

#endif
