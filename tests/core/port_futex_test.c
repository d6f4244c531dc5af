#include "port/futex.h"

#include "support/check.h"

static void
a_word_that_differs_is_no_reason_to_sleep(void)
{
    cot_word word = 7;
    CHECK_EQ(cot_futex_wait(&word, 8, COT_NEVER), COT_OK);
    CHECK_EQ(cot_futex_wait(&word, 8, COT_NOW), COT_OK);
}

static void
a_deadline_behind_ends_at_once(void)
{
    cot_word word = 7;
    CHECK_EQ(cot_futex_wait(&word, 7, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_futex_wait(&word, 7, cot_clock_after(-COT_SECOND)),
             COT_TIMED_OUT);
    CHECK_EQ(cot_futex_wait(&word, 7, cot_clock_after(INT64_MIN)),
             COT_TIMED_OUT);
}

static void
timed_out_means_that_the_deadline_passed(void)
{
    cot_word word = 7;
    for (int64_t us = 1; us < 10000; us *= 3) {
        int64_t deadline_ns = cot_clock_after(us * COT_US);
        cot_status status;
        do {
            status = cot_futex_wait(&word, 7, deadline_ns);
        } while (status == COT_OK || status == COT_SIGNALLED);
        CHECK_EQ(status, COT_TIMED_OUT);
        CHECK(cot_clock_ns() >= deadline_ns);
    }
}

static void
waking_nobody_is_harmless(void)
{
    cot_word word = 7;
    cot_futex_wake_one(&word);
    CHECK_EQ(cot_futex_wait(&word, 7, COT_NOW), COT_TIMED_OUT);
}

typedef struct {
    cot_word word;
    atomic_int answer;  // -1: still asleep
} sleeper;

static void
sleep_on_seven(void *arg, size_t idx)
{
    sleeper *self = arg;
    cot_status status = cot_futex_wait(&self->word, 7, COT_NEVER);
    atomic_store(&self->answer, (int)status);
}

// A sleeper cannot be seen from outside, so the waker goes on until it works:
// the word stays as it is, and the wake-up alone must end the sleep.
static void
a_wake_up_ends_the_sleep(void)
{
    sleeper self = {.word = 7, .answer = -1};
    test_threads threads;
    start_threads(&threads, 1, sleep_on_seven, &self);
    WAIT_UNTIL(
        (cot_futex_wake_one(&self.word), atomic_load(&self.answer) != -1));
    join_threads(&threads);
    // A wake-up; where signals are found by a look now and then, a look.
    int answer = atomic_load(&self.answer);
    CHECK(answer == COT_OK || answer == COT_SIGNALLED);
}

static void
a_signal_ends_the_sleep(void)
{
    sleeper self = {.word = 7, .answer = -1};
    test_threads threads;
    start_threads(&threads, 1, sleep_on_seven, &self);
    WAIT_UNTIL(
        (send_signal(threads.all[0].thread), atomic_load(&self.answer) != -1));
    join_threads(&threads);
    CHECK_EQ(atomic_load(&self.answer), COT_SIGNALLED);
}

#define SLEEPERS 4

typedef struct {
    cot_word word;
    atomic_int woken;
} gate;

static void
sleep_at_gate(void *arg, size_t idx)
{
    gate *shut = arg;
    while (atomic_load(&shut->word) == 0) {
        cot_status status = cot_futex_wait(&shut->word, 0, COT_NEVER);
        CHECK(status == COT_OK || status == COT_SIGNALLED);
    }
    atomic_fetch_add(&shut->woken, 1);
}

static void
each_wake_up_wakes_one(void)
{
    for (int round = 0; round < 100; round++) {
        gate shut = {0};
        test_threads threads;
        start_threads(&threads, SLEEPERS, sleep_at_gate, &shut);
        atomic_store(&shut.word, 1);
        for (int i = 0; i < SLEEPERS; i++) {
            cot_futex_wake_one(&shut.word);
        }
        WAIT_UNTIL(atomic_load(&shut.woken) == SLEEPERS);
        join_threads(&threads);
    }
}

#define TURNS 20000

// Two threads take turns; each sleeps for its turn and wakes the other.
static void
take_turns(void *arg, size_t idx)
{
    cot_word *turn = arg;
    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t own = i * 2 + (uint32_t)idx, now;
        while ((now = atomic_load(turn)) != own) {
            cot_status status = cot_futex_wait(turn, now, COT_NEVER);
            CHECK(status == COT_OK || status == COT_SIGNALLED);
        }
        atomic_store(turn, own + 1);
        cot_futex_wake_one(turn);
    }
}

static void
no_wake_up_falls_between_look_and_sleep(void)
{
    cot_word turn = 0;
    test_threads threads;
    start_threads(&threads, 2, take_turns, &turn);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&turn), TURNS * 2);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_word_that_differs_is_no_reason_to_sleep),
        TEST(a_deadline_behind_ends_at_once),
        TEST(timed_out_means_that_the_deadline_passed),
        TEST(waking_nobody_is_harmless),
        TEST(a_wake_up_ends_the_sleep),
        TEST(a_signal_ends_the_sleep),
        TEST(each_wake_up_wakes_one),
        TEST(no_wake_up_falls_between_look_and_sleep),
        {0},
    };
    return run_tests(tests, argc, argv);
}
