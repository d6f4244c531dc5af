// coterie.channel.Receiver and Sender: the ends of a channel, and of a channel
// to subscribers; create_channel.

#ifndef COT_TYPES_ENDPOINT_TYPE_H
#define COT_TYPES_ENDPOINT_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_receiver_spec;
extern PyType_Spec cot_sender_spec;

// create_channel: the pair of ends.  NULL for an argument that was not given.
PyObject *endpoint_create(module_state *state, PyObject *capacity,
                          PyObject *broadcast);

// Sets what the status means, COT_TIMED_OUT being that name.  Returns NULL.
PyObject *raise_from_endpoint(module_state *state, cot_status status,
                              lazy_name when_late);

// A capacity as users see it.
PyObject *endpoint_capacity(size_t capacity);

// Methods, and the text of an attribute, of all ends.
extern const char endpoint_capacity_doc[];
PyObject *endpoint_enter(PyObject *op, PyObject *ignored);
int endpoint_bool(PyObject *op);

#endif
