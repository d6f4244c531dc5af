// A pool when the system has no thread or no memory for it.

#include "core/pool.h"

#include "port/memory.h"
#include "support/stage.h"

#include <string.h>

static void
without_any_thread_there_is_no_work(void)
{
    stage on;
    stage_set_up_with(&on, 2, stage_work, 1);  // too small a stack: refused
    cot_task *task = stage_task(&on, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cot_pool_submit(on.pool, task, NULL, COT_NOW), COT_NO_THREAD);
        CHECK_EQ(cot_task_get_state(task), COT_TASK_PENDING);
        CHECK_EQ(atomic_load(&task->refs), 1);
        CHECK_EQ(cot_pool_workers(on.pool), 0);
        CHECK_EQ(cot_pool_pending(on.pool), 0);
        CHECK(cot_home_is_empty(on.home));
    }
    cot_task_unref(task);
    stage_tear_down(&on);
}

typedef struct {
    atomic_bool is_inside;
    atomic_bool may_leave;
} visit;

static void
stay(cot_worker_link *link, void *arg)
{
    visit *own = arg;
    atomic_store(&own->is_inside, true);
    WAIT_UNTIL(atomic_load(&own->may_leave));
}

typedef struct {
    stage *on;
    visit visit;
    cot_task *task;
    atomic_int answer;
} hopeful;

static void
hold_home(void *arg, size_t idx)
{
    hopeful *self = arg;
    cot_home_each_worker(self->on->home, stay, &self->visit);
}

static void
submit_in_thread(void *arg, size_t idx)
{
    hopeful *self = arg;
    atomic_store(
        &self->answer,
        (int)cot_pool_submit(self->on->pool, self->task, NULL, COT_NOW));
}

// Someone's task was accepted since a worker was starting, which then fails
// to: it must not wait for ever.
static void
whoever_counted_on_a_worker_is_told(void)
{
    stage on;
    stage_set_up_with(&on, 1, stage_work, 1);
    // Who starts a worker has to enter the home: hold it there.
    cot_worker_link link;
    cot_home_add_worker(on.home, &link);
    hopeful self = {.on = &on, .task = stage_task(&on, 0), .answer = -1};
    test_threads holder, submitter;
    start_threads(&holder, 1, hold_home, &self);
    WAIT_UNTIL(atomic_load(&self.visit.is_inside));
    start_threads(&submitter, 1, submit_in_thread, &self);
    WAIT_UNTIL(cot_pool_workers(on.pool) == 1);

    cot_task *other = stage_submit(&on, 1);
    CHECK(cot_task_watch(other));
    atomic_store(&self.visit.may_leave, true);
    join_threads(&holder);
    join_threads(&submitter);
    CHECK_EQ(atomic_load(&self.answer), COT_NO_THREAD);
    CHECK_EQ(cot_task_get_state(self.task), COT_TASK_PENDING);
    CHECK_EQ(atomic_load(&self.task->refs), 1);
    CHECK_EQ(cot_task_get_state(other), COT_TASK_FINISHED);
    CHECK_EQ(other->outcome_kind, COT_OUTCOME_LOST);
    CHECK(stage_take_posted(&on, other));
    CHECK_EQ(atomic_load(&other->refs), 1);
    cot_task_unref(self.task);
    cot_task_unref(other);
    cot_home_remove_worker(on.home, &link);
    stage_tear_down(&on);
}

static bool
create_and_submit(void *arg)
{
    stage on = {.home = arg, .may_start = true};
    cot_pool_config config = {.body = stage_work,
                              .destroy = stage_destroyed,
                              .context = &on,
                              .stack_size = STAGE_STACK,
                              .name = "stage"};
    stage_open_gate(&on, 0);
    on.pool = cot_pool_create(on.home, 1, &config);
    if (on.pool == NULL) {
        CHECK_EQ(atomic_load(&on.destroyed), 0);
        return false;
    }
    cot_task *task = cot_task_create(NULL, NULL, COT_CALL_ONE,
                                     cot_home_outbox(on.home));
    cot_status status = COT_NO_MEMORY;
    if (task != NULL) {
        status = cot_pool_submit(on.pool, task, NULL, COT_NOW);
        CHECK(status == COT_OK || status == COT_NO_MEMORY);
        CHECK(status == COT_OK
              || cot_task_get_state(task) == COT_TASK_PENDING);
    }
    cot_pool_cancel_pending(on.pool);
    cot_home_ref(on.home);
    stage_tear_down(&on);
    CHECK(status != COT_OK || cot_task_is_done(task));
    cot_task_unref(task);
    return status == COT_OK;
}

static void
memory_may_run_out(void)
{
    cot_home *home = cot_home_create();
    // The pool, its name, the task, the worker, the start of its thread.
    CHECK_EQ(fail_each_allocation(create_and_submit, home), 5);
    cot_home_unref(home);
}

// A task without a call, so that its worker allocates nothing.
static bool
submit_another(void *arg)
{
    stage *on = arg;
    cot_task *task = cot_task_create(NULL, NULL, COT_CALL_ONE,
                                     cot_home_outbox(on->home));
    if (task == NULL) {
        return false;
    }
    CHECK_EQ(cot_pool_submit(on->pool, task, NULL, COT_NOW), COT_OK);
    cot_task_unref(task);
    return true;
}

static void
one_worker_is_enough_when_memory_is_short(void)
{
    stage on;
    stage_set_up(&on, 2);
    cot_task *task = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    // The task, the worker, the start of its thread.
    CHECK_EQ(fail_each_allocation(submit_another, &on), 3);
    stage_finish(&on, task, 0);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&on.runs), 4);
}

static void
start_if_first(cot_worker *worker)
{
    if (worker->number == 0) {
        stage_work(worker);
    }
    else {
        cot_worker_cannot_start(worker, "no room");
    }
}

static void
one_worker_is_enough_when_others_cannot_start(void)
{
    stage on;
    stage_set_up_with(&on, 2, start_if_first, STAGE_STACK);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1);
    WAIT_UNTIL(cot_pool_workers(on.pool) == 1);
    CHECK_EQ(cot_pool_count(on.pool).started, 2);
    stage_finish(&on, first, 0);
    stage_finish(&on, second, 1);
    stage_tear_down(&on);
}

static void
never_start(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    WAIT_UNTIL(atomic_load(&on->is_open[0]));
    cot_worker_cannot_start(worker, "no room");
}

static void
the_last_that_cannot_start_breaks_the_pool(void)
{
    stage on;
    char reason[80];
    stage_set_up_with(&on, 2, never_start, STAGE_STACK);
    cot_task *tasks[2] = {stage_submit(&on, 1), stage_submit(&on, 2)};
    CHECK_EQ(cot_pool_count(on.pool).started, 2);
    stage_open_gate(&on, 0);
    for (int i = 0; i < 2; i++) {
        stage_wait_done(tasks[i]);
        CHECK_EQ(tasks[i]->outcome_kind, COT_OUTCOME_LOST);
        cot_task_unref(tasks[i]);
    }
    CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
    CHECK_EQ(strcmp(reason, "no room"), 0);
    stage_tear_down(&on);
}

static void
a_pool_breaks_without_memory(void)
{
    for (int n = 1; n <= 2; n++) {
        stage on;
        stage_set_up(&on, 1);
        cot_task *running = stage_submit(&on, 0);
        stage_wait_for_runner(&on, 0);
        cot_task *task = stage_submit(&on, 1);
        cot_memory_fail_at(n);
        cot_pool_break(on.pool, "no room");
        CHECK_EQ(cot_memory_fail_at(0), 0);
        CHECK_EQ(cot_task_get_state(task), COT_TASK_FINISHED);
        CHECK_EQ(task->outcome_kind, COT_OUTCOME_LOST);
        char reason[80];
        CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
        CHECK(strlen(reason) > 0);
        cot_task_unref(task);
        stage_finish(&on, running, 0);
        stage_tear_down(&on);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(without_any_thread_there_is_no_work),
        TEST(whoever_counted_on_a_worker_is_told),
        TEST(memory_may_run_out),
        TEST(one_worker_is_enough_when_memory_is_short),
        TEST(one_worker_is_enough_when_others_cannot_start),
        TEST(the_last_that_cannot_start_breaks_the_pool),
        TEST(a_pool_breaks_without_memory),
        {0},
    };
    return run_tests(tests, argc, argv);
}
