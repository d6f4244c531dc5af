// The memory of an object of one interpreter, seen from others without a copy.
//
//      owner's interpreter          core                other interpreters
//
//      bytearray <--- Py_buffer  shared_buffer <------- SharedBuffer <--- memoryview
//                                     |                 (an exporter)
//      buffer_owner <-----------------'
//
// What others have is a memoryview over an exporter of ours, which holds a
// reference to the shared buffer.  The last reference may go anywhere, but only
// the owner's interpreter may release a Py_buffer.  So the shared buffer is
// handed back to the buffer_owner, whose interpreter releases it: at once if the
// thread is attached to it, else in a pending call of the main interpreter, and
// in any other when it next uses a channel or runs a call, or at its end.
//
// An interpreter that ends while others have a view does not wait and copies
// nothing: the Py_buffer is never released, so its memory stays where it is
// until the process ends.
//
// The view of a view has no owner: it keeps the first shared buffer alive.

#ifndef COT_TYPES_SHARED_BUFFER_H
#define COT_TYPES_SHARED_BUFFER_H

#include "types/state.h"

extern const cot_class cot_shared_buffer_class;
extern PyType_Spec cot_shared_buffer_spec;

// What an interpreter owns of this: with one reference, for the interpreter
// that is attached.  NULL if there is no memory.
buffer_owner *buffer_owner_create(void);

// The interpreter ends: releases what has come back, and the reference.  NULL is
// allowed.
void buffer_owner_end(buffer_owner *owner);

// Releases what has come back to this interpreter.  May run Python code; an
// exception that is set stays set.
void buffer_owner_reclaim(buffer_owner *owner);

// A shared object for what the memoryview shows: a new reference, or NULL with
// an exception set.  Runs no Python code.
cot_object *shared_buffer_create(module_state *state, PyObject *view);

// A memoryview of this interpreter on the same memory.
PyObject *shared_buffer_view(module_state *state, cot_object *object);

#endif
