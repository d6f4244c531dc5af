#include "types/pool_type.h"

#include "compat/compat.h"
#include "port/memory.h"
#include "types/blocking.h"
#include "types/dispatcher.h"
#include "types/errors.h"
#include "types/future_type.h"
#include "types/interrupt.h"
#include "types/memory.h"
#include "types/run.h"
#include "types/worker.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    module_state *state;        // borrowed: the type keeps the module
    cot_pool *pool;             // shared: one reference; NULL until opened
    PyTypeObject *future_type;  // owned; NULL until opened
    cot_terms *terms;           // shared: one reference; NULL: the usual ones
    bool closes;                // the pool, when this object goes
    PyObject *weakrefs;
} PoolObject;

#define PoolObject_CAST(op) ((PoolObject *)(op))

// ---- life ----------------------------------------------------------------

static PoolObject *
allocate(PyTypeObject *type, module_state *state)
{
    PoolObject *self = (PoolObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = state;
    }
    return self;
}

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    module_state *state = state_of_type(type);
    return state ? (PyObject *)allocate(type, state) : NULL;
}

static int
pool_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(PoolObject_CAST(op)->future_type);
    return 0;
}

static int
pool_clear(PyObject *op)
{
    Py_CLEAR(PoolObject_CAST(op)->future_type);
    return 0;
}

static void
pool_dealloc(PyObject *op)
{
    PoolObject *self = PoolObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    if (self->pool != NULL && self->closes) {
        // As in the standard library: what was accepted is still done.
        cot_pool_close(self->pool);
    }
    cot_pool_unref(self->pool);
    cot_terms_unref(self->terms);
    (void)pool_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

// ---- opening -------------------------------------------------------------

// Fills the plan from (callable, *args) or None.
static int
plan_initializer(module_state *state, worker_plan *plan, PyObject *call)
{
    if (call == Py_None) {
        return 0;
    }
    PyObject *const *items = &PyTuple_GET_ITEM(call, 0);
    Py_ssize_t len = PyTuple_GET_SIZE(call);
    bool is_among_args;
    if (run_get_function(state, items[0], &plan->initializer, &is_among_args)
        < 0) {
        return -1;
    }
    if (!is_among_args) {
        items++;
        len--;
    }
    plan->initargs = cot_encode_call(&state->codec, items, len, NULL, NULL);
    return plan->initargs ? 0 : -1;
}

// 0 is 0, and anything longer at least something.
static int64_t
ns_from_seconds(double seconds)
{
    if (!(seconds > 0)) {
        return 0;
    }
    if (seconds >= 9e9) {  // 285 years
        return COT_NEVER;
    }
    int64_t ns = (int64_t)(seconds * 1e9);
    return ns > 0 ? ns : 1;
}

static worker_plan *
make_plan(module_state *state, PyObject *settings, PyObject *preparation,
          PyObject *initializer, PyObject *exit_grace)
{
    worker_plan *plan = cot_alloc_zeroed(sizeof(*plan));
    if (plan == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    plan->exit_grace = exit_grace == Py_None ? -1.0
                                             : PyFloat_AsDouble(exit_grace);
    if (PyErr_Occurred()) {
        worker_plan_destroy(plan);
        return NULL;
    }
    plan->settings = cot_encode(&state->codec, settings);
    if (preparation != Py_None) {
        plan->preparation = cot_encode_call(&state->codec, &preparation, 1,
                                            NULL, NULL);
    }
    if (plan->settings == NULL
        || (preparation != Py_None && plan->preparation == NULL)
        || plan_initializer(state, plan, initializer) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Exception)) {
            raise_not_shareable(state, "initializer not shareable");
        }
        worker_plan_destroy(plan);
        return NULL;
    }
    return plan;
}

PyDoc_STRVAR(
    open_doc,
    "_open($self, max_workers, name, future_type, settings,\n"
    "      preparation, initializer, exit_grace, stop_grace, max_pending,\n"
    "      max_tasks, idle, has_notes, /)\n--\n\n"
    "Make the pool.  settings: ([sys.path], [sys.argv]).\n"
    "preparation: for coterie._worker.prepare, or None.\n"
    "initializer: (callable, *args) or None.  stop_grace, max_pending,\n"
    "max_tasks and idle: 0 means without bound.");

static PyObject *
pool_open(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    unsigned int max_workers;
    const char *name;
    PyObject *future_type, *settings, *preparation, *initializer, *grace;
    double stop_grace, idle;
    Py_ssize_t max_pending;
    unsigned long long max_tasks;
    int has_notes;
    if (!PyArg_ParseTuple(args, "IsO!O!OOOdnKdp:_open", &max_workers, &name,
                          &PyType_Type, &future_type, &PyTuple_Type, &settings,
                          &preparation, &initializer, &grace, &stop_grace,
                          &max_pending, &max_tasks, &idle, &has_notes)) {
        return NULL;
    }
    if (self->pool != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the executor is open already");
        return NULL;
    }
    if (cot_compat_is_tracing_unsafe()) {
        PyErr_SetString(PyExc_RuntimeError, COT_TRACING_REFUSAL);
        return NULL;
    }
    if (has_notes && dispatcher_ensure(self->state) < 0) {
        return NULL;
    }
    worker_plan *plan = make_plan(self->state, settings, preparation,
                                  initializer, grace);
    if (plan == NULL) {
        return NULL;
    }
    plan->max_tasks = max_tasks;
    plan->idle_ns = ns_from_seconds(idle);
    self->pool = cot_pool_create(
        self->state->home, max_workers,
        &(cot_pool_config){
            .body = worker_run,
            .drop = worker_drop,
            .destroy = worker_plan_destroy,
            .context = plan,
            .remind = interrupt_remind,
            .report = interrupt_report_lost,
            .stack_size = COT_WORKER_STACK,
            .name = name,
            .max_pending = (size_t)max_pending,
            .stop_grace_ns = ns_from_seconds(stop_grace),
        });
    if (self->pool == NULL) {
        worker_plan_destroy(plan);
        return PyErr_NoMemory();
    }
    self->closes = true;
    self->future_type = (PyTypeObject *)Py_NewRef(future_type);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    set_terms_doc,
    "_set_terms($self, timeout, priority, extras, /)\n--\n\n"
    "On what terms calls are submitted from here.  timeout: seconds, or\n"
    "0.  extras: for coterie._tasks.wrap, or None.");

static PyObject *
pool_set_terms(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    module_state *state = self->state;
    double timeout;
    long long priority;
    PyObject *extras;
    if (!PyArg_ParseTuple(args, "dLO:_set_terms", &timeout, &priority,
                          &extras)) {
        return NULL;
    }
    if (timeout > 0) {
        cot_status status = cot_timer_start(cot_home_timer(state->home));
        if (status != COT_OK) {
            raise_status(state, status);
            return NULL;
        }
        // It says so if a worker is lost.
        if (dispatcher_ensure(state) < 0) {
            return NULL;
        }
    }
    cot_payload *encoded = NULL;
    if (extras != Py_None
        && (encoded = cot_encode(&state->codec, extras)) == NULL) {
        return raise_not_shareable(state, "options not shareable");
    }
    cot_terms *terms = cot_terms_create(ns_from_seconds(timeout), priority,
                                        encoded);
    if (terms == NULL) {
        cot_payload_destroy(encoded);
        return PyErr_NoMemory();
    }
    cot_terms_unref(self->terms);
    self->terms = terms;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(share_doc, "_share($self, other, future_type, /)\n--\n\n"
                        "Be a view of the other one's pool.");

static PyObject *
pool_share(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    PyObject *other, *future_type;
    if (!PyArg_ParseTuple(args, "O!O!:_share", self->state->pool_type, &other,
                          &PyType_Type, &future_type)) {
        return NULL;
    }
    if (self->pool != NULL || PoolObject_CAST(other)->pool == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "one has a pool, or none has");
        return NULL;
    }
    self->pool = PoolObject_CAST(other)->pool;
    cot_pool_ref(self->pool);
    self->future_type = (PyTypeObject *)Py_NewRef(future_type);
    Py_RETURN_NONE;
}

// ---- submitting ----------------------------------------------------------

static PyObject *
raise_refusal(PoolObject *self, cot_status status)
{
    char reason[1024];
    if (status != COT_SHUT_DOWN) {
        raise_status(self->state, status);
        return NULL;
    }
    if (cot_pool_why_broken(self->pool, reason, sizeof(reason))) {
        return raise_lazy(self->state, LAZY_BROKEN_POOL, "%s", reason);
    }
    PyErr_SetString(PyExc_RuntimeError,
                    self->state->is_leaving
                        ? "cannot schedule new futures after interpreter "
                          "shutdown"
                        : "cannot schedule new futures after shutdown");
    return NULL;
}

static int
check_initialised(PoolObject *self)
{
    if (self->pool == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this executor was not initialised: call "
                        "super().__init__() first");
        return -1;
    }
    return 0;
}

// -1 with an exception set if nothing can be submitted for sure: later refusals
// are the pool's.
static int
check_open(PoolObject *self)
{
    if (check_initialised(self) < 0) {
        return -1;
    }
    if (self->state->is_leaving) {
        // Nobody would join a worker that starts now.
        (void)raise_refusal(self, COT_SHUT_DOWN);
        return -1;
    }
    return 0;
}

// A future that fails with the exception now set: what cannot be sent is told
// by result(), as in the standard library, never by submit().
static PyObject *
fail_future(PoolObject *self)
{
    if (!PyErr_ExceptionMatches(self->state->not_shareable_error)) {
        return NULL;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (cot_pool_is_closed(self->pool)) {
        Py_DECREF(exc);
        return raise_refusal(self, COT_SHUT_DOWN);
    }
    return future_failed(self->state, self->future_type, exc);
}

static void
raise_args_not_shareable(module_state *state, PyObject *callable,
                         PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames, Py_ssize_t culprit)
{
    if (culprit < 0) {
        raise_not_shareable(state, "args not shareable");
        return;
    }
    PyObject *name = NULL, *which = NULL, *what = NULL;
    PyObject *reason = PyErr_GetRaisedException();
    name = PyObject_GetAttrString(callable, "__qualname__");
    if (name == NULL) {
        PyErr_Clear();
        name = PyObject_Repr(callable);
    }
    which = kwnames == NULL || culprit < nargs
                ? PyUnicode_FromFormat("%zd", culprit + 1)
                : PyObject_Repr(PyTuple_GET_ITEM(kwnames, culprit - nargs));
    if (name != NULL && which != NULL) {
        what = PyUnicode_FromFormat(
            "args not shareable: argument %U of %U() is a %s", which, name,
            Py_TYPE(args[culprit])->tp_name);
    }
    const char *text = what ? PyUnicode_AsUTF8(what) : NULL;
    PyErr_SetRaisedException(reason);
    raise_not_shareable(state, text ? text : "args not shareable");
    Py_XDECREF(name);
    Py_XDECREF(which);
    Py_XDECREF(what);
}

typedef struct {
    cot_pool *pool;
    cot_task *task;
} submission;

static bool
has_room(void *arg)
{
    return cot_pool_has_room(((submission *)arg)->pool);
}

static cot_status
attempt_submit(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    const submission *own = arg;
    return cot_pool_submit(own->pool, own->task, parker, deadline_ns);
}

static const blocking_op submit_op = {has_room, attempt_submit};

// Into the line, once there is room.  -1 with an exception set.
static int
stand_in_line(PoolObject *self, cot_task *task)
{
    submission own = {self->pool, task};
    cot_parker parker = {0};
    // Python code has run since check_open, and the exit may have begun.
    cot_status status = self->state->is_leaving
                            ? COT_SHUT_DOWN
                            : attempt_submit(&own, &parker, COT_NOW);
    if (status == COT_TIMED_OUT
        && cot_block(self->state, &submit_op, &own, COT_NEVER, &status) < 0) {
        return -1;
    }
    if (status != COT_OK) {
        (void)raise_refusal(self, status);
        return -1;
    }
    return 0;
}

// Adopts the payload and the reference to the function.
static PyObject *
enqueue(PoolObject *self, cot_function *function, cot_payload *call,
        cot_call_kind kind)
{
    module_state *state = self->state;
    cot_task *task = cot_task_create(&function->object, call, kind,
                                     cot_home_outbox(state->home));
    if (task == NULL) {
        cot_object_unref(&function->object);
        cot_payload_destroy(call);
        return PyErr_NoMemory();
    }
    task->terms = cot_terms_ref(self->terms);
    // The future first: once in line the task cannot be taken back.
    cot_task_ref(task);
    PyObject *future = future_for_task(state, self->future_type, task);
    if (future != NULL && stand_in_line(self, task) < 0) {
        Py_CLEAR(future);
    }
    cot_task_unref(task);
    return future;
}

// Source, to be executed in the worker's __main__.
static PyObject *
submit_source(PoolObject *self, PyObject *source, bool has_args)
{
    module_state *state = self->state;
    cot_function *function;
    bool is_among_args;
    PyObject *run = state_import(state, LAZY_RUN_SOURCE);
    if (has_args) {
        PyErr_SetString(PyExc_ValueError,
                        "a script does not take args or kwargs");
        return NULL;
    }
    if (run == NULL
        || run_get_function(state, run, &function, &is_among_args) < 0) {
        return NULL;
    }
    cot_payload *call = cot_encode_call(&state->codec, &source, 1, NULL, NULL);
    if (call == NULL) {
        cot_object_unref(&function->object);
        raise_not_shareable(state, "script not shareable");
        return fail_future(self);
    }
    return enqueue(self, function, call, COT_CALL_ONE);
}

PyDoc_STRVAR(
    submit_doc,
    "submit($self, fn, /, *args, **kwargs)\n--\n\n"
    "Call fn(*args, **kwargs) in a worker; the Future of the call.\n\n"
    "fn may be any function, or a str of source that is executed in the\n"
    "worker's __main__.  Never raises for what cannot be sent: the\n"
    "future then holds a NotShareableError.  Raises RuntimeError after\n"
    "shutdown(), and BrokenInterpreterPool when the workers cannot start.");

static PyObject *
pool_submit(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    PoolObject *self = PoolObject_CAST(op);
    module_state *state = self->state;
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError,
                        "submit() missing 1 required positional argument: "
                        "'fn'");
        return NULL;
    }
    cot_function *function;
    bool is_among_args;
    if (check_open(self) < 0) {
        return NULL;
    }
    if (PyUnicode_CheckExact(args[0])) {
        return submit_source(self, args[0], nargs > 1 || kwnames != NULL);
    }
    if (run_get_function(state, args[0], &function, &is_among_args) < 0) {
        return fail_future(self);
    }
    PyObject *const *call_args = is_among_args ? args : args + 1;
    Py_ssize_t call_nargs = is_among_args ? nargs : nargs - 1;
    cot_payload *call = NULL;
    if (call_nargs > 0 || kwnames != NULL) {
        Py_ssize_t culprit = 0;
        call = cot_encode_call(&state->codec, call_args, call_nargs, kwnames,
                               &culprit);
        if (call == NULL) {
            cot_object_unref(&function->object);
            raise_args_not_shareable(state, args[0], call_args, call_nargs,
                                     kwnames, culprit);
            return fail_future(self);
        }
    }
    return enqueue(self, function, call, COT_CALL_ONE);
}

PyDoc_STRVAR(submit_many_doc,
             "_submit_many($self, fn, calls, /)\n--\n\n"
             "One task that calls fn(*args) for each args of the list; the\n"
             "Future of the list of results.");

static PyObject *
pool_submit_many(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    PyObject *callable, *calls;
    if (!PyArg_ParseTuple(args, "OO!:_submit_many", &callable, &PyList_Type,
                          &calls)
        || check_open(self) < 0) {
        return NULL;
    }
    cot_function *function;
    bool is_among_args;
    if (run_get_function(self->state, callable, &function, &is_among_args)
        < 0) {
        return fail_future(self);
    }
    if (is_among_args) {
        cot_object_unref(&function->object);
        PyErr_SetString(PyExc_TypeError,
                        "_submit_many() needs a function or a class");
        return NULL;
    }
    cot_payload *call = cot_encode(&self->state->codec, calls);
    if (call == NULL) {
        cot_object_unref(&function->object);
        raise_not_shareable(self->state, "args not shareable");
        return fail_future(self);
    }
    return enqueue(self, function, call, COT_CALL_MANY);
}

// The payload of a request to each_call; `callable` None if it is referenced.
static cot_payload *
encode_request(module_state *state, PyObject *callable, PyObject *items,
               int is_starred, int goes_on, long long budget_ns)
{
    PyObject *request = Py_BuildValue("OOOOL", callable, items,
                                      is_starred ? Py_True : Py_False,
                                      goes_on ? Py_True : Py_False, budget_ns);
    cot_payload *payload = request ? cot_encode(&state->codec, request) : NULL;
    Py_XDECREF(request);
    return payload;
}

// With the exception now set for one that says why not, if so.
static bool
can_encode(module_state *state, PyObject *obj)
{
    PyObject *reason = PyErr_GetRaisedException();
    cot_payload *payload = cot_encode(&state->codec, obj);
    if (payload == NULL) {
        Py_DECREF(reason);
        return false;
    }
    cot_payload_destroy(payload);
    PyErr_SetRaisedException(reason);
    return true;
}

// The only item cannot be sent: says which argument it is.
static void
raise_item_not_shareable(module_state *state, PyObject *callable,
                         PyObject *item, int is_starred)
{
    PyObject *const *args = &item;
    Py_ssize_t nargs = 1, culprit = -1;
    PyObject *reason = PyErr_GetRaisedException();
    if (is_starred && PyTuple_CheckExact(item)) {
        args = &PyTuple_GET_ITEM(item, 0);
        nargs = PyTuple_GET_SIZE(item);
    }
    cot_payload *payload = cot_encode_call(&state->codec, args, nargs, NULL,
                                           &culprit);
    if (payload != NULL) {
        // So it was the callable, or it can be sent by now.
        cot_payload_destroy(payload);
        PyErr_SetRaisedException(reason);
        culprit = -1;
    }
    else {
        Py_DECREF(reason);
    }
    raise_args_not_shareable(state, callable, args, nargs, NULL, culprit);
}

PyDoc_STRVAR(
    submit_each_doc,
    "_submit_each($self, fn, items, is_starred, goes_on, budget, /)\n"
    "--\n\n"
    "One task that calls fn(item), or fn(*item), for each of the list;\n"
    "the Future of (nanoseconds, results, [(index, account)], rest),\n"
    "see types/each.h.  Raises if fn cannot be sent, or one of several\n"
    "items; a single one fails its future.");

static PyObject *
pool_submit_each(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    module_state *state = self->state;
    PyObject *callable, *items;
    int is_starred, goes_on;
    long long budget_ns;
    if (!PyArg_ParseTuple(args, "OO!ppL:_submit_each", &callable, &PyList_Type,
                          &items, &is_starred, &goes_on, &budget_ns)
        || check_open(self) < 0) {
        return NULL;
    }
    cot_function *function;
    bool is_among_args;
    if (run_get_function(state, callable, &function, &is_among_args) < 0) {
        return NULL;
    }
    cot_payload *call = encode_request(state,
                                       is_among_args ? callable : Py_None,
                                       items, is_starred, goes_on, budget_ns);
    if (call != NULL) {
        return enqueue(self, function, call, COT_CALL_EACH);
    }
    cot_object_unref(&function->object);
    if (PyList_GET_SIZE(items) != 1) {
        return raise_not_shareable(state, "args not shareable");
    }
    if (is_among_args && !can_encode(state, callable)) {
        return raise_not_shareable(state, "function not shareable");
    }
    raise_item_not_shareable(state, callable, PyList_GET_ITEM(items, 0),
                             is_starred);
    return fail_future(self);
}

PyDoc_STRVAR(can_reference_doc,
             "_can_reference($self, fn, /)\n--\n\n"
             "Whether fn is sent once and remembered, not with every call.");

static PyObject *
pool_can_reference(PyObject *op, PyObject *callable)
{
    cot_function *function;
    bool is_among_args;
    if (run_get_function(PoolObject_CAST(op)->state, callable, &function,
                         &is_among_args)
        < 0) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    cot_object_unref(&function->object);
    return PyBool_FromLong(!is_among_args);
}

// ---- the end -------------------------------------------------------------

static PyObject *
pool_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (PoolObject_CAST(op)->pool != NULL) {
        cot_pool_close(PoolObject_CAST(op)->pool);
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_cancel_pending(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PoolObject *self = PoolObject_CAST(op);
    if (self->pool != NULL) {
        cot_pool_cancel_pending(self->pool);
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_interrupt(PyObject *op, PyObject *again)
{
    PoolObject *self = PoolObject_CAST(op);
    if (self->pool == NULL) {
        Py_RETURN_NONE;
    }
    // What was told to stop gets no grace when the program ends.
    worker_plan *plan = cot_pool_context(self->pool);
    plan->exit_grace = 0;
    cot_status status = interrupt_running(self->pool, Py_IsTrue(again), false);
    if (status != COT_OK) {
        raise_status(self->state, status);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_stop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PoolObject *self = PoolObject_CAST(op);
    if (self->pool == NULL) {
        Py_RETURN_NONE;
    }
    cot_status status = cot_timer_start(cot_home_timer(self->state->home));
    if (status == COT_OK) {
        if (dispatcher_ensure(self->state) < 0) {
            return NULL;
        }
        status = interrupt_running(self->pool, false, true);
    }
    if (status != COT_OK) {
        raise_status(self->state, status);
        return NULL;
    }
    Py_RETURN_NONE;
}

typedef struct {
    cot_pool *pool;
    bool with_lost;
} joining;

static bool
has_no_workers(void *arg)
{
    return cot_pool_workers(((joining *)arg)->pool) == 0;
}

static cot_status
attempt_join(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    const joining *own = arg;
    return cot_pool_join(own->pool, parker, deadline_ns, own->with_lost);
}

static const blocking_op join_op = {has_no_workers, attempt_join,
                                    "Executor.shutdown"};

static PyObject *
pool_join(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    PyObject *timeout;
    int with_lost;
    int64_t deadline_ns;
    cot_status status = COT_OK;
    if (!PyArg_ParseTuple(args, "Op:_join", &timeout, &with_lost)) {
        return NULL;
    }
    joining own = {self->pool, with_lost != 0};
    if (deadline_from_timeout(timeout, true, &deadline_ns) < 0
        || (self->pool != NULL
            && cot_block(self->state, &join_op, &own, deadline_ns, &status)
                   < 0)) {
        return NULL;
    }
    return PyBool_FromLong(status == COT_OK);
}

// ---- statistics ----------------------------------------------------------

typedef struct {
    uint32_t number;
    int64_t interpreter_id;
    bool is_busy;
    bool is_lost;
    uint64_t tasks;
    int64_t busy_ns;
    char *last_error;  // owned
} worker_facts;

typedef struct {
    size_t len;
    size_t size;
    worker_facts *facts;  // owned
    int64_t now_ns;
} survey;

static char *
copy_text(const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? cot_alloc(size) : NULL;
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

static void
note_facts(cot_worker *worker, void *arg)
{
    survey *own = arg;
    if (own->len == own->size) {
        return;  // it came meanwhile
    }
    int64_t idle_ns = atomic_load_explicit(&worker->idle_ns,
                                           memory_order_relaxed);
    int64_t since_ns = atomic_load_explicit(&worker->idle_since_ns,
                                            memory_order_relaxed);
    if (since_ns != 0 && since_ns < own->now_ns) {
        idle_ns += own->now_ns - since_ns;
    }
    int64_t ready_ns = worker->ready_ns ? own->now_ns - worker->ready_ns : 0;
    own->facts[own->len++] = (worker_facts){
        .number = worker->number,
        .interpreter_id = worker->interpreter_id,
        .is_busy = worker->is_busy,
        .is_lost = worker->place == COT_WORKER_LOST,
        .tasks = worker->tasks,
        .busy_ns = ready_ns > idle_ns ? ready_ns - idle_ns : 0,
        .last_error = copy_text(worker->last_error),
    };
}

static PyObject *
list_facts(const survey *own)
{
    PyObject *list = PyList_New((Py_ssize_t)own->len);
    for (size_t i = 0; i < own->len && list != NULL; i++) {
        const worker_facts *facts = &own->facts[i];
        PyObject *row = Py_BuildValue(
            "ILOOKLzL", facts->number, (long long)facts->interpreter_id,
            facts->is_busy ? Py_True : Py_False,
            facts->is_lost ? Py_True : Py_False,
            (unsigned long long)facts->tasks, (long long)facts->busy_ns,
            facts->last_error, (long long)memory_of(facts->interpreter_id));
        if (row == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, row);
    }
    return list;
}

static PyObject *
pool_stats(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PoolObject *self = PoolObject_CAST(op);
    if (check_initialised(self) < 0) {
        return NULL;
    }
    cot_pool_counts counts = cot_pool_count(self->pool);
    survey own = {.size = (size_t)counts.serving + counts.lost,
                  .now_ns = cot_clock_ns()};
    own.facts = cot_alloc(own.size * sizeof(*own.facts));
    if (own.facts == NULL) {
        return PyErr_NoMemory();
    }
    cot_pool_each_worker(self->pool, note_facts, &own);
    PyObject *list = list_facts(&own);
    for (size_t i = 0; i < own.len; i++) {
        cot_free(own.facts[i].last_error);
    }
    cot_free(own.facts);
    if (list == NULL) {
        return NULL;
    }
    return Py_BuildValue("IIIKKnN", counts.started, counts.serving,
                         counts.lost, (unsigned long long)counts.lost_ever,
                         (unsigned long long)counts.tasks,
                         (Py_ssize_t)counts.pending, list);
}

static PyObject *
pool_settle(PyObject *op, PyObject *timeout)
{
    int64_t deadline_ns;
    if (deadline_from_timeout(timeout, true, &deadline_ns) < 0) {
        return NULL;
    }
    int done = dispatcher_settle(PoolObject_CAST(op)->state, deadline_ns);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
pool_get_workers(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    return PyLong_FromUnsignedLong(pool ? cot_pool_workers(pool) : 0);
}

// As of the standard library's pools: False, or why it takes no more calls.
static PyObject *
pool_get_broken(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    char reason[1024];
    if (pool == NULL || !cot_pool_why_broken(pool, reason, sizeof(reason))) {
        Py_RETURN_FALSE;
    }
    return PyUnicode_DecodeUTF8(reason, (Py_ssize_t)strlen(reason), "replace");
}

static PyObject *
pool_get_shutdown(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    return PyBool_FromLong(pool != NULL && cot_pool_is_closed(pool));
}

static PyObject *
pool_get_pending(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    return PyLong_FromSize_t(pool ? cot_pool_pending(pool) : 0);
}

static PyObject *
pool_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    return PyUnicode_FromString(pool ? cot_pool_name(pool) : "");
}

// How long the exit waits for this pool's work, in seconds; None: as long as
// it takes.
static PyObject *
pool_get_exit_grace(PyObject *op, void *Py_UNUSED(closure))
{
    cot_pool *pool = PoolObject_CAST(op)->pool;
    const worker_plan *plan = pool ? cot_pool_context(pool) : NULL;
    if (plan == NULL || plan->exit_grace < 0) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(plan->exit_grace);
}

static PyMethodDef pool_methods[] = {
    {"submit", (PyCFunction)(void (*)(void))pool_submit,
     METH_FASTCALL | METH_KEYWORDS, submit_doc},
    {"_open", pool_open, METH_VARARGS, open_doc},
    {"_submit_many", pool_submit_many, METH_VARARGS, submit_many_doc},
    {"_submit_each", pool_submit_each, METH_VARARGS, submit_each_doc},
    {"_can_reference", pool_can_reference, METH_O, can_reference_doc},
    {"_close", pool_close, METH_NOARGS,
     PyDoc_STR("_close($self, /)\n--\n\nNo more tasks.")},
    {"_cancel_pending", pool_cancel_pending, METH_NOARGS,
     PyDoc_STR("_cancel_pending($self, /)\n--\n\n"
               "Close, and cancel what has not begun.")},
    {"_interrupt", pool_interrupt, METH_O,
     PyDoc_STR("_interrupt($self, again, /)\n--\n\n"
               "Raise Interrupted in what runs now, without waiting; in what\n"
               "was interrupted before only again.")},
    {"_settle", pool_settle, METH_O,
     PyDoc_STR("_settle($self, timeout, /)\n--\n\n"
               "Wait until callbacks and notes that are due were delivered;\n"
               "False if that takes longer.")},
    {"_set_terms", pool_set_terms, METH_VARARGS, set_terms_doc},
    {"_share", pool_share, METH_VARARGS, share_doc},
    {"_stats", pool_stats, METH_NOARGS,
     PyDoc_STR("_stats($self, /)\n--\n\n"
               "(started, serving, lost now, lost ever, tasks, pending), and\n"
               "for each worker (number, interpreter's id, is busy, is lost,\n"
               "tasks, busy nanoseconds, last error, bytes of memory).")},
    {"_stop", pool_stop, METH_NOARGS,
     PyDoc_STR(
         "_stop($self, /)\n--\n\n"
         "Raise Interrupted in what runs now, without waiting; a worker\n"
         "that does not heed it is given up.")},
    {"_join", pool_join, METH_VARARGS,
     PyDoc_STR("_join($self, timeout, with_lost, /)\n--\n\n"
               "Wait until no worker is left: whether that is so.")},
    {NULL},
};

static PyGetSetDef pool_getset[] = {
    {"_worker_count", pool_get_workers, NULL, NULL},
    {"_broken", pool_get_broken, NULL, NULL},
    {"_shutdown", pool_get_shutdown, NULL, NULL},
    {"_pending_count", pool_get_pending, NULL, NULL},
    {"_name", pool_get_name, NULL, NULL},
    {"_exit_grace", pool_get_exit_grace, NULL, NULL},
    {NULL},
};

static PyMemberDef pool_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(PoolObject, weakrefs),
     Py_READONLY},
    {NULL},
};

PyDoc_STRVAR(pool_doc, "The base of coterie.Executor: a pool of workers.");

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)pool_doc},
    {Py_tp_new, pool_new},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_clear, pool_clear},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {Py_tp_members, pool_members},
    {Py_tp_getset, pool_getset},
    {0, NULL},
};

PyType_Spec cot_pool_spec = {
    .name = "coterie._core.Pool",
    .basicsize = sizeof(PoolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

// ---- all of them ---------------------------------------------------------

typedef struct {
    cot_pool **pools;
    size_t len, capacity;
} pool_set;

static void
note_pool(cot_worker_link *link, void *arg)
{
    pool_set *set = arg;
    cot_worker *worker = (cot_worker *)((char *)link
                                        - offsetof(cot_worker, link));
    for (size_t i = 0; i < set->len; i++) {
        if (set->pools[i] == worker->pool) {
            return;
        }
    }
    if (set->len < set->capacity) {
        cot_pool_ref(worker->pool);
        set->pools[set->len++] = worker->pool;
    }
}

PyObject *
pool_list(module_state *state)
{
    pool_set set = {.capacity = cot_home_count(state->home)};
    set.pools = cot_alloc(set.capacity * sizeof(*set.pools));
    PyObject *list = set.pools ? PyList_New(0) : PyErr_NoMemory();
    if (list != NULL) {
        cot_home_each_worker(state->home, note_pool, &set);
    }
    for (size_t i = 0; i < set.len; i++) {
        PoolObject *handle = list ? allocate(state->pool_type, state) : NULL;
        if (handle == NULL) {
            cot_pool_unref(set.pools[i]);
            Py_CLEAR(list);
            continue;
        }
        handle->pool = set.pools[i];
        if (PyList_Append(list, (PyObject *)handle) < 0) {
            Py_CLEAR(list);
        }
        Py_DECREF(handle);
    }
    cot_free(set.pools);
    return list;
}
