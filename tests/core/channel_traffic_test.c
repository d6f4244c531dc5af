// A channel between several threads that give up now and then: each item is
// delivered once, or stays its sender's.

#include "core/channel.h"

#include "port/thread.h"
#include "support/check.h"

#define SIDE 3  // senders, and receivers
#define ITEMS 3000

typedef struct {
    uint64_t seed;
    cot_channel *channel;
    bool drops_items;  // the close does
    cot_parker parkers[SIDE * 2];
    atomic_int fates[SIDE * ITEMS];  // 1 sent, 2 received; added up
    atomic_int senders_left;
    atomic_size_t received;
    atomic_bool is_over;
    test_threads *threads;
} market;

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

// Gives an item up after a few tries.
static cot_status
send_at_market(market *all, size_t idx, uint64_t number, uint64_t *random)
{
    cot_payload *payload = number_payload(number);
    cot_status status = COT_TIMED_OUT;
    for (int i = 0; i < 3 && status != COT_OK && status != COT_SHUT_DOWN;
         i++) {
        bool was_awaited;
        status = random_below(random, 50) == 0
                     ? cot_channel_post(all->channel, payload, &was_awaited)
                     : cot_channel_send(all->channel, &all->parkers[idx],
                                        random_deadline(random), payload);
        if (status != COT_OK && status != COT_SHUT_DOWN) {
            check_passing(status, &all->parkers[idx]);
        }
    }
    if (status == COT_OK) {
        atomic_fetch_add(&all->fates[number], 1);
    }
    else {
        CHECK_EQ(take_number(payload), number);
    }
    return status;
}

static void
receive_at_market(market *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    for (;;) {
        cot_payload *payload;
        cot_status status = cot_channel_recv(all->channel, &all->parkers[idx],
                                             random_deadline(&random),
                                             &payload);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK) {
            atomic_fetch_add(&all->fates[take_number(payload)], 2);
            atomic_fetch_add(&all->received, 1);
        }
        else {
            check_passing(status, &all->parkers[idx]);
        }
    }
}

static void
trade(void *arg, size_t idx)
{
    market *all = arg;
    if (idx >= SIDE) {
        receive_at_market(all, idx);
        return;
    }
    uint64_t random = all->seed + idx;
    cot_status status = COT_OK;
    for (uint64_t i = 0; i < ITEMS && status != COT_SHUT_DOWN; i++) {
        status = send_at_market(all, idx, idx * ITEMS + i, &random);
    }
    atomic_fetch_sub(&all->senders_left, 1);
}

// The first of each side are never disturbed: if a wake-up of theirs went to
// one who was, nothing else would help them.
static void
disturb(void *arg, size_t idx)
{
    market *all = arg;
    uint64_t random = all->seed + 2 * SIDE;
    while (!atomic_load(&all->is_over)) {
        size_t victim = random_below(&random, 2) * SIDE + 1
                        + random_below(&random, SIDE - 1);
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
close_market(market *all, cot_channel_side side)
{
    cot_status status;
    do {
        status = cot_channel_close(all->channel, side, all->drops_items);
    } while (status == COT_AGAIN);
    CHECK_EQ(status, COT_OK);
}

static void
check_market(market *all)
{
    for (size_t i = 0; i < SIDE * ITEMS; i++) {
        int fate = atomic_load(&all->fates[i]);
        CHECK(fate == 0 || fate == 3 || (fate == 1 && all->drops_items));
    }
    CHECK_EQ(cot_channel_len(all->channel), 0);
    CHECK(cot_channel_refuses_recv(all->channel));
}

static void
hold_market(size_t capacity, cot_channel_side side, bool drops_items,
            bool closes_early)
{
    static market all;
    test_threads threads, disturber;
    all = (market){
        .seed = test_seed(),
        .channel = cot_channel_create(capacity, COT_UNBOUND_REPLACE),
        .drops_items = drops_items,
        .senders_left = SIDE,
        .threads = &threads};
    start_threads(&threads, SIDE * 2, trade, &all);
    start_threads(&disturber, 1, disturb, &all);
    if (closes_early) {
        WAIT_UNTIL(atomic_load(&all.received) > 50);
    }
    else {
        WAIT_UNTIL(atomic_load(&all.senders_left) == 0);
    }
    atomic_store(&all.is_over, true);
    join_threads(&disturber);
    close_market(&all, side);
    join_threads(&threads);
    check_market(&all);
    cot_object_unref(cot_channel_object(all.channel));
}

static const size_t capacities[] = {0, 1, 7, COT_CHANNEL_UNBOUNDED};

static void
nothing_is_lost_at_the_market(void)
{
    for (size_t i = 0; i < 4; i++) {
        hold_market(capacities[i], COT_SEND_END, false, false);
    }
}

static void
a_close_meets_traffic(void)
{
    for (size_t i = 0; i < 4; i++) {
        hold_market(capacities[i], COT_SEND_END, false, true);
        hold_market(capacities[i], COT_RECV_END, true, true);
        hold_market(capacities[i], COT_SEND_END, true, true);
    }
    // Without room nothing is in line but what its senders wait with.
    hold_market(0, COT_RECV_END, false, true);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(nothing_is_lost_at_the_market),
        TEST(a_close_meets_traffic),
        {0},
    };
    return run_tests(tests, argc, argv);
}
