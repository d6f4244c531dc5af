#include "core/lock.h"

#include "core/spin.h"

enum { STAY_AWAY = 24 };  // pauses, of some 20 ns each

void
cot_lock_contend(cot_lock *lock)
{
    cot_spin spin = cot_spin_for(COT_SPIN_NS);
    // Each look takes the lock's memory from the processor that works with it.
    // Who stays away for a moment lets it do several turns meanwhile: more is
    // done by both than when they take turns.
    for (int i = 0; i < STAY_AWAY; i++) {
        cot_cpu_pause();
    }
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
