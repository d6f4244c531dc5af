#include "core/pool.h"

#include "core/outbox.h"
#include "port/memory.h"
#include "support/check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)256 << 10)
#define GATES 64

// What the layer above would be: a body whose tasks wait at the gate of their
// number, and what it saw.
typedef struct {
    cot_home *home;
    cot_pool *pool;
    atomic_bool may_start;            // bodies wait for it
    atomic_bool is_open[GATES];       // tasks wait for theirs
    atomic_int who_ran[GATES];        // the worker's number plus 1
    _Atomic(cot_worker *) workers[GATES];
    atomic_int runs;
    atomic_int interrupts;
    atomic_int destroyed;
} stage;

static void
run_task(stage *on, cot_worker *worker, cot_task *task)
{
    CHECK_EQ(cot_task_get_state(task), COT_TASK_RUNNING);
    CHECK(atomic_load(&worker->task) == task);
    uint64_t number = task->call ? take_number(task->call) : 0;
    cot_payload *outcome = task->call ? number_payload(number) : NULL;
    task->call = NULL;
    if (number < GATES) {
        atomic_store(&on->who_ran[number], (int)worker->number + 1);
        WAIT_UNTIL(atomic_load(&on->is_open[number]));
    }
    atomic_fetch_add(&on->runs, 1);
    atomic_store(&worker->task, NULL);
    cot_task_finish(task, outcome ? COT_OUTCOME_VALUE : COT_OUTCOME_NONE,
                    outcome);
    cot_task_unref(task);
}

static void
take_until_shut_down(stage *on, cot_worker *worker)
{
    for (;;) {
        cot_task *task;
        cot_status status = cot_pool_take(worker->pool, worker, COT_NEVER,
                                          &task);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK) {
            run_task(on, worker, task);
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

static void
work(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    atomic_store(&on->workers[worker->number % GATES], worker);
    WAIT_UNTIL(atomic_load(&on->may_start));
    take_until_shut_down(on, worker);
    cot_worker_seal(worker);
}

static void
count_destroyed(void *context)
{
    stage *on = context;
    atomic_fetch_add(&on->destroyed, 1);
}

static void
set_up_with(stage *on, uint32_t max_workers, void (*body)(cot_worker *),
            size_t stack_size)
{
    *on = (stage){.home = cot_home_create(), .may_start = true};
    char name[] = "stage";
    cot_pool_config config = {.body = body,
                              .destroy = count_destroyed,
                              .context = on,
                              .stack_size = stack_size,
                              .name = name};
    on->pool = cot_pool_create(on->home, max_workers, &config);
    memset(name, 'x', sizeof(name) - 1);  // it has a copy
    CHECK(on->pool != NULL);
}

static void
set_up(stage *on, uint32_t max_workers)
{
    set_up_with(on, max_workers, work, STACK_SIZE);
}

static void
wait_for_workers(stage *on)
{
    cot_parker parker = {0};
    cot_status status;
    while ((status = cot_pool_join(on->pool, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    while ((status = cot_home_join(on->home, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
}

static void
tear_down(stage *on)
{
    cot_pool_close(on->pool);
    wait_for_workers(on);
    CHECK_EQ(cot_pool_workers(on->pool), 0);
    cot_pool_unref(on->pool);
    // The last worker may be about to let go of the pool.
    WAIT_UNTIL(atomic_load(&on->destroyed) == 1);
    cot_home_unref(on->home);
}

static cot_task *
new_task(stage *on, uint64_t number)
{
    cot_task *task = cot_task_create(NULL, number_payload(number),
                                     COT_CALL_ONE, cot_home_outbox(on->home));
    CHECK(task != NULL);
    return task;
}

static cot_task *
submit(stage *on, uint64_t number)
{
    cot_task *task = new_task(on, number);
    CHECK_EQ(cot_pool_submit(on->pool, task), COT_OK);
    return task;
}

static void
open_gate(stage *on, int number)
{
    atomic_store(&on->is_open[number], true);
}

static int
wait_for_runner(stage *on, int number)
{
    WAIT_UNTIL(atomic_load(&on->who_ran[number]) != 0);
    return atomic_load(&on->who_ran[number]) - 1;
}

static void
wait_done(cot_task *task)
{
    cot_parker parker = {0};
    while (cot_task_wait(task, &parker, COT_NEVER) != COT_OK) {
    }
}

static void
wait_idle(stage *on, int number)
{
    cot_worker *worker;
    WAIT_UNTIL((worker = atomic_load(&on->workers[number])) != NULL);
    WAIT_UNTIL(is_asleep(&worker->parker));
    CHECK(atomic_load(&worker->task) == NULL);
}

static void
finish_and_drop(stage *on, cot_task *task, int number)
{
    open_gate(on, number);
    wait_done(task);
    CHECK_EQ(cot_task_get_state(task), COT_TASK_FINISHED);
    CHECK_EQ(task->outcome_kind, COT_OUTCOME_VALUE);
    cot_task_unref(task);
}

// ---- starting and choosing workers ---------------------------------------

static void
a_pool_starts_without_workers(void)
{
    stage on;
    set_up(&on, 3);
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
    tear_down(&on);
    cot_pool_unref(NULL);
}

static void
a_free_worker_is_enough(void)
{
    stage on;
    set_up(&on, 3);
    for (int i = 0; i < 5; i++) {
        finish_and_drop(&on, submit(&on, (uint64_t)i), i);
        CHECK_EQ(wait_for_runner(&on, i), 0);
        CHECK_EQ(cot_pool_workers(on.pool), 1);
        CHECK(!cot_home_is_empty(on.home));
        wait_idle(&on, 0);
    }
    tear_down(&on);
}

static void
workers_are_bounded(void)
{
    stage on;
    cot_task *tasks[20];
    set_up(&on, 3);
    for (int i = 0; i < 20; i++) {
        tasks[i] = submit(&on, (uint64_t)i);
        if (i < 3) {
            wait_for_runner(&on, i);
        }
        CHECK_EQ(cot_pool_workers(on.pool), i < 3 ? i + 1 : 3);
    }
    CHECK_EQ(cot_pool_pending(on.pool), 17);
    for (int i = 0; i < 20; i++) {
        finish_and_drop(&on, tasks[i], i);
        CHECK(wait_for_runner(&on, i) < 3);
    }
    CHECK_EQ(cot_pool_pending(on.pool), 0);
    CHECK_EQ(cot_pool_workers(on.pool), 3);
    tear_down(&on);
}

static void
a_starting_worker_is_free(void)
{
    stage on;
    set_up(&on, 3);
    atomic_store(&on.may_start, false);
    cot_task *first = submit(&on, 0);
    CHECK_EQ(cot_pool_workers(on.pool), 1);
    CHECK(cot_task_cancel(first));
    cot_task *second = submit(&on, 1);
    CHECK_EQ(cot_pool_workers(on.pool), 2);
    CHECK_EQ(cot_pool_pending(on.pool), 2);
    atomic_store(&on.may_start, true);
    finish_and_drop(&on, second, 1);
    CHECK_EQ(atomic_load(&on.who_ran[0]), 0);
    cot_task_unref(first);
    // Two free, so no third.
    wait_idle(&on, 0);
    wait_idle(&on, 1);
    cot_task *third = submit(&on, 2), *fourth = submit(&on, 3);
    CHECK_EQ(cot_pool_workers(on.pool), 2);
    finish_and_drop(&on, third, 2);
    finish_and_drop(&on, fourth, 3);
    tear_down(&on);
}

static void
the_last_to_lie_down_is_the_first_to_rise(void)
{
    stage on;
    cot_task *tasks[6];
    set_up(&on, 3);
    for (int i = 0; i < 3; i++) {
        tasks[i] = submit(&on, (uint64_t)i);
        CHECK_EQ(wait_for_runner(&on, i), i);
    }
    static const int order[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        finish_and_drop(&on, tasks[order[i]], order[i]);
        wait_idle(&on, order[i]);
    }
    for (int i = 0; i < 3; i++) {
        tasks[3 + i] = submit(&on, (uint64_t)(3 + i));
        CHECK_EQ(wait_for_runner(&on, 3 + i), order[2 - i]);
    }
    for (int i = 3; i < 6; i++) {
        finish_and_drop(&on, tasks[i], i);
    }
    CHECK_EQ(cot_pool_workers(on.pool), 3);
    tear_down(&on);
}

static void
tasks_run_in_order(void)
{
    stage on;
    cot_task *tasks[10];
    set_up(&on, 1);
    for (int i = 0; i < 10; i++) {
        tasks[i] = submit(&on, (uint64_t)i);
    }
    for (int i = 0; i < 10; i++) {
        wait_for_runner(&on, i);
        CHECK_EQ(cot_pool_pending(on.pool), 9 - i);
        if (i < 9) {
            CHECK_EQ(atomic_load(&on.who_ran[i + 1]), 0);
        }
        finish_and_drop(&on, tasks[i], i);
    }
    tear_down(&on);
}

static void
an_interrupt_reaches_an_idle_worker(void)
{
    stage on;
    set_up(&on, 1);
    finish_and_drop(&on, submit(&on, 0), 0);
    wait_idle(&on, 0);
    cot_worker *worker = atomic_load(&on.workers[0]);
    cot_parker_interrupt(&worker->parker);
    WAIT_UNTIL(atomic_load(&on.interrupts) == 1);
    finish_and_drop(&on, submit(&on, 1), 1);
    CHECK_EQ(cot_pool_workers(on.pool), 1);
    tear_down(&on);
}

static void
take_now(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    cot_status status;
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task), COT_OK);
    run_task(on, worker, task);
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
    take_until_shut_down(on, worker);
    CHECK_EQ(cot_pool_take(worker->pool, worker, COT_NOW, &task),
             COT_SHUT_DOWN);
    cot_worker_seal(worker);
}

static void
a_worker_need_not_wait(void)
{
    stage on;
    set_up_with(&on, 1, take_now, STACK_SIZE);
    finish_and_drop(&on, submit(&on, 0), 0);
    WAIT_UNTIL(atomic_load(&on.is_open[1]));
    tear_down(&on);
}

// ---- tasks that do not run -----------------------------------------------

static bool
take_posted(stage *on, cot_task *task)
{
    cot_parker parker = {0};
    cot_task *taken = NULL;
    cot_status status = cot_outbox_take(cot_home_outbox(on->home), &parker,
                                        COT_NOW, &taken);
    CHECK(status == COT_OK || status == COT_TIMED_OUT);
    CHECK(status != COT_OK || taken == task);
    cot_task_unref(taken);
    return status == COT_OK;
}

static void
a_cancelled_task_is_skipped(void)
{
    stage on;
    set_up(&on, 1);
    cot_task *first = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *second = submit(&on, 1), *third = submit(&on, 2);
    CHECK(cot_task_cancel(second));
    finish_and_drop(&on, first, 0);
    finish_and_drop(&on, third, 2);
    CHECK_EQ(atomic_load(&on.who_ran[1]), 0);
    CHECK_EQ(atomic_load(&second->refs), 1);
    cot_task_unref(second);
    tear_down(&on);
}

// The canceller posts what is still in line: it stands in both, the pool's
// line and the outbox.
static void
a_cancelled_task_may_be_posted_from_the_line(void)
{
    stage on;
    set_up(&on, 1);
    cot_task *tasks[6];
    tasks[0] = submit(&on, 0);
    wait_for_runner(&on, 0);
    for (int i = 1; i < 6; i++) {
        tasks[i] = submit(&on, (uint64_t)i);
    }
    static const int cancelled[] = {3, 1, 5};
    for (int i = 0; i < 3; i++) {
        cot_task *task = tasks[cancelled[i]];
        CHECK(cot_task_watch(task));
        CHECK(cot_task_cancel(task));
        cot_outbox_post(cot_home_outbox(on.home), task);
    }
    finish_and_drop(&on, tasks[0], 0);
    finish_and_drop(&on, tasks[2], 2);
    finish_and_drop(&on, tasks[4], 4);
    finish_and_drop(&on, submit(&on, 6), 6);
    for (int i = 0; i < 3; i++) {
        CHECK(take_posted(&on, tasks[cancelled[i]]));
        cot_task_unref(tasks[cancelled[i]]);
    }
    CHECK_EQ(atomic_load(&on.runs), 4);
    tear_down(&on);
}

typedef struct {
    cot_object object;
    stage *on;
    atomic_bool is_destroyed;
} nosy_function;

static void
look_at_pool(cot_object *object)
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
    set_up(&on, 1);
    nosy_function function = {.on = &on};
    cot_object_init(&function.object, &nosy_class);
    cot_task *first = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *second = cot_task_create(&function.object, number_payload(1),
                                       COT_CALL_ONE, cot_home_outbox(on.home));
    CHECK_EQ(cot_pool_submit(on.pool, second), COT_OK);
    CHECK(cot_task_cancel(second));
    cot_task_unref(second);
    CHECK(!atomic_load(&function.is_destroyed));
    finish_and_drop(&on, first, 0);
    WAIT_UNTIL(atomic_load(&function.is_destroyed));
    finish_and_drop(&on, submit(&on, 2), 2);
    tear_down(&on);
}

static void
a_closed_pool_finishes_its_line(void)
{
    stage on;
    set_up(&on, 1);
    cot_task *first = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *second = submit(&on, 1), *late = new_task(&on, 2);
    cot_pool_close(on.pool);
    cot_pool_close(on.pool);
    CHECK(cot_pool_is_closed(on.pool));
    CHECK_EQ(cot_pool_submit(on.pool, late), COT_SHUT_DOWN);
    CHECK_EQ(atomic_load(&late->refs), 1);
    CHECK_EQ(cot_task_get_state(late), COT_TASK_PENDING);
    cot_task_unref(late);
    cot_parker parker = {0};
    CHECK_EQ(cot_pool_join(on.pool, &parker, COT_NOW), COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_pool_join(on.pool, &parker, COT_NEVER), COT_INTERRUPTED);
    finish_and_drop(&on, first, 0);
    finish_and_drop(&on, second, 1);
    tear_down(&on);
    CHECK_EQ(atomic_load(&on.runs), 2);
}

static void
closing_wakes_idle_workers(void)
{
    stage on;
    cot_task *tasks[3];
    set_up(&on, 3);
    for (int i = 0; i < 3; i++) {
        tasks[i] = submit(&on, (uint64_t)i);
    }
    for (int i = 0; i < 3; i++) {
        finish_and_drop(&on, tasks[i], i);
    }
    for (uint32_t i = 0; i < cot_pool_workers(on.pool); i++) {
        wait_idle(&on, (int)i);
    }
    tear_down(&on);
}

static void
what_is_in_line_may_be_cancelled(void)
{
    stage on;
    set_up(&on, 1);
    cot_task *running = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *watched = submit(&on, 1), *other = submit(&on, 2);
    cot_task *by_asker = submit(&on, 3);
    CHECK(cot_task_watch(watched));
    CHECK(cot_task_watch(by_asker));
    CHECK(cot_task_cancel(by_asker));
    cot_pool_cancel_pending(on.pool);
    CHECK_EQ(cot_pool_pending(on.pool), 0);
    CHECK_EQ(cot_task_get_state(running), COT_TASK_RUNNING);
    CHECK_EQ(cot_task_get_state(watched), COT_TASK_CANCELLED);
    CHECK_EQ(cot_task_get_state(other), COT_TASK_CANCELLED);
    CHECK(take_posted(&on, watched));
    CHECK(!take_posted(&on, NULL));
    CHECK_EQ(atomic_load(&watched->refs), 1);
    CHECK_EQ(atomic_load(&other->refs), 1);
    CHECK(cot_pool_is_closed(on.pool));
    finish_and_drop(&on, running, 0);
    cot_task_unref(watched);
    cot_task_unref(other);
    cot_task_unref(by_asker);
    tear_down(&on);
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
    set_up(&on, 1);
    cot_task *running = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *watched = submit(&on, 1), *cancelled = submit(&on, 2);
    CHECK(cot_task_watch(watched));
    CHECK(cot_task_cancel(cancelled));
    cot_pool_break(on.pool, "no room");
    cot_pool_break(on.pool, "something else");
    CHECK(is_lost_for(watched, "no room"));
    CHECK(take_posted(&on, watched));
    CHECK_EQ(cot_task_get_state(cancelled), COT_TASK_CANCELLED);

    char reason[16];
    CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
    CHECK_EQ(strcmp(reason, "no room"), 0);
    CHECK(cot_pool_why_broken(on.pool, reason, 4));
    CHECK_EQ(strcmp(reason, "no "), 0);
    cot_task *late = new_task(&on, 3);
    CHECK_EQ(cot_pool_submit(on.pool, late), COT_SHUT_DOWN);
    cot_task_unref(late);
    cot_task_unref(watched);
    cot_task_unref(cancelled);
    finish_and_drop(&on, running, 0);
    tear_down(&on);
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
    set_up_with(&on, 2, break_at_once, STACK_SIZE);
    atomic_store(&on.may_start, false);
    cot_task *first = submit(&on, 0), *second = submit(&on, 1);
    atomic_store(&on.may_start, true);
    wait_done(first);
    wait_done(second);
    CHECK(is_lost_for(first, "no interpreter"));
    CHECK(is_lost_for(second, "no interpreter"));
    cot_task_unref(first);
    cot_task_unref(second);
    tear_down(&on);
}

// ---- when the system refuses ---------------------------------------------

static void
without_any_thread_there_is_no_work(void)
{
    stage on;
    set_up_with(&on, 2, work, 1);  // too small a stack: refused
    cot_task *task = new_task(&on, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cot_pool_submit(on.pool, task), COT_NO_THREAD);
        CHECK_EQ(cot_task_get_state(task), COT_TASK_PENDING);
        CHECK_EQ(atomic_load(&task->refs), 1);
        CHECK_EQ(cot_pool_workers(on.pool), 0);
        CHECK_EQ(cot_pool_pending(on.pool), 0);
        CHECK(cot_home_is_empty(on.home));
    }
    cot_task_unref(task);
    tear_down(&on);
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
    atomic_store(&self->answer, (int)cot_pool_submit(self->on->pool,
                                                     self->task));
}

// Someone's task was accepted since a worker was starting, which then fails
// to: it must not wait for ever.
static void
whoever_counted_on_a_worker_is_told(void)
{
    stage on;
    set_up_with(&on, 1, work, 1);
    // Who starts a worker has to enter the home: hold it there.
    cot_worker_link link;
    cot_home_add_worker(on.home, &link);
    hopeful self = {.on = &on, .task = new_task(&on, 0), .answer = -1};
    test_threads holder, submitter;
    start_threads(&holder, 1, hold_home, &self);
    WAIT_UNTIL(atomic_load(&self.visit.is_inside));
    start_threads(&submitter, 1, submit_in_thread, &self);
    WAIT_UNTIL(cot_pool_workers(on.pool) == 1);

    cot_task *other = submit(&on, 1);
    CHECK(cot_task_watch(other));
    atomic_store(&self.visit.may_leave, true);
    join_threads(&holder);
    join_threads(&submitter);
    CHECK_EQ(atomic_load(&self.answer), COT_NO_THREAD);
    CHECK_EQ(cot_task_get_state(self.task), COT_TASK_PENDING);
    CHECK_EQ(atomic_load(&self.task->refs), 1);
    CHECK_EQ(cot_task_get_state(other), COT_TASK_FINISHED);
    CHECK_EQ(other->outcome_kind, COT_OUTCOME_LOST);
    CHECK(take_posted(&on, other));
    CHECK_EQ(atomic_load(&other->refs), 1);
    cot_task_unref(self.task);
    cot_task_unref(other);
    cot_home_remove_worker(on.home, &link);
    tear_down(&on);
}

static bool
create_and_submit(void *arg)
{
    stage on = {.home = arg, .may_start = true};
    cot_pool_config config = {.body = work,
                              .destroy = count_destroyed,
                              .context = &on,
                              .stack_size = STACK_SIZE,
                              .name = "stage"};
    open_gate(&on, 0);
    on.pool = cot_pool_create(on.home, 1, &config);
    if (on.pool == NULL) {
        CHECK_EQ(atomic_load(&on.destroyed), 0);
        return false;
    }
    cot_task *task = cot_task_create(NULL, NULL, COT_CALL_ONE,
                                     cot_home_outbox(on.home));
    cot_status status = COT_NO_MEMORY;
    if (task != NULL) {
        status = cot_pool_submit(on.pool, task);
        CHECK(status == COT_OK || status == COT_NO_MEMORY);
        CHECK(status == COT_OK
              || cot_task_get_state(task) == COT_TASK_PENDING);
    }
    cot_pool_cancel_pending(on.pool);
    cot_home_ref(on.home);
    tear_down(&on);
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
    CHECK_EQ(cot_pool_submit(on->pool, task), COT_OK);
    cot_task_unref(task);
    return true;
}

static void
one_worker_is_enough_when_memory_is_short(void)
{
    stage on;
    set_up(&on, 2);
    cot_task *task = submit(&on, 0);
    wait_for_runner(&on, 0);
    // The task, the worker, the start of its thread.
    CHECK_EQ(fail_each_allocation(submit_another, &on), 3);
    finish_and_drop(&on, task, 0);
    tear_down(&on);
    CHECK_EQ(atomic_load(&on.runs), 4);
}

static void
a_pool_breaks_without_memory(void)
{
    for (int n = 1; n <= 2; n++) {
        stage on;
        set_up(&on, 1);
        cot_task *running = submit(&on, 0);
        wait_for_runner(&on, 0);
        cot_task *task = submit(&on, 1);
        cot_memory_fail_at(n);
        cot_pool_break(on.pool, "no room");
        CHECK_EQ(cot_memory_fail_at(0), 0);
        CHECK_EQ(cot_task_get_state(task), COT_TASK_FINISHED);
        CHECK_EQ(task->outcome_kind, COT_OUTCOME_LOST);
        char reason[80];
        CHECK(cot_pool_why_broken(on.pool, reason, sizeof(reason)));
        CHECK(strlen(reason) > 0);
        cot_task_unref(task);
        finish_and_drop(&on, running, 0);
        tear_down(&on);
    }
}

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
    cot_pool_each_busy(on->pool, count_visit, &busy);
    return busy;
}

static void
busy_workers_are_visited(void)
{
    stage on;
    set_up(&on, 3);
    CHECK_EQ(tour_busy(&on).len, 0);
    cot_task *first = submit(&on, 0);
    wait_for_runner(&on, 0);
    cot_task *second = submit(&on, 1);
    wait_for_runner(&on, 1);
    CHECK_EQ(tour_busy(&on).len, 2);
    finish_and_drop(&on, first, 0);
    wait_idle(&on, 0);
    tour busy = tour_busy(&on);
    CHECK_EQ(busy.len, 1);
    CHECK(busy.last == atomic_load(&on.workers[1]) && busy.task == second);
    finish_and_drop(&on, second, 1);
    wait_idle(&on, 1);
    CHECK_EQ(tour_busy(&on).len, 0);
    tear_down(&on);
}

static void
seal_when_busy(cot_worker *worker)
{
    stage *on = cot_pool_context(worker->pool);
    cot_task *task;
    while (cot_pool_take(worker->pool, worker, COT_NEVER, &task) != COT_OK) {
    }
    run_task(on, worker, task);
    cot_worker_seal(worker);
    atomic_fetch_add(&on->interrupts, 1);  // here: guests have left
    cot_pool_break(worker->pool, "as told");
}

static void
a_worker_waits_for_its_guests(void)
{
    stage on;
    set_up_with(&on, 1, seal_when_busy, STACK_SIZE);
    cot_task *task = submit(&on, 0);
    wait_for_runner(&on, 0);
    tour busy = {0};
    cot_pool_each_busy(on.pool, enter, &busy);
    cot_pool_each_busy(on.pool, enter, &busy);
    CHECK_EQ(busy.len, 2);
    finish_and_drop(&on, task, 0);
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
    tear_down(&on);
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
        cot_pool_each_busy(all->on->pool, enter, &busy);
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
        set_up(&on, 1);
        hotel all = {.on = &on};
        test_threads guests;
        start_threads(&guests, 2, visit_again_and_again, &all);
        cot_task *tasks[5];
        for (int i = 0; i < 5; i++) {
            tasks[i] = submit(&on, (uint64_t)i);
            open_gate(&on, i);
        }
        cot_pool_close(on.pool);
        wait_for_workers(&on);
        atomic_store(&all.is_over, true);
        join_threads(&guests);
        for (int i = 0; i < 5; i++) {
            finish_and_drop(&on, tasks[i], i);
        }
        tear_down(&on);
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
        cot_task *task = submit(all->on, GATES);  // no gate
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
            wait_done(task);
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
            cot_task_unref(task);
        }
    }
}

static void
every_task_ends_once(void)
{
    static throng all;
    stage on;
    set_up(&on, 3);
    all = (throng){.seed = test_seed(), .on = &on};
    test_threads askers, dispatcher;
    start_threads(&dispatcher, 1, dispatch, &all);
    start_threads(&askers, ASKERS, ask, &all);
    join_threads(&askers);
    int cancelled = 0;
    for (size_t i = 0; i < ASKERS * TASKS; i++) {
        cot_task *task = all.tasks[i / TASKS][i % TASKS];
        bool was_cancelled = all.is_cancelled[i / TASKS][i % TASKS];
        wait_done(task);
        CHECK_EQ(cot_task_get_state(task),
                 was_cancelled ? COT_TASK_CANCELLED : COT_TASK_FINISHED);
        cancelled += was_cancelled;
        cot_task_unref(task);
    }
    CHECK_EQ(atomic_load(&on.runs), ASKERS * TASKS - cancelled);
    CHECK(cot_pool_workers(on.pool) <= 3);
    cot_pool_close(on.pool);
    wait_for_workers(&on);
    cot_outbox_close(cot_home_outbox(on.home));
    join_threads(&dispatcher);
    for (size_t i = 0; i < ASKERS * TASKS; i++) {
        CHECK_EQ(atomic_load(&all.posted[i / TASKS][i % TASKS]),
                 all.is_posting[i / TASKS][i % TASKS]);
    }
    tear_down(&on);
}

static void
use_once(void)
{
    stage on;
    set_up(&on, 2);
    finish_and_drop(&on, submit(&on, 0), 0);
    tear_down(&on);
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
        TEST(without_any_thread_there_is_no_work),
        TEST(whoever_counted_on_a_worker_is_told),
        TEST(memory_may_run_out),
        TEST(one_worker_is_enough_when_memory_is_short),
        TEST(a_pool_breaks_without_memory),
        TEST(busy_workers_are_visited),
        TEST(a_worker_waits_for_its_guests),
        TEST(visits_meet_the_end),
        TEST(every_task_ends_once),
        TEST(a_forked_child_may_have_pools),
        {0},
    };
    return run_tests(tests, argc, argv);
}
