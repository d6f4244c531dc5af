// coterie.interpreters.channels.RecvChannel and SendChannel: the ends of a core
// channel.

#ifndef COT_TYPES_CHANNEL_TYPE_H
#define COT_TYPES_CHANNEL_TYPE_H

#include "core/channel.h"
#include "types/state.h"

extern PyType_Spec cot_recv_channel_spec;
extern PyType_Spec cot_send_channel_spec;

// The pair (recv, send) of a new channel.  `capacity` is a number, or None:
// without bound; `unbound_op` a number (cot_unbound_op), or 0: items outlive the
// interpreter that sends them.
PyObject *channel_create(module_state *state, PyObject *capacity,
                         PyObject *unbound_op);

// A list of such pairs, of all channels that are not closed.
PyObject *channel_list(module_state *state);

#endif
