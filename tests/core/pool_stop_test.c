// A pool whose tasks are told to end, and whose workers leave before it closes.

#include "core/pool.h"

#include "port/thread.h"
#include "support/stage.h"

// What the layer above does is only counted here.
static atomic_int reminders;
static atomic_int late_reminders;
static atomic_int reports;

static void
remind(cot_worker *worker, uint64_t run, bool is_late)
{
    CHECK_EQ(atomic_load(&worker->run), run);
    atomic_fetch_add(is_late ? &late_reminders : &reminders, 1);
    cot_worker_leave(worker);
}

static void
report(cot_worker *worker)
{
    CHECK(worker->pool != NULL);
    atomic_fetch_add(&reports, 1);
}

// As stage_work, for a worker that may be lost.
static void
work(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    cot_status status;
    bool goes_on = true;
    while (goes_on
           && (status = cot_pool_take(worker->pool, worker, COT_NEVER, &task))
                  != COT_SHUT_DOWN) {
        if (status != COT_OK) {
            continue;
        }
        uint64_t number = take_number(task->call);
        task->call = NULL;
        atomic_store(&on->who_ran[number], (int)worker->number + 1);
        WAIT_UNTIL(atomic_load(&on->is_open[number]));
        goes_on = cot_worker_end_task(worker);
        if (goes_on) {
            cot_task_finish(task, COT_OUTCOME_VALUE, number_payload(number));
        }
        cot_task_unref(task);
    }
    cot_worker_seal(worker);
}

static void
set_up_with(stage *on, uint32_t max_workers, size_t max_pending,
            int64_t grace_ns, void (*body)(cot_worker *))
{
    *on = (stage){.home = cot_home_create(), .may_start = true};
    atomic_store(&reminders, 0);
    atomic_store(&late_reminders, 0);
    atomic_store(&reports, 0);
    CHECK_EQ(cot_timer_start(cot_home_timer(on->home)), COT_OK);
    on->pool = cot_pool_create(on->home, max_workers,
                               &(cot_pool_config){
                                   .body = body,
                                   .destroy = stage_destroyed,
                                   .context = on,
                                   .remind = remind,
                                   .report = report,
                                   .stack_size = STAGE_STACK,
                                   .name = "stage",
                                   .max_pending = max_pending,
                                   .stop_grace_ns = grace_ns,
                               });
    CHECK(on->pool != NULL);
}

static void
set_up(stage *on, uint32_t max_workers, size_t max_pending, int64_t grace_ns)
{
    set_up_with(on, max_workers, max_pending, grace_ns, work);
}

static cot_task *
submit_with(stage *on, uint64_t number, int64_t timeout_ns)
{
    cot_task *task = stage_task(on, number);
    task->terms = cot_terms_create(timeout_ns, 0, NULL);
    CHECK(task->terms != NULL);
    CHECK_EQ(cot_pool_submit(on->pool, task, NULL, COT_NOW), COT_OK);
    return task;
}

static void
what_runs_is_found(void)
{
    stage on;
    cot_worker *worker;
    uint64_t run;
    set_up(&on, 2, 0, COT_NEVER);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1);
    stage_wait_for_runner(&on, 1);
    cot_task *waiting = stage_submit(&on, 2);
    CHECK(!cot_task_stop(on.home, waiting, &worker, &run));
    CHECK(cot_task_stop(on.home, second, &worker, &run));
    CHECK_EQ(worker->number, stage_wait_for_runner(&on, 1));
    CHECK_EQ(atomic_load(&worker->run), run);
    CHECK(run & 1);
    stage_finish(&on, second, 1);
    CHECK(atomic_load(&worker->run) != run);
    cot_worker_leave(worker);
    stage_finish(&on, first, 0);
    stage_finish(&on, waiting, 2);
    stage_tear_down(&on);
}

static void
expect_end(cot_task *task, cot_outcome_kind kind)
{
    stage_wait_done(task);
    CHECK_EQ(task->outcome_kind, kind);
    CHECK(task->outcome == NULL);
    cot_task_unref(task);
}

static void
who_does_not_stop_is_lost_and_replaced(void)
{
    stage on;
    cot_worker *worker;
    uint64_t run;
    set_up(&on, 1, 0, COT_MS);
    cot_task *stuck = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *next = stage_submit(&on, 1);
    CHECK(cot_task_stop(on.home, stuck, &worker, &run));
    cot_worker_leave(worker);
    expect_end(stuck, COT_OUTCOME_STOPPED);
    CHECK_EQ(atomic_load(&reminders), 1);
    CHECK_EQ(atomic_load(&late_reminders), 0);
    WAIT_UNTIL(atomic_load(&reports) == 1);
    CHECK_EQ(stage_wait_for_runner(&on, 1), 1);
    stage_finish(&on, next, 1);
    cot_pool_counts counts = cot_pool_count(on.pool);
    CHECK_EQ(counts.serving, 1);
    CHECK_EQ(counts.lost, 1);
    CHECK_EQ(counts.lost_ever, 1);
    CHECK_EQ(counts.started, 2);
    CHECK_EQ(counts.tasks, 2);
    CHECK_EQ(cot_pool_workers(on.pool), 2);
    // A join need not wait for it.
    cot_parker parker = {0};
    cot_pool_close(on.pool);
    while (cot_pool_join(on.pool, &parker, COT_NEVER, false) != COT_OK) {
    }
    CHECK_EQ(cot_pool_join(on.pool, &parker, COT_NOW, true), COT_TIMED_OUT);
    stage_open_gate(&on, 0);
    stage_tear_down(&on);
    CHECK_EQ(counts.lost_ever, 1);
}

static void
a_timeout_is_told_and_then_the_worker_is_lost(void)
{
    stage on;
    set_up(&on, 1, 0, COT_MS);
    cot_task *late = submit_with(&on, 0, COT_MS);
    expect_end(late, COT_OUTCOME_LATE);
    CHECK_EQ(atomic_load(&late_reminders), 2);
    CHECK_EQ(atomic_load(&reminders), 0);
    stage_open_gate(&on, 0);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&reports), 1);
}

static void
who_is_in_time_is_left_alone(void)
{
    stage on;
    set_up(&on, 1, 0, COT_MS);
    for (int i = 0; i < 20; i++) {
        stage_open_gate(&on, i);
        stage_finish(&on, submit_with(&on, (uint64_t)i, COT_SECOND * 1000), i);
    }
    // The alarm is for what has ended; the next one has none.
    cot_task *task = stage_submit(&on, 20);
    stage_wait_for_runner(&on, 20);
    stage_finish(&on, task, 20);
    CHECK_EQ(atomic_load(&late_reminders) + atomic_load(&reminders), 0);
    CHECK_EQ(cot_pool_count(on.pool).tasks, 21);
    stage_tear_down(&on);
}

// Timeouts that pass just when the task ends: each task ends once.
static void
timeouts_meet_the_end(void)
{
    stage on;
    set_up(&on, 3, 0, 20 * COT_US);
    for (int i = 0; i < STAGE_GATES; i++) {
        cot_task *task = submit_with(&on, (uint64_t)i, 30 * COT_US);
        if (i % 2) {
            stage_wait_for_runner(&on, i);
        }
        stage_open_gate(&on, i);
        stage_wait_done(task);
        CHECK(task->outcome_kind == COT_OUTCOME_VALUE
              || task->outcome_kind == COT_OUTCOME_LATE);
        cot_task_unref(task);
    }
    CHECK_EQ(cot_pool_count(on.pool).tasks, STAGE_GATES);
    stage_tear_down(&on);
}

static void
never_get_ready(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    CHECK(cot_worker_begin(worker));
    atomic_fetch_add(&on->runs, 1);
    WAIT_UNTIL(atomic_load(&on->is_open[0]));
    CHECK(!cot_worker_end(worker));
    cot_worker_seal(worker);
}

static void
stop(cot_worker *worker, void *arg)
{
    (void)arg;
    cot_worker_stop_locked(worker);
}

static void
who_is_lost_before_its_first_task_breaks_the_pool(void)
{
    stage on;
    char reason[80];
    set_up_with(&on, 2, 0, COT_MS, never_get_ready);
    cot_task *task = stage_submit(&on, 0);
    WAIT_UNTIL(atomic_load(&on.runs) == 1);
    cot_pool_hurry(on.pool, stop, NULL);
    stage_wait_done(task);
    CHECK_EQ(task->outcome_kind, COT_OUTCOME_LOST);
    cot_task_unref(task);
    CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
    cot_pool_counts counts = cot_pool_count(on.pool);
    CHECK_EQ(counts.started, 1);
    CHECK_EQ(counts.serving, 0);
    WAIT_UNTIL(atomic_load(&reports) == 1);
    stage_open_gate(&on, 0);
    stage_tear_down(&on);
}

static void
begin_late(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    WAIT_UNTIL(atomic_load(&on->may_start));
    if (cot_worker_begin(worker)) {
        atomic_fetch_add(&on->interrupts, 1);
        CHECK(cot_worker_end(worker));
    }
    stage_take_all(on, worker);
    cot_worker_seal(worker);
}

static void
begins_late(bool is_closed, bool is_hurried, bool is_cancelled, int expected)
{
    stage on;
    set_up_with(&on, 1, 0, COT_MS, begin_late);
    atomic_store(&on.may_start, false);
    cot_task *task = stage_submit(&on, 0);
    stage_open_gate(&on, 0);
    if (is_closed) {
        cot_pool_close(on.pool);
    }
    if (is_cancelled) {
        cot_pool_cancel_pending(on.pool);
    }
    if (is_hurried) {
        cot_pool_hurry(on.pool, stop, NULL);
    }
    atomic_store(&on.may_start, true);
    stage_wait_done(task);
    cot_task_unref(task);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&on.interrupts), expected);
}

static void
who_is_late_begins_nothing_if_all_else_was_told_to_end(void)
{
    begins_late(true, true, true, 0);
    begins_late(true, true, false, 1);  // for the task
    begins_late(true, false, true, 1);
    begins_late(false, true, false, 1);
}

// ---- workers that leave --------------------------------------------------

static void
leave_after_one(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    while (cot_pool_take(worker->pool, worker, COT_NEVER, &task) != COT_OK) {
    }
    stage_run_task(on, worker, task);
    CHECK(cot_worker_leave_pool(worker, false));
    CHECK(!cot_worker_leave_pool(worker, false));
    cot_worker_seal(worker);
}

static void
who_leaves_is_replaced_while_tasks_wait(void)
{
    stage on;
    cot_task *tasks[10];
    stage_set_up_with(&on, 1, leave_after_one, STAGE_STACK);
    for (int i = 0; i < 10; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(stage_wait_for_runner(&on, i), i);
        stage_finish(&on, tasks[i], i);
    }
    CHECK_EQ(cot_pool_count(on.pool).started, 10);
    stage_tear_down(&on);
}

static void
leave_when_idle(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    while (cot_pool_take(worker->pool, worker, COT_NEVER, &task) != COT_OK) {
    }
    stage_run_task(on, worker, task);
    WAIT_UNTIL(atomic_load(&on->is_open[1]));
    // One came meanwhile: it stays for that.
    CHECK(!cot_worker_leave_pool(worker, true));
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task), COT_OK);
    stage_run_task(on, worker, task);
    CHECK(cot_worker_leave_pool(worker, true));
    cot_worker_seal(worker);
}

static void
who_has_a_task_to_take_does_not_leave(void)
{
    stage on;
    stage_set_up_with(&on, 1, leave_when_idle, STAGE_STACK);
    stage_finish(&on, stage_submit(&on, 0), 0);
    cot_task *second = stage_submit(&on, 1);
    stage_finish(&on, second, 1);
    WAIT_UNTIL(cot_pool_count(on.pool).serving == 0);
    stage_tear_down(&on);
}

// ---- room ----------------------------------------------------------------

typedef struct {
    stage *on;
    atomic_int done;
} crowd;

static void
submit_ten(void *arg, size_t idx)
{
    crowd *all = arg;
    cot_parker parker = {0};
    for (int i = 0; i < 10; i++) {
        cot_task *task = stage_task(all->on, STAGE_GATES - 1);
        cot_status status;
        while (
            (status = cot_pool_submit(all->on->pool, task, &parker, COT_NEVER))
            == COT_SIGNALLED) {
        }
        CHECK_EQ(status, COT_OK);
        CHECK(cot_pool_pending(all->on->pool) <= 3);
        cot_task_unref(task);
    }
    atomic_fetch_add(&all->done, 1);
}

static void
who_submits_waits_for_room(void)
{
    stage on;
    cot_parker parker = {0};
    set_up(&on, 1, 3, COT_NEVER);
    CHECK(cot_pool_has_room(on.pool));
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = stage_submit(&on, (uint64_t)i + 1);
        stage_open_gate(&on, i + 1);
    }
    CHECK(!cot_pool_has_room(on.pool));
    cot_task *late = stage_task(&on, 5);
    CHECK_EQ(cot_pool_submit(on.pool, late, &parker, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(atomic_load(&late->refs), 1);
    cot_task_unref(late);
    stage_open_gate(&on, STAGE_GATES - 1);
    crowd all = {.on = &on};
    test_threads threads;
    start_threads(&threads, 3, submit_ten, &all);
    CHECK_EQ(atomic_load(&all.done), 0);
    stage_finish(&on, first, 0);
    join_threads(&threads);
    for (int i = 0; i < 3; i++) {
        stage_finish(&on, tasks[i], i + 1);
    }
    stage_tear_down(&on);
}

static void
submit_to_closed(void *arg, size_t idx)
{
    crowd *all = arg;
    cot_parker parker = {0};
    cot_task *task = stage_task(all->on, 3);
    cot_status status;
    while ((status = cot_pool_submit(all->on->pool, task, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_SHUT_DOWN);
    cot_task_unref(task);
}

static void
closing_ends_the_wait_for_room(void)
{
    stage on;
    set_up(&on, 1, 1, COT_NEVER);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1);
    crowd all = {.on = &on};
    test_threads threads;
    start_threads(&threads, 2, submit_to_closed, &all);
    cot_pool_close(on.pool);
    join_threads(&threads);
    stage_finish(&on, first, 0);
    stage_finish(&on, second, 1);
    stage_tear_down(&on);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(what_runs_is_found),
        TEST(who_does_not_stop_is_lost_and_replaced),
        TEST(a_timeout_is_told_and_then_the_worker_is_lost),
        TEST(who_is_in_time_is_left_alone),
        TEST(timeouts_meet_the_end),
        TEST(who_is_lost_before_its_first_task_breaks_the_pool),
        TEST(who_is_late_begins_nothing_if_all_else_was_told_to_end),
        TEST(who_leaves_is_replaced_while_tasks_wait),
        TEST(who_has_a_task_to_take_does_not_leave),
        TEST(who_submits_waits_for_room),
        TEST(closing_ends_the_wait_for_room),
        {0},
    };
    return run_tests(tests, argc, argv);
}
