// A small harness for the tests of the core.
//
// A test is a row of a table.  The first check that fails ends the process,
// from whatever thread.  Nothing here asserts how long something takes: bounds
// only keep a test that hangs from hanging for ever.

#ifndef COT_TESTS_CHECK_H
#define COT_TESTS_CHECK_H

#include "core/outbox.h"
#include "core/park.h"
#include "core/payload.h"
#include "port/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;
    void (*run)(void);
} test_case;

#define TEST(function) {#function, function}

// Runs the table, whose last row is empty; with arguments, those named only.
int run_tests(const test_case *tests, int argc, char **argv);

#define CHECK(condition) \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define CHECK_EQ(found, expected)                            \
    check_equal(__FILE__, __LINE__, #found " == " #expected, \
                (intmax_t)(found), (intmax_t)(expected))

_Noreturn void check_failed(const char *file, int line, const char *what);
void check_equal(const char *file, int line, const char *what, intmax_t found,
                 intmax_t expected);

// Waits for what another thread does.
#define WAIT_UNTIL(condition)                                       \
    for (int64_t began_ns = cot_clock_ns(); !(condition);           \
         wait_a_little(began_ns, __FILE__, __LINE__, #condition)) { \
    }

void wait_a_little(int64_t began_ns, const char *file, int line,
                   const char *what);

// Whether the parker's owner sleeps, so that it stands on its list.
bool is_asleep(cot_parker *parker);

#define THREADS_MAX 16

typedef struct {
    pthread_t thread;
    void (*body)(void *arg, size_t idx);
    void *arg;
    size_t idx;
} test_thread;

typedef struct {
    size_t len;
    test_thread all[THREADS_MAX];
} test_threads;

void start_threads(test_threads *threads, size_t len,
                   void (*body)(void *arg, size_t idx), void *arg);
void join_threads(test_threads *threads);

// SIGUSR1 to the thread, for which a handler without SA_RESTART is installed.
void send_signal(pthread_t thread);

// The seed of this run, printed; the variable COT_TEST_SEED sets it.
uint64_t test_seed(void);
uint32_t random_below(uint64_t *state, uint32_t bound);

// Calls attempt(arg) with its first, second, ... allocation failing, until it
// has fewer.  `attempt` tells whether all went well, and cleans up; the last
// time it must.  Answers how many allocations were made to fail.
long fail_each_allocation(bool (*attempt)(void *arg), void *arg);

// A payload that carries a number.
cot_payload *number_payload(uint64_t number);
uint64_t take_number(cot_payload *payload);

// A taker's: publishes the task, and lets go what is due if it falls to him.
void hand_over(cot_outbox *outbox, cot_task *task);

#endif
