#include "core/lock.h"

#include "core/spin.h"

void
cot_lock_contend(cot_lock *lock)
{
    cot_spin spin = cot_spin_for(COT_SPIN_NS);
    do {
        uint32_t unlocked = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0
            && atomic_compare_exchange_weak_explicit(&lock->word, &unlocked, 1,
                                                     memory_order_acquire,
                                                     memory_order_relaxed)) {
            return;
        }
    } while (cot_spin_once(&spin));

    // Taken as 2 from here on: this thread cannot know whether others sleep,
    // and one wake-up too many is harmless.
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire)
           != 0) {
        cot_status status = cot_futex_wait(&lock->word, 2, COT_NEVER);
        (void)status;  // woken, spurious or signal: look again
    }
}
