#include "types/fork_guard.h"

#include "compat/compat.h"
#include "core/runtime.h"
#include "core/waits.h"
#include "port/thread.h"
#include "types/environment.h"
#include "types/idle.h"

#include <string.h>

static const char refusal[] =
    "os.fork() while coterie's interpreters are alive would kill the child "
    "process. Shut the executors down first, or fork before they start; for "
    "multiprocessing and ProcessPoolExecutor use the 'spawn' or 'forkserver' "
    "start method instead of 'fork': "
    "multiprocessing.set_start_method('spawn')";

// That of this interpreter, if it has imported us; or NULL.
static module_state *
known_state(void)
{
    PyObject *name = PyUnicode_FromString("coterie._core");
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    module_state *state = module ? PyModule_GetState(module) : NULL;
    PyErr_Clear();
    Py_XDECREF(module);  // sys.modules keeps it
    Py_XDECREF(name);
    return state;
}

// 0 once no interpreter lives; -1 with an exception set.
static int
make_way(module_state *state)
{
    if (idle_end(state) < 0) {
        return -1;
    }
    // A worker that is about to make its interpreter is not counted as one yet.
    if (cot_runtime_interpreters() > 0 || !cot_home_is_empty(state->home)) {
        PyErr_SetString(state->fork_refused, refusal);
        return -1;
    }
    return 0;
}

// The one who asks does not hold the GILs of those whom it would look at.
static int
guard_frames(void)
{
    if (!COT_COMPAT_FRAMES_CRASH || cot_runtime_interpreters() == 0) {
        return 0;
    }
    module_state *state = known_state();
    if (state != NULL && idle_end_kept(state) < 0) {
        return -1;
    }
    if (cot_runtime_interpreters() == 0) {
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
    module_state *state;
    if (event[0] == 'o' && strcmp(event, "os.putenv") == 0) {
        environment_note(args, true);
    }
    if (event[0] == 'o' && strcmp(event, "os.unsetenv") == 0) {
        environment_note(args, false);
    }
    if (event[0] == 's' && strcmp(event, "sys._current_frames") == 0) {
        return guard_frames();
    }
    if (event[0] == 's' && strcmp(event, "sys.addaudithook") == 0
        && (state = known_state()) != NULL) {
        state->has_audit_hooks = true;
    }
    if (event[0] == 'o'
        && (strcmp(event, "os.fork") == 0 || strcmp(event, "os.forkpty") == 0)
        && (state = known_state()) != NULL) {
        return make_way(state);
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
