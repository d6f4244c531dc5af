// coterie.channel.Source: what one subscribes to; and how one waits to send to
// subscribers, and to receive from a subscription.

#ifndef COT_TYPES_BROADCAST_TYPE_H
#define COT_TYPES_BROADCAST_TYPE_H

#include "core/broadcast.h"
#include "types/state.h"

extern PyType_Spec cot_source_spec;

// Sends the payload, waiting by cot_block and answering as it does; adopts it in
// any case.  COT_OK also if the deadline has passed when some have the item, and
// it stays in line for the others.
int broadcast_block_to_send(module_state *state, cot_broadcast *broadcast,
                            cot_payload *payload, int64_t deadline_ns,
                            cot_status *status);

// cot_subscription_recv in the same way.
int subscription_block_to_recv(module_state *state,
                               cot_subscription *subscription,
                               int64_t deadline_ns, cot_status *status,
                               cot_message **message);

#endif
