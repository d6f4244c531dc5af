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
// An item may remember which interpreter it came from, and what shall become of
// it when that one ends before it was received.

#ifndef COT_CORE_CHANNEL_H
#define COT_CORE_CHANNEL_H

#include "core/home.h"
#include "core/object.h"
#include "core/park.h"
#include "core/payload.h"

#define COT_CHANNEL_UNBOUNDED SIZE_MAX

typedef struct cot_channel cot_channel;

typedef enum {
    COT_RECV_END,
    COT_SEND_END,
} cot_channel_side;

// The numbers are those of the standard library's flags.
typedef enum {
    COT_FATE_KEPT = 0,      // stays as it is
    COT_FATE_REMOVED = 1,   // leaves the line
    COT_FATE_ERROR = 2,     // stays without its payload: the receiver raises
    COT_FATE_REPLACED = 3,  // stays without its payload: a constant instead
} cot_channel_fate;

typedef struct {
    cot_payload *payload;    // owned; NULL: its interpreter ended first
    const cot_home *origin;  // borrowed, only compared; NULL: nobody's
    cot_channel_fate fate;   // when the origin ends
} cot_channel_item;

extern const cot_class cot_channel_class;
extern const cot_class cot_recv_end_class;
extern const cot_class cot_send_end_class;

// A channel with one reference, the caller's, and in the registry; `fate` is
// only kept for who asks.  NULL if there is no memory.
cot_channel *cot_channel_create(size_t capacity, cot_channel_fate fate);

cot_object *cot_channel_object(cot_channel *channel);

// The channel that an object of cot_channel_class is.
cot_channel *cot_channel_from_object(cot_object *object);

// Waits until the item is taken or has room, or until the deadline
// (COT_TIMED_OUT; with COT_NOW at once).  Adopts the payload if the answer is
// COT_OK; else it stays the caller's, and no receiver has seen it.
// COT_SHUT_DOWN: no more is taken.
COT_MUST_CHECK cot_status cot_channel_send(cot_channel *channel,
                                           cot_parker *parker,
                                           int64_t deadline_ns,
                                           const cot_channel_item *item);

// Puts the item in line, whether there is room or not, and does not wait; the
// payload as in send.  *was_awaited: a receiver was waiting and has it.
COT_MUST_CHECK cot_status cot_channel_post(cot_channel *channel,
                                           const cot_channel_item *item,
                                           bool *was_awaited);

// Waits for an item and moves it out.  COT_SHUT_DOWN: none comes any more.
COT_MUST_CHECK cot_status cot_channel_recv(cot_channel *channel,
                                           cot_parker *parker,
                                           int64_t deadline_ns,
                                           cot_channel_item *item);

// Closes the end (the receiving end closes both).  COT_SHUT_DOWN: it is closed.
// COT_AGAIN: the receiving end stays open, since items are in line; with
// `drops_items` they are dropped instead.
COT_MUST_CHECK cot_status cot_channel_close(cot_channel *channel,
                                            cot_channel_side side,
                                            bool drops_items);

// Looks at a changing state: hints.  Whether a send now would be refused;
// whether a receive would; how many items are in line.
bool cot_channel_refuses_send(const cot_channel *channel);
bool cot_channel_refuses_recv(const cot_channel *channel);
size_t cot_channel_len(const cot_channel *channel);

size_t cot_channel_capacity(const cot_channel *channel);
cot_channel_fate cot_channel_default_fate(const cot_channel *channel);

// Whether a send (a receive) would not wait now: a hint, without the lock.
bool cot_channel_can_send(const cot_channel *channel);
bool cot_channel_can_recv(const cot_channel *channel);

// ---- ends ----------------------------------------------------------------

// What travels: an object that stands for one end and holds the channel.  There
// may be many for one end; cot_channel_end_key tells which end it is.

// An end with one reference, the caller's; takes one to the channel.  NULL if
// there is no memory.
cot_object *cot_channel_end_create(cot_channel *channel,
                                   cot_channel_side side);

// The channel, lent.
cot_channel *cot_channel_of_end(cot_object *end);

// The same number for all ends of one side of one channel, and for no other
// object.
uint64_t cot_channel_end_key(cot_object *end);

#endif
