// The module of locks.py: two threads hand over to each other by nothing but a
// futex, as bare as it can be.  Each waits on a word of its own; who is done
// sets the other's and wakes him.

#include "port/clock.h"
#include "port/futex.h"

#include <Python.h>
#include <pthread.h>

typedef struct {
    cot_word words[2];
    Py_ssize_t count;
    PyObject *set_affinity;  // of the second thread; runs attached
} pair;

static void
hand_over(cot_word *word)
{
    atomic_store(word, 1);
    cot_futex_wake_one(word);
}

static void
wait_for(cot_word *word)
{
    while (atomic_exchange(word, 0) == 0) {
        cot_status status = cot_futex_wait(word, 0, COT_NEVER);
        (void)status;  // woken, or nothing was to be waited for: look again
    }
}

static void *
answer(void *arg)
{
    pair *both = arg;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *done = PyObject_CallNoArgs(both->set_affinity);
    if (done == NULL) {
        PyErr_Print();
    }
    Py_XDECREF(done);
    PyGILState_Release(state);
    hand_over(&both->words[0]);  // ready
    for (Py_ssize_t i = 0; i < both->count; i++) {
        wait_for(&both->words[1]);
        hand_over(&both->words[0]);
    }
    return NULL;
}

static double
seconds_of(pair *both)
{
    wait_for(&both->words[0]);
    int64_t start = (int64_t)cot_clock_ns();
    for (Py_ssize_t i = 0; i < both->count; i++) {
        hand_over(&both->words[1]);
        wait_for(&both->words[0]);
    }
    return 1e-9 * (double)((int64_t)cot_clock_ns() - start);
}

// round_trips(set_affinity, count): the seconds of so many, of two hand-overs
// each.  The second thread calls set_affinity() first.
static PyObject *
handover_round_trips(PyObject *module, PyObject *args)
{
    pair both = {0};
    pthread_t other;
    if (!PyArg_ParseTuple(args, "On", &both.set_affinity, &both.count)) {
        return NULL;
    }
    if (pthread_create(&other, NULL, answer, &both) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return NULL;
    }
    double seconds;
    Py_BEGIN_ALLOW_THREADS
    seconds = seconds_of(&both);
    pthread_join(other, NULL);
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(seconds);
}

static PyMethodDef methods[] = {
    {"round_trips", handover_round_trips, METH_VARARGS, NULL},
    {0},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "handover_c",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_handover_c(void);

PyMODINIT_FUNC
PyInit_handover_c(void)
{
    return PyModule_Create(&definition);
}
