// A call for each of many items, as one task: what coterie.map sends.
//
// The payload is that of a tuple (callable or None, items, is_starred, goes_on,
// budget), the result a tuple (nanoseconds, results, failures, rest).  A failure
// is (index, account), and the result at that index means nothing.  Without
// goes_on the first one ends the calls; what is no Exception does that in any
// case.  Once the calls have taken longer than the budget, in nanoseconds (0: none),
// the other items are given back, as the rest.  None as the rest: the items cannot
// be made there, and nothing was called; the only failure says why.

#ifndef COT_TYPES_EACH_H
#define COT_TYPES_EACH_H

#include "types/state.h"

// Calls `function`, or the callable that comes along.  NULL with an exception
// set: nothing was called, an interrupt ended it, or there was no memory.
PyObject *each_call(module_state *state, const cot_payload *call,
                    PyObject *function);

// The payload of a result of each_call.  Results that cannot be sent, or not be
// made again, become failures.  NULL with an exception set.
cot_payload *each_encode(module_state *state, PyObject *result);

#endif
