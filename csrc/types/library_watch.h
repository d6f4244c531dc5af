// What the modules of an interpreter were like before code changed them.
//
// Those that are there at the beginning, and those of the standard library when
// their import ends: a watcher of sys.modules sees that, so an import pays for a
// copy of the module's dictionary only.

#ifndef COT_TYPES_LIBRARY_WATCH_H
#define COT_TYPES_LIBRARY_WATCH_H

#include <Python.h>

// Attached to a new interpreter: a new reference to a tuple that begins with
// - {name: (module, names, contents, classes)}, which grows with the imports:
//   `names` is a copy of the module's dictionary; `contents` are pairs of a list,
//   dict or set in there and its copy; `classes` pairs of a class that is at home
//   there and its attributes, names and values in turn;
// - a list of modules that could not be imported, to be cleared by the caller.
// NULL with an exception set.
PyObject *library_watch_begin(void);

// Attached to that interpreter before it ends, and modules are to be freed.
void library_watch_end(void);

#endif
