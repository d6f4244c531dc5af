#include "core/endpoint.h"

#include "support/check.h"

typedef struct {
    cot_object *receiver;
    cot_object *sender;
    cot_channel *channel;  // lent by both
    cot_parker parkers[4];
    cot_status statuses[4];
} pair;

static pair
new_pair(size_t capacity)
{
    pair it = {0};
    CHECK_EQ(cot_endpoint_create(capacity, &it.receiver, &it.sender), COT_OK);
    it.channel = cot_endpoint_channel(it.receiver);
    return it;
}

static void
send_number(const pair *it, uint64_t number)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_channel_send(it->channel, &parker, COT_NOW,
                              number_payload(number)),
             COT_OK);
}

static cot_status
try_recv(const pair *it, uint64_t *number)
{
    cot_parker parker = {0};
    cot_payload *payload;
    cot_status status = cot_channel_recv(it->channel, &parker, COT_NOW,
                                         &payload);
    if (status == COT_OK) {
        *number = take_number(payload);
    }
    return status;
}

static void
two_ends_of_one_channel(void)
{
    pair it = new_pair(3);
    CHECK(it.receiver->cls == &cot_receiver_class);
    CHECK(it.sender->cls == &cot_sender_class);
    CHECK(cot_endpoint_channel(it.sender) == it.channel);
    CHECK_EQ(cot_channel_capacity(it.channel), 3);
    CHECK_EQ(cot_channel_object(it.channel)->number, 0);  // in no list
    cot_object_unref(it.sender);
    cot_object_unref(it.receiver);
}

static void
without_senders_what_is_in_line_is_the_last(void)
{
    pair it = new_pair(2);
    uint64_t number = 0;
    send_number(&it, 1);
    send_number(&it, 2);
    cot_object_ref(it.sender);
    cot_object_unref(it.sender);
    CHECK(!cot_channel_refuses_send(it.channel));
    cot_object_unref(it.sender);
    CHECK(cot_channel_refuses_send(it.channel));
    CHECK_EQ(try_recv(&it, &number), COT_OK);
    CHECK_EQ(number, 1);
    CHECK_EQ(try_recv(&it, &number), COT_OK);
    CHECK_EQ(number, 2);
    CHECK_EQ(try_recv(&it, &number), COT_SHUT_DOWN);
    cot_object_unref(it.receiver);
}

static void
without_receivers_nothing_is_sent(void)
{
    pair it = new_pair(2);
    cot_parker parker = {0};
    send_number(&it, 1);
    cot_object_unref(it.receiver);
    CHECK_EQ(cot_channel_len(it.channel), 0);
    cot_payload *payload = number_payload(2);
    CHECK_EQ(cot_channel_send(it.channel, &parker, COT_NOW, payload),
             COT_SHUT_DOWN);
    CHECK_EQ(take_number(payload), 2);
    cot_object_unref(it.sender);
}

static void
an_end_that_was_closed_may_go(void)
{
    pair it = new_pair(1);
    CHECK_EQ(cot_channel_close(it.channel, COT_SEND_END, false), COT_OK);
    cot_object_unref(it.sender);
    CHECK_EQ(cot_channel_close(it.channel, COT_RECV_END, true), COT_SHUT_DOWN);
    cot_object_unref(it.receiver);
}

static void
recv_in_a_thread(void *arg, size_t idx)
{
    pair *it = arg;
    cot_payload *payload;
    do {
        it->statuses[idx] = cot_channel_recv(it->channel, &it->parkers[idx],
                                             COT_NEVER, &payload);
    } while (it->statuses[idx] == COT_SIGNALLED);
}

static void
send_in_a_thread(void *arg, size_t idx)
{
    pair *it = arg;
    cot_payload *payload = number_payload(idx);
    do {
        it->statuses[idx] = cot_channel_send(it->channel, &it->parkers[idx],
                                             COT_NEVER, payload);
    } while (it->statuses[idx] == COT_SIGNALLED);
    CHECK_EQ(take_number(payload), idx);
}

static void
check_who_waits_is_told(cot_channel_side side)
{
    test_threads threads;
    pair it = new_pair(0);
    start_threads(&threads, 4,
                  side == COT_SEND_END ? recv_in_a_thread : send_in_a_thread,
                  &it);
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(is_asleep(&it.parkers[i]));
    }
    cot_object_unref(side == COT_SEND_END ? it.sender : it.receiver);
    join_threads(&threads);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(it.statuses[i], COT_SHUT_DOWN);
    }
    cot_object_unref(side == COT_SEND_END ? it.receiver : it.sender);
}

static void
who_waits_is_told_when_the_others_are_gone(void)
{
    check_who_waits_is_told(COT_SEND_END);
    check_who_waits_is_told(COT_RECV_END);
}

// An end on its way is held by nobody else.
static void
send_end(const pair *it, cot_object *end)
{
    cot_parker parker = {0};
    cot_payload *payload = number_payload(0);
    CHECK_EQ(cot_payload_attach(payload, end), COT_OK);
    cot_object_unref(end);
    CHECK_EQ(cot_channel_send(it->channel, &parker, COT_NOW, payload), COT_OK);
}

static void
an_end_on_its_way_is_open(void)
{
    pair outer = new_pair(1), inner = new_pair(1);
    uint64_t number = 0;
    send_end(&outer, inner.sender);
    CHECK(!cot_channel_refuses_send(inner.channel));
    cot_object_unref(outer.receiver);  // drops the line
    CHECK_EQ(try_recv(&inner, &number), COT_SHUT_DOWN);
    cot_object_unref(outer.sender);
    cot_object_unref(inner.receiver);
}

static void
a_sender_in_its_own_line_goes_with_the_receiver(void)
{
    pair it = new_pair(1);
    send_end(&it, it.sender);
    CHECK(!cot_channel_refuses_send(it.channel));
    cot_object_unref(it.receiver);
}

static void
ends_may_hold_each_other_deeply(void)
{
    pair it = new_pair(1);
    for (int i = 0; i < 100000; i++) {
        pair outer = new_pair(1);
        cot_object_unref(it.sender);
        send_end(&outer, it.receiver);
        it = outer;
    }
    cot_object_unref(it.sender);
    cot_object_unref(it.receiver);
}

static bool
create_both(void *arg)
{
    (void)arg;
    cot_object *receiver, *sender;
    if (cot_endpoint_create(0, &receiver, &sender) != COT_OK) {
        return false;
    }
    cot_object_unref(receiver);
    cot_object_unref(sender);
    return true;
}

static void
without_memory_there_is_none(void)
{
    CHECK_EQ(fail_each_allocation(create_both, NULL), 3);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(two_ends_of_one_channel),
        TEST(without_senders_what_is_in_line_is_the_last),
        TEST(without_receivers_nothing_is_sent),
        TEST(an_end_that_was_closed_may_go),
        TEST(who_waits_is_told_when_the_others_are_gone),
        TEST(an_end_on_its_way_is_open),
        TEST(a_sender_in_its_own_line_goes_with_the_receiver),
        TEST(ends_may_hold_each_other_deeply),
        TEST(without_memory_there_is_none),
        {0},
    };
    return run_tests(tests, argc, argv);
}
