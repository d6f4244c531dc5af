#include "types/blocking.h"

#include "core/spin.h"
#include "core/waits.h"
#include "types/errors.h"
#include "types/run.h"

#include <math.h>

#define HELD_SPIN (10 * COT_US)

// Raises in place of the asynchronous exception that came with the interrupt.
static int
take_interrupt(module_state *state, cot_parker *parker)
{
    cot_parker_calm(parker);
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), NULL);
    PyErr_SetNone(state->host->raised);
    return -1;
}

// True when the operation is decided: not "time is up for now".
static bool
poll_attached(const blocking_op *op, void *arg, cot_parker *parker,
              cot_status *status)
{
    cot_spin spin = cot_spin_for(HELD_SPIN);
    do {
        if (op->is_ready(arg)) {
            *status = op->attempt(arg, parker, COT_NOW);
            if (*status != COT_TIMED_OUT && *status != COT_INTERRUPTED) {
                return true;
            }
        }
    } while (cot_spin_once(&spin));
    return false;
}

bool
block_needs_slices(const module_state *state)
{
    return state->is_main && cot_thread_is_first();
}

int
block_check_signals(module_state *state)
{
    if (PyErr_CheckSignals() < 0) {
        state->was_interrupted |= PyErr_ExceptionMatches(
                                      PyExc_KeyboardInterrupt)
                                  != 0;
        return -1;
    }
    return 0;
}

// Not on the microsecond path: only for a wait that lets the interpreter go.
static void
list_wait(cot_wait_record *record, module_state *state, const blocking_op *op,
          void *arg, int64_t deadline_ns)
{
    *record = (cot_wait_record){
        .facts = {.kind = COT_WAIT_THREAD,
                  .verb = op->verb ? op->verb : "wait",
                  .object = op->object ? op->object(arg) : NULL,
                  .awaited = op->awaited ? op->awaited(arg) : NULL,
                  .serves = run_served(state),
                  .since_ns = cot_clock_ns(),
                  .deadline_ns = deadline_ns,
                  .interpreter = state->id,
                  .thread = cot_thread_self(),
                  .thread_state = PyThreadState_Get()},
        .host = state,
    };
    cot_waits_begin(record);
}

// When a signal handler has raised.
static void
delist_wait(cot_wait_record *record)
{
    PyThreadState *tstate = PyEval_SaveThread();
    cot_waits_end(record);
    PyEval_RestoreThread(tstate);
}

static bool
is_over(cot_status status, int64_t until_ns, int64_t deadline_ns)
{
    return status != COT_SIGNALLED
           && (status != COT_TIMED_OUT || until_ns == deadline_ns);
}

static int
wait_detached(module_state *state, const blocking_op *op, void *arg,
              cot_parker *parker, int64_t deadline_ns, cot_status *status)
{
    bool needs_slices = block_needs_slices(state);
    cot_wait_record record;
    list_wait(&record, state, op, arg, deadline_ns);
    for (;;) {
        if (block_check_signals(state) < 0) {
            delist_wait(&record);
            return -1;
        }
        int64_t until_ns = deadline_ns;
        if (needs_slices) {
            int64_t slice_ns = cot_clock_after(BLOCK_SLICE);
            until_ns = slice_ns < deadline_ns ? slice_ns : deadline_ns;
        }
        PyThreadState *tstate = PyEval_SaveThread();
        *status = op->attempt(arg, parker, until_ns);
        bool is_done = is_over(*status, until_ns, deadline_ns);
        if (is_done) {
            cot_waits_end(&record);
        }
        PyEval_RestoreThread(tstate);
        if (*status == COT_INTERRUPTED) {
            return take_interrupt(state, parker);
        }
        if (is_done) {
            return 0;
        }
    }
}

int
cot_block(module_state *state, const blocking_op *op, void *arg,
          int64_t deadline_ns, cot_status *status)
{
    cot_parker local = {0};
    cot_parker *parker = run_parker(state, &local);

    *status = op->attempt(arg, parker, COT_NOW);
    if (*status == COT_INTERRUPTED) {
        return take_interrupt(state, parker);
    }
    if (*status != COT_TIMED_OUT || deadline_ns == COT_NOW) {
        return 0;
    }
    if (poll_attached(op, arg, parker, status)) {
        return 0;
    }
    return wait_detached(state, op, arg, parker, deadline_ns, status);
}

int
deadline_from_timeout(PyObject *timeout, bool clips, int64_t *deadline_ns)
{
    if (timeout == NULL || timeout == Py_None) {
        *deadline_ns = COT_NEVER;
        return 0;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "timeout must be None or a number of seconds, "
                         "not %.200s",
                         Py_TYPE(timeout)->tp_name);
        }
        return -1;
    }
    if (isnan(seconds) || (seconds < 0 && !clips)) {
        PyErr_SetString(PyExc_ValueError,
                        "'timeout' must be a non-negative number");
        return -1;
    }
    if (seconds <= 0) {
        *deadline_ns = COT_NOW;
    }
    else if (seconds >= 9e9) {  // 285 years
        *deadline_ns = COT_NEVER;
    }
    else {
        *deadline_ns = cot_clock_after((int64_t)(seconds * 1e9));
    }
    return 0;
}
