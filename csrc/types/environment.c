#include "types/environment.h"

#include "core/runtime.h"
#include "port/environment.h"

#include <string.h>

// In the dictionary that each interpreter has for extensions.
static const char mark[] = "coterie.environment";

void
environment_watch(void)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (dict != NULL && PyDict_SetItemString(dict, mark, Py_True) < 0) {
        PyErr_Clear();
    }
}

void
environment_undo(int64_t interpreter_id)
{
    cot_ledger_undo(cot_runtime_ledger(), interpreter_id);
}

static bool
is_watched(PyInterpreterState *interpreter)
{
    PyObject *dict = PyInterpreterState_GetDict(interpreter);
    int has = dict != NULL ? PyDict_ContainsString(dict, mark) : 0;
    PyErr_Clear();
    return has == 1;
}

static int
add_variable(PyObject *read, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        return 0;
    }
    PyObject *name = PyBytes_FromStringAndSize(text, equals - text);
    PyObject *value = PyBytes_FromString(equals + 1);
    // The first of several is the one that C finds.
    int failed = name == NULL || value == NULL
                 || PyDict_SetDefaultRef(read, name, value, NULL) < 0;
    Py_XDECREF(value);
    Py_XDECREF(name);
    return failed ? -1 : 0;
}

PyObject *
environment_read(void)
{
    PyObject *read = PyDict_New();
    char *const *all = cot_environment_all();
    for (size_t i = 0; read != NULL && all != NULL && all[i] != NULL; i++) {
        if (add_variable(read, all[i]) < 0) {
            Py_CLEAR(read);
        }
    }
    return read;
}

void
environment_note(PyObject *args, bool is_set)
{
    const char *name;
    const char *value = NULL;
    // Code may raise such an event by itself, with any arguments.
    if (!PyArg_ParseTuple(args, is_set ? "yy" : "y", &name, &value)) {
        PyErr_Clear();
        return;
    }
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    if (is_watched(interpreter)) {
        cot_ledger_write(cot_runtime_ledger(), name, value,
                         PyInterpreterState_GetID(interpreter));
    }
    else {
        cot_ledger_forget(cot_runtime_ledger(), name);
    }
}
