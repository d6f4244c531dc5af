#include "core/ledger.h"

#include "port/environment.h"
#include "port/memory.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define THREADS 4
#define NAME "COTERIE_LEDGER"

static void
write_as(cot_ledger *ledger, int64_t writer, const char *value)
{
    cot_ledger_write(ledger, NAME, value, writer);
    cot_environment_set(NAME, value);
}

static void
write_finally(cot_ledger *ledger, const char *value)
{
    cot_ledger_forget(ledger, NAME);
    cot_environment_set(NAME, value);
}

static bool
has(const char *value)
{
    const char *found = cot_environment_get(NAME);
    return found == NULL || value == NULL ? found == value
                                          : strcmp(found, value) == 0;
}

static const char *const originals[] = {NULL, "", "original"};
static const char *const values[] = {NULL, "", "1", "original"};

static void
a_change_is_undone(void)
{
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 4; k++) {
            cot_ledger ledger = {0};
            cot_environment_set(NAME, originals[i]);
            write_as(&ledger, 1, "first");
            write_as(&ledger, 1, values[k]);
            cot_ledger_undo(&ledger, 2);
            CHECK(has(values[k]));
            cot_ledger_undo(&ledger, 1);
            CHECK(has(originals[i]));
            CHECK(ledger.first == NULL);
        }
    }
    cot_environment_set(NAME, NULL);
}

static void
the_last_of_two_undoes_it(void)
{
    for (int64_t first = 1; first <= 2; first++) {
        cot_ledger ledger = {0};
        cot_environment_set(NAME, "original");
        write_as(&ledger, 1, "1");
        write_as(&ledger, 2, "2");
        cot_ledger_undo(&ledger, first);
        CHECK(has(first == 1 ? "2" : "original"));
        cot_ledger_undo(&ledger, 3 - first);
        CHECK(has("original"));
        CHECK(ledger.first == NULL);
    }
    cot_environment_set(NAME, NULL);
}

static void
what_changed_since_stays(void)
{
    static const char *const since[] = {NULL, "", "other"};
    for (size_t i = 0; i < 3; i++) {
        cot_ledger ledger = {0};
        write_as(&ledger, 1, "1");
        cot_environment_set(NAME, since[i]);
        cot_ledger_undo(&ledger, 1);
        CHECK(has(since[i]));
        CHECK(ledger.first == NULL);
        cot_environment_set(NAME, "original");
        write_as(&ledger, 1, NULL);
        cot_environment_set(NAME, "other");
        cot_ledger_undo(&ledger, 1);
        CHECK(has("other"));
        cot_environment_set(NAME, NULL);
    }
}

static void
the_word_of_others_is_final(void)
{
    cot_ledger ledger = {0};
    write_finally(&ledger, "before");
    write_as(&ledger, 1, "1");
    // The same value, even.
    write_finally(&ledger, "1");
    CHECK(ledger.first == NULL);
    cot_ledger_undo(&ledger, 1);
    CHECK(has("1"));
    write_as(&ledger, 1, "2");
    cot_ledger_undo(&ledger, 1);
    CHECK(has("1"));
    cot_environment_set(NAME, NULL);
}

static void
variables_are_undone_one_by_one(void)
{
    cot_ledger ledger = {0};
    char name[64];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "%s_%d", NAME, i);
        cot_ledger_write(&ledger, name, "1", i % 3);
        cot_environment_set(name, "1");
    }
    cot_ledger_forget(&ledger, NAME "_4");
    for (int64_t writer = 0; writer < 3; writer++) {
        cot_ledger_undo(&ledger, writer);
        for (int i = 0; i < 30; i++) {
            snprintf(name, sizeof(name), "%s_%d", NAME, i);
            bool is_set = cot_environment_get(name) != NULL;
            CHECK_EQ(is_set, i % 3 > writer || i == 4);
        }
    }
    CHECK(ledger.first == NULL);
    cot_environment_set(NAME "_4", NULL);
}

static void
without_memory_nothing_is_undone(void)
{
    cot_environment_set(NAME, "original");
    // The entry, the original, what is written.
    for (long n = 1; n <= 3; n++) {
        cot_ledger ledger = {0};
        cot_memory_fail_at(n);
        write_as(&ledger, 1, "1");
        CHECK_EQ(cot_memory_fail_at(0), 0);
        CHECK(ledger.first == NULL);
        cot_ledger_undo(&ledger, 1);
        CHECK(has("1"));
        // What it was is not known any more.
        write_as(&ledger, 1, "2");
        cot_memory_fail_at(1);
        write_as(&ledger, 1, "3");
        CHECK_EQ(cot_memory_fail_at(0), 0);
        CHECK(ledger.first == NULL);
        cot_ledger_undo(&ledger, 1);
        CHECK(has("3"));
    }
    cot_environment_set(NAME, NULL);
}

// The environment itself is left alone: not all systems bear it from several
// threads.
static void
write_and_undo(void *arg, size_t idx)
{
    cot_ledger *ledger = arg;
    char name[64];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 20; i++) {
            snprintf(name, sizeof(name), "%s_%d", NAME, i);
            cot_ledger_write(ledger, name, "1", (int64_t)idx);
        }
        cot_ledger_forget(ledger, NAME "_7");
        cot_ledger_undo(ledger, (int64_t)idx);
    }
}

static void
several_write_at_once(void)
{
    static cot_ledger ledger;
    test_threads threads;
    start_threads(&threads, THREADS, write_and_undo, &ledger);
    join_threads(&threads);
    CHECK(ledger.first == NULL);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_change_is_undone),
        TEST(the_last_of_two_undoes_it),
        TEST(what_changed_since_stays),
        TEST(the_word_of_others_is_final),
        TEST(variables_are_undone_one_by_one),
        TEST(without_memory_nothing_is_undone),
        TEST(several_write_at_once),
        {0},
    };
    return run_tests(tests, argc, argv);
}
