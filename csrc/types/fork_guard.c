#include "types/fork_guard.h"

#include "compat/compat.h"
#include "core/runtime.h"
#include "core/waits.h"
#include "port/thread.h"
#include "types/parking.h"

#include <string.h>

static const char refusal[] =
    "os.fork() while coterie's interpreters are alive would kill the child "
    "process. Shut the executors down first, or fork before they start; for "
    "multiprocessing and ProcessPoolExecutor use the 'spawn' or 'forkserver' "
    "start method instead of 'fork': "
    "multiprocessing.set_start_method('spawn')";

static void
refuse(void)
{
    module_state *state = state_of_current();
    if (state != NULL) {
        PyErr_SetString(state->fork_refused, refusal);
    }
}

// The one who asks does not hold the GILs of those whom it would look at.
static int
guard_frames(void)
{
    if (!COT_COMPAT_FRAMES_CRASH || cot_runtime_interpreters() == 0) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    "sys._current_frames() while coterie's interpreters are "
                    "alive would crash CPython 3.13: see "
                    "coterie.debug.waiters(), or faulthandler");
    return -1;
}

static int
audit(const char *event, PyObject *args, void *user_data)
{
    if (event[0] == 's' && strcmp(event, "sys._current_frames") == 0) {
        return guard_frames();
    }
    if (event[0] == 'o'
        && (strcmp(event, "os.fork") == 0 || strcmp(event, "os.forkpty") == 0)
        && cot_runtime_interpreters() > 0) {
        // Nobody uses these.
        parking_end_all();
        if (cot_runtime_interpreters() > 0) {
            refuse();
            return -1;
        }
    }
    return 0;
}

// Threads that wait stay behind, with the stacks that their records lie on: also
// where nothing else has to be told of a fork.
static void
forget_waits(void)
{
    cot_waits_after_fork_in_child(cot_runtime_waits());
}

int
fork_guard_install(module_state *state)
{
    if (!state->is_main || !cot_runtime_claim_setup()) {
        return 0;
    }
    if (cot_thread_at_fork(NULL, NULL, forget_waits) != COT_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return PySys_AddAuditHook(audit, NULL);
}
