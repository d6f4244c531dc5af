#include "core/once.h"

#include "core/home.h"
#include "core/registry.h"
#include "support/check.h"

static cot_once *
new_once(void)
{
    cot_once *once = cot_once_create();
    CHECK(once != NULL);
    return once;
}

static void
drop(cot_once *once)
{
    cot_object_unref(cot_once_object(once));
}

static int
enter(cot_once *once, cot_owner owner)
{
    cot_parker parker = {0};
    cot_once_outcome outcome;
    cot_status status;
    do {
        status = cot_once_enter(once, owner, &parker, COT_NEVER, &outcome);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
    return (int)outcome;
}

static void
once_and_not_again(void)
{
    cot_once *once = new_once();
    cot_owner holder;
    CHECK(!cot_once_is_done(once));
    CHECK(!cot_once_holder(once, &holder));
    CHECK_EQ(enter(once, cot_owner_here(1)), COT_ONCE_MINE);
    CHECK(cot_once_is_running(once));
    CHECK(cot_once_holder(once, &holder));
    CHECK_EQ(holder.home, 1);
    CHECK_EQ(holder.actor, cot_owner_here(1).actor);
    CHECK_EQ(enter(once, cot_owner_here(1)), COT_ONCE_INSIDE);
    CHECK_EQ(enter(once, cot_owner_here(2)), COT_ONCE_INSIDE);
    cot_once_fail(once);
    CHECK(!cot_once_is_done(once));
    CHECK_EQ(enter(once, cot_owner_here(1)), COT_ONCE_MINE);
    cot_payload *value = number_payload(7);
    cot_once_finish(once, value);
    CHECK(cot_once_is_done(once));
    CHECK(!cot_once_holder(once, &holder));
    CHECK_EQ(enter(once, cot_owner_here(1)), COT_ONCE_DONE);
    CHECK(cot_once_value(once) == value);
    drop(once);
}

typedef struct {
    cot_once *once;
    cot_home *home;
    cot_parker parkers[4];
    atomic_bool may_go;
    atomic_int runs;
    atomic_int done;
    int failures;
} traffic;

static void
enter_for_another(void *arg, size_t idx)
{
    (void)idx;
    traffic *own = arg;
    CHECK_EQ(enter(own->once, cot_owner_here(cot_home_id(own->home))),
             COT_ONCE_MINE);
    // While this thread lives, no other has its number.
    WAIT_UNTIL(atomic_load(&own->may_go));
}

static void
enter_and_finish(void *arg, size_t idx)
{
    traffic *own = arg;
    cot_once_outcome outcome;
    cot_status status;
    do {
        status = cot_once_enter(own->once, cot_owner_here(1),
                                &own->parkers[idx], COT_NEVER, &outcome);
        if (status == COT_OK && outcome == COT_ONCE_MINE
            && atomic_fetch_add(&own->runs, 1) < own->failures) {
            cot_once_fail(own->once);
            status = COT_SIGNALLED;
        }
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
    if (outcome == COT_ONCE_MINE) {
        cot_once_finish(own->once, NULL);
    }
    else {
        CHECK_EQ(outcome, COT_ONCE_DONE);
    }
    atomic_fetch_add(&own->done, 1);
}

// Somebody is at it, on another thread; then its interpreter ends.
static void
an_interpreter_ends_in_the_middle(void)
{
    traffic own = {.once = new_once(), .home = cot_home_create()};
    cot_home *other = cot_home_create();
    CHECK(own.home != NULL && other != NULL);
    test_threads at_it;
    test_threads threads;
    start_threads(&at_it, 1, enter_for_another, &own);
    WAIT_UNTIL(cot_once_is_running(own.once));
    cot_parker parker = {0};
    cot_once_outcome outcome;
    CHECK_EQ(cot_once_enter(own.once, cot_owner_here(1), &parker, COT_NOW,
                            &outcome),
             COT_TIMED_OUT);
    CHECK_EQ(cot_once_enter(own.once, cot_owner_here(1), &parker,
                            cot_clock_after(COT_MS), &outcome),
             COT_TIMED_OUT);
    start_threads(&threads, 4, enter_and_finish, &own);
    for (size_t i = 0; i < 4; i++) {
        WAIT_UNTIL(is_asleep(&own.parkers[i]));
    }
    cot_registry_interpreter_ended(other);
    CHECK(cot_once_is_running(own.once));
    cot_registry_interpreter_ended(own.home);
    join_threads(&threads);
    atomic_store(&own.may_go, true);
    join_threads(&at_it);
    CHECK_EQ(own.runs, 1);
    CHECK_EQ(own.done, 4);
    cot_home_unref(own.home);
    cot_home_unref(other);
    drop(own.once);
}

static void
after_each_failure_another_tries(void)
{
    for (int round = 0; round < 300; round++) {
        traffic own = {.once = new_once(), .failures = round % 5};
        test_threads threads;
        start_threads(&threads, 4, enter_and_finish, &own);
        join_threads(&threads);
        CHECK_EQ(own.runs, own.failures + 1);
        CHECK_EQ(own.done, 4);
        drop(own.once);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(once_and_not_again),
        TEST(an_interpreter_ends_in_the_middle),
        TEST(after_each_failure_another_tries),
        {0},
    };
    return run_tests(tests, argc, argv);
}
