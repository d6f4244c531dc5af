// Threads of the operating system.
//
// A thread made here has the signal mask of its maker, as those of Python do.
// Signals that it blocked would be blocked in the processes that its code
// starts, for good, and those of a profiler's timer would not tell of it.  What
// is sent to the process goes to the first thread all the same, which systems
// prefer while it does not block it; Python's handlers run there in any case.
//
// It has an explicit stack size, since musl's and macOS' defaults are too small
// for Python.

#ifndef COT_PORT_THREAD_H
#define COT_PORT_THREAD_H

#include "port/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Identifies a thread, as threading.get_ident() does.
typedef unsigned long cot_thread_ident;

// Starts a detached thread.  `name` is cut to what the system takes (15 bytes
// on Linux).  The thread tells its end by its own means: nobody joins it.
COT_MUST_CHECK cot_status cot_thread_start(void (*body)(void *), void *arg,
                                           size_t stack_size,
                                           const char *name);

cot_thread_ident cot_thread_self(void);

// Names the calling thread, as when it starts.
void cot_thread_rename(const char *name);

// What the system calls a thread that lives, "" if it does not say.  `size` is
// 16 at least, or the name is not told.
void cot_thread_name(cot_thread_ident thread, char *name, size_t size);

// Whether this is the process' first thread, to which signals go.
bool cot_thread_is_first(void);

// Gives up the rest of this timeslice.
void cot_thread_yield(void);

// A hint to the processor that this is a spin loop.
static inline void
cot_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// A pointer that each thread has for itself, NULL at first.  `at_end` is called
// with it at the end of a thread, if it is not NULL then.
typedef pthread_key_t cot_local;

COT_MUST_CHECK cot_status cot_local_create(cot_local *local,
                                           void (*at_end)(void *));
void *cot_local_get(const cot_local *local);
COT_MUST_CHECK cot_status cot_local_set(cot_local *local, void *value);

// Calls `in_child` in the child of every later fork(2), on its only thread.
COT_MUST_CHECK cot_status cot_thread_at_fork(void (*before)(void),
                                             void (*in_parent)(void),
                                             void (*in_child)(void));

#endif
