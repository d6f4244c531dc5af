#include "core/batch.h"

#include "support/check.h"

static void
a_batch_grows_in_order(void)
{
    cot_batch batch = {0};
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_EQ(cot_batch_add(&batch, number_payload(i)), COT_OK);
    }
    CHECK_EQ(batch.len, 100);
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_EQ(take_number(batch.payloads[i]), i);
    }
    batch.len = 0;
    cot_batch_clear(&batch);
    CHECK_EQ(batch.size, 0);
}

static void
room_may_be_had_before(void)
{
    cot_batch batch = {0};
    CHECK_EQ(cot_batch_reserve(&batch, 0), COT_OK);
    CHECK_EQ(cot_batch_reserve(&batch, 50), COT_OK);
    cot_payload **payloads = batch.payloads;
    for (uint64_t i = 0; i < 50; i++) {
        CHECK_EQ(cot_batch_add(&batch, number_payload(i)), COT_OK);
    }
    CHECK(batch.payloads == payloads);
    CHECK_EQ(cot_batch_reserve(&batch, SIZE_MAX), COT_NO_MEMORY);
    CHECK_EQ(cot_batch_reserve(&batch, SIZE_MAX / 16), COT_NO_MEMORY);
    CHECK_EQ(batch.len, 50);
    cot_batch_clear(&batch);
}

static bool
add_twenty(void *arg)
{
    cot_payload **items = arg;
    cot_batch batch = {0};
    cot_status status = COT_OK;
    size_t len = 0;
    for (; len < 20; len++) {
        status = cot_batch_add(&batch, items[len]);
        if (status != COT_OK) {
            CHECK_EQ(status, COT_NO_MEMORY);
            break;
        }
    }
    CHECK_EQ(batch.len, len);
    batch.len = 0;  // they stay the test's
    cot_batch_clear(&batch);
    return len == 20;
}

static void
memory_may_run_out(void)
{
    cot_payload *items[20];
    for (uint64_t i = 0; i < 20; i++) {
        items[i] = number_payload(i);
    }
    // At 1, 2, 4, 8, 16 and 32.
    CHECK_EQ(fail_each_allocation(add_twenty, items), 6);
    for (uint64_t i = 0; i < 20; i++) {
        CHECK_EQ(take_number(items[i]), i);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_batch_grows_in_order),
        TEST(room_may_be_had_before),
        TEST(memory_may_run_out),
        {0},
    };
    return run_tests(tests, argc, argv);
}
