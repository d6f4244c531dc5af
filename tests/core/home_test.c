#include "core/home.h"

#include "support/check.h"

#define WORKERS 3

typedef struct {
    cot_worker_link *found[WORKERS + 1];
    int len;
} list;

static void
collect(cot_worker_link *link, void *arg)
{
    list *links = arg;
    CHECK(links->len < WORKERS + 1);
    links->found[links->len++] = link;
}

static list
list_workers(cot_home *home)
{
    list links = {0};
    cot_home_each_worker(home, collect, &links);
    return links;
}

static void
a_home_is_empty_at_first(void)
{
    cot_home *home = cot_home_create();
    cot_parker parker = {0};
    CHECK(home != NULL);
    CHECK(cot_home_outbox(home) != NULL);
    CHECK(cot_home_is_empty(home));
    CHECK_EQ(list_workers(home).len, 0);
    CHECK_EQ(cot_home_count(home), 0);
    CHECK_EQ(cot_home_join(home, &parker, COT_NOW), COT_OK);
    cot_home *other = cot_home_create();
    CHECK(cot_home_id(home) != 0 && cot_home_id(home) != cot_home_id(other));
    cot_home_unref(other);
    cot_home_unref(home);
    cot_home_unref(NULL);
}

static void
each_worker_is_visited(void)
{
    cot_home *home = cot_home_create();
    cot_worker_link links[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        cot_home_add_worker(home, &links[i]);
    }
    list all = list_workers(home);
    CHECK_EQ(all.len, WORKERS);
    CHECK_EQ(cot_home_count(home), WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        CHECK(all.found[i] == &links[i]);
    }
    cot_home_remove_worker(home, &links[1]);
    all = list_workers(home);
    CHECK(all.len == 2 && all.found[0] == &links[0]
          && all.found[1] == &links[2]);
    CHECK(!cot_home_is_empty(home));
    cot_home_remove_worker(home, &links[2]);
    cot_home_remove_worker(home, &links[0]);
    CHECK(cot_home_is_empty(home));
    cot_home_unref(home);
}

typedef struct {
    cot_home *home;
    cot_parker parker;
    int *room;  // written before the last worker left
    atomic_bool has_ended;
} joiner;

static void
join_home(void *arg, size_t idx)
{
    joiner *self = arg;
    cot_status status;
    while ((status = cot_home_join(self->home, &self->parker, COT_NEVER))
           == COT_SIGNALLED) {
    }
    CHECK_EQ(status, COT_OK);
    CHECK_EQ(*self->room, WORKERS);
    atomic_store(&self->has_ended, true);
}

static void
a_join_waits_for_the_last(void)
{
    int room = 0;
    joiner self = {.home = cot_home_create(), .room = &room};
    cot_worker_link links[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        cot_home_add_worker(self.home, &links[i]);
    }
    test_threads threads;
    start_threads(&threads, 1, join_home, &self);
    WAIT_UNTIL(is_asleep(&self.parker));
    for (int i = 0; i < WORKERS; i++) {
        CHECK(!atomic_load(&self.has_ended));
        room++;
        cot_home_remove_worker(self.home, &links[i]);
    }
    join_threads(&threads);
    cot_home_unref(self.home);
}

static void
a_join_may_end_early(void)
{
    cot_home *home = cot_home_create();
    cot_worker_link link;
    cot_parker parker = {0};
    cot_home_add_worker(home, &link);
    CHECK_EQ(cot_home_join(home, &parker, COT_NOW), COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_home_join(home, &parker, COT_NEVER), COT_INTERRUPTED);
    cot_home_remove_worker(home, &link);
    // Empty comes before interrupted: there is nothing to wait for.
    CHECK_EQ(cot_home_join(home, &parker, COT_NEVER), COT_OK);
    cot_home_unref(home);
}

#define ROUNDS 500

typedef struct {
    cot_home *home;
    int writes[WORKERS];
} household;

static void
come_and_go(void *arg, size_t idx)
{
    household *all = arg;
    cot_worker_link link;
    for (int i = 0; i < ROUNDS; i++) {
        cot_home_add_worker(all->home, &link);
        all->writes[idx]++;
        cot_home_remove_worker(all->home, &link);
    }
    cot_home_unref(all->home);
}

static void
the_last_holder_frees_it(void)
{
    household all = {.home = cot_home_create()};
    test_threads threads;
    for (int i = 0; i < WORKERS; i++) {
        cot_home_ref(all.home);
    }
    start_threads(&threads, WORKERS, come_and_go, &all);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(list_workers(all.home).len <= WORKERS);
    }
    cot_home_unref(all.home);
    join_threads(&threads);
}

static bool
create_home(void *arg)
{
    cot_home *home = cot_home_create();
    cot_home_unref(home);
    return home != NULL;
}

static void
memory_may_run_out(void)
{
    CHECK_EQ(fail_each_allocation(create_home, NULL), 3);
}

static void
a_home_is_found_while_it_lives(void)
{
    cot_home *homes[3];
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        homes[i] = cot_home_create();
        ids[i] = cot_home_id(homes[i]);
        CHECK_EQ(cot_home_find_interpreter(ids[i]), -1);
        cot_home_settle(homes[i], 10 + i);
    }
    cot_home_settle(homes[2], 20);
    CHECK_EQ(cot_home_find_interpreter(ids[0]), 10);
    CHECK_EQ(cot_home_find_interpreter(ids[2]), 20);
    cot_home_unref(homes[1]);
    CHECK_EQ(cot_home_find_interpreter(ids[1]), -1);
    CHECK_EQ(cot_home_find_interpreter(ids[0]), 10);
    cot_home_unref(homes[0]);
    cot_home_unref(homes[2]);
    CHECK_EQ(cot_home_find_interpreter(ids[0]), -1);
    CHECK_EQ(cot_home_find_interpreter(ids[2]), -1);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_home_is_empty_at_first),       TEST(each_worker_is_visited),
        TEST(a_join_waits_for_the_last),      TEST(a_join_may_end_early),
        TEST(the_last_holder_frees_it),       TEST(memory_may_run_out),
        TEST(a_home_is_found_while_it_lives), {0},
    };
    return run_tests(tests, argc, argv);
}
