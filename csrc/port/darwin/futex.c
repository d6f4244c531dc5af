// The futex contract on a table of mutex and condition pairs.
//
// A sleeper and its waker meet in the bucket of the word's address.  The waker
// takes the bucket's mutex after it changed the word, and the sleeper looks at
// the word under it, so no wake-up falls between look and sleep.  A wake-up
// goes to all sleepers of the bucket: they share it, and look again.

#include "port/futex.h"

#include "port/clock.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define BUCKETS 64

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} bucket;

#define FREE_BUCKET {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}
#define FOUR(x) x, x, x, x

static bucket buckets[BUCKETS] = {
    FOUR(FOUR(FOUR(FREE_BUCKET))),
};

static bucket *
bucket_of(cot_word *word)
{
    uintptr_t key = (uintptr_t)word >> 2;
    return &buckets[(key ^ (key >> 8)) % BUCKETS];
}

// pthread_cond_timedwait counts on the wall clock here; a slice keeps a step
// of that clock from stretching a wait, and gives signals a look.
// Tests of the order in which threads are served take a longer one: who was told
// so goes to the end of the line.
#ifndef COT_FAULT_INJECTION
#define SLICE (50 * COT_MS)
#else
#define SLICE (600 * COT_MS)
#endif

static int
wait_a_slice(bucket *home, int64_t left_ns)
{
    int64_t slice_ns = left_ns < SLICE ? left_ns : SLICE;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t nsec = until.tv_nsec + slice_ns;
    until.tv_sec += (time_t)(nsec / COT_SECOND);
    until.tv_nsec = (long)(nsec % COT_SECOND);
    return pthread_cond_timedwait(&home->changed, &home->mutex, &until);
}

cot_status
cot_futex_wait(cot_word *word, uint32_t expected, int64_t deadline_ns)
{
    bucket *home = bucket_of(word);
    cot_status status = COT_OK;
    pthread_mutex_lock(&home->mutex);
    if (atomic_load(word) == expected) {
        int64_t now_ns = cot_clock_ns();
        if (deadline_ns <= now_ns) {
            status = COT_TIMED_OUT;
        }
        else if (wait_a_slice(home, deadline_ns - now_ns) == ETIMEDOUT) {
            status = deadline_ns <= cot_clock_ns() ? COT_TIMED_OUT
                                                   : COT_SIGNALLED;
        }
    }
    pthread_mutex_unlock(&home->mutex);
    return status;
}

void
cot_futex_wake_one(cot_word *word)
{
    bucket *home = bucket_of(word);
    pthread_mutex_lock(&home->mutex);
    pthread_cond_broadcast(&home->changed);
    pthread_mutex_unlock(&home->mutex);
}
