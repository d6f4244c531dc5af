#include "core/mutex.h"

#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"

enum { WAITED = 1, BROKEN = 2, RESERVED = 4, OWNER_SHIFT = 3 };

#define PATIENCE COT_MS

// While WAITED or BROKEN is in the word, it changes under the lock only.
struct cot_mutex {
    cot_object object;
    _Atomic(uint64_t) word;
    bool is_recursive;        // constant
    _Atomic(uint64_t) actor;  // of a recursive lock's owner, or 0
    atomic_size_t depth;      // written by that actor only
    cot_lock lock;            // guards all below
    cot_waitlist waiters;
    bool is_starved;  // somebody has waited too long
};

static void
mutex_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_registry_remove(object);
    cot_free(cot_mutex_from_object(object));
}

static void mutex_interpreter_ended(cot_object *object, const cot_home *home);

const cot_class cot_mutex_class = {
    "Lock",
    mutex_destroy,
    mutex_interpreter_ended,
};

const cot_class cot_recursive_mutex_class = {
    "RLock",
    mutex_destroy,
    mutex_interpreter_ended,
};

cot_mutex *
cot_mutex_create(bool is_recursive)
{
    cot_mutex *mutex = cot_alloc_zeroed(sizeof(*mutex));
    if (mutex != NULL) {
        cot_object_init(&mutex->object, is_recursive
                                            ? &cot_recursive_mutex_class
                                            : &cot_mutex_class);
        mutex->is_recursive = is_recursive;
        cot_registry_add(&mutex->object);
    }
    return mutex;
}

cot_object *
cot_mutex_object(cot_mutex *mutex)
{
    return &mutex->object;
}

cot_mutex *
cot_mutex_from_object(cot_object *object)
{
    return (cot_mutex *)((char *)object - offsetof(cot_mutex, object));
}

static uint64_t
get_word(const cot_mutex *mutex)
{
    return atomic_load_explicit(&mutex->word, memory_order_relaxed);
}

static bool
change(cot_mutex *mutex, uint64_t *word, uint64_t next)
{
    return atomic_compare_exchange_strong_explicit(
        &mutex->word, word, next, memory_order_acq_rel, memory_order_relaxed);
}

static bool
is_held(uint64_t word)
{
    return word >> OWNER_SHIFT != 0;
}

static uint64_t
waited_bit(const cot_mutex *mutex)
{
    return cot_waitlist_is_empty(&mutex->waiters) ? 0 : WAITED;
}

// ---- acquire -------------------------------------------------------------

// COT_AGAIN: it is held, and its holder knows that somebody waits if `waits`.
static cot_status
take_locked(cot_mutex *mutex, cot_owner owner, bool was_woken, bool waits)
{
    uint64_t word = get_word(mutex);
    for (;;) {
        if (word & BROKEN) {
            return COT_OWNER_DIED;
        }
        if (is_held(word) || ((word & RESERVED) && !was_woken)) {
            if (!waits || change(mutex, &word, word | WAITED)) {
                return COT_AGAIN;
            }
        }
        else if (change(mutex, &word,
                        owner.home << OWNER_SHIFT | waited_bit(mutex))) {
            return COT_OK;
        }
    }
}

// Whom to unpark, or NULL.  The word is one that changes under the lock only.
static cot_parker *
free_locked(cot_mutex *mutex)
{
    cot_parker *next = cot_waitlist_pop(&mutex->waiters);
    uint64_t word = waited_bit(mutex);
    // A choice may take something else: nothing is reserved for it.
    if (next != NULL && next->stand == NULL && mutex->is_starved) {
        mutex->is_starved = false;
        word |= RESERVED;
    }
    atomic_store_explicit(&mutex->word, word, memory_order_release);
    return next;
}

static void
unlock_and_unpark(cot_mutex *mutex, cot_parker *next)
{
    cot_lock_release(&mutex->lock);
    if (next != NULL) {
        cot_unpark(next);
    }
}

static cot_status
acquire_slowly(cot_mutex *mutex, cot_owner owner, cot_parker *parker,
               int64_t deadline_ns)
{
    bool waits = deadline_ns != COT_NOW;
    int64_t since_ns = waits ? cot_clock_ns() : 0;
    cot_status waited = waits ? COT_OK : COT_TIMED_OUT;
    cot_lock_acquire(&mutex->lock);
    cot_status status = take_locked(mutex, owner, false, waits);
    while (status == COT_AGAIN && waited == COT_OK) {
        waited = cot_wait_locked(&mutex->waiters, &mutex->lock, parker,
                                 deadline_ns);
        status = take_locked(mutex, owner, waited == COT_OK, true);
        if (status == COT_AGAIN && cot_clock_ns() - since_ns > PATIENCE) {
            mutex->is_starved = true;
        }
    }
    unlock_and_unpark(mutex,
                      status == COT_OWNER_DIED ? free_locked(mutex) : NULL);
    return status == COT_AGAIN ? waited : status;
}

static size_t
get_depth(const cot_mutex *mutex)
{
    return atomic_load_explicit(&mutex->depth, memory_order_relaxed);
}

void
cot_mutex_set_depth(cot_mutex *mutex, size_t depth)
{
    atomic_store_explicit(&mutex->depth, depth, memory_order_relaxed);
}

static void
set_actor(cot_mutex *mutex, uint64_t actor)
{
    atomic_store_explicit(&mutex->actor, actor, memory_order_relaxed);
}

// Only its owner can find himself there, so what is read is what he wrote.
static bool
is_mine(const cot_mutex *mutex, cot_owner owner)
{
    return cot_mutex_actor(mutex) == owner.actor
           && get_word(mutex) >> OWNER_SHIFT == owner.home;
}

cot_status
cot_mutex_acquire(cot_mutex *mutex, cot_owner owner, cot_parker *parker,
                  int64_t deadline_ns)
{
    uint64_t word = 0;
    if (mutex->is_recursive && is_mine(mutex, owner)) {
        cot_mutex_set_depth(mutex, get_depth(mutex) + 1);
        return COT_OK;
    }
    cot_status status = COT_OK;
    if (!change(mutex, &word, owner.home << OWNER_SHIFT)) {
        status = acquire_slowly(mutex, owner, parker, deadline_ns);
    }
    if (status == COT_OK && mutex->is_recursive) {
        set_actor(mutex, owner.actor);
        cot_mutex_set_depth(mutex, 1);
    }
    return status;
}

// ---- release -------------------------------------------------------------

static cot_status
release(cot_mutex *mutex)
{
    uint64_t word = get_word(mutex);
    while (is_held(word) && !(word & WAITED)) {
        if (change(mutex, &word, 0)) {
            return COT_OK;
        }
    }
    cot_lock_acquire(&mutex->lock);
    word = get_word(mutex);
    while (is_held(word) && !(word & WAITED)
           && !change(mutex, &word, word | WAITED)) {
    }
    if (!is_held(word)) {
        cot_lock_release(&mutex->lock);
        return COT_NOT_OWNER;
    }
    unlock_and_unpark(mutex, free_locked(mutex));
    return COT_OK;
}

cot_status
cot_mutex_release_all(cot_mutex *mutex, cot_owner owner, size_t *depth)
{
    if (mutex->is_recursive) {
        if (!is_mine(mutex, owner)) {
            return COT_NOT_OWNER;
        }
        *depth = get_depth(mutex);
        cot_mutex_set_depth(mutex, 0);
        set_actor(mutex, 0);
    }
    return release(mutex);
}

cot_status
cot_mutex_release(cot_mutex *mutex, cot_owner owner)
{
    size_t depth;
    if (mutex->is_recursive && is_mine(mutex, owner) && get_depth(mutex) > 1) {
        cot_mutex_set_depth(mutex, get_depth(mutex) - 1);
        return COT_OK;
    }
    return cot_mutex_release_all(mutex, owner, &depth);
}

static void
mutex_interpreter_ended(cot_object *object, const cot_home *home)
{
    cot_mutex *mutex = cot_mutex_from_object(object);
    cot_parker *next = NULL;
    cot_lock_acquire(&mutex->lock);
    uint64_t word = get_word(mutex);
    while (word >> OWNER_SHIFT == cot_home_id(home)) {
        if (change(mutex, &word, BROKEN | (word & WAITED))) {
            cot_mutex_set_depth(mutex, 0);
            set_actor(mutex, 0);
            next = cot_waitlist_pop(&mutex->waiters);
            break;
        }
    }
    unlock_and_unpark(mutex, next);
}

// ---- looking -------------------------------------------------------------

bool
cot_mutex_is_owned(const cot_mutex *mutex, cot_owner owner)
{
    return mutex->is_recursive ? is_mine(mutex, owner)
                               : is_held(get_word(mutex));
}

bool
cot_mutex_is_locked(const cot_mutex *mutex)
{
    uint64_t word = get_word(mutex);
    return is_held(word) || (word & (BROKEN | RESERVED));
}

bool
cot_mutex_can_acquire(const cot_mutex *mutex)
{
    uint64_t word = get_word(mutex);
    return !is_held(word) && !(word & RESERVED);
}

uint64_t
cot_mutex_actor(const cot_mutex *mutex)
{
    return atomic_load_explicit(&mutex->actor, memory_order_relaxed);
}

size_t
cot_mutex_depth(const cot_mutex *mutex)
{
    return get_depth(mutex);
}

bool
cot_mutex_holder(const cot_mutex *mutex, cot_owner *owner)
{
    *owner = (cot_owner){get_word(mutex) >> OWNER_SHIFT,
                         cot_mutex_actor(mutex)};
    return owner->home != 0;
}
