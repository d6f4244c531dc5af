// What an interpreter changes in the environment of the process: noted, where it
// has to be undone (core/ledger.h).

#ifndef COT_TYPES_ENVIRONMENT_H
#define COT_TYPES_ENVIRONMENT_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

// Attached to an interpreter: from now on what it changes is to be undone.
// Without memory it is not.
void environment_watch(void);

// Undoes what the interpreter of that id has changed, which is made like new, or
// has ended.  No GIL needed.
void environment_undo(int64_t interpreter_id);

// What the process has: a new dictionary of bytes, as os.environb; NULL with an
// exception set.
PyObject *environment_read(void);

// The arguments of an audit event: a variable is about to be set, or removed.
void environment_note(PyObject *args, bool is_set);

#endif
