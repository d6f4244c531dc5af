#include "core/rwlock.h"

#include "core/home.h"
#include "core/registry.h"
#include "support/check.h"

static cot_rwlock *
new_lock(void)
{
    cot_rwlock *lock = cot_rwlock_create();
    CHECK(lock != NULL);
    return lock;
}

static void
drop(cot_rwlock *lock)
{
    cot_object_unref(cot_rwlock_object(lock));
}

static cot_status
acquire(cot_rwlock *lock, cot_rwlock_side side, uint64_t home,
        int64_t deadline_ns)
{
    cot_parker parker = {0};
    cot_rwlock_wait wait = {.side = side};
    cot_status status = cot_rwlock_acquire(lock, &wait, cot_owner_here(home),
                                           &parker, deadline_ns);
    cot_rwlock_end(lock, &wait);
    return status;
}

static void
readers_or_a_writer(void)
{
    cot_rwlock *lock = new_lock();
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)),
             COT_NOT_OWNER);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, cot_owner_here(1)),
             COT_NOT_OWNER);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_OK);
    CHECK_EQ(acquire(lock, COT_READ, 2, COT_NOW), COT_OK);
    CHECK_EQ(acquire(lock, COT_READ, 2, COT_NOW), COT_OK);
    CHECK_EQ(cot_rwlock_readers(lock), 3);
    CHECK_EQ(acquire(lock, COT_WRITE, 1, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(acquire(lock, COT_WRITE, 1, cot_clock_after(COT_MS)),
             COT_TIMED_OUT);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)), COT_OK);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)),
             COT_NOT_OWNER);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(2)), COT_OK);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(2)), COT_OK);
    CHECK_EQ(acquire(lock, COT_WRITE, 1, COT_NOW), COT_OK);
    CHECK(cot_rwlock_is_written_by(lock, cot_owner_here(1)));
    // Somebody else there; and the same one elsewhere.
    CHECK(!cot_rwlock_is_written_by(lock, (cot_owner){1, 3}));
    CHECK(cot_rwlock_is_written_by(lock, cot_owner_here(2)));
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, (cot_owner){1, 3}),
             COT_NOT_OWNER);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(acquire(lock, COT_WRITE, 2, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, cot_owner_here(2)),
             COT_NOT_OWNER);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)),
             COT_NOT_OWNER);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, cot_owner_here(1)), COT_OK);
    CHECK(!cot_rwlock_is_written_by(lock, cot_owner_here(1)));
    CHECK_EQ(acquire(lock, COT_READ, 2, COT_NOW), COT_OK);
    drop(lock);
}

static void
who_holds_it(void)
{
    cot_rwlock *lock = new_lock();
    cot_owner owner;
    CHECK(!cot_rwlock_holder(lock, &owner));
    CHECK_EQ(acquire(lock, COT_READ, 2, COT_NOW), COT_OK);
    CHECK(cot_rwlock_holder(lock, &owner));
    CHECK_EQ(owner.home, 2);
    CHECK_EQ(owner.actor, 0);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_OK);
    CHECK(!cot_rwlock_holder(lock, &owner));
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(2)), COT_OK);
    CHECK(cot_rwlock_holder(lock, &owner));
    CHECK_EQ(owner.home, 1);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)), COT_OK);
    CHECK_EQ(acquire(lock, COT_WRITE, 3, COT_NOW), COT_OK);
    CHECK(cot_rwlock_holder(lock, &owner));
    CHECK_EQ(owner.home, 3);
    CHECK_EQ(owner.actor, cot_owner_here(3).actor);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, owner), COT_OK);
    CHECK(!cot_rwlock_holder(lock, &owner));
    drop(lock);
}

static cot_status
begin(cot_rwlock *lock, cot_rwlock_wait *wait, uint64_t home)
{
    cot_parker parker = {0};
    // Time is up at once, but it has begun.
    return cot_rwlock_acquire(lock, wait, cot_owner_here(home), &parker,
                              COT_NOW + 1);
}

static void
who_goes_before_whom(void)
{
    cot_rwlock *lock = new_lock();
    cot_rwlock_wait writer = {.side = COT_WRITE};
    cot_rwlock_wait readers[3] = {0};
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_OK);
    CHECK_EQ(begin(lock, &writer, 1), COT_TIMED_OUT);
    // Behind the writer, also between its attempts.
    CHECK_EQ(begin(lock, &readers[0], 1), COT_TIMED_OUT);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)), COT_OK);
    CHECK_EQ(begin(lock, &readers[0], 1), COT_TIMED_OUT);
    CHECK_EQ(begin(lock, &writer, 1), COT_OK);
    CHECK_EQ(begin(lock, &readers[1], 1), COT_TIMED_OUT);

    // After a writer those who waited, before the next one.
    cot_rwlock_wait next = {.side = COT_WRITE};
    CHECK_EQ(begin(lock, &next, 2), COT_TIMED_OUT);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, cot_owner_here(1)), COT_OK);
    CHECK_EQ(begin(lock, &next, 2), COT_TIMED_OUT);
    CHECK_EQ(begin(lock, &readers[2], 1), COT_TIMED_OUT);
    CHECK_EQ(begin(lock, &readers[0], 1), COT_OK);
    CHECK_EQ(cot_rwlock_release(lock, COT_READ, cot_owner_here(1)), COT_OK);
    CHECK_EQ(begin(lock, &next, 2), COT_TIMED_OUT);
    // One of them gives up: the last that the writer waited for.
    cot_rwlock_end(lock, &readers[1]);
    CHECK_EQ(begin(lock, &next, 2), COT_OK);
    CHECK_EQ(cot_rwlock_release(lock, COT_WRITE, cot_owner_here(2)), COT_OK);
    CHECK_EQ(begin(lock, &readers[2], 1), COT_OK);
    drop(lock);
}

static void
a_writer_that_gives_up_lets_readers_in(void)
{
    cot_rwlock *lock = new_lock();
    cot_rwlock_wait writer = {.side = COT_WRITE};
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_OK);
    CHECK_EQ(begin(lock, &writer, 1), COT_TIMED_OUT);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_TIMED_OUT);
    cot_rwlock_end(lock, &writer);
    CHECK_EQ(acquire(lock, COT_READ, 1, COT_NOW), COT_OK);
    drop(lock);
}

static void
an_interpreter_ends(void)
{
    for (int side = COT_READ; side <= COT_WRITE; side++) {
        cot_home *home = cot_home_create();
        CHECK(home != NULL);
        cot_rwlock *read = new_lock();
        cot_rwlock *written = new_lock();
        uint64_t owner = cot_home_id(home);
        CHECK_EQ(acquire(read, COT_READ, owner, COT_NOW), COT_OK);
        CHECK_EQ(acquire(read, COT_READ, owner, COT_NOW), COT_OK);
        CHECK_EQ(acquire(written, COT_WRITE, owner, COT_NOW), COT_OK);
        cot_registry_interpreter_ended(home);
        cot_home_unref(home);
        CHECK_EQ(cot_rwlock_readers(read), 0);
        CHECK_EQ(acquire(read, COT_WRITE, 1, COT_NOW), COT_OK);
        CHECK_EQ(cot_rwlock_release(written, COT_WRITE, cot_owner_here(owner)),
                 COT_NOT_OWNER);
        CHECK_EQ(acquire(written, side, 1, COT_NOW), COT_OWNER_DIED);
        CHECK_EQ(acquire(written, side, 1, COT_NOW), COT_OK);
        drop(read);
        drop(written);
    }
}

typedef struct {
    cot_rwlock *lock;
    cot_parker parkers[6];
    atomic_int died;
    atomic_int held;
} mourning;

static void
wait_for_the_dead(void *arg, size_t idx)
{
    mourning *all = arg;
    cot_rwlock_wait wait = {.side = idx % 2 ? COT_READ : COT_WRITE};
    cot_status status;
    do {
        status = cot_rwlock_acquire(all->lock, &wait, cot_owner_here(1),
                                    &all->parkers[idx], COT_NEVER);
    } while (status == COT_SIGNALLED);
    cot_rwlock_end(all->lock, &wait);
    if (status == COT_OWNER_DIED) {
        atomic_fetch_add(&all->died, 1);
        return;
    }
    CHECK_EQ(status, COT_OK);
    atomic_fetch_add(&all->held, 1);
    CHECK_EQ(cot_rwlock_release(all->lock, wait.side, cot_owner_here(1)),
             COT_OK);
}

static void
one_of_those_who_wait_hears_of_it(void)
{
    cot_home *home = cot_home_create();
    CHECK(home != NULL);
    mourning all = {.lock = new_lock()};
    CHECK_EQ(acquire(all.lock, COT_WRITE, cot_home_id(home), COT_NOW), COT_OK);
    test_threads threads;
    start_threads(&threads, 6, wait_for_the_dead, &all);
    for (size_t i = 0; i < 6; i++) {
        WAIT_UNTIL(is_asleep(&all.parkers[i]));
    }
    cot_registry_interpreter_ended(home);
    cot_home_unref(home);
    join_threads(&threads);
    CHECK_EQ(all.died, 1);
    CHECK_EQ(all.held, 5);
    drop(all.lock);
}

typedef struct {
    cot_rwlock *lock;
    cot_rwlock_side side;
    cot_parker parker;
} sleeper;

static void
acquire_and_release(void *arg, size_t idx)
{
    sleeper *own = arg;
    cot_rwlock_wait wait = {.side = own->side};
    cot_status status;
    do {
        status = cot_rwlock_acquire(own->lock, &wait, cot_owner_here(idx + 2),
                                    &own->parker, COT_NEVER);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
    cot_rwlock_end(own->lock, &wait);
    CHECK_EQ(cot_rwlock_release(own->lock, own->side, cot_owner_here(idx + 2)),
             COT_OK);
}

// A reader sleeps since a writer waits, or a writer since a reader goes first.
static void
who_gives_up_wakes_those_behind(void)
{
    for (int side = COT_READ; side <= COT_WRITE; side++) {
        cot_rwlock_side other = side == COT_READ ? COT_WRITE : COT_READ;
        sleeper own = {.lock = new_lock(), .side = side};
        cot_rwlock_wait first = {.side = other};
        test_threads threads;
        CHECK_EQ(acquire(own.lock, side, 1, COT_NOW), COT_OK);
        CHECK_EQ(begin(own.lock, &first, 1), COT_TIMED_OUT);
        if (side == COT_WRITE) {
            CHECK_EQ(cot_rwlock_release(own.lock, side, cot_owner_here(1)),
                     COT_OK);
        }
        start_threads(&threads, 1, acquire_and_release, &own);
        WAIT_UNTIL(is_asleep(&own.parker));
        cot_rwlock_end(own.lock, &first);
        join_threads(&threads);
        drop(own.lock);
    }
}

static bool
create_and_read(void *arg)
{
    (void)arg;
    cot_rwlock *lock = cot_rwlock_create();
    if (lock == NULL) {
        return false;
    }
    cot_status status = acquire(lock, COT_READ, 1, COT_NOW);
    CHECK(status == COT_OK || status == COT_NO_MEMORY);
    CHECK_EQ(cot_rwlock_readers(lock), status == COT_OK);
    drop(lock);
    return status == COT_OK;
}

static void
without_memory(void)
{
    CHECK_EQ(fail_each_allocation(create_and_read, NULL), 2);
}

enum { ROUNDS = 4000, SIDE = 3 };

typedef struct {
    cot_rwlock *lock;
    cot_parker parkers[2 * SIDE];
    atomic_int inside[2];
    long writes;  // under the lock
} traffic;

// Some waits end by time, some by an interrupt, as they like.
static bool
try_somehow(traffic *own, cot_rwlock_side side, size_t idx, uint64_t *random)
{
    int64_t deadline_ns = COT_NEVER;
    cot_rwlock_wait wait = {.side = side};
    uint32_t die = random_below(random, 8);
    if (die == 0) {
        deadline_ns = cot_clock_after(random_below(random, 30) * COT_US);
    }
    else if (die == 1) {
        cot_parker_interrupt(&own->parkers[random_below(random, 2 * SIDE)]);
    }
    cot_status status = cot_rwlock_acquire(own->lock, &wait,
                                           cot_owner_here(idx + 1),
                                           &own->parkers[idx], deadline_ns);
    cot_rwlock_end(own->lock, &wait);
    cot_parker_calm(&own->parkers[idx]);
    return status == COT_OK;
}

static void
read_or_write(void *arg, size_t idx)
{
    traffic *own = arg;
    uint64_t random = test_seed() + idx;
    for (int done = 0; done < ROUNDS;) {
        cot_rwlock_side side = random_below(&random, SIDE) < idx ? COT_READ
                                                                 : COT_WRITE;
        if (!try_somehow(own, side, idx, &random)) {
            continue;
        }
        atomic_fetch_add(&own->inside[side], 1);
        CHECK_EQ(atomic_load(&own->inside[COT_WRITE]), side == COT_WRITE);
        CHECK(side == COT_READ || atomic_load(&own->inside[COT_READ]) == 0);
        if (side == COT_WRITE) {
            own->writes++;
        }
        atomic_fetch_sub(&own->inside[side], 1);
        CHECK_EQ(cot_rwlock_release(own->lock, side, cot_owner_here(idx + 1)),
                 COT_OK);
        done++;
    }
}

static void
no_wake_up_is_lost(void)
{
    traffic own = {.lock = new_lock()};
    test_threads threads;
    start_threads(&threads, 2 * SIDE, read_or_write, &own);
    join_threads(&threads);
    CHECK(own.writes > 0);
    CHECK_EQ(cot_rwlock_readers(own.lock), 0);
    CHECK_EQ(acquire(own.lock, COT_WRITE, 1, COT_NOW), COT_OK);
    drop(own.lock);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(readers_or_a_writer),
        TEST(who_holds_it),
        TEST(who_goes_before_whom),
        TEST(a_writer_that_gives_up_lets_readers_in),
        TEST(an_interpreter_ends),
        TEST(one_of_those_who_wait_hears_of_it),
        TEST(who_gives_up_wakes_those_behind),
        TEST(without_memory),
        TEST(no_wake_up_is_lost),
        {0},
    };
    return run_tests(tests, argc, argv);
}
