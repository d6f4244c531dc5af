// Interpreters that were used, and are made like new (coterie._reset) for the next
// who needs one.
//
// A worker's stays with its thread (types/worker.c).  One that was closed is
// parked: only where CPython does not give back the memory of an interpreter that
// ends (COT_COMPAT_LEAKS_INTERPRETERS).  It has no thread state then, and counts
// as alive until it is ended.

#ifndef COT_TYPES_PARKING_H
#define COT_TYPES_PARKING_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

// Attached to a new interpreter: what it is like.  A new reference, of that
// interpreter; NULL if it is not to be used again.
PyObject *parking_take_stock(void);

// Attached to that interpreter, before it ends: it is not to be used again after
// all.  Adopts `stock`, which may be NULL.
void parking_drop_stock(PyObject *stock);

// Attached to one that was made like new: what can be done before it is used, and
// what has to be done then.  -1 with an exception set.
int parking_get_ready(void);
int parking_resume(void);

// Attached to an interpreter that is about to end by its only thread state.
// True: it is parked, and the thread attached to nothing.  Adopts `stock`.
bool parking_keep(PyThreadState *own, PyObject *stock);

// Attached to an interpreter by *own, its only thread state: makes it like new,
// with a new thread state in the place of that one.  False: it is not to be used
// again.
bool parking_renew(PyThreadState **own, PyObject *stock);

// Attaches the thread to a parked interpreter, and gives its stock.  NULL: there
// is none.
PyThreadState *parking_take(PyObject **stock);

// An id for one that is used again: no interpreter has it or had it.
int64_t parking_new_id(void);

// Ends all of them; the thread stays attached to what it is.
void parking_end_all(void);

// The ids of these, and of those that threads of workers keep: a new list.
PyObject *parking_ids(void);
int parking_append_id(PyObject *ids, int64_t id);

#endif
