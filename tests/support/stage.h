// A pool on the stage: what the layer above would bring along, as a test wants
// it.
//
// A task carries a number.  It runs until the gate of its number is open;
// above the gates, it just runs.

#ifndef COT_TESTS_STAGE_H
#define COT_TESTS_STAGE_H

#include "core/outbox.h"
#include "core/pool.h"
#include "support/check.h"

#define STAGE_STACK ((size_t)256 << 10)
#define STAGE_GATES 64

typedef struct {
    cot_home *home;
    cot_pool *pool;
    atomic_bool may_start;             // bodies wait for it
    atomic_bool is_open[STAGE_GATES];  // tasks wait for theirs
    atomic_int who_ran[STAGE_GATES];   // the worker's number plus 1
    _Atomic(cot_worker *) workers[STAGE_GATES];
    atomic_int runs;
    atomic_int interrupts;
    atomic_int destroyed;
} stage;

void stage_set_up(stage *on, uint32_t max_workers);
void stage_set_up_with(stage *on, uint32_t max_workers,
                       void (*body)(cot_worker *), size_t stack_size);

// Closes the pool, waits until all is gone and frees it.
void stage_tear_down(stage *on);

// Waits until no worker is left, neither in the pool nor in the home.
void stage_join(stage *on);

// The body of a worker, and its parts for a body that is to differ.
void stage_work(cot_worker *worker);
void stage_take_all(stage *on, cot_worker *worker);
void stage_run_task(stage *on, cot_worker *worker, cot_task *task);

// What a pool calls for the stage, its context, when it is freed.
void stage_destroyed(void *context);

cot_task *stage_task(stage *on, uint64_t number);
cot_task *stage_submit(stage *on, uint64_t number);
void stage_open_gate(stage *on, int number);

// Waits until the task of this number runs: its worker's number.
int stage_wait_for_runner(stage *on, int number);

void stage_wait_done(cot_task *task);

// Waits until the worker of this number sleeps for a task.
void stage_wait_idle(stage *on, int number);

// Opens the gate, waits for the end and drops the reference.
void stage_finish(stage *on, cot_task *task, int number);

// Whether the outbox's next task, dropped here, is this one; false if it has
// none.
bool stage_take_posted(stage *on, cot_task *task);

#endif
