// Locks, semaphores and conditions between several threads, whose waits end in
// every way at random: by their turn, by time, by an interrupt.  What they guard
// is plain memory, so a race there is ThreadSanitizer's to find; what they hand
// out is counted.  Nobody waits for ever: that would be the test's own end.

#include "core/condition.h"
#include "core/semaphore.h"
#include "port/thread.h"
#include "support/check.h"

enum { THREADS = 8, TURNS = 20000, PERMITS = 3 };

typedef struct {
    cot_mutex *mutex;
    cot_semaphore *semaphore;
    cot_condition *condition;  // of the mutex
    uint64_t seed;
    cot_parker parkers[THREADS];
    atomic_size_t working;    // threads that are not done yet
    atomic_int inside;        // between acquire and release of the semaphore
    long sum, turns, tokens;  // guarded by the mutex: not atomic
} playground;

static void
yield_at_random(uint64_t *random)
{
    if (random_below(random, 4) == 0) {
        cot_thread_yield();
    }
}

static int64_t
random_deadline(uint64_t *random)
{
    switch (random_below(random, 4)) {
        case 0:
            return COT_NOW;
        case 1:
            return cot_clock_after(random_below(random, 40) * COT_US);
        default:
            return COT_NEVER;
    }
}

// Who is interrupted calms down: the next wait is a new one.
static bool
has_got(cot_status status, cot_parker *parker, int64_t deadline_ns)
{
    if (status == COT_INTERRUPTED) {
        cot_parker_calm(parker);
    }
    else if (status == COT_TIMED_OUT) {
        CHECK(deadline_ns != COT_NEVER);
    }
    else {
        CHECK(status == COT_OK || status == COT_SIGNALLED);
    }
    return status == COT_OK;
}

static bool
take(playground *all, size_t idx, int64_t deadline_ns)
{
    cot_parker *parker = &all->parkers[idx];
    return has_got(cot_mutex_acquire(all->mutex, cot_owner_here(idx + 1),
                                     parker, deadline_ns),
                   parker, deadline_ns);
}

static void
take_surely(playground *all, size_t idx)
{
    while (!take(all, idx, COT_NEVER)) {
    }
}

static void
give(playground *all, size_t idx)
{
    CHECK_EQ(cot_mutex_release(all->mutex, cot_owner_here(idx + 1)), COT_OK);
}

static void
play_with_mutex(playground *all, size_t idx, uint64_t *random)
{
    if (take(all, idx, random_deadline(random))) {
        all->sum += (long)idx;
        yield_at_random(random);
        all->sum -= (long)idx;
        all->turns++;
        give(all, idx);
    }
}

static void
play_with_semaphore(playground *all, size_t idx, uint64_t *random)
{
    cot_parker *parker = &all->parkers[idx];
    int64_t deadline_ns = random_deadline(random);
    if (has_got(cot_semaphore_acquire(all->semaphore, parker, deadline_ns),
                parker, deadline_ns)) {
        CHECK(atomic_fetch_add(&all->inside, 1) < PERMITS);
        yield_at_random(random);
        atomic_fetch_sub(&all->inside, 1);
        CHECK_EQ(cot_semaphore_release(all->semaphore, 1), COT_OK);
    }
}

static void
put_token(playground *all, size_t idx)
{
    take_surely(all, idx);
    all->tokens++;
    cot_condition_notify(all->condition, 1);
    give(all, idx);
}

// Waits for a token; gives up when its time is over, or it is interrupted.
static void
get_token(playground *all, size_t idx, uint64_t *random)
{
    cot_parker *parker = &all->parkers[idx];
    int64_t deadline_ns = random_deadline(random);
    bool waits = true;
    take_surely(all, idx);
    while (all->tokens == 0 && waits) {
        cot_condition_wait wait = {0};
        cot_condition_begin(all->condition, &wait);
        give(all, idx);
        waits = has_got(
            cot_condition_wait_on(all->condition, &wait, parker, deadline_ns),
            parker, deadline_ns);
        // One that was notified too late does not give up: it has a token.
        waits |= cot_condition_end(all->condition, &wait);
        take_surely(all, idx);
    }
    if (all->tokens > 0) {
        all->tokens--;
        all->turns++;
    }
    give(all, idx);
}

static void
play(playground *all, size_t idx)
{
    uint64_t random = all->seed + idx;
    for (int turn = 0; turn < TURNS; turn++) {
        yield_at_random(&random);
        switch (random_below(&random, 4)) {
            case 0:
                play_with_mutex(all, idx, &random);
                break;
            case 1:
                play_with_semaphore(all, idx, &random);
                break;
            case 2:
                put_token(all, idx);
                break;
            default:
                get_token(all, idx, &random);
                break;
        }
    }
    atomic_fetch_sub(&all->working, 1);
}

// Interrupts whoever, until all have played: so who is the last, and waits for a
// token that nobody brings any more, comes to an end, too.
static void
disturb(playground *all)
{
    uint64_t random = all->seed + THREADS;
    while (atomic_load(&all->working) > 0) {
        cot_parker_interrupt(&all->parkers[random_below(&random, THREADS)]);
        cot_thread_yield();
    }
}

static void
play_or_disturb(void *arg, size_t idx)
{
    if (idx < THREADS) {
        play(arg, idx);
    }
    else {
        disturb(arg);
    }
}

static void
all_at_once(void)
{
    playground all = {.seed = test_seed(), .working = THREADS};
    test_threads threads;
    all.mutex = cot_mutex_create(false);
    CHECK(all.mutex != NULL);
    all.semaphore = cot_semaphore_create(PERMITS, true);
    CHECK(all.semaphore != NULL);
    all.condition = cot_condition_create(all.mutex);
    CHECK(all.condition != NULL);

    start_threads(&threads, THREADS + 1, play_or_disturb, &all);
    join_threads(&threads);

    CHECK_EQ(all.sum, 0);
    CHECK(all.turns > 0);
    CHECK(!cot_mutex_is_locked(all.mutex));
    CHECK_EQ(cot_semaphore_value(all.semaphore), PERMITS);
    CHECK_EQ(cot_condition_len(all.condition), 0);
    cot_object_unref(cot_condition_object(all.condition));
    cot_object_unref(cot_semaphore_object(all.semaphore));
    cot_object_unref(cot_mutex_object(all.mutex));
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(all_at_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
