#include "core/pool.h"

#include "core/runtime.h"
#include "port/memory.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct cot_pool {
    atomic_size_t refs;
    cot_home *home;          // shared: one reference
    cot_pool_config config;  // context and name owned
    uint32_t max_workers;

    cot_lock lock;  // guards all below
    cot_line line;
    cot_worker *workers;  // borrowed: each owns itself
    cot_worker *strays;   // borrowed: those that are lost
    uint32_t count;       // of workers, those still starting included
    uint32_t free;        // of workers that are not busy
    uint32_t leaving;     // workers that are not counted any more
    uint32_t lost;        // likewise: of strays
    uint32_t started;     // ever: the next one's number
    uint64_t lost_ever;
    uint64_t tasks;  // that have run
    bool is_closed;
    bool is_hurried;  // what runs was interrupted
    bool is_broken;
    char *reason;  // owned: why it is, unless memory was short
    cot_waitlist idle;
    cot_waitlist submitters;
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

// All that wait, in order, linked by task->next.
static cot_task *
take_line_locked(cot_pool *pool)
{
    cot_task *first = NULL, **end = &first;
    while ((*end = cot_line_take(&pool->line)) != NULL) {
        end = &(*end)->next;
    }
    cot_waitlist_wake_all(&pool->submitters);
    return first;
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
    cot_line_fini(&pool->line);
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
    uint32_t count = pool->count + pool->leaving + pool->lost;
    cot_lock_release(&pool->lock);
    return count;
}

size_t
cot_pool_pending(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    size_t pending = pool->line.len;
    cot_lock_release(&pool->lock);
    return pending;
}

cot_pool_counts
cot_pool_count(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    cot_pool_counts counts = {
        .serving = pool->count,
        .lost = pool->lost,
        .started = pool->started,
        .lost_ever = pool->lost_ever,
        .tasks = pool->tasks,
        .pending = pool->line.len,
    };
    cot_lock_release(&pool->lock);
    return counts;
}

// ---- workers -------------------------------------------------------------

static void
link_worker(cot_worker **list, cot_worker *worker)
{
    worker->prev = NULL;
    worker->next = *list;
    if (worker->next != NULL) {
        worker->next->prev = worker;
    }
    *list = worker;
}

static void
unlink_worker(cot_worker **list, cot_worker *worker)
{
    *(worker->prev ? &worker->prev->next : list) = worker->next;
    if (worker->next != NULL) {
        worker->next->prev = worker->prev;
    }
    worker->next = worker->prev = NULL;
}

static void ring(cot_alarm *alarm);

static void
add_worker_locked(cot_pool *pool, cot_worker *worker)
{
    worker->pool = pool;
    worker->alarm.ring = ring;
    worker->interpreter_id = -1;
    worker->number = pool->started++;
    link_worker(&pool->workers, worker);
    pool->count++;
    pool->free++;
}

// It serves no more.
static void
remove_worker_locked(cot_pool *pool, cot_worker *worker)
{
    unlink_worker(&pool->workers, worker);
    pool->count--;
    pool->free -= !worker->is_busy;
}

static bool
has_workers_locked(const cot_pool *pool, bool with_lost)
{
    return pool->count + pool->leaving + (with_lost ? pool->lost : 0) > 0;
}

static void
forget_worker_locked(cot_pool *pool, cot_worker *worker)
{
    switch ((cot_worker_place)worker->place) {
        case COT_WORKER_SERVING:
            remove_worker_locked(pool, worker);
            break;
        case COT_WORKER_LEAVING:
            pool->leaving--;
            break;
        case COT_WORKER_LOST:
            unlink_worker(&pool->strays, worker);
            pool->lost--;
            break;
    }
    if (!has_workers_locked(pool, false)) {
        cot_waitlist_wake_all(&pool->joiners);
    }
}

static void
end_worker(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_timer_forget(cot_home_timer(pool->home), &worker->alarm);
    cot_lock_acquire(&pool->lock);
    forget_worker_locked(pool, worker);
    cot_lock_release(&pool->lock);
    cot_home_remove_worker(pool->home, &worker->link);
    cot_pool_unref(pool);
    cot_free(worker->last_error);
    cot_free(worker);
}

// For how long a thread without a worker keeps what it has.
#define KEEP_NS (30 * COT_SECOND)

static void
name_worker(const cot_worker *worker, char *name, size_t size)
{
    snprintf(name, size, "%s_%u", worker->pool->config.name, worker->number);
}

// Ends the worker.  Whom its thread serves next, or NULL.
static cot_worker *
take_next_worker(cot_worker *worker)
{
    cot_lot *lot = cot_runtime_lot();
    cot_spot spot = {.interpreter_id = worker->interpreter_id};
    void *kept = worker->kept;
    void (*drop)(void *) = worker->pool->config.drop;
    bool stays = kept != NULL && cot_lot_enter(lot, &spot);
    if (kept != NULL && !stays) {
        drop(kept);
    }
    end_worker(worker);
    if (!stays) {
        return NULL;
    }
    cot_thread_rename("coterie-kept");
    cot_worker *next = cot_lot_wait(lot, &spot, cot_clock_after(KEEP_NS));
    if (next == NULL) {
        drop(kept);
        cot_lot_left(lot);
        return NULL;
    }
    char name[64];
    name_worker(next, name, sizeof(name));
    cot_thread_rename(name);
    next->kept = kept;
    return next;
}

static void
run_workers(void *arg)
{
    cot_worker *worker = arg;
    while (worker != NULL) {
        worker->pool->config.body(worker);
        worker = take_next_worker(worker);
    }
}

// The worker is in the pool's list already.
static cot_status
start_worker(cot_pool *pool, cot_worker *worker)
{
    char name[64];
    cot_pool_ref(pool);
    cot_home_add_worker(pool->home, &worker->link);
    if (pool->config.drop != NULL && cot_lot_give(cot_runtime_lot(), worker)) {
        return COT_OK;
    }
    name_worker(worker, name, sizeof(name));
    cot_status status = cot_thread_start(run_workers, worker,
                                         pool->config.stack_size, name);
    if (status != COT_OK) {
        end_worker(worker);
    }
    return status;
}

// A worker more, if there is work for it, to be started once the lock is
// released; else NULL.  `status` says if memory was short.
static cot_worker *
plan_worker_locked(cot_pool *pool, cot_status *status)
{
    *status = COT_OK;
    if (pool->line.len <= pool->free || pool->count >= pool->max_workers) {
        return NULL;
    }
    cot_worker *worker = cot_alloc_zeroed(sizeof(*worker));
    if (worker == NULL) {
        *status = COT_NO_MEMORY;
        return NULL;
    }
    add_worker_locked(pool, worker);
    return worker;
}

// ---- tasks ---------------------------------------------------------------

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

// Starts what plan_worker_locked planned.  `own` may be NULL.
static cot_status
start_planned(cot_pool *pool, cot_worker *worker, cot_status status,
              cot_task *own)
{
    if (worker != NULL) {
        status = start_worker(pool, worker);
    }
    // Fewer workers than wanted is no error, as long as there is one.
    return status == COT_OK || !give_up_line(pool, own) ? COT_OK : status;
}

static bool
is_full_locked(const cot_pool *pool)
{
    size_t max = pool->config.max_pending;
    return max > 0 && pool->line.len >= max && !pool->is_closed;
}

bool
cot_pool_has_room(cot_pool *pool)
{
    cot_lock_acquire(&pool->lock);
    bool has_room = !is_full_locked(pool);
    cot_lock_release(&pool->lock);
    return has_room;
}

// Into the line, once there is room.
static cot_status
stand_in_line_locked(cot_pool *pool, cot_task *task, cot_parker *parker,
                     int64_t deadline_ns)
{
    cot_status status = COT_OK;
    while (is_full_locked(pool) && status == COT_OK) {
        status = cot_wait_locked(&pool->submitters, &pool->lock, parker,
                                 deadline_ns);
    }
    if (pool->is_closed) {
        return COT_SHUT_DOWN;
    }
    return is_full_locked(pool) ? status : cot_line_add(&pool->line, task);
}

cot_status
cot_pool_submit(cot_pool *pool, cot_task *task, cot_parker *parker,
                int64_t deadline_ns)
{
    cot_lock_acquire(&pool->lock);
    cot_status status = stand_in_line_locked(pool, task, parker, deadline_ns);
    if (status != COT_OK) {
        cot_lock_release(&pool->lock);
        return status;
    }
    cot_worker *worker = plan_worker_locked(pool, &status);
    // The last to lie down: its caches are the warmest.
    cot_parker *idle = cot_waitlist_pop_last(&pool->idle);
    cot_lock_release(&pool->lock);

    if (idle != NULL) {
        cot_unpark(idle);
    }
    return start_planned(pool, worker, status, task);
}

static void
set_busy_locked(cot_worker *worker, bool is_busy)
{
    if (worker->is_busy != is_busy) {
        worker->is_busy = is_busy;
        worker->pool->free += is_busy ? -1U : 1U;
    }
}

static void
set_alarm_locked(cot_worker *worker, int64_t due_ns)
{
    worker->overdue_ns = due_ns;
    cot_timer_set(cot_home_timer(worker->pool->home), &worker->alarm, due_ns);
}

static uint64_t
run_of(const cot_worker *worker)
{
    return atomic_load_explicit(&worker->run, memory_order_relaxed);
}

static void
begin_run_locked(cot_worker *worker, cot_task *task)
{
    worker->stage = COT_RUN_FREE;
    worker->is_late = false;
    atomic_store_explicit(&worker->task, task, memory_order_release);
    atomic_store_explicit(&worker->run, run_of(worker) + 1,
                          memory_order_release);
    if (task != NULL && task->terms != NULL && task->terms->timeout_ns > 0) {
        set_alarm_locked(worker, cot_clock_after(task->terms->timeout_ns));
    }
}

static void
end_run_locked(cot_worker *worker)
{
    atomic_store_explicit(&worker->task, NULL, memory_order_release);
    atomic_store_explicit(&worker->run, run_of(worker) + 1,
                          memory_order_release);
    if (worker->overdue_ns != 0) {
        worker->overdue_ns = 0;
        cot_timer_unset(cot_home_timer(worker->pool->home), &worker->alarm);
    }
}

// The first task that nobody cancelled, RUNNING.  The others go to `dropped`:
// with the last reference to a task may go that to its function.
static cot_status
take_locked(cot_pool *pool, cot_worker *worker, cot_task **task,
            cot_task **dropped)
{
    while ((*task = cot_line_take(&pool->line)) != NULL) {
        cot_parker *submitter = cot_waitlist_pop(&pool->submitters);
        if (submitter != NULL) {
            cot_unpark(submitter);
        }
        if (cot_task_begin(*task)) {
            set_busy_locked(worker, true);
            begin_run_locked(worker, *task);
            return COT_OK;
        }
        (*task)->next = *dropped;
        *dropped = *task;
    }
    return pool->is_closed ? COT_SHUT_DOWN : COT_AGAIN;
}

// The clock is not looked at with the lock held: who submits may want it.
static void
begin_idle(cot_worker *worker)
{
    atomic_store_explicit(&worker->idle_since_ns, cot_clock_ns(),
                          memory_order_relaxed);
}

static void
end_idle(cot_worker *worker)
{
    int64_t since_ns = atomic_load_explicit(&worker->idle_since_ns,
                                            memory_order_relaxed);
    int64_t idle_ns = atomic_load_explicit(&worker->idle_ns,
                                           memory_order_relaxed);
    atomic_store_explicit(&worker->idle_ns,
                          idle_ns + cot_clock_ns() - since_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->idle_since_ns, 0, memory_order_relaxed);
}

cot_status
cot_pool_take(cot_pool *pool, cot_worker *worker, int64_t deadline_ns,
              cot_task **task)
{
    cot_status status, waited = COT_OK;
    cot_task *dropped = NULL;
    if (deadline_ns != COT_NOW) {
        begin_idle(worker);
    }
    cot_lock_acquire(&pool->lock);
    set_busy_locked(worker, false);
    while ((status = take_locked(pool, worker, task, &dropped)) == COT_AGAIN
           && waited == COT_OK) {
        if (dropped != NULL) {
            cot_lock_release(&pool->lock);
            unref_line(&dropped);
            cot_lock_acquire(&pool->lock);
        }
        else if (deadline_ns == COT_NOW || worker->is_dismissed) {
            waited = COT_TIMED_OUT;
        }
        else {
            waited = cot_wait_locked(&pool->idle, &pool->lock, &worker->parker,
                                     deadline_ns);
        }
    }
    if (deadline_ns != COT_NOW) {
        worker->is_dismissed = false;
    }
    cot_lock_release(&pool->lock);
    if (deadline_ns != COT_NOW) {
        end_idle(worker);
    }
    unref_line(&dropped);
    return status == COT_AGAIN ? waited : status;
}

// ---- the end -------------------------------------------------------------

static cot_task *
close_locked(cot_pool *pool, bool takes_line)
{
    pool->is_closed = true;
    cot_waitlist_wake_all(&pool->idle);
    cot_waitlist_wake_all(&pool->submitters);
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

// With the pool's lock held, which it releases.
static void
break_locked(cot_pool *pool, const char *reason)
{
    if (!pool->is_broken) {
        size_t size = strlen(reason) + 1;
        pool->is_broken = true;
        pool->reason = cot_alloc(size);
        if (pool->reason != NULL) {
            memcpy(pool->reason, reason, size);
        }
    }
    cot_task *task, *line = close_locked(pool, true);
    cot_lock_release(&pool->lock);
    while ((task = shift(&line)) != NULL) {
        lose(task, reason);
        cot_task_unref(task);
    }
}

void
cot_pool_break(cot_pool *pool, const char *reason)
{
    cot_lock_acquire(&pool->lock);
    break_locked(pool, reason);
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
cot_pool_join(cot_pool *pool, cot_parker *parker, int64_t deadline_ns,
              bool with_lost)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&pool->lock);
    while (has_workers_locked(pool, with_lost) && status == COT_OK) {
        status = cot_wait_locked(&pool->joiners, &pool->lock, parker,
                                 deadline_ns);
    }
    if (!has_workers_locked(pool, with_lost)) {
        status = COT_OK;
    }
    cot_lock_release(&pool->lock);
    return status;
}

static void
each_locked(cot_worker *list, void (*visit)(cot_worker *, void *), void *arg)
{
    for (cot_worker *worker = list; worker != NULL; worker = worker->next) {
        visit(worker, arg);
    }
}

void
cot_pool_each_worker(cot_pool *pool, void (*visit)(cot_worker *, void *),
                     void *arg)
{
    cot_lock_acquire(&pool->lock);
    each_locked(pool->workers, visit, arg);
    each_locked(pool->strays, visit, arg);
    cot_lock_release(&pool->lock);
}

static bool
is_at_work_locked(const cot_worker *worker)
{
    return (run_of(worker) & 1) != 0 && !worker->is_sealed;
}

typedef struct {
    void (*visit)(cot_worker *worker, void *arg);
    void *arg;
} round_of_visits;

static void
visit_if_busy(cot_worker *worker, void *arg)
{
    const round_of_visits *own = arg;
    if (is_at_work_locked(worker)) {
        own->visit(worker, own->arg);
    }
}

void
cot_pool_hurry(cot_pool *pool, void (*visit)(cot_worker *, void *), void *arg)
{
    round_of_visits own = {visit, arg};
    cot_lock_acquire(&pool->lock);
    pool->is_hurried = true;
    cot_lock_release(&pool->lock);
    cot_pool_each_worker(pool, visit_if_busy, &own);
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
cot_worker_is_ready(cot_worker *worker, int64_t interpreter_id)
{
    cot_lock_acquire(&worker->pool->lock);
    worker->interpreter_id = interpreter_id;
    worker->ready_ns = cot_clock_ns();
    cot_lock_release(&worker->pool->lock);
}

void
cot_worker_note_error(cot_worker *worker, char *text)
{
    cot_lock_acquire(&worker->pool->lock);
    char *last = worker->last_error;
    worker->last_error = text;
    cot_lock_release(&worker->pool->lock);
    cot_free(last);
}

bool
cot_worker_begin(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    bool is_wanted = !pool->is_hurried || !pool->is_closed
                     || pool->line.len > 0;
    if (is_wanted) {
        begin_run_locked(worker, NULL);
    }
    cot_lock_release(&pool->lock);
    return is_wanted;
}

bool
cot_worker_end(cot_worker *worker)
{
    cot_lock_acquire(&worker->pool->lock);
    bool is_ours = worker->place != COT_WORKER_LOST;
    end_run_locked(worker);
    cot_lock_release(&worker->pool->lock);
    return is_ours;
}

bool
cot_worker_end_task(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    bool is_ours = worker->place != COT_WORKER_LOST;
    end_run_locked(worker);
    if (is_ours) {
        set_busy_locked(worker, false);
        worker->tasks++;
        pool->tasks++;
    }
    cot_lock_release(&pool->lock);
    return is_ours;
}

static cot_worker *
worker_of(cot_worker_link *link)
{
    return (cot_worker *)((char *)link - offsetof(cot_worker, link));
}

static void
count_if_needed(cot_worker_link *link, void *arg)
{
    const cot_worker *worker = worker_of(link);
    size_t *needed = arg;
    cot_lock_acquire(&worker->pool->lock);
    bool is_free = worker->place != COT_WORKER_LOST && !worker->is_busy
                   && (run_of(worker) & 1) == 0 && worker->pool->line.len == 0;
    cot_lock_release(&worker->pool->lock);
    *needed += !is_free;
}

static void
dismiss(cot_worker_link *link, void *arg)
{
    (void)arg;
    cot_worker *worker = worker_of(link);
    cot_lock_acquire(&worker->pool->lock);
    worker->is_dismissed = true;
    cot_waitlist_wake_all(&worker->pool->idle);
    cot_lock_release(&worker->pool->lock);
}

bool
cot_home_dismiss_workers(cot_home *home)
{
    size_t needed = 0;
    cot_home_each_worker(home, count_if_needed, &needed);
    if (needed == 0) {
        cot_home_each_worker(home, dismiss, NULL);
    }
    return needed == 0;
}

static void
leave_locked(cot_pool *pool, cot_worker *worker)
{
    remove_worker_locked(pool, worker);
    worker->place = COT_WORKER_LEAVING;
    pool->leaving++;
}

void
cot_worker_cannot_start(cot_worker *worker, const char *reason)
{
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    leave_locked(pool, worker);
    if (pool->count == 0) {
        break_locked(pool, reason);
        return;
    }
    cot_lock_release(&pool->lock);
}

bool
cot_worker_leave_pool(cot_worker *worker, bool if_idle)
{
    cot_pool *pool = worker->pool;
    cot_worker *next = NULL;
    cot_status status = COT_OK;
    cot_lock_acquire(&pool->lock);
    bool leaves = worker->place == COT_WORKER_SERVING
                  && !(if_idle && pool->line.len > 0);
    if (leaves) {
        leave_locked(pool, worker);
        next = plan_worker_locked(pool, &status);
    }
    cot_lock_release(&pool->lock);
    if (leaves) {
        status = start_planned(pool, next, status, NULL);
    }
    return leaves;
}

// ---- what does not end ---------------------------------------------------

void
cot_worker_stop_locked(cot_worker *worker)
{
    if (worker->stage == COT_RUN_FREE && worker->place == COT_WORKER_SERVING) {
        worker->stage = COT_RUN_TOLD;
        set_alarm_locked(worker,
                         cot_clock_after(worker->pool->config.stop_grace_ns));
    }
}

typedef struct {
    const cot_task *task;
    cot_worker *found;
    uint64_t run;
} search;

static void
look_at(cot_worker_link *link, void *arg)
{
    search *own = arg;
    cot_worker *worker = worker_of(link);
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    if (atomic_load_explicit(&worker->task, memory_order_relaxed) == own->task
        && is_at_work_locked(worker)) {
        cot_worker_enter_locked(worker);
        cot_worker_stop_locked(worker);
        own->found = worker;
        own->run = run_of(worker);
    }
    cot_lock_release(&pool->lock);
}

bool
cot_task_stop(cot_home *home, const cot_task *task, cot_worker **worker,
              uint64_t *run)
{
    search own = {.task = task};
    cot_home_each_worker(home, look_at, &own);
    *worker = own.found;
    *run = own.run;
    return own.found != NULL;
}

// The task's end is not the worker's to tell any more.
static cot_task *
take_task_locked(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    cot_task *task = atomic_load_explicit(&worker->task, memory_order_relaxed);
    if (task != NULL) {
        cot_task_ref(task);
        pool->tasks++;
    }
    atomic_store_explicit(&worker->task, NULL, memory_order_release);
    remove_worker_locked(pool, worker);
    worker->place = COT_WORKER_LOST;
    link_worker(&pool->strays, worker);
    pool->lost++;
    pool->lost_ever++;
    if (!has_workers_locked(pool, false)) {
        cot_waitlist_wake_all(&pool->joiners);
    }
    return task;
}

// With the pool's lock held, which it releases.
static void
replace_lost_locked(cot_worker *worker, cot_task *task)
{
    cot_pool *pool = worker->pool;
    cot_status status;
    bool is_late = worker->is_late;
    cot_worker *next = plan_worker_locked(pool, &status);
    cot_lock_release(&pool->lock);

    pool->config.report(worker);
    status = start_planned(pool, next, status, NULL);
    cot_task_finish(task, is_late ? COT_OUTCOME_LATE : COT_OUTCOME_STOPPED,
                    NULL);
    cot_task_unref(task);
}

// With the pool's lock held, which it releases.
static void
lose_worker_locked(cot_worker *worker)
{
    cot_task *task = take_task_locked(worker);
    cot_worker_enter_locked(worker);
    if (task != NULL) {
        replace_lost_locked(worker, task);
    }
    else {
        // Another one would run the same, and nobody would tell it to end.
        break_locked(worker->pool, "an initializer did not end");
        worker->pool->config.report(worker);
    }
    cot_worker_leave(worker);
}

// With the pool's lock held, which it releases.
static void
remind_locked(cot_worker *worker)
{
    cot_pool *pool = worker->pool;
    uint64_t run = run_of(worker);
    bool is_late = worker->is_late;
    worker->stage++;
    set_alarm_locked(worker, cot_clock_after(pool->config.stop_grace_ns));
    cot_worker_enter_locked(worker);
    cot_lock_release(&pool->lock);
    pool->config.remind(worker, run, is_late);
}

static void
ring(cot_alarm *alarm)
{
    cot_worker *worker = (cot_worker *)((char *)alarm
                                        - offsetof(cot_worker, alarm));
    cot_pool *pool = worker->pool;
    cot_lock_acquire(&pool->lock);
    // It may have been set for what has ended meanwhile, and for the next.
    if (worker->overdue_ns == 0 || cot_clock_ns() < worker->overdue_ns
        || !is_at_work_locked(worker)) {
        cot_lock_release(&pool->lock);
        return;
    }
    switch ((cot_run_stage)worker->stage) {
        case COT_RUN_FREE:
            worker->is_late = true;
            remind_locked(worker);
            break;
        case COT_RUN_TOLD:
            remind_locked(worker);
            break;
        case COT_RUN_AGAIN:
            worker->overdue_ns = 0;
            lose_worker_locked(worker);
            break;
    }
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
