#include "core/barrier.h"

#include "port/memory.h"

typedef enum {
    FILLS,
    CLOSES,  // the last has come, and is at it
    PASSED,
    BROKEN,
} round_state;

struct cot_barrier_round {
    size_t refs;       // under the barrier's lock
    atomic_int state;  // a round_state; written under the lock
};

struct cot_barrier {
    cot_object object;
    size_t parties;       // constant
    cot_payload *action;  // owned, constant, or NULL
    double timeout;       // constant
    cot_lock lock;        // guards all below
    cot_barrier_round
        *round;              // counted: the one that fills or closes, or NULL
    atomic_size_t len;       // of it
    atomic_bool is_closing;  // so is the round
    atomic_bool is_broken;
    cot_waitlist waiters;
};

static void
barrier_destroy(cot_object *object, cot_object **dead)
{
    cot_barrier *barrier = cot_barrier_from_object(object);
    cot_payload_dissolve(barrier->action, dead);
    cot_free(barrier);
}

const cot_class cot_barrier_class = {"Barrier", barrier_destroy, NULL};

cot_barrier *
cot_barrier_create(size_t parties, cot_payload *action, double timeout)
{
    cot_barrier *barrier = cot_alloc_zeroed(sizeof(*barrier));
    if (barrier != NULL) {
        cot_object_init(&barrier->object, &cot_barrier_class);
        barrier->parties = parties;
        barrier->action = action;
        barrier->timeout = timeout;
    }
    return barrier;
}

cot_object *
cot_barrier_object(cot_barrier *barrier)
{
    return &barrier->object;
}

cot_barrier *
cot_barrier_from_object(cot_object *object)
{
    return (cot_barrier *)((char *)object - offsetof(cot_barrier, object));
}

// ---- rounds --------------------------------------------------------------

static round_state
state_of(const cot_barrier_round *round)
{
    return (round_state)atomic_load(&round->state);
}

static void
unref_locked(cot_barrier_round *round)
{
    if (--round->refs == 0) {
        cot_free(round);
    }
}

// The round of those who wait is over, if there is one.
static void
end_round_locked(cot_barrier *barrier, round_state state)
{
    cot_barrier_round *round = barrier->round;
    if (round != NULL) {
        atomic_store(&round->state, state);
        atomic_store(&barrier->len, 0);
        atomic_store(&barrier->is_closing, false);
        barrier->round = NULL;
        unref_locked(round);
    }
    cot_waitlist_wake_all(&barrier->waiters);
}

static void
break_locked(cot_barrier *barrier)
{
    atomic_store(&barrier->is_broken, true);
    end_round_locked(barrier, BROKEN);
}

static bool
is_in_current_locked(const cot_barrier *barrier, const cot_barrier_wait *wait)
{
    return wait->round != NULL && wait->round == barrier->round;
}

static cot_status
join_locked(cot_barrier *barrier, cot_barrier_wait *wait)
{
    if (barrier->round == NULL) {
        barrier->round = cot_alloc_zeroed(sizeof(*barrier->round));
        if (barrier->round == NULL) {
            return COT_NO_MEMORY;
        }
        barrier->round->refs = 1;
    }
    barrier->round->refs++;
    wait->round = barrier->round;
    wait->idx = atomic_fetch_add(&barrier->len, 1);
    if (wait->idx + 1 == barrier->parties) {
        atomic_store(&barrier->round->state, CLOSES);
        atomic_store(&barrier->is_closing, true);
    }
    else if (wait->is_late) {
        break_locked(barrier);
    }
    return COT_OK;
}

// ---- a wait --------------------------------------------------------------

// COT_AGAIN: there is no outcome yet.
static cot_status
look_locked(cot_barrier *barrier, cot_barrier_wait *wait,
            cot_barrier_outcome *outcome)
{
    if (wait->round == NULL && !atomic_load(&barrier->is_closing)) {
        if (atomic_load(&barrier->is_broken)) {
            *outcome = COT_BARRIER_BROKEN;
            return COT_OK;
        }
        cot_status status = join_locked(barrier, wait);
        if (status != COT_OK) {
            return status;
        }
    }
    if (wait->round == NULL) {
        return COT_AGAIN;
    }
    switch (state_of(wait->round)) {
        case FILLS:
            return COT_AGAIN;
        case CLOSES:
            *outcome = COT_BARRIER_LAST;
            return wait->idx + 1 == barrier->parties ? COT_OK : COT_AGAIN;
        case PASSED:
            *outcome = COT_BARRIER_PASSED;
            return COT_OK;
        case BROKEN:
            break;
    }
    *outcome = COT_BARRIER_BROKEN;
    return COT_OK;
}

cot_status
cot_barrier_wait_on(cot_barrier *barrier, cot_barrier_wait *wait,
                    cot_parker *parker, int64_t deadline_ns,
                    cot_barrier_outcome *outcome)
{
    cot_status waited = deadline_ns == COT_NOW ? COT_TIMED_OUT : COT_OK;
    cot_lock_acquire(&barrier->lock);
    cot_status status = look_locked(barrier, wait, outcome);
    while (status == COT_AGAIN && waited == COT_OK) {
        waited = cot_wait_locked(&barrier->waiters, &barrier->lock, parker,
                                 deadline_ns);
        status = look_locked(barrier, wait, outcome);
    }
    cot_lock_release(&barrier->lock);
    return status == COT_AGAIN ? waited : status;
}

bool
cot_barrier_is_late(cot_barrier *barrier, cot_barrier_wait *wait)
{
    cot_lock_acquire(&barrier->lock);
    bool is_filling = is_in_current_locked(barrier, wait)
                      && state_of(wait->round) == FILLS;
    if (is_filling) {
        break_locked(barrier);
    }
    wait->is_late = !is_filling;
    cot_lock_release(&barrier->lock);
    return !is_filling;
}

bool
cot_barrier_release(cot_barrier *barrier, cot_barrier_wait *wait, bool is_done)
{
    cot_lock_acquire(&barrier->lock);
    bool is_current = is_in_current_locked(barrier, wait);
    if (is_current && is_done) {
        end_round_locked(barrier, PASSED);
    }
    else if (is_current) {
        break_locked(barrier);
    }
    cot_lock_release(&barrier->lock);
    return is_current;
}

void
cot_barrier_end(cot_barrier *barrier, cot_barrier_wait *wait)
{
    cot_lock_acquire(&barrier->lock);
    if (is_in_current_locked(barrier, wait)) {
        break_locked(barrier);
    }
    if (wait->round != NULL) {
        unref_locked(wait->round);
        wait->round = NULL;
    }
    cot_lock_release(&barrier->lock);
}

// ---- all of them ---------------------------------------------------------

void
cot_barrier_abort(cot_barrier *barrier)
{
    cot_lock_acquire(&barrier->lock);
    break_locked(barrier);
    cot_lock_release(&barrier->lock);
}

void
cot_barrier_reset(cot_barrier *barrier)
{
    cot_lock_acquire(&barrier->lock);
    end_round_locked(barrier, BROKEN);
    atomic_store(&barrier->is_broken, false);
    cot_lock_release(&barrier->lock);
}

size_t
cot_barrier_parties(const cot_barrier *barrier)
{
    return barrier->parties;
}

const cot_payload *
cot_barrier_action(const cot_barrier *barrier)
{
    return barrier->action;
}

double
cot_barrier_timeout(const cot_barrier *barrier)
{
    return barrier->timeout;
}

size_t
cot_barrier_len(const cot_barrier *barrier)
{
    return atomic_load(&barrier->len);
}

bool
cot_barrier_is_broken(const cot_barrier *barrier)
{
    return atomic_load(&barrier->is_broken);
}

bool
cot_barrier_can_go_on(const cot_barrier *barrier, const cot_barrier_wait *wait)
{
    return wait->round == NULL ? !atomic_load(&barrier->is_closing)
                               : state_of(wait->round) >= PASSED;
}
