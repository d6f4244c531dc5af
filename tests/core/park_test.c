#include "core/park.h"

#include "port/thread.h"
#include "support/check.h"

// ---- one parker ----------------------------------------------------------

static void
an_unpark_before_the_park_counts(void)
{
    cot_parker parker = {0};
    cot_unpark(&parker);
    CHECK_EQ(cot_park(&parker, COT_NEVER), COT_OK);
    CHECK_EQ(cot_park(&parker, COT_NOW), COT_TIMED_OUT);
}

static void
two_unparks_are_one(void)
{
    cot_parker parker = {0};
    cot_unpark(&parker);
    cot_unpark(&parker);
    CHECK_EQ(cot_park(&parker, COT_NOW), COT_OK);
    CHECK_EQ(cot_park(&parker, COT_NOW), COT_TIMED_OUT);
}

static void
a_deadline_ends_the_park(void)
{
    cot_parker parker = {0};
    for (int64_t us = 1; us < 5000; us *= 4) {
        int64_t deadline_ns = cot_clock_after(us * COT_US);
        cot_status status;
        while ((status = cot_park(&parker, deadline_ns)) == COT_SIGNALLED) {
        }
        CHECK_EQ(status, COT_TIMED_OUT);
        CHECK(cot_clock_ns() >= deadline_ns);
    }
    CHECK_EQ(atomic_load(&parker.word), 0);
}

static void
an_interrupt_stays_until_calmed(void)
{
    cot_parker parker = {0};
    CHECK(!cot_parker_calm(&parker));
    cot_parker_interrupt(&parker);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_park(&parker, COT_NEVER), COT_INTERRUPTED);
    CHECK_EQ(cot_park(&parker, COT_NOW), COT_INTERRUPTED);
    CHECK(cot_parker_calm(&parker));
    CHECK(!cot_parker_calm(&parker));
    CHECK_EQ(cot_park(&parker, COT_NOW), COT_TIMED_OUT);
}

static void
an_unpark_comes_before_an_interrupt(void)
{
    cot_parker parker = {0};
    cot_parker_interrupt(&parker);
    cot_unpark(&parker);
    CHECK_EQ(cot_park(&parker, COT_NEVER), COT_OK);
    CHECK_EQ(cot_park(&parker, COT_NEVER), COT_INTERRUPTED);
}

typedef struct {
    cot_parker parker;
    int letter;  // published by the unpark or the interrupt
    atomic_int answer;
    atomic_bool has_ended;
} post;

static void
await_post(void *arg, size_t idx)
{
    post *own = arg;
    cot_status status = cot_park(&own->parker, COT_NEVER);
    CHECK(status == COT_SIGNALLED || own->letter == 42);
    atomic_store(&own->answer, (int)status);
    atomic_store(&own->has_ended, true);
}

// Where the futex is a table, a long sleep answers COT_SIGNALLED now and then.
static void
wake_sleeper(void (*wake)(cot_parker *), cot_status expected)
{
    for (;;) {
        post own = {0};
        test_threads threads;
        start_threads(&threads, 1, await_post, &own);
        WAIT_UNTIL(is_asleep(&own.parker) || atomic_load(&own.has_ended));
        own.letter = 42;
        wake(&own.parker);
        join_threads(&threads);
        if (atomic_load(&own.answer) != COT_SIGNALLED) {
            CHECK_EQ(atomic_load(&own.answer), expected);
            return;
        }
    }
}

static void
an_unpark_wakes_the_sleeper(void)
{
    wake_sleeper(cot_unpark, COT_OK);
}

static void
an_interrupt_wakes_the_sleeper(void)
{
    wake_sleeper(cot_parker_interrupt, COT_INTERRUPTED);
}

// Before it sleeps, too, a parker's owner sees what was written before.
static void
a_letter_comes_with_its_post(void)
{
    for (int round = 0; round < 200; round++) {
        post own = {0};
        test_threads threads;
        start_threads(&threads, 1, await_post, &own);
        own.letter = 42;
        (round % 2 ? cot_unpark : cot_parker_interrupt)(&own.parker);
        join_threads(&threads);
    }
}

static void
a_signal_ends_the_park(void)
{
    post own = {0};
    test_threads threads;
    start_threads(&threads, 1, await_post, &own);
    WAIT_UNTIL(is_asleep(&own.parker));
    WAIT_UNTIL(
        (send_signal(threads.all[0].thread), atomic_load(&own.has_ended)));
    join_threads(&threads);
    CHECK_EQ(atomic_load(&own.answer), COT_SIGNALLED);
    CHECK_EQ(atomic_load(&own.parker.word), 0);
}

#define TURNS 10000

typedef struct {
    cot_parker parkers[2];
    uint64_t seed;
    long turns;  // belongs to whose turn it is
} match;

static void
pause_randomly(uint64_t *random)
{
    // Around the span that a park spins for, so that some sleep, some do not,
    // and some are just lying down.
    int64_t until_ns = cot_clock_after(random_below(random, 40) * COT_US);
    while (random_below(random, 4) == 0 && cot_clock_ns() < until_ns) {
        cot_cpu_pause();
    }
}

static void
play(void *arg, size_t idx)
{
    match *both = arg;
    uint64_t random = both->seed + idx;
    for (int i = 0; i < TURNS; i++) {
        cot_status status;
        while ((status = cot_park(&both->parkers[idx], COT_NEVER)) != COT_OK) {
            CHECK_EQ(status, COT_SIGNALLED);
        }
        both->turns++;
        pause_randomly(&random);
        cot_unpark(&both->parkers[!idx]);
    }
}

static void
no_unpark_is_lost(void)
{
    match both = {.seed = test_seed()};
    test_threads threads;
    start_threads(&threads, 2, play, &both);
    cot_unpark(&both.parkers[0]);
    join_threads(&threads);
    CHECK_EQ(both.turns, TURNS * 2);
    CHECK_EQ(cot_park(&both.parkers[0], COT_NOW), COT_OK);
}

// ---- lists of waiters ----------------------------------------------------

typedef struct {
    cot_lock lock;
    cot_waitlist list;  // under the lock
} place;

typedef struct {
    place *where;
    cot_parker parker;
    int64_t deadline_ns;
    atomic_int answer;
    atomic_bool has_ended;
    test_threads thread;
} guest;

static void
wait_as_guest(void *arg, size_t idx)
{
    guest *self = arg;
    cot_status status;
    cot_lock_acquire(&self->where->lock);
    do {
        status = cot_wait_locked(&self->where->list, &self->where->lock,
                                 &self->parker, self->deadline_ns);
    } while (status == COT_SIGNALLED);
    cot_lock_release(&self->where->lock);
    atomic_store(&self->answer, (int)status);
    atomic_store(&self->has_ended, true);
}

static void
let_wait(guest *self, place *where, int64_t deadline_ns)
{
    *self = (guest){.where = where, .deadline_ns = deadline_ns};
    start_threads(&self->thread, 1, wait_as_guest, self);
    WAIT_UNTIL(is_asleep(&self->parker));
}

static cot_status
join_guest(guest *self)
{
    join_threads(&self->thread);
    return (cot_status)atomic_load(&self->answer);
}

static cot_parker *
take_first(place *where)
{
    cot_lock_acquire(&where->lock);
    cot_parker *parker = cot_waitlist_pop(&where->list);
    cot_lock_release(&where->lock);
    return parker;
}

static cot_parker *
take_last(place *where)
{
    cot_lock_acquire(&where->lock);
    cot_parker *parker = cot_waitlist_pop_last(&where->list);
    cot_lock_release(&where->lock);
    return parker;
}

static void
zeroed_memory_is_an_empty_list(void)
{
    place where = {0};
    CHECK(cot_waitlist_is_empty(&where.list));
    CHECK(cot_waitlist_pop(&where.list) == NULL);
    CHECK(cot_waitlist_pop_last(&where.list) == NULL);
    cot_waitlist_wake_all(&where.list);
}

static void
a_wait_that_times_out_leaves_the_list(void)
{
    place where = {0};
    cot_parker parker = {0};
    cot_lock_acquire(&where.lock);
    CHECK_EQ(cot_wait_locked(&where.list, &where.lock, &parker, COT_NOW),
             COT_TIMED_OUT);
    CHECK(cot_waitlist_is_empty(&where.list));
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_wait_locked(&where.list, &where.lock, &parker, COT_NEVER),
             COT_INTERRUPTED);
    CHECK(cot_waitlist_is_empty(&where.list));
    CHECK_EQ(atomic_load(&where.lock.word), 1);  // held on return
    cot_lock_release(&where.lock);
}

// The table of the other futex cannot keep a sleeper down: it may stand up in
// between and go to the end of the list.  The order of taking off is as found.
static void
the_list_has_two_ends(void)
{
    place where = {0};
    guest guests[3];
    cot_parker *order[3];
    for (int i = 0; i < 3; i++) {
        let_wait(&guests[i], &where, COT_NEVER);
    }
    cot_lock_acquire(&where.lock);
    int n = 0;
    for (cot_waiter *own = where.list.first; own != NULL; own = own->next) {
        order[n++] = own->parker;
    }
    CHECK_EQ(n, 3);
    CHECK(cot_waitlist_pop(&where.list) == order[0]);
    CHECK(cot_waitlist_pop_last(&where.list) == order[2]);
    CHECK(cot_waitlist_pop(&where.list) == order[1]);
    CHECK(cot_waitlist_is_empty(&where.list));
    cot_lock_release(&where.lock);
    for (int i = 0; i < 3; i++) {
        cot_unpark(order[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(join_guest(&guests[i]), COT_OK);
    }
}

static void
who_gives_up_in_the_middle_leaves_the_others(void)
{
    place where = {0};
    guest guests[3];
    for (int i = 0; i < 3; i++) {
        let_wait(&guests[i], &where, COT_NEVER);
    }
    cot_parker_interrupt(&guests[1].parker);
    CHECK_EQ(join_guest(&guests[1]), COT_INTERRUPTED);
    cot_parker *one = take_first(&where), *other = take_last(&where);
    CHECK(one != other && one != &guests[1].parker
          && other != &guests[1].parker);
    CHECK(take_first(&where) == NULL);
    cot_unpark(one);
    cot_unpark(other);
    CHECK_EQ(join_guest(&guests[0]), COT_OK);
    CHECK_EQ(join_guest(&guests[2]), COT_OK);
}

static void
all_are_woken(void)
{
    place where = {0};
    guest guests[3];
    for (int i = 0; i < 3; i++) {
        let_wait(&guests[i], &where, COT_NEVER);
    }
    cot_lock_acquire(&where.lock);
    cot_waitlist_wake_all(&where.list);
    CHECK(cot_waitlist_is_empty(&where.list));
    cot_lock_release(&where.lock);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(join_guest(&guests[i]), COT_OK);
    }
}

// Whether the guest has stood up, without having been unparked.
static bool
stands_up(guest *self)
{
    return (atomic_load(&self->parker.word) & 4) == 0;
}

// The wake-up that was meant for it comes, late: the guest must wait for it
// and take it, or it is lost, and the waker writes to who knows what.
static void
check_late_unpark(guest *self)
{
    for (int i = 0; i < 100; i++) {
        CHECK(!atomic_load(&self->has_ended));
        cot_thread_yield();
    }
    cot_unpark(&self->parker);
    CHECK_EQ(join_guest(self), COT_OK);
}

static void
a_deadline_that_meets_a_wake_up_is_no_time_out(void)
{
    place where = {0};
    guest self = {0};
    cot_parker *taken;
    do {
        // Started again when the deadline was first.
        if (self.where != NULL) {
            CHECK_EQ(join_guest(&self), COT_TIMED_OUT);
        }
        self = (guest){.where = &where,
                       .deadline_ns = cot_clock_after(5 * COT_MS)};
        start_threads(&self.thread, 1, wait_as_guest, &self);
        WAIT_UNTIL(is_asleep(&self.parker) || atomic_load(&self.has_ended));
    } while ((taken = take_first(&where)) == NULL);
    CHECK(taken == &self.parker);
    WAIT_UNTIL(stands_up(&self));
    check_late_unpark(&self);
    CHECK_EQ(atomic_load(&self.parker.word), 0);
}

static void
an_interrupt_that_meets_a_wake_up_waits(void)
{
    place where = {0};
    guest self;
    cot_parker *taken;
    let_wait(&self, &where, COT_NEVER);
    WAIT_UNTIL((taken = take_first(&where)) != NULL);
    cot_parker_interrupt(&self.parker);
    WAIT_UNTIL(stands_up(&self));
    check_late_unpark(&self);
    CHECK(cot_parker_calm(&self.parker));
    CHECK_EQ(atomic_load(&self.parker.word), 0);
}

static void
a_signal_that_meets_a_wake_up_is_not_seen(void)
{
    place where = {0};
    guest self;
    cot_parker *taken;
    let_wait(&self, &where, COT_NEVER);
    WAIT_UNTIL((taken = take_first(&where)) != NULL);
    WAIT_UNTIL((send_signal(self.thread.all[0].thread), stands_up(&self)));
    check_late_unpark(&self);
    CHECK_EQ(atomic_load(&self.parker.word), 0);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(an_unpark_before_the_park_counts),
        TEST(two_unparks_are_one),
        TEST(a_deadline_ends_the_park),
        TEST(an_interrupt_stays_until_calmed),
        TEST(an_unpark_comes_before_an_interrupt),
        TEST(an_unpark_wakes_the_sleeper),
        TEST(an_interrupt_wakes_the_sleeper),
        TEST(a_letter_comes_with_its_post),
        TEST(a_signal_ends_the_park),
        TEST(no_unpark_is_lost),
        TEST(zeroed_memory_is_an_empty_list),
        TEST(a_wait_that_times_out_leaves_the_list),
        TEST(the_list_has_two_ends),
        TEST(who_gives_up_in_the_middle_leaves_the_others),
        TEST(all_are_woken),
        TEST(a_deadline_that_meets_a_wake_up_is_no_time_out),
        TEST(an_interrupt_that_meets_a_wake_up_waits),
        TEST(a_signal_that_meets_a_wake_up_is_not_seen),
        {0},
    };
    return run_tests(tests, argc, argv);
}
