#include "types/arguments.h"

#include "types/blocking.h"

static int
refuse_name(const signature *expected, PyObject *name, bool is_known)
{
    PyErr_Format(PyExc_TypeError,
                 is_known ? "%s() got multiple values for argument '%U'"
                          : "%s() got an unexpected keyword argument '%U'",
                 expected->function, name);
    return -1;
}

int
parse_arguments(const signature *expected, PyObject *const *args,
                Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    const char *const *names = expected->names;
    if (nargs > expected->positional) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %d arguments (%zd given)",
                     expected->function, expected->positional, nargs);
        return -1;
    }
    for (int i = 0; names[i] != NULL; i++) {
        values[i] = i < nargs ? args[i] : NULL;
    }
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int at = 0;
        while (names[at] != NULL && !PyUnicode_EqualToUTF8(name, names[at])) {
            at++;
        }
        if (names[at] == NULL || values[at] != NULL) {
            return refuse_name(expected, name, names[at] != NULL);
        }
        values[at] = args[nargs + i];
    }
    for (int i = 0; i < expected->required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument: '%s'",
                         expected->function, names[i]);
            return -1;
        }
    }
    return 0;
}

int
deadline_from_block(PyObject *block, PyObject *timeout, int64_t *deadline_ns)
{
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0) {
        return -1;
    }
    if (!blocks) {
        *deadline_ns = COT_NOW;
        return 0;
    }
    return deadline_from_timeout(timeout, false, deadline_ns);
}

int
unbound_op_of(module_state *state, lazy_name flag_of, PyObject *unbounditems)
{
    PyObject *function = state_import(state, flag_of);
    PyObject *flag = function ? PyObject_CallOneArg(function, unbounditems)
                              : NULL;
    long number = flag ? PyLong_AsLong(flag) : -1;
    Py_XDECREF(flag);
    return (int)number;
}
