#include "types/opening.h"

#include "compat/compat.h"
#include "core/runtime.h"
#include "port/memory.h"
#include "types/environment.h"

// A creation that runs out of memory half way brings the process down: have
// this much (an interpreter takes about 2 MiB) before it is tried.
#define ROOM_TO_START ((size_t)16 << 20)

const char *
opening_create(const PyInterpreterConfig *config, PyThreadState **tstate)
{
    if (!cot_memory_has_room(ROOM_TO_START)) {
        return "not enough memory for another interpreter";
    }
    if (cot_compat_is_tracing_unsafe()) {
        return COT_TRACING_REFUSAL;
    }
    PyStatus status = Py_NewInterpreterFromConfig(tstate, config);
    if (PyStatus_Exception(status)) {
        return status.err_msg ? status.err_msg
                              : "an interpreter could not be created";
    }
    return NULL;
}

void
opening_end(PyThreadState *tstate)
{
    PyInterpreterState *interpreter = PyThreadState_GetInterpreter(tstate);
    int64_t id = PyInterpreterState_GetID(interpreter);
    Py_EndInterpreter(tstate);
    // Only now: its last callbacks may have changed something.
    environment_undo(id);
    cot_runtime_interpreter_closed();
}

static int
set_switch_interval(void)
{
    // How long another thread waits for this interpreter's GIL: an interrupt
    // of running code takes this long.
    PyObject *set = PySys_GetObject("setswitchinterval");
    PyObject *done = set ? PyObject_CallFunction(set, "d", 0.0005) : NULL;
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
opening_apply(const cot_payload *encoded, bool has_own_gil)
{
    cot_codec bare = {0};  // enough for lists of strings
    PyObject *settings = cot_decode(&bare, encoded);
    int rc = -1;
    if (settings != NULL
        && PySys_SetObject("path", PyTuple_GET_ITEM(settings, 0)) == 0
        && PySys_SetObject("argv", PyTuple_GET_ITEM(settings, 1)) == 0) {
        rc = has_own_gil ? set_switch_interval() : 0;
    }
    Py_XDECREF(settings);
    cot_codec_clear(&bare);
    return rc;
}

static int
watch_unraisable(void)
{
    PyObject *core = PyImport_ImportModule("coterie._core");
    PyObject *hook = core ? PyObject_GetAttrString(core, "note_unraisable")
                          : NULL;
    int failed = hook == NULL || PySys_SetObject("unraisablehook", hook) < 0;
    Py_XDECREF(hook);
    Py_XDECREF(core);
    return failed ? -1 : 0;
}

module_state *
opening_state(void)
{
    module_state *state = state_of_current();
    return state != NULL && watch_unraisable() == 0 ? state : NULL;
}
