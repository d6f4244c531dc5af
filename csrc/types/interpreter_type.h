// The base of coterie.interpreters.Interpreter: a handle of an interpreter that
// code runs in on the caller's own thread.

#ifndef COT_TYPES_INTERPRETER_TYPE_H
#define COT_TYPES_INTERPRETER_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_interpreter_spec;

// This interpreter's handle for the shared object: a new reference.
PyObject *interpreter_wrap(module_state *state, cot_object *object);

// The shared object behind a handle, lent; NULL, without an exception, if `obj`
// is none, or one of an interpreter that coterie did not make.
cot_object *interpreter_unwrap(module_state *state, PyObject *obj);

// The ids of the interpreters that can be entered: a new list.
PyObject *interpreter_ids(void);

// What CPython counts those as that have another id, and the parked ones: a new
// list.
PyObject *interpreter_hidden_ids(void);

// Waits for those that are being ended: True, or False when the time is up.
PyObject *interpreter_join_closing(module_state *state, PyObject *timeout);

#endif
