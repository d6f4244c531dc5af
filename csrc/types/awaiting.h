// Tasks of event loops: as who holds locks, and the awaitable twins of methods
// that block.  The coroutines are those of coterie/_aio.py.

#ifndef COT_TYPES_AWAITING_H
#define COT_TYPES_AWAITING_H

#include "types/arguments.h"

// A number for one more task: an actor of cot_owner.
uint64_t actor_create(module_state *state);

// The actor that the task is which runs on this thread now, or 0.
uint64_t actor_of_task(module_state *state);

// The twin of an operation (types/waitable.h): a coroutine.  `value` and
// `timeout` may be NULL.
PyObject *await_operation(PyObject *target, const char *name, PyObject *value,
                          PyObject *timeout);

// The end of "async with": calls the method of that name.
PyObject *await_release(PyObject *target, const char *name);

// The same for a method whose one argument, optional, is the timeout.
PyObject *await_plain(PyObject *op, const signature *expected,
                      const char *name, PyObject *const *args,
                      Py_ssize_t nargs, PyObject *kwnames);

// Methods of SharedObjects, METH_FASTCALL | METH_KEYWORDS: the twins of get, put
// (of an item, or an obj), join, acquire, wait, recv, send, send_buffer, get_many
// and put_many.
PyObject *await_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames);
PyObject *await_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames);
PyObject *await_put_obj(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames);
PyObject *await_join(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames);
PyObject *await_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames);
PyObject *await_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames);
PyObject *await_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames);
PyObject *await_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames);
PyObject *await_send_buffer(PyObject *op, PyObject *const *args,
                            Py_ssize_t nargs, PyObject *kwnames);
PyObject *await_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);
PyObject *await_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);

// For "async with" what is acquired; METH_NOARGS and METH_FASTCALL.
PyObject *await_enter(PyObject *op, PyObject *ignored);
PyObject *await_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

// For "async for": tp_as_async's.  The items of get(), and of recv().
PyObject *await_next_get(PyObject *op);
PyObject *await_next_recv(PyObject *op);

// Rows of method tables.
#define AWAIT_METHOD(name, function, doc)         \
    {name, (PyCFunction)(void (*)(void))function, \
     METH_FASTCALL | METH_KEYWORDS, PyDoc_STR(doc)}
#define AWAIT_ACQUIRE                              \
    AWAIT_METHOD(                                  \
        "aacquire", await_acquire,                 \
        "aacquire($self, /, timeout=None)\n--\n\n" \
        "acquire() for a task of an event loop, which owns it then.")
#define AWAIT_MANY                                                  \
    AWAIT_METHOD("aget_many", await_get_many,                       \
                 "aget_many($self, /, max, timeout=None)\n--\n\n"   \
                 "get_many() for a task of an event loop."),        \
        AWAIT_METHOD("aput_many", await_put_many,                   \
                     "aput_many($self, /, items, timeout=None)\n--" \
                     "\n\nput_many() for a task of an event loop.")
#define AWAIT_ENTER                                                          \
    {"__aenter__", await_enter, METH_NOARGS, NULL},                          \
    {                                                                        \
        "__aexit__", (PyCFunction)(void (*)(void))await_exit, METH_FASTCALL, \
            NULL                                                             \
    }

#endif
