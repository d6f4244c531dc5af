#include "types/awaiting.h"

#include "core/runtime.h"
#include "types/arguments.h"
#include "types/shared.h"

uint64_t
actor_create(module_state *state)
{
    state->has_actors = true;
    return cot_runtime_next_id() * 2 + 1;
}

uint64_t
actor_of_task(module_state *state)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *find = state_import(state, LAZY_ACTOR);
    PyObject *found = find ? PyObject_CallNoArgs(find) : NULL;
    uint64_t actor = found ? PyLong_AsUnsignedLongLong(found) : 0;
    Py_XDECREF(found);
    if (PyErr_Occurred()) {
        PyErr_FormatUnraisable("Exception ignored while asking for the task");
        actor = 0;
    }
    PyErr_SetRaisedException(pending);
    return actor;
}

PyObject *
await_operation(PyObject *target, const char *name, PyObject *value,
                PyObject *timeout)
{
    PyObject *perform = state_import(SharedObject_CAST(target)->state,
                                     LAZY_PERFORM);
    if (perform == NULL) {
        return NULL;
    }
    if (value == NULL) {
        return PyObject_CallFunction(perform, "OsO", target, name,
                                     timeout ? timeout : Py_None);
    }
    return PyObject_CallFunction(perform, "OsOO", target, name,
                                 timeout ? timeout : Py_None, value);
}

PyObject *
await_plain(PyObject *op, const signature *expected, const char *name,
            PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *values[1];
    if (parse_arguments(expected, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return await_operation(op, name, NULL, values[0]);
}

static PyObject *
await_with_value(PyObject *op, const signature *expected, const char *name,
                 PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *values[2];
    if (parse_arguments(expected, args, nargs, kwnames, values) < 0) {
        return NULL;
    }
    return await_operation(op, name, values[0], values[1]);
}

#define PLAIN(function, method, name)                                         \
    PyObject *function(PyObject *op, PyObject *const *args, Py_ssize_t nargs, \
                       PyObject *kwnames)                                     \
    {                                                                         \
        static const signature expected = {method, 0, 1, {"timeout"}};        \
        return await_plain(op, &expected, name, args, nargs, kwnames);        \
    }

#define WITH_VALUE(function, method, name, value)                             \
    PyObject *function(PyObject *op, PyObject *const *args, Py_ssize_t nargs, \
                       PyObject *kwnames)                                     \
    {                                                                         \
        static const signature expected = {method, 1, 2, {value, "timeout"}}; \
        return await_with_value(op, &expected, name, args, nargs, kwnames);   \
    }

PLAIN(await_get, "aget", "get")
PLAIN(await_join, "ajoin", "join")
PLAIN(await_acquire, "aacquire", "acquire")
PLAIN(await_wait, "await_", "wait")
PLAIN(await_recv, "arecv", "recv")
WITH_VALUE(await_put, "aput", "put", "item")
WITH_VALUE(await_put_obj, "aput", "put", "obj")
WITH_VALUE(await_get_many, "aget_many", "get_many", "max")
WITH_VALUE(await_put_many, "aput_many", "put_many", "items")
WITH_VALUE(await_send, "asend", "send", "obj")
WITH_VALUE(await_send_buffer, "asend_buffer", "send_buffer", "obj")

static PyObject *
call_lazy(PyObject *op, lazy_name name, const char *operation)
{
    PyObject *function = state_import(SharedObject_CAST(op)->state, name);
    return function ? PyObject_CallFunction(function, "Os", op, operation)
                    : NULL;
}

PyObject *
await_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return await_operation(op, "acquire", NULL, NULL);
}

PyObject *
await_release(PyObject *target, const char *name)
{
    return call_lazy(target, LAZY_ASYNC_RELEASE, name);
}

PyObject *
await_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
           Py_ssize_t Py_UNUSED(nargs))
{
    return await_release(op, "release");
}

PyObject *
await_next_get(PyObject *op)
{
    return call_lazy(op, LAZY_ASYNC_NEXT, "get");
}

PyObject *
await_next_recv(PyObject *op)
{
    return call_lazy(op, LAZY_ASYNC_NEXT, "recv");
}
