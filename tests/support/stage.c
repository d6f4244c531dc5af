#include "support/stage.h"

#include <string.h>

void
stage_run_task(stage *on, cot_worker *worker, cot_task *task)
{
    CHECK_EQ(cot_task_get_state(task), COT_TASK_RUNNING);
    CHECK(atomic_load(&worker->task) == task);
    uint64_t number = task->call ? take_number(task->call) : 0;
    cot_payload *outcome = task->call ? number_payload(number) : NULL;
    task->call = NULL;
    if (number < STAGE_GATES) {
        atomic_store(&on->who_ran[number], (int)worker->number + 1);
        WAIT_UNTIL(atomic_load(&on->is_open[number]));
    }
    atomic_fetch_add(&on->runs, 1);
    CHECK(cot_worker_end_task(worker));
    cot_task_finish(task, outcome ? COT_OUTCOME_VALUE : COT_OUTCOME_NONE,
                    outcome);
    cot_task_unref(task);
}

void
stage_take_all(stage *on, cot_worker *worker)
{
    for (;;) {
        cot_task *task;
        cot_status status = cot_pool_take(worker->pool, worker, COT_NEVER,
                                          &task);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK) {
            stage_run_task(on, worker, task);
        }
        else if (status == COT_INTERRUPTED) {
            CHECK(cot_parker_calm(&worker->parker));
            atomic_fetch_add(&on->interrupts, 1);
        }
        else {
            CHECK_EQ(status, COT_SIGNALLED);
        }
    }
}

void
stage_work(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    atomic_store(&on->workers[worker->number % STAGE_GATES], worker);
    WAIT_UNTIL(atomic_load(&on->may_start));
    stage_take_all(on, worker);
    cot_worker_seal(worker);
}

void
stage_destroyed(void *context)
{
    stage *on = context;
    atomic_fetch_add(&on->destroyed, 1);
}

void
stage_set_up_with(stage *on, uint32_t max_workers, void (*body)(cot_worker *),
                  size_t stack_size)
{
    *on = (stage){.home = cot_home_create(), .may_start = true};
    char name[] = "stage";
    cot_pool_config config = {.body = body,
                              .destroy = stage_destroyed,
                              .context = on,
                              .stack_size = stack_size,
                              .name = name};
    on->pool = cot_pool_create(on->home, max_workers, &config);
    memset(name, 'x', sizeof(name) - 1);  // it has a copy
    CHECK(on->pool != NULL);
}

void
stage_set_up(stage *on, uint32_t max_workers)
{
    stage_set_up_with(on, max_workers, stage_work, STAGE_STACK);
}

void
stage_join(stage *on)
{
    cot_parker parker = {0};
    cot_status status;
    while ((status = cot_pool_join(on->pool, &parker, COT_NEVER, true))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    while ((status = cot_home_join(on->home, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
}

void
stage_tear_down(stage *on)
{
    cot_pool_close(on->pool);
    stage_join(on);
    CHECK_EQ(cot_pool_workers(on->pool), 0);
    cot_pool_unref(on->pool);
    // The last worker may be about to let go of the pool.
    WAIT_UNTIL(atomic_load(&on->destroyed) == 1);
    cot_home_unref(on->home);
}

cot_task *
stage_task(stage *on, uint64_t number)
{
    cot_task *task = cot_task_create(NULL, number_payload(number),
                                     COT_CALL_ONE, cot_home_outbox(on->home));
    CHECK(task != NULL);
    return task;
}

cot_task *
stage_submit(stage *on, uint64_t number)
{
    cot_task *task = stage_task(on, number);
    CHECK_EQ(cot_pool_submit(on->pool, task, NULL, COT_NOW), COT_OK);
    return task;
}

void
stage_open_gate(stage *on, int number)
{
    atomic_store(&on->is_open[number], true);
}

int
stage_wait_for_runner(stage *on, int number)
{
    WAIT_UNTIL(atomic_load(&on->who_ran[number]) != 0);
    return atomic_load(&on->who_ran[number]) - 1;
}

void
stage_wait_done(cot_task *task)
{
    cot_parker parker = {0};
    while (cot_task_wait(task, &parker, COT_NEVER) != COT_OK) {
    }
}

void
stage_wait_idle(stage *on, int number)
{
    cot_worker *worker;
    WAIT_UNTIL((worker = atomic_load(&on->workers[number])) != NULL);
    WAIT_UNTIL(is_asleep(&worker->parker));
    CHECK(atomic_load(&worker->task) == NULL);
}

void
stage_finish(stage *on, cot_task *task, int number)
{
    stage_open_gate(on, number);
    stage_wait_done(task);
    CHECK_EQ(cot_task_get_state(task), COT_TASK_FINISHED);
    CHECK_EQ(task->outcome_kind, COT_OUTCOME_VALUE);
    cot_task_unref(task);
}

bool
stage_take_posted(stage *on, cot_task *task)
{
    cot_parker parker = {0};
    cot_task *taken = NULL;
    cot_status status = cot_outbox_take(cot_home_outbox(on->home), &parker,
                                        COT_NOW, &taken);
    CHECK(status == COT_OK || status == COT_TIMED_OUT);
    if (status == COT_OK) {
        CHECK(taken == task);
        hand_over(cot_home_outbox(on->home), taken);
    }
    return status == COT_OK;
}
