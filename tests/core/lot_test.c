#include "core/lot.h"

#include "port/memory.h"
#include "support/check.h"

#include <stdatomic.h>

// What is given away is never looked at: any address will do.
static struct cot_worker *
fake_worker(uintptr_t number)
{
    return (struct cot_worker *)number;
}

typedef struct {
    cot_lot lot;
    cot_spot spots[THREADS_MAX];
    _Atomic(struct cot_worker *) served[THREADS_MAX];
    atomic_int told;   // to go
    atomic_int given;  // workers
    atomic_bool may_leave;
} yard;

static void
stay_once(void *arg, size_t idx)
{
    yard *own = arg;
    CHECK(cot_lot_enter(&own->lot, &own->spots[idx]));
    struct cot_worker *worker = cot_lot_wait(&own->lot, &own->spots[idx],
                                             COT_NEVER);
    atomic_store(&own->served[idx], worker);
    if (worker == NULL) {
        atomic_fetch_add(&own->told, 1);
        WAIT_UNTIL(atomic_load(&own->may_leave));
        cot_lot_left(&own->lot);
    }
}

static uint32_t
count(yard *own)
{
    cot_lock_acquire(&own->lot.lock);
    uint32_t len = own->lot.len;
    cot_lock_release(&own->lot.lock);
    return len;
}

static void
a_closed_lot_takes_nobody(void)
{
    cot_lot lot = {0};
    cot_spot spot = {0};
    cot_parker parker = {0};
    CHECK(!cot_lot_has_room(&lot));
    CHECK(!cot_lot_enter(&lot, &spot));
    CHECK(!cot_lot_give(&lot, fake_worker(1)));
    CHECK(cot_lot_is_empty(&lot));
    CHECK_EQ(cot_lot_join(&lot, &parker, COT_NOW), COT_OK);
    cot_lot_clear(&lot, true);
}

static void
it_takes_as_many_as_it_has_room_for(void)
{
    cot_lot lot = {0};
    cot_spot spots[3] = {0};
    cot_lot_open(&lot, 2);
    CHECK(cot_lot_enter(&lot, &spots[0]));
    CHECK(cot_lot_has_room(&lot));
    CHECK(cot_lot_enter(&lot, &spots[1]));
    CHECK(!cot_lot_has_room(&lot));
    CHECK(!cot_lot_enter(&lot, &spots[2]));
    // The last that came is the first that goes; room is there again.
    CHECK(cot_lot_give(&lot, fake_worker(7)));
    CHECK(cot_lot_wait(&lot, &spots[1], COT_NEVER) == fake_worker(7));
    CHECK(cot_lot_enter(&lot, &spots[2]));
    // In the middle of the list, and at its ends.
    CHECK(cot_lot_wait(&lot, &spots[0], COT_NOW) == NULL);
    CHECK(cot_lot_wait(&lot, &spots[2], COT_NOW) == NULL);
    CHECK(!cot_lot_is_empty(&lot));
    cot_lot_left(&lot);
    cot_lot_left(&lot);
    CHECK(cot_lot_is_empty(&lot));
}

static void
a_worker_may_be_given_before_the_wait(void)
{
    cot_lot lot = {0};
    cot_spot spot = {0};
    cot_lot_open(&lot, 1);
    CHECK(cot_lot_enter(&lot, &spot));
    CHECK(cot_lot_give(&lot, fake_worker(3)));
    CHECK(!cot_lot_give(&lot, fake_worker(4)));
    CHECK(cot_lot_wait(&lot, &spot, COT_NOW) == fake_worker(3));
    CHECK(cot_lot_is_empty(&lot));
}

static void
who_waits_is_told_to_go(void)
{
    yard own = {0};
    test_threads threads;
    cot_parker parker = {0};
    cot_lot_open(&own.lot, 4);
    start_threads(&threads, 4, stay_once, &own);
    WAIT_UNTIL(count(&own) == 4);
    CHECK_EQ(cot_lot_join(&own.lot, &parker, COT_NOW), COT_TIMED_OUT);
    cot_lot_clear(&own.lot, false);
    CHECK(!cot_lot_give(&own.lot, fake_worker(1)));
    WAIT_UNTIL(atomic_load(&own.told) == 4);
    // They count until they have left.
    CHECK(!cot_lot_is_empty(&own.lot));
    CHECK_EQ(cot_lot_join(&own.lot, &parker, COT_NOW), COT_TIMED_OUT);
    atomic_store(&own.may_leave, true);
    while (cot_lot_join(&own.lot, &parker, COT_NEVER) != COT_OK) {
    }
    join_threads(&threads);
    CHECK(cot_lot_has_room(&own.lot));
    cot_lot_clear(&own.lot, true);
    CHECK(!cot_lot_has_room(&own.lot));
    cot_lot_open(&own.lot, 4);  // it stays closed
    CHECK(!cot_lot_has_room(&own.lot));
}

static void
it_knows_what_is_kept(void)
{
    cot_lot lot = {0};
    cot_spot one = {.interpreter_id = 5}, two = {.interpreter_id = 6};
    cot_lot_open(&lot, 2);
    CHECK(cot_lot_enter(&lot, &one) && cot_lot_enter(&lot, &two));
    size_t len;
    int64_t *ids = cot_lot_copy_ids(&lot, &len);
    CHECK_EQ(len, 2);
    CHECK(ids[0] == 6 && ids[1] == 5);
    cot_free(ids);
    cot_lot_clear(&lot, false);
    ids = cot_lot_copy_ids(&lot, &len);
    CHECK(ids != NULL);
    CHECK_EQ(len, 0);
    cot_free(ids);
}

static void
a_child_of_a_fork_has_an_empty_lot(void)
{
    cot_lot lot = {0};
    cot_spot spot = {0}, other = {0};
    cot_lot_open(&lot, 1);
    CHECK(cot_lot_enter(&lot, &spot));
    cot_lot_after_fork_in_child(&lot);
    CHECK(cot_lot_is_empty(&lot));
    CHECK(cot_lot_enter(&lot, &other));
}

// Givers and a clearer against threads that stay: each worker is served once.
static void
give_many(void *arg, size_t idx)
{
    yard *own = arg;
    for (int i = 0; i < 2000; i++) {
        if (cot_lot_give(&own->lot, fake_worker(idx + 1))) {
            atomic_fetch_add(&own->given, 1);
        }
        if (i % 100 == 0) {
            cot_lot_clear(&own->lot, false);
        }
    }
}

static void
stay_often(void *arg, size_t idx)
{
    yard *own = arg;
    for (int i = 0; i < 2000; i++) {
        cot_spot spot = {0};
        (void)idx;
        if (!cot_lot_enter(&own->lot, &spot)) {
            continue;
        }
        if (cot_lot_wait(&own->lot, &spot, cot_clock_after(COT_US)) != NULL) {
            atomic_fetch_sub(&own->given, 1);
        }
        else {
            cot_lot_left(&own->lot);
        }
    }
}

static void
each_worker_is_served_once(void)
{
    yard own = {0};
    test_threads givers, stayers;
    cot_lot_open(&own.lot, 3);
    start_threads(&stayers, 4, stay_often, &own);
    start_threads(&givers, 2, give_many, &own);
    join_threads(&givers);
    join_threads(&stayers);
    CHECK_EQ(atomic_load(&own.given), 0);
    CHECK(cot_lot_is_empty(&own.lot));
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_closed_lot_takes_nobody),
        TEST(it_takes_as_many_as_it_has_room_for),
        TEST(a_worker_may_be_given_before_the_wait),
        TEST(who_waits_is_told_to_go),
        TEST(it_knows_what_is_kept),
        TEST(a_child_of_a_fork_has_an_empty_lot),
        TEST(each_worker_is_served_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
