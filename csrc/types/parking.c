#include "types/parking.h"

#include "core/registry.h"
#include "core/runtime.h"
#include "port/memory.h"
#include "types/async_wait.h"
#include "types/environment.h"
#include "types/library_watch.h"
#include "types/opening.h"

PyObject *
parking_take_stock(void)
{
    PyObject *module = PyImport_ImportModule("coterie._stock");
    PyObject *watch = module ? library_watch_begin() : NULL;
    PyObject *stock = watch ? PyObject_CallMethod(module, "take_stock", "OO",
                                                  PyTuple_GET_ITEM(watch, 0),
                                                  PyTuple_GET_ITEM(watch, 1))
                            : NULL;
    PyErr_Clear();  // it cannot be used again: no more is lost
    if (stock == NULL) {
        library_watch_end();
    }
    Py_XDECREF(watch);
    Py_XDECREF(module);
    return stock;
}

void
parking_drop_stock(PyObject *stock)
{
    if (stock != NULL) {
        library_watch_end();
        Py_DECREF(stock);
    }
}

static int
call_stock(const char *name)
{
    PyObject *module = PyImport_ImportModule("coterie._stock");
    PyObject *done = module ? PyObject_CallMethod(module, name, NULL) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
parking_get_ready(void)
{
    return call_stock("get_ready");
}

int
parking_resume(void)
{
    return call_stock("resume");
}

static bool
reset(PyObject *stock, bool strictly)
{
    PyObject *module = PyImport_ImportModule("coterie._reset");
    PyObject *done = module ? PyObject_CallMethod(module, "reset", "Oi", stock,
                                                  (int)strictly)
                            : NULL;
    PyErr_Clear();
    bool is_new = done == Py_True;
    Py_XDECREF(done);
    Py_XDECREF(module);
    return is_new;
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
    if (!has_room() || !reset(stock, false)) {
        parking_drop_stock(stock);
        return false;
    }
    // Modules refer to themselves.  With our own goes its state.
    PyGC_Collect();
    PyThreadState_Clear(own);
    PyThreadState_DeleteCurrent();
    environment_undo(PyInterpreterState_GetID(interpreter));
    if (put(interpreter, stock)) {
        return true;
    }
    // Another one was faster.
    PyThreadState *last = PyThreadState_New(interpreter);
    if (last != NULL) {
        PyEval_RestoreThread(last);
        parking_drop_stock(stock);
        opening_end(last);
    }
    else {
        cot_runtime_interpreter_closed();
    }
    return true;
}

bool
parking_renew(PyThreadState **own, PyObject *stock)
{
    PyObject *module = PyImport_ImportModule("coterie._core");
    module_state *state = module ? PyModule_GetState(module) : NULL;
    bool is_new = state != NULL && reset(stock, true);
    PyThreadState *next = is_new ? PyThreadState_New(
                                       PyThreadState_GetInterpreter(*own))
                                 : NULL;
    if (next != NULL) {
        // What code has left by its thread goes with the thread state.
        PyThreadState *last = PyThreadState_Swap(next);
        PyThreadState_Clear(last);
        PyThreadState_Delete(last);
        *own = next;
        // Now, although its state may be freed later, or be kept by somebody.
        async_waits_end(state);
        cot_registry_interpreter_ended(state->home);
    }
    PyErr_Clear();
    Py_XDECREF(module);
    PyGC_Collect();
    return next != NULL;
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
        parking_drop_stock(stock);
        opening_end(tstate);
        PyEval_RestoreThread(outer);
    }
}

int
parking_append_id(PyObject *ids, int64_t id)
{
    PyObject *number = PyLong_FromLongLong(id);
    int failed = number == NULL || PyList_Append(ids, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static int
append_parked(PyObject *ids)
{
    cot_parked *parked = cot_runtime_parked();
    PyInterpreterState *found[COT_PARKED_MAX];
    cot_lock_acquire(&parked->lock);
    size_t len = parked->len;
    for (size_t i = 0; i < len; i++) {
        found[i] = parked->places[i].interpreter;
    }
    cot_lock_release(&parked->lock);
    for (size_t i = 0; i < len; i++) {
        if (parking_append_id(ids, PyInterpreterState_GetID(found[i])) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
append_kept(PyObject *ids)
{
    size_t len;
    int64_t *found = cot_lot_copy_ids(cot_runtime_lot(), &len);
    int failed = found == NULL;
    if (failed) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; i < len && !failed; i++) {
        failed = parking_append_id(ids, found[i]) < 0;
    }
    cot_free(found);
    return failed ? -1 : 0;
}

PyObject *
parking_ids(void)
{
    PyObject *ids = PyList_New(0);
    if (ids != NULL && (append_parked(ids) < 0 || append_kept(ids) < 0)) {
        Py_CLEAR(ids);
    }
    return ids;
}
