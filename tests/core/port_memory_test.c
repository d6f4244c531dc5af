#include "port/memory.h"

#include "support/check.h"

#include <string.h>

static void
a_size_of_zero_is_a_block(void)
{
    void *block = cot_alloc(0);
    void *zeroed = cot_alloc_zeroed(0);
    void *grown = cot_realloc(NULL, 0);
    CHECK(block != NULL && zeroed != NULL && grown != NULL);
    memset(block, 1, 1);
    memset(grown, 1, 1);
    CHECK_EQ(*(char *)zeroed, 0);
    cot_free(block);
    cot_free(zeroed);
    cot_free(grown);
}

static void
zeroed_memory_is_zero(void)
{
    static const char zeros[4096];
    char *dirty = cot_alloc(sizeof(zeros));
    CHECK(dirty != NULL);
    memset(dirty, 0xff, sizeof(zeros));
    cot_free(dirty);
    char *block = cot_alloc_zeroed(sizeof(zeros));
    CHECK(block != NULL);
    CHECK_EQ(memcmp(block, zeros, sizeof(zeros)), 0);
    cot_free(block);
}

static void
realloc_keeps_the_contents(void)
{
    char *block = cot_realloc(NULL, 8);
    CHECK(block != NULL);
    memcpy(block, "coterie", 8);
    block = cot_realloc(block, 100000);
    CHECK(block != NULL);
    CHECK_EQ(strcmp(block, "coterie"), 0);
    cot_free(block);
}

static void
free_takes_null(void)
{
    cot_free(NULL);
}

static void
too_much_is_refused(void)
{
    volatile size_t too_much = SIZE_MAX / 2;
    CHECK(cot_alloc(too_much) == NULL);
    CHECK(cot_alloc_zeroed(too_much) == NULL);
    CHECK(cot_realloc(NULL, too_much) == NULL);
}

static void
room_is_looked_for(void)
{
    CHECK(cot_memory_has_room(1));
    CHECK(cot_memory_has_room((size_t)1 << 20));
    CHECK(!cot_memory_has_room(SIZE_MAX / 2));
}

static void
the_nth_allocation_fails_and_no_other(void)
{
    cot_memory_fail_at(2);
    char *first = cot_alloc(1);
    char *second = cot_alloc_zeroed(1);
    char *third = cot_alloc_zeroed(1);
    CHECK(first != NULL && second == NULL && third != NULL);
    CHECK_EQ(cot_memory_fail_at(0), 0);

    cot_memory_fail_at(1);
    *first = 'x';
    CHECK(cot_realloc(first, 100) == NULL);
    CHECK_EQ(*first, 'x');

    cot_memory_fail_at(5);
    CHECK_EQ(cot_memory_fail_at(0), 5);
    cot_free(first);
    cot_free(third);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_size_of_zero_is_a_block),
        TEST(zeroed_memory_is_zero),
        TEST(realloc_keeps_the_contents),
        TEST(free_takes_null),
        TEST(too_much_is_refused),
        TEST(room_is_looked_for),
        TEST(the_nth_allocation_fails_and_no_other),
        {0},
    };
    return run_tests(tests, argc, argv);
}
