#include "types/future_type.h"

#include "port/memory.h"
#include "types/blocking.h"
#include "types/dispatcher.h"
#include "types/errors.h"
#include "types/interrupt.h"
#include "types/waitable.h"

#include <stdio.h>
#include <string.h>

// Who hears of the end.  Few futures have one, and a million that wait shall be
// small.
typedef struct {
    PyObject *condition;  // owned, or NULL
    PyObject *waiters;    // owned list; likewise
    PyObject *callbacks;  // owned list; likewise
} audience;

typedef struct {
    PyObject_HEAD
    module_state *state;  // borrowed: the type keeps the module
    cot_task *task;       // shared: one reference; NULL: failed from the start
    PyObject *result;     // owned; decoded from the outcome, or NULL
    PyObject *exception;  // owned; likewise
    audience *listeners;  // owned; NULL until there are some
    uint32_t nbytes;      // of the arguments; once decoded, of the outcome
    bool is_decoded;      // result or exception holds what came of it
    bool is_published;    // watched, and everybody has been told
} FutureObject;

#define FutureObject_CAST(op) ((FutureObject *)(op))

// ---- life ----------------------------------------------------------------

static FutureObject *
allocate(module_state *state, PyTypeObject *type)
{
    FutureObject *self = (FutureObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = state;
    }
    return self;
}

// More than the number holds is as good as what it holds.
static uint32_t
size_of(const cot_payload *payload)
{
    size_t len = payload ? payload->len : 0;
    return len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
}

PyObject *
future_for_task(module_state *state, PyTypeObject *type, cot_task *task)
{
    FutureObject *self = allocate(state, type);
    if (self == NULL) {
        cot_task_unref(task);
        return NULL;
    }
    self->task = task;
    self->nbytes = size_of(task->call);
    return (PyObject *)self;
}

PyObject *
future_failed(module_state *state, PyTypeObject *type, PyObject *exception)
{
    FutureObject *self = allocate(state, type);
    if (self == NULL) {
        Py_DECREF(exception);
        return NULL;
    }
    self->exception = exception;
    self->is_decoded = self->is_published = true;
    return (PyObject *)self;
}

static PyObject *
future_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyErr_Format(PyExc_TypeError,
                 "cannot create '%s' instances: Executor.submit() does",
                 type->tp_name);
    return NULL;
}

static int
future_traverse(PyObject *op, visitproc visit, void *arg)
{
    FutureObject *self = FutureObject_CAST(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->result);
    Py_VISIT(self->exception);
    if (self->listeners != NULL) {
        Py_VISIT(self->listeners->condition);
        Py_VISIT(self->listeners->waiters);
        Py_VISIT(self->listeners->callbacks);
    }
    return 0;
}

static int
future_clear(PyObject *op)
{
    FutureObject *self = FutureObject_CAST(op);
    Py_CLEAR(self->result);
    Py_CLEAR(self->exception);
    if (self->listeners != NULL) {
        Py_CLEAR(self->listeners->condition);
        Py_CLEAR(self->listeners->waiters);
        Py_CLEAR(self->listeners->callbacks);
    }
    return 0;
}

static void
future_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)future_clear(op);
    cot_free(FutureObject_CAST(op)->listeners);
    cot_task_unref(FutureObject_CAST(op)->task);
    type->tp_free(op);
    Py_DECREF(type);
}

// Lent; NULL with an exception set.
static audience *
get_listeners(FutureObject *self)
{
    if (self->listeners == NULL) {
        self->listeners = cot_alloc_zeroed(sizeof(*self->listeners));
        if (self->listeners == NULL) {
            PyErr_NoMemory();
        }
    }
    return self->listeners;
}

// A new reference to one of its lists; NULL with an exception set.
static PyObject *
get_list(PyObject **list)
{
    if (*list == NULL) {
        *list = PyList_New(0);
    }
    return Py_XNewRef(*list);
}

// ---- state ---------------------------------------------------------------

// A task that an interrupt ended counts as cancelled.
static bool
is_cancelled(const FutureObject *self)
{
    if (self->task == NULL) {
        return false;
    }
    switch (cot_task_get_state(self->task)) {
        case COT_TASK_PENDING:
        case COT_TASK_RUNNING:
            return false;
        case COT_TASK_CANCELLED:
            return true;
        case COT_TASK_FINISHED:
            return self->task->outcome_kind == COT_OUTCOME_STOPPED;
    }
    return false;
}

static bool
is_done(const FutureObject *self)
{
    return self->task == NULL || cot_task_is_done(self->task);
}

// concurrent.futures' words.  What is watched stays running until published.
static const char *
published_state(const FutureObject *self)
{
    if (is_done(self)
        && (self->is_published || !cot_task_is_watched(self->task))) {
        return is_cancelled(self) ? "CANCELLED_AND_NOTIFIED" : "FINISHED";
    }
    return cot_task_get_state(self->task) == COT_TASK_PENDING ? "PENDING"
                                                              : "RUNNING";
}

// Watches the task, so that its end will be published.  False: it has ended
// unwatched, and the future is published by that.
static int
watch(FutureObject *self, bool *is_watched)
{
    *is_watched = false;
    if (self->is_published) {
        return 0;
    }
    bool was_watched = cot_task_is_watched(self->task);
    if (!was_watched && cot_task_is_done(self->task)) {
        self->is_published = true;
        return 0;
    }
    if (!was_watched && dispatcher_ensure(self->state) < 0) {
        return -1;
    }
    if (!was_watched) {
        // Before the watch: from then on the dispatcher may look for it.
        self->task->asker = self;
    }
    if (!cot_task_watch(self->task)) {
        self->is_published = true;
        return 0;
    }
    if (!was_watched) {
        Py_INCREF(self);  // the dispatcher's, or cancel's, to give back
    }
    *is_watched = true;
    return 0;
}

static void
call_method(FutureObject *self, const char *name)
{
    PyObject *done = PyObject_CallMethod((PyObject *)self, name, NULL);
    if (done == NULL) {
        PyErr_FormatUnraisable("Exception ignored in the callbacks of %R",
                               self);
    }
    Py_XDECREF(done);
}

void
future_publish(const cot_task *task)
{
    call_method(task->asker, "_deliver");
}

bool
future_has_callbacks(const cot_task *task)
{
    const FutureObject *self = task->asker;
    return self->listeners != NULL && self->listeners->callbacks != NULL;
}

void
future_call_back(cot_task *task)
{
    FutureObject *self = task->asker;
    if (future_has_callbacks(task)) {
        call_method(self, "_call_back");
    }
    cot_task_unref(task);
    Py_DECREF(self);
}

// ---- outcome -------------------------------------------------------------

static PyObject *
lost_exception(FutureObject *self)
{
    static const char no_text[] = "no memory was left to tell what was raised";
    PyObject *cls = state_import(self->state, LAZY_BROKEN_POOL);
    const cot_payload *text = self->task->outcome;
    if (cls == NULL) {
        return NULL;
    }
    PyObject *reason = PyUnicode_DecodeUTF8(
        text ? (const char *)text->bytes : no_text,
        text ? (Py_ssize_t)text->len : (Py_ssize_t)strlen(no_text), "replace");
    PyObject *exc = reason ? PyObject_CallOneArg(cls, reason) : NULL;
    Py_XDECREF(reason);
    return exc;
}

static PyObject *
late_exception(const cot_task *task)
{
    char text[80];
    snprintf(text, sizeof(text),
             "the call ran longer than its timeout of %g seconds",
             (double)task->terms->timeout_ns / 1e9);
    return PyObject_CallFunction(PyExc_TimeoutError, "s", text);
}

static PyObject *
raised_exception(FutureObject *self)
{
    PyObject *rebuild = state_import(self->state, LAZY_REBUILD);
    if (rebuild == NULL) {
        return NULL;
    }
    PyObject *account = cot_decode(&self->state->codec, self->task->outcome);
    if (account == NULL) {
        return PyErr_GetRaisedException();
    }
    PyObject *exc = PyObject_CallOneArg(rebuild, account);
    Py_DECREF(account);
    return exc;
}

// Decodes the outcome, once, and lets go of its payload.
static int
decode_outcome(FutureObject *self)
{
    cot_task *task = self->task;
    switch ((cot_outcome_kind)task->outcome_kind) {
        case COT_OUTCOME_NONE:
            self->result = Py_NewRef(Py_None);
            break;
        case COT_OUTCOME_VALUE:
            self->result = cot_decode(&self->state->codec, task->outcome);
            if (self->result == NULL
                && PyErr_ExceptionMatches(PyExc_Exception)) {
                self->exception = PyErr_GetRaisedException();
            }
            break;
        case COT_OUTCOME_RAISED:
            self->exception = raised_exception(self);
            break;
        case COT_OUTCOME_LOST:
            self->exception = lost_exception(self);
            break;
        case COT_OUTCOME_LATE:
            self->exception = late_exception(task);
            break;
        case COT_OUTCOME_STOPPED:
            break;
    }
    if (self->result == NULL && self->exception == NULL) {
        return -1;
    }
    self->is_decoded = true;
    self->nbytes = size_of(task->outcome);
    cot_payload_destroy(task->outcome);
    task->outcome = NULL;
    return 0;
}

static bool
is_task_done(void *arg)
{
    return cot_task_is_done(arg);
}

static cot_status
attempt_task(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_task_wait(arg, parker, deadline_ns);
}

static const void *
task_of(void *arg)
{
    return arg;
}

static const blocking_op task_op = {is_task_done, attempt_task,
                                    "Future.result", NULL, task_of};

// Of a task that is done.
static int
settle(FutureObject *self)
{
    if (is_cancelled(self)) {
        raise_lazy(self->state, LAZY_CANCELLED_ERROR, NULL);
        return -1;
    }
    // Another thread may have decoded while this one waited.
    return self->is_decoded ? 0 : decode_outcome(self);
}

// Waits and decodes.  -1 with an exception set: late, cancelled, or a signal
// handler's.
static int
await_outcome(FutureObject *self, PyObject *timeout)
{
    if (self->is_decoded) {
        return 0;
    }
    if (!cot_task_is_done(self->task)) {
        int64_t deadline_ns;
        cot_status status;
        if (deadline_from_timeout(timeout, true, &deadline_ns) < 0
            || cot_block(self->state, &task_op, self->task, deadline_ns,
                         &status)
                   < 0) {
            return -1;
        }
        if (status != COT_OK) {
            raise_status(self->state, status);
            return -1;
        }
    }
    return settle(self);
}

// The one optional argument `timeout`, by position or by name.
static int
parse_timeout(const char *function, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames, PyObject **timeout)
{
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    *timeout = nargs + named > 0 ? args[0] : Py_None;
    if (nargs + named > 1) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most one argument, the timeout", function);
        return -1;
    }
    if (named == 1
        && !PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, 0), "timeout")) {
        PyErr_Format(PyExc_TypeError,
                     "%s() got an unexpected keyword argument '%U'", function,
                     PyTuple_GET_ITEM(kwnames, 0));
        return -1;
    }
    return 0;
}

static PyObject *
result_or_raise(FutureObject *self)
{
    if (self->exception != NULL) {
        PyErr_SetRaisedException(Py_NewRef(self->exception));
        return NULL;
    }
    return Py_NewRef(self->result);
}

// ---- methods -------------------------------------------------------------

PyDoc_STRVAR(result_doc,
             "result($self, /, timeout=None)\n--\n\n"
             "Wait for the call and return what it returned.\n\n"
             "Raises what it raised, with the worker's traceback as cause;\n"
             "TimeoutError after timeout seconds; CancelledError.");

static PyObject *
future_result(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    FutureObject *self = FutureObject_CAST(op);
    PyObject *timeout;
    if (parse_timeout("result", args, nargs, kwnames, &timeout) < 0
        || await_outcome(self, timeout) < 0) {
        return NULL;
    }
    return result_or_raise(self);
}

static bool
is_future_done(void *arg)
{
    return is_done(arg);
}

// One that failed from the start has no task.
static cot_status
attempt_future(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    FutureObject *self = arg;
    return self->task == NULL ? COT_OK
                              : cot_task_wait(self->task, parker, deadline_ns);
}

static const void *
future_task_of(void *arg)
{
    return FutureObject_CAST(arg)->task;
}

static const blocking_op result_op = {is_future_done, attempt_future,
                                      "Future.result", NULL, future_task_of};

static int
begin_result(turn *own, PyObject *value)
{
    (void)value;
    own->arg = FutureObject_CAST(own->target);
    return 0;
}

static PyObject *
finish_result(turn *own, cot_status status)
{
    FutureObject *self = own->arg;
    if (status != COT_OK) {
        raise_status(own->state, status);
        return NULL;
    }
    if (!self->is_decoded && settle(self) < 0) {
        return NULL;
    }
    return result_or_raise(self);
}

const waitable waitable_future_result = {
    .name = "result",
    .op = &result_op,
    .begin = begin_result,
    .finish = finish_result,
};

PyDoc_STRVAR(exception_doc,
             "exception($self, /, timeout=None)\n--\n\n"
             "Wait for the call and return what it raised, or None.\n\n"
             "Raises TimeoutError after timeout seconds; CancelledError.");

static PyObject *
future_exception(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    FutureObject *self = FutureObject_CAST(op);
    PyObject *timeout;
    if (parse_timeout("exception", args, nargs, kwnames, &timeout) < 0
        || await_outcome(self, timeout) < 0) {
        return NULL;
    }
    return Py_NewRef(self->exception ? self->exception : Py_None);
}

PyDoc_STRVAR(cancel_doc,
             "cancel($self, /)\n--\n\n"
             "Cancel the call if it has not begun.\n\n"
             "True if it is cancelled now; False if it runs or has ended.");

static PyObject *
future_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    if (self->task == NULL || !cot_task_cancel(self->task)) {
        return PyBool_FromLong(is_cancelled(self));
    }
    if (cot_task_is_watched(self->task)) {
        cot_task_ref(self->task);
        future_publish(self->task);
        future_call_back(self->task);
    }
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(
    interrupt_doc,
    "interrupt($self, /)\n--\n\n"
    "Cancel the call if it has not begun; else stop it.\n\n"
    "Interrupted is raised in it, so that its finally blocks run, and\n"
    "the future is cancelled when it ends by that.  True if it will\n"
    "end or is cancelled; False if it has ended.  Does not wait.");

static PyObject *
future_interrupt(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    module_state *state = self->state;
    if (self->task == NULL || cot_task_is_done(self->task)) {
        return PyBool_FromLong(is_cancelled(self));
    }
    PyObject *was_cancelled = future_cancel(op, NULL);
    if (was_cancelled != Py_False) {
        return was_cancelled;
    }
    Py_DECREF(was_cancelled);
    cot_status status = cot_timer_start(cot_home_timer(state->home));
    if (status != COT_OK) {
        raise_status(state, status);
        return NULL;
    }
    // It says so if the worker is lost.
    if (dispatcher_ensure(state) < 0) {
        return NULL;
    }
    bool is_told = interrupt_task(state->home, self->task, &status);
    if (status != COT_OK) {
        raise_status(state, status);
        return NULL;
    }
    return PyBool_FromLong(is_told || is_cancelled(self));
}

static PyObject *
future_cancelled(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_cancelled(FutureObject_CAST(op)));
}

static PyObject *
future_running(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    return PyBool_FromLong(self->task != NULL
                           && cot_task_get_state(self->task)
                                  == COT_TASK_RUNNING);
}

static PyObject *
future_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_done(FutureObject_CAST(op)));
}

PyDoc_STRVAR(defer_doc,
             "_defer($self, callback, /)\n--\n\n"
             "Keep the callback for the end of the call: True.  False: the\n"
             "call has ended, and the caller shall run it now.");

static PyObject *
future_defer(PyObject *op, PyObject *callback)
{
    FutureObject *self = FutureObject_CAST(op);
    bool is_watched;
    if (watch(self, &is_watched) < 0) {
        return NULL;
    }
    if (!is_watched) {
        Py_RETURN_FALSE;
    }
    audience *listeners = get_listeners(self);
    PyObject *callbacks = listeners ? get_list(&listeners->callbacks) : NULL;
    int failed = callbacks == NULL || PyList_Append(callbacks, callback) < 0;
    Py_XDECREF(callbacks);
    if (failed) {
        return NULL;
    }
    Py_RETURN_TRUE;
}

static PyObject *
future_be_published(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject_CAST(op)->is_published = true;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(take_callbacks_doc, "_take_callbacks($self, /)\n--\n\n"
                                 "The callbacks that were kept, or ().");

static PyObject *
future_take_callbacks(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    audience *own = FutureObject_CAST(op)->listeners;
    PyObject *callbacks = own ? own->callbacks : NULL;
    if (callbacks == NULL) {
        return PyTuple_New(0);
    }
    own->callbacks = NULL;
    return callbacks;
}

PyDoc_STRVAR(
    publish_alone_doc,
    "_publish_alone($self, /)\n--\n\n"
    "The condition, if somebody has asked for it.  Else None, and the\n"
    "end is public: in one step, as others may ask meanwhile.");

static PyObject *
future_publish_alone(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    if (self->listeners != NULL && self->listeners->condition != NULL) {
        return Py_NewRef(self->listeners->condition);
    }
    self->is_published = true;
    Py_RETURN_NONE;
}

static PyObject *
future_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(published_state(FutureObject_CAST(op)));
}

static PyObject *
future_get_condition(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    audience *own = get_listeners(self);
    if (own == NULL) {
        return NULL;
    }
    if (own->condition == NULL) {
        PyObject *cls = state_import(self->state, LAZY_CONDITION);
        PyObject *condition = cls ? PyObject_CallNoArgs(cls) : NULL;
        if (condition == NULL) {
            return NULL;
        }
        // Another thread may have come first while the call ran.
        if (own->condition != NULL) {
            Py_DECREF(condition);
        }
        else {
            own->condition = condition;
        }
    }
    bool is_watched;
    if (watch(self, &is_watched) < 0) {
        return NULL;
    }
    return Py_NewRef(own->condition);
}

static PyObject *
future_get_waiters(PyObject *op, void *Py_UNUSED(closure))
{
    audience *own = get_listeners(FutureObject_CAST(op));
    return own ? get_list(&own->waiters) : NULL;
}

static PyObject *
future_get_nbytes(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(FutureObject_CAST(op)->nbytes);
}

static PyMethodDef future_methods[] = {
    {"result", (PyCFunction)(void (*)(void))future_result,
     METH_FASTCALL | METH_KEYWORDS, result_doc},
    {"exception", (PyCFunction)(void (*)(void))future_exception,
     METH_FASTCALL | METH_KEYWORDS, exception_doc},
    {"cancel", future_cancel, METH_NOARGS, cancel_doc},
    {"interrupt", future_interrupt, METH_NOARGS, interrupt_doc},
    {"cancelled", future_cancelled, METH_NOARGS,
     PyDoc_STR("cancelled($self, /)\n--\n\nWhether it was cancelled.")},
    {"running", future_running, METH_NOARGS,
     PyDoc_STR("running($self, /)\n--\n\nWhether a worker is at it.")},
    {"done", future_done, METH_NOARGS,
     PyDoc_STR("done($self, /)\n--\n\nWhether it ended or was cancelled.")},
    {"_defer", future_defer, METH_O, defer_doc},
    {"_publish", future_be_published, METH_NOARGS,
     PyDoc_STR("_publish($self, /)\n--\n\n"
               "The end is public from here on.")},
    {"_take_callbacks", future_take_callbacks, METH_NOARGS,
     take_callbacks_doc},
    {"_publish_alone", future_publish_alone, METH_NOARGS, publish_alone_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

// The attributes that concurrent.futures.wait and as_completed work on; and how
// much memory what was sent takes, or what came.
static PyGetSetDef future_getset[] = {
    {"_state", future_get_state, NULL, NULL},
    {"_condition", future_get_condition, NULL, NULL},
    {"_waiters", future_get_waiters, NULL, NULL},
    {"_nbytes", future_get_nbytes, NULL, NULL},
    {NULL},
};

PyDoc_STRVAR(future_doc, "The base of coterie.Future, on a task of the core.");

static PyType_Slot future_slots[] = {
    {Py_tp_doc, (void *)future_doc},   {Py_tp_new, future_new},
    {Py_tp_traverse, future_traverse}, {Py_tp_clear, future_clear},
    {Py_tp_dealloc, future_dealloc},   {Py_tp_methods, future_methods},
    {Py_tp_getset, future_getset},     {0, NULL},
};

PyType_Spec cot_future_spec = {
    .name = "coterie._core.Future",
    .basicsize = sizeof(FutureObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = future_slots,
};
