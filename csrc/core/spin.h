// Waiting a moment without sleeping.
//
// Waking a sleeping thread on an idle processor costs some 40 us in a virtual
// machine, handing over between two that are awake 0.1 us: so every wait spins
// a little first.  Pure spinning is a disaster when waker and waiter share one
// processor (it burns the time slice that the waker needs), so the spin gives
// up its slice every few pauses: with nobody else to run that is nearly free,
// and on one processor it makes the hand-over a context switch.

#ifndef COT_CORE_SPIN_H
#define COT_CORE_SPIN_H

#include "port/clock.h"
#include "port/thread.h"

#include <stdbool.h>

#define COT_SPIN_NS (20 * COT_US)  // longer never paid on two processors
#define COT_SPIN_PAUSES 20         // between two looks at clock and scheduler

typedef struct {
    int64_t budget_ns;
    int64_t until_ns;  // 0: the clock was not looked at yet
    int pauses;
} cot_spin;

static inline cot_spin
cot_spin_for(int64_t budget_ns)
{
    return (cot_spin){.budget_ns = budget_ns};
}

// Passes a moment; false when the budget is used up.
static inline bool
cot_spin_once(cot_spin *spin)
{
    if (++spin->pauses < COT_SPIN_PAUSES) {
        cot_cpu_pause();
        return true;
    }
    spin->pauses = 0;
    cot_thread_yield();
    int64_t now_ns = cot_clock_ns();
    if (spin->until_ns == 0) {
        spin->until_ns = now_ns + spin->budget_ns;
    }
    return now_ns < spin->until_ns;
}

#endif
