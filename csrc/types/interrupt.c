#include "types/interrupt.h"

#include "port/memory.h"
#include "types/run.h"
#include "types/worker.h"

#include <stdio.h>
#include <string.h>

// Python code runs on it: a destructor, an exception's constructor.
#define STACK_SIZE ((size_t)16 << 20)

// To a worker at its task, or to an interpreter in its run.
typedef struct visit {
    struct visit *next;
    run_host *host;      // borrowed: the visit keeps it
    cot_worker *worker;  // borrowed: it has a guest; or NULL
    bool again;
    bool is_late;
    bool is_awaited;               // the host says so, until it arrives
    cot_interpreter *interpreter;  // shared: one reference; or NULL
    uint64_t run;                  // of the worker, or of the interpreter
    cot_payload *type;             // owned, or NULL
} visit;

// What runs there is dropped under the GIL that is held here.
static bool
is_in_time(const visit *own)
{
    if (own->interpreter != NULL) {
        return cot_interpreter_is_at(own->interpreter, own->run);
    }
    return atomic_load_explicit(&own->worker->run, memory_order_acquire)
               == own->run
           && (own->host->raised == NULL || own->again);
}

// A new reference; NULL with an exception set.
static PyObject *
type_to_raise(const visit *own, module_state *state)
{
    if (own->worker != NULL) {
        return Py_NewRef(state->interrupted);
    }
    if (own->type == NULL) {
        return Py_NewRef(PyExc_KeyboardInterrupt);
    }
    return cot_decode(&state->codec, own->type);
}

static void
raise_there(const visit *own)
{
    PyObject *type = type_to_raise(own, own->host->state);
    if (type == NULL) {
        PyErr_FormatUnraisable("Exception ignored while interrupting");
        type = Py_NewRef(PyExc_KeyboardInterrupt);
    }
    // Python code may have run, and let go of the GIL.
    if (is_in_time(own)) {
        own->host->is_late = own->is_late;
        run_interrupt(own->host, type);
    }
    else {
        Py_DECREF(type);
    }
}

// Who asks from now on sends another one.
static void
note_arrival(visit *own)
{
    if (own->is_awaited) {
        uint64_t run = own->run;
        own->is_awaited = false;
        // A visitor of a later run may be on his way already.
        atomic_compare_exchange_strong_explicit(&own->host->awaited, &run, 0,
                                                memory_order_acq_rel,
                                                memory_order_relaxed);
    }
}

static void
end_visit(visit *own)
{
    note_arrival(own);
    if (own->interpreter != NULL) {
        cot_interpreter_leave(own->interpreter);
        cot_interpreter_unref(own->interpreter);
    }
    else {
        cot_worker_leave(own->worker);
    }
    cot_payload_destroy(own->type);
    cot_free(own);
}

static void
run_visit(void *arg)
{
    visit *own = arg;
    PyThreadState *tstate = PyThreadState_New(own->host->interpreter);
    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        note_arrival(own);
        if (is_in_time(own)) {
            raise_there(own);
        }
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
    }
    end_visit(own);
}

static cot_status
set_out(visit *own)
{
    cot_status status = cot_thread_start(run_visit, own, STACK_SIZE,
                                         "coterie-visit");
    if (status != COT_OK) {
        end_visit(own);
    }
    return status;
}

// ---- workers -------------------------------------------------------------

// The worker is entered; the visit leaves it, or if it cannot be made its maker.
static visit *
make_visit(cot_worker *worker, uint64_t run, bool again)
{
    visit *own = cot_alloc_zeroed(sizeof(*own));
    if (own != NULL) {
        own->host = worker->host;
        own->worker = worker;
        own->run = run;
        own->again = again;
    }
    return own;
}

static cot_status
visit_entered(cot_worker *worker, uint64_t run, bool is_late)
{
    visit *own = make_visit(worker, run, true);
    if (own == NULL) {
        cot_worker_leave(worker);
        return COT_NO_MEMORY;
    }
    own->is_late = is_late;
    return set_out(own);
}

// The same, unless a visitor is on his way already: C code may keep many of them
// waiting, each of them a thread.
static cot_status
visit_once(cot_worker *worker, uint64_t run)
{
    visit *own = make_visit(worker, run, true);
    if (own == NULL) {
        cot_worker_leave(worker);
        return COT_NO_MEMORY;
    }
    if (atomic_exchange_explicit(&own->host->awaited, run,
                                 memory_order_acq_rel)
        == run) {
        end_visit(own);
        return COT_OK;
    }
    own->is_awaited = true;
    return set_out(own);
}

bool
interrupt_task(cot_home *home, const cot_task *task, cot_status *status)
{
    cot_worker *worker;
    uint64_t run;
    *status = COT_OK;
    if (!cot_task_stop(home, task, &worker, &run)) {
        return false;
    }
    *status = visit_once(worker, run);
    return true;
}

void
interrupt_remind(cot_worker *worker, uint64_t run, bool is_late)
{
    // Without memory or a thread it is told again after the grace.
    cot_status status = visit_entered(worker, run, is_late);
    (void)status;
}

void
interrupt_report_lost(cot_worker *worker)
{
    char text[256];
    int len = snprintf(
        text, sizeof(text),
        "the worker %.60s_%u could not be stopped, in C code or "
        "a call that catches Interrupted: the pool does without it",
        cot_pool_name(worker->pool), worker->number);
    cot_payload *note = cot_payload_create((size_t)len, COT_NATIVE);
    if (note != NULL) {
        memcpy(note->bytes, text, (size_t)len);
        cot_status status = cot_outbox_tell(cot_pool_outbox(worker->pool),
                                            note, COT_CALL_WARNING);
        (void)status;  // it is counted, too
    }
}

typedef struct {
    visit *visits;  // owned
    bool is_short;  // of memory
    bool again;
    bool stops;
} round_trip;

static void
plan_visit(cot_worker *worker, void *arg)
{
    round_trip *trip = arg;
    visit *own = make_visit(
        worker, atomic_load_explicit(&worker->run, memory_order_acquire),
        trip->again);
    if (own == NULL) {
        trip->is_short = true;
        return;
    }
    cot_worker_enter_locked(worker);
    if (trip->stops) {
        cot_worker_stop_locked(worker);
    }
    own->next = trip->visits;
    trip->visits = own;
}

cot_status
interrupt_running(cot_pool *pool, bool again, bool stops)
{
    round_trip trip = {.again = again, .stops = stops};
    cot_pool_hurry(pool, plan_visit, &trip);
    cot_status status = trip.is_short ? COT_NO_MEMORY : COT_OK;
    while (trip.visits != NULL) {
        visit *own = trip.visits;
        trip.visits = own->next;
        cot_status started = set_out(own);
        status = started != COT_OK ? started : status;
    }
    return status;
}

// ---- interpreters --------------------------------------------------------

cot_status
interrupt_run(cot_interpreter *interpreter, cot_payload *type)
{
    visit *own = cot_alloc_zeroed(sizeof(*own));
    uint64_t run = own ? cot_interpreter_visit(interpreter) : 0;
    if (run == 0) {
        cot_status status = own ? COT_AGAIN : COT_NO_MEMORY;
        cot_free(own);
        cot_payload_destroy(type);
        return status;
    }
    cot_interpreter_ref(interpreter);
    own->interpreter = interpreter;
    own->run = run;
    own->host = interpreter->host;
    own->type = type;
    return set_out(own);
}

// ---- where nothing can be raised -----------------------------------------

// Whether it is the interrupt of what this thread runs.
static int
is_own_interrupt(module_state *state, PyObject *unraisable)
{
    const run_host *host = state->host;
    if (host == NULL || host->raised == NULL
        || host->thread != cot_thread_self()) {
        return 0;
    }
    PyObject *type = PyObject_GetAttrString(unraisable, "exc_type");
    if (type == NULL) {
        return -1;
    }
    int is_own = type == host->raised;
    Py_DECREF(type);
    return is_own;
}

int
interrupt_note_unraisable(module_state *state, PyObject *unraisable)
{
    int is_own = is_own_interrupt(state, unraisable);
    if (is_own > 0) {
        PyThreadState_SetAsyncExc(PyThread_get_thread_ident(),
                                  state->host->raised);
    }
    if (is_own != 0) {
        return is_own < 0 ? -1 : 0;
    }
    PyObject *usual = PySys_GetObject("__unraisablehook__");
    PyObject *done = usual ? PyObject_CallOneArg(usual, unraisable) : NULL;
    Py_XDECREF(done);
    return usual != NULL && done == NULL ? -1 : 0;
}
