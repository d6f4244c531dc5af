// What a pool's worker does on its thread: its interpreter's whole life.
//
//   make the interpreter -> prepare it -> call, call, call ... -> seal -> end it
//                           ^                                      |
//                           |                                      v
//                           the next worker <- wait <- make it like new
//
// A thread state of the interpreter stays on this thread, and is detached only
// while there is nothing to do.  A worker whose pool was closed makes its
// interpreter like new, and the thread keeps it for a while (core/lot.h): that of
// a worker that left for another reason ends.

#ifndef COT_TYPES_WORKER_H
#define COT_TYPES_WORKER_H

#include "codec/function.h"
#include "core/pool.h"
#include "types/state.h"

// Python needs 2 MiB at the very least; 16 MiB allow its own recursion limits.
#define COT_WORKER_STACK ((size_t)16 << 20)

// What the workers of a pool start from; constant once the pool exists, but for
// exit_grace, which only the pool's own interpreter reads and writes.
typedef struct {
    cot_payload *settings;      // owned: (sys.path, sys.argv)
    cot_payload *preparation;   // owned: for coterie._worker.prepare, or NULL
    cot_function *initializer;  // shared: one reference, or NULL
    cot_payload *initargs;      // owned: as of a call
    double exit_grace;          // seconds that the exit waits; < 0: no bound
    uint64_t max_tasks;         // of one worker; 0: any number
    int64_t idle_ns;  // how long a worker waits for a task; 0: for ever
} worker_plan;

// NULL is allowed.  Any thread.
void worker_plan_destroy(void *plan);

// The body of cot_pool_config, and what frees the interpreter that a thread has
// kept.
void worker_run(cot_worker *worker);
void worker_drop(void *kept);

#endif
