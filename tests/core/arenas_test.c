#include "core/arenas.h"

#include "port/memory.h"
#include "support/check.h"

#include <string.h>

#define MANY 500
#define THREADS 4
#define MIB ((size_t)1 << 20)

static const void *
place(size_t n)
{
    return (const void *)(uintptr_t)(0x700000000000U + n * MIB);
}

static void
fini(cot_arenas *arenas)
{
    cot_free(arenas->slots);
    memset(arenas, 0, sizeof(*arenas));
}

static void
they_are_counted_by_owner(void)
{
    cot_arenas arenas = {0};
    CHECK_EQ(cot_arenas_of(&arenas, 1), 0);
    cot_arenas_remove(&arenas, place(0));
    for (size_t i = 0; i < MANY; i++) {
        cot_arenas_add(&arenas, place(i), MIB, (int64_t)(i % 5));
    }
    CHECK_EQ(arenas.len, MANY);
    CHECK_EQ(cot_arenas_of(&arenas, 3), MANY / 5 * MIB);
    CHECK_EQ(cot_arenas_of(&arenas, 5), 0);
    cot_arenas_remove(&arenas, place(MANY));
    for (size_t i = 3; i < MANY; i += 5) {
        cot_arenas_remove(&arenas, place(i));
        cot_arenas_remove(&arenas, place(i));
    }
    CHECK_EQ(cot_arenas_of(&arenas, 3), 0);
    for (int64_t owner = 0; owner < 5; owner++) {
        CHECK_EQ(cot_arenas_of(&arenas, owner),
                 owner == 3 ? 0 : MANY / 5 * MIB);
    }
    for (size_t i = 0; i < MANY; i++) {
        cot_arenas_remove(&arenas, place(i));
    }
    CHECK_EQ(arenas.len, 0);
    for (size_t i = 0; i < arenas.size; i++) {
        CHECK_EQ(arenas.slots[i].address, 0);
    }
    fini(&arenas);
}

static void
an_address_is_used_again(void)
{
    cot_arenas arenas = {0};
    cot_arenas_add(&arenas, place(1), MIB, 1);
    cot_arenas_add(&arenas, place(1), 2 * MIB, 2);
    CHECK_EQ(arenas.len, 1);
    CHECK_EQ(cot_arenas_of(&arenas, 1), 0);
    CHECK_EQ(cot_arenas_of(&arenas, 2), 2 * MIB);
    fini(&arenas);
}

static void
without_memory_it_is_not_counted(void)
{
    cot_arenas arenas = {0};
    cot_memory_fail_at(1);
    cot_arenas_add(&arenas, place(1), MIB, 1);
    CHECK_EQ(cot_memory_fail_at(0), 0);
    CHECK_EQ(cot_arenas_of(&arenas, 1), 0);
    cot_arenas_add(&arenas, place(2), MIB, 1);
    CHECK_EQ(cot_arenas_of(&arenas, 1), MIB);
    fini(&arenas);
}

typedef struct {
    cot_arenas arenas;
    atomic_int claims;
} shared;

static void
take_and_give(void *arg, size_t idx)
{
    shared *all = arg;
    atomic_fetch_add(&all->claims, cot_arenas_claim(&all->arenas));
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++) {
            cot_arenas_add(&all->arenas, place(i * THREADS + idx), MIB,
                           (int64_t)idx);
        }
        CHECK_EQ(cot_arenas_of(&all->arenas, (int64_t)idx), 100 * MIB);
        for (size_t i = 0; i < 100; i++) {
            cot_arenas_remove(&all->arenas, place(i * THREADS + idx));
        }
        CHECK_EQ(cot_arenas_of(&all->arenas, (int64_t)idx), 0);
    }
}

static void
all_interpreters_take_at_once(void)
{
    static shared all;
    test_threads threads;
    start_threads(&threads, THREADS, take_and_give, &all);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&all.claims), 1);
    CHECK_EQ(all.arenas.len, 0);
    fini(&all.arenas);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(they_are_counted_by_owner),
        TEST(an_address_is_used_again),
        TEST(without_memory_it_is_not_counted),
        TEST(all_interpreters_take_at_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
