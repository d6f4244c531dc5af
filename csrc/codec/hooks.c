#include "codec/hooks.h"

#include "core/runtime.h"

#include "compat/compat.h"

static const char HANDLE[] = "coterie.codec";

cot_codec *
cot_hook_codec(PyObject *handle)
{
    return PyCapsule_GetPointer(handle, HANDLE);
}

// The encoding of `obj` by which coterie._byvalue sees whether it changed.
static PyObject *
fingerprint(PyObject *handle, PyObject *obj)
{
    cot_codec *codec = cot_hook_codec(handle);
    if (codec == NULL) {
        return NULL;
    }
    cot_encoder *encoder = cot_encoder_take(codec,
                                            COT_CANONICAL | COT_COMPARED);
    if (encoder == NULL) {
        return NULL;
    }
    PyObject *bytes = NULL;
    if (cot_encode_root(encoder, obj) == 0) {
        bytes = cot_encoder_take_bytes(encoder);
    }
    else if (encoder->gave_up) {
        bytes = cot_pickle(encoder, obj);
    }
    cot_encoder_give_back(encoder);
    return bytes;
}

static PyMethodDef fingerprint_method = {
    "fingerprint",
    fingerprint,
    METH_O,
    "fingerprint($module, obj, /)\n--\n\nAn encoding, to be compared.",
};

// A number that no earlier state of the class has had.
static PyObject *
version(PyObject *handle, PyObject *cls)
{
    if (!PyType_Check(cls)) {
        PyErr_SetString(PyExc_TypeError, "not a class");
        return NULL;
    }
    if (!PyUnstable_Type_AssignVersionTag((PyTypeObject *)cls)) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLong(((PyTypeObject *)cls)->tp_version_tag);
}

static PyMethodDef version_method = {
    "version",
    version,
    METH_O,
    "version($module, cls, /)\n--\n\nChanges with the class; None: unknown.",
};

static int
set_up(cot_codec *codec)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    // Not the interpreter's id: one that is used again has another codec, which
    // counts its tokens anew.
    uint64_t origin = codec->process_id + (cot_runtime_next_id() & UINT32_MAX);
    PyObject *is_main = interpreter == PyInterpreterState_Main() ? Py_True
                                                                 : Py_False;
    PyObject *first = PyCFunction_New(&fingerprint_method, codec->handle);
    PyObject *second = PyCFunction_New(&version_method, codec->handle);
    PyObject *done = NULL;
    if (first != NULL && second != NULL) {
        done = PyObject_CallMethod(codec->by_value, "set_up", "KOOO",
                                   (unsigned long long)origin, is_main, first,
                                   second);
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int
need_attribute(PyObject *module, const char *name, PyObject **attribute)
{
    if (*attribute == NULL) {
        *attribute = PyObject_GetAttrString(module, name);
    }
    return *attribute ? 0 : -1;
}

// Everything is in place once `fill` is, the last one.
int
cot_hook_prepare(cot_codec *codec)
{
    if (codec->fill != NULL) {
        return 0;
    }
    if (codec->handle == NULL) {
        codec->handle = PyCapsule_New(codec, HANDLE, NULL);
    }
    if (codec->handle == NULL) {
        return -1;
    }
    PyObject *module = PyImport_ImportModule("coterie._byvalue");
    if (module == NULL) {
        return -1;
    }
    Py_XSETREF(codec->by_value, module);
    return set_up(codec) < 0
                   || need_attribute(module, "reduce", &codec->reduce) < 0
                   || need_attribute(module, "make", &codec->make) < 0
                   || need_attribute(module, "fill", &codec->fill) < 0
               ? -1
               : 0;
}

PyObject *
cot_hook_reduce(cot_codec *codec, PyObject *obj)
{
    if (cot_hook_prepare(codec) < 0) {
        return NULL;
    }
    return PyObject_CallOneArg(codec->reduce, obj);
}

PyObject *
cot_hook_make(cot_codec *codec, PyObject *arguments)
{
    if (cot_hook_prepare(codec) < 0) {
        return NULL;
    }
    return PyObject_CallOneArg(codec->make, arguments);
}

int
cot_hook_fill(cot_codec *codec, PyObject *function, PyObject *state)
{
    PyObject *arguments[] = {function, state};
    PyObject *done = PyObject_Vectorcall(codec->fill, arguments, 2, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

PyObject *
cot_hook_witnesses(cot_codec *codec, PyObject *callable)
{
    if (cot_hook_prepare(codec) < 0) {
        return NULL;
    }
    return PyObject_CallMethod(codec->by_value, "witnesses", "O", callable);
}

PyObject *
cot_hook_give_frame(PyObject *builtin)
{
    PyObject *module = PyImport_ImportModule("coterie._inside");
    PyObject *framed = module ? PyObject_CallMethod(module, "give_frame", "O",
                                                    builtin)
                              : NULL;
    Py_XDECREF(module);
    return framed;
}

PyObject *
cot_hook_import(PyObject *name)
{
    return PyImport_Import(name);
}

PyObject *
cot_hook_find(PyObject *module, PyObject *name)
{
    PyObject *found = cot_hook_import(module);
    Py_ssize_t len = PyUnicode_GET_LENGTH(name);
    Py_ssize_t start = 0;
    while (found != NULL && start <= len) {
        Py_ssize_t dot = PyUnicode_FindChar(name, '.', start, len, 1);
        if (dot < 0) {
            dot = len;
        }
        PyObject *part = PyUnicode_Substring(name, start, dot);
        PyObject *next = part ? PyObject_GetAttr(found, part) : NULL;
        Py_XDECREF(part);
        Py_SETREF(found, next);
        start = dot + 1;
    }
    return found;
}
