#include "core/event.h"

#include "support/check.h"

static cot_event *
new_event(void)
{
    cot_event *event = cot_event_create();
    CHECK(event != NULL);
    return event;
}

static void
drop(cot_event *event)
{
    cot_object_unref(cot_event_object(event));
}

static cot_status
wait_for(cot_event *event, uint64_t sets, int64_t deadline_ns)
{
    cot_parker parker = {0};
    return cot_event_wait(event, sets, &parker, deadline_ns);
}

static void
set_and_clear(void)
{
    cot_event *event = new_event();
    CHECK_EQ(wait_for(event, 0, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(wait_for(event, 0, cot_clock_after(COT_MS)), COT_TIMED_OUT);
    cot_event_set(event);
    CHECK_EQ(wait_for(event, cot_event_sets(event), COT_NEVER), COT_OK);
    cot_event_clear(event);
    CHECK(!cot_event_is_set(event));
    CHECK_EQ(wait_for(event, cot_event_sets(event), COT_NOW), COT_TIMED_OUT);
    // One who has waited since before the set.
    CHECK_EQ(wait_for(event, 0, COT_NEVER), COT_OK);
    drop(event);
}

typedef struct {
    cot_event *event;
    cot_parker parkers[4];
} crowd;

static void
wait_in_crowd(void *arg, size_t idx)
{
    crowd *all = arg;
    cot_status status;
    do {
        status = cot_event_wait(all->event, 0, &all->parkers[idx], COT_NEVER);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, idx == 3 ? COT_INTERRUPTED : COT_OK);
}

static void
all_who_wait_go_on_though_it_is_cleared_at_once(void)
{
    crowd all = {.event = new_event()};
    test_threads threads;
    start_threads(&threads, 4, wait_in_crowd, &all);
    for (size_t i = 0; i < 4; i++) {
        WAIT_UNTIL(is_asleep(&all.parkers[i]));
    }
    cot_parker_interrupt(&all.parkers[3]);
    pthread_join(threads.all[3].thread, NULL);
    threads.len = 3;
    cot_event_set(all.event);
    cot_event_clear(all.event);
    join_threads(&threads);
    drop(all.event);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(set_and_clear),
        TEST(all_who_wait_go_on_though_it_is_cleared_at_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
