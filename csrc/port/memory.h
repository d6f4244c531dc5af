// Memory that may cross threads and interpreters.
//
// Every block that one interpreter may hand to another comes from here, never
// from PyMem_* (whose arenas belong to one interpreter).  A test build may make
// the n-th allocation fail (cot_memory_fail_at), so that every error path can
// be walked.

#ifndef COT_PORT_MEMORY_H
#define COT_PORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

// Both return NULL when there is no memory; a size of 0 counts as 1.
void *cot_alloc(size_t size);
void *cot_alloc_zeroed(size_t size);

// As realloc: on failure the old block stays valid.
void *cot_realloc(void *block, size_t size);

// NULL is allowed.
void cot_free(void *block);

// Whether the process may have `size` more bytes of address space.  A hint.
bool cot_memory_has_room(size_t size);

#ifdef COT_FAULT_INJECTION
// The n-th allocation from now on (1 = the next) fails, once; 0 turns it off.
// Answers what was left to count of the call before: 0 if that one has failed.
long cot_memory_fail_at(long n);
#endif

#endif
