// coterie.queue's Queue, LifoQueue and SimpleQueue: the interfaces of the
// module queue on a core queue.

#ifndef COT_TYPES_QUEUE_TYPE_H
#define COT_TYPES_QUEUE_TYPE_H

#include "core/queue.h"
#include "types/waitable.h"

extern PyType_Spec cot_queue_spec;
extern PyType_Spec cot_lifo_queue_spec;    // derives from Queue
extern PyType_Spec cot_simple_queue_spec;  // does not

// The payload of an item for this queue, any of coterie.queue's; NULL with an
// exception set, which says which of several it is, unless `idx` is -1.
cot_payload *queue_encode(PyObject *op, PyObject *item, Py_ssize_t idx);

// Sets what the status means, COT_TIMED_OUT being that name.  Returns NULL.
PyObject *raise_from_queue(module_state *state, cot_status status,
                           lazy_name when_late);

// cot_queue_put and cot_queue_get, waiting by cot_block and answering as it
// does.  The payload is adopted, and destroyed if it was not put.
int queue_block_to_put(module_state *state, cot_queue *queue,
                       cot_payload *payload, int64_t deadline_ns,
                       cot_status *status);
int queue_block_to_get(module_state *state, cot_queue *queue,
                       int64_t deadline_ns, cot_status *status,
                       cot_payload **payload);

// A turn's put (of the payload, adopted) and get (NULL), and dropping it
// (types/waitable.h).  The payload, lent until the turn is over.
extern const blocking_op queue_put_op;
extern const blocking_op queue_get_op;
void queue_begin_turn(turn *own, cot_queue *queue, cot_payload *payload);
void queue_drop_turn(turn *own);
cot_payload *queue_turn_payload(turn *own);

// Methods and an attribute of all that stands for a core queue.
extern const char queue_qsize_doc[];
extern const char queue_empty_doc[];
extern const char queue_full_doc[];
PyObject *queue_qsize(PyObject *op, PyObject *ignored);
PyObject *queue_empty(PyObject *op, PyObject *ignored);
PyObject *queue_full(PyObject *op, PyObject *ignored);
PyObject *queue_get_maxsize(PyObject *op, void *closure);

#endif
