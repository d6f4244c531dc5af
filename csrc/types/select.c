#include "types/select.h"

#include "types/errors.h"
#include "types/selection.h"

static bool
is_any_ready(void *arg)
{
    const selection *own = arg;
    for (size_t i = 0; i < own->len; i++) {
        if (own->turns[i].how->op->is_ready(own->turns[i].arg)) {
            return true;
        }
    }
    return false;
}

static cot_status
attempt_any(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    selection *own = arg;
    return cot_choice_wait(&own->choice, parker, deadline_ns);
}

static const blocking_op select_op = {is_any_ready, attempt_any,
                                      "coterie.select"};

typedef struct {
    PyObject *timeout;        // lent, or NULL
    PyObject *default_value;  // lent, or NULL
} options;

static int
parse_options(PyObject *const *values, PyObject *kwnames, options *parsed)
{
    Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_EqualToUTF8(name, "timeout")) {
            parsed->timeout = values[i];
        }
        else if (PyUnicode_EqualToUTF8(name, "default")) {
            parsed->default_value = values[i];
        }
        else {
            PyErr_Format(PyExc_TypeError,
                         "select() got an unexpected keyword argument '%U'",
                         name);
            return -1;
        }
    }
    return 0;
}

// With a default and no timeout it does not wait, as Go's.
static int
get_deadline(const options *given, Py_ssize_t cases, int64_t *deadline_ns)
{
    bool is_bounded = given->timeout != NULL && given->timeout != Py_None;
    if (cases == 0 && !is_bounded && given->default_value == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "select() needs a case, a timeout or a default: it "
                        "would wait for ever");
        return -1;
    }
    if (given->default_value != NULL && !is_bounded) {
        *deadline_ns = COT_NOW;
        return 0;
    }
    return deadline_from_timeout(given->timeout, false, deadline_ns);
}

static int
begin_all(selection *own, module_state *state, PyObject *const *cases,
          Py_ssize_t count)
{
    if (selection_open(own, (size_t)count) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (selection_add_case(own, state, cases[i], owner_here(state)) < 0) {
            selection_drop(own);
            selection_close(own);
            return -1;
        }
    }
    selection_ready(own, NULL);
    return 0;
}

static PyObject *
answer(selection *own, PyObject *const *cases)
{
    PyObject *written = cases[own->choice.decided];
    PyObject *value = selection_finish(own, written);
    return value ? Py_BuildValue("ON", written, value) : NULL;
}

// Of one that has begun.
static PyObject *
wait_for_one(module_state *state, selection *own, PyObject *const *cases,
             int64_t deadline_ns, PyObject *default_value)
{
    cot_status status;
    int failed = cot_block(state, &select_op, own, deadline_ns, &status);
    if (!failed && status == COT_OK) {
        return answer(own, cases);
    }
    selection_drop(own);
    if (failed) {
        return NULL;
    }
    if (default_value != NULL && status == COT_TIMED_OUT) {
        return PyTuple_Pack(2, Py_None, default_value);
    }
    raise_status(state, status);
    return NULL;
}

const char select_doc[] = PyDoc_STR(
    "select($module, /, *cases, timeout=None, default=<none>)\n--\n\n"
    "Wait for the first of several things, do it, and tell which.\n\n"
    "A case is what to receive from (a queue, a receiving end), what to\n"
    "acquire (a Lock, RLock, Semaphore) or to wait for (an Event, a Future,\n"
    "an interpreter that was started), or a tuple (where, value) of a queue\n"
    "or sending end and what to put there.\n\n"
    "Exactly one is done: (case, value), with what the case's own method\n"
    "returns.  What that raises is raised; an exception of coterie's has\n"
    "the case as its attribute `case`.  Among several that could be done at\n"
    "once chance decides.\n\n"
    "Raises TimeoutError if none can be done in time (seconds).  With a\n"
    "default it returns (None, default) instead, and without a timeout it\n"
    "does not wait then.");

PyObject *
select_cases(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    options given = {0};
    int64_t deadline_ns;
    selection own;
    if (parse_options(args + nargs, kwnames, &given) < 0
        || get_deadline(&given, nargs, &deadline_ns) < 0
        || begin_all(&own, state, args, nargs) < 0) {
        return NULL;
    }
    PyObject *answered = wait_for_one(state, &own, args, deadline_ns,
                                      given.default_value);
    selection_close(&own);
    return answered;
}
