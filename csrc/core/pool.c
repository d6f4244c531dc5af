#include "core/pool.h"

#include "port/memory.h"

#include <stdio.h>
#include <string.h>

struct cot_pool {
    atomic_size_t refs;
    cot_home *home;          // shared: one reference
    cot_pool_config config;  // context and name owned
    uint32_t max_workers;

    cot_lock lock;    // guards all below
    cot_task *first;  // owned: one reference each, linked by task->next
    cot_task *last;
    size_t pending;
    cot_worker *workers;  // borrowed: each owns itself
    uint32_t count;       // of workers, those still starting included
    uint32_t free;        // of workers that are not busy
    uint32_t started;     // ever: the next one's number
    bool is_closed;
    bool is_broken;
    char *reason;  // owned: why it is, unless memory was short
    cot_waitlist idle;
    cot_waitlist joiners;
};

cot_pool *
cot_pool_create(cot_home *home, uint32_t max_workers,
                const cot_pool_config *config)
{
    cot_pool *pool = cot_alloc_zeroed(sizeof(*pool));
    size_t name_size = strlen(config->name) + 1;
    char *name = cot_alloc(name_size);
    if (pool == NULL || name == NULL) {
        cot_free(pool);
        cot_free(name);
        return NULL;
    }
    memcpy(name, config->name, name_size);
    atomic_init(&pool->refs, 1);
    pool->home = home;
    cot_home_ref(home);
    pool->max_workers = max_workers;
    pool->config = *config;
    pool->config.name = name;
    return pool;
}

void
cot_pool_ref(cot_pool *pool)
{
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

static cot_task *
take_line_locked(cot_pool *pool)
{
    cot_task *line = pool->first;
    pool->first = pool->last = NULL;
    pool->pending = 0;
    return line;
}

// The next task of a line that nobody else sees any more.
static cot_task *
shift(cot_task **line)
{
    cot_task *task = *line;
    if (task != NULL) {
        *line = task->next;
        task->next = NULL;
    }
    return task;
}

static void
unref_line(cot_task **line)
{
    cot_task *task;
    while ((task = shift(line)) != NULL) {
        cot_task_unref(task);
    }
}

void
cot_pool_unref(cot_pool *pool)
{
    if (pool == NULL
        || atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel)
               != 1) {
        return;
    }
    // Workers hold references, so none is left, and with none in it a pool
    // has no line: it starts a worker for the first task, or refuses it.
    if (pool->config.destroy != NULL) {
        pool->config.destroy(pool->config.context);
    }
    cot_free((char *)pool->config.name);
    cot_free(pool->reason);
    cot_home_unref(pool->home);
    cot_free(pool);
}

void *
cot_pool_context(const cot_pool *pool)
{
    return pool->config.context;
}

cot_outbox *
cot_pool_outbox(const cot_pool *pool)
{
    return cot_home_outbox(pool->home);
}

const char *
cot_pool_name(const cot_pool *pool)
{
    return pool->config.name;
}

uint32_t
cot_pool_workers(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    uint32_t count = pool->count;
    cot_lock_release(&pool->lock);
    return count;
}

size_t
cot_pool_pending(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    size_t pending = pool->pending;
    cot_lock_release(&pool->lock);
    return pending;
}

// ---- workers -------------------------------------------------------------

static void
add_worker_locked(cot_pool *pool, cot_worker *worker)
{
    worker->number = pool->started++;
    worker->next = pool->workers;
    if (worker->next != NULL) {
        worker->next->prev = worker;
    }
    pool->workers = worker;
    pool->count++;
    pool->free++;
}

static void
remove_worker_locked(cot_pool *pool, cot_worker *worker)
{
    *(worker->prev ? &worker->prev->next : &pool->workers) = worker->next;
    if (worker->next != NULL) {
        worker->next->prev = worker->prev;
    }
    pool->count--;
    pool->free -= !worker->is_busy;
    if (pool->count == 0) {
        cot_waitlist_wake_all(&pool->joiners);
    }
}

static void
end_worker(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    remove_worker_locked(pool, worker);
    cot_lock_release(&pool->lock);
    cot_home_remove_worker(pool->home, &worker->link);
    cot_pool_unref(pool);
    cot_free(worker);
}

static void
run_worker(void *arg)
{
    cot_worker *worker = arg;
    worker->pool->config.body(worker);
    end_worker(worker);
}

// The worker is in the pool's list already.
static cot_status
start_worker(cot_pool *pool, cot_worker *worker)
{
    char name[64];
    snprintf(name, sizeof(name), "%s_%u", pool->config.name, worker->number);
    cot_pool_ref(pool);
    cot_home_add_worker(pool->home, &worker->link);
    cot_status status = cot_thread_start(run_worker, worker,
                                         pool->config.stack_size, name);
    if (status != COT_OK) {
        end_worker(worker);
    }
    return status;
}

// ---- tasks ---------------------------------------------------------------

static void
append_locked(cot_pool *pool, cot_task *task)
{
    cot_task_ref(task);
    task->next = NULL;
    *(pool->last ? &pool->last->next : &pool->first) = task;
    pool->last = task;
    pool->pending++;
}

static void
lose(cot_task *task, const char *reason)
{
    if (cot_task_begin(task)) {
        size_t len = strlen(reason);
        cot_payload *text = cot_payload_create(len, COT_NATIVE);
        if (text != NULL) {
            memcpy(text->bytes, reason, len);
        }
        cot_task_finish(task, COT_OUTCOME_LOST, text);
    }
}

// No worker could start.  Without any, nobody will serve the line: whoever
// counted on that worker is lost.  True if `own` was in line, and is the
// caller's again.
static bool
give_up_line(cot_pool *pool, cot_task *own)
{
    cot_lock_acquire(&pool->lock);
    cot_task *task, *line = pool->count == 0 ? take_line_locked(pool) : NULL;
    cot_lock_release(&pool->lock);
    bool has_own = false;
    while ((task = shift(&line)) != NULL) {
        if (task == own) {
            has_own = true;
        }
        else {
            lose(task, "no worker could start");
        }
        cot_task_unref(task);
    }
    return has_own;
}

cot_status
cot_pool_submit(cot_pool *pool, cot_task *task)
{
    cot_lock_acquire(&pool->lock);
    if (pool->is_closed) {
        cot_lock_release(&pool->lock);
        return COT_SHUT_DOWN;
    }
    append_locked(pool, task);
    cot_worker *worker = NULL;
    bool wants_worker = pool->pending > pool->free
                        && pool->count < pool->max_workers;
    if (wants_worker && (worker = cot_alloc_zeroed(sizeof(*worker))) != NULL) {
        worker->pool = pool;
        add_worker_locked(pool, worker);
    }
    // The last to lie down: its caches are the warmest.
    cot_parker *idle = cot_waitlist_pop_last(&pool->idle);
    cot_lock_release(&pool->lock);

    if (idle != NULL) {
        cot_unpark(idle);
    }
    cot_status status = COT_OK;
    if (wants_worker) {
        status = worker ? start_worker(pool, worker) : COT_NO_MEMORY;
    }
    // Fewer workers than wanted is no error, as long as there is one.
    return status == COT_OK || !give_up_line(pool, task) ? COT_OK : status;
}

static void
set_busy_locked(cot_worker *worker, bool is_busy)
{
    if (worker->is_busy != is_busy) {
        worker->is_busy = is_busy;
        worker->pool->free += is_busy ? -1U : 1U;
    }
}

// The first task that nobody cancelled, RUNNING.  The others go to `dropped`:
// with the last reference to a task may go that to its function.
static cot_status
take_locked(cot_pool *pool, cot_worker *worker, cot_task **task,
            cot_task **dropped)
{
    while ((*task = pool->first) != NULL) {
        pool->first = (*task)->next;
        if (pool->first == NULL) {
            pool->last = NULL;
        }
        pool->pending--;
        if (cot_task_begin(*task)) {
            (*task)->next = NULL;
            set_busy_locked(worker, true);
            atomic_store_explicit(&worker->task, *task, memory_order_release);
            return COT_OK;
        }
        (*task)->next = *dropped;
        *dropped = *task;
    }
    return pool->is_closed ? COT_SHUT_DOWN : COT_AGAIN;
}

cot_status
cot_pool_take(cot_pool *pool, cot_worker *worker, int64_t deadline_ns,
              cot_task **task)
{
    cot_status status, waited = COT_OK;
    cot_task *dropped = NULL;
    cot_lock_acquire(&pool->lock);
    set_busy_locked(worker, false);
    while ((status = take_locked(pool, worker, task, &dropped)) == COT_AGAIN
           && waited == COT_OK) {
        if (dropped != NULL) {
            cot_lock_release(&pool->lock);
            unref_line(&dropped);
            cot_lock_acquire(&pool->lock);
        }
        else if (deadline_ns == COT_NOW) {
            waited = COT_TIMED_OUT;
        }
        else {
            waited = cot_wait_locked(&pool->idle, &pool->lock, &worker->parker,
                                     deadline_ns);
        }
    }
    cot_lock_release(&pool->lock);
    unref_line(&dropped);
    return status == COT_AGAIN ? waited : status;
}

// ---- the end -------------------------------------------------------------

static cot_task *
close_locked(cot_pool *pool, bool takes_line)
{
    pool->is_closed = true;
    cot_waitlist_wake_all(&pool->idle);
    return takes_line ? take_line_locked(pool) : NULL;
}

void
cot_pool_close(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    close_locked(pool, false);
    cot_lock_release(&pool->lock);
}

bool
cot_pool_is_closed(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    bool is_closed = pool->is_closed;
    cot_lock_release(&pool->lock);
    return is_closed;
}

void
cot_pool_cancel_pending(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    cot_task *task, *line = close_locked(pool, true);
    cot_lock_release(&pool->lock);
    while ((task = shift(&line)) != NULL) {
        if (cot_task_cancel(task) && cot_task_is_watched(task)) {
            cot_outbox_post(task->outbox, task);
        }
        cot_task_unref(task);
    }
}

void
cot_pool_break(cot_pool *pool, const char *reason)
{
    size_t size = strlen(reason) + 1;
    char *copy = cot_alloc(size);
    if (copy != NULL) {
        memcpy(copy, reason, size);
    }
    cot_lock_acquire(&pool->lock);
    if (!pool->is_broken) {
        pool->is_broken = true;
        pool->reason = copy;
        copy = NULL;
    }
    cot_task *task, *line = close_locked(pool, true);
    cot_lock_release(&pool->lock);
    cot_free(copy);
    while ((task = shift(&line)) != NULL) {
        lose(task, reason);
        cot_task_unref(task);
    }
}

bool
cot_pool_why_broken(cot_pool *pool, char *reason, size_t size)
{
    cot_lock_acquire(&pool->lock);
    bool is_broken = pool->is_broken;
    if (is_broken) {
        snprintf(reason, size, "%s",
                 pool->reason ? pool->reason : "out of memory");
    }
    cot_lock_release(&pool->lock);
    return is_broken;
}

cot_status
cot_pool_join(cot_pool *pool, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&pool->lock);
    while (pool->count > 0 && status == COT_OK) {
        status = cot_wait_locked(&pool->joiners, &pool->lock, parker,
                                 deadline_ns);
    }
    if (pool->count == 0) {
        status = COT_OK;
    }
    cot_lock_release(&pool->lock);
    return status;
}

void
cot_pool_each_busy(cot_pool *pool, void (*visit)(cot_worker *, void *),
                   void *arg)
{
    cot_lock_acquire(&pool->lock);
    for (cot_worker *worker = pool->workers; worker != NULL;
         worker = worker->next) {
        if (worker->is_busy && !worker->is_sealed) {
            visit(worker, arg);
        }
    }
    cot_lock_release(&pool->lock);
}

void
cot_worker_enter_locked(cot_worker *worker)
{
    worker->guests++;
}

void
cot_worker_leave(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    worker->guests--;
    cot_waitlist_wake_all(&worker->sealers);
    cot_lock_release(&pool->lock);
}

void
cot_worker_end_task(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    atomic_store_explicit(&worker->task, NULL, memory_order_release);
    set_busy_locked(worker, false);
    cot_lock_release(&pool->lock);
}

void
cot_worker_seal(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_parker parker = {0};  // its own is the one that guests interrupt
    cot_lock_acquire(&pool->lock);
    worker->is_sealed = true;
    while (worker->guests > 0) {
        cot_status status = cot_wait_locked(&worker->sealers, &pool->lock,
                                            &parker, COT_NEVER);
        (void)status;  // guests never stay for long: no deadline, no signal
    }
    cot_lock_release(&pool->lock);
}
