#include "port/futex.h"

#include "port/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

cot_status
cot_futex_wait(cot_word *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec until, *until_ptr = NULL;
    if (deadline_ns != COT_NEVER) {
        until.tv_sec = (time_t)(deadline_ns / COT_SECOND);
        until.tv_nsec = (long)(deadline_ns % COT_SECOND);
        until_ptr = &until;
    }
    // FUTEX_WAIT takes a span, FUTEX_WAIT_BITSET a point in time: the latter
    // keeps a deadline true over restarts.
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                      expected, until_ptr, NULL, FUTEX_BITSET_MATCH_ANY);
    if (rc == 0 || errno == EAGAIN) {
        return COT_OK;
    }
    return errno == EINTR ? COT_SIGNALLED : COT_TIMED_OUT;
}

void
cot_futex_wake_one(cot_word *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL,
            0);
}
