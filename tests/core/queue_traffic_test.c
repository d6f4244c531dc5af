// A queue between several threads: nothing is lost, nobody waits for ever.

#include "core/queue.h"

#include "port/thread.h"
#include "support/check.h"

static cot_queue *
new_queue(size_t capacity)
{
    cot_queue *queue = cot_queue_create(capacity);
    CHECK(queue != NULL);
    return queue;
}

static void
drop(cot_queue *queue)
{
    cot_object_unref(cot_queue_object(queue));
}

static void
put_number(cot_queue *queue, uint64_t number)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NOW, number_payload(number)),
             COT_OK);
}

static cot_status
wait_to_get(cot_queue *queue, cot_parker *parker, int64_t deadline_ns)
{
    cot_payload *payload;
    cot_status status = cot_queue_get(queue, parker, deadline_ns, &payload);
    if (status == COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

static cot_status
wait_to_put(cot_queue *queue, cot_parker *parker, int64_t deadline_ns)
{
    cot_payload *payload = number_payload(99);
    cot_status status = cot_queue_put(queue, parker, deadline_ns, payload);
    if (status != COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

// A getter that gives up and one that does not: whichever way the put and the
// deadline (or the interrupt) fall, the item must reach the latter, or the
// former must have it.
typedef struct {
    cot_queue *queue;
    cot_parker parkers[2];
    int64_t deadline_ns;  // of the first
    atomic_int got[2];
} pair;

static void
get_as_one_of_two(void *arg, size_t idx)
{
    pair *both = arg;
    cot_status status;
    do {
        status = wait_to_get(both->queue, &both->parkers[idx],
                             idx ? COT_NEVER : both->deadline_ns);
    } while (status == COT_SIGNALLED);
    CHECK(status == COT_OK || idx == 0);
    atomic_store(&both->got[idx], status == COT_OK ? 1 : 2);
}

static void
who_gives_up_takes_no_wake_up_along(void)
{
    uint64_t random = test_seed();
    cot_queue *queue = new_queue(0);
    for (int round = 0; round < 600; round++) {
        bool by_interrupt = random_below(&random, 2);
        int64_t moment_ns = cot_clock_after((100 + random_below(&random, 100))
                                            * COT_US);
        pair both = {.queue = queue,
                     .deadline_ns = by_interrupt ? COT_NEVER : moment_ns};
        test_threads threads;
        start_threads(&threads, 2, get_as_one_of_two, &both);
        if (by_interrupt) {
            WAIT_UNTIL(is_asleep(&both.parkers[0]));
            cot_parker_interrupt(&both.parkers[0]);
        }
        else {
            while (cot_clock_ns() < moment_ns) {
            }
        }
        put_number(queue, 1);
        WAIT_UNTIL(atomic_load(&both.got[0]) == 1
                   || atomic_load(&both.got[1]) == 1);
        WAIT_UNTIL(atomic_load(&both.got[0]));
        if (atomic_load(&both.got[0]) == 1) {
            put_number(queue, 2);
        }
        join_threads(&threads);
        CHECK_EQ(cot_queue_len(queue), 0);
    }
    drop(queue);
}

#define SIDE 3  // putters, and getters
#define ITEMS 4000

typedef struct {
    uint64_t seed;
    cot_queue *queue;
    cot_parker parkers[SIDE * 2];
    uint64_t put_sum[SIDE];
    uint64_t got_sum[SIDE];
    size_t got[SIDE];
    atomic_int putters_left;
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

// Whether to try again after an answer that is not final.
static bool
is_passing(cot_status status, cot_parker *parker)
{
    if (status == COT_INTERRUPTED) {
        CHECK(cot_parker_calm(parker));
        return true;
    }
    return status == COT_TIMED_OUT || status == COT_SIGNALLED;
}

static void
put_at_market(market *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    for (uint64_t i = 0; i < ITEMS; i++) {
        uint64_t number = random_below(&random, 1000);
        cot_payload *payload = number_payload(number);
        cot_status status;
        do {
            status = cot_queue_put(all->queue, &all->parkers[idx],
                                   random_deadline(&random), payload);
        } while (is_passing(status, &all->parkers[idx]));
        CHECK_EQ(status, COT_OK);
        all->put_sum[idx] += number;
    }
    atomic_fetch_sub(&all->putters_left, 1);
}

static void
get_at_market(market *all, size_t idx)
{
    cot_parker *parker = &all->parkers[SIDE + idx];
    uint64_t random = all->seed + SIDE + idx;
    for (;;) {
        cot_payload *payload;
        cot_status status = cot_queue_get(all->queue, parker,
                                          random_deadline(&random), &payload);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK) {
            all->got_sum[idx] += take_number(payload);
            all->got[idx]++;
            CHECK_EQ(cot_queue_task_done(all->queue), COT_OK);
        }
        else {
            CHECK(is_passing(status, parker));
        }
    }
}

static void
trade(void *arg, size_t idx)
{
    if (idx < SIDE) {
        put_at_market(arg, idx);
    }
    else {
        get_at_market(arg, idx - SIDE);
    }
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
nothing_is_lost_at_the_market(void)
{
    static const size_t capacities[] = {0, 1, 2, 7};
    uint64_t seed = test_seed();
    for (size_t round = 0; round < 4; round++) {
        test_threads threads, disturber;
        market all = {.seed = seed + 100 * round,
                      .queue = new_queue(capacities[round]),
                      .putters_left = SIDE,
                      .threads = &threads};
        start_threads(&threads, SIDE * 2, trade, &all);
        start_threads(&disturber, 1, disturb, &all);
        WAIT_UNTIL(atomic_load(&all.putters_left) == 0);
        cot_parker parker = {0};
        cot_status status;
        while ((status = cot_queue_join(all.queue, &parker, COT_NEVER))
               == COT_SIGNALLED) {
        }
        CHECK_EQ(status, COT_OK);
        atomic_store(&all.is_over, true);
        join_threads(&disturber);
        cot_queue_shut_down(all.queue, false);
        join_threads(&threads);
        uint64_t put = 0, got = 0;
        size_t count = 0;
        for (size_t i = 0; i < SIDE; i++) {
            put += all.put_sum[i];
            got += all.got_sum[i];
            count += all.got[i];
        }
        CHECK_EQ(count, SIDE * ITEMS);
        CHECK_EQ(got, put);
        drop(all.queue);
    }
}

// ---- a shutdown amid traffic ---------------------------------------------

#define KINDS 3  // putters, getters, and who looks at the hints

typedef struct {
    cot_queue *queue;
    atomic_size_t put;
    atomic_size_t got;
} traffic;

static void
drive(void *arg, size_t idx)
{
    traffic *all = arg;
    cot_parker parker = {0};
    cot_status status = COT_OK;
    while (status != COT_SHUT_DOWN) {
        switch (idx % KINDS) {
            case 0:
                status = wait_to_put(all->queue, &parker, COT_NEVER);
                atomic_fetch_add(&all->put, status == COT_OK);
                break;
            case 1:
                status = wait_to_get(all->queue, &parker, COT_NEVER);
                atomic_fetch_add(&all->got, status == COT_OK);
                break;
            default:
                CHECK(cot_queue_len(all->queue) <= 2);
                (void)cot_queue_can_get(all->queue);
                (void)cot_queue_can_put(all->queue);
                (void)cot_queue_is_done(all->queue);
                if (cot_queue_is_shut_down(all->queue)) {
                    return;
                }
        }
    }
}

static void
a_shutdown_meets_traffic(void)
{
    for (int round = 0; round < 40; round++) {
        bool immediate = round % 2;
        traffic all = {.queue = new_queue(2)};
        test_threads threads;
        start_threads(&threads, 2 * KINDS, drive, &all);
        WAIT_UNTIL(atomic_load(&all.got) > 20);
        cot_queue_shut_down(all.queue, immediate);
        join_threads(&threads);
        CHECK_EQ(cot_queue_len(all.queue), 0);
        CHECK(all.put >= all.got && (immediate || all.put == all.got));
        drop(all.queue);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(who_gives_up_takes_no_wake_up_along),
        TEST(nothing_is_lost_at_the_market),
        TEST(a_shutdown_meets_traffic),
        {0},
    };
    return run_tests(tests, argc, argv);
}
