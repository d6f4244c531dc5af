#include "types/interrupt.h"

#include "port/memory.h"
#include "types/run.h"
#include "types/worker.h"

// Python code runs on it: a destructor, an exception's constructor.
#define STACK_SIZE ((size_t)16 << 20)

// To a worker at its task, or to an interpreter in its run.
typedef struct visit {
    struct visit *next;
    run_host *host;      // borrowed: the visit keeps it
    cot_worker *worker;  // borrowed: it has a guest; or NULL
    cot_task *task;      // borrowed: compared, never used
    bool again;
    cot_interpreter *interpreter;  // shared: one reference; or NULL
    uint64_t run;
    cot_payload *type;  // owned, or NULL
} visit;

// What runs there is dropped under the GIL that is held here.
static bool
is_in_time(const visit *own)
{
    if (own->interpreter != NULL) {
        return cot_interpreter_is_at(own->interpreter, own->run);
    }
    return atomic_load_explicit(&own->worker->task, memory_order_acquire)
               == own->task
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
        run_interrupt(own->host, type);
    }
    else {
        Py_DECREF(type);
    }
}

static void
end_visit(visit *own)
{
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

typedef struct {
    visit *visits;  // owned
    bool is_short;  // of memory
    bool again;
} round_trip;

static void
plan_visit(cot_worker *worker, void *arg)
{
    round_trip *trip = arg;
    cot_task *task = atomic_load_explicit(&worker->task, memory_order_acquire);
    if (task == NULL) {
        return;
    }
    visit *own = cot_alloc_zeroed(sizeof(*own));
    if (own == NULL) {
        trip->is_short = true;
        return;
    }
    cot_worker_enter_locked(worker);
    own->next = trip->visits;
    own->host = worker->host;
    own->worker = worker;
    own->task = task;
    own->again = trip->again;
    trip->visits = own;
}

cot_status
interrupt_running(cot_pool *pool, bool again)
{
    round_trip trip = {.again = again};
    cot_pool_each_busy(pool, plan_visit, &trip);
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
