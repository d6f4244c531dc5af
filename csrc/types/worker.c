#include "types/worker.h"

#include "compat/compat.h"
#include "core/runtime.h"
#include "port/memory.h"
#include "types/errors.h"

#include <stdio.h>

// A creation that runs out of memory half way brings the process down: have
// this much (an interpreter takes about 2 MiB) before it is tried.
#define ROOM_TO_START ((size_t)16 << 20)

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

// ---- from nothing to an interpreter that is ready ------------------------

static const char *
open_interpreter(PyThreadState **tstate)
{
    if (!cot_memory_has_room(ROOM_TO_START)) {
        return "not enough memory for another interpreter";
    }
    if (cot_compat_is_tracing_unsafe()) {
        return COT_TRACING_REFUSAL;
    }
    const PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyStatus status = Py_NewInterpreterFromConfig(tstate, &config);
    if (PyStatus_Exception(status)) {
        return status.err_msg ? status.err_msg
                              : "an interpreter could not be created";
    }
    return NULL;
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

// Before anything is imported: the parent may have found us by its sys.path.
static int
apply_settings(const worker_plan *plan)
{
    cot_codec bare = {0};  // enough for lists of strings
    PyObject *settings = cot_decode(&bare, plan->settings);
    int rc = -1;
    if (settings != NULL
        && PySys_SetObject("path", PyTuple_GET_ITEM(settings, 0)) == 0
        && PySys_SetObject("argv", PyTuple_GET_ITEM(settings, 1)) == 0) {
        rc = set_switch_interval();
    }
    Py_XDECREF(settings);
    cot_codec_clear(&bare);
    return rc;
}

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
    if (plan->initializer == NULL) {
        return 0;
    }
    int was_called;
    PyObject *done = NULL;
    PyObject *function = cot_function_load(&state->codec, plan->initializer);
    if (function != NULL) {
        done = cot_decode_and_call(&state->codec, plan->initargs, function,
                                   &was_called);
    }
    Py_XDECREF(function);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
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

static module_state *
prepare_interpreter(cot_worker *worker, worker_host *host)
{
    const worker_plan *plan = cot_pool_context(worker->pool);
    module_state *state = NULL;
    if (apply_settings(plan) < 0 || (state = state_of_current()) == NULL
        || watch_unraisable() < 0) {
        return NULL;
    }
    state->worker = worker;
    state->worker_ident = cot_thread_self();
    host->interpreter = state->interpreter;
    host->ident = PyThread_get_thread_ident();
    host->interrupted = state->interrupted;
    worker->host = host;
    if (call_prepare(state, plan) < 0) {
        return NULL;
    }
    return state;
}

// ---- calls ---------------------------------------------------------------

// Many an exception can be pickled and not be made again.
static bool
can_be_decoded(module_state *state, const cot_payload *payload)
{
    PyObject *account = cot_decode(&state->codec, payload);
    Py_XDECREF(account);
    return account != NULL;
}

// The payload of the exception now set, for coterie._outcome.rebuild in the
// asker's interpreter.
static cot_payload *
account_for_exception(module_state *state)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *account_for = state_import(state, LAZY_ACCOUNT_FOR);
    cot_payload *payload = NULL;
    // First with the exception itself; without, if it cannot be sent.
    for (int with = 1; with >= 0 && account_for && payload == NULL; with--) {
        PyErr_Clear();
        PyObject *account = PyObject_CallFunction(account_for, "Oi", exc,
                                                  with);
        if (account != NULL) {
            payload = cot_encode(&state->codec, account);
            Py_DECREF(account);
        }
        if (with && payload != NULL && !can_be_decoded(state, payload)) {
            cot_payload_destroy(payload);
            payload = NULL;
        }
    }
    PyErr_Clear();
    Py_DECREF(exc);
    return payload;
}

static PyObject *
call_one(module_state *state, cot_task *task, PyObject *function)
{
    int was_called;
    if (task->call == NULL) {
        return PyObject_CallNoArgs(function);
    }
    return cot_decode_and_call(&state->codec, task->call, function,
                               &was_called);
}

// The payload is one list of argument tuples; the result is one of results.
static PyObject *
call_many(module_state *state, cot_task *task, PyObject *function)
{
    PyObject *calls = cot_decode(&state->codec, task->call);
    PyObject *results = calls ? PyList_New(0) : NULL;
    Py_ssize_t len = results ? PyList_GET_SIZE(calls) : 0;
    for (Py_ssize_t i = 0; i < len; i++) {
        PyObject *result = PyObject_CallObject(function,
                                               PyList_GET_ITEM(calls, i));
        if (result == NULL || PyList_Append(results, result) < 0) {
            Py_XDECREF(result);
            Py_CLEAR(results);
            break;
        }
        Py_DECREF(result);
    }
    Py_XDECREF(calls);
    return results;
}

static PyObject *
run_call(module_state *state, cot_task *task)
{
    PyObject *function = cot_function_load(&state->codec,
                                           (cot_function *)task->function);
    if (function == NULL) {
        return NULL;
    }
    PyObject *result = task->call_kind == COT_CALL_MANY
                           ? call_many(state, task, function)
                           : call_one(state, task, function);
    Py_DECREF(function);
    return result;
}

// From here on no interrupt of this task comes any more; all under the GIL.
static void
end_call(cot_worker *worker)
{
    worker_host *host = worker->host;
    cot_worker_end_task(worker);
    if (host->was_interrupted) {
        host->was_interrupted = false;
        cot_parker_calm(&worker->parker);
        PyThreadState_SetAsyncExc(host->ident, NULL);
    }
}

// Whether the exception now set is the interrupt that somebody asked for.
static bool
is_stopped(const module_state *state)
{
    const worker_host *host = state->worker->host;
    return host->was_interrupted && PyErr_ExceptionMatches(state->interrupted);
}

static cot_outcome_kind
make_outcome(module_state *state, PyObject *result, cot_payload **outcome)
{
    if (result == Py_None) {
        return COT_OUTCOME_NONE;
    }
    if (result != NULL) {
        *outcome = cot_encode(&state->codec, result);
        if (*outcome != NULL) {
            return COT_OUTCOME_VALUE;
        }
        raise_not_shareable(state, "result not shareable");
    }
    if (is_stopped(state)) {
        // Nobody will read an account: the future is cancelled.
        PyErr_Clear();
        return COT_OUTCOME_STOPPED;
    }
    *outcome = account_for_exception(state);
    return *outcome ? COT_OUTCOME_RAISED : COT_OUTCOME_LOST;
}

static void
run_task(module_state *state, cot_worker *worker, cot_task *task)
{
    cot_payload *outcome = NULL;
    PyObject *result = run_call(state, task);
    cot_outcome_kind kind = make_outcome(state, result, &outcome);
    end_call(worker);
    // The asker goes on first; freeing what the call left can wait.
    cot_task_finish(task, kind, outcome);
    Py_XDECREF(result);
    cot_task_unref(task);
}

static void
run_tasks(module_state *state, cot_worker *worker)
{
    cot_task *task;
    cot_status status;
    do {
        status = cot_pool_take(worker->pool, worker, COT_NOW, &task);
        if (status == COT_TIMED_OUT) {
            PyThreadState *tstate = PyEval_SaveThread();
            status = cot_pool_take(worker->pool, worker, COT_NEVER, &task);
            PyEval_RestoreThread(tstate);
        }
        if (status == COT_OK) {
            run_task(state, worker, task);
        }
    } while (status != COT_SHUT_DOWN);
}

// ---- the whole -----------------------------------------------------------

// The exception now set, in words, as the reason why the pool is broken.
static void
break_by_exception(cot_pool *pool, const char *what)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyUnicode_FromFormat("%s: %s: %S", what,
                                          Py_TYPE(exc)->tp_name, exc);
    const char *reason = text ? PyUnicode_AsUTF8(text) : NULL;
    cot_pool_break(pool, reason ? reason : what);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_DECREF(exc);
}

static void
live(cot_worker *worker)
{
    worker_host host = {0};
    module_state *state = prepare_interpreter(worker, &host);
    const worker_plan *plan = cot_pool_context(worker->pool);
    if (state == NULL) {
        break_by_exception(worker->pool, "a worker could not start");
    }
    else if (call_initializer(state, plan) < 0) {
        break_by_exception(worker->pool, "an initializer failed");
    }
    else {
        run_tasks(state, worker);
    }
    PyThreadState *tstate = PyEval_SaveThread();
    cot_worker_seal(worker);
    PyEval_RestoreThread(tstate);
    if (state != NULL) {
        state->worker = NULL;
    }
}

void
worker_run(cot_worker *worker)
{
    PyThreadState *tstate = NULL;
    cot_runtime_interpreter_opens();
    const char *problem = open_interpreter(&tstate);
    if (problem != NULL) {
        cot_pool_break(worker->pool, problem);
    }
    else {
        live(worker);
        Py_EndInterpreter(tstate);
    }
    cot_runtime_interpreter_closed();
}
