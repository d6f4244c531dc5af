#include "core/choice.h"

#include "port/thread.h"

static void
wake_sleeper(cot_choice *choice)
{
    cot_unpark(choice->sleeper);
}

void
cot_choice_init(cot_choice *choice, cot_case *cases, size_t len,
                void (*notify)(cot_choice *choice))
{
    *choice = (cot_choice){
        .cases = cases,
        .len = len,
        .notify = notify ? notify : wake_sleeper,
        .seed = (uint64_t)cot_clock_ns() | 1,
    };
    for (size_t i = 0; i < len; i++) {
        cot_stand *stand = &cases[i].stand;
        *stand = (cot_stand){.choice = choice};
        stand->parker.stand = stand;
        stand->waiter.parker = &stand->parker;
    }
}

static size_t
next_start(cot_choice *choice)
{
    uint64_t seed = choice->seed;  // Marsaglia's xorshift
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    choice->seed = seed;
    return choice->len ? (size_t)(seed % choice->len) : 0;
}

// ---- one stand -----------------------------------------------------------

cot_status
cot_stand_in_line_locked(cot_stand *stand, cot_waitlist *list, cot_lock *lock)
{
    stand->list = list;
    stand->lock = lock;
    stand->is_standing = true;
    atomic_store_explicit(&stand->is_told, false, memory_order_relaxed);
    cot_waitlist_enlist(list, &stand->waiter);
    return COT_TIMED_OUT;
}

void
cot_stand_notify(cot_stand *stand)
{
    stand->choice->notify(stand->choice);
    atomic_store_explicit(&stand->is_told, true, memory_order_release);
}

bool
cot_parker_claim(cot_parker *parker)
{
    return parker->stand == NULL
           || !atomic_exchange_explicit(&parker->stand->choice->is_claimed,
                                        true, memory_order_acq_rel);
}

static void
leave_line(cot_stand *stand)
{
    stand->is_standing = false;
    cot_lock_acquire(stand->lock);
    stand->was_woken = !stand->waiter.is_listed;
    if (!stand->was_woken) {
        cot_waitlist_delist(stand->list, &stand->waiter);
    }
    cot_lock_release(stand->lock);
    while (stand->was_woken
           && !atomic_load_explicit(&stand->is_told, memory_order_acquire)) {
        cot_thread_yield();
    }
}

static void
pass_on(cot_stand *stand)
{
    cot_lock_acquire(stand->lock);
    cot_parker *next = cot_waitlist_pop(stand->list);
    cot_lock_release(stand->lock);
    if (next != NULL) {
        cot_unpark(next);
    }
}

// ---- all of them ---------------------------------------------------------

// `used` keeps what woke it; NULL: none does.
static void
pass_on_others(cot_choice *choice, const cot_case *used)
{
    for (cot_case *one = choice->cases; one < choice->cases + choice->len;
         one++) {
        if (one->stand.was_woken && one != used) {
            pass_on(&one->stand);
        }
        one->stand.was_woken = false;
    }
}

static void
decide(cot_choice *choice, const cot_case *chosen, cot_status status)
{
    choice->decided = (size_t)(chosen - choice->cases);
    choice->status = status;
    pass_on_others(choice, chosen);
}

bool
cot_choice_try(cot_choice *choice)
{
    cot_parker unused = {0};
    size_t start = next_start(choice);
    for (size_t i = 0; i < choice->len; i++) {
        cot_case *one = &choice->cases[(start + i) % choice->len];
        cot_status status = one->attempt(one->arg, &unused, COT_NOW);
        if (status != COT_TIMED_OUT) {
            decide(choice, one, status);
            return true;
        }
    }
    // It was woken, and has looked: that was all there was to it.
    for (size_t i = 0; i < choice->len; i++) {
        choice->cases[i].stand.was_woken = false;
    }
    return false;
}

// Those that others may claim stand last: before, it may still act itself.
static cot_status
stand_in_lines(cot_choice *choice, bool claimable, cot_case **chosen)
{
    for (size_t i = 0; i < choice->len; i++) {
        cot_case *one = &choice->cases[i];
        if ((one->withdraw != NULL) != claimable) {
            continue;
        }
        cot_status status = one->attempt(one->arg, &one->stand.parker,
                                         COT_NEVER);
        if (status != COT_TIMED_OUT) {
            *chosen = one;
            return status;
        }
    }
    return COT_TIMED_OUT;
}

cot_status
cot_choice_stand(cot_choice *choice)
{
    cot_case *chosen = NULL;
    atomic_store_explicit(&choice->is_claimed, false, memory_order_relaxed);
    cot_status status = stand_in_lines(choice, false, &chosen);
    if (status != COT_TIMED_OUT) {
        cot_choice_leave(choice);
        decide(choice, chosen, status);
        return COT_OK;
    }
    status = stand_in_lines(choice, true, &chosen);
    if (status == COT_TIMED_OUT) {
        return COT_TIMED_OUT;
    }
    return cot_choice_leave(choice) ? COT_OK : COT_AGAIN;
}

// What has become of it.  One that may be claimed is withdrawn before its waiter
// leaves: who would act for it looks at both.
static cot_status
leave(cot_case *one)
{
    cot_status status = one->withdraw ? one->withdraw(one->arg)
                                      : COT_TIMED_OUT;
    leave_line(&one->stand);
    if (one->withdraw != NULL) {
        one->stand.was_woken = false;
    }
    return status;
}

bool
cot_choice_leave(cot_choice *choice)
{
    const cot_case *claimed = NULL;  // there is one at most
    cot_status how = COT_OK;
    for (cot_case *one = choice->cases; one < choice->cases + choice->len;
         one++) {
        cot_status status = one->stand.is_standing ? leave(one)
                                                   : COT_TIMED_OUT;
        if (status != COT_TIMED_OUT) {
            claimed = one;
            how = status;
        }
    }
    if (claimed != NULL) {
        decide(choice, claimed, how);
    }
    return claimed != NULL;
}

void
cot_choice_give_up(cot_choice *choice)
{
    pass_on_others(choice, NULL);
}

static bool
was_woken(const cot_choice *choice)
{
    for (size_t i = 0; i < choice->len; i++) {
        if (choice->cases[i].stand.was_woken) {
            return true;
        }
    }
    return false;
}

cot_status
cot_choice_wait(cot_choice *choice, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    choice->sleeper = parker;
    for (;;) {
        if (cot_choice_try(choice)) {
            return COT_OK;
        }
        if (status != COT_OK) {
            return status;
        }
        if (deadline_ns == COT_NOW) {
            return COT_TIMED_OUT;
        }
        cot_status stood = cot_choice_stand(choice);
        if (stood == COT_OK) {
            return COT_OK;
        }
        if (stood == COT_AGAIN) {
            cot_thread_yield();
            continue;
        }
        status = cot_park(parker, deadline_ns);
        bool is_decided = cot_choice_leave(choice);
        // Several may have unparked it, and it has taken notice of one.
        cot_parker_forget(parker);
        if (is_decided) {
            return COT_OK;
        }
        if (status != COT_OK && !was_woken(choice)) {
            return status;
        }
    }
}
