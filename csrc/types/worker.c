#include "types/worker.h"

#include "compat/compat.h"
#include "core/runtime.h"
#include "port/environment.h"
#include "port/memory.h"
#include "types/async_wait.h"
#include "types/environment.h"
#include "types/opening.h"
#include "types/parking.h"
#include "types/run.h"

#include <string.h>

void
worker_plan_destroy(void *arg)
{
    worker_plan *plan = arg;
    if (plan == NULL) {
        return;
    }
    cot_payload_destroy(plan->settings);
    cot_payload_destroy(plan->preparation);
    cot_payload_destroy(plan->initargs);
    if (plan->initializer != NULL) {
        cot_object_unref(&plan->initializer->object);
    }
    cot_free(plan);
}

// The interpreter of a thread.
typedef struct {
    PyThreadState *tstate;  // owned: the thread's only one
    PyObject *stock;      // owned, under its GIL: what it was like when it was
                          // new; NULL: it is not to be used again
    module_state *state;  // borrowed: of its sys.modules; NULL: none yet
    uint64_t environment;  // the digest of the one that its os.environ has;
                           // 0: not known
    bool is_used;          // by a worker before
} premises;

// ---- from nothing to an interpreter that is ready ------------------------

static int
call_prepare(module_state *state, const worker_plan *plan)
{
    if (plan->preparation == NULL) {
        return 0;
    }
    PyObject *prepare = state_import(state, LAZY_PREPARE);
    int was_called;
    PyObject *done = prepare ? cot_decode_and_call(&state->codec,
                                                   plan->preparation, prepare,
                                                   &was_called)
                             : NULL;
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
call_initializer(module_state *state, const worker_plan *plan)
{
    int was_called;
    PyObject *done = NULL;
    PyObject *function = cot_function_load(&state->codec, plan->initializer);
    if (function != NULL && run_name_thread(state) == 0) {
        done = cot_decode_and_call(&state->codec, plan->initargs, function,
                                   &was_called);
    }
    Py_XDECREF(function);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

// 0: it went well, or there is none; 1: the worker is lost; -1 with an exception
// set.
static int
run_initializer(module_state *state, cot_worker *worker)
{
    const worker_plan *plan = cot_pool_context(worker->pool);
    if (plan->initializer == NULL || !cot_worker_begin(worker)) {
        return 0;
    }
    int failed = call_initializer(state, plan);
    bool is_ours = cot_worker_end(worker);
    run_calm(state->host);
    if (!is_ours) {
        PyErr_Clear();
    }
    return is_ours ? failed : 1;
}

// There is no terminal for a debugger.
static int
refuse_breakpoints(void)
{
    PyObject *core = PyImport_ImportModule("coterie._core");
    PyObject *hook = core ? PyObject_GetAttrString(core, "breakpoint") : NULL;
    int failed = hook == NULL || PySys_SetObject("breakpointhook", hook) < 0;
    Py_XDECREF(hook);
    Py_XDECREF(core);
    return failed ? -1 : 0;
}

// What os.environ has read since `before` was taken: if it changed meanwhile, who
// knows.
static void
note_environment(premises *own, uint64_t before)
{
    own->environment = cot_environment_digest() == before ? before : 0;
}

static int
read_environment(premises *own)
{
    uint64_t before = cot_environment_digest();
    int failed = parking_resume();
    note_environment(own, before);
    return failed;
}

// With the process, before it is used again.  To read os.environ anew takes as
// long as all else.
static int
catch_up(premises *own)
{
    return cot_environment_digest() == own->environment
               ? 0
               : read_environment(own);
}

// Our module, and the hooks that it has for the interpreter.
static int
settle(premises *own)
{
    own->state = opening_state();
    return own->state == NULL ? -1 : refuse_breakpoints();
}

static int
open_interpreter(const worker_plan *plan, premises *own)
{
    if (opening_apply(plan->settings, true) < 0) {
        return -1;
    }
    if (own->is_used) {
        return catch_up(own);
    }
    if (cot_lot_has_room(cot_runtime_lot())) {
        own->stock = parking_take_stock();
    }
    return settle(own);
}

static module_state *
prepare_interpreter(cot_worker *worker, premises *own, run_host *host)
{
    const worker_plan *plan = cot_pool_context(worker->pool);
    if (open_interpreter(plan, own) < 0) {
        return NULL;
    }
    module_state *state = own->state;
    host->interpreter = state->interpreter;
    host->state = state;
    host->thread = cot_thread_self();
    host->ident = PyThread_get_thread_ident();
    host->parker = &worker->parker;
    host->asker = cot_pool_outbox(worker->pool);
    host->cancels = true;
    host->pool = cot_pool_name(worker->pool);
    host->number = worker->number;
    state->host = worker->host = host;
    if (call_prepare(state, plan) < 0) {
        return NULL;
    }
    cot_worker_is_ready(worker, state->id);
    return state;
}

// ---- calls ---------------------------------------------------------------

// The asker may want what it has lent us back when it goes on: the memory of a
// view, for one.
static void
drop_shared_arguments(cot_task *task)
{
    if (task->call != NULL && task->call->objects_len > 0) {
        cot_payload_destroy(task->call);
        task->call = NULL;
    }
}

// Keeps the exception now set in words, for those who ask for statistics.
static void
note_error(module_state *state, cot_worker *worker)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyUnicode_FromFormat("%s: %.200S", Py_TYPE(exc)->tp_name,
                                          exc);
    Py_ssize_t size;
    const char *found = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    char *copy = found ? cot_alloc((size_t)size + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, found, (size_t)size + 1);
        cot_worker_note_error(worker, copy);
    }
    Py_XDECREF(text);
    if (found == NULL && run_is_stopped(state)) {
        // The interrupt has come meanwhile, and is what is told.
        Py_DECREF(exc);
        return;
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

// False: the worker is lost.
static bool
run_task(module_state *state, cot_worker *worker, cot_task *task)
{
    cot_payload *outcome = NULL;
    state->host->serves = task;
    PyObject *result = run_call(state, (cot_function *)task->function,
                                task->call, task->call_kind,
                                task->terms ? task->terms->extras : NULL);
    if (result == NULL) {
        note_error(state, worker);
    }
    cot_outcome_kind kind = run_outcome(state, task->call_kind, result,
                                        &outcome);
    // From here on no interrupt of this task comes any more; all under the GIL.
    bool is_ours = cot_worker_end_task(worker);
    state->host->serves = NULL;
    run_calm(state->host);
    if (is_ours) {
        drop_shared_arguments(task);
        // The asker goes on first; freeing what the call left can wait.
        cot_task_finish(task, kind, outcome);
    }
    else {
        cot_payload_destroy(outcome);
    }
    Py_XDECREF(result);
    cot_task_unref(task);
    return is_ours;
}

// Whether the worker has done its share, or waited too long for more: then it
// leaves.
static bool
has_enough(cot_worker *worker, cot_status status)
{
    const worker_plan *plan = cot_pool_context(worker->pool);
    if (status == COT_OK) {
        return plan->max_tasks > 0 && worker->tasks >= plan->max_tasks
               && cot_worker_leave_pool(worker, false);
    }
    return status == COT_TIMED_OUT && cot_worker_leave_pool(worker, true);
}

// Whether it was the end of the pool that has ended it.
static bool
run_tasks(module_state *state, cot_worker *worker)
{
    const worker_plan *plan = cot_pool_context(worker->pool);
    cot_task *task;
    cot_status status;
    bool goes_on = true;
    do {
        status = cot_pool_take(worker->pool, worker, COT_NOW, &task);
        if (status == COT_TIMED_OUT) {
            int64_t deadline_ns = plan->idle_ns > 0
                                      ? cot_clock_after(plan->idle_ns)
                                      : COT_NEVER;
            PyThreadState *tstate = PyEval_SaveThread();
            status = cot_pool_take(worker->pool, worker, deadline_ns, &task);
            PyEval_RestoreThread(tstate);
        }
        if (status == COT_OK) {
            goes_on = run_task(state, worker, task);
        }
    } while (goes_on && status != COT_SHUT_DOWN
             && !has_enough(worker, status));
    return status == COT_SHUT_DOWN;
}

// ---- the whole -----------------------------------------------------------

// The exception now set, in words, as the reason why the pool is broken; or if
// the worker could not start, why it may be.
static void
end_by_exception(cot_worker *worker, const char *what, bool has_started)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyUnicode_FromFormat("%s: %s: %S", what,
                                          Py_TYPE(exc)->tp_name, exc);
    const char *found = text ? PyUnicode_AsUTF8(text) : NULL;
    const char *reason = found ? found : what;
    if (has_started) {
        cot_pool_break(worker->pool, reason);
    }
    else {
        cot_worker_cannot_start(worker, reason);
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_DECREF(exc);
}

// As the standard library's pools do: the exception now set is logged, where the
// pool is.
static void
report_initializer(module_state *state, cot_pool *pool)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *make = state_import(state, LAZY_INITIALIZER_FAILED);
    cot_payload *payload = NULL;
    // First with the exception itself; without, if it cannot be sent.
    for (int with = 1; with >= 0 && make && payload == NULL; with--) {
        PyErr_Clear();
        PyObject *note = PyObject_CallFunction(make, "Ois", exc, with,
                                               cot_pool_name(pool));
        payload = note ? cot_encode(&state->codec, note) : NULL;
        Py_XDECREF(note);
    }
    if (payload != NULL
        && cot_outbox_tell(cot_pool_outbox(pool), payload, COT_CALL_NOTE)
               != COT_OK) {
        // Nobody listens, or there is no memory: futures tell it, too.
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

// Whether all went well to the end of the pool.
static bool
live(cot_worker *worker, premises *own)
{
    run_host host = {0};
    bool is_well = false;
    module_state *state = prepare_interpreter(worker, own, &host);
    int failed = state ? run_initializer(state, worker) : -1;
    if (state == NULL) {
        end_by_exception(worker, "a worker could not start", false);
    }
    else if (failed < 0) {
        report_initializer(state, worker->pool);
        end_by_exception(worker, "an initializer failed", true);
    }
    else if (failed == 0) {
        is_well = run_tasks(state, worker);
    }
    PyThreadState *tstate = PyEval_SaveThread();
    cot_worker_seal(worker);
    PyEval_RestoreThread(tstate);
    if (own->state != NULL) {
        own->state->host = NULL;
        async_waits_end(own->state);  // although it may be freed later
    }
    return is_well;
}

// A new interpreter, that the thread is attached to; or NULL, and the worker has
// left.
static premises *
make_premises(cot_worker *worker)
{
    const PyInterpreterConfig config = OPENING_OWN_GIL;
    premises *own = cot_alloc_zeroed(sizeof(*own));
    const char *problem = "no memory";
    if (own != NULL) {
        uint64_t environment = cot_environment_digest();
        cot_runtime_interpreter_opens();
        problem = opening_create(&config, &own->tstate);
        if (problem == NULL) {
            note_environment(own, environment);
            environment_watch();
            return own;
        }
        cot_runtime_interpreter_closed();
        cot_free(own);
    }
    cot_worker_cannot_start(worker, problem);
    return NULL;
}

static void
end_premises(premises *own)
{
    parking_drop_stock(own->stock);
    cot_compat_forget_thread();
    opening_end(own->tstate);
    cot_free(own);
}

// What its code has changed is undone, then os.environ is as that left it.
static int
renew_environment(premises *own)
{
    environment_undo(PyInterpreterState_GetID(PyInterpreterState_Get()));
    return read_environment(own);
}

// Whether it can serve another worker, as if it were new.
static bool
renew(premises *own)
{
    own->is_used = own->stock != NULL && cot_lot_has_room(cot_runtime_lot())
                   && parking_renew(&own->tstate, own->stock)
                   && renew_environment(own) == 0 && parking_get_ready() == 0
                   && settle(own) == 0;
    PyErr_Clear();
    return own->is_used;
}

void
worker_run(cot_worker *worker)
{
    premises *own = worker->kept;
    worker->kept = NULL;
    if (own != NULL) {
        PyEval_RestoreThread(own->tstate);
    }
    else if ((own = make_premises(worker)) == NULL) {
        return;
    }
    if (live(worker, own) && renew(own)) {
        own->tstate = PyEval_SaveThread();
        worker->kept = own;
    }
    else {
        end_premises(own);
    }
}

void
worker_drop(void *kept)
{
    premises *own = kept;
    PyEval_RestoreThread(own->tstate);
    end_premises(own);
}
