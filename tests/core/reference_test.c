#include "core/reference.h"

#include "support/check.h"

#include <string.h>

static cot_value *
new_value(uint64_t number)
{
    cot_value *value = cot_value_create(number_payload(number));
    CHECK(value != NULL);
    return value;
}

static uint64_t
number_in(const cot_value *value)
{
    uint64_t number;
    CHECK_EQ(cot_value_payload(value)->len, sizeof(number));
    memcpy(&number, cot_value_payload(value)->bytes, sizeof(number));
    return number;
}

static cot_reference *
new_reference(uint64_t number)
{
    cot_reference *reference = cot_reference_create(new_value(number));
    CHECK(reference != NULL);
    return reference;
}

static void
drop(cot_reference *reference)
{
    cot_object_unref(cot_reference_object(reference));
}

static void
one_value_after_the_other(void)
{
    cot_reference *reference = new_reference(1);
    cot_value *first = cot_reference_get(reference);
    CHECK_EQ(number_in(first), 1);
    CHECK_EQ(cot_reference_number(reference), cot_value_number(first));
    cot_value *before = cot_reference_exchange(reference, new_value(2));
    CHECK(before == first);
    cot_value_unref(before);
    CHECK(cot_reference_number(reference) != cot_value_number(first));

    cot_value *third = new_value(3);
    CHECK(cot_reference_replace(reference, cot_value_number(first), third)
          == NULL);
    uint64_t number = cot_reference_number(reference);
    before = cot_reference_replace(reference, number, third);
    CHECK_EQ(number_in(before), 2);
    cot_value_unref(before);
    // Who has it can read it still.
    CHECK_EQ(number_in(first), 1);
    cot_value_unref(first);
    drop(reference);
}

static bool
create(void *arg)
{
    (void)arg;
    cot_payload *payload = cot_payload_create(1, COT_NATIVE);
    if (payload == NULL) {
        return false;
    }
    cot_value *value = cot_value_create(payload);
    if (value == NULL) {
        cot_payload_destroy(payload);
        return false;
    }
    cot_reference *reference = cot_reference_create(value);
    if (reference == NULL) {
        cot_value_unref(value);
        return false;
    }
    drop(reference);
    return true;
}

static void
without_memory(void)
{
    CHECK_EQ(fail_each_allocation(create, NULL), 3);
}

enum { ROUNDS = 5000, THREADS = 4 };

// Each adds to the number that is there, by new values; some only look.
static void
count_or_look(void *arg, size_t idx)
{
    cot_reference *reference = arg;
    uint64_t last = 0;
    for (int done = 0; done < ROUNDS;) {
        cot_value *value = cot_reference_get(reference);
        uint64_t number = number_in(value);
        CHECK(number >= last);
        last = number;
        cot_value *next = idx % 2 ? new_value(number + 1) : NULL;
        cot_value *before = NULL;
        if (next != NULL) {
            before = cot_reference_replace(reference, cot_value_number(value),
                                           next);
            CHECK(before == NULL || before == value);
            cot_value_unref(before ? before : next);
        }
        done += before != NULL || next == NULL;
        cot_value_unref(value);
    }
}

static void
no_change_is_lost(void)
{
    cot_reference *reference = new_reference(0);
    test_threads threads;
    start_threads(&threads, THREADS, count_or_look, reference);
    join_threads(&threads);
    cot_value *value = cot_reference_get(reference);
    CHECK_EQ(number_in(value), ROUNDS * THREADS / 2);
    cot_value_unref(value);
    drop(reference);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(one_value_after_the_other),
        TEST(without_memory),
        TEST(no_change_is_lost),
        {0},
    };
    return run_tests(tests, argc, argv);
}
