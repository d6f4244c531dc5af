// coterie._core: the tables of its types and exceptions, and its functions.

#include "core/broadcast.h"
#include "core/endpoint.h"
#include "core/interpreter.h"
#include "core/registry.h"
#include "core/runtime.h"
#include "types/arguments.h"
#include "types/async_wait.h"
#include "types/atomic_type.h"
#include "types/awaiting.h"
#include "types/barrier_type.h"
#include "types/blocking.h"
#include "types/broadcast_type.h"
#include "types/channel_type.h"
#include "types/condition_type.h"
#include "types/dispatcher.h"
#include "types/endpoint_type.h"
#include "types/environment.h"
#include "types/errors.h"
#include "types/event_type.h"
#include "types/fork_guard.h"
#include "types/future_type.h"
#include "types/idle.h"
#include "types/interpreter_queue_type.h"
#include "types/interpreter_type.h"
#include "types/interrupt.h"
#include "types/lock_type.h"
#include "types/memory.h"
#include "types/once_type.h"
#include "types/parking.h"
#include "types/pool_type.h"
#include "types/priority_queue_type.h"
#include "types/queue_type.h"
#include "types/reference_type.h"
#include "types/run.h"
#include "types/rwlock_type.h"
#include "types/select.h"
#include "types/semaphore_type.h"
#include "types/shared.h"
#include "types/shared_buffer.h"
#include "types/state.h"
#include "types/waits.h"

#include <stddef.h>
#include <string.h>

// ---- tables --------------------------------------------------------------

typedef struct {
    const char *name;
    PyType_Spec *spec;
    size_t offset;       // of the type in module_state
    size_t base_offset;  // of its base, a row above; 0: object
} type_row;

static const type_row type_rows[] = {
    {"Queue", &cot_queue_spec, offsetof(module_state, queue_type), 0},
    {"LifoQueue", &cot_lifo_queue_spec,
     offsetof(module_state, lifo_queue_type),
     offsetof(module_state, queue_type)},
    {"PriorityQueue", &cot_priority_queue_spec,
     offsetof(module_state, priority_queue_type),
     offsetof(module_state, queue_type)},
    {"SimpleQueue", &cot_simple_queue_spec,
     offsetof(module_state, simple_queue_type), 0},
    {"InterpreterQueue", &cot_interpreter_queue_spec,
     offsetof(module_state, interpreter_queue_type), 0},
    {"Future", &cot_future_spec, offsetof(module_state, future_type), 0},
    {"Pool", &cot_pool_spec, offsetof(module_state, pool_type), 0},
    {"Interpreter", &cot_interpreter_spec,
     offsetof(module_state, interpreter_type), 0},
    {"RecvChannel", &cot_recv_channel_spec,
     offsetof(module_state, recv_channel_type), 0},
    {"SendChannel", &cot_send_channel_spec,
     offsetof(module_state, send_channel_type), 0},
    {"Receiver", &cot_receiver_spec, offsetof(module_state, receiver_type), 0},
    {"Sender", &cot_sender_spec, offsetof(module_state, sender_type), 0},
    {"Source", &cot_source_spec, offsetof(module_state, source_type), 0},
    {"SharedBuffer", &cot_shared_buffer_spec,
     offsetof(module_state, shared_buffer_type), 0},
    {"Lock", &cot_lock_spec, offsetof(module_state, lock_type), 0},
    {"RLock", &cot_rlock_spec, offsetof(module_state, rlock_type), 0},
    {"Event", &cot_event_spec, offsetof(module_state, event_type), 0},
    {"Condition", &cot_condition_spec, offsetof(module_state, condition_type),
     0},
    {"Semaphore", &cot_semaphore_spec, offsetof(module_state, semaphore_type),
     0},
    {"BoundedSemaphore", &cot_bounded_semaphore_spec,
     offsetof(module_state, bounded_semaphore_type), 0},
    {"Inbox", &cot_inbox_spec, offsetof(module_state, inbox_type), 0},
    {"Wait", &cot_wait_spec, offsetof(module_state, wait_type), 0},
    {"Barrier", &cot_barrier_spec, offsetof(module_state, barrier_type), 0},
    {"RWLock", &cot_rwlock_spec, offsetof(module_state, rwlock_type), 0},
    {"RWLockHold", &cot_rwlock_hold_spec,
     offsetof(module_state, rwlock_hold_type), 0},
    {"Once", &cot_once_spec, offsetof(module_state, once_type), 0},
    {"AtomicInt", &cot_atomic_int_spec,
     offsetof(module_state, atomic_int_type), 0},
    {"AtomicFlag", &cot_atomic_flag_spec,
     offsetof(module_state, atomic_flag_type), 0},
    {"AtomicReference", &cot_reference_spec,
     offsetof(module_state, atomic_reference_type), 0},
};

typedef enum {
    FROM_EXCEPTION,
    FROM_BASE_EXCEPTION,
    FROM_ERROR,          // CoterieError
    FROM_ERROR_TYPE,     // CoterieError and TypeError
    FROM_ERROR_RUNTIME,  // CoterieError and RuntimeError
} exception_base;

typedef struct {
    const char *name;
    exception_base base;
    size_t offset;
    const char *doc;
} exception_row;

static const exception_row exception_rows[] = {
    {"coterie.CoterieError", FROM_EXCEPTION,
     offsetof(module_state, coterie_error),
     "What all exceptions of coterie derive from, but Interrupted."},
    {"coterie.NotShareableError", FROM_ERROR_TYPE,
     offsetof(module_state, not_shareable_error),
     "A value cannot be sent to another interpreter."},
    {"coterie.RemoteError", FROM_ERROR_RUNTIME,
     offsetof(module_state, remote_error),
     "A call raised an exception that could not be sent: its account."},
    {"coterie.WorkerLost", FROM_ERROR_RUNTIME,
     offsetof(module_state, worker_lost),
     "A worker ended before its call did."},
    {"coterie.ForkRefused", FROM_ERROR_RUNTIME,
     offsetof(module_state, fork_refused),
     "os.fork() was refused since interpreters of coterie are alive."},
    {"coterie.Interrupted", FROM_BASE_EXCEPTION,
     offsetof(module_state, interrupted),
     "Raised inside a running call that somebody stops."},
    {"coterie.sync.OwnerDied", FROM_ERROR_RUNTIME,
     offsetof(module_state, owner_died),
     "The interpreter that held the lock has ended; the lock is free now."},
};

#define LEN(rows) (sizeof(rows) / sizeof((rows)[0]))

static PyObject **
slot_at(module_state *state, size_t offset)
{
    return (PyObject **)((char *)state + offset);
}

static PyTypeObject *
type_at(module_state *state, size_t offset)
{
    return (PyTypeObject *)*slot_at(state, offset);
}

static PyObject *
make_bases(module_state *state, exception_base base)
{
    switch (base) {
        case FROM_EXCEPTION:
            return PyTuple_Pack(1, PyExc_Exception);
        case FROM_BASE_EXCEPTION:
            return PyTuple_Pack(1, PyExc_BaseException);
        case FROM_ERROR:
            return PyTuple_Pack(1, state->coterie_error);
        case FROM_ERROR_TYPE:
            return PyTuple_Pack(2, state->coterie_error, PyExc_TypeError);
        case FROM_ERROR_RUNTIME:
            return PyTuple_Pack(2, state->coterie_error, PyExc_RuntimeError);
    }
    Py_UNREACHABLE();
}

static int
add_exceptions(PyObject *module, module_state *state)
{
    for (size_t i = 0; i < LEN(exception_rows); i++) {
        const exception_row *row = &exception_rows[i];
        PyObject *bases = make_bases(state, row->base);
        PyObject *exc = bases ? PyErr_NewExceptionWithDoc(row->name, row->doc,
                                                          bases, NULL)
                              : NULL;
        Py_XDECREF(bases);
        if (exc == NULL) {
            return -1;
        }
        *slot_at(state, row->offset) = exc;
        const char *name = strrchr(row->name, '.') + 1;
        if (PyModule_AddObjectRef(module, name, exc) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
add_types(PyObject *module, module_state *state)
{
    for (size_t i = 0; i < LEN(type_rows); i++) {
        const type_row *row = &type_rows[i];
        PyObject *base = row->base_offset ? *slot_at(state, row->base_offset)
                                          : NULL;
        PyObject *type = PyType_FromModuleAndSpec(module, row->spec, base);
        if (type == NULL) {
            return -1;
        }
        *slot_at(state, row->offset) = type;
        if (PyModule_AddObjectRef(module, row->name, type) < 0) {
            return -1;
        }
    }
    return 0;
}

// ---- functions -----------------------------------------------------------

static module_state *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

PyDoc_STRVAR(dumps_doc,
             "dumps($module, obj, /)\n--\n\n"
             "The object as bytes, in the format that coterie sends.\n\n"
             "Raises NotShareableError for what cannot leave the process.\n"
             "The block belongs to this version of Python and of coterie.");

static PyObject *
core_dumps(PyObject *module, PyObject *obj)
{
    module_state *state = state_of(module);
    PyObject *block = cot_dumps(&state->codec, obj);
    return block ? block : raise_not_shareable(state, "object not shareable");
}

PyDoc_STRVAR(
    loads_doc,
    "loads($module, block, /)\n--\n\n"
    "The object that dumps() made the bytes-like block from.\n\n"
    "Raises ValueError for a block that was cut or changed.  A block\n"
    "may run code when loaded, as a pickle does: load only what\n"
    "comes from where you trust.");

static PyObject *
core_loads(PyObject *module, PyObject *block)
{
    return cot_loads(&state_of(module)->codec, block);
}

static PyObject *
core_pools(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return pool_list(state_of(module));
}

static PyObject *
core_leave(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    state_of(module)->is_leaving = true;
    if (state_of(module)->is_main) {
        idle_keep_none();
    }
    Py_RETURN_NONE;
}

static PyObject *
core_end_dispatcher(PyObject *module, PyObject *timeout)
{
    int64_t deadline_ns;
    if (deadline_from_timeout(timeout, true, &deadline_ns) < 0
        || dispatcher_end(state_of(module), deadline_ns) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
core_was_interrupted(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(state_of(module)->was_interrupted);
}

static PyObject *
core_is_main(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(state_of(module)->is_main);
}

static PyObject *
core_note_unraisable(PyObject *module, PyObject *unraisable)
{
    if (interrupt_note_unraisable(state_of(module), unraisable) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
core_account(PyObject *module, PyObject *exc)
{
    PyObject *account;
    if (!PyExceptionInstance_Check(exc)) {
        PyErr_Format(PyExc_TypeError, "exc must be an exception, not %s",
                     Py_TYPE(exc)->tp_name);
        return NULL;
    }
    PyErr_SetRaisedException(Py_NewRef(exc));
    cot_payload *payload = run_account(state_of(module), &account);
    if (payload == NULL) {
        return NULL;
    }
    cot_payload_destroy(payload);
    return account;
}

static PyObject *
core_interpreters(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(cot_runtime_interpreters());
}

PyDoc_STRVAR(
    create_bound_channel_doc,
    "create_bound_channel($module, capacity, unbound_op, /)\n--\n\n"
    "(recv, send) of a new channel: without bound if the capacity is None,\n"
    "with items that are bound to their interpreter unless unbound_op is 0.");

static PyObject *
core_create_bound_channel(PyObject *module, PyObject *const *args,
                          Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError,
                        "create_bound_channel() takes 2 arguments");
        return NULL;
    }
    return channel_create(state_of(module), args[0], args[1]);
}

PyDoc_STRVAR(
    create_channel_doc,
    "create_channel($module, /, capacity=0, *, broadcast=False)\n--\n\n"
    "(recv, send): the ends of a new channel, which can be sent.\n\n"
    "capacity:\n"
    "    How many objects that nobody has received yet fit in.  0: a send\n"
    "    waits until its object is received.  None: without bound.\n"
    "broadcast:\n"
    "    The first is a Source then: each of its subscribers gets every\n"
    "    object.");

static PyObject *
core_create_channel(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const signature create_channel = {
        "create_channel", 0, 1, {"capacity", "broadcast"}};
    PyObject *values[2];
    if (parse_arguments(&create_channel, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return endpoint_create(state_of(module), values[0], values[1]);
}

static PyObject *
core_list_channels(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return channel_list(state_of(module));
}

static PyObject *
core_interpreter_ids(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return interpreter_ids();
}

static PyObject *
core_join_closing(PyObject *module, PyObject *timeout)
{
    return interpreter_join_closing(state_of(module), timeout);
}

static PyObject *
core_hidden_ids(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return interpreter_hidden_ids();
}

static PyObject *
core_end_parked(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    parking_end_all();
    Py_RETURN_NONE;
}

static PyObject *
core_keep_interpreters(PyObject *module, PyObject *max)
{
    (void)module;
    unsigned long number = PyLong_AsUnsignedLong(max);
    if (number == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    idle_keep(number < UINT32_MAX ? (uint32_t)number : UINT32_MAX);
    Py_RETURN_NONE;
}

static PyObject *
core_join_kept(PyObject *module, PyObject *timeout)
{
    int64_t deadline_ns;
    int have_ended = deadline_from_timeout(timeout, true, &deadline_ns) < 0
                         ? -1
                         : idle_join_kept(state_of(module), deadline_ns);
    return have_ended < 0 ? NULL : PyBool_FromLong(have_ended);
}

static PyObject *
core_has_audit_hooks(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(state_of(module)->has_audit_hooks);
}

static PyObject *
core_environment(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return environment_read();
}

static PyObject *
core_end_idle(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    if (idle_end(state_of(module)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(tell_doc,
             "tell($module, note, /)\n--\n\n"
             "Send a note to the interpreter of this worker's pool, for\n"
             "coterie._notes.take: whether somebody listens.");

static PyObject *
core_tell(PyObject *module, PyObject *note)
{
    module_state *state = state_of(module);
    if (state->host == NULL || state->host->asker == NULL) {
        Py_RETURN_FALSE;
    }
    cot_payload *payload = cot_encode(&state->codec, note);
    if (payload == NULL) {
        return raise_not_shareable(state, "note not shareable");
    }
    // Python code has run, and the worker may have begun to end.
    if (state->host == NULL) {
        cot_payload_destroy(payload);
        Py_RETURN_FALSE;
    }
    cot_status status = cot_outbox_tell(state->host->asker, payload,
                                        COT_CALL_NOTE);
    if (status == COT_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    return PyBool_FromLong(status == COT_OK);
}

static PyObject *
core_worker(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const run_host *host = state_of(module)->host;
    if (host == NULL || host->pool == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("sI", host->pool, host->number);
}

static PyObject *
core_breakpoint(PyObject *module, PyObject *args, PyObject *kwargs)
{
    PyObject *hook = state_import(state_of(module), LAZY_BREAKPOINT);
    return hook ? PyObject_Call(hook, args, kwargs) : NULL;
}

static PyObject *
core_current_id(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(state_of(module)->id);
}

static PyObject *
core_is_shared(PyObject *module, PyObject *obj)
{
    module_state *state = state_of(module);
    return PyBool_FromLong(state->codec.unwrap(state, obj) != NULL);
}

PyDoc_STRVAR(
    raise_in_thread_doc,
    "raise_in_thread($module, ident, exc, /)\n--\n\n"
    "Raise the exception type in that thread of this interpreter, as\n"
    "soon as it runs Python code: whether there is one.");

static PyObject *
core_raise_in_thread(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long ident;
    PyObject *exc;
    if (!PyArg_ParseTuple(args, "kO:raise_in_thread", &ident, &exc)) {
        return NULL;
    }
    return PyBool_FromLong(PyThreadState_SetAsyncExc(ident, exc) > 0);
}

static PyObject *
core_waits(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return waits_list(state_of(module));
}

PyDoc_STRVAR(
    wait_stacks_doc,
    "wait_stacks($module, ids, timeout, /)\n--\n\n"
    "(id of the wait, name of the thread, [(file, line, name), ...])\n"
    "for each wait of these interpreters, as far as it can be had in\n"
    "time.");

static PyObject *
core_wait_stacks(PyObject *module, PyObject *args)
{
    PyObject *ids;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "O!O:wait_stacks", &PyList_Type, &ids,
                          &timeout)) {
        return NULL;
    }
    return waits_stacks(state_of(module), ids, timeout);
}

static PyObject *
core_after_fork_in_child(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    cot_runtime_after_fork_in_child();
    cot_home_after_fork_in_child(state_of(module)->home);
    Py_RETURN_NONE;
}

static PyObject *
core_next_actor(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(actor_create(state_of(module)));
}

static PyObject *
core_end_waits(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    async_waits_end(state_of(module));
    Py_RETURN_NONE;
}

static PyMethodDef core_methods[] = {
    {"dumps", core_dumps, METH_O, dumps_doc},
    {"loads", core_loads, METH_O, loads_doc},
    {"pools", core_pools, METH_NOARGS,
     PyDoc_STR("pools($module, /)\n--\n\n"
               "A Pool for each of this interpreter's that has workers.")},
    {"leave", core_leave, METH_NOARGS,
     PyDoc_STR("leave($module, /)\n--\n\n"
               "This interpreter is about to end.")},
    {"end_dispatcher", core_end_dispatcher, METH_O,
     PyDoc_STR("end_dispatcher($module, timeout, /)\n--\n\n"
               "Run the callbacks that are due, and end their thread.")},
    {"was_interrupted", core_was_interrupted, METH_NOARGS,
     PyDoc_STR("was_interrupted($module, /)\n--\n\n"
               "Whether KeyboardInterrupt has left a wait of coterie's.")},
    {"is_main", core_is_main, METH_NOARGS,
     PyDoc_STR("is_main($module, /)\n--\n\n"
               "Whether this is the main interpreter.")},
    {"note_unraisable", core_note_unraisable, METH_O,
     PyDoc_STR("note_unraisable($module, unraisable, /)\n--\n\n"
               "The sys.unraisablehook of workers.")},
    {"account", core_account, METH_O,
     PyDoc_STR("account($module, exc, /)\n--\n\n"
               "What can be sent of the exception: for _outcome.rebuild.")},
    {"interpreters", core_interpreters, METH_NOARGS,
     PyDoc_STR("interpreters($module, /)\n--\n\n"
               "How many interpreters of coterie are alive.")},
    {"interpreter_ids", core_interpreter_ids, METH_NOARGS,
     PyDoc_STR("interpreter_ids($module, /)\n--\n\n"
               "The ids of the interpreters that can be entered.")},
    {"join_closing", core_join_closing, METH_O,
     PyDoc_STR("join_closing($module, timeout, /)\n--\n\n"
               "Wait until no interpreter is being ended: whether so.")},
    {"hidden_ids", core_hidden_ids, METH_NOARGS,
     PyDoc_STR("hidden_ids($module, /)\n--\n\n"
               "CPython's ids of interpreters that wait to be used again, or\n"
               "are, under another.")},
    {"end_parked", core_end_parked, METH_NOARGS,
     PyDoc_STR("end_parked($module, /)\n--\n\nEnd them.")},
    {"keep_interpreters", core_keep_interpreters, METH_O,
     PyDoc_STR("keep_interpreters($module, max, /)\n--\n\n"
               "Let threads of workers keep up to so many interpreters for\n"
               "the next workers.")},
    {"join_kept", core_join_kept, METH_O,
     PyDoc_STR("join_kept($module, timeout, /)\n--\n\n"
               "Wait until those have ended, after leave(): whether so.")},
    {"has_audit_hooks", core_has_audit_hooks, METH_NOARGS,
     PyDoc_STR("has_audit_hooks($module, /)\n--\n\n"
               "Whether code of this interpreter has added audit hooks.")},
    {"environment", core_environment, METH_NOARGS,
     PyDoc_STR("environment($module, /)\n--\n\n"
               "What the process has, as os.environb would if read now.")},
    {"end_idle", core_end_idle, METH_NOARGS,
     PyDoc_STR(
         "end_idle($module, /)\n--\n\n"
         "End the interpreters that nobody uses: kept ones, and those of\n"
         "this interpreter's workers if all of them are idle.")},
    {"tell", core_tell, METH_O, tell_doc},
    {"worker", core_worker, METH_NOARGS,
     PyDoc_STR(
         "worker($module, /)\n--\n\n"
         "(pool's name, number) of the worker that this interpreter is,\n"
         "or None.")},
    {"breakpoint", (PyCFunction)(void (*)(void))core_breakpoint,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("breakpoint($module, /, *args, **kwargs)\n--\n\n"
               "The sys.breakpointhook of workers.")},
    {"current_id", core_current_id, METH_NOARGS,
     PyDoc_STR("current_id($module, /)\n--\n\n"
               "The id of this interpreter.")},
    {"is_shared", core_is_shared, METH_O,
     PyDoc_STR("is_shared($module, obj, /)\n--\n\n"
               "Whether obj stands for what several interpreters share.")},
    {"raise_in_thread", core_raise_in_thread, METH_VARARGS,
     raise_in_thread_doc},
    {"create_bound_channel",
     (PyCFunction)(void (*)(void))core_create_bound_channel, METH_FASTCALL,
     create_bound_channel_doc},
    {"create_channel", (PyCFunction)(void (*)(void))core_create_channel,
     METH_FASTCALL | METH_KEYWORDS, create_channel_doc},
    {"list_channels", core_list_channels, METH_NOARGS,
     PyDoc_STR("list_channels($module, /)\n--\n\n"
               "(recv, send) for each channel.")},
    {"select", (PyCFunction)(void (*)(void))select_cases,
     METH_FASTCALL | METH_KEYWORDS, select_doc},
    {"end_waits", core_end_waits, METH_NOARGS,
     PyDoc_STR("end_waits($module, /)\n--\n\n"
               "End the waits of tasks of event loops that are left.")},
    {"next_actor", core_next_actor, METH_NOARGS,
     PyDoc_STR("next_actor($module, /)\n--\n\n"
               "A number for a task of an event loop, as who holds locks.")},
    {"waits", core_waits, METH_NOARGS,
     PyDoc_STR("waits($module, /)\n--\n\n"
               "A tuple for each wait of the process; see coterie.debug.")},
    {"wait_stacks", core_wait_stacks, METH_VARARGS, wait_stacks_doc},
    {"after_fork_in_child", core_after_fork_in_child, METH_NOARGS,
     PyDoc_STR("after_fork_in_child($module, /)\n--\n\n"
               "Forget the threads that the fork left behind.")},
    {NULL},
};

// ---- life ----------------------------------------------------------------

// Shared objects of the core, and the type of Python objects that stand for
// them (types/shared.h).
static const struct {
    const cot_class *cls;
    size_t offset;  // of the type in module_state
} shared_rows[] = {
    {&cot_queue_class, offsetof(module_state, queue_type)},
    {&cot_lifo_queue_class, offsetof(module_state, lifo_queue_type)},
    {&cot_priority_queue_class, offsetof(module_state, priority_queue_type)},
    {&cot_simple_queue_class, offsetof(module_state, simple_queue_type)},
    {&cot_bound_queue_class, offsetof(module_state, interpreter_queue_type)},
    {&cot_recv_end_class, offsetof(module_state, recv_channel_type)},
    {&cot_send_end_class, offsetof(module_state, send_channel_type)},
    {&cot_receiver_class, offsetof(module_state, receiver_type)},
    {&cot_sender_class, offsetof(module_state, sender_type)},
    {&cot_subscription_class, offsetof(module_state, receiver_type)},
    {&cot_broadcast_sender_class, offsetof(module_state, sender_type)},
    {&cot_source_class, offsetof(module_state, source_type)},
    {&cot_mutex_class, offsetof(module_state, lock_type)},
    {&cot_recursive_mutex_class, offsetof(module_state, rlock_type)},
    {&cot_event_class, offsetof(module_state, event_type)},
    {&cot_condition_class, offsetof(module_state, condition_type)},
    {&cot_semaphore_class, offsetof(module_state, semaphore_type)},
    {&cot_bounded_semaphore_class,
     offsetof(module_state, bounded_semaphore_type)},
    {&cot_barrier_class, offsetof(module_state, barrier_type)},
    {&cot_rwlock_class, offsetof(module_state, rwlock_type)},
    {&cot_once_class, offsetof(module_state, once_type)},
    {&cot_atomic_int_class, offsetof(module_state, atomic_int_type)},
    {&cot_atomic_flag_class, offsetof(module_state, atomic_flag_type)},
    {&cot_reference_class, offsetof(module_state, atomic_reference_type)},
};

static cot_object *
unwrap(void *context, PyObject *obj)
{
    for (size_t i = 0; i < LEN(shared_rows); i++) {
        if (Py_TYPE(obj) == type_at(context, shared_rows[i].offset)) {
            return SharedObject_CAST(obj)->object;
        }
    }
    return interpreter_unwrap(context, obj);
}

static PyObject *
wrap(void *context, cot_object *object)
{
    for (size_t i = 0; i < LEN(shared_rows); i++) {
        if (object->cls == shared_rows[i].cls) {
            return shared_wrap(
                context, type_at(context, shared_rows[i].offset), object);
        }
    }
    if (object->cls == &cot_interpreter_class) {
        return interpreter_wrap(context, object);
    }
    if (object->cls == &cot_shared_buffer_class) {
        return shared_buffer_view(context, object);
    }
    PyErr_Format(PyExc_SystemError, "coterie: no type for a %s",
                 object->cls->name);
    return NULL;
}

static cot_object *
share(void *context, PyObject *view)
{
    return shared_buffer_create(context, view);
}

static int
core_exec(PyObject *module)
{
    module_state *state = state_of(module);
    state->interpreter = PyInterpreterState_Get();
    state->id = PyInterpreterState_GetID(state->interpreter);
    state->is_main = state->interpreter == PyInterpreterState_Main();
    state->home = cot_home_create();
    state->buffers = buffer_owner_create();
    if (state->home == NULL || state->buffers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    cot_home_settle(state->home, state->id);
    state->codec.unwrap = unwrap;
    state->codec.wrap = wrap;
    state->codec.share = share;
    state->codec.context = state;
    if (add_exceptions(module, state) < 0 || add_types(module, state) < 0) {
        return -1;
    }
    state->codec.not_shareable = state->not_shareable_error;
    state->codec.process_id = cot_runtime_process_id();
    memory_watch();
    return fork_guard_install(state);
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = state_of(module);
    for (size_t i = 0; i < LEN(type_rows); i++) {
        Py_VISIT(*slot_at(state, type_rows[i].offset));
    }
    for (size_t i = 0; i < LEN(exception_rows); i++) {
        Py_VISIT(*slot_at(state, exception_rows[i].offset));
    }
    for (size_t i = 0; i < LAZY_LEN; i++) {
        Py_VISIT(state->lazy[i]);
    }
    Py_VISIT(state->wrapped);
    Py_VISIT(state->sys_names);
    Py_VISIT(state->sys_dict);
    return cot_codec_traverse(&state->codec, visit, arg);
}

static int
core_clear(PyObject *module)
{
    module_state *state = state_of(module);
    for (size_t i = 0; i < LEN(type_rows); i++) {
        Py_CLEAR(*slot_at(state, type_rows[i].offset));
    }
    for (size_t i = 0; i < LEN(exception_rows); i++) {
        Py_CLEAR(*slot_at(state, exception_rows[i].offset));
    }
    for (size_t i = 0; i < LAZY_LEN; i++) {
        Py_CLEAR(state->lazy[i]);
    }
    Py_CLEAR(state->wrapped);
    Py_CLEAR(state->sys_names);
    Py_CLEAR(state->sys_dict);
    cot_codec_clear(&state->codec);
    return 0;
}

static void
core_free(void *module)
{
    module_state *state = state_of(module);
    async_waits_end(state);
    (void)core_clear(module);
    buffer_owner_end(state->buffers);
    state->buffers = NULL;
    if (state->home != NULL) {
        cot_registry_interpreter_ended(state->home);
        cot_home_unref(state->home);
        state->home = NULL;
    }
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    // The encoder relies on a GIL: a value does not change while it is walked.
    {Py_mod_gil, Py_MOD_GIL_USED},
    {0, NULL},
};

PyModuleDef cot_module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "coterie._core",
    .m_doc = PyDoc_STR("The C part of coterie."),
    .m_size = sizeof(module_state),
    .m_methods = core_methods,
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&cot_module_def);
}
