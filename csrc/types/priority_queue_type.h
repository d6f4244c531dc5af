// coterie.queue.PriorityQueue: a Queue whose items, or what a function makes of
// them, are its keys.

#ifndef COT_TYPES_PRIORITY_QUEUE_TYPE_H
#define COT_TYPES_PRIORITY_QUEUE_TYPE_H

#include "core/payload.h"

#include <Python.h>

extern PyType_Spec cot_priority_queue_spec;  // derives from Queue

// The key of an item for this PriorityQueue: the caller's, or NULL with an
// exception set, in which `what` is the item.
cot_key *priority_queue_make_key(PyObject *op, PyObject *item,
                                 const char *what);

#endif
