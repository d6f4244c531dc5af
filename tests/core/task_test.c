#include "core/task.h"

#include "core/outbox.h"
#include "port/thread.h"
#include "support/check.h"

static int functions_destroyed;

static void
count_destroyed(cot_object *object, cot_object **dead)
{
    functions_destroyed++;
}

static const cot_class function_class = {"Function", count_destroyed};

static cot_task *
pending_task(cot_outbox *outbox)
{
    cot_task *task = cot_task_create(NULL, number_payload(1), COT_CALL_ONE,
                                     outbox);
    CHECK(task != NULL);
    return task;
}

static bool
is_posted(cot_outbox *outbox, cot_task *task)
{
    cot_parker parker = {0};
    cot_task *taken = NULL;
    cot_status status = cot_outbox_take(outbox, &parker, COT_NOW, &taken);
    CHECK(status == COT_OK || status == COT_TIMED_OUT);
    if (status == COT_OK) {
        CHECK(taken == task);
        hand_over(outbox, taken);
    }
    return status == COT_OK;
}

// ---- one thread ----------------------------------------------------------

static void
a_task_adopts_its_call(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_object function;
    cot_object_init(&function, &function_class);
    functions_destroyed = 0;
    cot_payload *call = number_payload(5);
    cot_task *task = cot_task_create(&function, call, COT_CALL_MANY, outbox);
    CHECK(task != NULL);
    CHECK(task->function == &function && task->call == call);
    CHECK_EQ(task->call_kind, COT_CALL_MANY);
    CHECK(task->outbox == outbox && task->outcome == NULL);
    CHECK_EQ(cot_task_get_state(task), COT_TASK_PENDING);
    CHECK(!cot_task_is_done(task) && !cot_task_is_watched(task));
    cot_outbox_unref(outbox);  // the task has its own
    cot_task_ref(task);
    cot_task_unref(task);
    CHECK_EQ(functions_destroyed, 0);
    cot_task_unref(task);
    CHECK_EQ(functions_destroyed, 1);
    cot_task_unref(NULL);
}

static void
it_runs_and_finishes(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_task *task = pending_task(outbox);
    cot_parker parker = {0};
    CHECK_EQ(cot_task_wait(task, &parker, COT_NOW), COT_TIMED_OUT);
    CHECK(cot_task_begin(task));
    CHECK_EQ(cot_task_get_state(task), COT_TASK_RUNNING);
    CHECK(!cot_task_begin(task));
    CHECK(!cot_task_cancel(task));
    CHECK(task->call != NULL);
    cot_task_finish(task, COT_OUTCOME_VALUE, number_payload(9));
    CHECK_EQ(cot_task_get_state(task), COT_TASK_FINISHED);
    CHECK(cot_task_is_done(task));
    CHECK_EQ(cot_task_wait(task, &parker, COT_NOW), COT_OK);
    CHECK(!cot_task_begin(task) && !cot_task_cancel(task));
    CHECK_EQ(task->outcome_kind, COT_OUTCOME_VALUE);
    CHECK_EQ(take_number(task->outcome), 9);
    task->outcome = NULL;
    CHECK(!is_posted(outbox, task));
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static void
it_may_be_cancelled_before(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_task *task = pending_task(outbox);
    cot_parker parker = {0};
    CHECK(cot_task_watch(task));
    CHECK(cot_task_cancel(task));
    CHECK_EQ(cot_task_get_state(task), COT_TASK_CANCELLED);
    CHECK(cot_task_is_done(task) && task->call == NULL);
    CHECK_EQ(cot_task_wait(task, &parker, COT_NEVER), COT_OK);
    CHECK(!cot_task_cancel(task) && !cot_task_begin(task));
    CHECK(!is_posted(outbox, task));  // the canceller may
    CHECK(cot_task_is_watched(task));
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static void
what_is_watched_is_posted_once(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_task *task = pending_task(outbox);
    CHECK(cot_task_watch(task));
    CHECK(cot_task_begin(task));
    CHECK(cot_task_watch(task));
    CHECK(cot_task_is_watched(task));
    CHECK(!is_posted(outbox, task));
    cot_task_finish(task, COT_OUTCOME_NONE, NULL);
    CHECK(is_posted(outbox, task));
    CHECK(!is_posted(outbox, task));
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static void
an_ended_task_is_not_watched(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_task *task = pending_task(outbox);
    CHECK(cot_task_begin(task));
    cot_task_finish(task, COT_OUTCOME_STOPPED, NULL);
    CHECK(!cot_task_watch(task));
    CHECK(!cot_task_is_watched(task));
    CHECK(!is_posted(outbox, task));
    cot_task_unref(task);

    task = pending_task(outbox);
    CHECK(cot_task_cancel(task));
    CHECK(!cot_task_watch(task));
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static void
a_wait_may_end_early(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_task *task = pending_task(outbox);
    cot_parker parker = {0};
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_task_wait(task, &parker, COT_NEVER), COT_INTERRUPTED);
    CHECK(cot_waitlist_is_empty(&task->waiters));
    CHECK(cot_task_cancel(task));
    CHECK_EQ(cot_task_wait(task, &parker, COT_NEVER), COT_OK);
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static bool
create_task(void *arg)
{
    cot_object function;
    cot_object_init(&function, &function_class);
    functions_destroyed = 0;
    cot_payload *call = arg;
    cot_outbox *outbox = cot_outbox_create();
    if (outbox == NULL) {
        return false;
    }
    cot_task *task = cot_task_create(&function, call, COT_CALL_ONE, outbox);
    if (task != NULL) {
        task->call = NULL;  // lent by the test, for all attempts
    }
    cot_task_unref(task);
    cot_outbox_unref(outbox);
    CHECK_EQ(functions_destroyed, task != NULL);
    return task != NULL;
}

static void
memory_may_run_out(void)
{
    cot_payload *call = number_payload(4);
    CHECK_EQ(fail_each_allocation(create_task, call), 2);
    CHECK_EQ(take_number(call), 4);  // stayed the caller's
}

// ---- several threads -----------------------------------------------------

#define WAITERS 3

typedef struct {
    cot_task *task;
    cot_parker parkers[WAITERS];
    atomic_int woken;
} audience;

static void
wait_for_outcome(void *arg, size_t idx)
{
    audience *all = arg;
    cot_status status;
    while ((status = cot_task_wait(all->task, &all->parkers[idx], COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    CHECK(cot_task_is_done(all->task));
    if (cot_task_get_state(all->task) == COT_TASK_FINISHED) {
        CHECK_EQ(all->task->outcome_kind, COT_OUTCOME_VALUE);
        CHECK_EQ(*all->task->outcome->bytes, 77);
    }
    atomic_fetch_add(&all->woken, 1);
}

static void
start_audience(audience *all, test_threads *threads, cot_outbox *outbox)
{
    *all = (audience){.task = pending_task(outbox)};
    start_threads(threads, WAITERS, wait_for_outcome, all);
    for (int i = 0; i < WAITERS; i++) {
        WAIT_UNTIL(is_asleep(&all->parkers[i]));
    }
}

static void
all_who_wait_are_woken(void)
{
    cot_outbox *outbox = cot_outbox_create();
    audience all;
    test_threads threads;

    start_audience(&all, &threads, outbox);
    CHECK(cot_task_begin(all.task));
    CHECK_EQ(atomic_load(&all.woken), 0);
    cot_task_finish(all.task, COT_OUTCOME_VALUE, number_payload(77));
    join_threads(&threads);
    cot_task_unref(all.task);

    start_audience(&all, &threads, outbox);
    CHECK(cot_task_cancel(all.task));
    join_threads(&threads);
    cot_task_unref(all.task);
    cot_outbox_unref(outbox);
}

static void
finish_in_thread(void *arg, size_t idx)
{
    cot_task_finish(arg, COT_OUTCOME_VALUE, number_payload(77));
}

// The end falls between a waiter's call and its standing on the list: it
// either finds the task ended, or is found.
static void
who_is_about_to_wait_is_not_forgotten(void)
{
    cot_outbox *outbox = cot_outbox_create();
    for (int round = 0; round < 30; round++) {
        audience all = {.task = pending_task(outbox)};
        test_threads waiter, finisher;
        CHECK(cot_task_begin(all.task));
        cot_lock_acquire(&all.task->lock);
        start_threads(&waiter, 1, wait_for_outcome, &all);
        WAIT_UNTIL(atomic_load(&all.task->lock.word) == 2);  // waits for it
        start_threads(&finisher, 1, finish_in_thread, all.task);
        WAIT_UNTIL(cot_task_is_done(all.task));
        cot_lock_release(&all.task->lock);
        join_threads(&waiter);
        join_threads(&finisher);
        cot_task_unref(all.task);
    }
    cot_outbox_unref(outbox);
}

#define RACES 3000
#define RACERS 7

// One task per race.  Each racer has a part, and takes it a random moment
// after the whistle.
typedef struct {
    uint64_t seed;
    cot_outbox *outbox;
    cot_task *tasks[RACES];
    atomic_int ready[RACES];
    atomic_int begun[RACES];
    atomic_int cancelled[RACES];
    atomic_int watched[RACES];    // calls of watch that said yes
    atomic_int unwatched[RACES];  // and no
    int letters[RACES];           // from who watches to who takes the task out
    int posted[RACES];            // belongs to the taker
} race;

static void
check_ended(cot_task *task)
{
    cot_task_state state = cot_task_get_state(task);
    CHECK(state == COT_TASK_FINISHED || state == COT_TASK_CANCELLED);
    if (state == COT_TASK_FINISHED) {
        CHECK_EQ(task->outcome_kind, COT_OUTCOME_VALUE);
        CHECK_EQ(*task->outcome->bytes, 77);
    }
    else {
        CHECK(task->outcome == NULL);
    }
}

static void
run_as_worker(race *all, int i)
{
    cot_task *task = all->tasks[i];
    if (cot_task_begin(task)) {
        atomic_fetch_add(&all->begun[i], 1);
        CHECK_EQ(take_number(task->call), 1);
        task->call = NULL;
        cot_task_finish(task, COT_OUTCOME_VALUE, number_payload(77));
    }
}

static void
cancel_as_asker(race *all, int i)
{
    cot_task *task = all->tasks[i];
    if (cot_task_cancel(task)) {
        atomic_fetch_add(&all->cancelled[i], 1);
        if (cot_task_is_watched(task)) {
            cot_outbox_post(task->outbox, task);
        }
    }
}

static void
watch_as_asker(race *all, int i)
{
    all->letters[i] = i + 1;
    if (cot_task_watch(all->tasks[i])) {
        atomic_fetch_add(&all->watched[i], 1);
        return;
    }
    atomic_fetch_add(&all->unwatched[i], 1);
    // "It has ended": so its end can be looked at.
    cot_task *task = all->tasks[i];
    CHECK(task->outcome == NULL || *task->outcome->bytes == 77);
}

static void
wait_as_asker(race *all, int i, cot_parker *parker, uint64_t *random)
{
    int64_t timeout_ns = random_below(random, 50) * COT_US;
    cot_status status = cot_task_wait(all->tasks[i], parker,
                                      cot_clock_after(timeout_ns));
    while (status != COT_OK) {
        CHECK(status == COT_TIMED_OUT || status == COT_SIGNALLED);
        status = cot_task_wait(all->tasks[i], parker, COT_NEVER);
    }
    check_ended(all->tasks[i]);
}

static void
look_as_asker(race *all, int i)
{
    WAIT_UNTIL(cot_task_is_done(all->tasks[i]));
    check_ended(all->tasks[i]);
}

static void
take_part(void *arg, size_t idx)
{
    race *all = arg;
    uint64_t random = all->seed + idx;
    cot_parker parker = {0};
    for (int i = 0; i < RACES; i++) {
        atomic_fetch_add(&all->ready[i], 1);
        while (atomic_load(&all->ready[i]) < RACERS) {
            cot_thread_yield();
        }
        for (uint32_t n = random_below(&random, 200); n > 0; n--) {
            cot_cpu_pause();
        }
        switch (idx) {
            case 0:
            case 1:
                run_as_worker(all, i);
                break;
            case 2:
                if (random_below(&random, 2)) {
                    cancel_as_asker(all, i);
                }
                break;
            case 3:
                watch_as_asker(all, i);
                break;
            case 4:
                look_as_asker(all, i);
                break;
            default:
                wait_as_asker(all, i, &parker, &random);
        }
    }
}

static void
take_posted(void *arg, size_t idx)
{
    race *all = arg;
    cot_parker parker = {0};
    cot_task *task;
    cot_status status;
    while ((status = cot_outbox_take(all->outbox, &parker, COT_NEVER, &task))
           != COT_SHUT_DOWN) {
        if (status == COT_OK) {
            intptr_t i = (intptr_t)task->asker;
            CHECK_EQ(all->letters[i], i + 1);
            all->posted[i]++;
            check_ended(task);
            hand_over(all->outbox, task);
        }
    }
}

static void
a_task_ends_once(void)
{
    static race all;
    all.seed = test_seed();
    all.outbox = cot_outbox_create();
    for (int i = 0; i < RACES; i++) {
        all.tasks[i] = pending_task(all.outbox);
        all.tasks[i]->asker = (void *)(intptr_t)i;
    }
    test_threads threads, taker;
    start_threads(&taker, 1, take_posted, &all);
    start_threads(&threads, RACERS, take_part, &all);
    join_threads(&threads);
    cot_outbox_close(all.outbox);
    join_threads(&taker);
    for (int i = 0; i < RACES; i++) {
        CHECK_EQ(all.begun[i] + all.cancelled[i], 1);
        CHECK_EQ(all.watched[i] + all.unwatched[i], 1);
        CHECK_EQ(all.posted[i], all.watched[i]);
        CHECK_EQ(atomic_load(&all.tasks[i]->refs), 1);
        cot_task_unref(all.tasks[i]);
    }
    cot_outbox_unref(all.outbox);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_task_adopts_its_call),
        TEST(it_runs_and_finishes),
        TEST(it_may_be_cancelled_before),
        TEST(what_is_watched_is_posted_once),
        TEST(an_ended_task_is_not_watched),
        TEST(a_wait_may_end_early),
        TEST(memory_may_run_out),
        TEST(all_who_wait_are_woken),
        TEST(who_is_about_to_wait_is_not_forgotten),
        TEST(a_task_ends_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
