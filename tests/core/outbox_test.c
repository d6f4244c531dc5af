#include "core/outbox.h"

#include "port/thread.h"
#include "support/check.h"

static cot_task *
ended_task(cot_outbox *outbox, uint64_t number)
{
    cot_task *task = cot_task_create(NULL, number_payload(number),
                                     COT_CALL_ONE, outbox);
    CHECK(task != NULL);
    CHECK(cot_task_begin(task));
    cot_task_finish(task, COT_OUTCOME_NONE, NULL);
    return task;
}

static void
post_number(cot_outbox *outbox, uint64_t number)
{
    cot_task *task = ended_task(outbox, number);
    cot_outbox_post(outbox, task);
    cot_task_unref(task);
}

// The number of the next task, whose only reference is the taker's.
static uint64_t
take_posted(cot_outbox *outbox, cot_parker *parker)
{
    cot_task *task = NULL;
    cot_status status;
    while ((status = cot_outbox_take(outbox, parker, COT_NEVER, &task))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    CHECK(task->outbox == outbox);
    uint64_t number = take_number(task->call);
    task->call = NULL;
    hand_over(outbox, task);
    return number;
}

static void
what_is_posted_comes_out_in_order(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *task;
    CHECK(outbox != NULL);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_TIMED_OUT);
    for (uint64_t i = 0; i < 10; i++) {
        post_number(outbox, i);
    }
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_EQ(take_posted(outbox, &parker), i);
    }
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_TIMED_OUT);
    cot_outbox_unref(outbox);
    cot_outbox_unref(NULL);
}

static void
a_post_adds_one_reference(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *task = ended_task(outbox, 1), *taken;
    cot_outbox_post(outbox, task);
    CHECK_EQ(atomic_load(&task->refs), 2);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &taken), COT_OK);
    CHECK(taken == task);
    CHECK_EQ(atomic_load(&task->refs), 2);
    hand_over(outbox, taken);
    CHECK_EQ(atomic_load(&task->refs), 1);
    cot_task_unref(task);
    cot_outbox_unref(outbox);
}

static void
closed_it_gives_what_it_has(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *task;
    post_number(outbox, 1);
    cot_outbox_close(outbox);
    CHECK_EQ(take_posted(outbox, &parker), 1);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NEVER, &task),
             COT_SHUT_DOWN);
    post_number(outbox, 2);  // is kept
    CHECK_EQ(take_posted(outbox, &parker), 2);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_SHUT_DOWN);
    cot_outbox_unref(outbox);
}

static void
it_has_as_many_takers_as_are_wanted(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *task;
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NOW), COT_OK);
    CHECK(cot_outbox_claim(outbox, 1));
    CHECK(!cot_outbox_claim(outbox, 1));
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NOW), COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NEVER), COT_INTERRUPTED);
    CHECK(cot_parker_calm(&parker));

    cot_outbox_close(outbox);
    CHECK(!cot_outbox_claim(outbox, 1));
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_SHUT_DOWN);
    cot_outbox_resign(outbox);
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NEVER), COT_OK);

    // The next taker finds it open.
    CHECK(cot_outbox_claim(outbox, 1));
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_TIMED_OUT);
    cot_outbox_resign(outbox);
    cot_outbox_unref(outbox);
}

static void
a_child_has_no_taker(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    CHECK(cot_outbox_claim(outbox, 1));
    cot_outbox_after_fork_in_child(outbox);
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NEVER), COT_OK);
    post_number(outbox, 1);
    CHECK(cot_outbox_claim(outbox, 1));
    CHECK_EQ(take_posted(outbox, &parker), 1);
    cot_outbox_resign(outbox);
    cot_outbox_unref(outbox);
}

static void
an_interrupt_ends_the_wait(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *task;
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NEVER, &task),
             COT_INTERRUPTED);
    // What is there comes first: it needs no wait.
    post_number(outbox, 3);
    CHECK_EQ(take_posted(outbox, &parker), 3);
    cot_outbox_unref(outbox);
}

#define POSTERS 3
#define POSTS 1000

typedef struct {
    cot_outbox *outbox;
    cot_parker parker;  // the taker's
    atomic_bool has_begun;
    bool is_satisfied;  // the taker's, before its last act
    uint64_t sum;
    int taken;
} shared;

static void
take_all(void *arg, size_t idx)
{
    shared *all = arg;
    CHECK(cot_outbox_claim(all->outbox, 1));
    atomic_store(&all->has_begun, true);
    cot_task *task;
    cot_status status;
    while (
        (status = cot_outbox_take(all->outbox, &all->parker, COT_NEVER, &task))
        != COT_SHUT_DOWN) {
        if (status == COT_OK) {
            all->sum += take_number(task->call);
            all->taken++;
            task->call = NULL;
            hand_over(all->outbox, task);
        }
    }
    all->is_satisfied = true;
    cot_outbox_resign(all->outbox);
}

static void
close_and_join(shared *all)
{
    cot_parker parker = {0};
    cot_status status;
    cot_outbox_close(all->outbox);
    while ((status = cot_outbox_join(all->outbox, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    CHECK(all->is_satisfied);
}

static void
a_waiting_taker_is_woken(void)
{
    shared all = {.outbox = cot_outbox_create()};
    test_threads taker;
    start_threads(&taker, 1, take_all, &all);
    for (uint64_t i = 1; i <= 3; i++) {
        WAIT_UNTIL(is_asleep(&all.parker));
        post_number(all.outbox, i);
    }
    WAIT_UNTIL(is_asleep(&all.parker));
    close_and_join(&all);
    join_threads(&taker);
    CHECK(all.sum == 6 && all.taken == 3);
    cot_outbox_unref(all.outbox);
}

static void
post_many(void *arg, size_t idx)
{
    shared *all = arg;
    for (uint64_t i = 1; i <= POSTS; i++) {
        post_number(all->outbox, i);
    }
}

static void
none_is_lost(void)
{
    shared all = {.outbox = cot_outbox_create()};
    test_threads taker, posters;
    start_threads(&taker, 1, take_all, &all);
    start_threads(&posters, POSTERS, post_many, &all);
    join_threads(&posters);
    WAIT_UNTIL(atomic_load(&all.has_begun));
    close_and_join(&all);
    join_threads(&taker);
    CHECK_EQ(all.taken, POSTERS * POSTS);
    CHECK_EQ(all.sum, POSTERS * POSTS * (POSTS + 1) / 2);
    cot_outbox_unref(all.outbox);
}

static void
look_and_let_go(void *arg, size_t idx)
{
    cot_outbox *outbox = arg;
    cot_parker parker = {0};
    cot_task *task;
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_TIMED_OUT);
    cot_outbox_unref(outbox);
}

static void
the_last_holder_frees_it(void)
{
    for (int round = 0; round < 50; round++) {
        cot_outbox *outbox = cot_outbox_create();
        test_threads threads;
        for (int i = 0; i < POSTERS; i++) {
            cot_outbox_ref(outbox);
        }
        start_threads(&threads, POSTERS, look_and_let_go, outbox);
        cot_outbox_unref(outbox);
        join_threads(&threads);
    }
}

static bool
create_outbox(void *arg)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_outbox_unref(outbox);
    return outbox != NULL;
}

static void
memory_may_run_out(void)
{
    CHECK_EQ(fail_each_allocation(create_outbox, NULL), 1);
}

// ---- notes ---------------------------------------------------------------

static void
notes_come_in_order_with_the_others(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    CHECK_EQ(cot_outbox_tell(outbox, number_payload(0), COT_CALL_NOTE),
             COT_SHUT_DOWN);
    CHECK(cot_outbox_claim(outbox, 1));
    post_number(outbox, 1);
    CHECK_EQ(cot_outbox_tell(outbox, number_payload(2), COT_CALL_NOTE),
             COT_OK);
    post_number(outbox, 3);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_EQ(take_posted(outbox, &parker), i);
    }
    cot_outbox_close(outbox);
    CHECK_EQ(cot_outbox_tell(outbox, number_payload(4), COT_CALL_NOTE),
             COT_SHUT_DOWN);
    cot_outbox_resign(outbox);
    cot_outbox_unref(outbox);
}

static bool
tell_one(void *arg)
{
    cot_outbox *outbox = arg;
    cot_payload *note = cot_payload_create(0, COT_NATIVE);
    cot_task *task;
    cot_parker parker = {0};
    if (note == NULL) {
        return false;
    }
    cot_status status = cot_outbox_tell(outbox, note, COT_CALL_NOTE);
    CHECK(status == COT_OK || status == COT_NO_MEMORY);
    if (status == COT_OK) {
        CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &task), COT_OK);
        CHECK_EQ(task->call_kind, COT_CALL_NOTE);
        hand_over(outbox, task);
    }
    return status == COT_OK;
}

static void
a_note_may_find_no_memory(void)
{
    cot_outbox *outbox = cot_outbox_create();
    CHECK(cot_outbox_claim(outbox, 1));
    CHECK_EQ(fail_each_allocation(tell_one, outbox), 2);
    cot_outbox_resign(outbox);
    cot_outbox_unref(outbox);
}

typedef struct {
    cot_outbox *outbox;
    atomic_int delivered;
} counter;

static void
call_due(counter *own)
{
    cot_parker parker = {0};
    cot_task *task;
    while ((task = cot_outbox_next_due(own->outbox)) != NULL) {
        CHECK_EQ(cot_outbox_settle(own->outbox, &parker, COT_NEVER), COT_OK);
        cot_thread_yield();
        cot_task_unref(task);
        atomic_fetch_add(&own->delivered, 1);
    }
}

static void
deliver_all(void *arg, size_t idx)
{
    counter *own = arg;
    cot_parker parker = {0};
    cot_task *task;
    cot_status status;
    while ((status = cot_outbox_take(own->outbox, &parker, COT_NEVER, &task))
           != COT_SHUT_DOWN) {
        if (status == COT_OK && cot_outbox_published(own->outbox, task)) {
            call_due(own);
        }
    }
    cot_outbox_resign(own->outbox);
}

static void
who_settles_waits_for_what_was_posted(void)
{
    counter own = {.outbox = cot_outbox_create()};
    cot_parker parker = {0};
    test_threads taker;
    // Without a taker there is nothing to wait for.
    CHECK_EQ(cot_outbox_settle(own.outbox, &parker, COT_NEVER), COT_OK);
    CHECK(cot_outbox_claim(own.outbox, 1));
    CHECK_EQ(cot_outbox_settle(own.outbox, &parker, COT_NEVER), COT_OK);
    post_number(own.outbox, 0);
    CHECK_EQ(cot_outbox_settle(own.outbox, &parker, COT_NOW), COT_TIMED_OUT);
    start_threads(&taker, 1, deliver_all, &own);
    for (int i = 1; i <= 100; i++) {
        cot_status status;
        while ((status = cot_outbox_settle(own.outbox, &parker, COT_NEVER))
               == COT_SIGNALLED) {
        }
        CHECK_EQ(status, COT_OK);
        CHECK_EQ(atomic_load(&own.delivered), i);
        CHECK_EQ(cot_outbox_tell(own.outbox, number_payload(1), COT_CALL_NOTE),
                 COT_OK);
    }
    cot_outbox_close(own.outbox);
    join_threads(&taker);
    CHECK_EQ(atomic_load(&own.delivered), 101);
    cot_outbox_unref(own.outbox);
}

// ---- two takers ----------------------------------------------------------

static void
while_one_calls_another_publishes(void)
{
    cot_outbox *outbox = cot_outbox_create();
    cot_parker parker = {0};
    cot_task *first, *second, *due;
    CHECK(cot_outbox_claim(outbox, 2));
    CHECK(cot_outbox_claim(outbox, 2));
    CHECK(!cot_outbox_claim(outbox, 2));
    post_number(outbox, 1);
    post_number(outbox, 2);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &first), COT_OK);
    // One publishes at a time.
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &second),
             COT_TIMED_OUT);
    CHECK(cot_outbox_published(outbox, first));
    due = cot_outbox_next_due(outbox);
    CHECK(due == first);
    CHECK_EQ(cot_outbox_take(outbox, &parker, COT_NOW, &second), COT_OK);
    CHECK(!cot_outbox_published(outbox, second));
    cot_task_unref(due);
    // It falls to the one who calls already.
    due = cot_outbox_next_due(outbox);
    CHECK(due == second);
    cot_task_unref(due);
    CHECK(cot_outbox_next_due(outbox) == NULL);

    cot_outbox_close(outbox);
    CHECK(!cot_outbox_claim(outbox, 2));
    cot_outbox_resign(outbox);
    CHECK(!cot_outbox_claim(outbox, 2));
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NOW), COT_TIMED_OUT);
    cot_outbox_resign(outbox);
    CHECK_EQ(cot_outbox_join(outbox, &parker, COT_NOW), COT_OK);
    cot_outbox_unref(outbox);
}

static void
two_deliver_all(void)
{
    counter own = {.outbox = cot_outbox_create()};
    cot_parker parker = {0};
    test_threads takers, posters;
    shared all = {.outbox = own.outbox};
    CHECK(cot_outbox_claim(own.outbox, 2) && cot_outbox_claim(own.outbox, 2));
    start_threads(&takers, 2, deliver_all, &own);
    start_threads(&posters, POSTERS, post_many, &all);
    join_threads(&posters);
    cot_status status;
    while ((status = cot_outbox_settle(own.outbox, &parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    CHECK_EQ(atomic_load(&own.delivered), POSTERS * POSTS);
    cot_outbox_close(own.outbox);
    join_threads(&takers);
    cot_outbox_unref(own.outbox);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(what_is_posted_comes_out_in_order),
        TEST(a_post_adds_one_reference),
        TEST(closed_it_gives_what_it_has),
        TEST(it_has_as_many_takers_as_are_wanted),
        TEST(a_child_has_no_taker),
        TEST(an_interrupt_ends_the_wait),
        TEST(a_waiting_taker_is_woken),
        TEST(none_is_lost),
        TEST(the_last_holder_frees_it),
        TEST(memory_may_run_out),
        TEST(notes_come_in_order_with_the_others),
        TEST(a_note_may_find_no_memory),
        TEST(who_settles_waits_for_what_was_posted),
        TEST(while_one_calls_another_publishes),
        TEST(two_deliver_all),
        {0},
    };
    return run_tests(tests, argc, argv);
}
