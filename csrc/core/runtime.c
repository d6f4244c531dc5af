#include "core/runtime.h"

#include "port/clock.h"

#include <stdatomic.h>
#include <unistd.h>

static struct cot_runtime {
    atomic_uint_fast64_t last_id;
    atomic_uint_fast64_t interpreters;
    atomic_uint_fast64_t process_id;
    atomic_bool is_set_up;
    cot_interpreters list;
    cot_lock seats_lock;  // guards the making of what follows
    atomic_bool has_seats;
    cot_local seats;
    cot_sigint sigint;
    cot_registry registry;
    cot_parked parked;
    cot_lot lot;
    cot_waits waits;
    cot_homes homes;
    cot_arenas arenas;
    cot_ledger ledger;
} runtime;

uint64_t
cot_runtime_next_id(void)
{
    return atomic_fetch_add_explicit(&runtime.last_id, 1, memory_order_relaxed)
           + 1;
}

// Mixes well enough that two processes started at once differ.
static uint64_t
make_process_id(void)
{
    uint64_t mixed = (uint64_t)cot_clock_ns() ^ ((uint64_t)getpid() << 40);
    mixed *= UINT64_C(0x9e3779b97f4a7c15);
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xbf58476d1ce4e5b9);
    return (mixed | UINT64_C(1) << 32) & ~UINT64_C(0xffffffff);
}

uint64_t
cot_runtime_process_id(void)
{
    uint_fast64_t none = 0;
    if (atomic_load(&runtime.process_id) == 0) {
        atomic_compare_exchange_strong(&runtime.process_id, &none,
                                       make_process_id());
    }
    return atomic_load(&runtime.process_id);
}

void
cot_runtime_interpreter_opens(void)
{
    atomic_fetch_add(&runtime.interpreters, 1);
}

void
cot_runtime_interpreter_closed(void)
{
    atomic_fetch_sub(&runtime.interpreters, 1);
}

uint64_t
cot_runtime_interpreters(void)
{
    return atomic_load(&runtime.interpreters);
}

cot_interpreters *
cot_runtime_interpreter_list(void)
{
    return &runtime.list;
}

cot_local *
cot_runtime_seats(void (*leave)(void *))
{
    if (!atomic_load_explicit(&runtime.has_seats, memory_order_acquire)) {
        cot_lock_acquire(&runtime.seats_lock);
        if (!atomic_load(&runtime.has_seats)
            && cot_local_create(&runtime.seats, leave) == COT_OK) {
            atomic_store_explicit(&runtime.has_seats, true,
                                  memory_order_release);
        }
        cot_lock_release(&runtime.seats_lock);
    }
    return atomic_load_explicit(&runtime.has_seats, memory_order_acquire)
               ? &runtime.seats
               : NULL;
}

cot_sigint *
cot_runtime_sigint(void)
{
    return &runtime.sigint;
}

cot_parked *
cot_runtime_parked(void)
{
    return &runtime.parked;
}

cot_lot *
cot_runtime_lot(void)
{
    return &runtime.lot;
}

bool
cot_runtime_claim_setup(void)
{
    return !atomic_exchange(&runtime.is_set_up, true);
}

cot_registry *
cot_runtime_registry(void)
{
    return &runtime.registry;
}

cot_waits *
cot_runtime_waits(void)
{
    return &runtime.waits;
}

cot_homes *
cot_runtime_homes(void)
{
    return &runtime.homes;
}

cot_arenas *
cot_runtime_arenas(void)
{
    return &runtime.arenas;
}

cot_ledger *
cot_runtime_ledger(void)
{
    return &runtime.ledger;
}

void
cot_runtime_after_fork_in_child(void)
{
    atomic_store(&runtime.interpreters, 0);
    atomic_store(&runtime.process_id, 0);
    runtime.list = (cot_interpreters){0};
    runtime.seats_lock = (cot_lock){0};
    // Its watcher stayed behind.  The handler in place calls the usual one.
    runtime.sigint.lock = (cot_lock){0};
    runtime.sigint.is_set_up = false;
    runtime.parked = (cot_parked){0};
    cot_lot_after_fork_in_child(&runtime.lot);
    // Who held them is not in this process.
    runtime.registry.lock = (cot_lock){0};
    runtime.homes.lock = (cot_lock){0};
    runtime.arenas.lock = (cot_lock){0};
    cot_waits_after_fork_in_child(&runtime.waits);
    runtime.ledger = (cot_ledger){0};
}
