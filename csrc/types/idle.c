#include "types/idle.h"

#include "core/runtime.h"
#include "types/blocking.h"
#include "types/parking.h"

// How long their ends may take.
#define END_NS (2 * COT_SECOND)

static bool
is_lot_empty(void *arg)
{
    return cot_lot_is_empty(arg);
}

static cot_status
attempt_join_lot(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_lot_join(arg, parker, deadline_ns);
}

static bool
is_home_empty(void *arg)
{
    return cot_home_is_empty(arg);
}

static cot_status
attempt_join_home(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_home_join(arg, parker, deadline_ns);
}

static const blocking_op lot_op = {is_lot_empty, attempt_join_lot,
                                   "the end of kept interpreters"};
static const blocking_op home_op = {is_home_empty, attempt_join_home,
                                    "the end of idle workers"};

void
idle_keep(uint32_t max)
{
    cot_lot_open(cot_runtime_lot(), max);
}

void
idle_keep_none(void)
{
    cot_lot_clear(cot_runtime_lot(), true);
}

int
idle_join_kept(module_state *state, int64_t deadline_ns)
{
    cot_status status;
    if (cot_block(state, &lot_op, cot_runtime_lot(), deadline_ns, &status)
        < 0) {
        return -1;
    }
    return status == COT_OK;
}

int
idle_end_kept(module_state *state)
{
    parking_end_all();
    cot_lot_clear(cot_runtime_lot(), false);
    return idle_join_kept(state, cot_clock_after(END_NS)) < 0 ? -1 : 0;
}

int
idle_end(module_state *state)
{
    cot_status status;
    // Who is dismissed is not kept.
    if (cot_home_dismiss_workers(state->home)
        && cot_block(state, &home_op, state->home, cot_clock_after(END_NS),
                     &status)
               < 0) {
        return -1;
    }
    return idle_end_kept(state);
}
