// What an interpreter changes in the environment of the process: noted, where it
// has to be undone (core/ledger.h).

#ifndef COT_TYPES_ENVIRONMENT_H
#define COT_TYPES_ENVIRONMENT_H

#include <Python.h>

#include <stdbool.h>

// Attached to an interpreter: from now on what it changes is to be undone, by
// cot_ledger_undo.  Without memory it is not.
void environment_watch(void);

// What the process has: a new dictionary of bytes, as os.environb; NULL with an
// exception set.
PyObject *environment_read(void);

// The arguments of an audit event: a variable is about to be set, or removed.
void environment_note(PyObject *args, bool is_set);

#endif
