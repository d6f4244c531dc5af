// A broadcast between several threads that give up now and then: each item goes
// to all who stay subscribed, once and in order, or to nobody.

#include "core/broadcast.h"

#include "port/thread.h"
#include "support/check.h"

#include <string.h>

#define SENDERS 3
#define LISTENERS 3
#define THREADS (SENDERS + LISTENERS + 1)
#define ITEMS 1500

typedef struct {
    uint64_t seed;
    cot_object *source;
    cot_object *sender;
    cot_broadcast *broadcast;  // lent by both
    cot_subscription *subscriptions[LISTENERS];
    cot_parker parkers[THREADS];
    atomic_bool was_sent[SENDERS * ITEMS];
    atomic_int deliveries[SENDERS * ITEMS];  // to listeners
    atomic_int senders_left;
    atomic_int received;
    atomic_bool is_over;
    test_threads *threads;
} station;

static int64_t
random_deadline(uint64_t *random)
{
    switch (random_below(random, 3)) {
        case 0:
            return COT_NOW;
        case 1:
            return cot_clock_after(random_below(random, 60) * COT_US);
        default:
            return COT_NEVER;
    }
}

static void
check_passing(cot_status status, cot_parker *parker)
{
    if (status == COT_INTERRUPTED) {
        CHECK(cot_parker_calm(parker));
        return;
    }
    CHECK(status == COT_TIMED_OUT || status == COT_SIGNALLED);
}

static cot_status
attempt(station *all, size_t idx, cot_message *message, uint64_t *random)
{
    cot_status status = COT_TIMED_OUT;
    for (int i = 0; i < 3 && status != COT_OK && status != COT_SHUT_DOWN;
         i++) {
        status = cot_broadcast_send(all->broadcast, &all->parkers[idx],
                                    random_deadline(random), message);
        if (status != COT_OK && status != COT_SHUT_DOWN) {
            check_passing(status, &all->parkers[idx]);
        }
    }
    return status;
}

// Gives an item up after a few tries.
static cot_status
send_item(station *all, size_t idx, uint64_t number, uint64_t *random)
{
    cot_message *message = cot_message_create(number_payload(number));
    cot_status status;
    if (random_below(random, 8) == 0) {
        status = cot_broadcast_post(all->broadcast, message);
    }
    else {
        status = attempt(all, idx, message, random);
        if (status != COT_OK
            && !cot_broadcast_withdraw(all->broadcast, message)) {
            status = COT_OK;
        }
    }
    atomic_store(&all->was_sent[number], status == COT_OK);
    cot_message_unref(message);
    return status;
}

static void
send_all(station *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    cot_status status = COT_OK;
    for (uint64_t i = 0; i < ITEMS && status != COT_SHUT_DOWN; i++) {
        status = send_item(all, idx, idx * ITEMS + i, &random);
    }
    atomic_fetch_sub(&all->senders_left, 1);
}

static cot_status
recv_number(station *all, size_t idx, cot_subscription *subscription,
            uint64_t *random, uint64_t *number)
{
    cot_message *message;
    cot_status status = cot_subscription_recv(
        subscription, &all->parkers[idx], random_deadline(random), &message);
    if (status == COT_OK) {
        memcpy(number, cot_message_payload(message)->bytes, sizeof(*number));
        cot_message_unref(message);
    }
    else if (status != COT_SHUT_DOWN) {
        check_passing(status, &all->parkers[idx]);
    }
    return status;
}

static void
listen(station *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    uint64_t number, next[SENDERS] = {0};
    cot_status status;
    do {
        status = recv_number(all, idx, all->subscriptions[idx - SENDERS],
                             &random, &number);
        if (status == COT_OK) {
            CHECK(number >= next[number / ITEMS]);  // of its sender's
            next[number / ITEMS] = number + 1;
            atomic_fetch_add(&all->deliveries[number], 1);
            atomic_fetch_add(&all->received, 1);
        }
    } while (status != COT_SHUT_DOWN);
}

// Subscribes for some items, and leaves, also in the middle of a wait of others.
static void
come_and_go(station *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    cot_subscription *own;
    while (cot_broadcast_subscribe(all->broadcast, &own) == COT_OK) {
        uint64_t number;
        for (uint32_t i = random_below(&random, 5); i > 0; i--) {
            (void)!recv_number(all, idx, own, &random, &number);
        }
        cot_object_unref(cot_subscription_object(own));
        cot_thread_yield();
    }
}

static void
take_part(void *arg, size_t idx)
{
    if (idx < SENDERS) {
        send_all(arg, idx);
    }
    else if (idx < SENDERS + LISTENERS) {
        listen(arg, idx);
    }
    else {
        come_and_go(arg, idx);
    }
}

// The first of each kind are never disturbed: if a wake-up of theirs went to one
// who was, nothing else would help them.
static void
disturb(void *arg, size_t idx)
{
    station *all = arg;
    uint64_t random = all->seed + THREADS + idx;
    while (!atomic_load(&all->is_over)) {
        size_t victim = random_below(&random, 2) * SENDERS + 1
                        + random_below(&random, SENDERS - 1);
        if (random_below(&random, 4) == 0) {
            send_signal(all->threads->all[victim].thread);
        }
        else {
            cot_parker_interrupt(&all->parkers[victim]);
        }
        int64_t until_ns = cot_clock_after(random_below(&random, 50) * COT_US);
        while (cot_clock_ns() < until_ns) {
            cot_thread_yield();
        }
    }
}

static void
check_deliveries(station *all)
{
    for (size_t i = 0; i < SENDERS * ITEMS; i++) {
        CHECK_EQ(atomic_load(&all->deliveries[i]),
                 all->was_sent[i] ? LISTENERS : 0);
    }
    CHECK_EQ(cot_broadcast_len(all->broadcast), 0);
}

static void
broadcast_traffic(size_t capacity, bool closes_early)
{
    static station all;
    test_threads threads, disturber;
    all = (station){
        .seed = test_seed(), .senders_left = SENDERS, .threads = &threads};
    CHECK_EQ(cot_broadcast_create(capacity, &all.source, &all.sender), COT_OK);
    all.broadcast = cot_broadcast_of_end(all.source);
    for (size_t i = 0; i < LISTENERS; i++) {
        CHECK_EQ(cot_broadcast_subscribe(all.broadcast, &all.subscriptions[i]),
                 COT_OK);
    }
    start_threads(&threads, THREADS, take_part, &all);
    start_threads(&disturber, 1, disturb, &all);
    if (closes_early) {
        WAIT_UNTIL(atomic_load(&all.received) > 50);
    }
    else {
        WAIT_UNTIL(atomic_load(&all.senders_left) == 0);
    }
    atomic_store(&all.is_over, true);
    join_threads(&disturber);
    cot_object_unref(all.sender);
    join_threads(&threads);
    check_deliveries(&all);
    for (size_t i = 0; i < LISTENERS; i++) {
        cot_object_unref(cot_subscription_object(all.subscriptions[i]));
    }
    cot_object_unref(all.source);
}

static void
all_or_nobody_gets_an_item(void)
{
    static const size_t capacities[] = {0, 1, 7, SIZE_MAX};
    for (size_t i = 0; i < 4; i++) {
        broadcast_traffic(capacities[i], false);
        broadcast_traffic(capacities[i], true);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(all_or_nobody_gets_an_item),
        {0},
    };
    return run_tests(tests, argc, argv);
}
