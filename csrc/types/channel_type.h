// coterie.interpreters.channels.RecvChannel and SendChannel: the ends of a core
// channel.

#ifndef COT_TYPES_CHANNEL_TYPE_H
#define COT_TYPES_CHANNEL_TYPE_H

#include "core/channel.h"
#include "types/waitable.h"

extern PyType_Spec cot_recv_channel_spec;
extern PyType_Spec cot_send_channel_spec;

// The pair (recv, send) of a new channel.  `capacity` is a number, or None:
// without bound; `unbound_op` a number (cot_unbound_op), or 0: items outlive the
// interpreter that sends them.
PyObject *channel_create(module_state *state, PyObject *capacity,
                         PyObject *unbound_op);

// A list of such pairs, of all channels that are not closed.
PyObject *channel_list(module_state *state);

// cot_channel_send and cot_channel_recv, waiting by cot_block and answering as it
// does.  The payload is adopted, and destroyed if it was not sent.
// `end`, lent, is what coterie.debug says is waited for.
int channel_block_to_send(module_state *state, cot_channel *channel,
                          cot_object *end, cot_payload *payload,
                          int64_t deadline_ns, cot_status *status);
int channel_block_to_recv(module_state *state, cot_channel *channel,
                          cot_object *end, int64_t deadline_ns,
                          cot_status *status, cot_payload **payload);

// The payload of what is sent: of the object, or with `as_buffer` of a view of
// its memory.  NULL with an exception set.
cot_payload *channel_encode(module_state *state, PyObject *obj,
                            bool as_buffer);

// A turn's receive and send (types/waitable.h), whose room is a cot_channel_turn:
// what was received is put back, and what was not sent is destroyed.
extern const blocking_op channel_turn_recv_op;
extern const blocking_op channel_turn_send_op;
void channel_undo_recv(turn *own, cot_status status);
void channel_undo_send(turn *own, cot_status status);
void channel_drop_send(turn *own);

#endif
