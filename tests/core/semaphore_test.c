#include "core/semaphore.h"

#include "support/check.h"

static cot_semaphore *
new_semaphore(size_t value, bool is_bounded)
{
    cot_semaphore *semaphore = cot_semaphore_create(value, is_bounded);
    CHECK(semaphore != NULL);
    return semaphore;
}

static void
drop(cot_semaphore *semaphore)
{
    cot_object_unref(cot_semaphore_object(semaphore));
}

static cot_status
acquire(cot_semaphore *semaphore, int64_t deadline_ns)
{
    cot_parker parker = {0};
    return cot_semaphore_acquire(semaphore, &parker, deadline_ns);
}

static void
down_and_up(void)
{
    cot_semaphore *semaphore = new_semaphore(2, false);
    CHECK_EQ(acquire(semaphore, COT_NOW), COT_OK);
    CHECK_EQ(acquire(semaphore, COT_NEVER), COT_OK);
    CHECK_EQ(acquire(semaphore, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(acquire(semaphore, cot_clock_after(COT_MS)), COT_TIMED_OUT);
    CHECK_EQ(cot_semaphore_release(semaphore, 3), COT_OK);
    CHECK_EQ(cot_semaphore_value(semaphore), 3);
    CHECK_EQ(cot_semaphore_release(semaphore, SIZE_MAX), COT_OVERDONE);
    drop(semaphore);
}

static void
a_bounded_one(void)
{
    cot_semaphore *semaphore = new_semaphore(2, true);
    CHECK_EQ(cot_semaphore_release(semaphore, 1), COT_OVERDONE);
    CHECK_EQ(acquire(semaphore, COT_NOW), COT_OK);
    CHECK_EQ(cot_semaphore_release(semaphore, 2), COT_OVERDONE);
    CHECK_EQ(cot_semaphore_value(semaphore), 1);
    CHECK_EQ(cot_semaphore_release(semaphore, 1), COT_OK);
    drop(semaphore);
}

enum { ROUNDS = 10000, SIDE = 3 };

typedef struct {
    cot_semaphore *semaphore;
    cot_parker parkers[2 * SIDE];
} traffic;

// Some waits end by time, some by an interrupt, as they like.
static bool
try_somehow(traffic *own, size_t idx, uint64_t *random)
{
    int64_t deadline_ns = COT_NEVER;
    uint32_t die = random_below(random, 8);
    if (die == 0) {
        deadline_ns = cot_clock_after(random_below(random, 30) * COT_US);
    }
    else if (die == 1) {
        cot_parker_interrupt(&own->parkers[random_below(random, SIDE)]);
    }
    cot_status status = cot_semaphore_acquire(own->semaphore,
                                              &own->parkers[idx], deadline_ns);
    cot_parker_calm(&own->parkers[idx]);
    return status == COT_OK;
}

static void
count_down_or_up(void *arg, size_t idx)
{
    traffic *own = arg;
    uint64_t random = test_seed() + idx;
    if (idx < SIDE) {
        for (int done = 0; done < ROUNDS;) {
            done += try_somehow(own, idx, &random);
        }
        return;
    }
    for (int left = ROUNDS; left > 0;) {
        int some = (int)random_below(&random, 3) + 1;
        some = some < left ? some : left;
        CHECK_EQ(cot_semaphore_release(own->semaphore, (size_t)some), COT_OK);
        left -= some;
    }
}

static void
no_wake_up_is_lost(void)
{
    traffic own = {.semaphore = new_semaphore(0, false)};
    test_threads threads;
    start_threads(&threads, 2 * SIDE, count_down_or_up, &own);
    join_threads(&threads);
    CHECK_EQ(cot_semaphore_value(own.semaphore), 0);
    drop(own.semaphore);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(down_and_up),
        TEST(a_bounded_one),
        TEST(no_wake_up_is_lost),
        {0},
    };
    return run_tests(tests, argc, argv);
}
