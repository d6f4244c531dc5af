#include "core/sigint.h"

#include "core/runtime.h"
#include "support/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int usual_calls;
static atomic_int told_calls;
static _Atomic(cot_interpreter *) told;

static void
usual(int number)
{
    CHECK_EQ(number, SIGINT);
    atomic_fetch_add(&usual_calls, 1);
}

static void
usual_with_info(int number, siginfo_t *info, void *context)
{
    CHECK(info != NULL);
    usual(number);
}

static void
tell(cot_interpreter *inside)
{
    atomic_store(&told, inside);
    atomic_fetch_add(&told_calls, 1);
}

static void
never_orphaned(cot_interpreter *interpreter)
{
    CHECK(!"an orphan");
}

static cot_interpreter *
new_interpreter(void)
{
    cot_interpreter *one = cot_interpreter_create(1, 1, NULL, never_orphaned);
    CHECK(one != NULL);
    return one;
}

static void
drop(cot_interpreter *one)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_interpreter_begin_close(one, &parker, COT_NOW), COT_OK);
    cot_interpreter_closed(one);
    // The watcher may have one more.
    cot_interpreter_unref(one);
}

static void
install(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
}

static void
raise_it(void *arg, size_t idx)
{
    CHECK_EQ(raise(SIGINT), 0);
}

static void
raise_elsewhere(void)
{
    test_threads threads;
    start_threads(&threads, 1, raise_it, NULL);
    join_threads(&threads);
}

// On whatever thread: the usual handler is called once, the watcher tells.
static void
check_told(cot_interpreter *inside, void (*how)(void))
{
    int calls = atomic_load(&told_calls), usuals = atomic_load(&usual_calls);
    unsigned count = cot_sigint_count();
    how();
    CHECK_EQ(atomic_load(&usual_calls), usuals + 1);
    CHECK_EQ(cot_sigint_count(), count + 1);
    WAIT_UNTIL(atomic_load(&told_calls) == calls + 1);
    CHECK(atomic_load(&told) == inside);
}

static void
raise_here(void)
{
    CHECK_EQ(raise(SIGINT), 0);
}

static void
who_is_inside_is_told_of(void)
{
    cot_interpreter *one = new_interpreter(), *two = new_interpreter();
    install(usual);
    CHECK(cot_sigint_enter(one, tell) == NULL);
    check_told(one, raise_here);
    check_told(one, raise_elsewhere);
    // Inside another one, and back.
    CHECK(cot_sigint_enter(two, tell) == one);
    check_told(two, raise_elsewhere);
    cot_sigint_leave(one);
    check_told(one, raise_elsewhere);
    cot_sigint_leave(NULL);

    // Outside, the usual handler is all.
    int calls = atomic_load(&told_calls), usuals = atomic_load(&usual_calls);
    raise_elsewhere();
    CHECK_EQ(atomic_load(&usual_calls), usuals + 1);
    CHECK(cot_sigint_enter(two, tell) == NULL);
    check_told(two, raise_elsewhere);
    CHECK_EQ(atomic_load(&told_calls), calls + 1);  // not for the one before
    cot_sigint_leave(NULL);
    drop(one);
    drop(two);
}

static void
another_handler_is_put_behind_ours(void)
{
    cot_interpreter *one = new_interpreter();
    struct sigaction action = {.sa_sigaction = usual_with_info,
                               .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
    for (int round = 0; round < 3; round++) {
        (void)cot_sigint_enter(one, tell);
        check_told(one, raise_elsewhere);
        cot_sigint_leave(NULL);
        install(usual);
    }
    drop(one);
}

static void
the_handlers_own_ways_stay(void)
{
    cot_interpreter *one = new_interpreter();
    struct sigaction action = {.sa_handler = usual, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
    (void)cot_sigint_enter(one, tell);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_flags & SA_RESTART);
    CHECK_EQ(sigismember(&now.sa_mask, SIGUSR1), 1);
    cot_sigint_leave(NULL);
    drop(one);
}

static void
a_signal_that_nobody_handles_is_left_alone(void)
{
    void (*const ways[])(int) = {SIG_IGN, SIG_DFL};
    cot_interpreter *one = new_interpreter();
    for (int i = 0; i < 2; i++) {
        install(ways[i]);
        (void)cot_sigint_enter(one, tell);
        struct sigaction now;
        CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
        CHECK(now.sa_handler == ways[i]);
        if (ways[i] == SIG_IGN) {
            int calls = atomic_load(&told_calls);
            raise_elsewhere();
            CHECK_EQ(atomic_load(&told_calls), calls);
        }
        cot_sigint_leave(NULL);
    }
    install(usual);
    drop(one);
}

static void
raise_many(void *arg, size_t idx)
{
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(raise(SIGINT), 0);
    }
}

static void
entering_meets_the_signal(void)
{
    install(usual);
    int usuals = atomic_load(&usual_calls);
    test_threads threads;
    start_threads(&threads, 3, raise_many, NULL);
    for (int round = 0; round < 500; round++) {
        cot_interpreter *one = new_interpreter();
        (void)cot_sigint_enter(one, tell);
        cot_sigint_leave(NULL);
        drop(one);
    }
    join_threads(&threads);
    CHECK_EQ(atomic_load(&usual_calls), usuals + 3 * 2000);
}

static bool
child_is_told(void)
{
    cot_runtime_after_fork_in_child();
    cot_interpreter *one = new_interpreter();
    (void)cot_sigint_enter(one, tell);
    check_told(one, raise_here);
    cot_sigint_leave(NULL);
    drop(one);
    return true;
}

static void
a_child_has_a_watcher_of_its_own(void)
{
    install(usual);
    cot_interpreter *one = new_interpreter();
    (void)cot_sigint_enter(one, tell);
    cot_sigint_leave(NULL);
    drop(one);
    pid_t child = fork();
    if (child == 0) {
        _exit(child_is_told() ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(who_is_inside_is_told_of),
        TEST(another_handler_is_put_behind_ours),
        TEST(the_handlers_own_ways_stay),
        TEST(a_signal_that_nobody_handles_is_left_alone),
        TEST(entering_meets_the_signal),
        TEST(a_child_has_a_watcher_of_its_own),
        {0},
    };
    return run_tests(tests, argc, argv);
}
