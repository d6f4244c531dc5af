#include "core/queue.h"

#include "port/thread.h"
#include "support/check.h"

static cot_queue *
new_queue(size_t capacity)
{
    cot_queue *queue = cot_queue_create(capacity);
    CHECK(queue != NULL);
    return queue;
}

static void
drop(cot_queue *queue)
{
    cot_object_unref(cot_queue_object(queue));
}

static void
put_number(cot_queue *queue, uint64_t number)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NOW, number_payload(number)),
             COT_OK);
}

static uint64_t
get_number(cot_queue *queue)
{
    cot_parker parker = {0};
    cot_payload *payload = NULL;
    CHECK_EQ(cot_queue_get(queue, &parker, COT_NOW, &payload), COT_OK);
    return take_number(payload);
}

static cot_status
try_put(cot_queue *queue)
{
    cot_parker parker = {0};
    cot_payload *payload = number_payload(0);
    cot_status status = cot_queue_put(queue, &parker, COT_NOW, payload);
    if (status != COT_OK) {
        CHECK_EQ(take_number(payload), 0);  // stayed the caller's
    }
    return status;
}

static cot_status
try_get(cot_queue *queue)
{
    cot_parker parker = {0};
    cot_payload *payload;
    cot_status status = cot_queue_get(queue, &parker, COT_NOW, &payload);
    if (status == COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

static cot_status
try_join(cot_queue *queue)
{
    cot_parker parker = {0};
    return cot_queue_join(queue, &parker, COT_NOW);
}

// ---- one thread ----------------------------------------------------------

static void
a_queue_is_an_object(void)
{
    cot_queue *queue = new_queue(3);
    cot_object *object = cot_queue_object(queue);
    CHECK(object->cls == &cot_queue_class);
    CHECK_EQ(atomic_load(&object->refs), 1);
    CHECK(cot_queue_from_object(object) == queue);
    CHECK_EQ(cot_queue_capacity(queue), 3);
    CHECK_EQ(cot_queue_len(queue), 0);
    CHECK(!cot_queue_is_shut_down(queue));
    drop(queue);
}

static void
first_in_is_first_out(void)
{
    cot_queue *queue = new_queue(0);
    uint64_t put = 0, got = 0;
    // Grows with its start at any place of the ring.
    for (int step = 0; step < 200; step++) {
        for (int i = 0; i < step % 7 + 3; i++) {
            put_number(queue, put++);
        }
        for (int i = 0; i < step % 5 + 1; i++) {
            CHECK_EQ(get_number(queue), got++);
        }
        CHECK_EQ(cot_queue_len(queue), put - got);
    }
    while (got < put) {
        CHECK_EQ(get_number(queue), got++);
    }
    CHECK_EQ(try_get(queue), COT_TIMED_OUT);
    drop(queue);
}

static void
a_bound_is_kept(void)
{
    cot_queue *queue = new_queue(20);
    for (uint64_t i = 0; i < 20; i++) {
        CHECK(cot_queue_can_put(queue));
        put_number(queue, i);
        CHECK(cot_queue_can_get(queue));
    }
    CHECK(!cot_queue_can_put(queue));
    CHECK_EQ(try_put(queue), COT_TIMED_OUT);
    CHECK_EQ(get_number(queue), 0);
    CHECK(cot_queue_can_put(queue));
    put_number(queue, 20);
    CHECK_EQ(try_put(queue), COT_TIMED_OUT);
    drop(queue);  // with what is in it
}

static void
an_interrupt_ends_a_wait_only(void)
{
    cot_queue *queue = new_queue(1);
    cot_parker parker = {0};
    cot_payload *payload = number_payload(8), *more = number_payload(9);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_queue_get(queue, &parker, COT_NEVER, &payload),
             COT_INTERRUPTED);
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NEVER, payload), COT_OK);
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NEVER, more), COT_INTERRUPTED);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NEVER), COT_INTERRUPTED);
    CHECK_EQ(cot_queue_get(queue, &parker, COT_NEVER, &payload), COT_OK);
    CHECK_EQ(take_number(payload), 8);
    CHECK_EQ(take_number(more), 9);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NEVER), COT_OK);
    drop(queue);
}

static void
what_is_unfinished_is_counted(void)
{
    cot_queue *queue = new_queue(0);
    CHECK(cot_queue_is_done(queue));
    CHECK_EQ(try_join(queue), COT_OK);
    CHECK_EQ(cot_queue_task_done(queue), COT_OVERDONE);
    put_number(queue, 1);
    put_number(queue, 2);
    CHECK(!cot_queue_is_done(queue));
    CHECK_EQ(try_join(queue), COT_TIMED_OUT);
    CHECK_EQ(get_number(queue), 1);
    CHECK_EQ(get_number(queue), 2);
    CHECK_EQ(try_join(queue), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(try_join(queue), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK(cot_queue_is_done(queue));
    CHECK_EQ(try_join(queue), COT_OK);
    CHECK_EQ(cot_queue_task_done(queue), COT_OVERDONE);
    drop(queue);
}

static void
a_shutdown_lets_out_what_is_inside(void)
{
    cot_queue *queue = new_queue(2);
    put_number(queue, 1);
    put_number(queue, 2);
    cot_queue_shut_down(queue, false);
    CHECK(cot_queue_is_shut_down(queue));
    CHECK(cot_queue_can_put(queue) && cot_queue_can_get(queue));
    CHECK_EQ(try_put(queue), COT_SHUT_DOWN);
    CHECK_EQ(get_number(queue), 1);
    CHECK_EQ(try_put(queue), COT_SHUT_DOWN);
    CHECK_EQ(get_number(queue), 2);
    CHECK_EQ(try_get(queue), COT_SHUT_DOWN);
    CHECK_EQ(try_join(queue), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(try_join(queue), COT_OK);
    cot_queue_shut_down(queue, false);
    CHECK_EQ(try_get(queue), COT_SHUT_DOWN);
    drop(queue);
}

static void
a_shutdown_at_once_drops_what_is_inside(void)
{
    cot_queue *queue = new_queue(0);
    cot_queue *inner = new_queue(0);
    put_number(queue, 1);
    CHECK_EQ(get_number(queue), 1);  // unfinished
    for (uint64_t i = 0; i < 40; i++) {
        put_number(queue, i);
    }
    // Destroying one payload destroys another queue, with its payloads.
    cot_parker parker = {0};
    cot_payload *payload = number_payload(0);
    put_number(inner, 2);
    CHECK_EQ(cot_payload_attach(payload, cot_queue_object(inner)), COT_OK);
    drop(inner);
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NOW, payload), COT_OK);

    cot_queue_shut_down(queue, true);
    CHECK_EQ(cot_queue_len(queue), 0);
    CHECK_EQ(try_get(queue), COT_SHUT_DOWN);
    CHECK_EQ(try_put(queue), COT_SHUT_DOWN);
    CHECK_EQ(try_join(queue), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(try_join(queue), COT_OK);
    CHECK_EQ(cot_queue_task_done(queue), COT_OVERDONE);
    cot_queue_shut_down(queue, true);
    drop(queue);
}

static void
an_empty_queue_may_be_shut_down(void)
{
    for (int immediate = 0; immediate < 2; immediate++) {
        cot_queue *queue = new_queue(1);
        cot_queue_shut_down(queue, immediate);
        CHECK_EQ(try_get(queue), COT_SHUT_DOWN);
        CHECK_EQ(try_put(queue), COT_SHUT_DOWN);
        CHECK_EQ(try_join(queue), COT_OK);
        drop(queue);
    }
}

static void
done_early_is_never_below_zero(void)
{
    cot_queue *queue = new_queue(0);
    put_number(queue, 1);
    put_number(queue, 2);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    cot_queue_shut_down(queue, true);
    CHECK_EQ(try_join(queue), COT_OK);
    CHECK_EQ(cot_queue_task_done(queue), COT_OVERDONE);
    drop(queue);
}

static bool
fill_queue(void *arg)
{
    cot_payload **items = arg;
    cot_queue *queue = cot_queue_create(0);
    if (queue == NULL) {
        return false;
    }
    cot_parker parker = {0};
    cot_status status = COT_OK;
    size_t len = 0;
    for (; len < 100; len++) {
        status = cot_queue_put(queue, &parker, COT_NOW, items[len]);
        if (status != COT_OK) {
            CHECK_EQ(status, COT_NO_MEMORY);
            break;
        }
    }
    // The queue is whole: what went in comes out.
    for (size_t i = 0; i < len; i++) {
        cot_payload *payload;
        CHECK_EQ(cot_queue_get(queue, &parker, COT_NOW, &payload), COT_OK);
        CHECK(payload == items[i]);
    }
    CHECK_EQ(try_get(queue), COT_TIMED_OUT);
    drop(queue);
    return len == 100;
}

static void
memory_may_run_out(void)
{
    cot_payload *items[100];
    for (uint64_t i = 0; i < 100; i++) {
        items[i] = number_payload(i);
    }
    // The queue, and the ring at 16, 32, 64 and 128.
    CHECK_EQ(fail_each_allocation(fill_queue, items), 5);
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_EQ(take_number(items[i]), i);
    }
}

// ---- several threads -----------------------------------------------------

typedef struct {
    cot_queue *queue;
    cot_parker parker;
    int64_t deadline_ns;
    cot_status (*wait)(cot_queue *queue, cot_parker *parker,
                       int64_t deadline_ns);
    atomic_int answer;
    test_threads thread;
} waiter;

static cot_status
wait_to_get(cot_queue *queue, cot_parker *parker, int64_t deadline_ns)
{
    cot_payload *payload;
    cot_status status = cot_queue_get(queue, parker, deadline_ns, &payload);
    if (status == COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

static cot_status
wait_to_put(cot_queue *queue, cot_parker *parker, int64_t deadline_ns)
{
    cot_payload *payload = number_payload(99);
    cot_status status = cot_queue_put(queue, parker, deadline_ns, payload);
    if (status != COT_OK) {
        cot_payload_destroy(payload);
    }
    return status;
}

static void
wait_in_thread(void *arg, size_t idx)
{
    waiter *self = arg;
    cot_status status;
    while ((status = self->wait(self->queue, &self->parker, self->deadline_ns))
           == COT_SIGNALLED) {
    }
    atomic_store(&self->answer, (int)status);
}

static void
start_waiter(waiter *self, cot_queue *queue,
             cot_status (*wait)(cot_queue *, cot_parker *, int64_t))
{
    *self = (waiter){
        .queue = queue, .deadline_ns = COT_NEVER, .wait = wait, .answer = -1};
    start_threads(&self->thread, 1, wait_in_thread, self);
    WAIT_UNTIL(is_asleep(&self->parker));
}

static cot_status
join_waiter(waiter *self)
{
    join_threads(&self->thread);
    return (cot_status)atomic_load(&self->answer);
}

static void
a_put_wakes_a_getter(void)
{
    cot_queue *queue = new_queue(0);
    waiter getters[2];
    start_waiter(&getters[0], queue, wait_to_get);
    start_waiter(&getters[1], queue, wait_to_get);
    put_number(queue, 1);
    put_number(queue, 2);
    CHECK_EQ(join_waiter(&getters[0]), COT_OK);
    CHECK_EQ(join_waiter(&getters[1]), COT_OK);
    drop(queue);
}

static void
a_get_wakes_a_putter(void)
{
    cot_queue *queue = new_queue(1);
    waiter putters[2];
    put_number(queue, 1);
    start_waiter(&putters[0], queue, wait_to_put);
    start_waiter(&putters[1], queue, wait_to_put);
    CHECK_EQ(get_number(queue), 1);
    WAIT_UNTIL(cot_queue_can_get(queue));
    CHECK_EQ(get_number(queue), 99);
    WAIT_UNTIL(cot_queue_can_get(queue));
    CHECK_EQ(get_number(queue), 99);
    CHECK_EQ(join_waiter(&putters[0]), COT_OK);
    CHECK_EQ(join_waiter(&putters[1]), COT_OK);
    drop(queue);
}

static void
the_last_done_wakes_joiners(void)
{
    cot_queue *queue = new_queue(0);
    waiter joiners[2];
    put_number(queue, 1);
    put_number(queue, 2);
    start_waiter(&joiners[0], queue, cot_queue_join);
    start_waiter(&joiners[1], queue, cot_queue_join);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(atomic_load(&joiners[0].answer), -1);
    CHECK_EQ(cot_queue_task_done(queue), COT_OK);
    CHECK_EQ(join_waiter(&joiners[0]), COT_OK);
    CHECK_EQ(join_waiter(&joiners[1]), COT_OK);
    drop(queue);
}

static void
a_shutdown_wakes_all(void)
{
    for (int immediate = 0; immediate < 2; immediate++) {
        cot_queue *empty = new_queue(1), *full = new_queue(1);
        waiter getters[2], putters[2], joiner;
        put_number(full, 1);
        for (int i = 0; i < 2; i++) {
            start_waiter(&getters[i], empty, wait_to_get);
            start_waiter(&putters[i], full, wait_to_put);
        }
        start_waiter(&joiner, full, cot_queue_join);
        cot_queue_shut_down(empty, immediate);
        cot_queue_shut_down(full, immediate);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(join_waiter(&getters[i]), COT_SHUT_DOWN);
            CHECK_EQ(join_waiter(&putters[i]), COT_SHUT_DOWN);
        }
        if (!immediate) {
            CHECK_EQ(get_number(full), 1);
            CHECK_EQ(cot_queue_task_done(full), COT_OK);
        }
        CHECK_EQ(join_waiter(&joiner), COT_OK);
        drop(empty);
        drop(full);
    }
}

static void
an_interrupt_wakes_its_waiter(void)
{
    cot_queue *queue = new_queue(0);
    waiter getters[2];
    start_waiter(&getters[0], queue, wait_to_get);
    start_waiter(&getters[1], queue, wait_to_get);
    cot_parker_interrupt(&getters[0].parker);
    CHECK_EQ(join_waiter(&getters[0]), COT_INTERRUPTED);
    put_number(queue, 1);
    CHECK_EQ(join_waiter(&getters[1]), COT_OK);
    drop(queue);
}

static void
queues_in_queues_are_freed_without_recursion(void)
{
    cot_queue *inner = new_queue(0);
    for (int depth = 0; depth < 300000; depth++) {
        cot_queue *outer = new_queue(0);
        cot_payload *payload = cot_payload_create(0, COT_NATIVE);
        cot_parker parker = {0};
        CHECK_EQ(cot_payload_attach(payload, cot_queue_object(inner)), COT_OK);
        cot_object_unref(cot_queue_object(inner));
        CHECK_EQ(cot_queue_put(outer, &parker, COT_NOW, payload), COT_OK);
        inner = outer;
    }
    drop(inner);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_queue_is_an_object),
        TEST(first_in_is_first_out),
        TEST(a_bound_is_kept),
        TEST(an_interrupt_ends_a_wait_only),
        TEST(what_is_unfinished_is_counted),
        TEST(a_shutdown_lets_out_what_is_inside),
        TEST(a_shutdown_at_once_drops_what_is_inside),
        TEST(an_empty_queue_may_be_shut_down),
        TEST(done_early_is_never_below_zero),
        TEST(memory_may_run_out),
        TEST(a_put_wakes_a_getter),
        TEST(a_get_wakes_a_putter),
        TEST(the_last_done_wakes_joiners),
        TEST(a_shutdown_wakes_all),
        TEST(an_interrupt_wakes_its_waiter),
        TEST(queues_in_queues_are_freed_without_recursion),
        {0},
    };
    return run_tests(tests, argc, argv);
}
