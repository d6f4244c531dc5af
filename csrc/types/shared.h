// What all Python objects have in common that stand for a shared object of the
// core (cot_object): one object for it in each interpreter, for as long as that
// one lives.
//
// Such a type is a row of the table in module/module.c; then its objects can be
// sent everywhere.  Its struct begins with a SharedObject.

#ifndef COT_TYPES_SHARED_H
#define COT_TYPES_SHARED_H

#include "types/state.h"

typedef struct {
    PyObject_HEAD
    module_state *state;  // borrowed: the type keeps the module
    cot_object *object;   // shared: one reference
    PyObject *known;      // owned: the dictionary that it is in, or NULL
    PyObject *key;        // owned: what for
    PyObject *reference;  // owned: a weak one, to itself
    PyObject *weakrefs;
} SharedObject;

#define SharedObject_CAST(op) ((SharedObject *)(op))

// This interpreter's object for the shared one, which stays the caller's: a new
// reference, or NULL with an exception set.
PyObject *shared_wrap(module_state *state, PyTypeObject *type,
                      cot_object *object);

// The same, adopting the caller's reference to the shared object, also when it
// fails.
PyObject *shared_adopt(module_state *state, PyTypeObject *type,
                       cot_object *object);

// For the type's slots.
int shared_traverse(PyObject *op, visitproc visit, void *arg);
void shared_dealloc(PyObject *op);
Py_hash_t shared_hash(PyObject *op);
PyObject *shared_richcompare(PyObject *op, PyObject *other, int how);
extern PyMemberDef shared_members[];

// __reduce__: refused, since it lives in this process only.
PyObject *shared_reduce(PyObject *op, PyObject *ignored);

#endif
