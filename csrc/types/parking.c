#include "types/parking.h"

#include "compat/compat.h"
#include "core/runtime.h"

static PyObject *
call_reset_module(const char *function, PyObject *arg)
{
    PyObject *module = PyImport_ImportModule("coterie._reset");
    PyObject *result = NULL;
    if (module != NULL) {
        result = arg ? PyObject_CallMethod(module, function, "O", arg)
                     : PyObject_CallMethod(module, function, NULL);
    }
    Py_XDECREF(module);
    if (result == NULL) {
        // It cannot be used again: no more than a little memory is lost.
        PyErr_Clear();
    }
    return result;
}

PyObject *
parking_take_stock(void)
{
    return COT_COMPAT_LEAKS_INTERPRETERS
               ? call_reset_module("take_stock", NULL)
               : NULL;
}

static bool
has_room(void)
{
    cot_parked *parked = cot_runtime_parked();
    cot_lock_acquire(&parked->lock);
    bool has = parked->len < COT_PARKED_MAX;
    cot_lock_release(&parked->lock);
    return has;
}

static bool
put(PyInterpreterState *interpreter, PyObject *stock)
{
    cot_parked *parked = cot_runtime_parked();
    cot_lock_acquire(&parked->lock);
    bool fits = parked->len < COT_PARKED_MAX;
    if (fits) {
        parked->places[parked->len].interpreter = interpreter;
        parked->places[parked->len++].stock = stock;
    }
    cot_lock_release(&parked->lock);
    return fits;
}

static PyInterpreterState *
take(PyObject **stock)
{
    cot_parked *parked = cot_runtime_parked();
    PyInterpreterState *interpreter = NULL;
    cot_lock_acquire(&parked->lock);
    if (parked->len > 0) {
        interpreter = parked->places[--parked->len].interpreter;
        *stock = parked->places[parked->len].stock;
    }
    cot_lock_release(&parked->lock);
    return interpreter;
}

bool
parking_keep(PyThreadState *own, PyObject *stock)
{
    if (stock == NULL) {
        return false;
    }
    PyInterpreterState *interpreter = PyThreadState_GetInterpreter(own);
    PyObject *done = has_room() ? call_reset_module("reset", stock) : NULL;
    bool is_new = done == Py_True;
    Py_XDECREF(done);
    if (!is_new) {
        Py_DECREF(stock);
        return false;
    }
    // Modules refer to themselves.  With our own goes its state.
    PyGC_Collect();
    PyThreadState_Clear(own);
    PyThreadState_DeleteCurrent();
    if (put(interpreter, stock)) {
        return true;
    }
    // Another one was faster.
    PyThreadState *last = PyThreadState_New(interpreter);
    if (last != NULL) {
        PyEval_RestoreThread(last);
        Py_DECREF(stock);
        Py_EndInterpreter(last);
    }
    cot_runtime_interpreter_closed();
    return true;
}

PyThreadState *
parking_take(PyObject **stock)
{
    PyInterpreterState *interpreter = take(stock);
    if (interpreter == NULL) {
        return NULL;
    }
    PyThreadState *tstate = PyThreadState_New(interpreter);
    if (tstate == NULL) {
        (void)put(interpreter, *stock);
        return NULL;
    }
    (void)PyThreadState_Swap(tstate);
    return tstate;
}

int64_t
parking_new_id(void)
{
    // CPython counts its own from 0.
    return ((int64_t)1 << 32) + (int64_t)cot_runtime_next_id();
}

void
parking_end_all(void)
{
    PyThreadState *outer = PyThreadState_Get();
    PyThreadState *tstate;
    PyObject *stock;
    while ((tstate = parking_take(&stock)) != NULL) {
        Py_DECREF(stock);
        Py_EndInterpreter(tstate);
        PyEval_RestoreThread(outer);
        cot_runtime_interpreter_closed();
    }
}

PyObject *
parking_ids(void)
{
    cot_parked *parked = cot_runtime_parked();
    PyInterpreterState *found[COT_PARKED_MAX];
    cot_lock_acquire(&parked->lock);
    size_t len = parked->len;
    for (size_t i = 0; i < len; i++) {
        found[i] = parked->places[i].interpreter;
    }
    cot_lock_release(&parked->lock);
    PyObject *ids = PyList_New(0);
    for (size_t i = 0; i < len && ids != NULL; i++) {
        PyObject *id = PyLong_FromLongLong(PyInterpreterState_GetID(found[i]));
        if (id == NULL || PyList_Append(ids, id) < 0) {
            Py_CLEAR(ids);
        }
        Py_XDECREF(id);
    }
    return ids;
}
