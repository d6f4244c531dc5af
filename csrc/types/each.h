// A call for each of many items, as one task: what coterie.map sends.
//
// The payload is that of a tuple (callable or None, items, is_starred, goes_on,
// budget), the result a tuple (nanoseconds, results, failures, rest).  A failure
// is (index, account), and the result at that index means nothing.  Without
// goes_on the first one ends the calls; what is no Exception does that in any
// case.  Once the calls have taken longer than the budget, in nanoseconds (0: none),
// the other items are given back, as the rest.

#ifndef COT_TYPES_EACH_H
#define COT_TYPES_EACH_H

#include "types/state.h"

// Calls `function`, or the callable that comes along.  NULL with an exception
// set: nothing was called, an interrupt ended it, or there was no memory.
PyObject *each_call(module_state *state, const cot_payload *call,
                    PyObject *function);

// For a result of each_call that cannot be sent as a whole (the exception is
// set, and cleared): those results that cannot become failures.  -1 with an
// exception set.
int each_give_up_unsendable(module_state *state, PyObject *result);

#endif
