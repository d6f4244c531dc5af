#include "types/once_type.h"

#include "types/awaiting.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/lock_type.h"
#include "types/shared.h"
#include "types/waitable.h"

typedef struct {
    SharedObject shared;
    PyObject *value;  // owned: this interpreter's, or NULL: not yet here
} OnceObject;

#define OnceObject_CAST(op) ((OnceObject *)(op))

static cot_once *
once_of(PyObject *op)
{
    return cot_once_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- life ----------------------------------------------------------------

static PyObject *
once_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, ":Once", keywords)) {
        return NULL;
    }
    cot_once *once = cot_once_create();
    return once ? shared_adopt(state, type, cot_once_object(once))
                : PyErr_NoMemory();
}

static int
once_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(OnceObject_CAST(op)->value);
    return shared_traverse(op, visit, arg);
}

static int
once_clear(PyObject *op)
{
    Py_CLEAR(OnceObject_CAST(op)->value);
    return 0;
}

static void
once_dealloc(PyObject *op)
{
    PyObject *value = OnceObject_CAST(op)->value;
    OnceObject_CAST(op)->value = NULL;
    shared_dealloc(op);
    Py_XDECREF(value);
}

static PyObject *
once_repr(PyObject *op)
{
    const cot_once *once = once_of(op);
    return PyUnicode_FromFormat("<coterie.sync.Once at %p: %s>", op,
                                cot_once_is_done(once)      ? "done"
                                : cot_once_is_running(once) ? "running"
                                                            : "not done");
}

// ---- doing it ------------------------------------------------------------

// A call of one of the methods, taken apart; all lent.
typedef struct {
    PyObject *const *args;  // the function, and its arguments
    Py_ssize_t nargs;
    PyObject *timeout;  // or NULL
    bool keeps_value;
} once_call_args;

typedef struct {
    cot_once *once;
    cot_owner owner;
    cot_once_outcome outcome;
} entry;

static bool
can_enter(void *arg)
{
    return !cot_once_is_running(((entry *)arg)->once);
}

static cot_status
attempt_enter(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    entry *own = arg;
    return cot_once_enter(own->once, own->owner, parker, deadline_ns,
                          &own->outcome);
}

static cot_object *
object_of(void *arg)
{
    return cot_once_object(((entry *)arg)->once);
}

static const blocking_op call_op = {
    can_enter,
    attempt_enter,
    "call",
    object_of,
};

static const blocking_op get_op = {
    can_enter,
    attempt_enter,
    "get",
    object_of,
};

// -1 with an exception set.
static int
refuse_inside(const char *who)
{
    PyErr_Format(PyExc_RuntimeError,
                 "this %s is inside the call that the Once is for: it would "
                 "wait for itself",
                 who);
    return -1;
}

// 1 if the caller is to do it, 0 if it is done; -1 with an exception set.
static int
answer_enter(module_state *state, const entry *own, cot_status status)
{
    if (status != COT_OK) {
        raise_status(state, status);
        return -1;
    }
    if (own->outcome == COT_ONCE_INSIDE) {
        return refuse_inside(cot_owner_is_task(own->owner) ? "task"
                                                           : "thread");
    }
    return own->outcome == COT_ONCE_MINE;
}

// Whether that actor is at it, in whichever interpreter.
static bool
is_inside(PyObject *op, uint64_t actor)
{
    cot_owner owner;
    return cot_once_holder(once_of(op), &owner) && owner.actor == actor;
}

// Waits until nobody is at it, and answers so.
static int
enter(PyObject *op, const once_call_args *call)
{
    module_state *state = state_of(op);
    entry own = {.once = once_of(op), .owner = owner_here(state)};
    int64_t deadline_ns;
    cot_status status;
    if (deadline_from_timeout(call->timeout, true, &deadline_ns) < 0) {
        return -1;
    }
    if (cot_once_is_done(own.once)) {
        return 0;
    }
    if (state->has_actors && is_inside(op, actor_of_task(state))) {
        return refuse_inside("task");
    }
    if (cot_block(state, call->keeps_value ? &get_op : &call_op, &own,
                  deadline_ns, &status)
        < 0) {
        return -1;
    }
    return answer_enter(state, &own, status);
}

// What was to be done has given the value: it is done, or, if that is to be kept
// and cannot be, it failed (-1 with an exception set).
static int
finish(PyObject *op, PyObject *value, bool keeps_value)
{
    module_state *state = state_of(op);
    cot_payload *payload = NULL;
    if (keeps_value) {
        payload = cot_encode(&state->codec, value);
        if (payload == NULL) {
            raise_not_shareable(state, "value not shareable");
            cot_once_fail(once_of(op));
            return -1;
        }
        Py_XSETREF(OnceObject_CAST(op)->value, Py_NewRef(value));
    }
    cot_once_finish(once_of(op), payload);
    return 0;
}

// What the caller is to do.
static int
run(PyObject *op, const once_call_args *call)
{
    PyObject *value = PyObject_Vectorcall(call->args[0], call->args + 1,
                                          (size_t)call->nargs - 1, NULL);
    if (value == NULL) {
        cot_once_fail(once_of(op));
        return -1;
    }
    int failed = finish(op, value, call->keeps_value);
    Py_DECREF(value);
    return failed;
}

static int
check_function(const once_call_args *call)
{
    if (call->nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "missing required argument: 'f'");
        return -1;
    }
    if (!PyCallable_Check(call->args[0])) {
        PyErr_Format(PyExc_TypeError, "f must be callable, not %.200s",
                     Py_TYPE(call->args[0])->tp_name);
        return -1;
    }
    return 0;
}

static int
do_once(PyObject *op, const once_call_args *call)
{
    if (check_function(call) < 0) {
        return -1;
    }
    int is_mine = enter(op, call);
    return is_mine > 0 ? run(op, call) : is_mine;
}

// The name of a keyword argument is the only one there is.
static int
refuse_keyword(PyObject *name)
{
    if (PyUnicode_EqualToUTF8(name, "timeout")) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "unexpected keyword argument '%U': only timeout is taken by "
                 "keyword, and nothing is handed on so",
                 name);
    return -1;
}

static int
parse(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
      once_call_args *call)
{
    call->args = args;
    call->nargs = nargs;
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (refuse_keyword(PyTuple_GET_ITEM(kwnames, i)) < 0) {
            return -1;
        }
        call->timeout = args[nargs + i];
    }
    return 0;
}

PyDoc_STRVAR(
    call_doc,
    "call($self, f, /, *args, timeout=None)\n--\n\n"
    "Call f(*args), unless that was done before.\n\n"
    "Who comes while it runs waits until it is over.  What it returns is\n"
    "dropped.  If it raises, so does this; the next one who comes, or\n"
    "waits, calls then.  Raises TimeoutError if time (seconds) is up before\n"
    "others are done, and RuntimeError if this thread is inside the call.");

static PyObject *
once_call(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    once_call_args call = {0};
    if (parse(args, nargs, kwnames, &call) < 0 || do_once(op, &call) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

// once(f) is once.call(f).
static PyObject *
once_tp_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    once_call_args call = {.nargs = PyTuple_GET_SIZE(args)};
    PyObject *name;
    Py_ssize_t at = 0;
    while (kwargs && PyDict_Next(kwargs, &at, &name, &call.timeout)) {
        if (refuse_keyword(name) < 0) {
            return NULL;
        }
    }
    call.args = PySequence_Fast_ITEMS(args);
    if (do_once(op, &call) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

// What was kept, in this interpreter: a new reference.
static PyObject *
receive_value(PyObject *op)
{
    OnceObject *self = OnceObject_CAST(op);
    if (self->value != NULL) {
        return Py_NewRef(self->value);
    }
    const cot_payload *payload = cot_once_value(once_of(op));
    if (payload == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "it was done by call(), which keeps no value");
        return NULL;
    }
    PyObject *value = cot_decode(&state_of(op)->codec, payload);
    if (value == NULL) {
        return NULL;
    }
    if (self->value == NULL) {  // still: decoding may have run other threads
        self->value = Py_NewRef(value);
    }
    Py_DECREF(value);
    return Py_NewRef(self->value);
}

PyDoc_STRVAR(
    get_doc,
    "get($self, f, /, *args, timeout=None)\n--\n\n"
    "The one value: f(*args), called unless that was done before.\n\n"
    "As call(), but the value is kept.  It is sent to each interpreter that\n"
    "asks, once; if it cannot be, NotShareableError is raised, and the call\n"
    "counts as failed.  Raises RuntimeError if call() did it.");

static PyObject *
once_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
         PyObject *kwnames)
{
    once_call_args call = {.keeps_value = true};
    if (parse(args, nargs, kwnames, &call) < 0 || do_once(op, &call) < 0) {
        return NULL;
    }
    return receive_value(op);
}

static PyObject *
once_get_done(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(cot_once_is_done(once_of(op)));
}

// ---- without a thread ----------------------------------------------------

// A thread that is inside the call, and now runs a loop, would wait for its task.
static int
begin_enter(turn *own, PyObject *value)
{
    (void)value;
    TURN_ROOM(own, entry)->once = once_of(own->target);
    TURN_ROOM(own, entry)->owner = own->owner;
    return is_inside(own->target, owner_here(own->state).actor)
               ? refuse_inside("thread")
               : 0;
}

static PyObject *
finish_enter(turn *own, cot_status status)
{
    int is_mine = answer_enter(own->state, TURN_ROOM(own, entry), status);
    return is_mine < 0 ? NULL : PyBool_FromLong(is_mine);
}

const waitable waitable_once_call = {
    .name = "enter_call",
    .op = &call_op,
    .begin = begin_enter,
    .finish = finish_enter,
};

const waitable waitable_once_get = {
    .name = "enter_get",
    .op = &get_op,
    .begin = begin_enter,
    .finish = finish_enter,
};

// A coroutine, which enters, and then finishes or fails.
static PyObject *
await_once(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames, bool keeps_value)
{
    once_call_args call = {0};
    if (parse(args, nargs, kwnames, &call) < 0 || check_function(&call) < 0) {
        return NULL;
    }
    PyObject *perform = state_import(state_of(op), LAZY_ASYNC_ONCE);
    PyObject *given = perform ? PyTuple_New(nargs) : NULL;
    if (given == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
    }
    return PyObject_CallFunction(perform, "OOON", op,
                                 keeps_value ? Py_True : Py_False,
                                 call.timeout ? call.timeout : Py_None, given);
}

static PyObject *
once_await_call(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    return await_once(op, args, nargs, kwnames, false);
}

static PyObject *
once_await_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    return await_once(op, args, nargs, kwnames, true);
}

// What the coroutine calls.
static PyObject *
once_finish(PyObject *op, PyObject *args)
{
    PyObject *value;
    int keeps_value;
    if (!PyArg_ParseTuple(args, "Op:_finish", &value, &keeps_value)
        || finish(op, value, keeps_value) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
once_fail(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_once_fail(once_of(op));
    Py_RETURN_NONE;
}

static PyObject *
once_receive(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return receive_value(op);
}

// ---- type ----------------------------------------------------------------

static PyGetSetDef once_getset[] = {
    {"done", once_get_done, NULL, PyDoc_STR("Whether it is done."), NULL},
    {NULL},
};

static PyMethodDef once_methods[] = {
    {"call", (PyCFunction)(void (*)(void))once_call,
     METH_FASTCALL | METH_KEYWORDS, call_doc},
    {"get", (PyCFunction)(void (*)(void))once_get,
     METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    AWAIT_METHOD("acall", once_await_call,
                 "acall($self, f, /, *args, timeout=None)\n--\n\n"
                 "call() for a task of an event loop.\n\n"
                 "A coroutine that f(*args) returns is awaited.  If the task\n"
                 "is cancelled meanwhile, the call has failed."),
    AWAIT_METHOD("aget", once_await_get,
                 "aget($self, f, /, *args, timeout=None)\n--\n\n"
                 "get() for a task of an event loop, as acall()."),
    {"_finish", once_finish, METH_VARARGS, NULL},
    {"_fail", once_fail, METH_NOARGS, NULL},
    {"_receive", once_receive, METH_NOARGS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    once_doc,
    "Once()\n--\n\n"
    "What is called one time in the process, by whichever interpreter comes\n"
    "first.\n\n"
    "It can be sent; on the other side it is the same one.");

static PyType_Slot once_slots[] = {
    {Py_tp_doc, (void *)once_doc},
    {Py_tp_new, once_new},
    {Py_tp_call, once_tp_call},
    {Py_tp_traverse, once_traverse},
    {Py_tp_clear, once_clear},
    {Py_tp_dealloc, once_dealloc},
    {Py_tp_repr, once_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, once_methods},
    {Py_tp_getset, once_getset},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_once_spec = {
    .name = "coterie.sync.Once",
    .basicsize = sizeof(OnceObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = once_slots,
};
