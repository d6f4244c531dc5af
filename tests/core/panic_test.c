#include "core/panic.h"

#include "support/check.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
it_prints_one_line_and_aborts(void)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        cot_panic("the lock has no holder");
    }
    close(ends[1]);
    char text[200] = {0};
    size_t len = 0;
    ssize_t n;
    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(ends[0]);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_EQ(strcmp(text, "coterie: internal error: the lock has no holder\n"),
             0);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(it_prints_one_line_and_aborts),
        {0},
    };
    return run_tests(tests, argc, argv);
}
