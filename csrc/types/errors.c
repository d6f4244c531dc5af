#include "types/errors.h"

#include <stdarg.h>
#include <string.h>

void
raise_status(module_state *state, cot_status status)
{
    switch (status) {
        case COT_OK:
        case COT_AGAIN:
        case COT_SIGNALLED:
            PyErr_SetString(PyExc_SystemError,
                            "coterie: a status that is no error was raised");
            return;
        case COT_TIMED_OUT:
            PyErr_SetNone(PyExc_TimeoutError);
            return;
        case COT_INTERRUPTED:
            PyErr_SetNone(state->interrupted);
            return;
        case COT_SHUT_DOWN:
            raise_lazy(state, LAZY_SHUT_DOWN, NULL);
            return;
        case COT_NO_MEMORY:
            PyErr_NoMemory();
            return;
        case COT_NO_THREAD:
            PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
            return;
        case COT_OVERDONE:
            PyErr_SetString(PyExc_ValueError,
                            "task_done() called too many times");
            return;
        case COT_NOT_OWNER:
            PyErr_SetString(PyExc_RuntimeError,
                            "cannot release un-acquired lock");
            return;
        case COT_OWNER_DIED:
            PyErr_SetString(state->owner_died,
                            "the interpreter that held the lock has ended");
            return;
    }
}

PyObject *
raise_lazy(module_state *state, lazy_name name, const char *format, ...)
{
    PyObject *cls = state_import(state, name);
    if (cls == NULL) {
        return NULL;
    }
    if (format == NULL) {
        PyErr_SetNone(cls);
        return NULL;
    }
    va_list values;
    va_start(values, format);
    PyErr_FormatV(cls, format, values);
    va_end(values);
    return NULL;
}

// A new reference to the first note that begins like this, or NULL.
static PyObject *
find_note(PyObject *exc, const char *start)
{
    PyObject *notes = PyObject_GetAttrString(exc, "__notes__");
    PyObject *found = NULL;
    Py_ssize_t len = notes && PyList_Check(notes) ? PyList_Size(notes) : 0;
    for (Py_ssize_t i = 0; found == NULL && i < len; i++) {
        PyObject *note = PyList_GetItemRef(notes, i);
        const char *text = note && PyUnicode_Check(note)
                               ? PyUnicode_AsUTF8(note)
                               : NULL;
        if (text != NULL && strncmp(text, start, strlen(start)) == 0) {
            found = Py_NewRef(note);
        }
        Py_XDECREF(note);
    }
    Py_XDECREF(notes);
    PyErr_Clear();
    return found;
}

PyObject *
raise_not_shareable(module_state *state, const char *what)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)
        || PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return NULL;
    }
    PyObject *reason = PyErr_GetRaisedException();
    PyObject *note = find_note(reason, "(the global ");
    if (note != NULL) {
        PyErr_Format(state->not_shareable_error, "%s: %S %U", what, reason,
                     note);
        Py_DECREF(note);
    }
    else {
        PyErr_Format(state->not_shareable_error, "%s: %S", what, reason);
    }
    set_cause(reason);
    return NULL;
}

void
set_cause(PyObject *cause)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyException_SetCause(exc, Py_XNewRef(cause));
    PyException_SetContext(exc, cause);
    PyErr_SetRaisedException(exc);
}
