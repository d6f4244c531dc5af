#include "core/condition.h"

#include "support/check.h"

static cot_condition *
new_condition(void)
{
    cot_mutex *mutex = cot_mutex_create(false);
    CHECK(mutex != NULL);
    cot_condition *condition = cot_condition_create(mutex);
    CHECK(condition != NULL);
    cot_object_unref(cot_mutex_object(mutex));
    return condition;
}

static void
drop(cot_condition *condition)
{
    cot_object_unref(cot_condition_object(condition));
}

static void
the_first_in_line_are_notified(void)
{
    cot_condition *condition = new_condition();
    cot_condition_wait waits[4] = {0};
    cot_parker parker = {0};
    for (size_t i = 0; i < 4; i++) {
        cot_condition_begin(condition, &waits[i]);
    }
    CHECK_EQ(cot_condition_len(condition), 4);
    CHECK(!cot_condition_end(condition, &waits[1]));
    cot_condition_notify(condition, 2);
    CHECK_EQ(cot_condition_wait_on(condition, &waits[0], &parker, COT_NEVER),
             COT_OK);
    CHECK_EQ(cot_condition_wait_on(condition, &waits[2], &parker, COT_NOW),
             COT_OK);
    CHECK_EQ(cot_condition_wait_on(condition, &waits[3], &parker, COT_NOW),
             COT_TIMED_OUT);
    CHECK(cot_condition_end(condition, &waits[0]));
    CHECK(cot_condition_end(condition, &waits[2]));
    CHECK(!cot_condition_end(condition, &waits[3]));
    CHECK_EQ(cot_condition_len(condition), 0);
    drop(condition);
}

enum { ROUNDS = 5000, SIDE = 3 };

typedef struct {
    cot_condition *condition;
    long items;  // under the condition's lock
} traffic;

static void
acquire(traffic *own, uint64_t owner)
{
    cot_parker parker = {0};
    cot_status status;
    do {
        status = cot_mutex_acquire(cot_condition_mutex(own->condition),
                                   cot_owner_here(owner), &parker, COT_NEVER);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
}

static void
release(traffic *own, uint64_t owner)
{
    CHECK_EQ(cot_mutex_release(cot_condition_mutex(own->condition),
                               cot_owner_here(owner)),
             COT_OK);
}

static void
wait_for_more(traffic *own, uint64_t owner, uint64_t *random)
{
    cot_parker parker = {0};
    cot_condition_wait wait = {0};
    // Some waits end by time, and hand on what they were given too late.
    bool is_short = random_below(random, 4) == 0;
    int64_t deadline_ns = is_short ? cot_clock_after(5 * COT_US) : COT_NEVER;
    cot_condition_begin(own->condition, &wait);
    release(own, owner);
    cot_status status = cot_condition_wait_on(own->condition, &wait, &parker,
                                              deadline_ns);
    CHECK(status == COT_OK || is_short || status == COT_SIGNALLED);
    bool was_notified = cot_condition_end(own->condition, &wait);
    CHECK(was_notified || status != COT_OK);
    acquire(own, owner);
}

static void
give_or_take(void *arg, size_t idx)
{
    traffic *own = arg;
    uint64_t random = test_seed() + idx;
    uint64_t owner = idx + 1;
    for (int round = 0; round < ROUNDS; round++) {
        acquire(own, owner);
        if (idx < SIDE) {
            while (own->items == 0) {
                wait_for_more(own, owner, &random);
            }
            own->items--;
        }
        else {
            own->items++;
            cot_condition_notify(own->condition, 1);
        }
        release(own, owner);
    }
}

static void
no_notification_is_lost(void)
{
    traffic own = {.condition = new_condition()};
    test_threads threads;
    start_threads(&threads, 2 * SIDE, give_or_take, &own);
    join_threads(&threads);
    CHECK_EQ(own.items, 0);
    CHECK_EQ(cot_condition_len(own.condition), 0);
    drop(own.condition);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(the_first_in_line_are_notified),
        TEST(no_notification_is_lost),
        {0},
    };
    return run_tests(tests, argc, argv);
}
