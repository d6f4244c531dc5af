// The base of coterie.Executor: a pool of the core, and what submits to it.

#ifndef COT_TYPES_POOL_TYPE_H
#define COT_TYPES_POOL_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_pool_spec;

// A list of one Pool for each pool of this interpreter that has workers left.
PyObject *pool_list(module_state *state);

#endif
