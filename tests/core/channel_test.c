#include "core/channel.h"

#include "core/home.h"
#include "core/registry.h"
#include "port/thread.h"
#include "support/check.h"

static cot_channel *
new_channel(size_t capacity)
{
    cot_channel *channel = cot_channel_create(capacity, COT_UNBOUND_REPLACE);
    CHECK(channel != NULL);
    return channel;
}

static void
drop(cot_channel *channel)
{
    cot_object_unref(cot_channel_object(channel));
}

static cot_status
send_until(cot_channel *channel, cot_parker *parker, int64_t deadline_ns,
           uint64_t number)
{
    cot_payload *payload = number_payload(number);
    cot_status status = cot_channel_send(channel, parker, deadline_ns,
                                         payload);
    if (status != COT_OK) {
        CHECK_EQ(take_number(payload), number);  // stayed the caller's
    }
    return status;
}

static cot_status
try_send(cot_channel *channel, uint64_t number)
{
    cot_parker parker = {0};
    return send_until(channel, &parker, COT_NOW, number);
}

static bool
post_number(cot_channel *channel, uint64_t number)
{
    cot_payload *payload = number_payload(number);
    bool was_awaited;
    CHECK_EQ(cot_channel_post(channel, payload, &was_awaited), COT_OK);
    return was_awaited;
}

static cot_status
try_post(cot_channel *channel)
{
    cot_payload *payload = number_payload(0);
    bool was_awaited;
    cot_status status = cot_channel_post(channel, payload, &was_awaited);
    if (status != COT_OK) {
        CHECK_EQ(take_number(payload), 0);
    }
    return status;
}

static uint64_t
recv_number(cot_channel *channel)
{
    cot_parker parker = {0};
    cot_payload *payload;
    CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &payload), COT_OK);
    return take_number(payload);
}

static cot_status
try_recv(cot_channel *channel)
{
    cot_parker parker = {0};
    cot_payload *payload;
    cot_status status = cot_channel_recv(channel, &parker, COT_NOW, &payload);
    if (status == COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

// ---- one thread ----------------------------------------------------------

static void
a_channel_is_a_registered_object(void)
{
    cot_channel *channel = cot_channel_create(3, COT_UNBOUND_ERROR);
    cot_object *object = cot_channel_object(channel);
    CHECK(object->cls == &cot_channel_class);
    CHECK_EQ(atomic_load(&object->refs), 1);
    CHECK(cot_channel_from_object(object) == channel);
    CHECK_EQ(cot_channel_capacity(channel), 3);
    CHECK_EQ(cot_channel_unbound_op(channel), COT_UNBOUND_ERROR);
    CHECK_EQ(cot_channel_len(channel), 0);
    uint64_t number = object->number;
    CHECK(number != 0);
    CHECK(cot_registry_get(&cot_channel_class, number) == object);
    cot_object_unref(object);
    drop(channel);
    CHECK(cot_registry_get(&cot_channel_class, number) == NULL);
}

static void
there_is_one_object_for_an_end(void)
{
    cot_channel *channel = new_channel(0), *other = new_channel(0);
    cot_object *recv = cot_channel_end(channel, COT_RECV_END);
    cot_object *again = cot_channel_end(channel, COT_RECV_END);
    cot_object *send = cot_channel_end(channel, COT_SEND_END);
    cot_object *others = cot_channel_end(other, COT_SEND_END);
    CHECK(recv->cls == &cot_recv_end_class);
    CHECK(send->cls == &cot_send_end_class);
    CHECK(cot_channel_of_end(recv) == channel);
    CHECK(cot_channel_of_end(send) == channel);
    CHECK_EQ(cot_channel_side_of_end(recv), COT_RECV_END);
    CHECK_EQ(cot_channel_side_of_end(send), COT_SEND_END);
    CHECK(again == recv);
    CHECK(others != send);
    cot_object_unref(recv);
    cot_object_unref(again);
    cot_object_unref(others);
    // One that is gone can be had again.
    recv = cot_channel_end(channel, COT_RECV_END);
    CHECK(cot_channel_of_end(recv) == channel);
    cot_object_unref(recv);
    drop(channel);
    drop(other);
}

static void
ends_hold_their_channel(void)
{
    cot_channel *channel = new_channel(0);
    uint64_t number = cot_channel_object(channel)->number;
    cot_object *send = cot_channel_end(channel, COT_SEND_END);
    drop(channel);
    CHECK(!post_number(cot_channel_of_end(send), 1));
    cot_object_unref(send);
    CHECK(cot_registry_get(&cot_channel_class, number) == NULL);
}

static void
without_capacity_nothing_is_taken_unawaited(void)
{
    cot_channel *channel = new_channel(0);
    CHECK(!cot_channel_can_send(channel) && !cot_channel_can_recv(channel));
    CHECK_EQ(try_send(channel, 1), COT_TIMED_OUT);
    CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
    CHECK_EQ(cot_channel_len(channel), 0);
    drop(channel);
}

static void
a_capacity_is_kept(void)
{
    cot_channel *channel = new_channel(20);
    for (uint64_t i = 0; i < 20; i++) {
        CHECK(cot_channel_can_send(channel));
        CHECK_EQ(try_send(channel, i), COT_OK);
        CHECK(cot_channel_can_recv(channel));
    }
    CHECK(!cot_channel_can_send(channel));
    CHECK_EQ(try_send(channel, 20), COT_TIMED_OUT);
    CHECK_EQ(recv_number(channel), 0);
    CHECK_EQ(try_send(channel, 21), COT_OK);
    CHECK_EQ(try_send(channel, 22), COT_TIMED_OUT);
    drop(channel);  // with what is in it
}

static void
without_bound_all_is_taken_in_order(void)
{
    cot_channel *channel = new_channel(COT_CHANNEL_UNBOUNDED);
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_EQ(try_send(channel, i), COT_OK);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_EQ(cot_channel_len(channel), 1000 - i);
        CHECK_EQ(recv_number(channel), i);
    }
    CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
    drop(channel);
}

static void
a_post_needs_no_room(void)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        cot_channel *channel = new_channel(capacity);
        CHECK(!post_number(channel, 1));
        CHECK(!post_number(channel, 2));
        CHECK_EQ(try_send(channel, 3), COT_TIMED_OUT);
        CHECK_EQ(recv_number(channel), 1);
        CHECK_EQ(recv_number(channel), 2);
        CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
        drop(channel);
    }
}

static void
a_deadline_and_an_interrupt_leave_nothing(void)
{
    cot_channel *channel = new_channel(0);
    cot_parker parker = {0};
    cot_payload *payload;
    int64_t soon_ns = cot_clock_after(COT_MS);
    CHECK_EQ(send_until(channel, &parker, soon_ns, 1), COT_TIMED_OUT);
    CHECK_EQ(cot_channel_recv(channel, &parker, soon_ns, &payload),
             COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(send_until(channel, &parker, COT_NEVER, 1), COT_INTERRUPTED);
    CHECK_EQ(cot_channel_recv(channel, &parker, COT_NEVER, &payload),
             COT_INTERRUPTED);
    CHECK_EQ(cot_channel_len(channel), 0);
    CHECK(!cot_channel_can_send(channel) && !cot_channel_can_recv(channel));
    drop(channel);
}

static void
closing_the_sending_end_lets_items_out(void)
{
    cot_channel *channel = new_channel(2);
    CHECK_EQ(try_send(channel, 1), COT_OK);
    CHECK(!post_number(channel, 2));
    CHECK_EQ(cot_channel_close(channel, COT_SEND_END, false), COT_OK);
    CHECK(cot_channel_refuses_send(channel));
    CHECK(!cot_channel_refuses_recv(channel));
    CHECK_EQ(try_send(channel, 3), COT_SHUT_DOWN);
    CHECK_EQ(try_post(channel), COT_SHUT_DOWN);
    CHECK_EQ(cot_channel_close(channel, COT_SEND_END, false), COT_SHUT_DOWN);
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_AGAIN);
    CHECK_EQ(recv_number(channel), 1);
    CHECK_EQ(recv_number(channel), 2);
    CHECK(cot_channel_refuses_recv(channel));
    CHECK(cot_channel_can_send(channel) && cot_channel_can_recv(channel));
    CHECK_EQ(try_recv(channel), COT_SHUT_DOWN);
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_SHUT_DOWN);
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, true), COT_SHUT_DOWN);
    drop(channel);
}

static void
closing_the_receiving_end_closes_both(void)
{
    cot_channel *channel = new_channel(2);
    CHECK_EQ(try_send(channel, 1), COT_OK);
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_AGAIN);
    CHECK(!cot_channel_refuses_send(channel));
    CHECK_EQ(recv_number(channel), 1);
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_OK);
    CHECK(cot_channel_refuses_send(channel));
    CHECK(cot_channel_refuses_recv(channel));
    CHECK_EQ(try_send(channel, 1), COT_SHUT_DOWN);
    CHECK_EQ(try_recv(channel), COT_SHUT_DOWN);
    drop(channel);
}

static void
a_close_may_drop_items(void)
{
    for (int side = COT_RECV_END; side <= COT_SEND_END; side++) {
        cot_channel *channel = new_channel(2), *inner = new_channel(2);
        cot_payload *payload = number_payload(1);
        bool was_awaited;
        // Destroying one item destroys another channel, with its items.
        post_number(inner, 2);
        CHECK_EQ(cot_payload_attach(payload, cot_channel_object(inner)),
                 COT_OK);
        drop(inner);
        CHECK_EQ(cot_channel_post(channel, payload, &was_awaited), COT_OK);
        post_number(channel, 3);
        CHECK_EQ(cot_channel_close(channel, (cot_channel_side)side, true),
                 COT_OK);
        CHECK_EQ(cot_channel_len(channel), 0);
        CHECK_EQ(try_recv(channel), COT_SHUT_DOWN);
        CHECK_EQ(try_send(channel, 1), COT_SHUT_DOWN);
        drop(channel);
    }
}

static void
post_bound(cot_channel *channel, uint64_t number, const cot_home *home,
           cot_unbound_op op)
{
    cot_payload *payload = number_payload(number);
    bool was_awaited;
    cot_payload_bind(payload, cot_home_id(home), op);
    CHECK_EQ(cot_channel_post(channel, payload, &was_awaited), COT_OK);
}

static void
an_ended_interpreter_unbinds_its_items(void)
{
    cot_channel *channel = new_channel(0);
    cot_home *home = cot_home_create(), *other = cot_home_create();
    cot_parker parker = {0};
    cot_payload *payload;
    for (int round = 0; round < 2; round++) {
        for (uint64_t op = 1; op <= 3; op++) {
            post_bound(channel, op, round ? other : home, (cot_unbound_op)op);
        }
        CHECK(!post_number(channel, 9));
    }
    cot_registry_interpreter_ended(home);
    CHECK_EQ(cot_channel_len(channel), 7);
    for (int op = COT_UNBOUND_ERROR; op <= COT_UNBOUND_REPLACE; op++) {
        CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &payload),
                 COT_OK);
        CHECK_EQ(payload->format, COT_UNBOUND);
        CHECK_EQ(payload->unbound_op, op);
        cot_payload_destroy(payload);
    }
    CHECK_EQ(recv_number(channel), 9);
    for (uint64_t op = 1; op <= 3; op++) {
        CHECK_EQ(recv_number(channel), op);
    }
    CHECK_EQ(recv_number(channel), 9);
    CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
    drop(channel);
    cot_home_unref(home);
    cot_home_unref(other);
}

static bool
use_channel(void *arg)
{
    cot_payload *payload = arg, *received;
    cot_parker parker = {0};
    cot_channel *channel = cot_channel_create(1, COT_UNBOUND_REPLACE);
    if (channel == NULL) {
        return false;
    }
    cot_object *end = cot_channel_end(channel, COT_RECV_END);
    bool has_end = end != NULL;
    cot_object_unref(end);
    cot_status status = cot_channel_send(channel, &parker, COT_NOW, payload);
    if (status == COT_OK) {
        CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &received),
                 COT_OK);
        CHECK(received == payload);
    }
    else {
        CHECK_EQ(status, COT_NO_MEMORY);
    }
    CHECK_EQ(cot_channel_len(channel), 0);
    drop(channel);
    return has_end && status == COT_OK;
}

static void
memory_may_run_out(void)
{
    cot_payload *payload = number_payload(5);
    // The channel, an end, and an item's place.
    CHECK_EQ(fail_each_allocation(use_channel, payload), 3);
    CHECK_EQ(take_number(payload), 5);
}

// ---- several threads -----------------------------------------------------

typedef struct {
    cot_channel *channel;
    uint64_t number;
    bool is_sender;
    cot_parker parker;
    cot_payload *payload;  // of a receiver
    atomic_int answer;
    test_threads thread;
} waiter;

static void
wait_in_thread(void *arg, size_t idx)
{
    waiter *self = arg;
    cot_status status;
    do {
        status = self->is_sender
                     ? send_until(self->channel, &self->parker, COT_NEVER,
                                  self->number)
                     : cot_channel_recv(self->channel, &self->parker,
                                        COT_NEVER, &self->payload);
    } while (status == COT_SIGNALLED);
    atomic_store(&self->answer, (int)status);
}

static void
start_waiter(waiter *self, cot_channel *channel)
{
    self->channel = channel;
    atomic_init(&self->answer, -1);
    start_threads(&self->thread, 1, wait_in_thread, self);
    WAIT_UNTIL(is_asleep(&self->parker));
}

static void
start_sender(waiter *self, cot_channel *channel, uint64_t number)
{
    *self = (waiter){.is_sender = true, .number = number};
    start_waiter(self, channel);
}

static void
start_receiver(waiter *self, cot_channel *channel)
{
    *self = (waiter){0};
    start_waiter(self, channel);
}

static cot_status
join_waiter(waiter *self)
{
    join_threads(&self->thread);
    return (cot_status)atomic_load(&self->answer);
}

static uint64_t
join_receiver(waiter *self)
{
    CHECK_EQ(join_waiter(self), COT_OK);
    return take_number(self->payload);
}

static void
a_send_waits_for_the_receiver(void)
{
    cot_channel *channel = new_channel(0);
    waiter senders[2];
    start_sender(&senders[0], channel, 1);
    start_sender(&senders[1], channel, 2);
    CHECK_EQ(cot_channel_len(channel), 2);
    CHECK_EQ(recv_number(channel), 1);
    CHECK_EQ(join_waiter(&senders[0]), COT_OK);
    CHECK_EQ(atomic_load(&senders[1].answer), -1);
    CHECK_EQ(recv_number(channel), 2);
    CHECK_EQ(join_waiter(&senders[1]), COT_OK);
    CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
    drop(channel);
}

static void
receivers_are_served_in_order(void)
{
    cot_channel *channel = new_channel(0);
    waiter receivers[3];
    for (int i = 0; i < 3; i++) {
        start_receiver(&receivers[i], channel);
        CHECK(cot_channel_can_send(channel));
    }
    CHECK(post_number(channel, 1));
    CHECK_EQ(try_send(channel, 2), COT_OK);
    CHECK(post_number(channel, 3));
    CHECK(!post_number(channel, 4));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(join_receiver(&receivers[i]), i + 1);
    }
    CHECK_EQ(recv_number(channel), 4);
    drop(channel);
}

static void
room_lets_senders_in_in_order(void)
{
    cot_channel *channel = new_channel(2);
    waiter senders[3];
    CHECK_EQ(try_send(channel, 1), COT_OK);
    CHECK_EQ(try_send(channel, 2), COT_OK);
    for (uint64_t i = 0; i < 3; i++) {
        start_sender(&senders[i], channel, i + 3);
    }
    CHECK(!post_number(channel, 6));
    CHECK_EQ(recv_number(channel), 1);  // 2 and 6 fill it
    CHECK_EQ(recv_number(channel), 2);
    CHECK_EQ(join_waiter(&senders[0]), COT_OK);
    CHECK_EQ(atomic_load(&senders[1].answer), -1);
    CHECK_EQ(recv_number(channel), 3);
    CHECK_EQ(join_waiter(&senders[1]), COT_OK);
    CHECK_EQ(recv_number(channel), 4);
    CHECK_EQ(join_waiter(&senders[2]), COT_OK);
    CHECK_EQ(recv_number(channel), 5);
    CHECK_EQ(recv_number(channel), 6);
    CHECK_EQ(try_recv(channel), COT_TIMED_OUT);
    drop(channel);
}

static void
who_gives_up_leaves_the_line(void)
{
    cot_channel *channel = new_channel(0);
    waiter waiters[3];
    for (uint64_t i = 0; i < 3; i++) {
        start_sender(&waiters[i], channel, i);
    }
    cot_parker_interrupt(&waiters[0].parker);
    CHECK_EQ(join_waiter(&waiters[0]), COT_INTERRUPTED);
    CHECK_EQ(recv_number(channel), 1);
    CHECK_EQ(recv_number(channel), 2);
    CHECK_EQ(join_waiter(&waiters[1]), COT_OK);
    CHECK_EQ(join_waiter(&waiters[2]), COT_OK);
    for (int i = 0; i < 3; i++) {
        start_receiver(&waiters[i], channel);
    }
    cot_parker_interrupt(&waiters[1].parker);
    CHECK_EQ(join_waiter(&waiters[1]), COT_INTERRUPTED);
    CHECK(post_number(channel, 1));
    CHECK(post_number(channel, 2));
    CHECK_EQ(join_receiver(&waiters[0]), 1);
    CHECK_EQ(join_receiver(&waiters[2]), 2);
    drop(channel);
}

static void
a_close_wakes_receivers(void)
{
    for (int side = COT_RECV_END; side <= COT_SEND_END; side++) {
        cot_channel *channel = new_channel(0);
        waiter receivers[2];
        start_receiver(&receivers[0], channel);
        start_receiver(&receivers[1], channel);
        CHECK_EQ(cot_channel_close(channel, (cot_channel_side)side, false),
                 COT_OK);
        CHECK_EQ(join_waiter(&receivers[0]), COT_SHUT_DOWN);
        CHECK_EQ(join_waiter(&receivers[1]), COT_SHUT_DOWN);
        drop(channel);
    }
}

static void
senders_in_line_outlast_the_close_of_their_end(void)
{
    cot_channel *channel = new_channel(0);
    waiter senders[2];
    start_sender(&senders[0], channel, 1);
    start_sender(&senders[1], channel, 2);
    CHECK_EQ(cot_channel_close(channel, COT_SEND_END, false), COT_OK);
    CHECK_EQ(try_send(channel, 3), COT_SHUT_DOWN);
    CHECK_EQ(recv_number(channel), 1);
    CHECK_EQ(join_waiter(&senders[0]), COT_OK);
    // Of the other end they are sent away: what they have was not sent yet.
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_OK);
    CHECK_EQ(join_waiter(&senders[1]), COT_SHUT_DOWN);
    CHECK_EQ(try_recv(channel), COT_SHUT_DOWN);
    drop(channel);
}

static void
what_an_ended_interpreter_leaves_makes_room(void)
{
    cot_channel *channel = new_channel(3);
    cot_home *home = cot_home_create();
    cot_parker parker = {0};
    cot_payload *payload;
    waiter senders[3];
    post_bound(channel, 9, home, COT_UNBOUND_REMOVE);
    post_bound(channel, 9, home, COT_UNBOUND_REPLACE);
    post_bound(channel, 9, home, COT_UNBOUND_REMOVE);
    for (uint64_t i = 0; i < 3; i++) {
        start_sender(&senders[i], channel, i);
    }
    cot_registry_interpreter_ended(home);
    CHECK_EQ(join_waiter(&senders[0]), COT_OK);
    CHECK_EQ(join_waiter(&senders[1]), COT_OK);
    CHECK_EQ(atomic_load(&senders[2].answer), -1);
    CHECK_EQ(cot_channel_len(channel), 4);
    CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &payload), COT_OK);
    CHECK_EQ(payload->format, COT_UNBOUND);
    cot_payload_destroy(payload);
    CHECK_EQ(join_waiter(&senders[2]), COT_OK);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_EQ(recv_number(channel), i);
    }
    drop(channel);
    cot_home_unref(home);
}

static void
come_and_go(void *arg, size_t idx)
{
    cot_channel *channel = arg;
    for (int i = 0; i < 20000; i++) {
        cot_object *first = cot_channel_end(channel, COT_RECV_END);
        cot_object *second = cot_channel_end(channel, COT_RECV_END);
        CHECK(first == second);
        cot_object_unref(first);
        cot_object_unref(second);
    }
}

static void
ends_come_and_go_in_many_threads(void)
{
    cot_channel *channel = new_channel(0);
    test_threads threads;
    start_threads(&threads, 4, come_and_go, channel);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&cot_channel_object(channel)->refs), 1);
    drop(channel);
}

static void
channels_in_channels_are_freed_without_recursion(void)
{
    cot_channel *inner = new_channel(0);
    for (int depth = 0; depth < 300000; depth++) {
        cot_channel *outer = new_channel(0);
        cot_object *end = cot_channel_end(inner, COT_RECV_END);
        cot_payload *payload = cot_payload_create(0, COT_NATIVE);
        bool was_awaited;
        CHECK_EQ(cot_payload_attach(payload, end), COT_OK);
        cot_object_unref(end);
        drop(inner);
        CHECK_EQ(cot_channel_post(outer, payload, &was_awaited), COT_OK);
        inner = outer;
    }
    drop(inner);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_channel_is_a_registered_object),
        TEST(there_is_one_object_for_an_end),
        TEST(ends_hold_their_channel),
        TEST(without_capacity_nothing_is_taken_unawaited),
        TEST(a_capacity_is_kept),
        TEST(without_bound_all_is_taken_in_order),
        TEST(a_post_needs_no_room),
        TEST(a_deadline_and_an_interrupt_leave_nothing),
        TEST(closing_the_sending_end_lets_items_out),
        TEST(closing_the_receiving_end_closes_both),
        TEST(a_close_may_drop_items),
        TEST(an_ended_interpreter_unbinds_its_items),
        TEST(memory_may_run_out),
        TEST(a_send_waits_for_the_receiver),
        TEST(receivers_are_served_in_order),
        TEST(room_lets_senders_in_in_order),
        TEST(who_gives_up_leaves_the_line),
        TEST(a_close_wakes_receivers),
        TEST(senders_in_line_outlast_the_close_of_their_end),
        TEST(what_an_ended_interpreter_leaves_makes_room),
        TEST(ends_come_and_go_in_many_threads),
        TEST(channels_in_channels_are_freed_without_recursion),
        {0},
    };
    return run_tests(tests, argc, argv);
}
