#include "core/timer.h"

#include "port/thread.h"
#include "support/check.h"

#include <stdatomic.h>

typedef struct {
    cot_alarm alarm;  // first: what rings knows no more
    cot_timer *timer;
    atomic_int rings;
    atomic_bool may_go_on;
    int64_t again_ns;
} bell;

static atomic_int turn;

static void
count_ring(cot_alarm *alarm)
{
    bell *own = (bell *)alarm;
    own->again_ns = atomic_fetch_add(&turn, 1);
    atomic_fetch_add(&own->rings, 1);
}

static void
ring_until_told(cot_alarm *alarm)
{
    bell *own = (bell *)alarm;
    atomic_fetch_add(&own->rings, 1);
    WAIT_UNTIL(atomic_load(&own->may_go_on));
}

static void
ring_three_times(cot_alarm *alarm)
{
    bell *own = (bell *)alarm;
    if (atomic_fetch_add(&own->rings, 1) < 2) {
        cot_timer_set(own->timer, alarm, cot_clock_ns());
    }
}

static cot_timer *
start_timer(void)
{
    cot_timer *timer = cot_timer_create();
    CHECK(timer != NULL);
    CHECK_EQ(cot_timer_start(timer), COT_OK);
    CHECK_EQ(cot_timer_start(timer), COT_OK);  // there is one
    return timer;
}

static void
what_is_due_rings_in_order(void)
{
    cot_timer *timer = cot_timer_create();
    bell bells[4] = {0};
    static const int order[] = {2, 0, 3, 1};
    int64_t begin_ns = cot_clock_ns();
    atomic_store(&turn, 0);
    // Set before there is a thread.
    for (int i = 0; i < 4; i++) {
        bells[i].alarm.ring = count_ring;
        cot_timer_set(timer, &bells[i].alarm, begin_ns + order[i]);
    }
    CHECK_EQ(cot_timer_start(timer), COT_OK);
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(atomic_load(&bells[i].rings) == 1);
        cot_timer_forget(timer, &bells[i].alarm);
        CHECK_EQ(bells[i].again_ns, order[i]);
    }
    cot_timer_unref(timer);
    cot_timer_unref(NULL);
}

static void
it_does_not_ring_before_its_time(void)
{
    cot_timer *timer = start_timer();
    bell late = {.alarm = {.ring = count_ring}};
    bell soon = {.alarm = {.ring = count_ring}};
    cot_timer_set(timer, &late.alarm, COT_NEVER);
    int64_t due_ns = cot_clock_after(5 * COT_MS);
    // Before the one that the thread waits for: it is woken.
    cot_timer_set(timer, &soon.alarm, due_ns);
    WAIT_UNTIL(atomic_load(&soon.rings) == 1);
    CHECK(cot_clock_ns() >= due_ns);
    CHECK_EQ(atomic_load(&late.rings), 0);
    // Set anew, it has the new time only.
    cot_timer_set(timer, &late.alarm, cot_clock_ns());
    WAIT_UNTIL(atomic_load(&late.rings) == 1);
    cot_timer_forget(timer, &late.alarm);
    cot_timer_forget(timer, &soon.alarm);
    cot_timer_unref(timer);
}

static void
what_is_unset_does_not_ring(void)
{
    cot_timer *timer = start_timer();
    bell first = {.alarm = {.ring = ring_until_told}};
    bell second = {.alarm = {.ring = count_ring}};
    bell third = {.alarm = {.ring = count_ring}};
    cot_timer_unset(timer, &second.alarm);  // it is not set
    cot_timer_set(timer, &first.alarm, COT_NOW);
    WAIT_UNTIL(atomic_load(&first.rings) == 1);
    // The thread is busy: these are due, and one is taken back.
    cot_timer_set(timer, &second.alarm, cot_clock_ns());
    cot_timer_set(timer, &third.alarm, cot_clock_ns());
    cot_timer_unset(timer, &second.alarm);
    atomic_store(&first.may_go_on, true);
    WAIT_UNTIL(atomic_load(&third.rings) == 1);
    cot_timer_forget(timer, &first.alarm);
    cot_timer_forget(timer, &third.alarm);
    CHECK_EQ(atomic_load(&second.rings), 0);
    cot_timer_unref(timer);
}

static void
forget(void *arg, size_t idx)
{
    bell *own = arg;
    cot_timer_forget(own->timer, &own->alarm);
    CHECK(atomic_load(&own->may_go_on));
}

static void
who_forgets_waits_until_it_has_rung(void)
{
    cot_timer *timer = start_timer();
    bell own = {.alarm = {.ring = ring_until_told}, .timer = timer};
    test_threads other;
    cot_timer_set(timer, &own.alarm, cot_clock_ns());
    WAIT_UNTIL(atomic_load(&own.rings) == 1);
    start_threads(&other, 1, forget, &own);
    for (int i = 0; i < 100; i++) {
        cot_thread_yield();
    }
    atomic_store(&own.may_go_on, true);
    join_threads(&other);
    CHECK_EQ(atomic_load(&own.rings), 1);
    cot_timer_unref(timer);
}

static void
it_may_be_set_while_it_rings(void)
{
    cot_timer *timer = start_timer();
    bell own = {.alarm = {.ring = ring_three_times}, .timer = timer};
    cot_timer_set(timer, &own.alarm, cot_clock_ns());
    WAIT_UNTIL(atomic_load(&own.rings) == 3);
    cot_timer_forget(timer, &own.alarm);
    cot_timer_unref(timer);
}

typedef struct {
    cot_timer *timer;
    atomic_int rings;
} town;

static town town_of_bells;

static void
ring_in_town(cot_alarm *alarm)
{
    atomic_fetch_add(&town_of_bells.rings, 1);
}

static void
set_and_forget(void *arg, size_t idx)
{
    for (int i = 0; i < 2000; i++) {
        cot_alarm own = {.ring = ring_in_town};
        cot_timer_set(town_of_bells.timer, &own,
                      cot_clock_after((int64_t)(i % 7) * COT_US));
        if (i % 3 == 0) {
            cot_timer_unset(town_of_bells.timer, &own);
        }
        if (i % 5 == 0) {
            cot_thread_yield();
        }
        cot_timer_forget(town_of_bells.timer, &own);
    }
}

static void
many_set_and_forget(void)
{
    test_threads threads;
    town_of_bells.timer = start_timer();
    start_threads(&threads, 4, set_and_forget, NULL);
    join_threads(&threads);
    cot_timer_unref(town_of_bells.timer);
}

static void
a_child_has_no_thread(void)
{
    cot_timer *timer = start_timer();
    bell own = {.alarm = {.ring = count_ring}};
    cot_timer_set(timer, &own.alarm, cot_clock_ns());
    WAIT_UNTIL(atomic_load(&own.rings) == 1);
    // After that the thread stands in its line, and wants the lock no more.
    cot_timer_forget(timer, &own.alarm);
    cot_timer_after_fork_in_child(timer);
    CHECK_EQ(cot_timer_start(timer), COT_OK);
    cot_timer_set(timer, &own.alarm, cot_clock_ns());
    WAIT_UNTIL(atomic_load(&own.rings) == 2);
    cot_timer_forget(timer, &own.alarm);
    // The thread that a fork would have left behind is not this test's.
}

static bool
create(void *arg)
{
    cot_timer *timer = cot_timer_create();
    cot_timer_unref(timer);
    return timer != NULL;
}

static void
memory_may_run_out(void)
{
    CHECK_EQ(fail_each_allocation(create, NULL), 1);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(what_is_due_rings_in_order),
        TEST(it_does_not_ring_before_its_time),
        TEST(what_is_unset_does_not_ring),
        TEST(who_forgets_waits_until_it_has_rung),
        TEST(it_may_be_set_while_it_rings),
        TEST(many_set_and_forget),
        TEST(memory_may_run_out),
        TEST(a_child_has_no_thread),
        {0},
    };
    return run_tests(tests, argc, argv);
}
