#include "core/pool.h"

#include "support/stage.h"

#include <string.h>

// ---- starting and choosing workers ---------------------------------------

static void
a_pool_starts_without_workers(void)
{
    stage on;
    stage_set_up(&on, 3);
    CHECK(cot_pool_context(on.pool) == &on);
    CHECK_EQ(strcmp(cot_pool_name(on.pool), "stage"), 0);
    CHECK_EQ(cot_pool_workers(on.pool), 0);
    CHECK_EQ(cot_pool_pending(on.pool), 0);
    CHECK(!cot_pool_is_closed(on.pool));
    char reason[8] = "as was";
    CHECK(!cot_pool_why_broken(on.pool, reason, sizeof(reason)));
    CHECK_EQ(strcmp(reason, "as was"), 0);
    CHECK(cot_home_is_empty(on.home));
    cot_pool_ref(on.pool);
    cot_pool_unref(on.pool);
    CHECK_EQ(atomic_load(&on.destroyed), 0);
    stage_tear_down(&on);
    cot_pool_unref(NULL);
}

static void
a_free_worker_is_enough(void)
{
    stage on;
    stage_set_up(&on, 3);
    for (int i = 0; i < 5; i++) {
        stage_finish(&on, stage_submit(&on, (uint64_t)i), i);
        CHECK_EQ(stage_wait_for_runner(&on, i), 0);
        CHECK_EQ(cot_pool_workers(on.pool), 1);
        CHECK(!cot_home_is_empty(on.home));
        stage_wait_idle(&on, 0);
    }
    stage_tear_down(&on);
}

static void
workers_are_bounded(void)
{
    stage on;
    cot_task *tasks[20];
    stage_set_up(&on, 3);
    for (int i = 0; i < 20; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
        if (i < 3) {
            stage_wait_for_runner(&on, i);
        }
        CHECK_EQ(cot_pool_workers(on.pool), i < 3 ? i + 1 : 3);
    }
    CHECK_EQ(cot_pool_pending(on.pool), 17);
    for (int i = 0; i < 20; i++) {
        stage_finish(&on, tasks[i], i);
        CHECK(stage_wait_for_runner(&on, i) < 3);
    }
    CHECK_EQ(cot_pool_pending(on.pool), 0);
    CHECK_EQ(cot_pool_workers(on.pool), 3);
    stage_tear_down(&on);
}

static void
a_starting_worker_is_free(void)
{
    stage on;
    stage_set_up(&on, 3);
    atomic_store(&on.may_start, false);
    cot_task *first = stage_submit(&on, 0);
    CHECK_EQ(cot_pool_workers(on.pool), 1);
    CHECK(cot_task_cancel(first));
    cot_task *second = stage_submit(&on, 1);
    CHECK_EQ(cot_pool_workers(on.pool), 2);
    CHECK_EQ(cot_pool_pending(on.pool), 2);
    atomic_store(&on.may_start, true);
    stage_finish(&on, second, 1);
    CHECK_EQ(atomic_load(&on.who_ran[0]), 0);
    cot_task_unref(first);
    // Two free, so no third.
    stage_wait_idle(&on, 0);
    stage_wait_idle(&on, 1);
    cot_task *third = stage_submit(&on, 2), *fourth = stage_submit(&on, 3);
    CHECK_EQ(cot_pool_workers(on.pool), 2);
    stage_finish(&on, third, 2);
    stage_finish(&on, fourth, 3);
    stage_tear_down(&on);
}

static void
the_last_to_lie_down_is_the_first_to_rise(void)
{
    stage on;
    cot_task *tasks[6];
    stage_set_up(&on, 3);
    for (int i = 0; i < 3; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
        CHECK_EQ(stage_wait_for_runner(&on, i), i);
    }
    static const int order[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        stage_finish(&on, tasks[order[i]], order[i]);
        stage_wait_idle(&on, order[i]);
    }
    for (int i = 0; i < 3; i++) {
        tasks[3 + i] = stage_submit(&on, (uint64_t)(3 + i));
        CHECK_EQ(stage_wait_for_runner(&on, 3 + i), order[2 - i]);
    }
    for (int i = 3; i < 6; i++) {
        stage_finish(&on, tasks[i], i);
    }
    CHECK_EQ(cot_pool_workers(on.pool), 3);
    stage_tear_down(&on);
}

static void
tasks_run_in_order(void)
{
    stage on;
    cot_task *tasks[10];
    stage_set_up(&on, 1);
    for (int i = 0; i < 10; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
    }
    for (int i = 0; i < 10; i++) {
        stage_wait_for_runner(&on, i);
        CHECK_EQ(cot_pool_pending(on.pool), 9 - i);
        if (i < 9) {
            CHECK_EQ(atomic_load(&on.who_ran[i + 1]), 0);
        }
        stage_finish(&on, tasks[i], i);
    }
    stage_tear_down(&on);
}

static void
an_interrupt_reaches_an_idle_worker(void)
{
    stage on;
    stage_set_up(&on, 1);
    stage_finish(&on, stage_submit(&on, 0), 0);
    stage_wait_idle(&on, 0);
    cot_worker *worker = atomic_load(&on.workers[0]);
    cot_parker_interrupt(&worker->parker);
    WAIT_UNTIL(atomic_load(&on.interrupts) == 1);
    stage_finish(&on, stage_submit(&on, 1), 1);
    CHECK_EQ(cot_pool_workers(on.pool), 1);
    stage_tear_down(&on);
}

static void
take_now(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    cot_status status;
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task), COT_OK);
    stage_run_task(on, worker, task);
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task),
             COT_TIMED_OUT);
    CHECK(atomic_load(&worker->task) == NULL);
    int64_t deadline_ns = cot_clock_after(COT_MS);
    while ((status = cot_pool_take(worker->pool, worker, deadline_ns, &task))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_TIMED_OUT);
    CHECK(cot_clock_ns() >= deadline_ns);
    atomic_store(&on->is_open[1], true);
    stage_take_all(on, worker);
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task),
             COT_SHUT_DOWN);
    cot_worker_seal(worker);
}

static void
a_worker_need_not_wait(void)
{
    stage on;
    stage_set_up_with(&on, 1, take_now, STAGE_STACK);
    stage_finish(&on, stage_submit(&on, 0), 0);
    WAIT_UNTIL(atomic_load(&on.is_open[1]));
    stage_tear_down(&on);
}

// ---- tasks that do not run -----------------------------------------------

static void
a_cancelled_task_is_skipped(void)
{
    stage on;
    stage_set_up(&on, 1);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1), *third = stage_submit(&on, 2);
    CHECK(cot_task_cancel(second));
    stage_finish(&on, first, 0);
    stage_finish(&on, third, 2);
    CHECK_EQ(atomic_load(&on.who_ran[1]), 0);
    CHECK_EQ(atomic_load(&second->refs), 1);
    cot_task_unref(second);
    stage_tear_down(&on);
}

// The canceller posts what is still in line: it stands in both, the pool's
// line and the outbox.
static void
a_cancelled_task_may_be_posted_from_the_line(void)
{
    stage on;
    stage_set_up(&on, 1);
    cot_task *tasks[6];
    tasks[0] = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    for (int i = 1; i < 6; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
    }
    static const int cancelled[] = {3, 1, 5};
    for (int i = 0; i < 3; i++) {
        cot_task *task = tasks[cancelled[i]];
        CHECK(cot_task_watch(task));
        CHECK(cot_task_cancel(task));
        cot_outbox_post(cot_home_outbox(on.home), task);
    }
    stage_finish(&on, tasks[0], 0);
    stage_finish(&on, tasks[2], 2);
    stage_finish(&on, tasks[4], 4);
    stage_finish(&on, stage_submit(&on, 6), 6);
    for (int i = 0; i < 3; i++) {
        CHECK(stage_take_posted(&on, tasks[cancelled[i]]));
        cot_task_unref(tasks[cancelled[i]]);
    }
    CHECK_EQ(atomic_load(&on.runs), 4);
    stage_tear_down(&on);
}

typedef struct {
    cot_object object;
    stage *on;
    atomic_bool is_destroyed;
} nosy_function;

static void
look_at_pool(cot_object *object, cot_object **dead)
{
    nosy_function *self = (nosy_function *)object;
    CHECK(!cot_pool_is_closed(self->on->pool));  // takes the pool's lock
    atomic_store(&self->is_destroyed, true);
}

static const cot_class nosy_class = {"Function", look_at_pool};

// The pool holds the last reference to the task, and that to its function.
static void
a_cancelled_task_is_freed_without_the_lock(void)
{
    stage on;
    stage_set_up(&on, 1);
    nosy_function function = {.on = &on};
    cot_object_init(&function.object, &nosy_class);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = cot_task_create(&function.object, number_payload(1),
                                       COT_CALL_ONE, cot_home_outbox(on.home));
    CHECK_EQ(cot_pool_submit(on.pool, second, NULL, COT_NOW), COT_OK);
    CHECK(cot_task_cancel(second));
    cot_task_unref(second);
    CHECK(!atomic_load(&function.is_destroyed));
    stage_finish(&on, first, 0);
    WAIT_UNTIL(atomic_load(&function.is_destroyed));
    stage_finish(&on, stage_submit(&on, 2), 2);
    stage_tear_down(&on);
}

static void
a_closed_pool_finishes_its_line(void)
{
    stage on;
    stage_set_up(&on, 1);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1), *late = stage_task(&on, 2);
    cot_pool_close(on.pool);
    cot_pool_close(on.pool);
    CHECK(cot_pool_is_closed(on.pool));
    CHECK_EQ(cot_pool_submit(on.pool, late, NULL, COT_NOW), COT_SHUT_DOWN);
    CHECK_EQ(atomic_load(&late->refs), 1);
    CHECK_EQ(cot_task_get_state(late), COT_TASK_PENDING);
    cot_task_unref(late);
    cot_parker parker = {0};
    CHECK_EQ(cot_pool_join(on.pool, &parker, COT_NOW, true), COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_pool_join(on.pool, &parker, COT_NEVER, true),
             COT_INTERRUPTED);
    stage_finish(&on, first, 0);
    stage_finish(&on, second, 1);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&on.runs), 2);
}

static void
closing_wakes_idle_workers(void)
{
    stage on;
    cot_task *tasks[3];
    stage_set_up(&on, 3);
    for (int i = 0; i < 3; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
    }
    for (int i = 0; i < 3; i++) {
        stage_finish(&on, tasks[i], i);
    }
    for (uint32_t i = 0; i < cot_pool_workers(on.pool); i++) {
        stage_wait_idle(&on, (int)i);
    }
    stage_tear_down(&on);
}

static void
what_is_in_line_may_be_cancelled(void)
{
    stage on;
    stage_set_up(&on, 1);
    cot_task *running = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *watched = stage_submit(&on, 1), *other = stage_submit(&on, 2);
    cot_task *by_asker = stage_submit(&on, 3);
    CHECK(cot_task_watch(watched));
    CHECK(cot_task_watch(by_asker));
    CHECK(cot_task_cancel(by_asker));
    cot_pool_cancel_pending(on.pool);
    CHECK_EQ(cot_pool_pending(on.pool), 0);
    CHECK_EQ(cot_task_get_state(running), COT_TASK_RUNNING);
    CHECK_EQ(cot_task_get_state(watched), COT_TASK_CANCELLED);
    CHECK_EQ(cot_task_get_state(other), COT_TASK_CANCELLED);
    CHECK(stage_take_posted(&on, watched));
    CHECK(!stage_take_posted(&on, NULL));
    CHECK_EQ(atomic_load(&watched->refs), 1);
    CHECK_EQ(atomic_load(&other->refs), 1);
    CHECK(cot_pool_is_closed(on.pool));
    stage_finish(&on, running, 0);
    cot_task_unref(watched);
    cot_task_unref(other);
    cot_task_unref(by_asker);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&on.runs), 1);
}

static bool
is_lost_for(cot_task *task, const char *reason)
{
    return cot_task_get_state(task) == COT_TASK_FINISHED
           && task->outcome_kind == COT_OUTCOME_LOST && task->outcome != NULL
           && task->outcome->len == strlen(reason)
           && memcmp(task->outcome->bytes, reason, strlen(reason)) == 0;
}

static void
a_broken_pool_loses_its_line(void)
{
    stage on;
    stage_set_up(&on, 1);
    cot_task *running = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *watched = stage_submit(&on, 1);
    cot_task *cancelled = stage_submit(&on, 2);
    CHECK(cot_task_watch(watched));
    CHECK(cot_task_cancel(cancelled));
    cot_pool_break(on.pool, "no room");
    cot_pool_break(on.pool, "something else");
    CHECK(is_lost_for(watched, "no room"));
    CHECK(stage_take_posted(&on, watched));
    CHECK_EQ(cot_task_get_state(cancelled), COT_TASK_CANCELLED);

    char reason[16];
    CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
    CHECK_EQ(strcmp(reason, "no room"), 0);
    CHECK(cot_pool_why_broken(on.pool, reason, 4));
    CHECK_EQ(strcmp(reason, "no "), 0);
    cot_task *late = stage_task(&on, 3);
    CHECK_EQ(cot_pool_submit(on.pool, late, NULL, COT_NOW), COT_SHUT_DOWN);
    cot_task_unref(late);
    cot_task_unref(watched);
    cot_task_unref(cancelled);
    stage_finish(&on, running, 0);
    stage_tear_down(&on);
}

static void
break_at_once(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    WAIT_UNTIL(atomic_load(&on->may_start));
    cot_pool_break(worker->pool, "no interpreter");
    cot_worker_seal(worker);
}

static void
a_worker_may_break_its_pool(void)
{
    stage on;
    stage_set_up_with(&on, 2, break_at_once, STAGE_STACK);
    atomic_store(&on.may_start, false);
    cot_task *first = stage_submit(&on, 0), *second = stage_submit(&on, 1);
    atomic_store(&on.may_start, true);
    stage_wait_done(first);
    stage_wait_done(second);
    CHECK(is_lost_for(first, "no interpreter"));
    CHECK(is_lost_for(second, "no interpreter"));
    cot_task_unref(first);
    cot_task_unref(second);
    stage_tear_down(&on);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_pool_starts_without_workers),
        TEST(a_free_worker_is_enough),
        TEST(workers_are_bounded),
        TEST(a_starting_worker_is_free),
        TEST(the_last_to_lie_down_is_the_first_to_rise),
        TEST(tasks_run_in_order),
        TEST(an_interrupt_reaches_an_idle_worker),
        TEST(a_worker_need_not_wait),
        TEST(a_cancelled_task_is_skipped),
        TEST(a_cancelled_task_may_be_posted_from_the_line),
        TEST(a_cancelled_task_is_freed_without_the_lock),
        TEST(a_closed_pool_finishes_its_line),
        TEST(closing_wakes_idle_workers),
        TEST(what_is_in_line_may_be_cancelled),
        TEST(a_broken_pool_loses_its_line),
        TEST(a_worker_may_break_its_pool),
        {0},
    };
    return run_tests(tests, argc, argv);
}
