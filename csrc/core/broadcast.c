#include "core/broadcast.h"

#include "core/hint.h"
#include "port/memory.h"

#include <stddef.h>

// In line it has one reference more.
struct cot_message {
    cot_object object;
    cot_payload *payload;   // owned, constant
    cot_message *next;      // shared with the line: its reference
    atomic_size_t pending;  // subscriptions that have not taken it
    atomic_bool was_sent;   // it is in line, or was; the sender's
    bool was_taken;         // by one subscription at least
    cot_waitlist sender;    // waits until all have taken it
};

struct cot_subscription {
    cot_object object;
    cot_broadcast *broadcast;  // shared: one reference
    cot_subscription *next;    // borrowed
    cot_subscription *prev;    // borrowed
    cot_message *message;      // borrowed: the next to take, or NULL
    atomic_size_t len;
    atomic_bool is_closed;
    cot_waitlist receivers;
};

// The numbers are written under the lock and read anywhere as hints.
struct cot_broadcast {
    cot_object object;
    size_t capacity;     // constant
    cot_lock lock;       // guards all below, subscriptions and messages
    cot_message *first;  // shared: each message in line
    cot_message *last;   // borrowed
    cot_subscription *first_subscription;  // borrowed
    cot_waitlist senders;                  // wait for room
    atomic_size_t len;                     // of messages
    atomic_size_t subscriptions;
    atomic_bool is_send_closed;
    atomic_bool is_source_closed;
};

typedef struct {
    cot_object object;
    cot_broadcast *broadcast;  // shared: one reference
} broadcast_end;

// ---- messages ------------------------------------------------------------

static cot_message *
message_from_object(cot_object *object)
{
    return (cot_message *)((char *)object - offsetof(cot_message, object));
}

static void
message_destroy(cot_object *object, cot_object **dead)
{
    cot_message *message = message_from_object(object);
    cot_payload_dissolve(message->payload, dead);
    cot_free(message);
}

static const cot_class message_class = {
    .name = "channel message",
    .destroy = message_destroy,
};

cot_message *
cot_message_create(cot_payload *payload)
{
    cot_message *message = cot_alloc_zeroed(sizeof(*message));
    if (message != NULL) {
        cot_object_init(&message->object, &message_class);
        message->payload = payload;
    }
    return message;
}

void
cot_message_unref(cot_message *message)
{
    cot_object_unref(message ? &message->object : NULL);
}

const cot_payload *
cot_message_payload(const cot_message *message)
{
    return message->payload;
}

static void
release_messages(cot_message *message, cot_object **dead)
{
    while (message != NULL) {
        cot_message *next = message->next;
        cot_object_release(&message->object, dead);
        message = next;
    }
}

// ---- the line ------------------------------------------------------------

static bool
has_room(const cot_broadcast *broadcast)
{
    size_t room = broadcast->capacity ? broadcast->capacity : 1;
    return cot_hint_get(&broadcast->len) < room;
}

// Each who makes room for one wakes one, and who is woken looks: if others were
// faster, it was their room that one was woken for.
static void
wake_sender_locked(cot_broadcast *broadcast)
{
    if (has_room(broadcast)) {
        cot_parker *sender = cot_waitlist_pop(&broadcast->senders);
        if (sender != NULL) {
            cot_unpark(sender);
        }
    }
}

static void
append_locked(cot_broadcast *broadcast, cot_message *message)
{
    cot_object_ref(&message->object);
    cot_hint_add(&message->pending, cot_hint_get(&broadcast->subscriptions));
    *(broadcast->last ? &broadcast->last->next : &broadcast->first) = message;
    broadcast->last = message;
    cot_hint_add(&broadcast->len, 1);
    for (cot_subscription *one = broadcast->first_subscription; one != NULL;
         one = one->next) {
        if (one->message == NULL) {
            one->message = message;
        }
        cot_hint_add(&one->len, 1);
        cot_parker *receiver = cot_waitlist_pop(&one->receivers);
        if (receiver != NULL) {
            cot_unpark(receiver);
        }
    }
}

// Takes the first message out of the line: its reference is the caller's.
static cot_message *
remove_first_locked(cot_broadcast *broadcast)
{
    cot_message *message = broadcast->first;
    broadcast->first = message->next;
    if (broadcast->first == NULL) {
        broadcast->last = NULL;
    }
    message->next = NULL;
    cot_hint_subtract(&broadcast->len, 1);
    cot_waitlist_wake_all(&message->sender);
    return message;
}

// The subscription goes on to the next message.
static void
advance_locked(cot_subscription *subscription)
{
    cot_message *message = subscription->message;
    subscription->message = message->next;
    cot_hint_subtract(&subscription->len, 1);
    cot_hint_subtract(&message->pending, 1);
}

// ---- life ----------------------------------------------------------------

static cot_broadcast *
broadcast_from_object(cot_object *object)
{
    return (cot_broadcast *)((char *)object - offsetof(cot_broadcast, object));
}

// No subscription is left, so nothing is in line.
static void
broadcast_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_free(broadcast_from_object(object));
}

static const cot_class broadcast_class = {
    .name = "channel broadcast",
    .destroy = broadcast_destroy,
};

static broadcast_end *
end_from_object(const cot_object *object)
{
    return (broadcast_end *)((char *)(uintptr_t)object
                             - offsetof(broadcast_end, object));
}

static void
sender_destroy(cot_object *object, cot_object **dead)
{
    broadcast_end *end = end_from_object(object);
    (void)cot_broadcast_close(end->broadcast);
    cot_object_release(&end->broadcast->object, dead);
    cot_free(end);
}

static void
source_destroy(cot_object *object, cot_object **dead)
{
    broadcast_end *end = end_from_object(object);
    cot_broadcast_close_source(end->broadcast);
    cot_object_release(&end->broadcast->object, dead);
    cot_free(end);
}

const cot_class cot_broadcast_sender_class = {
    .name = "channel.Sender",
    .destroy = sender_destroy,
};

const cot_class cot_source_class = {
    .name = "channel.Source",
    .destroy = source_destroy,
};

static cot_object *
create_end(cot_broadcast *broadcast, const cot_class *cls)
{
    broadcast_end *end = cot_alloc_zeroed(sizeof(*end));
    if (end == NULL) {
        return NULL;
    }
    cot_object_init(&end->object, cls);
    end->broadcast = broadcast;
    cot_object_ref(&broadcast->object);
    return &end->object;
}

cot_status
cot_broadcast_create(size_t capacity, cot_object **source, cot_object **sender)
{
    *source = *sender = NULL;
    cot_broadcast *broadcast = cot_alloc_zeroed(sizeof(*broadcast));
    if (broadcast == NULL) {
        return COT_NO_MEMORY;
    }
    cot_object_init(&broadcast->object, &broadcast_class);
    broadcast->capacity = capacity;
    *source = create_end(broadcast, &cot_source_class);
    *sender = create_end(broadcast, &cot_broadcast_sender_class);
    cot_object_unref(&broadcast->object);
    if (*source == NULL || *sender == NULL) {
        cot_object_unref(*source);
        cot_object_unref(*sender);
        return COT_NO_MEMORY;
    }
    return COT_OK;
}

cot_broadcast *
cot_broadcast_of_end(const cot_object *end)
{
    return end_from_object(end)->broadcast;
}

// ---- send ----------------------------------------------------------------

static cot_status
put_locked(cot_broadcast *broadcast, cot_message *message)
{
    if (cot_broadcast_refuses_send(broadcast)) {
        return COT_SHUT_DOWN;
    }
    if (cot_hint_get(&broadcast->subscriptions) > 0) {
        if (!has_room(broadcast)) {
            return COT_AGAIN;
        }
        append_locked(broadcast, message);
    }
    message->was_sent = true;
    return COT_OK;
}

static cot_status
wait_for_room_locked(cot_broadcast *broadcast, cot_parker *parker,
                     int64_t deadline_ns, cot_message *message)
{
    cot_status status, waited = COT_OK;
    while ((status = put_locked(broadcast, message)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&broadcast->senders, &broadcast->lock, parker,
                                 deadline_ns);
    }
    return status == COT_AGAIN ? waited : status;
}

static cot_status
wait_until_taken_locked(cot_broadcast *broadcast, cot_parker *parker,
                        int64_t deadline_ns, cot_message *message)
{
    cot_status waited = COT_OK;
    while (cot_hint_get(&message->pending) > 0 && waited == COT_OK) {
        waited = cot_wait_locked(&message->sender, &broadcast->lock, parker,
                                 deadline_ns);
    }
    return cot_hint_get(&message->pending) == 0 ? COT_OK : waited;
}

cot_status
cot_broadcast_send(cot_broadcast *broadcast, cot_parker *parker,
                   int64_t deadline_ns, cot_message *message)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&broadcast->lock);
    if (!message->was_sent) {
        status = wait_for_room_locked(broadcast, parker, deadline_ns, message);
    }
    if (status == COT_OK && broadcast->capacity == 0) {
        status = wait_until_taken_locked(broadcast, parker, deadline_ns,
                                         message);
    }
    cot_lock_release(&broadcast->lock);
    return status;
}

static bool
is_awaited_by_all_locked(const cot_broadcast *broadcast)
{
    const cot_subscription *one = broadcast->first_subscription;
    while (one != NULL && !cot_waitlist_is_empty(&one->receivers)) {
        one = one->next;
    }
    return one == NULL;
}

static cot_status
post_locked(cot_broadcast *broadcast, cot_message *message)
{
    bool can_put = broadcast->capacity > 0
                   || is_awaited_by_all_locked(broadcast)
                   || cot_broadcast_refuses_send(broadcast);
    return can_put ? put_locked(broadcast, message) : COT_AGAIN;
}

cot_status
cot_broadcast_post(cot_broadcast *broadcast, cot_message *message)
{
    cot_lock_acquire(&broadcast->lock);
    cot_status status = post_locked(broadcast, message);
    cot_lock_release(&broadcast->lock);
    return status == COT_AGAIN ? COT_TIMED_OUT : status;
}

cot_status
cot_broadcast_offer(cot_broadcast *broadcast, cot_parker *parker,
                    int64_t deadline_ns, cot_message *message)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&broadcast->lock);
    while ((status = post_locked(broadcast, message)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&broadcast->senders, &broadcast->lock, parker,
                                 deadline_ns);
    }
    cot_lock_release(&broadcast->lock);
    return status == COT_AGAIN ? waited : status;
}

// It is alone in line: there is no capacity, or it would be sent for good.
static void
take_back_locked(cot_broadcast *broadcast, cot_message *message)
{
    for (cot_subscription *one = broadcast->first_subscription; one != NULL;
         one = one->next) {
        if (one->message == message) {
            advance_locked(one);
        }
    }
    (void)remove_first_locked(broadcast);
    wake_sender_locked(broadcast);
}

bool
cot_broadcast_withdraw(cot_broadcast *broadcast, cot_message *message)
{
    bool is_withdrawn = true, was_in_line = false;
    cot_lock_acquire(&broadcast->lock);
    if (message->was_sent) {
        was_in_line = !message->was_taken && broadcast->capacity == 0
                      && cot_hint_get(&message->pending) > 0;
        is_withdrawn = was_in_line;
    }
    if (was_in_line) {
        take_back_locked(broadcast, message);
    }
    cot_lock_release(&broadcast->lock);
    if (was_in_line) {
        cot_message_unref(message);
    }
    return is_withdrawn;
}

// ---- receive -------------------------------------------------------------

static cot_status
take_locked(cot_subscription *subscription, cot_message **message)
{
    cot_broadcast *broadcast = subscription->broadcast;
    cot_message *own = subscription->message;
    if (own == NULL) {
        return subscription->is_closed || broadcast->is_send_closed
                   ? COT_SHUT_DOWN
                   : COT_AGAIN;
    }
    own->was_taken = true;
    advance_locked(subscription);
    if (cot_hint_get(&own->pending) == 0) {
        // Who takes it last is given the line's reference.
        *message = remove_first_locked(broadcast);
        wake_sender_locked(broadcast);
    }
    else {
        cot_object_ref(&own->object);
        *message = own;
    }
    return COT_OK;
}

cot_status
cot_subscription_recv(cot_subscription *subscription, cot_parker *parker,
                      int64_t deadline_ns, cot_message **message)
{
    cot_broadcast *broadcast = subscription->broadcast;
    cot_lock *lock = &broadcast->lock;
    cot_status status, waited = COT_OK;
    cot_lock_acquire(lock);
    while ((status = take_locked(subscription, message)) == COT_AGAIN
           && waited == COT_OK) {
        if (broadcast->capacity == 0 && deadline_ns != COT_NOW) {
            // It may be the one that an offer waits for.
            wake_sender_locked(broadcast);
        }
        waited = cot_wait_locked(&subscription->receivers, lock, parker,
                                 deadline_ns);
    }
    cot_lock_release(lock);
    return status == COT_AGAIN ? waited : status;
}

// ---- subscriptions -------------------------------------------------------

// Leaves the line.  The messages that nobody else waits for come out as a list
// of their own, to be released without the lock.
static cot_message *
unsubscribe_locked(cot_subscription *subscription)
{
    cot_broadcast *broadcast = subscription->broadcast;
    cot_message *dropped = NULL, **end = &dropped;
    subscription->is_closed = true;
    *(subscription->prev
          ? &subscription->prev->next
          : &broadcast->first_subscription) = subscription->next;
    if (subscription->next != NULL) {
        subscription->next->prev = subscription->prev;
    }
    cot_hint_subtract(&broadcast->subscriptions, 1);
    while (subscription->message != NULL) {
        advance_locked(subscription);
    }
    while (broadcast->first != NULL
           && cot_hint_get(&broadcast->first->pending) == 0) {
        *end = remove_first_locked(broadcast);
        end = &(*end)->next;
    }
    cot_waitlist_wake_all(&subscription->receivers);
    return dropped;
}

// As one that makes room may make much, and the last one may make an end, all
// senders look.
static void
close_subscription(cot_subscription *subscription, cot_object **dead)
{
    cot_broadcast *broadcast = subscription->broadcast;
    cot_message *dropped = NULL;
    cot_lock_acquire(&broadcast->lock);
    if (!subscription->is_closed) {
        dropped = unsubscribe_locked(subscription);
        cot_waitlist_wake_all(&broadcast->senders);
    }
    cot_lock_release(&broadcast->lock);
    release_messages(dropped, dead);
}

void
cot_subscription_close(cot_subscription *subscription)
{
    cot_object *dead = NULL;
    close_subscription(subscription, &dead);
    cot_object_bury(dead);
}

static void
subscription_destroy(cot_object *object, cot_object **dead)
{
    cot_subscription *subscription = cot_subscription_from_object(object);
    close_subscription(subscription, dead);
    cot_object_release(&subscription->broadcast->object, dead);
    cot_free(subscription);
}

const cot_class cot_subscription_class = {
    .name = "channel.Receiver",
    .destroy = subscription_destroy,
};

cot_object *
cot_subscription_object(cot_subscription *subscription)
{
    return &subscription->object;
}

cot_subscription *
cot_subscription_from_object(cot_object *object)
{
    return (cot_subscription *)((char *)object
                                - offsetof(cot_subscription, object));
}

static void
subscribe_locked(cot_broadcast *broadcast, cot_subscription *subscription)
{
    subscription->next = broadcast->first_subscription;
    if (subscription->next != NULL) {
        subscription->next->prev = subscription;
    }
    broadcast->first_subscription = subscription;
    cot_hint_add(&broadcast->subscriptions, 1);
}

cot_status
cot_broadcast_subscribe(cot_broadcast *broadcast,
                        cot_subscription **subscription)
{
    cot_subscription *own = cot_alloc_zeroed(sizeof(*own));
    if (own == NULL) {
        return COT_NO_MEMORY;
    }
    cot_status status = COT_OK;
    cot_object_init(&own->object, &cot_subscription_class);
    own->broadcast = broadcast;
    cot_lock_acquire(&broadcast->lock);
    if (cot_broadcast_refuses_subscribe(broadcast)) {
        status = COT_SHUT_DOWN;
    }
    else {
        subscribe_locked(broadcast, own);
    }
    cot_lock_release(&broadcast->lock);
    if (status != COT_OK) {
        cot_free(own);
        return status;
    }
    cot_object_ref(&broadcast->object);
    *subscription = own;
    return COT_OK;
}

// ---- the end -------------------------------------------------------------

bool
cot_broadcast_close(cot_broadcast *broadcast)
{
    cot_lock_acquire(&broadcast->lock);
    bool was_open = !broadcast->is_send_closed;
    broadcast->is_send_closed = true;
    cot_waitlist_wake_all(&broadcast->senders);
    for (cot_subscription *one = broadcast->first_subscription; one != NULL;
         one = one->next) {
        cot_waitlist_wake_all(&one->receivers);
    }
    cot_lock_release(&broadcast->lock);
    return was_open;
}

void
cot_broadcast_close_source(cot_broadcast *broadcast)
{
    cot_lock_acquire(&broadcast->lock);
    broadcast->is_source_closed = true;
    if (cot_broadcast_refuses_send(broadcast)) {
        cot_waitlist_wake_all(&broadcast->senders);
    }
    cot_lock_release(&broadcast->lock);
}

// ---- hints ---------------------------------------------------------------

bool
cot_broadcast_can_send(const cot_broadcast *broadcast,
                       const cot_message *message)
{
    if (message->was_sent) {
        return cot_hint_get(&message->pending) == 0;
    }
    return has_room(broadcast) || cot_broadcast_refuses_send(broadcast);
}

bool
cot_broadcast_refuses_send(const cot_broadcast *broadcast)
{
    return broadcast->is_send_closed
           || (broadcast->is_source_closed
               && cot_hint_get(&broadcast->subscriptions) == 0);
}

bool
cot_broadcast_refuses_subscribe(const cot_broadcast *broadcast)
{
    return broadcast->is_source_closed || broadcast->is_send_closed;
}

bool
cot_subscription_can_recv(const cot_subscription *subscription)
{
    return cot_hint_get(&subscription->len) > 0 || subscription->is_closed
           || subscription->broadcast->is_send_closed;
}

bool
cot_subscription_refuses_recv(const cot_subscription *subscription)
{
    return cot_hint_get(&subscription->len) == 0
           && (subscription->is_closed
               || subscription->broadcast->is_send_closed);
}

size_t
cot_broadcast_len(const cot_broadcast *broadcast)
{
    return cot_hint_get(&broadcast->len);
}

size_t
cot_subscription_len(const cot_subscription *subscription)
{
    return cot_hint_get(&subscription->len);
}

size_t
cot_broadcast_subscriptions(const cot_broadcast *broadcast)
{
    return cot_hint_get(&broadcast->subscriptions);
}

size_t
cot_broadcast_capacity(const cot_broadcast *broadcast)
{
    return broadcast->capacity;
}

size_t
cot_subscription_capacity(const cot_subscription *subscription)
{
    return subscription->broadcast->capacity;
}
