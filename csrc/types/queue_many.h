// put_many and get_many, the methods of all queues of coterie.queue.

#ifndef COT_TYPES_QUEUE_MANY_H
#define COT_TYPES_QUEUE_MANY_H

#include <Python.h>

extern const char queue_put_many_doc[];
extern const char queue_get_many_doc[];

PyObject *queue_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);
PyObject *queue_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);

#endif
