// From a status of the core to a Python exception: the only bridge.

#ifndef COT_TYPES_ERRORS_H
#define COT_TYPES_ERRORS_H

#include "types/state.h"

// Sets the exception that a status means.  Never called with COT_OK.  What a
// type says in its own words (queue.Empty, say) it sets itself.
void raise_status(module_state *state, cot_status status);

// Raises the exception of that name; `format` as of PyErr_Format, or NULL for no
// arguments.  Returns NULL.
PyObject *raise_lazy(module_state *state, lazy_name name, const char *format,
                     ...);

// The exception now set (TypeError, PicklingError...) becomes the cause of a
// NotShareableError that says `what`, and the reason.  Returns NULL.  What is
// not an Exception (KeyboardInterrupt), and MemoryError, stays as it is.
PyObject *raise_not_shareable(module_state *state, const char *what);

// Chains: the exception now set gets `cause` as its __cause__.  Steals it.
void set_cause(PyObject *cause);

#endif
