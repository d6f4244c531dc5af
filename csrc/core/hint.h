// Numbers that are written under a lock, and read anywhere as hints.

#ifndef COT_CORE_HINT_H
#define COT_CORE_HINT_H

#include <stdatomic.h>
#include <stddef.h>

static inline size_t
cot_hint_get(const atomic_size_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

// With the lock held, as the next two.
static inline void
cot_hint_set(atomic_size_t *number, size_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static inline void
cot_hint_add(atomic_size_t *number, size_t value)
{
    cot_hint_set(number, cot_hint_get(number) + value);
}

static inline void
cot_hint_subtract(atomic_size_t *number, size_t value)
{
    cot_hint_set(number, cot_hint_get(number) - value);
}

#endif
