#include "port/thread.h"

#include "port/memory.h"
#include "support/check.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)1 << 20)

typedef struct {
    atomic_bool has_ended;
    cot_thread_ident ident;
    bool is_first;
    sigset_t blocked;
    char name[64];
    size_t stack_size;
    bool is_detached;
} account;

// What a thread finds out about itself.
static void
give_account(void *arg)
{
    account *own = arg;
    own->ident = cot_thread_self();
    own->is_first = cot_thread_is_first();
    pthread_sigmask(SIG_SETMASK, NULL, &own->blocked);
    pthread_getname_np(pthread_self(), own->name, sizeof(own->name));
#ifdef __linux__
    pthread_attr_t attr;
    int state = 0;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attr, &own->stack_size), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attr, &state), 0);
    pthread_attr_destroy(&attr);
    own->is_detached = state == PTHREAD_CREATE_DETACHED;
#else
    own->stack_size = pthread_get_stacksize_np(pthread_self());
    own->is_detached = true;
#endif
    atomic_store(&own->has_ended, true);
}

// A set may hold bytes that mean nothing.
static bool
is_same_mask(const sigset_t *one, const sigset_t *other)
{
    for (int signum = 1; signum < 32; signum++) {
        if (sigismember(one, signum) != sigismember(other, signum)) {
            return false;
        }
    }
    return true;
}

static void
start_and_wait(account *own, const char *name)
{
    CHECK_EQ(cot_thread_start(give_account, own, STACK_SIZE, name), COT_OK);
    WAIT_UNTIL(atomic_load(&own->has_ended));
}

static void
a_thread_is_as_asked(void)
{
    account own = {0};
    start_and_wait(&own, "coterie_0");
    CHECK(own.ident != cot_thread_self());
    CHECK(!own.is_first && cot_thread_is_first());
    CHECK_EQ(strcmp(own.name, "coterie_0"), 0);
    CHECK(own.stack_size >= STACK_SIZE);
    CHECK(own.is_detached);
}

static void
a_long_name_is_cut(void)
{
    account own = {0};
    start_and_wait(&own, "0123456789abcdefghijklmn");
    CHECK_EQ(strcmp(own.name, "0123456789abcde"), 0);
}

static void
the_mask_is_that_of_the_maker(void)
{
    sigset_t some, before, after;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    account free = {0}, blocking = {0};
    start_and_wait(&free, "coterie_0");
    pthread_sigmask(SIG_BLOCK, &some, &before);
    start_and_wait(&blocking, "coterie_1");
    pthread_sigmask(SIG_SETMASK, &before, &after);

    CHECK(is_same_mask(&free.blocked, &before));
    CHECK(is_same_mask(&blocking.blocked, &after));
    CHECK(!is_same_mask(&free.blocked, &blocking.blocked));
}

static void
a_refused_thread_is_a_status(void)
{
    account own = {0};
    CHECK_EQ(cot_thread_start(give_account, &own, 1, "x"), COT_NO_THREAD);
    cot_memory_fail_at(1);
    CHECK_EQ(cot_thread_start(give_account, &own, STACK_SIZE, "x"),
             COT_NO_MEMORY);
}

static void
self_is_what_pthreads_say(void)
{
    CHECK(cot_thread_self() == (cot_thread_ident)pthread_self());
    cot_thread_yield();
    cot_cpu_pause();
}

static int before_fork, in_parent, in_child;

static void
count_before(void)
{
    before_fork++;
}

static void
count_in_parent(void)
{
    in_parent++;
}

static void
count_in_child(void)
{
    in_child++;
}

static void
forks_are_told(void)
{
    CHECK_EQ(cot_thread_at_fork(count_before, count_in_parent, count_in_child),
             COT_OK);
    for (int n = 1; n <= 2; n++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(before_fork == n && in_parent == n - 1 && in_child == 1);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        CHECK(before_fork == n && in_parent == n && in_child == 0);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_thread_is_as_asked),
        TEST(a_long_name_is_cut),
        TEST(the_mask_is_that_of_the_maker),
        TEST(a_refused_thread_is_a_status),
        TEST(self_is_what_pthreads_say),
        TEST(forks_are_told),
        {0},
    };
    return run_tests(tests, argc, argv);
}
