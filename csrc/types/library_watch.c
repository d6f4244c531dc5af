#include "types/library_watch.h"

#include <stdbool.h>

// In the interpreter's dictionary: a tuple of the three below.
static const char key_of_watch[] = "coterie.library";

typedef enum {
    WATCH_RECORDS,  // dict
    WATCH_POPPED,   // list of modules: see note
    WATCH_LIBRARY,  // sys.stdlib_module_names
} watch_field;

// ---- records -------------------------------------------------------------

static PyObject *
copy_container(PyObject *value)
{
    if (PyList_CheckExact(value)) {
        return PyList_GetSlice(value, 0, PyList_GET_SIZE(value));
    }
    return PyDict_CheckExact(value) ? PyDict_Copy(value) : PySet_New(value);
}

// sys.modules and what else others put back.
static bool
is_kept_by_others(PyObject *name)
{
    static const char *const others[] = {"__builtins__", "environ", "modules",
                                         "path_importer_cache"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (PyUnicode_CompareWithASCIIString(name, others[i]) == 0) {
            return true;
        }
    }
    return false;
}

// Steals `copy`, which may be NULL.
static int
append_pair(PyObject *pairs, PyObject *value, PyObject *copy)
{
    PyObject *pair = copy ? PyTuple_Pack(2, value, copy) : NULL;
    int failed = pair == NULL || PyList_Append(pairs, pair) < 0;
    Py_XDECREF(pair);
    Py_XDECREF(copy);
    return failed ? -1 : 0;
}

static PyObject *
copy_contents(PyObject *space)
{
    PyObject *pairs = PyList_New(0);
    PyObject *name, *value;
    Py_ssize_t pos = 0;
    while (pairs != NULL && PyDict_Next(space, &pos, &name, &value)) {
        if ((PyList_CheckExact(value) || PyDict_CheckExact(value)
             || PySet_CheckExact(value))
            && PyUnicode_Check(name) && !is_kept_by_others(name)
            && append_pair(pairs, value, copy_container(value)) < 0) {
            Py_CLEAR(pairs);
        }
    }
    return pairs;
}

static bool
is_at_home(PyObject *attributes, PyObject *module_name)
{
    PyObject *home = PyDict_GetItemString(attributes, "__module__");
    return home != NULL && module_name != NULL && PyUnicode_Check(home)
           && PyUnicode_Check(module_name)
           && PyUnicode_Compare(home, module_name) == 0;
}

// Names and values in turn: a dictionary takes twice as much, and there are some
// hundred classes.
static PyObject *
copy_attributes(PyObject *attributes)
{
    PyObject *copy = PyTuple_New(2 * PyDict_Size(attributes));
    PyObject *name, *value;
    Py_ssize_t pos = 0;
    for (Py_ssize_t i = 0;
         copy != NULL && PyDict_Next(attributes, &pos, &name, &value);
         i += 2) {
        PyTuple_SET_ITEM(copy, i, Py_NewRef(name));
        PyTuple_SET_ITEM(copy, i + 1, Py_NewRef(value));
    }
    return copy;
}

static PyObject *
copy_classes(PyObject *space)
{
    PyObject *pairs = PyList_New(0);
    PyObject *module_name = PyDict_GetItemString(space, "__name__");
    PyObject *name, *value;
    Py_ssize_t pos = 0;
    while (pairs != NULL && PyDict_Next(space, &pos, &name, &value)) {
        if (!PyType_Check(value)
            || PyType_HasFeature((PyTypeObject *)value,
                                 Py_TPFLAGS_IMMUTABLETYPE)) {
            continue;
        }
        PyObject *attributes = PyType_GetDict((PyTypeObject *)value);
        if (is_at_home(attributes, module_name)
            && append_pair(pairs, value, copy_attributes(attributes)) < 0) {
            Py_CLEAR(pairs);
        }
        Py_DECREF(attributes);
    }
    return pairs;
}

// Runs no code of Python: a watcher must not.
static int
record(PyObject *records, PyObject *name, PyObject *module)
{
    PyObject *space = PyModule_GetDict(module);
    PyObject *made = Py_BuildValue("(ONNN)", module, PyDict_Copy(space),
                                   copy_contents(space), copy_classes(space));
    int failed = made == NULL || PyDict_SetItem(records, name, made) < 0;
    Py_XDECREF(made);
    return failed ? -1 : 0;
}

// ---- the watcher ---------------------------------------------------------

// The part before the first dot: a new reference.
static PyObject *
top_of(PyObject *name)
{
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0,
                                        PyUnicode_GET_LENGTH(name), 1);
    return dot < 0 ? Py_NewRef(name) : PyUnicode_Substring(name, 0, dot);
}

static bool
is_of_library(PyObject *watch, PyObject *name)
{
    PyObject *top = top_of(name);
    bool is = top != NULL
              && PySet_Contains(PyTuple_GET_ITEM(watch, WATCH_LIBRARY), top)
                     == 1;
    Py_XDECREF(top);
    return is;
}

// importlib takes a module out of sys.modules once it is executed, and puts it in
// again; one that failed it takes out only.  The list keeps those: nothing may be
// freed here, as that runs code.
static void
note(PyObject *watch, PyObject *name, PyObject *module, bool is_put_in)
{
    PyObject *popped = PyTuple_GET_ITEM(watch, WATCH_POPPED);
    PyObject *records = PyTuple_GET_ITEM(watch, WATCH_RECORDS);
    if (!PyModule_Check(module) || !is_of_library(watch, name)
        || PyDict_Contains(records, name) != 0) {
        return;
    }
    Py_ssize_t len = PyList_GET_SIZE(popped);
    if (!is_put_in) {
        (void)PyList_Append(popped, module);
    }
    else if (len > 0 && PyList_GET_ITEM(popped, len - 1) == module) {
        (void)record(records, name, module);
        (void)PyList_SetSlice(popped, len - 1, len, NULL);
    }
}

static int
note_modules(PyDict_WatchEvent event, PyObject *modules, PyObject *name,
             PyObject *new_module)
{
    if ((event != PyDict_EVENT_ADDED && event != PyDict_EVENT_DELETED)
        || !PyUnicode_CheckExact(name)) {
        return 0;
    }
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *all = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *watch = all ? PyDict_GetItemString(all, key_of_watch) : NULL;
    bool is_put_in = event == PyDict_EVENT_ADDED;
    PyObject *module = is_put_in ? new_module : PyDict_GetItem(modules, name);
    if (watch != NULL && module != NULL) {
        note(watch, name, module, is_put_in);
    }
    // Failing, it is a module that nobody knows: it is imported anew.
    PyErr_SetRaisedException(pending);
    return 0;
}

// ---- the whole -----------------------------------------------------------

static bool
is_ours(PyObject *name)
{
    PyObject *top = top_of(name);
    bool is = top != NULL
              && PyUnicode_CompareWithASCIIString(top, "coterie") == 0;
    Py_XDECREF(top);
    return is;
}

static int
record_all(PyObject *records, PyObject *modules)
{
    PyObject *name, *module;
    Py_ssize_t pos = 0;
    while (PyDict_Next(modules, &pos, &name, &module)) {
        if (PyUnicode_CheckExact(name) && PyModule_Check(module)
            && !is_ours(name) && record(records, name, module) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
begin(PyObject *watch, PyObject *modules)
{
    PyObject *all = PyInterpreterState_GetDict(PyInterpreterState_Get());
    int id = -1;
    if (all != NULL
        && record_all(PyTuple_GET_ITEM(watch, WATCH_RECORDS), modules) == 0
        && PyDict_SetItemString(all, key_of_watch, watch) == 0) {
        id = PyDict_AddWatcher(note_modules);
    }
    return id < 0 ? -1 : PyDict_Watch(id, modules);
}

PyObject *
library_watch_begin(void)
{
    PyObject *library = PySys_GetObject("stdlib_module_names");
    PyObject *watch = library ? Py_BuildValue("({}[]O)", library) : NULL;
    if (watch != NULL && begin(watch, PyImport_GetModuleDict()) < 0) {
        Py_CLEAR(watch);
    }
    return watch;
}

void
library_watch_end(void)
{
    PyObject *all = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (all != NULL && PyDict_DelItemString(all, key_of_watch) < 0) {
        PyErr_Clear();
    }
}
