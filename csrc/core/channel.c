#include "core/channel.h"

#include "core/hint.h"
#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"

#include <stddef.h>

// Who waits lives on the stack of who waits, or in a choice's case; it leaves the
// line, with the lock held, before that one goes on.  An item alone lives on the
// heap.  When a receiver makes room by taking such an item, the first sender that
// waits gets the place on the heap for its own item, so nothing is allocated
// there.
//
// One that belongs to a choice must be claimed before it is met or refused.  If
// somebody else has claimed it, its choice is on the way to leave all lines: it
// is taken out of this one, and does not count.
typedef cot_party party;

typedef struct {
    party *first;
    party *last;
} party_line;

typedef struct {
    cot_object object;
    cot_channel *channel;  // shared: one reference
} channel_end;

// The numbers are written under the lock and read anywhere as hints.
struct cot_channel {
    cot_object object;
    size_t capacity;            // constant
    cot_unbound_op unbound_op;  // constant
    cot_lock lock;              // guards all below
    party_line items;           // empty if receivers is not, and
    party_line receivers;       // empty if items is not, but for one choice's
    party *first_sender;   // borrowed: the first in items that waits, or NULL
    channel_end *ends[2];  // borrowed, by cot_channel_side; or NULL
    atomic_size_t len;     // of items
    atomic_size_t receivers_len;
    atomic_size_t buffered;  // of items that are alone
    atomic_bool is_send_closed;
    atomic_bool is_recv_closed;
};

// ---- lines ---------------------------------------------------------------

static void
append(party_line *line, party *one)
{
    one->next = NULL;
    one->prev = line->last;
    *(line->last ? &line->last->next : &line->first) = one;
    line->last = one;
}

static void
leave(party_line *line, party *one)
{
    *(one->prev ? &one->prev->next : &line->first) = one->next;
    *(one->next ? &one->next->prev : &line->last) = one->prev;
}

static party *
next_sender(party *one)
{
    while (one != NULL && one->state != COT_PARTY_WAITING) {
        one = one->next;
    }
    return one;
}

static void
append_item_locked(cot_channel *channel, party *one)
{
    append(&channel->items, one);
    cot_hint_add(&channel->len, 1);
    if (one->state == COT_PARTY_BUFFERED) {
        cot_hint_add(&channel->buffered, 1);
    }
    else if (channel->first_sender == NULL) {
        channel->first_sender = one;
    }
}

static void
remove_item_locked(cot_channel *channel, party *one)
{
    if (channel->first_sender == one) {
        channel->first_sender = next_sender(one->next);
    }
    leave(&channel->items, one);
    cot_hint_subtract(&channel->len, 1);
    if (one->state == COT_PARTY_BUFFERED) {
        cot_hint_subtract(&channel->buffered, 1);
    }
}

// Puts an item that is alone between its neighbours.
static void
insert_locked(cot_channel *channel, party *one)
{
    party_line *line = &channel->items;
    *(one->prev ? &one->prev->next : &line->first) = one;
    *(one->next ? &one->next->prev : &line->last) = one;
    cot_hint_add(&channel->len, 1);
    cot_hint_add(&channel->buffered, 1);
}

static void
append_receiver_locked(cot_channel *channel, party *one)
{
    append(&channel->receivers, one);
    cot_hint_add(&channel->receivers_len, 1);
}

static void
remove_receiver_locked(cot_channel *channel, party *one)
{
    leave(&channel->receivers, one);
    cot_hint_subtract(&channel->receivers_len, 1);
}

// Ends the wait of one that has left its line: whom to unpark once the lock is
// released.  One that is in line always stands on its list, too.
static cot_parker *
settle(party *one, cot_party_state state)
{
    one->state = state;
    return cot_waitlist_pop(&one->waiter);
}

// Whether one that waits, and has just left its line, is to be settled.
static bool
claim(party *one)
{
    bool is_mine = cot_parker_claim(one->waiter.first->parker);
    if (!is_mine) {
        one->state = COT_PARTY_ABSENT;
    }
    return is_mine;
}

// ---- life ----------------------------------------------------------------

static void
channel_destroy(cot_object *object, cot_object **dead)
{
    cot_channel *channel = cot_channel_from_object(object);
    cot_registry_remove(object);
    // Who waits has a reference: all of the items are alone.
    party *one = channel->items.first;
    while (one != NULL) {
        party *next = one->next;
        cot_payload_dissolve(one->payload, dead);
        cot_free(one);
        one = next;
    }
    cot_free(channel);
}

static void interpreter_ended(cot_object *object, const cot_home *home);

const cot_class cot_channel_class = {
    .name = "Channel",
    .destroy = channel_destroy,
    .interpreter_ended = interpreter_ended,
};

cot_channel *
cot_channel_create_unlisted(size_t capacity)
{
    cot_channel *channel = cot_alloc_zeroed(sizeof(*channel));
    if (channel != NULL) {
        cot_object_init(&channel->object, &cot_channel_class);
        channel->capacity = capacity;
    }
    return channel;
}

cot_channel *
cot_channel_create(size_t capacity, cot_unbound_op unbound_op)
{
    cot_channel *channel = cot_channel_create_unlisted(capacity);
    if (channel != NULL) {
        channel->unbound_op = unbound_op;
        cot_registry_add(&channel->object);
    }
    return channel;
}

cot_object *
cot_channel_object(cot_channel *channel)
{
    return &channel->object;
}

cot_channel *
cot_channel_from_object(cot_object *object)
{
    return (cot_channel *)((char *)object - offsetof(cot_channel, object));
}

static party *
new_buffered(cot_payload *payload)
{
    party *one = cot_alloc_zeroed(sizeof(*one));
    if (one != NULL) {
        one->payload = payload;
        one->state = COT_PARTY_BUFFERED;
    }
    return one;
}

// ---- send ----------------------------------------------------------------

static cot_status
buffer_locked(cot_channel *channel, cot_payload *payload)
{
    party *one = new_buffered(payload);
    if (one == NULL) {
        return COT_NO_MEMORY;
    }
    append_item_locked(channel, one);
    return COT_OK;
}

// Hands the item to the first receiver that waits: whom to unpark, or NULL if
// there is none.
static cot_parker *
hand_over_locked(cot_channel *channel, cot_payload *payload)
{
    party *receiver;
    while ((receiver = channel->receivers.first) != NULL) {
        remove_receiver_locked(channel, receiver);
        if (claim(receiver)) {
            receiver->payload = payload;
            return settle(receiver, COT_PARTY_MET);
        }
    }
    return NULL;
}

static cot_status
wait_with_item_locked(cot_channel *channel, cot_parker *parker,
                      int64_t deadline_ns, cot_payload *payload)
{
    party sender = {.payload = payload, .state = COT_PARTY_WAITING};
    append_item_locked(channel, &sender);
    cot_status waited = cot_wait_locked(&sender.waiter, &channel->lock, parker,
                                        deadline_ns);
    if (sender.state == COT_PARTY_WAITING) {
        remove_item_locked(channel, &sender);
        return waited;
    }
    return sender.state == COT_PARTY_MET ? COT_OK : COT_SHUT_DOWN;
}

static cot_status
send_now_locked(cot_channel *channel, cot_payload *payload,
                cot_parker **receiver)
{
    if (channel->is_send_closed) {
        return COT_SHUT_DOWN;
    }
    *receiver = hand_over_locked(channel, payload);
    if (*receiver != NULL) {
        return COT_OK;
    }
    if (cot_hint_get(&channel->buffered) < channel->capacity) {
        return buffer_locked(channel, payload);
    }
    return COT_TIMED_OUT;
}

static void
release_and_unpark(cot_channel *channel, cot_parker *parker)
{
    cot_lock_release(&channel->lock);
    if (parker != NULL) {
        cot_unpark(parker);
    }
}

cot_status
cot_channel_send(cot_channel *channel, cot_parker *parker, int64_t deadline_ns,
                 cot_payload *payload)
{
    cot_parker *receiver = NULL;
    cot_lock_acquire(&channel->lock);
    cot_status status = send_now_locked(channel, payload, &receiver);
    if (status == COT_TIMED_OUT && deadline_ns != COT_NOW) {
        status = wait_with_item_locked(channel, parker, deadline_ns, payload);
    }
    release_and_unpark(channel, receiver);
    return status;
}

cot_status
cot_channel_post(cot_channel *channel, cot_payload *payload, bool *was_awaited)
{
    cot_status status = COT_OK;
    cot_parker *receiver = NULL;
    cot_lock_acquire(&channel->lock);
    if (channel->is_send_closed) {
        status = COT_SHUT_DOWN;
    }
    else {
        receiver = hand_over_locked(channel, payload);
        status = receiver ? COT_OK : buffer_locked(channel, payload);
    }
    *was_awaited = receiver != NULL;
    release_and_unpark(channel, receiver);
    return status;
}

// ---- receive -------------------------------------------------------------

static bool
can_let_in_locked(const cot_channel *channel)
{
    return channel->first_sender != NULL
           && cot_hint_get(&channel->buffered) < channel->capacity;
}

// Lets the first sender that waits go, and its item stay, at `*place`: what an
// item that was alone has left, NULL then.  Whom to unpark, or NULL.
static cot_parker *
let_in_locked(cot_channel *channel, party **place)
{
    while (can_let_in_locked(channel)) {
        party *sender = channel->first_sender;
        party *item = *place;
        item->next = sender->next;
        item->prev = sender->prev;
        remove_item_locked(channel, sender);
        if (!claim(sender)) {
            continue;
        }
        item->payload = sender->payload;
        item->state = COT_PARTY_BUFFERED;
        insert_locked(channel, item);
        *place = NULL;
        return settle(sender, COT_PARTY_MET);
    }
    return NULL;
}

// Takes the oldest item: whom to unpark, or NULL.  *payload stays NULL if there
// is none.  *place is what it has left, to be freed by the caller, or NULL.
static cot_parker *
take_first_locked(cot_channel *channel, cot_payload **payload, party **place)
{
    party *first;
    while ((first = channel->items.first) != NULL) {
        remove_item_locked(channel, first);
        if (first->state == COT_PARTY_BUFFERED) {
            *payload = first->payload;
            *place = first;
            return let_in_locked(channel, place);
        }
        if (claim(first)) {
            *payload = first->payload;
            return settle(first, COT_PARTY_MET);
        }
    }
    return NULL;
}

static cot_status
wait_for_item_locked(cot_channel *channel, cot_parker *parker,
                     int64_t deadline_ns, cot_payload **payload)
{
    party receiver = {.state = COT_PARTY_WAITING};
    append_receiver_locked(channel, &receiver);
    cot_status waited = cot_wait_locked(&receiver.waiter, &channel->lock,
                                        parker, deadline_ns);
    if (receiver.state == COT_PARTY_WAITING) {
        remove_receiver_locked(channel, &receiver);
        return waited;
    }
    if (receiver.state == COT_PARTY_REFUSED) {
        return COT_SHUT_DOWN;
    }
    *payload = receiver.payload;
    return COT_OK;
}

static cot_status
recv_now_locked(cot_channel *channel, cot_payload **payload,
                cot_parker **sender, party **place)
{
    cot_payload *taken = NULL;
    *sender = take_first_locked(channel, &taken, place);
    if (taken == NULL) {
        return channel->is_send_closed ? COT_SHUT_DOWN : COT_TIMED_OUT;
    }
    *payload = taken;
    return COT_OK;
}

cot_status
cot_channel_recv(cot_channel *channel, cot_parker *parker, int64_t deadline_ns,
                 cot_payload **payload)
{
    cot_parker *sender = NULL;
    party *place = NULL;
    cot_lock_acquire(&channel->lock);
    cot_status status = recv_now_locked(channel, payload, &sender, &place);
    if (status == COT_TIMED_OUT && deadline_ns != COT_NOW) {
        status = wait_for_item_locked(channel, parker, deadline_ns, payload);
    }
    release_and_unpark(channel, sender);
    cot_free(place);
    return status;
}

void
cot_channel_put_back(cot_channel *channel, cot_payload *payload)
{
    cot_parker *receiver = NULL;
    party *one = new_buffered(payload);
    cot_lock_acquire(&channel->lock);
    if (!channel->is_recv_closed && one != NULL) {
        payload = NULL;
        receiver = hand_over_locked(channel, one->payload);
        if (receiver == NULL) {
            one->next = channel->items.first;
            insert_locked(channel, one);
            one = NULL;
        }
    }
    release_and_unpark(channel, receiver);
    cot_payload_destroy(payload);
    cot_free(one);
}

// ---- among the cases of a choice -----------------------------------------

// Whether there is somebody to meet who is not of the same choice; it may turn
// out that he cannot be claimed.
static bool
has_others_locked(const party_line *line, const cot_choice *own)
{
    for (const party *one = line->first; one != NULL; one = one->next) {
        if (one->state == COT_PARTY_BUFFERED) {
            return true;
        }
        const cot_stand *stand = one->waiter.first->parker->stand;
        if (stand == NULL || stand->choice != own) {
            return true;
        }
    }
    return false;
}

static cot_status
stand_to_send_locked(cot_channel_turn *turn, cot_stand *stand)
{
    cot_channel *channel = turn->channel;
    if (channel->is_send_closed
        || cot_hint_get(&channel->buffered) < channel->capacity
        || has_others_locked(&channel->receivers, stand->choice)) {
        return COT_AGAIN;
    }
    turn->party = (party){
        .payload = turn->payload,
        .state = COT_PARTY_WAITING,
    };
    append_item_locked(channel, &turn->party);
    return cot_stand_in_line_locked(stand, &turn->party.waiter,
                                    &channel->lock);
}

cot_status
cot_channel_attempt_send(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    cot_channel_turn *turn = arg;
    cot_channel *channel = turn->channel;
    if (parker->stand == NULL) {
        return cot_channel_send(channel, parker, deadline_ns, turn->payload);
    }
    cot_lock_acquire(&channel->lock);
    cot_status status = stand_to_send_locked(turn, parker->stand);
    cot_lock_release(&channel->lock);
    return status;
}

static cot_status
stand_to_recv_locked(cot_channel_turn *turn, cot_stand *stand)
{
    cot_channel *channel = turn->channel;
    if (channel->is_send_closed
        || has_others_locked(&channel->items, stand->choice)) {
        return COT_AGAIN;
    }
    turn->party = (party){.state = COT_PARTY_WAITING};
    append_receiver_locked(channel, &turn->party);
    return cot_stand_in_line_locked(stand, &turn->party.waiter,
                                    &channel->lock);
}

cot_status
cot_channel_attempt_recv(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    cot_channel_turn *turn = arg;
    cot_channel *channel = turn->channel;
    if (parker->stand == NULL) {
        return cot_channel_recv(channel, parker, deadline_ns, &turn->payload);
    }
    cot_lock_acquire(&channel->lock);
    cot_status status = stand_to_recv_locked(turn, parker->stand);
    cot_lock_release(&channel->lock);
    return status;
}

// What has become of it, and forgets it.
static cot_status
take_outcome(party *one)
{
    cot_party_state state = one->state;
    one->state = COT_PARTY_ABSENT;
    return state == COT_PARTY_MET       ? COT_OK
           : state == COT_PARTY_REFUSED ? COT_SHUT_DOWN
                                        : COT_TIMED_OUT;
}

cot_status
cot_channel_withdraw_send(void *arg)
{
    cot_channel_turn *turn = arg;
    cot_lock_acquire(&turn->channel->lock);
    if (turn->party.state == COT_PARTY_WAITING) {
        remove_item_locked(turn->channel, &turn->party);
    }
    cot_lock_release(&turn->channel->lock);
    return take_outcome(&turn->party);
}

cot_status
cot_channel_withdraw_recv(void *arg)
{
    cot_channel_turn *turn = arg;
    cot_lock_acquire(&turn->channel->lock);
    if (turn->party.state == COT_PARTY_WAITING) {
        remove_receiver_locked(turn->channel, &turn->party);
    }
    cot_lock_release(&turn->channel->lock);
    if (turn->party.state == COT_PARTY_MET) {
        turn->payload = turn->party.payload;
    }
    return take_outcome(&turn->party);
}

// ---- the end -------------------------------------------------------------

static void
refuse_receivers_locked(cot_channel *channel)
{
    party *one;
    while ((one = channel->receivers.first) != NULL) {
        remove_receiver_locked(channel, one);
        if (claim(one)) {
            cot_unpark(settle(one, COT_PARTY_REFUSED));
        }
    }
}

// Sends senders away; the items that are alone come out as a list of their own,
// to be destroyed without the lock.
static party *
empty_locked(cot_channel *channel)
{
    party *dropped = NULL, *one;
    while ((one = channel->items.first) != NULL) {
        remove_item_locked(channel, one);
        if (one->state == COT_PARTY_BUFFERED) {
            one->next = dropped;
            dropped = one;
        }
        else if (claim(one)) {
            cot_unpark(settle(one, COT_PARTY_REFUSED));
        }
    }
    return dropped;
}

static void
dissolve_dropped(party *one, cot_object **dead)
{
    while (one != NULL) {
        party *next = one->next;
        cot_payload_dissolve(one->payload, dead);
        cot_free(one);
        one = next;
    }
}

static cot_status
close_end(cot_channel *channel, cot_channel_side side, bool drops_items,
          cot_object **dead)
{
    cot_status status = COT_OK;
    party *dropped = NULL;
    bool closes_recv = side == COT_RECV_END || drops_items;
    cot_lock_acquire(&channel->lock);
    if (closes_recv ? cot_channel_refuses_recv(channel)
                    : channel->is_send_closed) {
        status = COT_SHUT_DOWN;
    }
    else if (closes_recv && !drops_items
             && cot_hint_get(&channel->buffered) != 0) {
        status = COT_AGAIN;
    }
    else {
        channel->is_send_closed = true;
        if (closes_recv) {
            channel->is_recv_closed = true;
            dropped = empty_locked(channel);
        }
        refuse_receivers_locked(channel);
    }
    cot_lock_release(&channel->lock);
    dissolve_dropped(dropped, dead);
    return status;
}

cot_status
cot_channel_close(cot_channel *channel, cot_channel_side side,
                  bool drops_items)
{
    cot_object *dead = NULL;
    cot_status status = close_end(channel, side, drops_items, &dead);
    cot_object_bury(dead);
    return status;
}

void
cot_channel_abandon(cot_channel *channel, cot_channel_side side,
                    cot_object **dead)
{
    (void)close_end(channel, side, side == COT_RECV_END, dead);
}

// Gives the places of items that were removed to senders that wait: those that
// are left.
static party *
refill_locked(cot_channel *channel, party *places)
{
    while (places != NULL && can_let_in_locked(channel)) {
        party *place = places;
        places = place->next;
        cot_parker *sender = let_in_locked(channel, &place);
        if (place != NULL) {  // those who waited could not be claimed
            place->next = places;
            return place;
        }
        cot_unpark(sender);
    }
    return places;
}

static void
interpreter_ended(cot_object *object, const cot_home *home)
{
    cot_channel *channel = cot_channel_from_object(object);
    uint64_t origin = cot_home_id(home);
    party *places = NULL, *next;
    cot_object *dead = NULL;
    cot_lock_acquire(&channel->lock);
    for (party *one = channel->items.first; one != NULL; one = next) {
        next = one->next;
        if (one->payload->origin != origin) {
            continue;
        }
        // It is alone: threads of that interpreter wait nowhere any more.
        one->payload = cot_payload_unbind(one->payload, &dead);
        if (one->payload == NULL) {
            remove_item_locked(channel, one);
            one->next = places;
            places = one;
        }
    }
    places = refill_locked(channel, places);
    cot_lock_release(&channel->lock);
    dissolve_dropped(places, &dead);
    cot_object_bury(dead);
}

// ---- hints ---------------------------------------------------------------

bool
cot_channel_refuses_send(const cot_channel *channel)
{
    return channel->is_send_closed;
}

bool
cot_channel_refuses_recv(const cot_channel *channel)
{
    return channel->is_recv_closed
           || (channel->is_send_closed && cot_hint_get(&channel->len) == 0);
}

size_t
cot_channel_len(const cot_channel *channel)
{
    return cot_hint_get(&channel->len);
}

size_t
cot_channel_capacity(const cot_channel *channel)
{
    return channel->capacity;
}

cot_unbound_op
cot_channel_unbound_op(const cot_channel *channel)
{
    return channel->unbound_op;
}

bool
cot_channel_can_send(const cot_channel *channel)
{
    return cot_hint_get(&channel->receivers_len) > 0
           || cot_hint_get(&channel->buffered) < channel->capacity
           || channel->is_send_closed;
}

bool
cot_channel_can_recv(const cot_channel *channel)
{
    return cot_hint_get(&channel->len) > 0 || channel->is_send_closed;
}

// ---- ends ----------------------------------------------------------------

static channel_end *
end_from_object(const cot_object *object)
{
    return (channel_end *)((char *)(uintptr_t)object
                           - offsetof(channel_end, object));
}

static void
end_destroy(cot_object *object, cot_object **dead)
{
    channel_end *end = end_from_object(object);
    cot_channel *channel = end->channel;
    channel_end **current = &channel->ends[cot_channel_side_of_end(object)];
    cot_lock_acquire(&channel->lock);
    if (*current == end) {  // else another has taken its place already
        *current = NULL;
    }
    cot_lock_release(&channel->lock);
    cot_object_release(&channel->object, dead);
    cot_free(end);
}

const cot_class cot_recv_end_class = {
    .name = "RecvChannel",
    .destroy = end_destroy,
};

const cot_class cot_send_end_class = {
    .name = "SendChannel",
    .destroy = end_destroy,
};

static channel_end *
new_end(cot_channel *channel, cot_channel_side side)
{
    channel_end *end = cot_alloc_zeroed(sizeof(*end));
    if (end != NULL) {
        cot_object_init(&end->object, side == COT_SEND_END
                                          ? &cot_send_end_class
                                          : &cot_recv_end_class);
        end->channel = channel;
        cot_object_ref(&channel->object);
    }
    return end;
}

cot_object *
cot_channel_end(cot_channel *channel, cot_channel_side side)
{
    cot_lock_acquire(&channel->lock);
    channel_end *end = channel->ends[side];
    if (end == NULL || !cot_object_try_ref(&end->object)) {
        end = new_end(channel, side);
        channel->ends[side] = end;
    }
    cot_lock_release(&channel->lock);
    return end ? &end->object : NULL;
}

cot_channel *
cot_channel_of_end(const cot_object *end)
{
    return end_from_object(end)->channel;
}

cot_channel_side
cot_channel_side_of_end(const cot_object *end)
{
    return end->cls == &cot_send_end_class ? COT_SEND_END : COT_RECV_END;
}
