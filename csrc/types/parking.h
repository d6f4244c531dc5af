// Interpreters that were closed, kept for the next who asks for one.
//
// Only where CPython does not give back the memory of an interpreter that ends
// (COT_COMPAT_LEAKS_INTERPRETERS).  A parked interpreter is like a new one
// (coterie._reset), has no thread state, and counts as alive until it is ended.

#ifndef COT_TYPES_PARKING_H
#define COT_TYPES_PARKING_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

// Attached to a new interpreter: what it is like.  A new reference, of that
// interpreter; NULL if it is not to be used again.
PyObject *parking_take_stock(void);

// Attached to an interpreter that is about to end by its only thread state.
// True: it is parked, and the thread attached to nothing.  Adopts `stock`.
bool parking_keep(PyThreadState *own, PyObject *stock);

// Attaches the thread to a parked interpreter, and gives its stock.  NULL: there
// is none.
PyThreadState *parking_take(PyObject **stock);

// An id for one that is used again: no interpreter has it or had it.
int64_t parking_new_id(void);

// Ends all of them; the thread stays attached to what it is.
void parking_end_all(void);

// Their ids: a new list.
PyObject *parking_ids(void);

#endif
