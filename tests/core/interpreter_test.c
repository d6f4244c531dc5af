#include "core/interpreter.h"

#include "core/runtime.h"
#include "support/check.h"

#define ROUNDS 300

// ---- what the layer above would do ---------------------------------------

static atomic_int orphans;

// Ends it at once.
static void
end_orphan(cot_interpreter *interpreter)
{
    CHECK_EQ(cot_interpreter_get_state(interpreter), COT_INTERPRETER_CLOSING);
    while (cot_interpreter_take_seat(interpreter, true) != NULL) {
    }
    cot_interpreter_stand_up(interpreter);
    cot_interpreter_closed(interpreter);
    atomic_fetch_add(&orphans, 1);
    cot_interpreter_unref(interpreter);
}

static cot_interpreter *
new_interpreter(int64_t id)
{
    cot_interpreter *interpreter = cot_interpreter_create(id, id, NULL,
                                                          end_orphan);
    CHECK(interpreter != NULL);
    return interpreter;
}

static cot_status
try_close(cot_interpreter *interpreter)
{
    cot_parker parker = {0};
    return cot_interpreter_begin_close(interpreter, &parker, COT_NOW);
}

static void
close_it(cot_interpreter *interpreter)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_interpreter_begin_close(interpreter, &parker, COT_NEVER),
             COT_OK);
    cot_interpreter_see_off(interpreter);
    while (cot_interpreter_take_seat(interpreter, true) != NULL) {
    }
    cot_interpreter_stand_up(interpreter);
    cot_interpreter_closed(interpreter);
}

static void
close_and_drop(cot_interpreter *interpreter)
{
    close_it(interpreter);
    cot_interpreter_unref(interpreter);
}

static cot_status
wait_closed(cot_interpreter *interpreter, int64_t deadline_ns)
{
    cot_parker parker = {0};
    return cot_interpreter_wait_closed(interpreter, &parker, deadline_ns);
}

// ---- states --------------------------------------------------------------

static void
one_at_a_time_has_the_claim(void)
{
    cot_interpreter *one = new_interpreter(7);
    CHECK_EQ(cot_interpreter_get_state(one), COT_INTERPRETER_IDLE);
    CHECK(!cot_interpreter_is_mine(one));
    CHECK_EQ(cot_interpreter_begin(one), COT_OK);
    CHECK_EQ(cot_interpreter_get_state(one), COT_INTERPRETER_RUNNING);
    CHECK(cot_interpreter_is_mine(one));
    CHECK_EQ(cot_interpreter_begin(one), COT_AGAIN);
    CHECK_EQ(try_close(one), COT_TIMED_OUT);
    // That somebody has waited for the end changes nothing.
    CHECK_EQ(cot_interpreter_get_state(one), COT_INTERPRETER_RUNNING);
    CHECK_EQ(cot_interpreter_begin(one), COT_AGAIN);
    cot_interpreter_end(one);
    CHECK(!cot_interpreter_is_mine(one));
    CHECK_EQ(cot_interpreter_begin(one), COT_OK);
    cot_interpreter_end(one);

    CHECK_EQ(try_close(one), COT_OK);
    CHECK_EQ(cot_interpreter_get_state(one), COT_INTERPRETER_CLOSING);
    CHECK_EQ(cot_interpreter_begin(one), COT_SHUT_DOWN);
    CHECK_EQ(try_close(one), COT_TIMED_OUT);
    CHECK_EQ(wait_closed(one, COT_NOW), COT_TIMED_OUT);
    cot_interpreter_reopen(one);
    CHECK_EQ(wait_closed(one, COT_NOW), COT_OK);  // not being closed
    CHECK_EQ(cot_interpreter_begin(one), COT_OK);
    cot_interpreter_end(one);

    close_it(one);
    CHECK_EQ(cot_interpreter_get_state(one), COT_INTERPRETER_CLOSED);
    CHECK_EQ(cot_interpreter_begin(one), COT_SHUT_DOWN);
    CHECK_EQ(try_close(one), COT_SHUT_DOWN);
    CHECK_EQ(wait_closed(one, COT_NOW), COT_OK);
    cot_interpreter_unref(one);
}

static bool
create_and_sit(void *arg)
{
    cot_interpreter *one = cot_interpreter_create(1, 1, NULL, end_orphan);
    if (one == NULL) {
        return false;
    }
    bool ok = cot_interpreter_sit(one, arg) == COT_OK;
    close_and_drop(one);
    return ok;
}

static void
fail_allocations(void *arg, size_t idx)
{
    // What this thread keeps its seats by, too.
    CHECK_EQ(fail_each_allocation(create_and_sit, arg), 2);
}

static void
memory_may_run_out(void)
{
    int host;
    test_threads threads;
    start_threads(&threads, 1, fail_allocations, &host);
    join_threads(&threads);
}

typedef struct {
    cot_interpreter *one;
    cot_parker parker;
    _Atomic cot_status status;
    atomic_bool is_over;
} closer;

static void
begin_close(void *arg, size_t idx)
{
    closer *own = arg;
    own->status = cot_interpreter_begin_close(own->one, &own->parker,
                                              COT_NEVER);
    atomic_store(&own->is_over, true);
}

static void
a_close_waits_for_the_end_of_a_run(void)
{
    closer own = {.one = new_interpreter(1)};
    test_threads threads;
    CHECK_EQ(cot_interpreter_begin(own.one), COT_OK);
    start_threads(&threads, 1, begin_close, &own);
    WAIT_UNTIL(is_asleep(&own.parker));
    CHECK(!atomic_load(&own.is_over));
    cot_interpreter_end(own.one);
    join_threads(&threads);
    CHECK_EQ(own.status, COT_OK);
    CHECK_EQ(cot_interpreter_get_state(own.one), COT_INTERPRETER_CLOSING);
    cot_interpreter_closed(own.one);
    cot_interpreter_unref(own.one);
}

static void
a_close_waits_for_another(void)
{
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        closer own = {.one = new_interpreter(1)};
        test_threads threads;
        CHECK_EQ(try_close(own.one), COT_OK);
        start_threads(&threads, 1, begin_close, &own);
        WAIT_UNTIL(is_asleep(&own.parker));
        if (is_closed) {
            cot_interpreter_closed(own.one);
        }
        else {
            cot_interpreter_reopen(own.one);
        }
        join_threads(&threads);
        CHECK_EQ(own.status, is_closed ? COT_SHUT_DOWN : COT_OK);
        if (!is_closed) {
            cot_interpreter_closed(own.one);
        }
        cot_interpreter_unref(own.one);
    }
}

static void
wait_for_closed(void *arg, size_t idx)
{
    closer *own = arg;
    own->status = cot_interpreter_wait_closed(own->one, &own->parker,
                                              COT_NEVER);
}

static void
the_end_of_closing_can_be_waited_for(void)
{
    closer own = {.one = new_interpreter(1)};
    test_threads threads;
    CHECK_EQ(try_close(own.one), COT_OK);
    start_threads(&threads, 1, wait_for_closed, &own);
    WAIT_UNTIL(is_asleep(&own.parker));
    cot_interpreter_closed(own.one);
    join_threads(&threads);
    CHECK_EQ(own.status, COT_OK);
    cot_interpreter_unref(own.one);
}

static void
a_wait_to_close_can_be_interrupted(void)
{
    closer own = {.one = new_interpreter(1)};
    test_threads threads;
    CHECK_EQ(cot_interpreter_begin(own.one), COT_OK);
    start_threads(&threads, 1, begin_close, &own);
    WAIT_UNTIL(is_asleep(&own.parker));
    cot_parker_interrupt(&own.parker);
    join_threads(&threads);
    CHECK_EQ(own.status, COT_INTERRUPTED);
    cot_interpreter_end(own.one);
    CHECK_EQ(cot_interpreter_begin(own.one), COT_OK);
    cot_interpreter_end(own.one);
    close_and_drop(own.one);
}

// ---- claims, by several --------------------------------------------------

typedef struct {
    cot_interpreter *one;
    long inside;  // under the claim, without a lock
    atomic_long runs;
    atomic_int closes;
    atomic_int refusals;
} crowd;

static void
run_until_closed(crowd *all)
{
    for (;;) {
        cot_status status = cot_interpreter_begin(all->one);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK) {
            CHECK(cot_interpreter_is_mine(all->one));
            all->inside++;
            atomic_fetch_add(&all->runs, 1);
            cot_interpreter_open_visits(all->one);
            cot_interpreter_end_visits(all->one);
            cot_interpreter_end(all->one);
            CHECK(!cot_interpreter_is_mine(all->one));
        }
    }
}

static void
close_when_it_has_run(crowd *all)
{
    cot_parker parker = {0};
    WAIT_UNTIL(atomic_load(&all->runs) > 20);
    if (cot_interpreter_begin_close(all->one, &parker, COT_NEVER) == COT_OK) {
        cot_interpreter_see_off(all->one);
        CHECK_EQ(all->inside, atomic_load(&all->runs));
        atomic_fetch_add(&all->closes, 1);
        cot_interpreter_closed(all->one);
    }
    else {
        atomic_fetch_add(&all->refusals, 1);
    }
}

static void
visit_until_closed(crowd *all)
{
    while (cot_interpreter_get_state(all->one) != COT_INTERPRETER_CLOSED) {
        uint64_t run = cot_interpreter_visit(all->one);
        if (run != 0) {
            CHECK(cot_interpreter_get_state(all->one)
                  != COT_INTERPRETER_CLOSED);
            (void)cot_interpreter_is_at(all->one, run);
            cot_interpreter_leave(all->one);
        }
    }
}

static void
take_part(void *arg, size_t idx)
{
    if (idx < 2) {
        run_until_closed(arg);
    }
    else if (idx < 4) {
        close_when_it_has_run(arg);
    }
    else {
        visit_until_closed(arg);
    }
}

static void
runs_visits_and_closes_meet(void)
{
    for (int round = 0; round < ROUNDS / 10; round++) {
        crowd all = {.one = new_interpreter(round)};
        test_threads threads;
        start_threads(&threads, 5, take_part, &all);
        join_threads(&threads);
        CHECK_EQ(atomic_load(&all.closes), 1);
        CHECK_EQ(atomic_load(&all.refusals), 1);
        cot_interpreter_unref(all.one);
    }
}

// ---- visits --------------------------------------------------------------

static void
a_run_is_visited_while_it_may_be(void)
{
    cot_interpreter *one = new_interpreter(1);
    CHECK_EQ(cot_interpreter_visit(one), 0);
    CHECK_EQ(cot_interpreter_begin(one), COT_OK);
    CHECK_EQ(cot_interpreter_visit(one), 0);
    cot_interpreter_open_visits(one);
    uint64_t first = cot_interpreter_visit(one);
    CHECK(first != 0 && cot_interpreter_is_at(one, first));
    CHECK(cot_interpreter_visit(one) == first);
    cot_interpreter_leave(one);
    cot_interpreter_end_visits(one);
    CHECK(!cot_interpreter_is_at(one, first));
    CHECK_EQ(cot_interpreter_visit(one), 0);
    cot_interpreter_end(one);

    // The next run is another one to whoever came for the first.
    CHECK_EQ(cot_interpreter_begin(one), COT_OK);
    cot_interpreter_open_visits(one);
    CHECK(!cot_interpreter_is_at(one, first));
    uint64_t second = cot_interpreter_visit(one);
    CHECK(second != 0 && second != first);
    cot_interpreter_leave(one);
    cot_interpreter_leave(one);  // of the first
    cot_interpreter_end_visits(one);
    cot_interpreter_end(one);
    close_and_drop(one);
}

static void
close_with_visitors(void *arg, size_t idx)
{
    closer *own = arg;
    CHECK_EQ(cot_interpreter_begin_close(own->one, &own->parker, COT_NOW),
             COT_OK);
    own->status = COT_AGAIN;
    cot_interpreter_see_off(own->one);
    atomic_store(&own->is_over, true);
}

static void
a_close_waits_for_visitors(void)
{
    closer own = {.one = new_interpreter(1)};
    test_threads threads;
    CHECK_EQ(cot_interpreter_begin(own.one), COT_OK);
    cot_interpreter_open_visits(own.one);
    CHECK(cot_interpreter_visit(own.one) != 0);
    CHECK(cot_interpreter_visit(own.one) != 0);
    cot_interpreter_end_visits(own.one);
    cot_interpreter_end(own.one);
    start_threads(&threads, 1, close_with_visitors, &own);
    WAIT_UNTIL(own.status == COT_AGAIN);
    CHECK_EQ(cot_interpreter_visit(own.one), 0);
    for (int i = 0; i < 2; i++) {
        for (int pause = 0; pause < 100; pause++) {
            CHECK(!atomic_load(&own.is_over));
            cot_thread_yield();
        }
        cot_interpreter_leave(own.one);
    }
    join_threads(&threads);
    CHECK(atomic_load(&own.is_over));
    cot_interpreter_closed(own.one);
    cot_interpreter_unref(own.one);
}

// ---- seats ---------------------------------------------------------------

static void
a_thread_finds_its_own_seat(void)
{
    int hosts[2];
    cot_interpreter *one = new_interpreter(1), *two = new_interpreter(2);
    CHECK(cot_interpreter_seat(one) == NULL);
    CHECK_EQ(cot_interpreter_sit(one, &hosts[0]), COT_OK);
    CHECK(cot_interpreter_seat(one) == &hosts[0]);
    CHECK(cot_interpreter_seat(two) == NULL);
    CHECK_EQ(cot_interpreter_sit(two, &hosts[1]), COT_OK);
    CHECK(cot_interpreter_seat(one) == &hosts[0]);
    CHECK(cot_interpreter_seat(two) == &hosts[1]);
    // Its own is not taken away with those of others.
    CHECK(cot_interpreter_take_seat(one, false) == NULL);
    CHECK(cot_interpreter_take_seat(one, true) == NULL);
    cot_interpreter_stand_up(one);
    CHECK(cot_interpreter_seat(one) == NULL);
    CHECK(cot_interpreter_seat(two) == &hosts[1]);
    cot_interpreter_stand_up(one);  // nothing
    close_and_drop(two);
    close_and_drop(one);
}

typedef struct {
    cot_interpreter *one;
    int hosts[THREADS_MAX];
    atomic_int seated;
    atomic_bool may_end;
} hall;

static void
sit_and_stay(void *arg, size_t idx)
{
    hall *all = arg;
    // The claim, as in a run.
    while (cot_interpreter_begin(all->one) != COT_OK) {
        cot_thread_yield();
    }
    CHECK(cot_interpreter_seat(all->one) == NULL);
    CHECK_EQ(cot_interpreter_sit(all->one, &all->hosts[idx]), COT_OK);
    CHECK(cot_interpreter_seat(all->one) == &all->hosts[idx]);
    cot_interpreter_end(all->one);
    atomic_fetch_add(&all->seated, 1);
    WAIT_UNTIL(atomic_load(&all->may_end));
}

static void
what_threads_leave_is_cleared_away(void)
{
    hall all = {.one = new_interpreter(1)};
    test_threads threads;
    start_threads(&threads, 8, sit_and_stay, &all);
    WAIT_UNTIL(atomic_load(&all.seated) == 8);
    CHECK(cot_interpreter_seat(all.one) == NULL);
    CHECK(cot_interpreter_take_seat(all.one, false) == NULL);
    atomic_store(&all.may_end, true);
    join_threads(&threads);
    bool is_taken[8] = {false};
    for (int i = 0; i < 8; i++) {
        int *host = cot_interpreter_take_seat(all.one, false);
        CHECK(host >= all.hosts && host < all.hosts + 8);
        CHECK(!is_taken[host - all.hosts]);
        is_taken[host - all.hosts] = true;
    }
    CHECK(cot_interpreter_take_seat(all.one, false) == NULL);
    close_and_drop(all.one);
}

static void
an_interpreter_ends_before_its_threads(void)
{
    hall all = {.one = new_interpreter(1)};
    test_threads threads;
    start_threads(&threads, 8, sit_and_stay, &all);
    WAIT_UNTIL(atomic_load(&all.seated) == 8);
    int taken = 0;
    CHECK_EQ(try_close(all.one), COT_OK);
    while (cot_interpreter_take_seat(all.one, true) != NULL) {
        taken++;
    }
    CHECK_EQ(taken, 8);
    cot_interpreter_closed(all.one);
    cot_interpreter_unref(all.one);
    atomic_store(&all.may_end, true);
    join_threads(&threads);
}

// A thread that has left may have its memory used by the next one.
static void
sit_once(void *arg, size_t idx)
{
    hall *all = arg;
    CHECK_EQ(cot_interpreter_begin(all->one), COT_OK);
    CHECK(cot_interpreter_seat(all->one) == NULL);
    CHECK_EQ(cot_interpreter_sit(all->one, &all->hosts[0]), COT_OK);
    cot_interpreter_end(all->one);
}

static void
a_seat_is_never_inherited(void)
{
    hall all = {.one = new_interpreter(1)};
    for (int round = 0; round < ROUNDS; round++) {
        test_threads threads;
        start_threads(&threads, 1, sit_once, &all);
        join_threads(&threads);
    }
    int taken = 0;
    while (cot_interpreter_take_seat(all.one, false) != NULL) {
        taken++;
    }
    CHECK_EQ(taken, ROUNDS);
    close_and_drop(all.one);
}

static void
sit_in_many(void *arg, size_t idx)
{
    int host;
    for (int i = 0; i < ROUNDS; i++) {
        cot_interpreter *one = new_interpreter(i);
        CHECK_EQ(cot_interpreter_begin(one), COT_OK);
        CHECK_EQ(cot_interpreter_sit(one, &host), COT_OK);
        CHECK(cot_interpreter_seat(one) == &host);
        cot_interpreter_end(one);
        close_and_drop(one);
    }
}

static void
seats_of_closed_interpreters_are_dropped(void)
{
    // A leak would be the sanitizer's to see, and the list long.
    test_threads threads;
    start_threads(&threads, 3, sit_in_many, NULL);
    join_threads(&threads);
}

static void
tell_first(void *arg, size_t idx)
{
    *(bool *)arg = cot_interpreter_on_first_thread();
}

static void
the_first_thread_is_known(void)
{
    bool is_first = true;
    test_threads threads;
    start_threads(&threads, 1, tell_first, &is_first);
    join_threads(&threads);
    CHECK(!is_first);
    CHECK(cot_interpreter_on_first_thread());
    CHECK(cot_interpreter_on_first_thread());
}

// ---- the list, and the last reference ------------------------------------

static void
those_alive_are_found(void)
{
    cot_interpreter *all[3], *found[3];
    CHECK_EQ(cot_interpreter_list(NULL, 0), 0);
    CHECK(cot_interpreter_find(0) == NULL);
    for (int i = 0; i < 3; i++) {
        all[i] = new_interpreter(10 + i);
    }
    CHECK_EQ(cot_interpreter_list(NULL, 0), 3);
    CHECK_EQ(cot_interpreter_list(found, 2), 3);
    for (int i = 0; i < 2; i++) {
        CHECK(found[i] == all[i]);
        CHECK(!cot_interpreter_is_last(all[i]));
        cot_interpreter_unref(found[i]);
        CHECK(cot_interpreter_is_last(all[i]));
    }
    CHECK(cot_interpreter_find(11) == all[1]);
    cot_interpreter_unref(all[1]);
    CHECK(cot_interpreter_find(13) == NULL);

    // The middle, the first, the last.
    CHECK_EQ(try_close(all[1]), COT_OK);
    CHECK(cot_interpreter_find(11) == NULL);
    cot_interpreter_closed(all[1]);
    CHECK_EQ(cot_interpreter_list(found, 3), 2);
    CHECK(found[0] == all[0] && found[1] == all[2]);
    cot_interpreter_unref(found[0]);
    cot_interpreter_unref(found[1]);
    close_and_drop(all[0]);
    close_and_drop(all[2]);
    cot_interpreter_unref(all[1]);
    CHECK_EQ(cot_interpreter_list(NULL, 0), 0);
}

static void
the_last_reference_leaves_an_orphan(void)
{
    int before = atomic_load(&orphans);
    cot_interpreter *one = new_interpreter(5);
    cot_interpreter_ref(one);
    cot_interpreter_unref(one);
    CHECK_EQ(atomic_load(&orphans), before);
    cot_interpreter_unref(one);
    CHECK_EQ(atomic_load(&orphans), before + 1);
    CHECK(cot_interpreter_find(5) == NULL);

    one = new_interpreter(6);
    close_it(one);
    cot_interpreter_unref(one);
    CHECK_EQ(atomic_load(&orphans), before + 1);
    cot_interpreter_unref(NULL);
}

typedef struct {
    atomic_bool is_over;
    atomic_long found;
} search;

static void
search_all(void *arg, size_t idx)
{
    search *own = arg;
    cot_interpreter *list[8];
    while (!atomic_load(&own->is_over)) {
        cot_interpreter *one = cot_interpreter_find(99);
        if (one != NULL) {
            atomic_fetch_add(&own->found, 1);
            CHECK_EQ(one->id, 99);
            cot_interpreter_unref(one);
        }
        size_t count = cot_interpreter_list(list, 8);
        for (size_t i = 0; i < count && i < 8; i++) {
            cot_interpreter_unref(list[i]);
        }
    }
}

static void
finding_meets_the_last_reference(void)
{
    int before = atomic_load(&orphans);
    search own = {0};
    test_threads threads;
    start_threads(&threads, 3, search_all, &own);
    for (int round = 0; round < ROUNDS || atomic_load(&own.found) < 20;
         round++) {
        cot_interpreter *one = new_interpreter(99);
        if (round % 3 == 0) {
            close_it(one);
        }
        cot_interpreter_unref(one);
        if (round % 7 == 0) {
            cot_thread_yield();
        }
    }
    atomic_store(&own.is_over, true);
    join_threads(&threads);
    CHECK(atomic_load(&orphans) > before);
    CHECK_EQ(cot_interpreter_list(NULL, 0), 0);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(one_at_a_time_has_the_claim),
        TEST(memory_may_run_out),
        TEST(a_close_waits_for_the_end_of_a_run),
        TEST(a_close_waits_for_another),
        TEST(the_end_of_closing_can_be_waited_for),
        TEST(a_wait_to_close_can_be_interrupted),
        TEST(runs_visits_and_closes_meet),
        TEST(a_run_is_visited_while_it_may_be),
        TEST(a_close_waits_for_visitors),
        TEST(a_thread_finds_its_own_seat),
        TEST(what_threads_leave_is_cleared_away),
        TEST(an_interpreter_ends_before_its_threads),
        TEST(a_seat_is_never_inherited),
        TEST(seats_of_closed_interpreters_are_dropped),
        TEST(the_first_thread_is_known),
        TEST(those_alive_are_found),
        TEST(the_last_reference_leaves_an_orphan),
        TEST(finding_meets_the_last_reference),
        {0},
    };
    return run_tests(tests, argc, argv);
}
