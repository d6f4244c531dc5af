#include "port/clock.h"

#include <time.h>

int64_t
cot_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * COT_SECOND + now.tv_nsec;
}

int64_t
cot_clock_after(int64_t timeout_ns)
{
    int64_t now_ns = cot_clock_ns();
    if (timeout_ns >= COT_NEVER - now_ns) {
        return COT_NEVER;
    }
    return now_ns + timeout_ns;
}
