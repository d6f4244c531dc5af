#include "core/rwlock.h"

#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"

#define PATIENCE COT_MS

// What an interpreter holds to read; it is kept until that one ends.
typedef struct hold {
    struct hold *next;  // owned
    uint64_t home;
    size_t count;
} hold;

struct cot_rwlock {
    cot_object object;
    cot_lock lock;             // guards all below
    hold *holds;               // owned
    atomic_size_t readers;     // all their counts
    _Atomic(uint64_t) writer;  // the home of the write hold, or 0
    _Atomic(uint64_t) actor;   // that wrote last
    atomic_bool is_broken;
    uint64_t phase;            // how many write holds have ended
    atomic_size_t waiting[2];  // counted waits, by side
    atomic_size_t privileged;  // readers among them, who go before writers
    const cot_rwlock_wait *next_writer;  // borrowed: one that has waited too
                                         // long, or NULL
    cot_waitlist lines[2];               // by side
};

static void
rwlock_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_rwlock *lock = cot_rwlock_from_object(object);
    cot_registry_remove(object);
    while (lock->holds != NULL) {
        hold *next = lock->holds->next;
        cot_free(lock->holds);
        lock->holds = next;
    }
    cot_free(lock);
}

static void rwlock_interpreter_ended(cot_object *object, const cot_home *home);

const cot_class cot_rwlock_class = {
    "RWLock",
    rwlock_destroy,
    rwlock_interpreter_ended,
};

cot_rwlock *
cot_rwlock_create(void)
{
    cot_rwlock *lock = cot_alloc_zeroed(sizeof(*lock));
    if (lock != NULL) {
        cot_object_init(&lock->object, &cot_rwlock_class);
        cot_registry_add(&lock->object);
    }
    return lock;
}

cot_object *
cot_rwlock_object(cot_rwlock *lock)
{
    return &lock->object;
}

cot_rwlock *
cot_rwlock_from_object(cot_object *object)
{
    return (cot_rwlock *)((char *)object - offsetof(cot_rwlock, object));
}

// ---- who is next ---------------------------------------------------------

static bool
can_read_locked(const cot_rwlock *lock, const cot_rwlock_wait *wait)
{
    return !cot_rwlock_is_written(lock)
           && (atomic_load(&lock->waiting[COT_WRITE]) == 0
               || (wait->is_counted && wait->phase != lock->phase));
}

static bool
can_write_locked(const cot_rwlock *lock, const cot_rwlock_wait *wait)
{
    return !cot_rwlock_is_written(lock) && cot_rwlock_readers(lock) == 0
           && atomic_load(&lock->privileged) == 0
           && (lock->next_writer == NULL || lock->next_writer == wait);
}

// After every change by which somebody may go on.
static void
wake_locked(cot_rwlock *lock)
{
    cot_parker *writer;
    bool writers_wait = atomic_load(&lock->waiting[COT_WRITE]) > 0;
    bool readers_first = atomic_load(&lock->privileged) > 0;
    if (cot_rwlock_is_written(lock)) {
        return;
    }
    if (readers_first || !writers_wait) {
        cot_waitlist_wake_all(&lock->lines[COT_READ]);
    }
    if (readers_first || cot_rwlock_readers(lock) > 0) {
        return;
    }
    if (lock->next_writer != NULL) {
        cot_waitlist_wake_all(&lock->lines[COT_WRITE]);
    }
    else if ((writer = cot_waitlist_pop(&lock->lines[COT_WRITE])) != NULL) {
        cot_unpark(writer);
    }
}

static void
count_locked(cot_rwlock *lock, cot_rwlock_wait *wait)
{
    if (!wait->is_counted) {
        wait->is_counted = true;
        wait->phase = lock->phase;
        wait->since_ns = cot_clock_ns();
        atomic_fetch_add(&lock->waiting[wait->side], 1);
    }
}

static void
uncount_locked(cot_rwlock *lock, cot_rwlock_wait *wait)
{
    if (!wait->is_counted) {
        return;
    }
    wait->is_counted = false;
    atomic_fetch_sub(&lock->waiting[wait->side], 1);
    if (wait->side == COT_READ && wait->phase != lock->phase) {
        atomic_fetch_sub(&lock->privileged, 1);
    }
    if (lock->next_writer == wait) {
        lock->next_writer = NULL;
    }
}

// A write hold has ended.  None was privileged, or it had not begun.
static void
end_phase_locked(cot_rwlock *lock)
{
    atomic_store(&lock->writer, 0);
    lock->phase++;
    atomic_store(&lock->privileged, atomic_load(&lock->waiting[COT_READ]));
}

// ---- acquire -------------------------------------------------------------

// The link that leads to the interpreter's hold; to NULL if it has none.
static hold **
find_hold_locked(cot_rwlock *lock, uint64_t home)
{
    hold **link = &lock->holds;
    while (*link != NULL && (*link)->home != home) {
        link = &(*link)->next;
    }
    return link;
}

static cot_status
read_locked(cot_rwlock *lock, uint64_t home)
{
    hold **link = find_hold_locked(lock, home);
    if (*link == NULL) {
        *link = cot_alloc_zeroed(sizeof(**link));
        if (*link == NULL) {
            return COT_NO_MEMORY;
        }
        (*link)->home = home;
    }
    (*link)->count++;
    atomic_fetch_add(&lock->readers, 1);
    return COT_OK;
}

// COT_AGAIN: somebody else has it, or goes first.
static cot_status
take_locked(cot_rwlock *lock, const cot_rwlock_wait *wait, cot_owner owner)
{
    if (atomic_load(&lock->is_broken)) {
        atomic_store(&lock->is_broken, false);
        return COT_OWNER_DIED;
    }
    if (wait->side == COT_READ) {
        return can_read_locked(lock, wait) ? read_locked(lock, owner.home)
                                           : COT_AGAIN;
    }
    if (!can_write_locked(lock, wait)) {
        return COT_AGAIN;
    }
    atomic_store(&lock->actor, owner.actor);
    atomic_store(&lock->writer, owner.home);
    return COT_OK;
}

static void
look_at_patience_locked(cot_rwlock *lock, const cot_rwlock_wait *wait)
{
    if (wait->side == COT_WRITE && lock->next_writer == NULL
        && cot_clock_ns() - wait->since_ns > PATIENCE) {
        lock->next_writer = wait;
    }
}

cot_status
cot_rwlock_acquire(cot_rwlock *lock, cot_rwlock_wait *wait, cot_owner owner,
                   cot_parker *parker, int64_t deadline_ns)
{
    cot_status waited = deadline_ns == COT_NOW ? COT_TIMED_OUT : COT_OK;
    cot_lock_acquire(&lock->lock);
    cot_status status = take_locked(lock, wait, owner);
    while (status == COT_AGAIN && waited == COT_OK) {
        count_locked(lock, wait);
        waited = cot_wait_locked(&lock->lines[wait->side], &lock->lock, parker,
                                 deadline_ns);
        status = take_locked(lock, wait, owner);
        if (status == COT_AGAIN) {
            look_at_patience_locked(lock, wait);
        }
    }
    if (status != COT_AGAIN) {
        uncount_locked(lock, wait);
        if (status != COT_OK) {
            wake_locked(lock);
        }
    }
    cot_lock_release(&lock->lock);
    return status == COT_AGAIN ? waited : status;
}

void
cot_rwlock_end(cot_rwlock *lock, cot_rwlock_wait *wait)
{
    if (!wait->is_counted) {
        return;
    }
    cot_lock_acquire(&lock->lock);
    uncount_locked(lock, wait);
    wake_locked(lock);
    cot_lock_release(&lock->lock);
}

// ---- release -------------------------------------------------------------

static cot_status
release_locked(cot_rwlock *lock, cot_rwlock_side side, cot_owner owner)
{
    if (side == COT_WRITE) {
        if (atomic_load(&lock->writer) != owner.home
            || !cot_rwlock_is_written_by(lock, owner)) {
            return COT_NOT_OWNER;
        }
        end_phase_locked(lock);
        return COT_OK;
    }
    hold *own = *find_hold_locked(lock, owner.home);
    if (own == NULL || own->count == 0) {
        return COT_NOT_OWNER;
    }
    own->count--;
    atomic_fetch_sub(&lock->readers, 1);
    return COT_OK;
}

cot_status
cot_rwlock_release(cot_rwlock *lock, cot_rwlock_side side, cot_owner owner)
{
    cot_lock_acquire(&lock->lock);
    cot_status status = release_locked(lock, side, owner);
    if (status == COT_OK) {
        wake_locked(lock);
    }
    cot_lock_release(&lock->lock);
    return status;
}

static void
rwlock_interpreter_ended(cot_object *object, const cot_home *home)
{
    cot_rwlock *lock = cot_rwlock_from_object(object);
    cot_lock_acquire(&lock->lock);
    hold **link = find_hold_locked(lock, cot_home_id(home));
    hold *gone = *link;
    if (gone != NULL) {
        *link = gone->next;
        atomic_fetch_sub(&lock->readers, gone->count);
        cot_free(gone);
    }
    if (atomic_load(&lock->writer) == cot_home_id(home)) {
        end_phase_locked(lock);
        atomic_store(&lock->is_broken, true);
        // Whoever looks first is told.
        cot_waitlist_wake_all(&lock->lines[COT_READ]);
        cot_waitlist_wake_all(&lock->lines[COT_WRITE]);
    }
    wake_locked(lock);
    cot_lock_release(&lock->lock);
}

// ---- looking -------------------------------------------------------------

bool
cot_rwlock_is_written_by(const cot_rwlock *lock, cot_owner owner)
{
    return cot_rwlock_is_written(lock)
           && atomic_load(&lock->actor) == owner.actor;
}

bool
cot_rwlock_can_acquire(const cot_rwlock *lock, const cot_rwlock_wait *wait)
{
    if (atomic_load(&lock->is_broken)) {
        return true;
    }
    if (cot_rwlock_is_written(lock)) {
        return false;
    }
    return wait->side == COT_READ ? atomic_load(&lock->waiting[COT_WRITE]) == 0
                                  : cot_rwlock_readers(lock) == 0
                                        && atomic_load(&lock->privileged) == 0;
}

size_t
cot_rwlock_readers(const cot_rwlock *lock)
{
    return atomic_load(&lock->readers);
}

bool
cot_rwlock_is_written(const cot_rwlock *lock)
{
    return atomic_load(&lock->writer) != 0;
}

// False unless there is one.
static bool
only_reader_locked(const cot_rwlock *lock, cot_owner *owner)
{
    const hold *found = NULL;
    for (const hold *one = lock->holds; one != NULL; one = one->next) {
        if (one->count > 0 && found != NULL) {
            return false;
        }
        found = one->count > 0 ? one : found;
    }
    if (found != NULL) {
        *owner = (cot_owner){.home = found->home};
    }
    return found != NULL;
}

bool
cot_rwlock_holder(cot_rwlock *lock, cot_owner *owner)
{
    cot_lock_acquire(&lock->lock);
    bool is_held = cot_rwlock_is_written(lock);
    if (is_held) {
        *owner = (cot_owner){
            atomic_load(&lock->writer),
            atomic_load(&lock->actor),
        };
    }
    else {
        is_held = only_reader_locked(lock, owner);
    }
    cot_lock_release(&lock->lock);
    return is_held;
}
