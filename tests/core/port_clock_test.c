#include "port/clock.h"

#include "support/check.h"

static void
never_goes_back(void)
{
    int64_t last_ns = cot_clock_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now_ns = cot_clock_ns();
        CHECK(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

static void
now_and_never_enclose_every_deadline(void)
{
    CHECK(COT_NOW < cot_clock_ns());
    CHECK(cot_clock_after(1000 * COT_SECOND) < COT_NEVER);
    CHECK(cot_clock_after(0) > COT_NOW);
}

static void
a_deadline_lies_ahead(void)
{
    int64_t before_ns = cot_clock_ns();
    int64_t deadline_ns = cot_clock_after(COT_SECOND);
    int64_t after_ns = cot_clock_ns();
    CHECK(before_ns + COT_SECOND <= deadline_ns);
    CHECK(deadline_ns <= after_ns + COT_SECOND);
}

static void
a_negative_timeout_lies_behind(void)
{
    CHECK(cot_clock_after(-1) < cot_clock_ns());
    CHECK(cot_clock_after(INT64_MIN) < cot_clock_ns());
}

static void
a_long_timeout_is_never(void)
{
    CHECK_EQ(cot_clock_after(INT64_MAX), COT_NEVER);
    CHECK_EQ(cot_clock_after(INT64_MAX - 1), COT_NEVER);
    CHECK_EQ(cot_clock_after(COT_NEVER - cot_clock_ns()), COT_NEVER);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(never_goes_back),
        TEST(now_and_never_enclose_every_deadline),
        TEST(a_deadline_lies_ahead),
        TEST(a_negative_timeout_lies_behind),
        TEST(a_long_timeout_is_never),
        {0},
    };
    return run_tests(tests, argc, argv);
}
