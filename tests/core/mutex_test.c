#include "core/mutex.h"

#include "core/home.h"
#include "core/registry.h"
#include "support/check.h"

static cot_mutex *
new_mutex(bool is_recursive)
{
    cot_mutex *mutex = cot_mutex_create(is_recursive);
    CHECK(mutex != NULL);
    return mutex;
}

static void
drop(cot_mutex *mutex)
{
    cot_object_unref(cot_mutex_object(mutex));
}

static cot_status
acquire(cot_mutex *mutex, uint64_t owner, int64_t deadline_ns)
{
    cot_parker parker = {0};
    return cot_mutex_acquire(mutex, cot_owner_here(owner), &parker,
                             deadline_ns);
}

static void
acquire_and_release(void)
{
    cot_mutex *mutex = new_mutex(false);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_NOT_OWNER);
    CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OK);
    CHECK(cot_mutex_is_locked(mutex));
    CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(acquire(mutex, 2, cot_clock_after(COT_MS)), COT_TIMED_OUT);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(2)), COT_OK);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(2)), COT_NOT_OWNER);
    CHECK_EQ(acquire(mutex, 2, COT_NOW), COT_OK);
    drop(mutex);
}

static void
a_recursive_one(void)
{
    size_t depth;
    cot_mutex *mutex = new_mutex(true);
    CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OK);
    CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OK);
    CHECK_EQ(cot_mutex_depth(mutex), 2);
    CHECK_EQ(acquire(mutex, 2, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(2)), COT_NOT_OWNER);
    CHECK_EQ(cot_mutex_release_all(mutex, cot_owner_here(1), &depth), COT_OK);
    CHECK_EQ(depth, 2);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_NOT_OWNER);
    CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OK);
    cot_mutex_set_depth(mutex, depth);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_OK);
    CHECK(cot_mutex_is_locked(mutex));
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_OK);
    CHECK(!cot_mutex_is_locked(mutex));
    drop(mutex);
}

static void
an_owner_ends(void)
{
    for (int kind = 0; kind < 2; kind++) {
        cot_home *home = cot_home_create();
        CHECK(home != NULL);
        cot_mutex *mutex = new_mutex(kind);
        cot_mutex *free_one = new_mutex(kind);
        CHECK_EQ(acquire(mutex, cot_home_id(home), COT_NOW), COT_OK);
        cot_registry_interpreter_ended(home);
        cot_home_unref(home);
        CHECK(cot_mutex_is_locked(mutex));
        CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_NOT_OWNER);
        CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OWNER_DIED);
        CHECK(!cot_mutex_is_locked(mutex));
        CHECK_EQ(acquire(mutex, 1, COT_NOW), COT_OK);
        CHECK_EQ(acquire(free_one, 1, COT_NOW), COT_OK);
        drop(mutex);
        drop(free_one);
    }
}

typedef struct {
    cot_mutex *mutex;
    cot_parker parkers[4];
    atomic_int died;
    atomic_int held;
} mourning;

static void
wait_for_the_dead(void *arg, size_t idx)
{
    mourning *all = arg;
    cot_status status;
    do {
        status = cot_mutex_acquire(all->mutex, cot_owner_here(idx + 1),
                                   &all->parkers[idx], COT_NEVER);
    } while (status == COT_SIGNALLED);
    if (status == COT_OWNER_DIED) {
        atomic_fetch_add(&all->died, 1);
        return;
    }
    CHECK_EQ(status, COT_OK);
    atomic_fetch_add(&all->held, 1);
    CHECK_EQ(cot_mutex_release(all->mutex, cot_owner_here(idx + 1)), COT_OK);
}

static void
one_of_those_who_wait_hears_of_it(void)
{
    cot_home *home = cot_home_create();
    CHECK(home != NULL);
    mourning all = {.mutex = new_mutex(false)};
    CHECK_EQ(acquire(all.mutex, cot_home_id(home), COT_NOW), COT_OK);
    test_threads threads;
    start_threads(&threads, 4, wait_for_the_dead, &all);
    for (size_t i = 0; i < 4; i++) {
        WAIT_UNTIL(is_asleep(&all.parkers[i]));
    }
    cot_registry_interpreter_ended(home);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&all.died), 1);
    CHECK_EQ(atomic_load(&all.held), 3);
    CHECK(!cot_mutex_is_locked(all.mutex));
    cot_home_unref(home);
    drop(all.mutex);
}

typedef struct {
    cot_mutex *mutex;
    long count;  // guarded by it
    cot_parker parkers[THREADS_MAX];
} tally;

enum { ROUNDS = 20000, COUNTERS = 4 };

// Some attempts end by time, some by an interrupt, as they like.
static bool
try_somehow(tally *own, size_t idx, uint64_t *random)
{
    cot_parker *parker = &own->parkers[idx];
    int64_t deadline_ns = COT_NEVER;
    uint32_t die = random_below(random, 8);
    if (die == 0) {
        deadline_ns = cot_clock_after(random_below(random, 30) * COT_US);
    }
    else if (die == 1) {
        cot_parker_interrupt(&own->parkers[random_below(random, COUNTERS)]);
    }
    cot_status status = cot_mutex_acquire(own->mutex, cot_owner_here(idx + 1),
                                          parker, deadline_ns);
    cot_parker_calm(parker);
    return status == COT_OK;
}

static void
count_up(void *arg, size_t idx)
{
    tally *own = arg;
    uint64_t random = test_seed() + idx;
    for (int done = 0; done < ROUNDS;) {
        if (try_somehow(own, idx, &random)) {
            own->count++;
            done++;
            CHECK_EQ(cot_mutex_release(own->mutex, cot_owner_here(idx + 1)),
                     COT_OK);
        }
    }
}

static void
nobody_is_inside_at_once_and_nobody_is_forgotten(void)
{
    for (int kind = 0; kind < 2; kind++) {
        tally own = {.mutex = new_mutex(kind)};
        test_threads threads;
        start_threads(&threads, COUNTERS, count_up, &own);
        join_threads(&threads);
        CHECK_EQ(own.count, (long)ROUNDS * COUNTERS);
        CHECK(!cot_mutex_is_locked(own.mutex));
        drop(own.mutex);
    }
}

typedef struct {
    cot_mutex *mutex;
    atomic_bool has_had_it;
} greed;

static void
hog_or_wait(void *arg, size_t idx)
{
    greed *both = arg;
    if (idx == 0) {
        // Lets go for an instant only, until the other one has had it.
        while (!atomic_load(&both->has_had_it)) {
            CHECK_EQ(acquire(both->mutex, 1, COT_NEVER), COT_OK);
            int64_t until_ns = cot_clock_after(50 * COT_US);
            while (cot_clock_ns() < until_ns) {
            }
            CHECK_EQ(cot_mutex_release(both->mutex, cot_owner_here(1)),
                     COT_OK);
        }
        return;
    }
    CHECK_EQ(acquire(both->mutex, 2, COT_NEVER), COT_OK);
    atomic_store(&both->has_had_it, true);
    CHECK_EQ(cot_mutex_release(both->mutex, cot_owner_here(2)), COT_OK);
}

static void
who_waits_gets_it_from_one_who_is_faster(void)
{
    greed both = {.mutex = new_mutex(false)};
    test_threads threads;
    start_threads(&threads, 2, hog_or_wait, &both);
    join_threads(&threads);
    CHECK(!cot_mutex_is_locked(both.mutex));
    drop(both.mutex);
}

static void
its_holder_is_known(void)
{
    cot_owner owner;
    for (int is_recursive = 0; is_recursive < 2; is_recursive++) {
        cot_mutex *mutex = cot_mutex_create(is_recursive);
        CHECK(!cot_mutex_holder(mutex, &owner));
        cot_status status = cot_mutex_acquire(mutex, cot_owner_here(5), NULL,
                                              COT_NOW);
        CHECK_EQ(status, COT_OK);
        CHECK(cot_mutex_holder(mutex, &owner));
        CHECK_EQ(owner.home, 5);
        CHECK_EQ(owner.actor, is_recursive ? cot_thread_self() : 0);
        CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(5)), COT_OK);
        CHECK(!cot_mutex_holder(mutex, &owner));
        drop(mutex);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(acquire_and_release),
        TEST(a_recursive_one),
        TEST(an_owner_ends),
        TEST(one_of_those_who_wait_hears_of_it),
        TEST(nobody_is_inside_at_once_and_nobody_is_forgotten),
        TEST(who_waits_gets_it_from_one_who_is_faster),
        TEST(its_holder_is_known),
        {0},
    };
    return run_tests(tests, argc, argv);
}
