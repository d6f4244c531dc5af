#include "core/runtime.h"

#include "support/check.h"

#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define IDS 1000

typedef struct {
    uint64_t ids[THREADS][IDS];
    atomic_int claims;
} shared;

static void
take_ids(void *arg, size_t idx)
{
    shared *all = arg;
    for (int i = 0; i < IDS; i++) {
        all->ids[idx][i] = cot_runtime_next_id();
        cot_runtime_interpreter_opens();
    }
    atomic_fetch_add(&all->claims, cot_runtime_claim_setup());
    for (int i = 0; i < IDS; i++) {
        CHECK(cot_runtime_interpreters() > 0);
        cot_runtime_interpreter_closed();
    }
}

static void
numbers_are_given_once(void)
{
    static shared all;
    test_threads threads;
    CHECK_EQ(cot_runtime_interpreters(), 0);
    start_threads(&threads, THREADS, take_ids, &all);
    join_threads(&threads);
    CHECK_EQ(cot_runtime_interpreters(), 0);
    CHECK_EQ(atomic_load(&all.claims), 1);
    CHECK(!cot_runtime_claim_setup());

    // Dense, since nobody else took any: each of 1 to THREADS * IDS was given.
    static bool is_given[THREADS * IDS + 1];
    for (int i = 0; i < THREADS * IDS; i++) {
        uint64_t id = all.ids[i / IDS][i % IDS];
        CHECK(id >= 1 && id <= THREADS * IDS && !is_given[id]);
        is_given[id] = true;
    }
}

static void
interpreters_are_counted(void)
{
    cot_runtime_interpreter_opens();
    cot_runtime_interpreter_opens();
    CHECK_EQ(cot_runtime_interpreters(), 2);
    cot_runtime_interpreter_closed();
    CHECK_EQ(cot_runtime_interpreters(), 1);
    cot_runtime_interpreter_closed();
    CHECK_EQ(cot_runtime_interpreters(), 0);
}

static void
a_process_has_one_number(void)
{
    uint64_t id = cot_runtime_process_id();
    CHECK(id != 0 && (uint32_t)id == 0);
    CHECK(cot_runtime_process_id() == id);
}

static bool
child_starts_anew(uint64_t last_id, uint64_t process_id)
{
    cot_runtime_after_fork_in_child();
    if (cot_runtime_interpreters() != 0 || cot_runtime_claim_setup()
        || cot_runtime_next_id() <= last_id
        || cot_runtime_process_id() == process_id) {
        return false;
    }
    cot_runtime_interpreter_opens();
    return cot_runtime_interpreters() == 1;
}

static void
a_child_has_no_interpreters(void)
{
    cot_runtime_interpreter_opens();
    (void)cot_runtime_claim_setup();
    uint64_t last_id = cot_runtime_next_id();
    uint64_t process_id = cot_runtime_process_id();
    pid_t child = fork();
    if (child == 0) {
        _exit(child_starts_anew(last_id, process_id) ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(cot_runtime_interpreters(), 1);
    cot_runtime_interpreter_closed();
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(numbers_are_given_once),  // first: no number is taken yet
        TEST(interpreters_are_counted),    TEST(a_process_has_one_number),
        TEST(a_child_has_no_interpreters), {0},
    };
    return run_tests(tests, argc, argv);
}
