#include "types/run.h"

#include "compat/compat.h"
#include "types/async_wait.h"
#include "types/each.h"
#include "types/errors.h"
#include "types/shared_buffer.h"

cot_parker *
run_parker(const module_state *state, cot_parker *local)
{
    const run_host *host = state->host;
    return host && host->thread == cot_thread_self() ? host->parker : local;
}

const void *
run_served(const module_state *state)
{
    const run_host *host = state->host;
    return host && host->thread == cot_thread_self() ? host->serves : NULL;
}

// ---- the thread's name ---------------------------------------------------

static int
set_thread_name(const run_host *host, PyObject *threading)
{
    PyObject *name = PyUnicode_FromFormat("%s_%u", host->pool, host->number);
    PyObject *thread = name ? PyObject_CallMethod(threading, "current_thread",
                                                  NULL)
                            : NULL;
    int failed = thread ? PyObject_SetAttrString(thread, "name", name) : -1;
    Py_XDECREF(thread);
    Py_XDECREF(name);
    return failed;
}

int
run_name_thread(module_state *state)
{
    run_host *host = state->host;
    if (host->is_named || host->pool == NULL) {
        return 0;
    }
    // Before each call, so cheap: threading is not among what was there.
    PyObject *threading, *modules = PyImport_GetModuleDict();
    Py_ssize_t len = PyDict_GET_SIZE(modules);
    if (len == host->modules) {
        return 0;
    }
    host->modules = len;
    int found = PyDict_GetItemStringRef(modules, "threading", &threading);
    if (found > 0) {
        found = set_thread_name(host, threading);
        host->is_named = found == 0;
        Py_DECREF(threading);
    }
    if (found < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();  // another thread is importing it, perhaps
        return 0;
    }
    return found;
}

// ---- calls ---------------------------------------------------------------

static PyObject *
raise_waiting(module_state *state, PyObject *result)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *let_in = state_import(state, LAZY_LET_INTERRUPT_IN);
    PyObject *done = let_in ? PyObject_CallNoArgs(let_in) : NULL;
    if (done == NULL && PyErr_ExceptionMatches(state->host->raised)) {
        Py_XDECREF(exc);
        Py_XDECREF(result);
        return NULL;
    }
    Py_XDECREF(done);
    PyErr_SetRaisedException(exc);
    return result;
}

PyObject *
run_let_interrupt_in(module_state *state, PyObject *result)
{
    return state->host->raised ? raise_waiting(state, result) : result;
}

int
run_get_function(module_state *state, PyObject *callable,
                 cot_function **function, bool *is_among_args)
{
    if (cot_function_get(&state->codec, callable, function) < 0) {
        raise_not_shareable(state, "function not shareable");
        return -1;
    }
    *is_among_args = *function == NULL;
    if (!*is_among_args) {
        return 0;
    }
    PyObject *call = state_import(state, LAZY_CALL);
    return call ? cot_function_get(&state->codec, call, function) : -1;
}

static PyObject *
call_one(module_state *state, const cot_payload *call, PyObject *function)
{
    int was_called = 1;
    PyObject *result = call == NULL
                           ? PyObject_CallNoArgs(function)
                           : cot_decode_and_call(&state->codec, call, function,
                                                 &was_called);
    if (was_called) {
        state->host->stage = RUN_CALLED;
    }
    return result;
}

// The payload is one list of argument tuples; the result is one of results.
static PyObject *
call_many(module_state *state, const cot_payload *call, PyObject *function)
{
    PyObject *calls = cot_decode(&state->codec, call);
    PyObject *results = calls ? PyList_New(0) : NULL;
    state->host->stage = calls ? RUN_CALLED : RUN_LOADING_ARGUMENTS;
    Py_ssize_t len = results ? PyList_GET_SIZE(calls) : 0;
    for (Py_ssize_t i = 0; i < len; i++) {
        PyObject *result = PyObject_CallObject(function,
                                               PyList_GET_ITEM(calls, i));
        result = run_let_interrupt_in(state, result);
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

// What is called in the place of the function, which it steals.
static PyObject *
wrap(module_state *state, PyObject *function, const cot_payload *encoded)
{
    PyObject *make = state_import(state, LAZY_WRAP);
    PyObject *extras = make ? cot_decode(&state->codec, encoded) : NULL;
    PyObject *wrapped = extras ? PyObject_CallFunctionObjArgs(make, function,
                                                              extras, NULL)
                               : NULL;
    Py_XDECREF(extras);
    Py_DECREF(function);
    return wrapped;
}

PyObject *
run_call(module_state *state, cot_function *definition,
         const cot_payload *call, cot_call_kind kind,
         const cot_payload *extras)
{
    buffer_owner_reclaim(state->buffers);
    state->host->stage = RUN_LOADING_FUNCTION;
    PyObject *function = cot_function_load(&state->codec, definition);
    if (function != NULL && extras != NULL) {
        function = wrap(state, function, extras);
    }
    if (function == NULL || run_name_thread(state) < 0) {
        Py_XDECREF(function);
        return NULL;
    }
    state->host->stage = RUN_LOADING_ARGUMENTS;
    PyObject *result = NULL;
    switch (kind) {
        case COT_CALL_ONE:
            result = call_one(state, call, function);
            break;
        case COT_CALL_MANY:
            result = call_many(state, call, function);
            break;
        case COT_CALL_EACH:
            result = each_call(state, call, function);
            break;
        case COT_CALL_NOTE:
        case COT_CALL_WARNING:
            break;
    }
    Py_DECREF(function);
    return run_let_interrupt_in(state, result);
}

// ---- outcomes ------------------------------------------------------------

bool
run_is_stopped(const module_state *state)
{
    const run_host *host = state->host;
    return host->cancels && host->raised == state->interrupted
           && PyErr_ExceptionMatches(state->interrupted);
}

bool
run_can_be_decoded(module_state *state, const cot_payload *payload)
{
    PyObject *made = cot_decode(&state->codec, payload);
    Py_XDECREF(made);
    return made != NULL;
}

// The payload; the account itself in *made.  NULL with an exception set.
static cot_payload *
make_account(module_state *state, PyObject *exc, bool with, PyObject **made)
{
    PyObject *account_for = state_import(state, LAZY_ACCOUNT_FOR);
    Py_XSETREF(*made, account_for ? PyObject_CallFunction(account_for, "Oii",
                                                          exc, (int)with,
                                                          state->host->stage)
                                  : NULL);
    cot_payload *payload = *made ? cot_encode(&state->codec, *made) : NULL;
    if (with && payload != NULL && !run_can_be_decoded(state, payload)) {
        cot_payload_destroy(payload);
        payload = NULL;
    }
    return payload;
}

cot_payload *
run_account(module_state *state, PyObject **account)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *made = NULL;
    // First with the exception itself; without, if it cannot be sent.
    cot_payload *payload = make_account(state, exc, true, &made);
    if (payload == NULL && !run_is_stopped(state)) {
        PyErr_Clear();
        payload = make_account(state, exc, false, &made);
    }
    if (payload == NULL && !run_is_stopped(state)) {
        PyErr_NoMemory();
    }
    if (account != NULL && payload != NULL) {
        *account = Py_NewRef(made);
    }
    Py_XDECREF(made);
    Py_DECREF(exc);
    return payload;
}

static cot_outcome_kind
stopped_outcome(const module_state *state)
{
    return state->host->is_late ? COT_OUTCOME_LATE : COT_OUTCOME_STOPPED;
}

static cot_payload *
encode_result(module_state *state, cot_call_kind call_kind, PyObject *result)
{
    cot_payload *payload = call_kind == COT_CALL_EACH
                               ? each_encode(state, result)
                               : cot_encode(&state->codec, result);
    if (payload == NULL) {
        raise_not_shareable(state, "result not shareable");
    }
    return payload;
}

cot_outcome_kind
run_outcome(module_state *state, cot_call_kind call_kind, PyObject *result,
            cot_payload **outcome)
{
    if (result == Py_None) {
        return COT_OUTCOME_NONE;
    }
    if (result != NULL) {
        *outcome = encode_result(state, call_kind, result);
        if (*outcome != NULL) {
            return COT_OUTCOME_VALUE;
        }
    }
    // Nobody will read an account of what is stopped, be it while that is made.
    if (!run_is_stopped(state)) {
        *outcome = run_account(state, NULL);
        if (*outcome != NULL) {
            return COT_OUTCOME_RAISED;
        }
    }
    bool is_stopped = run_is_stopped(state);
    PyErr_Clear();
    return is_stopped ? stopped_outcome(state) : COT_OUTCOME_LOST;
}

// ---- interrupts ----------------------------------------------------------

void
run_interrupt(run_host *host, PyObject *type)
{
    Py_XSETREF(host->raised, type);
    PyThreadState_SetAsyncExc(host->ident, type);
    cot_parker_interrupt(host->parker);
    async_ring(host->state);
}

void
run_calm(run_host *host)
{
    if (host->raised != NULL) {
        Py_CLEAR(host->raised);
        host->is_late = false;
        cot_parker_calm(host->parker);
        PyThreadState_SetAsyncExc(host->ident, NULL);
        cot_compat_release_import_lock();
    }
}
