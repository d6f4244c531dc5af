// coterie.queue.Queue: queue.Queue's interface on a core queue.

#ifndef COT_TYPES_QUEUE_TYPE_H
#define COT_TYPES_QUEUE_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_queue_spec;

// The object of this interpreter for the queue: a new reference.  The same
// object as long as it lives.
PyObject *queue_wrap(module_state *state, cot_object *object);

// The core object behind a Queue, lent; NULL, without an exception, if `obj`
// is none.
cot_object *queue_unwrap(module_state *state, PyObject *obj);

#endif
