// A pool whose workers are visited, or used by several threads at once.

#include "core/pool.h"

#include "port/thread.h"
#include "support/stage.h"

#include <sys/wait.h>
#include <unistd.h>

// ---- visits --------------------------------------------------------------

typedef struct {
    int len;
    cot_worker *last;
    cot_task *task;
} tour;

static void
count_visit(cot_worker *worker, void *arg)
{
    tour *busy = arg;
    busy->len++;
    busy->last = worker;
    busy->task = atomic_load(&worker->task);
}

static void
enter(cot_worker *worker, void *arg)
{
    count_visit(worker, arg);
    cot_worker_enter_locked(worker);
}

static tour
tour_busy(stage *on)
{
    tour busy = {0};
    cot_pool_hurry(on->pool, count_visit, &busy);
    return busy;
}

static void
busy_workers_are_visited(void)
{
    stage on;
    stage_set_up(&on, 3);
    CHECK_EQ(tour_busy(&on).len, 0);
    cot_task *first = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    cot_task *second = stage_submit(&on, 1);
    stage_wait_for_runner(&on, 1);
    CHECK_EQ(tour_busy(&on).len, 2);
    stage_finish(&on, first, 0);
    stage_wait_idle(&on, 0);
    tour busy = tour_busy(&on);
    CHECK_EQ(busy.len, 1);
    CHECK(busy.last == atomic_load(&on.workers[1]) && busy.task == second);
    stage_finish(&on, second, 1);
    stage_wait_idle(&on, 1);
    CHECK_EQ(tour_busy(&on).len, 0);
    stage_tear_down(&on);
}

static void
seal_when_busy(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    while (cot_pool_take(worker->pool, worker, COT_NEVER, &task) != COT_OK) {
    }
    stage_run_task(on, worker, task);
    cot_worker_seal(worker);
    atomic_fetch_add(&on->interrupts, 1);  // here: guests have left
    cot_pool_break(worker->pool, "as told");
}

static void
a_worker_waits_for_its_guests(void)
{
    stage on;
    stage_set_up_with(&on, 1, seal_when_busy, STAGE_STACK);
    cot_task *task = stage_submit(&on, 0);
    stage_wait_for_runner(&on, 0);
    tour busy = {0};
    cot_pool_hurry(on.pool, enter, &busy);
    cot_pool_hurry(on.pool, enter, &busy);
    CHECK_EQ(busy.len, 2);
    stage_finish(&on, task, 0);
    // Sealed, it is not visited any more; and there still.
    WAIT_UNTIL(tour_busy(&on).len == 0);
    cot_parker_interrupt(&busy.last->parker);  // no way out
    for (int i = 0; i < 2; i++) {
        for (int pause = 0; pause < 100; pause++) {
            CHECK_EQ(atomic_load(&on.interrupts), 0);
            CHECK_EQ(cot_pool_workers(on.pool), 1);
            cot_thread_yield();
        }
        cot_worker_leave(busy.last);
    }
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&on.interrupts), 1);
}

typedef struct {
    stage *on;
    atomic_bool is_over;
} hotel;

static void
visit_again_and_again(void *arg, size_t idx)
{
    hotel *all = arg;
    while (!atomic_load(&all->is_over)) {
        tour busy = {0};
        cot_pool_hurry(all->on->pool, enter, &busy);
        // All that were entered have to be left: with one worker, the last.
        if (busy.len > 0) {
            cot_parker_interrupt(&busy.last->parker);
            cot_worker_leave(busy.last);
        }
        cot_thread_yield();
    }
}

static void
visits_meet_the_end(void)
{
    for (int round = 0; round < 60; round++) {
        stage on;
        stage_set_up(&on, 1);
        hotel all = {.on = &on};
        test_threads guests;
        start_threads(&guests, 2, visit_again_and_again, &all);
        cot_task *tasks[5];
        for (int i = 0; i < 5; i++) {
            tasks[i] = stage_submit(&on, (uint64_t)i);
            stage_open_gate(&on, i);
        }
        cot_pool_close(on.pool);
        stage_join(&on);
        atomic_store(&all.is_over, true);
        join_threads(&guests);
        for (int i = 0; i < 5; i++) {
            stage_finish(&on, tasks[i], i);
        }
        stage_tear_down(&on);
    }
}

// ---- all at once ---------------------------------------------------------

#define ASKERS 3
#define TASKS 400

typedef struct {
    uint64_t seed;
    stage *on;
    cot_task *tasks[ASKERS][TASKS];
    bool is_cancelled[ASKERS][TASKS];
    bool is_posting[ASKERS][TASKS];
    atomic_int posted[ASKERS][TASKS];
} throng;

static void
ask(void *arg, size_t idx)
{
    throng *all = arg;
    uint64_t random = all->seed + idx;
    for (size_t i = 0; i < TASKS; i++) {
        cot_task *task = stage_submit(all->on, STAGE_GATES);  // no gate
        all->tasks[idx][i] = task;
        task->asker = &all->posted[idx][i];
        if (random_below(&random, 2)) {
            all->is_posting[idx][i] = cot_task_watch(task);
        }
        if (random_below(&random, 3) == 0 && cot_task_cancel(task)) {
            all->is_cancelled[idx][i] = true;
            if (cot_task_is_watched(task)) {
                cot_outbox_post(task->outbox, task);
            }
        }
        if (random_below(&random, 8) == 0) {
            stage_wait_done(task);
        }
    }
}

static void
dispatch(void *arg, size_t idx)
{
    throng *all = arg;
    cot_parker parker = {0};
    cot_status status;
    cot_task *task;
    while ((status = cot_outbox_take(cot_home_outbox(all->on->home), &parker,
                                     COT_NEVER, &task))
           != COT_SHUT_DOWN) {
        if (status == COT_OK) {
            CHECK(cot_task_is_done(task));
            atomic_fetch_add((atomic_int *)task->asker, 1);
            hand_over(cot_home_outbox(all->on->home), task);
        }
    }
}

static void
every_task_ends_once(void)
{
    static throng all;
    stage on;
    stage_set_up(&on, 3);
    all = (throng){.seed = test_seed(), .on = &on};
    test_threads askers, dispatcher;
    start_threads(&dispatcher, 1, dispatch, &all);
    start_threads(&askers, ASKERS, ask, &all);
    join_threads(&askers);
    int cancelled = 0;
    for (size_t i = 0; i < ASKERS * TASKS; i++) {
        cot_task *task = all.tasks[i / TASKS][i % TASKS];
        bool was_cancelled = all.is_cancelled[i / TASKS][i % TASKS];
        stage_wait_done(task);
        CHECK_EQ(cot_task_get_state(task),
                 was_cancelled ? COT_TASK_CANCELLED : COT_TASK_FINISHED);
        cancelled += was_cancelled;
        cot_task_unref(task);
    }
    CHECK_EQ(atomic_load(&on.runs), ASKERS * TASKS - cancelled);
    CHECK(cot_pool_workers(on.pool) <= 3);
    cot_pool_close(on.pool);
    stage_join(&on);
    cot_outbox_close(cot_home_outbox(on.home));
    join_threads(&dispatcher);
    for (size_t i = 0; i < ASKERS * TASKS; i++) {
        CHECK_EQ(atomic_load(&all.posted[i / TASKS][i % TASKS]),
                 all.is_posting[i / TASKS][i % TASKS]);
    }
    stage_tear_down(&on);
}

static void
use_once(void)
{
    stage on;
    stage_set_up(&on, 2);
    stage_finish(&on, stage_submit(&on, 0), 0);
    stage_tear_down(&on);
}

static void
a_forked_child_may_have_pools(void)
{
    use_once();
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        use_once();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    use_once();
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(busy_workers_are_visited),
        TEST(a_worker_waits_for_its_guests),
        TEST(visits_meet_the_end),
        TEST(every_task_ends_once),
        TEST(a_forked_child_may_have_pools),
        {0},
    };
    return run_tests(tests, argc, argv);
}
