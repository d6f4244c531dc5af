// coterie.select.

#ifndef COT_TYPES_SELECT_H
#define COT_TYPES_SELECT_H

#include "types/state.h"

extern const char select_doc[];
PyObject *select_cases(PyObject *module, PyObject *const *args,
                       Py_ssize_t nargs, PyObject *kwnames);

#endif
