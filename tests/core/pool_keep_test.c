// Threads that outlive their workers, and workers that are dismissed.

#include "core/pool.h"
#include "core/runtime.h"
#include "support/stage.h"

// What the threads of this test keep: a number, of as many as were made.
static atomic_int made, dropped, reused;

static void
work_and_keep(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    void *kept = worker->kept;
    worker->kept = NULL;
    if (kept != NULL) {
        atomic_fetch_add(&reused, 1);
    }
    else {
        kept = (void *)(uintptr_t)(atomic_fetch_add(&made, 1) + 1);
    }
    atomic_store(&on->workers[worker->number % STAGE_GATES], worker);
    stage_take_all(on, worker);
    cot_worker_seal(worker);
    worker->kept = kept;
}

static void
drop(void *kept)
{
    CHECK(kept != NULL);
    atomic_fetch_add(&dropped, 1);
}

static void
set_up(stage *on, uint32_t max_workers)
{
    *on = (stage){.home = cot_home_create(), .may_start = true};
    on->pool = cot_pool_create(on->home, max_workers,
                               &(cot_pool_config){
                                   .body = work_and_keep,
                                   .drop = drop,
                                   .destroy = stage_destroyed,
                                   .context = on,
                                   .stack_size = STAGE_STACK,
                                   .name = "keep",
                               });
    CHECK(on->pool != NULL);
}

static void
start_counting(uint32_t room)
{
    atomic_store(&made, 0);
    atomic_store(&dropped, 0);
    atomic_store(&reused, 0);
    *cot_runtime_lot() = (cot_lot){0};  // the last test has closed it
    cot_lot_open(cot_runtime_lot(), room);
}

static void
join_lot(void)
{
    cot_parker parker = {0};
    while (cot_lot_join(cot_runtime_lot(), &parker, COT_NEVER) != COT_OK) {
    }
}

static void
use(uint32_t workers)
{
    stage on;
    cot_task *tasks[STAGE_GATES];
    set_up(&on, workers);
    for (uint32_t i = 0; i < workers; i++) {
        tasks[i] = stage_submit(&on, i);
        (void)stage_wait_for_runner(&on, (int)i);
    }
    for (uint32_t i = 0; i < workers; i++) {
        stage_finish(&on, tasks[i], (int)i);
    }
    stage_tear_down(&on);
}

static void
the_next_pool_gets_the_threads(void)
{
    start_counting(2);
    for (int i = 0; i < 20; i++) {
        use(2);
    }
    CHECK_EQ(atomic_load(&made), 2);
    CHECK_EQ(atomic_load(&reused), 38);
    CHECK_EQ(atomic_load(&dropped), 0);
    cot_lot_clear(cot_runtime_lot(), true);
    join_lot();
    CHECK_EQ(atomic_load(&dropped), 2);
}

static void
no_more_than_there_is_room_for(void)
{
    start_counting(1);
    use(3);
    CHECK_EQ(atomic_load(&made), 3);
    CHECK_EQ(atomic_load(&dropped), 2);
    use(3);
    CHECK_EQ(atomic_load(&made), 5);
    CHECK_EQ(atomic_load(&reused), 1);
    cot_lot_clear(cot_runtime_lot(), true);
    join_lot();
    CHECK_EQ(atomic_load(&dropped), 5);
    use(1);
    CHECK_EQ(atomic_load(&dropped), 6);
}

static void
other_pools_threads_end(void)
{
    start_counting(2);
    use(1);
    stage on;
    stage_set_up(&on, 1);  // which keeps nothing
    stage_finish(&on, stage_submit(&on, 0), 0);
    stage_tear_down(&on);
    CHECK_EQ(atomic_load(&reused), 0);
    cot_lot_clear(cot_runtime_lot(), true);
    join_lot();
}

// Waits for a task as workers do that may be dismissed.
static void
leave_when_told(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    cot_status status;
    atomic_store(&on->workers[worker->number % STAGE_GATES], worker);
    do {
        status = cot_pool_take(worker->pool, worker, COT_NEVER, &task);
        if (status == COT_OK) {
            stage_run_task(on, worker, task);
        }
    } while (
        status != COT_SHUT_DOWN
        && !(status == COT_TIMED_OUT && cot_worker_leave_pool(worker, true)));
    cot_worker_seal(worker);
}

static void
idle_workers_are_dismissed(void)
{
    stage on;
    stage_set_up_with(&on, 2, leave_when_told, STAGE_STACK);
    CHECK(cot_home_dismiss_workers(on.home));  // there are none
    cot_task *first = stage_submit(&on, 0);
    int number = stage_wait_for_runner(&on, 0);
    CHECK(!cot_home_dismiss_workers(on.home));
    stage_finish(&on, first, 0);
    stage_wait_idle(&on, number);
    CHECK(cot_home_dismiss_workers(on.home));
    stage_join(&on);
    CHECK_EQ(cot_pool_workers(on.pool), 0);
    // The pool is as it was: another one comes when there is work.
    cot_task *second = stage_submit(&on, 1);
    CHECK_EQ(stage_wait_for_runner(&on, 1), number + 1);
    stage_finish(&on, second, 1);
    CHECK_EQ(cot_pool_count(on.pool).started, 2);
    stage_tear_down(&on);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(the_next_pool_gets_the_threads),
        TEST(no_more_than_there_is_room_for),
        TEST(other_pools_threads_end),
        TEST(idle_workers_are_dismissed),
        {0},
    };
    return run_tests(tests, argc, argv);
}
