#include "types/each.h"

#include "port/clock.h"
#include "types/errors.h"
#include "types/run.h"

typedef struct {
    PyObject *callable;  // borrowed, as all of them
    PyObject *items;
    PyObject *results;
    PyObject *failures;
    int is_starred;
    int goes_on;
    int64_t deadline_ns;  // when what is left is given back
} each;

// Makes the exception now set the failure of the item with that index.
static int
add_failure(module_state *state, PyObject *failures, Py_ssize_t index)
{
    PyObject *account;
    cot_payload *payload = run_account(state, &account);
    if (payload == NULL) {
        return -1;
    }
    cot_payload_destroy(payload);
    PyObject *failure = Py_BuildValue("nN", index, account);
    int status = failure ? PyList_Append(failures, failure) : -1;
    Py_XDECREF(failure);
    return status;
}

// ---- the calls -----------------------------------------------------------

// 1: the call has failed, and is the last one.
static int
take_failure(module_state *state, const each *own, Py_ssize_t index)
{
    if (run_is_stopped(state)) {
        return -1;
    }
    bool goes_on = own->goes_on && PyErr_ExceptionMatches(PyExc_Exception);
    if (add_failure(state, own->failures, index) < 0) {
        return -1;
    }
    return goes_on ? PyList_Append(own->results, Py_None) : 1;
}

static int
call_with(module_state *state, const each *own, Py_ssize_t index)
{
    PyObject *item = PyList_GET_ITEM(own->items, index);
    PyObject *result = own->is_starred
                           ? PyObject_CallObject(own->callable, item)
                           : PyObject_CallOneArg(own->callable, item);
    result = run_let_interrupt_in(state, result);
    if (result == NULL) {
        return take_failure(state, own, index);
    }
    int status = PyList_Append(own->results, result);
    Py_DECREF(result);
    return status;
}

// The items that are left when time is up: a new list, or NULL with an exception
// set.
static PyObject *
call_with_all(module_state *state, const each *own)
{
    int status = 0;
    Py_ssize_t i = 0, len = PyList_GET_SIZE(own->items);
    while (i < len && status == 0) {
        status = call_with(state, own, i++);
        if (own->deadline_ns != COT_NEVER
            && cot_clock_ns() > own->deadline_ns) {
            break;
        }
    }
    return status < 0 ? NULL
                      : PyList_GetSlice(own->items, status ? len : i, len);
}

static PyObject *
answer(module_state *state, const each *own, int64_t begin_ns)
{
    PyObject *rest = call_with_all(state, own);
    if (rest == NULL) {
        return NULL;
    }
    long long taken_ns = cot_clock_ns() - begin_ns;
    return Py_BuildValue("LOON", taken_ns, own->results, own->failures, rest);
}

// The answer when the items cannot be made here: who sent them sends each by
// itself.
static PyObject *
refuse_all(module_state *state)
{
    if (run_is_stopped(state) || !PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    PyObject *failures = PyList_New(0);
    PyObject *result = NULL;
    if (failures != NULL && add_failure(state, failures, 0) == 0) {
        result = Py_BuildValue("i[]OO", 0, failures, Py_None);
    }
    Py_XDECREF(failures);
    return result;
}

PyObject *
each_call(module_state *state, const cot_payload *call, PyObject *function)
{
    each own;
    long long budget_ns;
    PyObject *result = NULL;
    int64_t begin_ns = cot_clock_ns();
    PyObject *request = cot_decode(&state->codec, call);
    if (request == NULL) {
        return refuse_all(state);
    }
    if (!PyArg_ParseTuple(request, "OO!ppL", &own.callable, &PyList_Type,
                          &own.items, &own.is_starred, &own.goes_on,
                          &budget_ns)) {
        Py_DECREF(request);
        return NULL;
    }
    state->host->stage = RUN_CALLED;
    own.deadline_ns = budget_ns > 0 ? begin_ns + budget_ns : COT_NEVER;
    if (own.callable == Py_None) {
        own.callable = function;
    }
    own.results = PyList_New(0);
    own.failures = PyList_New(0);
    if (own.results != NULL && own.failures != NULL) {
        result = answer(state, &own, begin_ns);
    }
    Py_XDECREF(own.results);
    Py_XDECREF(own.failures);
    Py_DECREF(request);
    return result;
}

// ---- what cannot be sent -------------------------------------------------

// Whether it can be sent by itself, and made again; if not, an exception is set.
static bool
can_be_sent(module_state *state, PyObject *result)
{
    cot_payload *payload = cot_encode(&state->codec, result);
    if (payload == NULL) {
        raise_not_shareable(state, "result not shareable");
        return false;
    }
    bool can = run_can_be_decoded(state, payload);
    cot_payload_destroy(payload);
    return can;
}

static int
give_up_if_unsendable(module_state *state, PyObject *results, Py_ssize_t index,
                      PyObject *failures)
{
    if (can_be_sent(state, PyList_GET_ITEM(results, index))) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)
        || add_failure(state, failures, index) < 0) {
        return -1;
    }
    return PyList_SetItem(results, index, Py_NewRef(Py_None));
}

static int
give_up_unsendable(module_state *state, PyObject *result)
{
    PyErr_Clear();
    PyObject *results = PyTuple_GET_ITEM(result, 1);
    PyObject *failures = PyTuple_GET_ITEM(result, 2);
    int status = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(results) && status == 0; i++) {
        status = give_up_if_unsendable(state, results, i, failures);
    }
    return status;
}

// Whether one result that cannot be made again would take others with it.  Only
// pickles hold what runs code of its own.
static bool
is_lost_with_one(module_state *state, PyObject *result,
                 const cot_payload *payload)
{
    PyObject *rest = PyTuple_GET_ITEM(result, 3);
    Py_ssize_t count = PyList_GET_SIZE(PyTuple_GET_ITEM(result, 1))
                       + (PyList_Check(rest) ? PyList_GET_SIZE(rest) : 0);
    return count > 1 && payload->format == COT_PICKLED
           && !run_can_be_decoded(state, payload);
}

cot_payload *
each_encode(module_state *state, PyObject *result)
{
    cot_payload *payload = cot_encode(&state->codec, result);
    if (payload != NULL && is_lost_with_one(state, result, payload)) {
        cot_payload_destroy(payload);
        payload = NULL;
    }
    if (payload == NULL && PyErr_ExceptionMatches(PyExc_Exception)
        && give_up_unsendable(state, result) == 0) {
        payload = cot_encode(&state->codec, result);
    }
    return payload;
}
