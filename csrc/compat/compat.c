#include "compat/compat.h"

// No public function says whether tracemalloc traces without importing its
// module.  PyTraceMalloc_Untrack is public, answers -2 when it does not, and
// forgets nothing for an address that was never tracked.
bool
cot_compat_is_tracing_unsafe(void)
{
#if PY_VERSION_HEX >= 0x030F0000
    return false;
#else
    static const unsigned int no_domain = 0xC07E;
    return PyTraceMalloc_Untrack(no_domain, 0) != -2;
#endif
}

void
cot_compat_forget_thread(void)
{
#if PY_VERSION_HEX < 0x030E0000
    PyObject *threads = PyDict_GetItemString(PyImport_GetModuleDict(),
                                             "threading");
    PyObject *local = threads ? PyObject_GetAttrString(threads,
                                                       "_thread_local_info")
                              : NULL;
    if (local != NULL) {
        (void)PyObject_DelAttrString(local, "_track_dummy_thread_ref");
        Py_DECREF(local);
    }
    PyErr_Clear();
#endif
}

void
cot_compat_release_import_lock(void)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *module = PyImport_ImportModule("_imp");
    PyObject *done = module;
    while (done != NULL) {  // it may be taken several times
        done = PyObject_CallMethod(module, "release_lock", NULL);
        Py_XDECREF(done);
    }
    Py_XDECREF(module);
    PyErr_SetRaisedException(pending);
}
