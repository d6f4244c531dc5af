#include "core/barrier.h"

#include "port/thread.h"
#include "support/check.h"

static cot_barrier *
new_barrier(size_t parties)
{
    cot_barrier *barrier = cot_barrier_create(parties, NULL, 0);
    CHECK(barrier != NULL);
    return barrier;
}

static void
drop(cot_barrier *barrier)
{
    cot_object_unref(cot_barrier_object(barrier));
}

static cot_status
look(cot_barrier *barrier, cot_barrier_wait *wait, int *outcome)
{
    cot_parker parker = {0};
    cot_barrier_outcome found;
    cot_status status = cot_barrier_wait_on(barrier, wait, &parker, COT_NOW,
                                            &found);
    *outcome = status == COT_OK ? (int)found : -1;
    return status;
}

static int
outcome_of(cot_barrier *barrier, cot_barrier_wait *wait)
{
    int outcome;
    CHECK_EQ(look(barrier, wait, &outcome), COT_OK);
    return outcome;
}

static void
comes_too_early(cot_barrier *barrier, cot_barrier_wait *wait)
{
    int outcome;
    CHECK_EQ(look(barrier, wait, &outcome), COT_TIMED_OUT);
}

static void
the_last_lets_the_others_go(void)
{
    cot_barrier *barrier = new_barrier(3);
    cot_barrier_wait waits[4] = {0};
    comes_too_early(barrier, &waits[0]);
    comes_too_early(barrier, &waits[1]);
    comes_too_early(barrier, &waits[0]);
    CHECK_EQ(cot_barrier_len(barrier), 2);
    CHECK_EQ(outcome_of(barrier, &waits[2]), COT_BARRIER_LAST);
    // One who comes meanwhile is of the next round.
    comes_too_early(barrier, &waits[3]);
    comes_too_early(barrier, &waits[1]);
    CHECK_EQ(cot_barrier_len(barrier), 3);
    CHECK(!cot_barrier_can_go_on(barrier, &waits[3]));
    CHECK(cot_barrier_release(barrier, &waits[2], true));
    CHECK_EQ(cot_barrier_len(barrier), 0);
    CHECK(cot_barrier_can_go_on(barrier, &waits[3]));
    comes_too_early(barrier, &waits[3]);
    CHECK_EQ(cot_barrier_len(barrier), 1);
    CHECK_EQ(outcome_of(barrier, &waits[0]), COT_BARRIER_PASSED);
    CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_PASSED);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(waits[i].idx, i);
        cot_barrier_end(barrier, &waits[i]);
    }
    CHECK(!cot_barrier_is_broken(barrier));
    CHECK_EQ(waits[3].idx, 0);
    cot_barrier_end(barrier, &waits[3]);
    CHECK(cot_barrier_is_broken(barrier));
    drop(barrier);
}

static void
what_breaks_it(void)
{
    for (int how = 0; how < 5; how++) {
        cot_barrier *barrier = new_barrier(2);
        cot_barrier_wait waits[3] = {0};
        comes_too_early(barrier, &waits[0]);
        if (how == 0) {
            CHECK(!cot_barrier_is_late(barrier, &waits[0]));
        }
        else if (how == 1) {
            cot_barrier_abort(barrier);
        }
        else if (how == 2) {
            CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_LAST);
            CHECK(cot_barrier_release(barrier, &waits[1], false));
        }
        else if (how == 3) {
            // The last goes without a word.
            CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_LAST);
            cot_barrier_end(barrier, &waits[1]);
        }
        else {
            // One who was waiting does, while the last is at it.
            CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_LAST);
            cot_barrier_wait gone = waits[0];
            waits[0] = (cot_barrier_wait){0};
            cot_barrier_end(barrier, &gone);
            CHECK(!cot_barrier_release(barrier, &waits[1], true));
        }
        CHECK(cot_barrier_is_broken(barrier));
        CHECK_EQ(outcome_of(barrier, &waits[0]), COT_BARRIER_BROKEN);
        CHECK_EQ(outcome_of(barrier, &waits[2]), COT_BARRIER_BROKEN);
        for (size_t i = 0; i < 3; i++) {
            cot_barrier_end(barrier, &waits[i]);
        }
        cot_barrier_reset(barrier);
        CHECK(!cot_barrier_is_broken(barrier));
        drop(barrier);
    }
}

// Who closes a round that was reset lets nobody of a later one go.
static void
a_reset_while_the_last_is_at_it(void)
{
    cot_barrier *barrier = new_barrier(2);
    cot_barrier_wait waits[4] = {0};
    comes_too_early(barrier, &waits[0]);
    CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_LAST);
    cot_barrier_reset(barrier);
    comes_too_early(barrier, &waits[2]);
    CHECK(!cot_barrier_release(barrier, &waits[1], true));
    cot_barrier_end(barrier, &waits[1]);
    comes_too_early(barrier, &waits[2]);
    CHECK_EQ(outcome_of(barrier, &waits[3]), COT_BARRIER_LAST);
    CHECK(!cot_barrier_release(barrier, &waits[0], true));
    CHECK_EQ(outcome_of(barrier, &waits[0]), COT_BARRIER_BROKEN);
    CHECK(cot_barrier_release(barrier, &waits[3], true));
    CHECK_EQ(outcome_of(barrier, &waits[2]), COT_BARRIER_PASSED);
    for (size_t i = 0; i < 4; i++) {
        cot_barrier_end(barrier, &waits[i]);
    }
    CHECK(!cot_barrier_is_broken(barrier));
    drop(barrier);
}

// While the last is at it nobody's time is up; who is outside breaks the next
// round instead, unless he completes it.
static void
late_ones(void)
{
    cot_barrier *barrier = new_barrier(2);
    cot_barrier_wait waits[4] = {0};
    comes_too_early(barrier, &waits[0]);
    CHECK_EQ(outcome_of(barrier, &waits[1]), COT_BARRIER_LAST);
    comes_too_early(barrier, &waits[2]);
    comes_too_early(barrier, &waits[3]);
    CHECK(cot_barrier_is_late(barrier, &waits[0]));
    CHECK(cot_barrier_is_late(barrier, &waits[2]));
    CHECK(cot_barrier_is_late(barrier, &waits[3]));
    CHECK(cot_barrier_release(barrier, &waits[1], true));
    CHECK_EQ(outcome_of(barrier, &waits[0]), COT_BARRIER_PASSED);
    CHECK_EQ(outcome_of(barrier, &waits[2]), COT_BARRIER_BROKEN);
    CHECK_EQ(outcome_of(barrier, &waits[3]), COT_BARRIER_BROKEN);
    CHECK(cot_barrier_is_broken(barrier));
    for (size_t i = 0; i < 4; i++) {
        cot_barrier_end(barrier, &waits[i]);
    }
    drop(barrier);
}

static bool
create_and_wait(void *arg)
{
    (void)arg;
    int outcome;
    cot_status status = COT_NO_MEMORY;
    cot_barrier *barrier = cot_barrier_create(1, NULL, 0);
    if (barrier != NULL) {
        cot_barrier_wait wait = {0};
        status = look(barrier, &wait, &outcome);
        CHECK(status == COT_NO_MEMORY || outcome == COT_BARRIER_LAST);
        CHECK_EQ(cot_barrier_len(barrier), status == COT_OK);
        cot_barrier_end(barrier, &wait);
        drop(barrier);
    }
    return status == COT_OK;
}

static void
without_memory(void)
{
    CHECK_EQ(fail_each_allocation(create_and_wait, NULL), 2);
}

enum { ROUNDS = 3000, PARTIES = 4 };

typedef struct {
    cot_barrier *barrier;
    cot_parker parkers[PARTIES];
    atomic_long inside;
} traffic;

static cot_barrier_outcome
wait_through(traffic *own, size_t idx, cot_barrier_wait *wait,
             int64_t deadline_ns)
{
    cot_barrier_outcome outcome;
    cot_status status;
    do {
        status = cot_barrier_wait_on(own->barrier, wait, &own->parkers[idx],
                                     deadline_ns, &outcome);
        if (status == COT_TIMED_OUT) {
            if (!cot_barrier_is_late(own->barrier, wait)) {
                return COT_BARRIER_BROKEN;
            }
            deadline_ns = COT_NEVER;
        }
        if (status == COT_INTERRUPTED) {
            return COT_BARRIER_BROKEN;
        }
    } while (status != COT_OK);
    return outcome;
}

static void
meet_often(void *arg, size_t idx)
{
    traffic *own = arg;
    uint64_t random = test_seed() + idx;
    for (int round = 0; round < ROUNDS; round++) {
        cot_barrier_wait wait = {0};
        atomic_fetch_add(&own->inside, 1);
        cot_barrier_outcome outcome = wait_through(own, idx, &wait, COT_NEVER);
        if (outcome == COT_BARRIER_LAST) {
            // Nobody passes before the last is done.
            CHECK_EQ(atomic_load(&own->inside), PARTIES);
            atomic_store(&own->inside, 0);
            CHECK(cot_barrier_release(own->barrier, &wait, true));
        }
        else {
            CHECK_EQ(outcome, COT_BARRIER_PASSED);
        }
        cot_barrier_end(own->barrier, &wait);
        if (random_below(&random, 8) == 0) {
            cot_thread_yield();
        }
    }
}

static void
all_meet_in_each_round(void)
{
    traffic own = {.barrier = new_barrier(PARTIES)};
    test_threads threads;
    start_threads(&threads, PARTIES, meet_often, &own);
    join_threads(&threads);
    CHECK_EQ(cot_barrier_len(own.barrier), 0);
    CHECK(!cot_barrier_is_broken(own.barrier));
    drop(own.barrier);
}

// Some break it, in each way; whoever finds it broken makes it like new.  No
// wait hangs.
static void
meet_or_not(void *arg, size_t idx)
{
    traffic *own = arg;
    uint64_t random = test_seed() + idx;
    for (int round = 0; round < ROUNDS; round++) {
        cot_barrier_wait wait = {0};
        uint32_t die = random_below(&random, 8);
        int64_t deadline_ns = cot_clock_after(
            die == 0 ? (int64_t)random_below(&random, 20) * COT_US
                     : 5 * COT_MS);
        if (die == 1) {
            cot_parker_interrupt(
                &own->parkers[random_below(&random, PARTIES)]);
        }
        cot_barrier_outcome outcome = wait_through(own, idx, &wait,
                                                   deadline_ns);
        if (outcome == COT_BARRIER_LAST && die != 2) {
            (void)cot_barrier_release(own->barrier, &wait, die != 3);
        }
        cot_barrier_end(own->barrier, &wait);
        cot_parker_calm(&own->parkers[idx]);
        if (cot_barrier_is_broken(own->barrier)) {
            cot_barrier_reset(own->barrier);
        }
    }
}

static void
no_wait_hangs(void)
{
    traffic own = {.barrier = new_barrier(PARTIES)};
    test_threads threads;
    start_threads(&threads, PARTIES, meet_or_not, &own);
    join_threads(&threads);
    CHECK_EQ(cot_barrier_len(own.barrier), 0);
    drop(own.barrier);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(the_last_lets_the_others_go),
        TEST(what_breaks_it),
        TEST(a_reset_while_the_last_is_at_it),
        TEST(late_ones),
        TEST(without_memory),
        TEST(all_meet_in_each_round),
        TEST(no_wait_hangs),
        {0},
    };
    return run_tests(tests, argc, argv);
}
