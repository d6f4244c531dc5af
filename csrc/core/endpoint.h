// The two ends of a channel as users hold them: each closes when nobody has it
// any more.
//
// Who has an end counts: an interpreter whose object stands for it, and a payload
// on its way.  When the last of those who could send is gone, receivers get what
// is in line and then COT_SHUT_DOWN, instead of waiting for ever; when the last
// of those who could receive is gone, so do senders, and what is in line is
// dropped.  (A channel that is found by number has other ends: core/channel.h.)

#ifndef COT_CORE_ENDPOINT_H
#define COT_CORE_ENDPOINT_H

#include "core/channel.h"

extern const cot_class cot_receiver_class;
extern const cot_class cot_sender_class;

// Both ends of a new channel, with one reference each.
COT_MUST_CHECK cot_status cot_endpoint_create(size_t capacity,
                                              cot_object **receiver,
                                              cot_object **sender);

// The channel, lent, that an object of these classes is an end of.
cot_channel *cot_endpoint_channel(const cot_object *end);

#endif
