#include "core/broadcast.h"

#include "core/choice.h"
#include "support/check.h"

#include <string.h>

#define PEERS 4
#define UNBOUNDED SIZE_MAX

typedef struct {
    cot_object *source;
    cot_object *sender;
    cot_broadcast *broadcast;  // lent by both
    cot_subscription *subscriptions[PEERS];
    cot_parker parkers[PEERS];
    cot_status statuses[PEERS];
} studio;

static void
set_up(studio *it, size_t capacity, size_t subscriptions)
{
    *it = (studio){0};
    CHECK_EQ(cot_broadcast_create(capacity, &it->source, &it->sender), COT_OK);
    it->broadcast = cot_broadcast_of_end(it->source);
    for (size_t i = 0; i < subscriptions; i++) {
        CHECK_EQ(cot_broadcast_subscribe(it->broadcast, &it->subscriptions[i]),
                 COT_OK);
    }
}

static void
drop_subscription(studio *it, size_t idx)
{
    if (it->subscriptions[idx] != NULL) {
        cot_object_unref(cot_subscription_object(it->subscriptions[idx]));
        it->subscriptions[idx] = NULL;
    }
}

static void
tear_down(studio *it)
{
    cot_object_unref(it->sender);
    cot_object_unref(it->source);
    for (size_t i = 0; i < PEERS; i++) {
        drop_subscription(it, i);
    }
}

static cot_message *
number_message(uint64_t number)
{
    cot_message *message = cot_message_create(number_payload(number));
    CHECK(message != NULL);
    return message;
}

static uint64_t
number_in(const cot_message *message)
{
    uint64_t number = 0;
    const cot_payload *payload = cot_message_payload(message);
    CHECK_EQ(payload->len, sizeof(number));
    memcpy(&number, payload->bytes, sizeof(number));
    return number;
}

static cot_status
send_until(studio *it, cot_parker *parker, int64_t deadline_ns,
           uint64_t number)
{
    cot_message *message = number_message(number);
    cot_status status;
    do {
        status = cot_broadcast_send(it->broadcast, parker, deadline_ns,
                                    message);
    } while (status == COT_SIGNALLED);
    if (status != COT_OK && !cot_broadcast_withdraw(it->broadcast, message)) {
        status = COT_OK;
    }
    cot_message_unref(message);
    return status;
}

static cot_status
try_send(studio *it, uint64_t number)
{
    cot_parker parker = {0};
    return send_until(it, &parker, COT_NOW, number);
}

static cot_status
try_post(studio *it, uint64_t number)
{
    cot_message *message = number_message(number);
    cot_status status = cot_broadcast_post(it->broadcast, message);
    cot_message_unref(message);
    return status;
}

static cot_status
try_recv(studio *it, size_t idx, uint64_t *number)
{
    cot_parker parker = {0};
    cot_message *message;
    cot_status status = cot_subscription_recv(it->subscriptions[idx], &parker,
                                              COT_NOW, &message);
    if (status == COT_OK) {
        *number = number_in(message);
        cot_message_unref(message);
    }
    return status;
}

static void
check_recv(studio *it, size_t idx, uint64_t expected)
{
    uint64_t number = 0;
    CHECK(cot_subscription_can_recv(it->subscriptions[idx]));
    CHECK_EQ(try_recv(it, idx, &number), COT_OK);
    CHECK_EQ(number, expected);
}

static void
check_no_recv(studio *it, size_t idx, cot_status expected)
{
    uint64_t number = 0;
    CHECK_EQ(cot_subscription_can_recv(it->subscriptions[idx]),
             expected == COT_SHUT_DOWN);
    CHECK_EQ(cot_subscription_refuses_recv(it->subscriptions[idx]),
             expected == COT_SHUT_DOWN);
    CHECK_EQ(try_recv(it, idx, &number), expected);
}

// ---- one thread ----------------------------------------------------------

static void
two_ends_of_one_broadcast(void)
{
    studio it;
    set_up(&it, 3, 0);
    CHECK(it.source->cls == &cot_source_class);
    CHECK(it.sender->cls == &cot_broadcast_sender_class);
    CHECK(cot_broadcast_of_end(it.sender) == it.broadcast);
    CHECK_EQ(cot_broadcast_capacity(it.broadcast), 3);
    CHECK_EQ(cot_broadcast_len(it.broadcast), 0);
    CHECK_EQ(cot_broadcast_subscriptions(it.broadcast), 0);
    CHECK_EQ(cot_broadcast_subscribe(it.broadcast, &it.subscriptions[0]),
             COT_OK);
    cot_object *object = cot_subscription_object(it.subscriptions[0]);
    CHECK(object->cls == &cot_subscription_class);
    CHECK(cot_subscription_from_object(object) == it.subscriptions[0]);
    CHECK_EQ(cot_subscription_capacity(it.subscriptions[0]), 3);
    CHECK_EQ(cot_broadcast_subscriptions(it.broadcast), 1);
    tear_down(&it);
}

static void
every_subscriber_gets_every_item_in_order(void)
{
    studio it;
    set_up(&it, UNBOUNDED, 3);
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_EQ(try_send(&it, i), COT_OK);
    }
    for (size_t idx = 0; idx < 3; idx++) {
        CHECK_EQ(cot_broadcast_len(it.broadcast), 100);
        for (uint64_t i = 0; i < 100; i++) {
            CHECK_EQ(cot_subscription_len(it.subscriptions[idx]), 100 - i);
            check_recv(&it, idx, i);
        }
        check_no_recv(&it, idx, COT_TIMED_OUT);
    }
    CHECK_EQ(cot_broadcast_len(it.broadcast), 0);
    tear_down(&it);
}

static void
one_who_subscribes_later_sees_what_comes_later(void)
{
    studio it;
    set_up(&it, 8, 0);
    CHECK_EQ(try_send(&it, 1), COT_OK);
    CHECK_EQ(cot_broadcast_len(it.broadcast), 0);
    for (size_t idx = 0; idx < 3; idx++) {
        CHECK_EQ(cot_broadcast_subscribe(it.broadcast, &it.subscriptions[idx]),
                 COT_OK);
        check_no_recv(&it, idx, COT_TIMED_OUT);
        CHECK_EQ(try_send(&it, 10 + idx), COT_OK);
    }
    for (size_t idx = 0; idx < 3; idx++) {
        for (uint64_t number = 10 + idx; number < 13; number++) {
            check_recv(&it, idx, number);
        }
        check_no_recv(&it, idx, COT_TIMED_OUT);
    }
    tear_down(&it);
}

static void
the_slowest_holds_senders_back(void)
{
    studio it;
    set_up(&it, 2, 2);
    CHECK_EQ(try_send(&it, 1), COT_OK);
    CHECK_EQ(try_send(&it, 2), COT_OK);
    check_recv(&it, 0, 1);
    CHECK_EQ(try_send(&it, 3), COT_TIMED_OUT);
    CHECK_EQ(try_post(&it, 3), COT_TIMED_OUT);
    check_recv(&it, 1, 1);
    CHECK_EQ(try_post(&it, 4), COT_OK);
    CHECK_EQ(try_send(&it, 5), COT_TIMED_OUT);
    for (size_t idx = 0; idx < 2; idx++) {
        check_recv(&it, idx, 2);
        check_recv(&it, idx, 4);
        check_no_recv(&it, idx, COT_TIMED_OUT);
    }
    tear_down(&it);
}

static void
one_who_leaves_holds_nobody_back(void)
{
    for (int closes = 0; closes < 2; closes++) {
        studio it;
        set_up(&it, 2, 3);
        CHECK_EQ(try_send(&it, 1), COT_OK);
        CHECK_EQ(try_send(&it, 2), COT_OK);
        check_recv(&it, 0, 1);
        if (closes) {
            cot_subscription_close(it.subscriptions[1]);
            cot_subscription_close(it.subscriptions[1]);
            check_no_recv(&it, 1, COT_SHUT_DOWN);
        }
        else {
            drop_subscription(&it, 1);
        }
        CHECK_EQ(cot_broadcast_subscriptions(it.broadcast), 2);
        CHECK_EQ(try_send(&it, 3), COT_TIMED_OUT);
        drop_subscription(&it, 2);
        CHECK_EQ(cot_broadcast_len(it.broadcast), 1);
        CHECK_EQ(try_send(&it, 3), COT_OK);
        check_recv(&it, 0, 2);
        check_recv(&it, 0, 3);
        tear_down(&it);
    }
}

static void
without_capacity_an_item_is_taken_back_unless_one_has_it(void)
{
    studio it;
    set_up(&it, 0, 2);
    cot_parker parker = {0};
    CHECK_EQ(try_post(&it, 1), COT_TIMED_OUT);
    CHECK_EQ(try_send(&it, 1), COT_TIMED_OUT);
    check_no_recv(&it, 0, COT_TIMED_OUT);
    CHECK_EQ(cot_broadcast_len(it.broadcast), 0);

    cot_message *message = number_message(2);
    CHECK_EQ(cot_broadcast_send(it.broadcast, &parker, COT_NOW, message),
             COT_TIMED_OUT);
    CHECK(!cot_broadcast_can_send(it.broadcast, message));
    check_recv(&it, 0, 2);
    CHECK_EQ(cot_broadcast_send(it.broadcast, &parker, COT_NOW, message),
             COT_TIMED_OUT);
    CHECK(!cot_broadcast_withdraw(it.broadcast, message));
    CHECK_EQ(try_send(&it, 3), COT_TIMED_OUT);  // 2 is still in line
    check_recv(&it, 1, 2);
    CHECK(cot_broadcast_can_send(it.broadcast, message));
    CHECK_EQ(cot_broadcast_send(it.broadcast, &parker, COT_NOW, message),
             COT_OK);
    cot_message_unref(message);
    check_no_recv(&it, 0, COT_TIMED_OUT);
    tear_down(&it);
}

static void
a_message_that_was_never_in_line_is_withdrawn(void)
{
    studio it;
    set_up(&it, 1, 1);
    cot_message *message = number_message(1);
    CHECK(cot_broadcast_withdraw(it.broadcast, message));
    cot_message_unref(message);
    tear_down(&it);
}

static void
with_nobody_there_a_send_is_done(void)
{
    static const size_t capacities[] = {0, 1, UNBOUNDED};
    for (size_t i = 0; i < 3; i++) {
        studio it;
        set_up(&it, capacities[i], 0);
        CHECK_EQ(try_send(&it, 1), COT_OK);
        CHECK_EQ(try_send(&it, 2), COT_OK);
        CHECK_EQ(try_post(&it, 3), COT_OK);
        tear_down(&it);
    }
}

static void
after_a_close_what_is_in_line_is_received(void)
{
    for (int drops = 0; drops < 2; drops++) {
        studio it;
        uint64_t number;
        set_up(&it, 2, 2);
        CHECK_EQ(try_send(&it, 1), COT_OK);
        if (drops) {
            cot_object_unref(it.sender);
            it.sender = NULL;
        }
        else {
            CHECK(cot_broadcast_close(it.broadcast));
            CHECK(!cot_broadcast_close(it.broadcast));
        }
        CHECK(cot_broadcast_refuses_send(it.broadcast));
        CHECK(cot_broadcast_refuses_subscribe(it.broadcast));
        CHECK_EQ(try_send(&it, 2), COT_SHUT_DOWN);
        CHECK_EQ(try_post(&it, 2), COT_SHUT_DOWN);
        CHECK_EQ(cot_broadcast_subscribe(it.broadcast, &it.subscriptions[2]),
                 COT_SHUT_DOWN);
        for (size_t idx = 0; idx < 2; idx++) {
            CHECK(!cot_subscription_refuses_recv(it.subscriptions[idx]));
            CHECK_EQ(try_recv(&it, idx, &number), COT_OK);
            check_no_recv(&it, idx, COT_SHUT_DOWN);
        }
        tear_down(&it);
    }
}

static void
once_nobody_can_listen_nothing_is_sent(void)
{
    for (int drops = 0; drops < 2; drops++) {
        studio it;
        set_up(&it, 1, 1);
        if (drops) {
            cot_object_unref(it.source);
            it.source = NULL;
        }
        else {
            cot_broadcast_close_source(it.broadcast);
        }
        CHECK_EQ(cot_broadcast_subscribe(it.broadcast, &it.subscriptions[1]),
                 COT_SHUT_DOWN);
        CHECK_EQ(try_send(&it, 1), COT_OK);
        check_recv(&it, 0, 1);
        CHECK(!cot_broadcast_refuses_send(it.broadcast));
        drop_subscription(&it, 0);
        CHECK(cot_broadcast_refuses_send(it.broadcast));
        CHECK_EQ(try_send(&it, 2), COT_SHUT_DOWN);
        tear_down(&it);
    }
}

static void
a_message_is_whole_for_who_has_it(void)
{
    studio it;
    set_up(&it, 1, 2);
    cot_parker parker = {0};
    cot_message *message;
    CHECK_EQ(try_send(&it, 7), COT_OK);
    CHECK_EQ(
        cot_subscription_recv(it.subscriptions[0], &parker, COT_NOW, &message),
        COT_OK);
    tear_down(&it);
    CHECK_EQ(number_in(message), 7);
    cot_message_unref(message);
}

// ---- waiting -------------------------------------------------------------

static cot_status
recv_and_drop(studio *it, size_t idx, cot_parker *parker)
{
    cot_message *message = NULL;
    cot_status status;
    do {
        status = cot_subscription_recv(it->subscriptions[idx], parker,
                                       COT_NEVER, &message);
    } while (status == COT_SIGNALLED);
    cot_message_unref(message);
    return status;
}

static void
recv_in_a_thread(void *arg, size_t idx)
{
    studio *it = arg;
    it->statuses[idx] = recv_and_drop(it, idx, &it->parkers[idx]);
}

static void
send_in_a_thread(void *arg, size_t idx)
{
    studio *it = arg;
    it->statuses[idx] = send_until(it, &it->parkers[idx], COT_NEVER, idx);
}

static void
check_all(studio *it, test_threads *threads, size_t len, cot_status expected)
{
    join_threads(threads);
    for (size_t i = 0; i < len; i++) {
        CHECK_EQ(it->statuses[i], expected);
    }
}

static void
start_and_sleep(studio *it, test_threads *threads, size_t len,
                void (*body)(void *arg, size_t idx))
{
    start_threads(threads, len, body, it);
    for (size_t i = 0; i < len; i++) {
        WAIT_UNTIL(is_asleep(&it->parkers[i]));
    }
}

static void
an_item_wakes_all_who_wait(void)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        studio it;
        test_threads threads;
        set_up(&it, capacity, 3);
        start_and_sleep(&it, &threads, 3, recv_in_a_thread);
        CHECK_EQ(try_post(&it, 1), COT_OK);
        check_all(&it, &threads, 3, COT_OK);
        tear_down(&it);
    }
}

static void
a_close_wakes_all_who_wait(void)
{
    studio it;
    test_threads threads;
    set_up(&it, 0, 3);
    start_and_sleep(&it, &threads, 3, recv_in_a_thread);
    CHECK(cot_broadcast_close(it.broadcast));
    check_all(&it, &threads, 3, COT_SHUT_DOWN);
    tear_down(&it);
}

static void
who_closes_a_subscription_ends_its_wait(void)
{
    studio it;
    test_threads threads;
    set_up(&it, 0, 1);
    start_and_sleep(&it, &threads, 1, recv_in_a_thread);
    cot_subscription_close(it.subscriptions[0]);
    check_all(&it, &threads, 1, COT_SHUT_DOWN);
    tear_down(&it);
}

static void
senders_wait_for_room_one_by_one(void)
{
    studio it;
    test_threads threads;
    uint64_t number = 0;
    set_up(&it, 1, 2);
    CHECK_EQ(try_send(&it, 100), COT_OK);
    start_and_sleep(&it, &threads, 3, send_in_a_thread);
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(cot_subscription_len(it.subscriptions[0]) == 1);
        CHECK_EQ(try_recv(&it, 0, &number), COT_OK);
        check_recv(&it, 1, number);
    }
    check_all(&it, &threads, 3, COT_OK);
    tear_down(&it);
}

static void
room_for_many_lets_in_many(void)
{
    studio it;
    test_threads threads;
    set_up(&it, 3, 2);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_EQ(try_send(&it, i), COT_OK);
        check_recv(&it, 0, i);
    }
    start_and_sleep(&it, &threads, 3, send_in_a_thread);
    drop_subscription(&it, 1);  // it makes room for three
    check_all(&it, &threads, 3, COT_OK);
    CHECK_EQ(cot_subscription_len(it.subscriptions[0]), 3);
    tear_down(&it);
}

static void
without_capacity_a_send_waits_for_every_subscriber(void)
{
    studio it;
    test_threads threads;
    set_up(&it, 0, 2);
    start_and_sleep(&it, &threads, 1, send_in_a_thread);
    check_recv(&it, 0, 0);
    CHECK(is_asleep(&it.parkers[0]));
    check_recv(&it, 1, 0);
    check_all(&it, &threads, 1, COT_OK);
    start_and_sleep(&it, &threads, 1, send_in_a_thread);
    check_recv(&it, 0, 0);
    drop_subscription(&it, 1);
    check_all(&it, &threads, 1, COT_OK);
    tear_down(&it);
}

static void
a_close_lets_go_who_waits_for_room(void)
{
    for (int by_listeners = 0; by_listeners < 2; by_listeners++) {
        studio it;
        test_threads threads;
        set_up(&it, 1, 1);
        CHECK_EQ(try_send(&it, 1), COT_OK);
        start_and_sleep(&it, &threads, 3, send_in_a_thread);
        if (by_listeners) {
            cot_broadcast_close_source(it.broadcast);
            cot_subscription_close(it.subscriptions[0]);
        }
        else {
            CHECK(cot_broadcast_close(it.broadcast));
            check_recv(&it, 0, 1);
            check_no_recv(&it, 0, COT_SHUT_DOWN);
        }
        check_all(&it, &threads, 3, COT_SHUT_DOWN);
        tear_down(&it);
    }
}

static void
an_interrupt_ends_a_wait(void)
{
    studio it;
    test_threads threads;
    uint64_t number = 0;
    set_up(&it, 0, 2);
    // Nobody has the item: it is taken back.
    start_and_sleep(&it, &threads, 1, send_in_a_thread);
    cot_parker_interrupt(&it.parkers[0]);
    check_all(&it, &threads, 1, COT_INTERRUPTED);
    CHECK(cot_parker_calm(&it.parkers[0]));
    CHECK_EQ(try_recv(&it, 0, &number), COT_TIMED_OUT);
    // One has it: the others will.
    start_and_sleep(&it, &threads, 1, send_in_a_thread);
    check_recv(&it, 0, 0);
    cot_parker_interrupt(&it.parkers[0]);
    check_all(&it, &threads, 1, COT_OK);
    CHECK(cot_parker_calm(&it.parkers[0]));
    check_recv(&it, 1, 0);
    CHECK_EQ(try_recv(&it, 0, &number), COT_TIMED_OUT);
    tear_down(&it);
}

// ---- offers, and choices -------------------------------------------------

static cot_status
try_offer(studio *it, cot_message *message)
{
    cot_parker parker = {0};
    return cot_broadcast_offer(it->broadcast, &parker, COT_NOW, message);
}

static void
an_offer_is_never_taken_back(void)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        studio it;
        set_up(&it, capacity, 1);
        cot_message *message = number_message(1);
        if (capacity > 0) {
            CHECK_EQ(try_send(&it, 0), COT_OK);
        }
        CHECK_EQ(try_offer(&it, message), COT_TIMED_OUT);
        CHECK_EQ(cot_broadcast_len(it.broadcast), capacity);
        CHECK(cot_broadcast_close(it.broadcast));
        CHECK_EQ(try_offer(&it, message), COT_SHUT_DOWN);
        cot_message_unref(message);
        tear_down(&it);
    }
}

static void
offer_in_a_thread(void *arg, size_t idx)
{
    studio *it = arg;
    cot_message *message = number_message(idx);
    do {
        it->statuses[idx] = cot_broadcast_offer(
            it->broadcast, &it->parkers[idx], COT_NEVER, message);
    } while (it->statuses[idx] == COT_SIGNALLED);
    cot_message_unref(message);
}

static void
recv_two_in_a_thread(void *arg, size_t idx)
{
    cot_parker parker = {0};
    CHECK_EQ(recv_and_drop(arg, idx, &parker), COT_OK);
    CHECK_EQ(recv_and_drop(arg, idx, &parker), COT_OK);
}

static void
an_offer_waits_for_somebody_at_each_subscription(void)
{
    studio it;
    test_threads offering, receiving;
    set_up(&it, 0, 3);
    start_and_sleep(&it, &offering, 2, offer_in_a_thread);
    CHECK_EQ(cot_broadcast_len(it.broadcast), 0);
    start_threads(&receiving, 3, recv_two_in_a_thread, &it);
    check_all(&it, &offering, 2, COT_OK);
    join_threads(&receiving);
    tear_down(&it);
}

typedef struct {
    cot_broadcast *broadcast;
    cot_subscription *subscription;
    cot_message *message;
} turn;

static cot_status
attempt_offer(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    turn *it = arg;
    return cot_broadcast_offer(it->broadcast, parker, deadline_ns,
                               it->message);
}

static cot_status
attempt_recv(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    turn *it = arg;
    return cot_subscription_recv(it->subscription, parker, deadline_ns,
                                 &it->message);
}

static void
wait_for_choice(cot_choice *choice)
{
    cot_parker parker = {0};
    cot_status status;
    do {
        status = cot_choice_wait(choice, &parker, COT_NEVER);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
}

#define ROUNDS 2000

typedef struct {
    studio one;
    studio two;
    uint64_t sums[2];
} crossroads;

// Sends to either, whichever is awaited.
static void
choose_to_send(crossroads *all)
{
    for (uint64_t number = 1; number <= ROUNDS; number++) {
        cot_choice choice;
        turn turns[2] = {{all->one.broadcast, NULL, number_message(number)},
                         {all->two.broadcast, NULL, number_message(number)}};
        cot_case cases[2] = {{attempt_offer, NULL, &turns[0], {{0}}},
                             {attempt_offer, NULL, &turns[1], {{0}}}};
        cot_choice_init(&choice, cases, 2, NULL);
        wait_for_choice(&choice);
        CHECK_EQ(choice.status, COT_OK);
        cot_message_unref(turns[0].message);
        cot_message_unref(turns[1].message);
    }
    CHECK(cot_broadcast_close(all->one.broadcast));
    CHECK(cot_broadcast_close(all->two.broadcast));
}

// Receives from both, until one is closed, and the other.
static void
choose_to_recv(crossroads *all, size_t idx)
{
    bool is_open[2] = {true, true};
    while (is_open[0] || is_open[1]) {
        cot_choice choice;
        turn turns[2] = {{NULL, all->one.subscriptions[idx], NULL},
                         {NULL, all->two.subscriptions[idx], NULL}};
        size_t first = is_open[0] ? 0 : 1;
        cot_case cases[2] = {{attempt_recv, NULL, &turns[first], {{0}}},
                             {attempt_recv, NULL, &turns[1], {{0}}}};
        cot_choice_init(&choice, cases,
                        (size_t)is_open[0] + (size_t)is_open[1], NULL);
        wait_for_choice(&choice);
        size_t which = choice.decided == 0 ? first : 1;
        if (choice.status == COT_SHUT_DOWN) {
            is_open[which] = false;
            continue;
        }
        CHECK_EQ(choice.status, COT_OK);
        all->sums[idx] += number_in(turns[which].message);
        cot_message_unref(turns[which].message);
    }
}

static void
choose(void *arg, size_t idx)
{
    if (idx == 2) {
        choose_to_send(arg);
    }
    else {
        choose_to_recv(arg, idx);
    }
}

static void
choices_meet(void)
{
    crossroads all = {0};
    test_threads threads;
    set_up(&all.one, 0, 2);
    set_up(&all.two, 0, 2);
    start_threads(&threads, 3, choose, &all);
    join_threads(&threads);
    CHECK_EQ(all.sums[0], (uint64_t)ROUNDS * (ROUNDS + 1) / 2);
    CHECK_EQ(all.sums[1], all.sums[0]);
    tear_down(&all.one);
    tear_down(&all.two);
}

// ---- life ----------------------------------------------------------------

static void
ends_may_hold_each_other_deeply(void)
{
    studio it;
    set_up(&it, 1, 1);
    for (int i = 0; i < 100000; i++) {
        studio outer;
        set_up(&outer, 1, 1);
        cot_payload *payload = number_payload(0);
        CHECK_EQ(cot_payload_attach(
                     payload, cot_subscription_object(it.subscriptions[0])),
                 COT_OK);
        tear_down(&it);
        cot_message *message = cot_message_create(payload);
        CHECK_EQ(cot_broadcast_post(outer.broadcast, message), COT_OK);
        cot_message_unref(message);
        it = outer;
    }
    tear_down(&it);
}

static bool
create_and_subscribe(void *arg)
{
    (void)arg;
    cot_object *source, *sender;
    if (cot_broadcast_create(0, &source, &sender) != COT_OK) {
        return false;
    }
    cot_subscription *subscription;
    bool is_well = cot_broadcast_subscribe(cot_broadcast_of_end(source),
                                           &subscription)
                   == COT_OK;
    if (is_well) {
        cot_object_unref(cot_subscription_object(subscription));
    }
    cot_object_unref(source);
    cot_object_unref(sender);
    return is_well;
}

static bool
create_message(void *payload)
{
    cot_message *message = cot_message_create(payload);
    cot_message_unref(message);
    return message != NULL;
}

static void
without_memory_there_is_none(void)
{
    CHECK_EQ(fail_each_allocation(create_and_subscribe, NULL), 4);
    CHECK_EQ(fail_each_allocation(create_message, number_payload(1)), 1);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(two_ends_of_one_broadcast),
        TEST(every_subscriber_gets_every_item_in_order),
        TEST(one_who_subscribes_later_sees_what_comes_later),
        TEST(the_slowest_holds_senders_back),
        TEST(one_who_leaves_holds_nobody_back),
        TEST(without_capacity_an_item_is_taken_back_unless_one_has_it),
        TEST(a_message_that_was_never_in_line_is_withdrawn),
        TEST(with_nobody_there_a_send_is_done),
        TEST(after_a_close_what_is_in_line_is_received),
        TEST(once_nobody_can_listen_nothing_is_sent),
        TEST(a_message_is_whole_for_who_has_it),
        TEST(an_item_wakes_all_who_wait),
        TEST(a_close_wakes_all_who_wait),
        TEST(who_closes_a_subscription_ends_its_wait),
        TEST(senders_wait_for_room_one_by_one),
        TEST(room_for_many_lets_in_many),
        TEST(without_capacity_a_send_waits_for_every_subscriber),
        TEST(a_close_lets_go_who_waits_for_room),
        TEST(an_interrupt_ends_a_wait),
        TEST(an_offer_is_never_taken_back),
        TEST(an_offer_waits_for_somebody_at_each_subscription),
        TEST(choices_meet),
        TEST(ends_may_hold_each_other_deeply),
        TEST(without_memory_there_is_none),
        {0},
    };
    return run_tests(tests, argc, argv);
}
