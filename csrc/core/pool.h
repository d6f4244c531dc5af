// Workers that take tasks from one line.
//
//   STARTING ---> IDLE <---> BUSY        per worker, on its own thread
//                   \         |
//                    `-----> SEALED ---> gone
//
// A pool starts workers lazily, when more tasks wait than workers are free (one
// that is still starting counts as free).  A worker's thread runs the body that
// the layer above gave: it makes its interpreter, takes tasks until there are
// no more, and ends its interpreter.  The pool lives until its last holder lets
// go: who submits, and each worker.
//
// Other threads may visit a busy worker (to interrupt it): a worker with guests
// waits in cot_worker_seal before it ends its interpreter.

#ifndef COT_CORE_POOL_H
#define COT_CORE_POOL_H

#include "core/home.h"
#include "core/task.h"
#include "port/thread.h"

typedef struct cot_pool cot_pool;

typedef struct cot_worker {
    cot_pool *pool;            // shared: the worker's own reference
    struct cot_worker *next;   // in the pool's list, under the pool's lock
    struct cot_worker *prev;   // likewise
    cot_worker_link link;      // in the home's list, under the home's lock
    _Atomic(cot_task *) task;  // borrowed: what it runs now, or NULL
    cot_parker parker;         // of all waits of its thread
    cot_waitlist sealers;      // the worker itself, until its guests left
    uint32_t guests;           // under the pool's lock
    bool is_busy;              // likewise
    bool is_sealed;            // likewise: takes no more guests
    uint32_t number;           // 0, 1, ... within the pool; constant
    void *host;                // owned by the body: its interpreter
} cot_worker;

// What the layer above brings along.
typedef struct {
    // Runs on each worker's thread; calls cot_worker_seal before it gives up
    // what guests use.
    void (*body)(cot_worker *worker);
    void (*destroy)(
        void *context);  // frees context, with the pool; any thread
    void *context;       // owned by the pool
    size_t stack_size;
    const char *name;  // of the threads; copied
} cot_pool_config;

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

// Puts a task in line; adds a reference to it.  COT_SHUT_DOWN: closed or
// broken.  COT_NO_THREAD, COT_NO_MEMORY: there is no worker and none can start.
COT_MUST_CHECK cot_status cot_pool_submit(cot_pool *pool, cot_task *task);

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

// Waits until no worker is left.
COT_MUST_CHECK cot_status cot_pool_join(cot_pool *pool, cot_parker *parker,
                                        int64_t deadline_ns);

// Calls visit(worker, arg) for each busy worker that is not sealed, with
// the pool's lock held: no waiting, no call into Python.
void cot_pool_each_busy(cot_pool *pool, void (*visit)(cot_worker *, void *),
                        void *arg);

// A visit: inside cot_pool_each_busy the worker may be entered; it stays until
// its guests left.
void cot_worker_enter_locked(cot_worker *worker);
void cot_worker_leave(cot_worker *worker);

// The worker's task is over: it takes no more guests for it, and counts as free
// already before the asker goes on, who may submit again at once.
void cot_worker_end_task(cot_worker *worker);

// Called by the worker, without its GIL: waits until it has no guests.
void cot_worker_seal(cot_worker *worker);

#endif
