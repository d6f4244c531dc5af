#include "core/atomic.h"

#include "support/check.h"

static cot_atomic *
new_int(int64_t value)
{
    cot_atomic *atomic = cot_atomic_create(&cot_atomic_int_class, value);
    CHECK(atomic != NULL);
    return atomic;
}

static void
drop(cot_atomic *atomic)
{
    cot_object_unref(cot_atomic_object(atomic));
}

static int64_t
change(cot_atomic *atomic, cot_atomic_op op, int64_t operand)
{
    int64_t before;
    int64_t after;
    CHECK(cot_atomic_change(atomic, op, operand, &before, &after));
    CHECK_EQ(cot_atomic_load(atomic), after);
    return before;
}

static void
steps(void)
{
    cot_atomic *atomic = new_int(6);
    CHECK_EQ(cot_atomic_exchange(atomic, 5), 6);
    CHECK(!cot_atomic_compare_exchange(atomic, 6, 7));
    CHECK_EQ(cot_atomic_load(atomic), 5);
    CHECK(cot_atomic_compare_exchange(atomic, 5, 12));
    CHECK_EQ(change(atomic, COT_ATOMIC_ADD, 3), 12);
    CHECK_EQ(change(atomic, COT_ATOMIC_SUB, 5), 15);
    CHECK_EQ(change(atomic, COT_ATOMIC_AND, 6), 10);
    CHECK_EQ(change(atomic, COT_ATOMIC_OR, 5), 2);
    CHECK_EQ(change(atomic, COT_ATOMIC_XOR, -1), 7);
    CHECK_EQ(change(atomic, COT_ATOMIC_MAX, -9), -8);
    CHECK_EQ(change(atomic, COT_ATOMIC_MIN, -9), -8);
    CHECK_EQ(change(atomic, COT_ATOMIC_MAX, 4), -9);
    CHECK_EQ(change(atomic, COT_ATOMIC_MIN, 9), 4);
    CHECK_EQ(cot_atomic_load(atomic), 4);
    drop(atomic);
}

static void
what_does_not_fit_changes_nothing(void)
{
    int64_t before;
    int64_t after;
    cot_atomic *atomic = new_int(INT64_MAX);
    CHECK(!cot_atomic_change(atomic, COT_ATOMIC_ADD, 1, &before, &after));
    CHECK(!cot_atomic_change(atomic, COT_ATOMIC_SUB, -1, &before, &after));
    CHECK_EQ(cot_atomic_load(atomic), INT64_MAX);
    CHECK_EQ(cot_atomic_exchange(atomic, INT64_MIN), INT64_MAX);
    CHECK(!cot_atomic_change(atomic, COT_ATOMIC_ADD, -1, &before, &after));
    CHECK(!cot_atomic_change(atomic, COT_ATOMIC_SUB, 1, &before, &after));
    CHECK_EQ(change(atomic, COT_ATOMIC_ADD, INT64_MAX), INT64_MIN);
    drop(atomic);
}

enum { ROUNDS = 20000, THREADS = 4 };

static void
count(void *arg, size_t idx)
{
    cot_atomic *atomic = arg;
    for (int64_t i = 0; i < ROUNDS; i++) {
        int64_t was;
        int64_t is;
        if (idx % 2) {
            CHECK(cot_atomic_change(atomic, COT_ATOMIC_ADD, 1, &was, &is));
            CHECK_EQ(is, was + 1);
        }
        else {
            int64_t before = cot_atomic_load(atomic);
            while (!cot_atomic_compare_exchange(atomic, before, before + 1)) {
                before = cot_atomic_load(atomic);
            }
        }
    }
}

static void
no_step_is_lost(void)
{
    cot_atomic *atomic = new_int(0);
    test_threads threads;
    start_threads(&threads, THREADS, count, atomic);
    join_threads(&threads);
    CHECK_EQ(cot_atomic_load(atomic), ROUNDS * THREADS);
    drop(atomic);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(steps),
        TEST(what_does_not_fit_changes_nothing),
        TEST(no_step_is_lost),
        {0},
    };
    return run_tests(tests, argc, argv);
}
