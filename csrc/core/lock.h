// The lock inside the runtime's objects: one word, held for some instructions.
//
// Never held over a wait, a call into Python or the freeing of somebody else's
// object, so it needs neither deadline nor owner.  Zeroed memory is an unlocked
// lock.  The word is 0 free, 1 held, 2 held with sleepers.

#ifndef COT_CORE_LOCK_H
#define COT_CORE_LOCK_H

#include "port/futex.h"

typedef struct {
    cot_word word;
} cot_lock;

// The slow halves, when the word was not as hoped.
void cot_lock_contend(cot_lock *lock);

static inline void
cot_lock_acquire(cot_lock *lock)
{
    uint32_t unlocked = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &unlocked, 1,
                                                 memory_order_acquire,
                                                 memory_order_relaxed)) {
        cot_lock_contend(lock);
    }
}

static inline void
cot_lock_release(cot_lock *lock)
{
    if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2) {
        cot_futex_wake_one(&lock->word);
    }
}

#endif
