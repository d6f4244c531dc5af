#include "support/check.h"

#include "port/memory.h"
#include "port/thread.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HANG_SECONDS 50

// What the sanitizers do else: to refuse what is too large is a crash, and so
// is a child that starts threads (the tests fork when theirs have ended).
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_stack_use_after_return=1";
}

const char *
__tsan_default_options(void)
{
    return "allocator_may_return_null=1:die_after_fork=0";
}

void
check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    abort();
}

void
check_equal(const char *file, int line, const char *what, intmax_t found,
            intmax_t expected)
{
    if (found != expected) {
        fprintf(stderr, "%s:%d: %" PRIdMAX ", not %" PRIdMAX "\n", file, line,
                found, expected);
        check_failed(file, line, what);
    }
}

static bool
is_named(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc < 2;
}

int
run_tests(const test_case *tests, int argc, char **argv)
{
    for (; tests->name != NULL; tests++) {
        if (is_named(tests->name, argc, argv)) {
            printf("%s\n", tests->name);
            fflush(stdout);
            alarm(HANG_SECONDS);
            tests->run();
        }
    }
    alarm(0);
    return 0;
}

void
wait_a_little(int64_t began_ns, const char *file, int line, const char *what)
{
    int64_t waited_ns = cot_clock_ns() - began_ns;
    if (waited_ns > HANG_SECONDS / 2 * COT_SECOND) {
        check_failed(file, line, what);
    }
    if (waited_ns < COT_MS) {
        cot_thread_yield();
        return;
    }
    nanosleep(&(struct timespec){.tv_nsec = 100 * COT_US}, NULL);
}

bool
is_asleep(cot_parker *parker)
{
    return atomic_load(&parker->word) == 4;  // ASLEEP of park.c, alone
}

static void *
run_thread(void *arg)
{
    test_thread *self = arg;
    self->body(self->arg, self->idx);
    return NULL;
}

void
start_threads(test_threads *threads, size_t len,
              void (*body)(void *arg, size_t idx), void *arg)
{
    CHECK(len <= THREADS_MAX);
    threads->len = len;
    for (size_t i = 0; i < len; i++) {
        test_thread *thread = &threads->all[i];
        thread->body = body;
        thread->arg = arg;
        thread->idx = i;
        CHECK_EQ(pthread_create(&thread->thread, NULL, run_thread, thread), 0);
    }
}

void
join_threads(test_threads *threads)
{
    for (size_t i = 0; i < threads->len; i++) {
        CHECK_EQ(pthread_join(threads->all[i].thread, NULL), 0);
    }
}

static void
do_nothing(int signum)
{
}

void
send_signal(pthread_t thread)
{
    struct sigaction action = {.sa_handler = do_nothing};
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
}

uint64_t
test_seed(void)
{
    const char *given = getenv("COT_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0)
                          : (uint64_t)cot_clock_ns() ^ (uint64_t)getpid();
    printf("COT_TEST_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

// SplitMix64: any seed will do, and neighbouring ones are far apart.
uint32_t
random_below(uint64_t *state, uint32_t bound)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

long
fail_each_allocation(bool (*attempt)(void *arg), void *arg)
{
    for (long n = 1;; n++) {
        cot_memory_fail_at(n);
        bool went_well = attempt(arg);
        if (cot_memory_fail_at(0) > 0) {
            CHECK(went_well);
            return n - 1;
        }
    }
}

cot_payload *
number_payload(uint64_t number)
{
    cot_payload *payload = cot_payload_create(sizeof(number), COT_NATIVE);
    CHECK(payload != NULL);
    memcpy(payload->bytes, &number, sizeof(number));
    return payload;
}

uint64_t
take_number(cot_payload *payload)
{
    uint64_t number;
    CHECK_EQ(payload->len, sizeof(number));
    memcpy(&number, payload->bytes, sizeof(number));
    cot_payload_destroy(payload);
    return number;
}

void
hand_over(cot_outbox *outbox, cot_task *task)
{
    if (cot_outbox_published(outbox, task)) {
        while ((task = cot_outbox_next_due(outbox)) != NULL) {
            cot_task_unref(task);
        }
    }
}
