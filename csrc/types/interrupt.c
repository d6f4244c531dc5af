#include "types/interrupt.h"

#include "port/memory.h"
#include "types/worker.h"

// Python code runs on it: a destructor, an exception's constructor.
#define STACK_SIZE ((size_t)16 << 20)

typedef struct visit {
    struct visit *next;
    cot_worker *worker;  // borrowed: it has a guest
    cot_task *task;      // borrowed: compared, never used
    bool again;
} visit;

static void
raise_in(const visit *own, worker_host *host)
{
    cot_worker *worker = own->worker;
    // The worker drops its task under the GIL that is held here.
    if (atomic_load_explicit(&worker->task, memory_order_acquire) != own->task
        || (host->was_interrupted && !own->again)) {
        return;
    }
    host->was_interrupted = true;
    PyThreadState_SetAsyncExc(host->ident, host->interrupted);
    cot_parker_interrupt(&worker->parker);
}

static void
run_visit(void *arg)
{
    visit *own = arg;
    worker_host *host = own->worker->host;
    PyThreadState *tstate = PyThreadState_New(host->interpreter);
    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        raise_in(own, host);
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
    }
    cot_worker_leave(own->worker);
    cot_free(own);
}

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
    visit *own = cot_alloc(sizeof(*own));
    if (own == NULL) {
        trip->is_short = true;
        return;
    }
    cot_worker_enter_locked(worker);
    *own = (visit){trip->visits, worker, task, trip->again};
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
        cot_status started = cot_thread_start(run_visit, own, STACK_SIZE,
                                              "coterie-visit");
        if (started != COT_OK) {
            cot_worker_leave(own->worker);
            cot_free(own);
            status = started;
        }
    }
    return status;
}

// Whether it is the interrupt of what this thread runs.
static int
is_own_interrupt(module_state *state, PyObject *unraisable)
{
    const cot_worker *worker = state->worker;
    if (worker == NULL || state->worker_ident != cot_thread_self()) {
        return 0;
    }
    PyObject *type = PyObject_GetAttrString(unraisable, "exc_type");
    if (type == NULL) {
        return -1;
    }
    const worker_host *host = worker->host;
    int is_own = type == state->interrupted && host->was_interrupted;
    Py_DECREF(type);
    return is_own;
}

int
interrupt_note_unraisable(module_state *state, PyObject *unraisable)
{
    int is_own = is_own_interrupt(state, unraisable);
    if (is_own > 0) {
        PyThreadState_SetAsyncExc(PyThread_get_thread_ident(),
                                  state->interrupted);
    }
    if (is_own != 0) {
        return is_own < 0 ? -1 : 0;
    }
    PyObject *usual = PySys_GetObject("__unraisablehook__");
    PyObject *done = usual ? PyObject_CallOneArg(usual, unraisable) : NULL;
    Py_XDECREF(done);
    return usual != NULL && done == NULL ? -1 : 0;
}
