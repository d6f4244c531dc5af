// A channel of payloads between any number of senders and receivers.
//
//   capacity 0               a send returns when a receiver has taken the item
//   capacity n               n items more than receivers have asked for fit in
//   COT_CHANNEL_UNBOUNDED    a send never waits
//
// Items stand in one line, oldest first, and so do receivers; one of the two
// lines is always empty.  An item in line belongs to the channel once there was
// room for it; until then a sender waits with it, and takes it out again when
// its wait ends otherwise.  So an item is delivered, or stays its sender's:
// never both, never neither.
//
// Closing the sending end lets out what is in line, senders that wait already
// included; closing the receiving end lets those senders go with COT_SHUT_DOWN.
//
// What is in line and bound to an interpreter is unbound when that one ends.

#ifndef COT_CORE_CHANNEL_H
#define COT_CORE_CHANNEL_H

#include "core/choice.h"
#include "core/object.h"
#include "core/payload.h"

#define COT_CHANNEL_UNBOUNDED SIZE_MAX

typedef struct cot_channel cot_channel;

typedef enum {
    COT_RECV_END,
    COT_SEND_END,
} cot_channel_side;

extern const cot_class cot_channel_class;
extern const cot_class cot_recv_end_class;
extern const cot_class cot_send_end_class;

// A registered channel with one reference, the caller's.  `unbound_op` is for
// payloads that say nothing else; it is only kept.  NULL if there is no memory.
cot_channel *cot_channel_create(size_t capacity, cot_unbound_op unbound_op);

// The same without a number: not registered, so nobody finds it, and what is in
// line is bound to nobody.
cot_channel *cot_channel_create_unlisted(size_t capacity);

cot_object *cot_channel_object(cot_channel *channel);

// The channel that an object of cot_channel_class is.
cot_channel *cot_channel_from_object(cot_object *object);

// Waits until the payload is taken or has room, or until the deadline
// (COT_TIMED_OUT; with COT_NOW at once).  Adopts it if the answer is COT_OK;
// else it stays the caller's, and no receiver has seen it.  COT_SHUT_DOWN: no
// more is taken.
COT_MUST_CHECK cot_status cot_channel_send(cot_channel *channel,
                                           cot_parker *parker,
                                           int64_t deadline_ns,
                                           cot_payload *payload);

// Puts the payload in line, whether there is room or not, and does not wait;
// adopts it as send does.  *was_awaited: a receiver was waiting and has it.
COT_MUST_CHECK cot_status cot_channel_post(cot_channel *channel,
                                           cot_payload *payload,
                                           bool *was_awaited);

// Waits for a payload and moves it out.  COT_SHUT_DOWN: none comes any more.
COT_MUST_CHECK cot_status cot_channel_recv(cot_channel *channel,
                                           cot_parker *parker,
                                           int64_t deadline_ns,
                                           cot_payload **payload);

// Puts back what was received, to be received next, whether there is room or
// not; adopts it.  It is dropped if the receiving end is closed, or if there is
// no memory.
void cot_channel_put_back(cot_channel *channel, cot_payload *payload);

// Closes the end (the receiving end closes both).  COT_SHUT_DOWN: it is closed.
// COT_AGAIN: the receiving end stays open, since items are in line; with
// `drops_items` they are dropped instead.
COT_MUST_CHECK cot_status cot_channel_close(cot_channel *channel,
                                            cot_channel_side side,
                                            bool drops_items);

// The last who had this end lets go of it: closes it, if it is open.  What is
// in line when the receiving end goes is dropped to the list of the dead.
void cot_channel_abandon(cot_channel *channel, cot_channel_side side,
                         cot_object **dead);

// Looks at a changing state: hints.  Whether a send now would be refused;
// whether a receive would; how many items are in line.
bool cot_channel_refuses_send(const cot_channel *channel);
bool cot_channel_refuses_recv(const cot_channel *channel);
size_t cot_channel_len(const cot_channel *channel);

size_t cot_channel_capacity(const cot_channel *channel);
cot_unbound_op cot_channel_unbound_op(const cot_channel *channel);

// Whether a send (a receive) would not wait now: a hint, without the lock.
bool cot_channel_can_send(const cot_channel *channel);
bool cot_channel_can_recv(const cot_channel *channel);

// ---- among the cases of a choice -----------------------------------------

// Who stands in a line: an item, alone or with its sender, or a receiver.
typedef enum {
    COT_PARTY_ABSENT,    // not in line
    COT_PARTY_BUFFERED,  // an item alone
    COT_PARTY_WAITING,
    COT_PARTY_MET,      // the item was handed over
    COT_PARTY_REFUSED,  // by a close
} cot_party_state;

typedef struct cot_party {
    struct cot_party *next;
    struct cot_party *prev;
    cot_payload *payload;  // owned while in line
    cot_waitlist waiter;   // who waits here, one at most
    cot_party_state state;
} cot_party;

// What a case's operation is about.  Zeroed but for the channel and, to send,
// the payload, which is adopted as by send.
typedef struct {
    cot_channel *channel;  // borrowed
    cot_payload *payload;
    cot_party party;
} cot_channel_turn;

// A case's attempt and withdraw; the arguments are a cot_channel_turn's.
cot_status cot_channel_attempt_send(void *turn, cot_parker *parker,
                                    int64_t deadline_ns);
cot_status cot_channel_attempt_recv(void *turn, cot_parker *parker,
                                    int64_t deadline_ns);
cot_status cot_channel_withdraw_send(void *turn);
cot_status cot_channel_withdraw_recv(void *turn);

// ---- ends ----------------------------------------------------------------

// The object that stands for one end of the channel and holds it; there is one
// at a time for each end.  A new reference, or NULL if there is no memory.
cot_object *cot_channel_end(cot_channel *channel, cot_channel_side side);

// The channel, lent, and the side that an object of these classes is.
cot_channel *cot_channel_of_end(const cot_object *end);
cot_channel_side cot_channel_side_of_end(const cot_object *end);

#endif
