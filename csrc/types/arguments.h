// Arguments of methods that are called as METH_FASTCALL | METH_KEYWORDS.

#ifndef COT_TYPES_ARGUMENTS_H
#define COT_TYPES_ARGUMENTS_H

#include "types/state.h"

typedef struct {
    const char *function;
    int required;          // the first ones that must be there
    int positional;        // the first ones that may come without a name
    const char *names[8];  // all, up to a NULL
} signature;

// Arguments, lent, into `values`, one for each name: NULL for what is missing.
// -1 with a TypeError set.
int parse_arguments(const signature *expected, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames, PyObject **values);

// block and timeout, as queue.Queue has them (NULL: not given), as a deadline.
int deadline_from_block(PyObject *block, PyObject *timeout,
                        int64_t *deadline_ns);

// The number (cot_unbound_op) of what was given as `unbounditems`, by the function
// of that name; -1 with an exception set.
int unbound_op_of(module_state *state, lazy_name flag_of,
                  PyObject *unbounditems);

#endif
