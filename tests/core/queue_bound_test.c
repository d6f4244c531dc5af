#include "core/queue.h"

#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"
#include "support/check.h"

static cot_queue *
new_queue(size_t capacity)
{
    cot_queue_rules rules = {COT_UNBOUND_REPLACE, false};
    cot_queue *queue = cot_queue_create_bound(capacity, rules);
    CHECK(queue != NULL);
    return queue;
}

static void
drop(cot_queue *queue)
{
    cot_object_unref(cot_queue_object(queue));
}

static cot_home *
new_home(void)
{
    cot_home *home = cot_home_create();
    CHECK(home != NULL);
    return home;
}

static void
end(cot_home *home)
{
    cot_registry_interpreter_ended(home);
    cot_home_unref(home);
}

static cot_status
put(cot_queue *queue, int64_t deadline_ns, cot_payload *payload)
{
    cot_parker parker = {0};
    return cot_queue_put(queue, &parker, deadline_ns, payload);
}

static cot_payload *
bound(const cot_home *home, cot_unbound_op op, uint64_t number)
{
    cot_payload *payload = number_payload(number);
    cot_payload_bind(payload, home ? cot_home_id(home) : 0, op);
    return payload;
}

static void
put_bound(cot_queue *queue, const cot_home *home, cot_unbound_op op,
          uint64_t number)
{
    CHECK_EQ(put(queue, COT_NOW, bound(home, op, number)), COT_OK);
}

static cot_payload *
get(cot_queue *queue)
{
    cot_parker parker = {0};
    cot_payload *payload;
    CHECK_EQ(cot_queue_get(queue, &parker, COT_NOW, &payload), COT_OK);
    return payload;
}

static void
expect_unbound(cot_queue *queue, cot_unbound_op op)
{
    cot_payload *payload = get(queue);
    CHECK_EQ(payload->format, COT_UNBOUND);
    CHECK_EQ(payload->unbound_op, op);
    CHECK_EQ(payload->len, 0);
    CHECK_EQ(payload->objects_len, 0);
    cot_payload_destroy(payload);
}

// ---- one thread ----------------------------------------------------------

static void
a_bound_queue_is_registered(void)
{
    cot_queue_rules rules = {COT_UNBOUND_ERROR, true};
    cot_queue *queue = cot_queue_create_bound(3, rules);
    cot_object *object = cot_queue_object(queue);
    CHECK(object->cls == &cot_bound_queue_class);
    CHECK_EQ(object->number, 1);
    CHECK_EQ(cot_queue_capacity(queue), 3);
    CHECK_EQ(cot_queue_get_rules(queue).unbound_op, COT_UNBOUND_ERROR);
    CHECK(cot_queue_get_rules(queue).is_native);
    CHECK(cot_registry_get(&cot_bound_queue_class, 1) == object);
    drop(queue);
    drop(queue);
    CHECK(cot_registry_get(&cot_bound_queue_class, 1) == NULL);
    CHECK_EQ(cot_queue_object(new_queue(0))->number, 2);
    object = cot_registry_get(&cot_bound_queue_class, 2);
    cot_object_unref(object);
    cot_object_unref(object);
}

static void
each_item_goes_the_way_it_said(void)
{
    cot_queue *queue = new_queue(0);
    cot_home *ends = new_home(), *stays = new_home();
    put_bound(queue, ends, COT_UNBOUND_REPLACE, 0);
    put_bound(queue, stays, COT_UNBOUND_REPLACE, 1);
    put_bound(queue, ends, COT_UNBOUND_REMOVE, 2);
    put_bound(queue, NULL, COT_UNBOUND_REMOVE, 3);
    put_bound(queue, ends, COT_UNBOUND_ERROR, 4);
    put_bound(queue, ends, COT_UNBOUND_REMOVE, 5);
    put_bound(queue, stays, COT_UNBOUND_REMOVE, 6);
    end(ends);
    CHECK_EQ(cot_queue_len(queue), 5);
    expect_unbound(queue, COT_UNBOUND_REPLACE);
    CHECK_EQ(take_number(get(queue)), 1);
    CHECK_EQ(take_number(get(queue)), 3);
    expect_unbound(queue, COT_UNBOUND_ERROR);
    put_bound(queue, stays, COT_UNBOUND_REMOVE, 7);
    CHECK_EQ(take_number(get(queue)), 6);
    end(stays);
    CHECK_EQ(cot_queue_len(queue), 0);
    drop(queue);
}

static void
what_comes_after_a_removal_is_kept(void)
{
    // With the ring's start at any place, and any number removed.
    cot_queue *queue = new_queue(0);
    for (int start = 0; start < 20; start++) {
        for (int removed = 0; removed < 20; removed++) {
            cot_home *home = new_home();
            for (int i = 0; i < removed; i++) {
                put_bound(queue, home, COT_UNBOUND_REMOVE, 99);
            }
            put_bound(queue, NULL, COT_UNBOUND_REMOVE, 1);
            end(home);
            put_bound(queue, NULL, COT_UNBOUND_REMOVE, 2);
            CHECK_EQ(cot_queue_len(queue), 2);
            CHECK_EQ(take_number(get(queue)), 1);
            CHECK_EQ(take_number(get(queue)), 2);
        }
        put_bound(queue, NULL, COT_UNBOUND_REMOVE, 3);
        CHECK_EQ(take_number(get(queue)), 3);
    }
    drop(queue);
}

static void
what_is_removed_counts_as_done(void)
{
    cot_parker parker = {0};
    cot_queue *queue = new_queue(0);
    cot_home *home = new_home();
    put_bound(queue, home, COT_UNBOUND_REMOVE, 1);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NOW), COT_TIMED_OUT);
    end(home);
    CHECK_EQ(cot_queue_join(queue, &parker, COT_NOW), COT_OK);
    drop(queue);
}

static void
an_unbound_item_lets_go_of_its_objects(void)
{
    static const cot_unbound_op ops[] = {COT_UNBOUND_REMOVE, COT_UNBOUND_ERROR,
                                         COT_UNBOUND_REPLACE};
    for (size_t i = 0; i < 3; i++) {
        cot_queue *outer = new_queue(0), *inner = new_queue(0);
        cot_home *home = new_home();
        cot_payload *payload = bound(home, ops[i], 1);
        CHECK_EQ(cot_payload_attach(payload, cot_queue_object(inner)), COT_OK);
        // The end of the inner queue, which is also visited.
        uint64_t number = cot_queue_object(inner)->number;
        put_bound(inner, home, COT_UNBOUND_REMOVE, 2);
        drop(inner);
        CHECK_EQ(put(outer, COT_NOW, payload), COT_OK);
        end(home);
        CHECK(cot_registry_get(&cot_bound_queue_class, number) == NULL);
        drop(outer);
    }
}

static void
a_free_queue_is_not_told(void)
{
    cot_queue *queue = cot_queue_create(0);
    cot_home *home = new_home();
    put_bound(queue, home, COT_UNBOUND_REMOVE, 1);
    end(home);
    CHECK_EQ(cot_queue_object(queue)->number, 0);
    CHECK_EQ(take_number(get(queue)), 1);
    drop(queue);
}

static void
memory_may_run_out(void)
{
    cot_memory_fail_at(1);
    CHECK(cot_queue_create_bound(0, (cot_queue_rules){0}) == NULL);
    // An item that cannot shrink is unbound all the same.
    cot_queue *queue = new_queue(0);
    cot_home *home = new_home();
    put_bound(queue, home, COT_UNBOUND_ERROR, 1);
    cot_memory_fail_at(1);
    end(home);
    CHECK_EQ(cot_memory_fail_at(0), 0);
    expect_unbound(queue, COT_UNBOUND_ERROR);
    drop(queue);
}

// ---- several threads -----------------------------------------------------

typedef struct {
    cot_queue *queue;
    cot_parker parker;
    cot_payload *payload;
    atomic_int answer;
} putter;

static void
put_in_thread(void *arg, size_t idx)
{
    putter *self = &((putter *)arg)[idx];
    cot_status status;
    do {
        status = cot_queue_put(self->queue, &self->parker, COT_NEVER,
                               self->payload);
    } while (status == COT_SIGNALLED);
    atomic_store(&self->answer, (int)status);
}

static void
a_removal_makes_room(void)
{
    cot_queue *queue = new_queue(2);
    cot_home *home = new_home();
    putter putters[2] = {{.queue = queue, .payload = number_payload(7)},
                         {.queue = queue, .payload = number_payload(7)}};
    put_bound(queue, home, COT_UNBOUND_REMOVE, 1);
    put_bound(queue, home, COT_UNBOUND_REMOVE, 2);
    test_threads threads;
    start_threads(&threads, 2, put_in_thread, putters);
    WAIT_UNTIL(is_asleep(&putters[0].parker) && is_asleep(&putters[1].parker));
    end(home);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&putters[0].answer), COT_OK);
    CHECK_EQ(atomic_load(&putters[1].answer), COT_OK);
    CHECK_EQ(take_number(get(queue)), 7);
    CHECK_EQ(take_number(get(queue)), 7);
    drop(queue);
}

#define LIVES 300

typedef struct {
    cot_queue *queue;
    atomic_int senders;
    atomic_int kept;
} traffic;

// Two interpreters that live shortly, over and over; a third one takes.
static void
live_or_take(void *arg, size_t idx)
{
    traffic *all = arg;
    if (idx < 2) {
        for (int i = 0; i < LIVES; i++) {
            cot_home *home = new_home();
            put_bound(all->queue, home, COT_UNBOUND_REMOVE, 1);
            put_bound(all->queue, NULL, COT_UNBOUND_REMOVE, 2);
            put_bound(all->queue, home, COT_UNBOUND_REPLACE, 3);
            end(home);
        }
        atomic_fetch_sub(&all->senders, 1);
        return;
    }
    for (;;) {
        cot_parker parker = {0};
        bool is_over = atomic_load(&all->senders) == 0;
        cot_payload *payload;
        cot_status status = cot_queue_get(all->queue, &parker, COT_NOW,
                                          &payload);
        if (status == COT_OK) {
            bool is_kept = payload->format == COT_UNBOUND
                           || payload->unbound_op != COT_UNBOUND_REMOVE
                           || payload->origin == 0;
            atomic_fetch_add(&all->kept, is_kept);
            cot_payload_destroy(payload);
        }
        else if (is_over) {
            return;
        }
    }
}

static void
interpreters_end_while_others_take(void)
{
    traffic all = {.queue = new_queue(0), .senders = 2};
    test_threads threads;
    start_threads(&threads, 3, live_or_take, &all);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&all.kept), 2 * 2 * LIVES);
    CHECK_EQ(cot_queue_len(all.queue), 0);
    drop(all.queue);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_bound_queue_is_registered),  // first: no number is taken yet
        TEST(each_item_goes_the_way_it_said),
        TEST(what_comes_after_a_removal_is_kept),
        TEST(what_is_removed_counts_as_done),
        TEST(an_unbound_item_lets_go_of_its_objects),
        TEST(a_free_queue_is_not_told),
        TEST(memory_may_run_out),
        TEST(a_removal_makes_room),
        TEST(interpreters_end_while_others_take),
        {0},
    };
    return run_tests(tests, argc, argv);
}
