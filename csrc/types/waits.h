// Who waits, and where in its Python code: for coterie.debug.
//
// The stack of a thread is looked at by who holds the GIL of its interpreter.
// For another interpreter that is a thread of its own, which visits one of its
// waits (core/waits.h) and sends back what it finds as a payload.  It calls no
// Python code there.  If C code keeps that GIL it comes too late, and frees what
// it has found itself.

#ifndef COT_TYPES_WAITS_H
#define COT_TYPES_WAITS_H

#include "types/state.h"

// A list of tuples; their fields are those of coterie.debug._Row.
PyObject *waits_list(module_state *state);

// A list of (id of the wait, name of the thread, [(file, line, name), ...]),
// innermost frame last, of the waits of the interpreters in the list `ids`: of
// those that answer within `timeout`.
PyObject *waits_stacks(module_state *state, PyObject *ids, PyObject *timeout);

#endif
