// The module of codec_calls.py: the loops, in C, so that nothing is measured
// but the calls.  It has a codec of its own, without coterie's shared objects.

#include "codec/codec.h"
#include "port/clock.h"

#include <Python.h>
#include <marshal.h>

static cot_codec codec;
static PyObject *pickle_dumps;
static PyObject *pickle_loads;
static PyObject *protocol;  // the names of dumps' arguments after the first

static int
by_coterie(PyObject *obj)
{
    cot_payload *payload = cot_encode(&codec, obj);
    if (payload == NULL) {
        return -1;
    }
    PyObject *back = cot_decode(&codec, payload);
    cot_payload_destroy(payload);
    Py_XDECREF(back);
    return back ? 0 : -1;
}

static int
by_pickle(PyObject *obj)
{
    PyObject *args[] = {obj, PyLong_FromLong(5)};
    PyObject *block = PyObject_Vectorcall(pickle_dumps, args, 1, protocol);
    Py_DECREF(args[1]);
    PyObject *back = block ? PyObject_CallOneArg(pickle_loads, block) : NULL;
    Py_XDECREF(block);
    Py_XDECREF(back);
    return back ? 0 : -1;
}

static int
by_marshal(PyObject *obj)
{
    PyObject *block = PyMarshal_WriteObjectToString(obj, Py_MARSHAL_VERSION);
    PyObject *back = NULL;
    if (block != NULL) {
        back = PyMarshal_ReadObjectFromString(PyBytes_AS_STRING(block),
                                              PyBytes_GET_SIZE(block));
    }
    Py_XDECREF(block);
    Py_XDECREF(back);
    return back ? 0 : -1;
}

static PyObject *
seconds_of(int (*turn)(PyObject *), PyObject *args)
{
    PyObject *obj;
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "On", &obj, &count)) {
        return NULL;
    }
    int64_t start = (int64_t)cot_clock_ns();
    for (Py_ssize_t i = 0; i < count; i++) {
        if (turn(obj) < 0) {
            return NULL;
        }
    }
    return PyFloat_FromDouble(1e-9
                              * (double)((int64_t)cot_clock_ns() - start));
}

static PyObject *
calls_coterie(PyObject *module, PyObject *args)
{
    return seconds_of(by_coterie, args);
}

static PyObject *
calls_pickle(PyObject *module, PyObject *args)
{
    return seconds_of(by_pickle, args);
}

static PyObject *
calls_marshal(PyObject *module, PyObject *args)
{
    return seconds_of(by_marshal, args);
}

static PyMethodDef methods[] = {
    {"coterie", calls_coterie, METH_VARARGS, NULL},
    {"pickle", calls_pickle, METH_VARARGS, NULL},
    {"marshal", calls_marshal, METH_VARARGS, NULL},
    {0},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "codec_calls_c",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_codec_calls_c(void);

PyMODINIT_FUNC
PyInit_codec_calls_c(void)
{
    PyObject *pickle = PyImport_ImportModule("_pickle");
    if (pickle == NULL) {
        return NULL;
    }
    pickle_dumps = PyObject_GetAttrString(pickle, "dumps");
    pickle_loads = PyObject_GetAttrString(pickle, "loads");
    protocol = Py_BuildValue("(s)", "protocol");
    Py_DECREF(pickle);
    if (pickle_dumps == NULL || pickle_loads == NULL || protocol == NULL) {
        return NULL;
    }
    return PyModule_Create(&definition);
}
