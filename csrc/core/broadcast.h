// A channel of which every subscriber gets every item.
//
//   sender ---> message 4 -> message 5 -> message 6 -> message 7
//                   ^                         ^                    ^
//               subscription a           subscription b       subscription c
//
// There is one line of messages, and each subscription stands at the next one
// that it has not taken; so an item is in memory once, and is decoded by each
// who takes it.  A message leaves when all have taken it who had subscribed when
// it was sent.  These are ever more along the line: so the messages that leave
// are the first ones, and the line is as long as that of the slowest subscriber.
//
//   capacity 0               a send returns when every subscriber has taken the
//                            item; the next one waits until then
//   capacity n               n items are in line for the slowest subscriber
//   COT_CHANNEL_UNBOUNDED    a send never waits
//
// A message is put in line for all subscribers at once, or for none.  Without
// subscribers it is sent when it is let in, and gone.
//
// Who closes the sending end lets subscribers take what is in line.  A
// subscription that is closed holds nobody back any more.  Once nobody can
// subscribe, and nobody has, senders are told (COT_SHUT_DOWN).  Each end closes
// when nobody has it any more, as those of core/endpoint.h.

#ifndef COT_CORE_BROADCAST_H
#define COT_CORE_BROADCAST_H

#include "core/object.h"
#include "core/park.h"
#include "core/payload.h"

typedef struct cot_broadcast cot_broadcast;
typedef struct cot_message cot_message;
typedef struct cot_subscription cot_subscription;

extern const cot_class cot_broadcast_sender_class;
extern const cot_class cot_source_class;  // what to subscribe to
extern const cot_class cot_subscription_class;

// Both ends of a new one, with one reference each.
COT_MUST_CHECK cot_status cot_broadcast_create(size_t capacity,
                                               cot_object **source,
                                               cot_object **sender);

// What an object of the first two classes is an end of, lent.
cot_broadcast *cot_broadcast_of_end(const cot_object *end);

// ---- messages ------------------------------------------------------------

// A payload to be sent, with one reference; adopts the payload, which stays the
// caller's if the answer is NULL: there is no memory.
cot_message *cot_message_create(cot_payload *payload);

// NULL is allowed.
void cot_message_unref(cot_message *message);

// Lent, for as long as one has the message.
const cot_payload *cot_message_payload(const cot_message *message);

// ---- send ----------------------------------------------------------------

// Waits until there is room, puts the message in line, and without capacity
// waits until it is taken.  Any answer but COT_OK and COT_SHUT_DOWN may be
// followed by another attempt with the same message, which goes on where this one
// ended; who does not want that withdraws it.  COT_SHUT_DOWN: it is not in line.
COT_MUST_CHECK cot_status cot_broadcast_send(cot_broadcast *broadcast,
                                             cot_parker *parker,
                                             int64_t deadline_ns,
                                             cot_message *message);

// The same without waiting (COT_TIMED_OUT): without capacity, somebody must be
// waiting at each subscription.
COT_MUST_CHECK cot_status cot_broadcast_post(cot_broadcast *broadcast,
                                             cot_message *message);

// Waits until a post would do, and posts.  Unless the answer is COT_OK, the
// message is not in line, and has not been: for a choice (core/choice.h).
COT_MUST_CHECK cot_status cot_broadcast_offer(cot_broadcast *broadcast,
                                              cot_parker *parker,
                                              int64_t deadline_ns,
                                              cot_message *message);

// Ends the attempts to send the message.  True: nobody has it, or will.  False:
// somebody has taken it already, so it stays in line for the others.
COT_MUST_CHECK bool cot_broadcast_withdraw(cot_broadcast *broadcast,
                                           cot_message *message);

// False if it was closed before.
bool cot_broadcast_close(cot_broadcast *broadcast);

// ---- subscribe and receive -----------------------------------------------

// For what is sent from now on; with one reference.  COT_SHUT_DOWN: one of the
// ends is closed.
COT_MUST_CHECK cot_status cot_broadcast_subscribe(
    cot_broadcast *broadcast, cot_subscription **subscription);

// From now on nobody can subscribe; those who have go on.
void cot_broadcast_close_source(cot_broadcast *broadcast);

cot_object *cot_subscription_object(cot_subscription *subscription);
cot_subscription *cot_subscription_from_object(cot_object *object);

// Waits for a message: one reference, the caller's.  COT_SHUT_DOWN: none comes
// any more.
COT_MUST_CHECK cot_status cot_subscription_recv(cot_subscription *subscription,
                                                cot_parker *parker,
                                                int64_t deadline_ns,
                                                cot_message **message);

// What is in line is dropped for this one.
void cot_subscription_close(cot_subscription *subscription);

// ---- hints ---------------------------------------------------------------

// Looks at a changing state, without the lock.  Whether an attempt to send (to
// receive) would not wait now; whether it would be refused.
bool cot_broadcast_can_send(const cot_broadcast *broadcast,
                            const cot_message *message);
bool cot_broadcast_refuses_send(const cot_broadcast *broadcast);
bool cot_broadcast_refuses_subscribe(const cot_broadcast *broadcast);
bool cot_subscription_can_recv(const cot_subscription *subscription);
bool cot_subscription_refuses_recv(const cot_subscription *subscription);

// How long the line is: the longest, and this one's; how many subscriptions.
size_t cot_broadcast_len(const cot_broadcast *broadcast);
size_t cot_subscription_len(const cot_subscription *subscription);
size_t cot_broadcast_subscriptions(const cot_broadcast *broadcast);

size_t cot_broadcast_capacity(const cot_broadcast *broadcast);
size_t cot_subscription_capacity(const cot_subscription *subscription);

#endif
