// Queues of all classes, and many items at once.

#include "core/queue.h"

#include "port/thread.h"
#include "support/check.h"

static cot_queue *
new_queue(const cot_class *cls, size_t capacity)
{
    cot_queue *queue = cot_queue_create_as(cls, capacity);
    CHECK(queue != NULL);
    CHECK(cot_queue_object(queue)->cls == cls);
    CHECK_EQ(cot_queue_capacity(queue), capacity);
    return queue;
}

static void
drop(cot_queue *queue)
{
    cot_object_unref(cot_queue_object(queue));
}

// A payload whose key is its last decimal digit.
static cot_payload *
keyed(uint64_t number)
{
    cot_payload *payload = number_payload(number);
    payload->key = cot_key_create(1);
    CHECK(payload->key != NULL);
    payload->key->bytes[0] = (uint8_t)(number % 10);
    return payload;
}

static cot_batch
batch_of(uint64_t first, uint64_t count)
{
    cot_batch batch = {0};
    for (uint64_t i = 0; i < count; i++) {
        CHECK_EQ(cot_batch_add(&batch, keyed(first + i)), COT_OK);
    }
    return batch;
}

static cot_status
put_range(cot_queue *queue, uint64_t first, uint64_t count)
{
    cot_parker parker = {0};
    cot_batch batch = batch_of(first, count);
    cot_status status = cot_queue_put_many(queue, &parker, COT_NOW, &batch);
    CHECK_EQ(batch.len, status == COT_OK ? 0 : count);
    cot_batch_clear(&batch);
    return status;
}

static cot_batch
get_batch(cot_queue *queue, size_t max, cot_status expected)
{
    cot_parker parker = {0};
    cot_batch batch = {0};
    CHECK_EQ(cot_queue_get_many(queue, &parker, COT_NOW, max, &batch),
             expected);
    return batch;
}

static void
check_batch(cot_batch *batch, const uint64_t *numbers, size_t count)
{
    CHECK_EQ(batch->len, count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(take_number(batch->payloads[i]), numbers[i]);
    }
    batch->len = 0;
    cot_batch_clear(batch);
}

#define CHECK_GET(queue, max, ...)                                        \
    do {                                                                  \
        const uint64_t numbers[] = {__VA_ARGS__};                         \
        cot_batch batch = get_batch(queue, max, COT_OK);                  \
        check_batch(&batch, numbers, sizeof(numbers) / sizeof(*numbers)); \
    } while (0)

static void
the_class_tells_the_order(void)
{
    cot_queue *fifo = new_queue(&cot_queue_class, 0);
    cot_queue *simple = new_queue(&cot_simple_queue_class, 0);
    cot_queue *lifo = new_queue(&cot_lifo_queue_class, 0);
    cot_queue *priority = new_queue(&cot_priority_queue_class, 0);
    cot_queue *all[] = {fifo, simple, lifo, priority};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(put_range(all[i], 18, 3), COT_OK);
        CHECK_EQ(put_range(all[i], 30, 2), COT_OK);
        CHECK_EQ(cot_queue_len(all[i]), 5);
    }
    CHECK_GET(fifo, 9, 18, 19, 20, 30, 31);
    CHECK_GET(simple, 9, 18, 19, 20, 30, 31);
    CHECK_GET(lifo, 9, 31, 30, 20, 19, 18);
    CHECK_GET(priority, 9, 20, 30, 31, 18, 19);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(put_range(all[i], 0, 40), COT_OK);
        drop(all[i]);  // with what is in it
    }
}

static void
many_are_gotten_up_to_a_bound(void)
{
    cot_queue *queue = new_queue(&cot_queue_class, 0);
    get_batch(queue, 3, COT_TIMED_OUT);
    CHECK_EQ(put_range(queue, 1, 5), COT_OK);
    CHECK_GET(queue, 2, 1, 2);
    CHECK_GET(queue, SIZE_MAX, 3, 4, 5);
    CHECK_EQ(put_range(queue, 6, 0), COT_OK);
    CHECK_EQ(cot_queue_len(queue), 0);
    cot_queue_shut_down(queue, false);
    get_batch(queue, 1, COT_SHUT_DOWN);
    CHECK_EQ(put_range(queue, 7, 2), COT_SHUT_DOWN);
    drop(queue);
}

static void
all_get_in_or_none(void)
{
    cot_queue *queue = new_queue(&cot_queue_class, 4);
    CHECK_EQ(put_range(queue, 1, 3), COT_OK);
    CHECK_EQ(put_range(queue, 4, 2), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_len(queue), 3);
    CHECK_EQ(put_range(queue, 4, 1), COT_OK);
    CHECK_EQ(put_range(queue, 5, 0), COT_OK);
    CHECK_GET(queue, 9, 1, 2, 3, 4);
    drop(queue);
}

static void
what_is_put_back_is_the_next(void)
{
    static const cot_class *const classes[] = {
        &cot_queue_class, &cot_lifo_queue_class, &cot_priority_queue_class};
    for (int i = 0; i < 3; i++) {
        cot_queue *queue = new_queue(classes[i], 20);
        CHECK_EQ(put_range(queue, 10, 20), COT_OK);
        cot_batch taken = get_batch(queue, 5, COT_OK);
        uint64_t numbers[5];
        for (int k = 0; k < 5; k++) {
            numbers[k] = *(uint64_t *)(void *)taken.payloads[k]->bytes;
        }
        if (i != 1) {
            // Others come meanwhile: the bound does not hold for the first.
            CHECK_EQ(put_range(queue, 39, 1), COT_OK);
        }
        CHECK_EQ(cot_queue_put_back(queue, &taken), COT_OK);
        CHECK_EQ(taken.len, 0);
        CHECK_EQ(cot_queue_len(queue), i != 1 ? 21 : 20);
        CHECK_EQ(put_range(queue, 1, 1), COT_TIMED_OUT);
        cot_batch again = get_batch(queue, 5, COT_OK);
        check_batch(&again, numbers, 5);
        drop(queue);
    }
}

static void
what_is_put_back_too_late_is_done(void)
{
    cot_queue *queue = new_queue(&cot_queue_class, 0);
    cot_parker parker = {0};
    CHECK_EQ(put_range(queue, 1, 5), COT_OK);
    cot_batch taken = get_batch(queue, 3, COT_OK);
    cot_queue_shut_down(queue, true);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_queue_put_back(queue, &taken), COT_OK);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NOW), COT_OK);
    CHECK_EQ(cot_queue_len(queue), 0);
    drop(queue);

    queue = new_queue(&cot_queue_class, 0);
    CHECK_EQ(put_range(queue, 1, 2), COT_OK);
    taken = get_batch(queue, 1, COT_OK);
    cot_queue_shut_down(queue, false);
    CHECK_EQ(cot_queue_put_back(queue, &taken), COT_OK);
    CHECK_GET(queue, 9, 1, 2);
    drop(queue);
}

static void
the_maker_of_keys_is_the_queues(void)
{
    cot_queue *queue = new_queue(&cot_priority_queue_class, 0);
    CHECK(cot_queue_key_maker(queue) == NULL);
    cot_payload *maker = number_payload(7);
    cot_queue_set_key_maker(queue, maker);
    CHECK(cot_queue_key_maker(queue) == maker);
    drop(queue);
}

static bool
fill_and_empty(void *arg)
{
    (void)arg;
    cot_parker parker = {0};
    cot_batch batch = {0}, taken = {0};
    cot_queue *queue = cot_queue_create(0);
    bool is_done = false;
    if (queue == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < 100; i++) {
        cot_payload *payload = cot_payload_create(0, COT_NATIVE);
        if (payload == NULL || cot_batch_add(&batch, payload) != COT_OK) {
            cot_payload_destroy(payload);
            goto done;
        }
    }
    cot_status status = cot_queue_put_many(queue, &parker, COT_NOW, &batch);
    CHECK_EQ(batch.len, status == COT_OK ? 0 : 100);
    if (status == COT_OK) {
        status = cot_queue_get_many(queue, &parker, COT_NOW, 60, &taken);
        CHECK_EQ(cot_queue_len(queue), status == COT_OK ? 40 : 100);
        is_done = status == COT_OK;
    }
done:
    cot_batch_clear(&batch);
    cot_batch_clear(&taken);
    drop(queue);
    return is_done;
}

static void
memory_may_run_out(void)
{
    // The queue, 100 payloads, the batch at 1 to 128, the ring, what is taken.
    CHECK_EQ(fail_each_allocation(fill_and_empty, NULL), 1 + 100 + 8 + 1 + 1);
}

// ---- several threads -----------------------------------------------------

typedef struct {
    cot_queue *queue;
    cot_parker parker;
    cot_batch batch;
    atomic_int status;  // -1: waits
} waiter;

static void
wait_to_put_many(void *arg, size_t idx)
{
    waiter *self = (waiter *)arg + idx;
    cot_status status;
    do {
        status = cot_queue_put_many(self->queue, &self->parker, COT_NEVER,
                                    &self->batch);
    } while (status == COT_SIGNALLED);
    atomic_store(&self->status, (int)status);
}

static void
who_needs_less_room_goes_first(void)
{
    cot_queue *queue = new_queue(&cot_queue_class, 4);
    waiter all[2] = {{.queue = queue}, {.queue = queue}};
    test_threads threads;
    CHECK_EQ(put_range(queue, 0, 4), COT_OK);
    for (int i = 0; i < 2; i++) {
        all[i].batch = batch_of(10, i ? 2 : 3);
        atomic_store(&all[i].status, -1);
    }
    start_threads(&threads, 2, wait_to_put_many, all);
    WAIT_UNTIL(is_asleep(&all[0].parker) && is_asleep(&all[1].parker));
    CHECK_GET(queue, 2, 0, 1);
    WAIT_UNTIL(atomic_load(&all[1].status) == COT_OK);
    CHECK_EQ(atomic_load(&all[0].status), -1);
    CHECK_GET(queue, 2, 2, 3);
    CHECK_EQ(atomic_load(&all[0].status), -1);
    CHECK_GET(queue, 1, 10);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&all[0].status), COT_OK);
    CHECK_GET(queue, 9, 11, 10, 11, 12);
    for (int i = 0; i < 2; i++) {
        cot_batch_clear(&all[i].batch);
    }
    drop(queue);
}

static void
an_interrupt_or_a_shutdown_leaves_the_batch(void)
{
    for (int by_interrupt = 0; by_interrupt < 2; by_interrupt++) {
        cot_queue *queue = new_queue(&cot_queue_class, 2);
        waiter putter = {.queue = queue, .batch = batch_of(10, 2)};
        test_threads threads;
        CHECK_EQ(put_range(queue, 0, 1), COT_OK);
        atomic_store(&putter.status, -1);
        start_threads(&threads, 1, wait_to_put_many, &putter);
        WAIT_UNTIL(is_asleep(&putter.parker));
        if (by_interrupt) {
            cot_parker_interrupt(&putter.parker);
        }
        else {
            cot_queue_shut_down(queue, false);
        }
        join_threads(&threads);
        CHECK_EQ(atomic_load(&putter.status),
                 by_interrupt ? COT_INTERRUPTED : COT_SHUT_DOWN);
        CHECK_EQ(putter.batch.len, 2);
        CHECK_GET(queue, 9, 0);
        cot_batch_clear(&putter.batch);
        drop(queue);
    }
}

static void
wait_to_get_one(void *arg, size_t idx)
{
    waiter *self = (waiter *)arg + idx;
    cot_payload *payload = NULL;
    cot_status status;
    do {
        status = cot_queue_get(self->queue, &self->parker, COT_NEVER,
                               &payload);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
    cot_payload_destroy(payload);
}

static void
many_items_wake_many_getters(void)
{
    cot_queue *queue = new_queue(&cot_queue_class, 0);
    waiter all[4] = {0};
    test_threads threads;
    for (int i = 0; i < 4; i++) {
        all[i].queue = queue;
    }
    start_threads(&threads, 4, wait_to_get_one, all);
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(is_asleep(&all[i].parker));
    }
    CHECK_EQ(put_range(queue, 0, 4), COT_OK);
    join_threads(&threads);
    CHECK_EQ(cot_queue_len(queue), 0);
    drop(queue);
}

enum { SIDE = 3, ROUNDS = 1500, MOST = 5 };

typedef struct {
    uint64_t seed;
    cot_queue *queue;
    atomic_ullong sum[2];    // put, gotten
    atomic_ullong count[2];  // likewise
    atomic_int putters_left;
} market;

static void
put_some(market *all, uint64_t *random, cot_parker *parker)
{
    uint64_t count = random_below(random, MOST) + 1;
    uint64_t first = random_below(random, 1000);
    cot_batch batch = batch_of(first, count);
    cot_status status;
    do {
        status = count == 1 ? cot_queue_put(all->queue, parker, COT_NEVER,
                                            batch.payloads[0])
                            : cot_queue_put_many(all->queue, parker, COT_NEVER,
                                                 &batch);
    } while (status == COT_SIGNALLED);
    CHECK_EQ(status, COT_OK);
    batch.len = 0;
    cot_batch_clear(&batch);
    atomic_fetch_add(&all->sum[0], first * count + count * (count - 1) / 2);
    atomic_fetch_add(&all->count[0], count);
}

// False: no more comes.
static bool
get_some(market *all, uint64_t *random, cot_parker *parker)
{
    cot_batch batch = {0};
    cot_status status;
    do {
        status = cot_queue_get_many(all->queue, parker, COT_NEVER,
                                    random_below(random, MOST) + 1, &batch);
    } while (status == COT_SIGNALLED);
    if (status == COT_SHUT_DOWN) {
        return false;
    }
    CHECK_EQ(status, COT_OK);
    if (random_below(random, 8) == 0) {
        CHECK_EQ(cot_queue_put_back(all->queue, &batch), COT_OK);
        return true;
    }
    atomic_fetch_add(&all->count[1], batch.len);
    for (size_t i = 0; i < batch.len; i++) {
        atomic_fetch_add(&all->sum[1], take_number(batch.payloads[i]));
    }
    batch.len = 0;
    cot_batch_clear(&batch);
    return true;
}

static void
trade(void *arg, size_t idx)
{
    market *all = arg;
    uint64_t random = all->seed + idx;
    cot_parker parker = {0};
    if (idx >= SIDE) {
        while (get_some(all, &random, &parker)) {
        }
        return;
    }
    for (int i = 0; i < ROUNDS; i++) {
        put_some(all, &random, &parker);
    }
    if (atomic_fetch_sub(&all->putters_left, 1) == 1) {
        // Who put back has not been told yet that it is over.
        WAIT_UNTIL(atomic_load(&all->count[0]) == atomic_load(&all->count[1]));
        cot_queue_shut_down(all->queue, false);
    }
}

static void
nothing_is_lost_or_doubled(void)
{
    static const cot_class *const classes[] = {
        &cot_queue_class, &cot_lifo_queue_class, &cot_priority_queue_class};
    for (int i = 0; i < 3; i++) {
        market all = {.seed = test_seed(),
                      .queue = new_queue(classes[i], MOST + 2)};
        atomic_store(&all.putters_left, SIDE);
        test_threads threads;
        start_threads(&threads, 2 * SIDE, trade, &all);
        join_threads(&threads);
        CHECK_EQ(atomic_load(&all.sum[0]), atomic_load(&all.sum[1]));
        CHECK_EQ(cot_queue_len(all.queue), 0);
        drop(all.queue);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(the_class_tells_the_order),
        TEST(many_are_gotten_up_to_a_bound),
        TEST(all_get_in_or_none),
        TEST(what_is_put_back_is_the_next),
        TEST(what_is_put_back_too_late_is_done),
        TEST(the_maker_of_keys_is_the_queues),
        TEST(memory_may_run_out),
        TEST(who_needs_less_room_goes_first),
        TEST(an_interrupt_or_a_shutdown_leaves_the_batch),
        TEST(many_items_wake_many_getters),
        TEST(nothing_is_lost_or_doubled),
        {0},
    };
    return run_tests(tests, argc, argv);
}
