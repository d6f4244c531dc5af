// Workers that take tasks from one line.
//
//   STARTING ---> IDLE <---> BUSY ------> LOST     per worker, on its own thread
//                   \         |              |
//                    `---> LEAVING ---> SEALED ---> gone
//
// A pool starts workers lazily, when more tasks wait than workers are free (one
// that is still starting counts as free).  A worker's thread runs the body that
// the layer above gave: it makes its interpreter, takes tasks until there are
// no more, and ends its interpreter.  The pool lives until its last holder lets
// go: who submits, and each worker.
//
// Other threads may visit a busy worker (to interrupt it): a worker with guests
// waits in cot_worker_seal before it ends its interpreter.  What a worker runs
// has a number, so that a visitor who comes late does not hit the next task.
//
// A thread may outlive its worker, with what that has used: it then serves a
// worker of some other pool (core/lot.h).
//
// A worker may leave before the pool is closed, and then another starts when
// there is work.  One whose task does not end although it was told to, is lost:
// the pool ends the task in its stead, and does not count on the worker any
// more, which leaves when it can.  If it was something else that did not end,
// which each worker has to begin with, the pool breaks.
//
//   RUNNING --its timeout, or cot_task_stop--> STOPPING --a grace later-->
//   STOPPING once more --another grace--> LOST          per task that runs

#ifndef COT_CORE_POOL_H
#define COT_CORE_POOL_H

#include "core/home.h"
#include "core/line.h"
#include "core/task.h"
#include "core/timer.h"
#include "port/thread.h"

typedef struct cot_pool cot_pool;

typedef enum {
    COT_WORKER_SERVING,
    COT_WORKER_LEAVING,  // by its own will: it takes no more tasks
    COT_WORKER_LOST,
} cot_worker_place;

typedef enum {
    COT_RUN_FREE,   // nobody wants what runs to end
    COT_RUN_TOLD,   // it was told to
    COT_RUN_AGAIN,  // once more
} cot_run_stage;

typedef struct cot_worker {
    cot_pool *pool;            // shared: the worker's own reference
    struct cot_worker *next;   // in a list of the pool, under the pool's lock
    struct cot_worker *prev;   // likewise
    cot_worker_link link;      // in the home's list, under the home's lock
    _Atomic(cot_task *) task;  // borrowed: what it runs now, or NULL
    _Atomic(uint64_t) run;     // counts: odd while it runs something
    cot_alarm alarm;           // of what it runs
    int64_t overdue_ns;    // under the pool's lock: when the alarm is meant
    uint8_t stage;         // likewise: cot_run_stage of what it runs
    bool is_late;          // likewise: its timeout has passed
    uint8_t place;         // likewise: cot_worker_place
    cot_parker parker;     // of all waits of its thread
    cot_waitlist sealers;  // the worker itself, until its guests left
    uint32_t guests;       // under the pool's lock
    bool is_busy;          // likewise
    bool is_dismissed;     // likewise: shall leave if there is nothing to do
    bool is_sealed;        // likewise: takes no more guests
    uint64_t tasks;        // likewise: how many it has run
    int64_t ready_ns;      // likewise: since when it takes tasks, or 0
    // Written by the worker: how long it has waited for them, and since when it
    // waits now, or 0.
    _Atomic(int64_t) idle_ns;
    _Atomic(int64_t) idle_since_ns;
    char *last_error;        // likewise; owned: what a task has raised last
    int64_t interpreter_id;  // likewise; -1 until it is known
    uint32_t number;         // 0, 1, ... within the pool; constant
    void *host;              // owned by the body: its interpreter
    void *kept;  // what the thread has kept from the worker before, or NULL;
                 // what the body returns with is kept for the next one
} cot_worker;

// What the layer above brings along.
typedef struct {
    // Runs on each worker's thread; calls cot_worker_seal before it gives up
    // what guests use.
    void (*body)(cot_worker *worker);
    // Frees what a thread has kept, on that thread, if nobody wants it.  NULL:
    // threads end with their workers.
    void (*drop)(void *kept);
    void (*destroy)(
        void *context);  // frees context, with the pool; any thread
    void *context;       // owned by the pool
    // Tells what the worker runs to end, if it runs that still; on the timer's
    // thread, with the worker entered, which it leaves in the end.
    void (*remind)(cot_worker *worker, uint64_t run, bool is_late);
    // The worker is lost.  On any thread; it stays meanwhile.
    void (*report)(cot_worker *worker);
    size_t stack_size;
    const char *name;       // of the threads; copied
    size_t max_pending;     // how many tasks may wait; 0: any number
    int64_t stop_grace_ns;  // what a task has to end once it was told to
} cot_pool_config;

// What is known of a pool at one moment.
typedef struct {
    uint32_t serving;  // workers, those still starting included
    uint32_t lost;     // workers that are there still
    uint32_t started;  // workers, ever
    uint64_t lost_ever;
    uint64_t tasks;  // that have run
    size_t pending;
} cot_pool_counts;

// A pool with one reference; adopts config->context.  NULL if there is no
// memory (the context stays the caller's).
cot_pool *cot_pool_create(cot_home *home, uint32_t max_workers,
                          const cot_pool_config *config);

void cot_pool_ref(cot_pool *pool);

// NULL is allowed.
void cot_pool_unref(cot_pool *pool);

void *cot_pool_context(const cot_pool *pool);
cot_outbox *cot_pool_outbox(const cot_pool *pool);  // of its home
const char *cot_pool_name(const cot_pool *pool);
uint32_t cot_pool_workers(cot_pool *pool);
size_t cot_pool_pending(cot_pool *pool);
cot_pool_counts cot_pool_count(cot_pool *pool);

// A hint: whether a submit would not wait.
bool cot_pool_has_room(cot_pool *pool);

// Puts a task in line, once there is room; adds a reference to it.
// COT_SHUT_DOWN: closed or broken.  COT_NO_THREAD, COT_NO_MEMORY: there is no
// worker and none can start, or no memory for a place in line.
COT_MUST_CHECK cot_status cot_pool_submit(cot_pool *pool, cot_task *task,
                                          cot_parker *parker,
                                          int64_t deadline_ns);

// The worker is free; takes the next task, already RUNNING, and its reference.
// COT_NOW answers COT_TIMED_OUT at once if there is none; COT_SHUT_DOWN: none,
// and none comes.
COT_MUST_CHECK cot_status cot_pool_take(cot_pool *pool, cot_worker *worker,
                                        int64_t deadline_ns, cot_task **task);

// No more tasks; workers end when the line is empty.
void cot_pool_close(cot_pool *pool);
bool cot_pool_is_closed(cot_pool *pool);

// Closes, cancels all that is in line, and posts what is watched.
void cot_pool_cancel_pending(cot_pool *pool);

// Closes, and ends all that is in line, now and later, as lost with `reason`.
// The first reason stays.
void cot_pool_break(cot_pool *pool, const char *reason);

// Copies the reason, cut to `size` with its NUL; false if the pool is whole.
bool cot_pool_why_broken(cot_pool *pool, char *reason, size_t size);

// Waits until no worker is left; for those that are lost only if told to.
COT_MUST_CHECK cot_status cot_pool_join(cot_pool *pool, cot_parker *parker,
                                        int64_t deadline_ns, bool with_lost);

// Calls visit(worker, arg) for each worker that serves or is lost, with the
// pool's lock held: no waiting, no call into Python.
void cot_pool_each_worker(cot_pool *pool, void (*visit)(cot_worker *, void *),
                          void *arg);

// The same, for those that run something and are not sealed: the visits are to
// interrupt them.  Who would begin something later, for no task, does not.
void cot_pool_hurry(cot_pool *pool, void (*visit)(cot_worker *, void *),
                    void *arg);

// A visit: inside cot_pool_hurry the worker may be entered; it stays until
// its guests left.
void cot_worker_enter_locked(cot_worker *worker);
void cot_worker_leave(cot_worker *worker);

// Finds the worker that runs the task, among those of the home, and enters it:
// somebody wants the task to end.  From then on it has the grace, twice.  False:
// nobody runs it.
COT_MUST_CHECK bool cot_task_stop(cot_home *home, const cot_task *task,
                                  cot_worker **worker, uint64_t *run);

// What the worker runs now shall end, too; with the pool's lock held, as inside
// cot_pool_hurry.
void cot_worker_stop_locked(cot_worker *worker);

// The worker takes tasks from now on, in the interpreter of this id.
void cot_worker_is_ready(cot_worker *worker, int64_t interpreter_id);

// The worker has failed to get ready: it takes no tasks.  Fewer workers than
// wanted is no error; without any other one the pool breaks.
void cot_worker_cannot_start(cot_worker *worker, const char *reason);

// What its task has raised, in words; adopted.
void cot_worker_note_error(cot_worker *worker, char *text);

// The worker begins something that is no task, which guests may come for.  False:
// it shall not, as no task is left for it and the others were told to end.
COT_MUST_CHECK bool cot_worker_begin(cot_worker *worker);

// It has ended that.  False: the worker is lost.
COT_MUST_CHECK bool cot_worker_end(cot_worker *worker);

// The worker's task is over: it takes no more guests for it, and counts as free
// already before the asker goes on, who may submit again at once.  False: the
// worker is lost, and the task was ended by others.
COT_MUST_CHECK bool cot_worker_end_task(cot_worker *worker);

// Tells all workers of the home that have nothing to do to leave their pools: to
// each that waits for a task without a deadline in sight, that is COT_TIMED_OUT.
// False, and nobody is told, if one of them has something to do, or is lost.
bool cot_home_dismiss_workers(cot_home *home);

// The worker takes no more tasks; another one may.  False: `if_idle` was said,
// and there is a task to take.
COT_MUST_CHECK bool cot_worker_leave_pool(cot_worker *worker, bool if_idle);

// Called by the worker, without its GIL: waits until it has no guests.
void cot_worker_seal(cot_worker *worker);

#endif
