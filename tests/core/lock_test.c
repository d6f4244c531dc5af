#include "core/lock.h"

#include "port/thread.h"
#include "support/check.h"

#define THREADS 4
#define ROUNDS 5000
#define HELD_WITH_SLEEPERS 2

static void
zeroed_memory_is_unlocked(void)
{
    cot_lock lock = {0};
    for (int i = 0; i < 3; i++) {
        cot_lock_acquire(&lock);
        CHECK_EQ(atomic_load(&lock.word), 1);
        cot_lock_release(&lock);
        CHECK_EQ(atomic_load(&lock.word), 0);
    }
}

typedef struct {
    cot_lock lock;
    long counter;  // under the lock
} counted;

static void
count_up(void *arg, size_t idx)
{
    counted *shared = arg;
    for (int i = 0; i < ROUNDS; i++) {
        cot_lock_acquire(&shared->lock);
        shared->counter++;
        if (i % 64 == 0) {
            cot_thread_yield();  // the others pile up
        }
        cot_lock_release(&shared->lock);
    }
}

static void
one_thread_holds_it(void)
{
    counted shared = {0};
    test_threads threads;
    start_threads(&threads, THREADS, count_up, &shared);
    join_threads(&threads);
    CHECK_EQ(shared.counter, (long)THREADS * ROUNDS);
    CHECK_EQ(atomic_load(&shared.lock.word), 0);
}

static void
count_once(void *arg, size_t idx)
{
    counted *shared = arg;
    cot_lock_acquire(&shared->lock);
    shared->counter++;
    cot_lock_release(&shared->lock);
}

static void
who_sleeps_for_it_is_woken(void)
{
    for (int round = 0; round < 50; round++) {
        counted shared = {0};
        test_threads threads;
        cot_lock_acquire(&shared.lock);
        start_threads(&threads, THREADS, count_once, &shared);
        WAIT_UNTIL(atomic_load(&shared.lock.word) == HELD_WITH_SLEEPERS);
        CHECK_EQ(shared.counter, 0);
        cot_lock_release(&shared.lock);
        join_threads(&threads);
        CHECK_EQ(shared.counter, THREADS);
    }
}

static void
a_signal_does_not_open_it(void)
{
    counted shared = {0};
    test_threads threads;
    cot_lock_acquire(&shared.lock);
    start_threads(&threads, 1, count_once, &shared);
    WAIT_UNTIL(atomic_load(&shared.lock.word) == HELD_WITH_SLEEPERS);
    for (int i = 0; i < 100; i++) {
        send_signal(threads.all[0].thread);
        cot_thread_yield();
        CHECK_EQ(shared.counter, 0);
    }
    cot_lock_release(&shared.lock);
    join_threads(&threads);
    CHECK_EQ(shared.counter, 1);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(zeroed_memory_is_unlocked),
        TEST(one_thread_holds_it),
        TEST(who_sleeps_for_it_is_woken),
        TEST(a_signal_does_not_open_it),
        {0},
    };
    return run_tests(tests, argc, argv);
}
