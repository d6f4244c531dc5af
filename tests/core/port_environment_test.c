#include "port/environment.h"

#include "support/check.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

static void
an_environment_has_one_digest(void)
{
    uint64_t before = cot_environment_digest();
    CHECK(before != 0);
    CHECK_EQ(cot_environment_digest(), before);
}

static void
each_change_changes_it(void)
{
    uint64_t before = cot_environment_digest();
    CHECK_EQ(setenv("COTERIE_A", "1", 1), 0);
    uint64_t added = cot_environment_digest();
    CHECK(added != before);
    CHECK_EQ(setenv("COTERIE_A", "2", 1), 0);
    uint64_t changed = cot_environment_digest();
    CHECK(changed != added && changed != before);
    CHECK_EQ(unsetenv("COTERIE_A"), 0);
    CHECK_EQ(cot_environment_digest(), before);
}

static void
values_that_change_places_change_it(void)
{
    CHECK_EQ(setenv("COTERIE_A", "1", 1), 0);
    CHECK_EQ(setenv("COTERIE_B", "2", 1), 0);
    uint64_t before = cot_environment_digest();
    CHECK_EQ(setenv("COTERIE_A", "2", 1), 0);
    CHECK_EQ(setenv("COTERIE_B", "1", 1), 0);
    CHECK(cot_environment_digest() != before);
    CHECK_EQ(unsetenv("COTERIE_A"), 0);
    CHECK_EQ(unsetenv("COTERIE_B"), 0);
}

static void
the_order_does_not(void)
{
    uint64_t before = cot_environment_digest();
    CHECK_EQ(setenv("COTERIE_A", "1", 1), 0);
    CHECK_EQ(setenv("COTERIE_B", "2", 1), 0);
    uint64_t one_way = cot_environment_digest();
    CHECK_EQ(unsetenv("COTERIE_A"), 0);
    CHECK_EQ(setenv("COTERIE_A", "1", 1), 0);
    CHECK_EQ(cot_environment_digest(), one_way);
    CHECK_EQ(unsetenv("COTERIE_A"), 0);
    CHECK_EQ(unsetenv("COTERIE_B"), 0);
    CHECK_EQ(cot_environment_digest(), before);
}

static void
none_has_one_too(void)
{
    char **before = environ;
    environ = NULL;
    CHECK(cot_environment_digest() != 0);
    environ = before;
}

static void
a_variable_is_set_and_removed(void)
{
    CHECK(cot_environment_get("COTERIE_A") == NULL);
    cot_environment_set("COTERIE_A", "1");
    CHECK(strcmp(cot_environment_get("COTERIE_A"), "1") == 0);
    cot_environment_set("COTERIE_A", "2");
    CHECK(strcmp(cot_environment_get("COTERIE_A"), "2") == 0);
    cot_environment_set("COTERIE_A", NULL);
    cot_environment_set("COTERIE_A", NULL);
    CHECK(cot_environment_get("COTERIE_A") == NULL);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(an_environment_has_one_digest),
        TEST(each_change_changes_it),
        TEST(values_that_change_places_change_it),
        TEST(the_order_does_not),
        TEST(none_has_one_too),
        TEST(a_variable_is_set_and_removed),
        {0},
    };
    return run_tests(tests, argc, argv);
}
