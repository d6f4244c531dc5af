#include "core/arenas.h"

#include "port/memory.h"

enum { FIRST_SLOTS = 64 };

bool
cot_arenas_claim(cot_arenas *arenas)
{
    return !atomic_exchange(&arenas->is_watched, true);
}

// Arenas begin at multiples of their size or of a page.
static size_t
home_of(const cot_arenas *arenas, uintptr_t address)
{
    uint64_t mixed = (uint64_t)(address >> 12) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (arenas->size - 1);
}

// Where it is, or where it would come.
static size_t
find_locked(const cot_arenas *arenas, uintptr_t address)
{
    size_t i = home_of(arenas, address);
    while (arenas->slots[i].address != 0
           && arenas->slots[i].address != address) {
        i = (i + 1) & (arenas->size - 1);
    }
    return i;
}

// Makes room for one more: whether there is some.
static bool
grow_locked(cot_arenas *arenas)
{
    if (arenas->len * 2 < arenas->size) {
        return true;
    }
    cot_arenas next = {.size = arenas->size ? arenas->size * 2 : FIRST_SLOTS};
    next.slots = cot_alloc_zeroed(next.size * sizeof(*next.slots));
    if (next.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < arenas->size; i++) {
        const cot_arena *arena = &arenas->slots[i];
        if (arena->address != 0) {
            next.slots[find_locked(&next, arena->address)] = *arena;
        }
    }
    cot_free(arenas->slots);
    arenas->slots = next.slots;
    arenas->size = next.size;
    return true;
}

void
cot_arenas_add(cot_arenas *arenas, const void *address, size_t size,
               int64_t owner)
{
    cot_lock_acquire(&arenas->lock);
    if (grow_locked(arenas)) {
        cot_arena
            *slot = &arenas->slots[find_locked(arenas, (uintptr_t)address)];
        arenas->len += slot->address == 0;
        *slot = (cot_arena){(uintptr_t)address, size, owner};
    }
    cot_lock_release(&arenas->lock);
}

// Closes the gap at i: what follows must be found from its home on.
static void
clear_locked(cot_arenas *arenas, size_t i)
{
    size_t mask = arenas->size - 1;
    for (size_t k = (i + 1) & mask; arenas->slots[k].address != 0;
         k = (k + 1) & mask) {
        size_t home = home_of(arenas, arenas->slots[k].address);
        if (((k - home) & mask) >= ((k - i) & mask)) {
            arenas->slots[i] = arenas->slots[k];
            i = k;
        }
    }
    arenas->slots[i] = (cot_arena){0};
    arenas->len--;
}

void
cot_arenas_remove(cot_arenas *arenas, const void *address)
{
    cot_lock_acquire(&arenas->lock);
    if (arenas->size > 0) {
        size_t i = find_locked(arenas, (uintptr_t)address);
        if (arenas->slots[i].address != 0) {
            clear_locked(arenas, i);
        }
    }
    cot_lock_release(&arenas->lock);
}

size_t
cot_arenas_of(cot_arenas *arenas, int64_t owner)
{
    size_t sum = 0;
    cot_lock_acquire(&arenas->lock);
    for (size_t i = 0; i < arenas->size; i++) {
        const cot_arena *arena = &arenas->slots[i];
        if (arena->address != 0 && arena->owner == owner) {
            sum += arena->size;
        }
    }
    cot_lock_release(&arenas->lock);
    return sum;
}
