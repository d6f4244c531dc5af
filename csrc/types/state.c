#include "types/state.h"

#define QUEUES "coterie.interpreters.queues"
#define CHANNELS "coterie.interpreters.channels"

static const struct {
    const char *module;
    const char *name;
} lazy_names[LAZY_LEN] = {
    [LAZY_CANCELLED_ERROR] = {"concurrent.futures", "CancelledError"},
    [LAZY_CONDITION] = {"threading", "Condition"},
    [LAZY_EMPTY] = {"coterie.queue", "Empty"},
    [LAZY_FULL] = {"coterie.queue", "Full"},
    [LAZY_SHUT_DOWN] = {"coterie.queue", "ShutDown"},
    [LAZY_BROKEN_POOL] = {"coterie.executor", "BrokenInterpreterPool"},
    [LAZY_ACCOUNT_FOR] = {"coterie._outcome", "account_for"},
    [LAZY_REBUILD] = {"coterie._outcome", "rebuild"},
    [LAZY_LET_INTERRUPT_IN] = {"coterie._outcome", "let_interrupt_in"},
    [LAZY_FUTURE] = {"coterie.executor", "Future"},
    [LAZY_PREPARE] = {"coterie._worker", "prepare"},
    [LAZY_INITIALIZER_FAILED] = {"coterie._notes", "initializer_failed"},
    [LAZY_TAKE_NOTE] = {"coterie._notes", "take"},
    [LAZY_RUN_SOURCE] = {"coterie._worker", "run_source"},
    [LAZY_WRAP] = {"coterie._tasks", "wrap"},
    [LAZY_BREAKPOINT] = {"coterie._worker", "breakpoint_hook"},
    [LAZY_CALL] = {"operator", "call"},
    [LAZY_INTERPRETER] = {"coterie.interpreters", "Interpreter"},
    [LAZY_INTERPRETER_ERROR] = {"coterie._errors", "InterpreterError"},
    [LAZY_INTERPRETER_NOT_FOUND] = {"coterie._errors",
                                    "InterpreterNotFoundError"},
    [LAZY_RELAYED_CALL] = {"coterie._output", "relayed_call"},
    [LAZY_EXECUTION_FAILED] = {"coterie._outcome", "execution_failed"},
    [LAZY_QUEUE_EMPTY] = {QUEUES, "QueueEmpty"},
    [LAZY_QUEUE_FULL] = {QUEUES, "QueueFull"},
    [LAZY_QUEUE_NOT_FOUND] = {QUEUES, "QueueNotFoundError"},
    [LAZY_QUEUE_ITEM_DESTROYED] = {QUEUES, "ItemInterpreterDestroyed"},
    [LAZY_QUEUE_FLAG_OF] = {QUEUES, "_flag_of"},
    [LAZY_QUEUE_CONSTANT_OF] = {QUEUES, "_constant_of"},
    [LAZY_ACTOR] = {"coterie._aio", "find_actor"},
    [LAZY_PERFORM] = {"coterie._aio", "perform"},
    [LAZY_ASYNC_RELEASE] = {"coterie._aio", "release"},
    [LAZY_ASYNC_NEXT] = {"coterie._aio", "next_item"},
    [LAZY_ASYNC_CONDITION] = {"coterie._aio", "wait_condition"},
    [LAZY_ASYNC_ONCE] = {"coterie._aio", "do_once"},
    [LAZY_CLOSED] = {"coterie.channel", "Closed"},
    [LAZY_CHANNEL_NOT_FOUND] = {CHANNELS, "ChannelNotFoundError"},
    [LAZY_CHANNEL_CLOSED] = {CHANNELS, "ChannelClosedError"},
    [LAZY_CHANNEL_EMPTY] = {CHANNELS, "ChannelEmptyError"},
    [LAZY_CHANNEL_NOT_EMPTY] = {CHANNELS, "ChannelNotEmptyError"},
    [LAZY_CHANNEL_INFO] = {CHANNELS, "ChannelInfo"},
    [LAZY_CHANNEL_FLAG_OF] = {CHANNELS, "_flag_of"},
    [LAZY_CHANNEL_CONSTANT_OF] = {CHANNELS, "_constant_of"},
    [LAZY_CHANNEL_TAKE_UNBOUND] = {CHANNELS, "_take_unbound"},
    [LAZY_BROKEN_BARRIER] = {"coterie.sync", "BrokenBarrierError"},
};

PyObject *
state_import(module_state *state, lazy_name name)
{
    if (state->lazy[name] != NULL) {
        return state->lazy[name];
    }
    PyObject *module = PyImport_ImportModule(lazy_names[name].module);
    if (module == NULL) {
        return NULL;
    }
    PyObject *found = PyObject_GetAttrString(module, lazy_names[name].name);
    Py_DECREF(module);
    if (found != NULL) {
        Py_XSETREF(state->lazy[name], found);
    }
    return found;
}

module_state *
state_of_current(void)
{
    PyObject *module = PyImport_ImportModule("coterie._core");
    if (module == NULL) {
        return NULL;
    }
    module_state *state = PyModule_GetState(module);
    Py_DECREF(module);  // sys.modules keeps it
    return state;
}

module_state *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &cot_module_def);
    return module ? PyModule_GetState(module) : NULL;
}
