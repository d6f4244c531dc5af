#include "core/interpreter.h"

#include "core/runtime.h"
#include "port/memory.h"

#include <stdbool.h>

// Beside the state in its word: somebody waits for the end of a run.
#define AWAITED 4u
#define STATE_BITS 3u

struct cot_seat {
    cot_seat *next;                  // in its interpreter's list
    cot_seat *next_of_thread;        // in its thread's list
    const cot_thread_seats *thread;  // compared, never followed
    atomic_uint holders;             // the interpreter's list and the thread's
    atomic_bool is_left;             // its thread has ended
    atomic_bool is_void;             // its interpreter has let it go
    void *host;                      // the layer above's; until void
};

struct cot_thread_seats {
    cot_seat *first;
    bool is_first_thread;
};

static void destroy(cot_object *object, cot_object **dead);

const cot_class cot_interpreter_class = {"Interpreter", destroy};

// ---- seats ---------------------------------------------------------------

static void
drop_seat(cot_seat *seat)
{
    if (atomic_fetch_sub_explicit(&seat->holders, 1, memory_order_acq_rel)
        == 1) {
        cot_free(seat);
    }
}

// At the end of a thread.
static void
leave_seats(void *arg)
{
    cot_thread_seats *own = arg;
    while (own->first != NULL) {
        cot_seat *seat = own->first;
        own->first = seat->next_of_thread;
        atomic_store_explicit(&seat->is_left, true, memory_order_release);
        drop_seat(seat);
    }
    cot_free(own);
}

static cot_thread_seats *
own_seats(void)
{
    cot_local *local = cot_runtime_seats(leave_seats);
    if (local == NULL) {
        return NULL;
    }
    cot_thread_seats *own = cot_local_get(local);
    if (own == NULL) {
        own = cot_alloc_zeroed(sizeof(*own));
        if (own == NULL) {
            return NULL;
        }
        own->is_first_thread = cot_thread_is_first();
        if (cot_local_set(local, own) != COT_OK) {
            cot_free(own);
            return NULL;
        }
    }
    return own;
}

// Those of interpreters that are gone.
static void
sweep(cot_thread_seats *own)
{
    cot_seat **at = &own->first;
    while (*at != NULL) {
        cot_seat *seat = *at;
        if (atomic_load_explicit(&seat->is_void, memory_order_acquire)) {
            *at = seat->next_of_thread;
            drop_seat(seat);
        }
        else {
            at = &seat->next_of_thread;
        }
    }
}

bool
cot_interpreter_on_first_thread(void)
{
    const cot_thread_seats *own = own_seats();
    return own ? own->is_first_thread : cot_thread_is_first();
}

static bool
has_left(const cot_seat *seat)
{
    return atomic_load_explicit(&seat->is_left, memory_order_acquire);
}

void *
cot_interpreter_seat(cot_interpreter *interpreter)
{
    const cot_thread_seats *own = own_seats();
    for (cot_seat *seat = interpreter->seats; seat; seat = seat->next) {
        // Memory of a thread that has ended may be this thread's now.
        if (seat->thread == own && !has_left(seat)) {
            return seat->host;
        }
    }
    return NULL;
}

cot_status
cot_interpreter_sit(cot_interpreter *interpreter, void *host)
{
    cot_thread_seats *own = own_seats();
    cot_seat *seat = own ? cot_alloc_zeroed(sizeof(*seat)) : NULL;
    if (seat == NULL) {
        return COT_NO_MEMORY;
    }
    sweep(own);
    atomic_init(&seat->holders, 2);
    seat->thread = own;
    seat->host = host;
    seat->next = interpreter->seats;
    interpreter->seats = seat;
    seat->next_of_thread = own->first;
    own->first = seat;
    return COT_OK;
}

static void *
unlink_seat(cot_seat **at)
{
    cot_seat *seat = *at;
    void *host = seat->host;
    *at = seat->next;
    atomic_store_explicit(&seat->is_void, true, memory_order_release);
    drop_seat(seat);
    return host;
}

void *
cot_interpreter_take_seat(cot_interpreter *interpreter, bool any)
{
    const cot_thread_seats *own = own_seats();
    for (cot_seat **at = &interpreter->seats; *at; at = &(*at)->next) {
        bool is_own = (*at)->thread == own && !has_left(*at);
        if (!is_own && (any || has_left(*at))) {
            return unlink_seat(at);
        }
    }
    return NULL;
}

void
cot_interpreter_stand_up(cot_interpreter *interpreter)
{
    const cot_thread_seats *own = own_seats();
    for (cot_seat **at = &interpreter->seats; *at; at = &(*at)->next) {
        if ((*at)->thread == own && !has_left(*at)) {
            (void)unlink_seat(at);
            return;
        }
    }
}

// ---- the list of all -----------------------------------------------------

static void
enlist(cot_interpreter *interpreter, cot_interpreters *all)
{
    cot_lock_acquire(&all->lock);
    interpreter->prev = all->last;
    if (all->last != NULL) {
        all->last->next = interpreter;
    }
    else {
        all->first = interpreter;
    }
    all->last = interpreter;
    cot_lock_release(&all->lock);
}

static void
delist(cot_interpreter *interpreter, cot_interpreters *all)
{
    cot_lock_acquire(&all->lock);
    if (interpreter->prev != NULL) {
        interpreter->prev->next = interpreter->next;
    }
    else {
        all->first = interpreter->next;
    }
    if (interpreter->next != NULL) {
        interpreter->next->prev = interpreter->prev;
    }
    else {
        all->last = interpreter->prev;
    }
    cot_lock_release(&all->lock);
}

cot_interpreter *
cot_interpreter_find(int64_t id)
{
    cot_interpreters *all = cot_runtime_interpreter_list();
    cot_interpreter *found = NULL;
    cot_lock_acquire(&all->lock);
    for (cot_interpreter *at = all->first; at && !found; at = at->next) {
        if (at->id == id
            && cot_interpreter_get_state(at) < COT_INTERPRETER_CLOSING
            && cot_object_try_ref(&at->object)) {
            found = at;
        }
    }
    cot_lock_release(&all->lock);
    return found;
}

size_t
cot_interpreter_list(cot_interpreter **list, size_t len)
{
    cot_interpreters *all = cot_runtime_interpreter_list();
    size_t count = 0;
    cot_lock_acquire(&all->lock);
    for (cot_interpreter *at = all->first; at; at = at->next) {
        if (count >= len) {
            count++;
        }
        else if (cot_object_try_ref(&at->object)) {
            list[count++] = at;
        }
    }
    cot_lock_release(&all->lock);
    return count;
}

// ---- life ----------------------------------------------------------------

cot_interpreter *
cot_interpreter_create(int64_t id, int64_t number, void *host,
                       cot_interpreter_orphan orphan)
{
    cot_interpreter *interpreter = cot_alloc_zeroed(sizeof(*interpreter));
    if (interpreter != NULL) {
        cot_object_init(&interpreter->object, &cot_interpreter_class);
        interpreter->id = id;
        interpreter->number = number;
        interpreter->host = host;
        interpreter->orphan = orphan;
        enlist(interpreter, cot_runtime_interpreter_list());
    }
    return interpreter;
}

void
cot_interpreter_unref(cot_interpreter *interpreter)
{
    cot_object_unref(interpreter ? &interpreter->object : NULL);
}

bool
cot_interpreter_is_last(const cot_interpreter *interpreter)
{
    return atomic_load(&interpreter->object.refs) == 1;
}

static void
destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_interpreter *interpreter = (cot_interpreter *)object;
    if (cot_interpreter_get_state(interpreter) == COT_INTERPRETER_CLOSED) {
        cot_free(interpreter);
        return;
    }
    // Nobody has it, so nobody runs in it.  It lives on until it is ended; from
    // now on it cannot be found.
    atomic_store(&interpreter->state, COT_INTERPRETER_CLOSING);
    atomic_store(&interpreter->object.refs, 1);
    interpreter->orphan(interpreter);
}

// ---- runs ----------------------------------------------------------------

cot_interpreter_state
cot_interpreter_get_state(const cot_interpreter *interpreter)
{
    return atomic_load_explicit(&interpreter->state, memory_order_acquire)
           & STATE_BITS;
}

cot_status
cot_interpreter_begin(cot_interpreter *interpreter)
{
    unsigned idle = COT_INTERPRETER_IDLE;
    if (!atomic_compare_exchange_strong_explicit(
            &interpreter->state, &idle, COT_INTERPRETER_RUNNING,
            memory_order_acquire, memory_order_acquire)) {
        return (idle & STATE_BITS) == COT_INTERPRETER_RUNNING ? COT_AGAIN
                                                              : COT_SHUT_DOWN;
    }
    atomic_store_explicit(&interpreter->runner, cot_thread_self(),
                          memory_order_relaxed);
    return COT_OK;
}

bool
cot_interpreter_is_mine(const cot_interpreter *interpreter)
{
    // The caller's own ident: only the caller writes that, or over it.
    return atomic_load_explicit(&interpreter->runner, memory_order_relaxed)
           == cot_thread_self();
}

void
cot_interpreter_open_visits(cot_interpreter *interpreter)
{
    atomic_store_explicit(&interpreter->run, ++interpreter->last_run,
                          memory_order_release);
}

void
cot_interpreter_end_visits(cot_interpreter *interpreter)
{
    atomic_store_explicit(&interpreter->run, 0, memory_order_release);
}

static void
move_on(cot_interpreter *interpreter, cot_interpreter_state state)
{
    unsigned old = atomic_exchange_explicit(&interpreter->state, state,
                                            memory_order_acq_rel);
    if (old & AWAITED) {
        cot_lock_acquire(&interpreter->lock);
        cot_waitlist_wake_all(&interpreter->waiters);
        cot_lock_release(&interpreter->lock);
    }
}

void
cot_interpreter_end(cot_interpreter *interpreter)
{
    atomic_store_explicit(&interpreter->runner, 0, memory_order_relaxed);
    move_on(interpreter, COT_INTERPRETER_IDLE);
}

// With the lock held.  COT_OK: claimed.  COT_AGAIN: wait, whoever has the claim
// will wake.
static cot_status
try_close(cot_interpreter *interpreter)
{
    unsigned state = atomic_load(&interpreter->state);
    for (;;) {
        unsigned next = state | AWAITED;
        if ((state & STATE_BITS) == COT_INTERPRETER_CLOSED) {
            return COT_SHUT_DOWN;
        }
        if ((state & STATE_BITS) == COT_INTERPRETER_IDLE) {
            next = COT_INTERPRETER_CLOSING;
        }
        if (atomic_compare_exchange_weak(&interpreter->state, &state, next)) {
            return next == COT_INTERPRETER_CLOSING ? COT_OK : COT_AGAIN;
        }
    }
}

cot_status
cot_interpreter_begin_close(cot_interpreter *interpreter, cot_parker *parker,
                            int64_t deadline_ns)
{
    cot_status status;
    cot_lock_acquire(&interpreter->lock);
    while ((status = try_close(interpreter)) == COT_AGAIN) {
        status = cot_wait_locked(&interpreter->waiters, &interpreter->lock,
                                 parker, deadline_ns);
        if (status != COT_OK) {
            break;
        }
    }
    cot_lock_release(&interpreter->lock);
    return status;
}

void
cot_interpreter_see_off(cot_interpreter *interpreter)
{
    cot_parker parker = {0};
    cot_lock_acquire(&interpreter->lock);
    while (interpreter->visitors > 0) {
        // They are short; a signal is looked at later.
        cot_status status = cot_wait_locked(
            &interpreter->waiters, &interpreter->lock, &parker, COT_NEVER);
        (void)status;
    }
    cot_lock_release(&interpreter->lock);
}

// With the lock held: whoever moves the state on will wake.
static bool
announce_wait(cot_interpreter *interpreter)
{
    unsigned state = atomic_load(&interpreter->state);
    while ((state & STATE_BITS) == COT_INTERPRETER_CLOSING) {
        if (atomic_compare_exchange_weak(&interpreter->state, &state,
                                         state | AWAITED)) {
            return true;
        }
    }
    return false;
}

cot_status
cot_interpreter_wait_closed(cot_interpreter *interpreter, cot_parker *parker,
                            int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&interpreter->lock);
    while (status == COT_OK && announce_wait(interpreter)) {
        status = cot_wait_locked(&interpreter->waiters, &interpreter->lock,
                                 parker, deadline_ns);
    }
    cot_lock_release(&interpreter->lock);
    return status;
}

void
cot_interpreter_reopen(cot_interpreter *interpreter)
{
    move_on(interpreter, COT_INTERPRETER_IDLE);
}

void
cot_interpreter_closed(cot_interpreter *interpreter)
{
    delist(interpreter, cot_runtime_interpreter_list());
    move_on(interpreter, COT_INTERPRETER_CLOSED);
}

// ---- visits --------------------------------------------------------------

uint64_t
cot_interpreter_visit(cot_interpreter *interpreter)
{
    uint64_t run = 0;
    cot_lock_acquire(&interpreter->lock);
    // Who closes has the state moved first, and counts the visitors after.
    if (cot_interpreter_get_state(interpreter) == COT_INTERPRETER_RUNNING) {
        run = atomic_load_explicit(&interpreter->run, memory_order_acquire);
    }
    if (run != 0) {
        interpreter->visitors++;
    }
    cot_lock_release(&interpreter->lock);
    return run;
}

bool
cot_interpreter_is_at(const cot_interpreter *interpreter, uint64_t run)
{
    return atomic_load_explicit(&interpreter->run, memory_order_acquire)
           == run;
}

void
cot_interpreter_leave(cot_interpreter *interpreter)
{
    cot_lock_acquire(&interpreter->lock);
    if (--interpreter->visitors == 0) {
        cot_waitlist_wake_all(&interpreter->waiters);
    }
    cot_lock_release(&interpreter->lock);
}
