// The codec's way to coterie._pickling.

#include "codec/hooks.h"

enum {
    COPIED = 64 * 1024,  // a pickle up to this size is copied, to be loaded
};

static const char ATTACHMENTS[] = "coterie.attachments";

static int
need_pickling(cot_codec *codec)
{
    if (codec->load != NULL) {
        return 0;
    }
    if (cot_hook_prepare(codec) < 0) {
        return -1;
    }
    PyObject *module = PyImport_ImportModule("coterie._pickling");
    if (module == NULL) {
        return -1;
    }
    Py_XSETREF(codec->pickling, module);
    Py_XSETREF(codec->dump, PyObject_GetAttrString(module, "dumps"));
    Py_XSETREF(codec->load, PyObject_GetAttrString(module, "load_pickle"));
    return codec->dump && codec->load ? 0 : -1;
}

// Dumping

// Lends the encoder and the shared object behind `obj`, or NULL if it is none.
static cot_object *
unwrap(PyObject *attachments, PyObject *obj, cot_encoder **encoder)
{
    *encoder = PyCapsule_GetPointer(attachments, ATTACHMENTS);
    if (*encoder == NULL) {
        return NULL;
    }
    cot_codec *codec = (*encoder)->codec;
    return codec->unwrap ? codec->unwrap(codec->context, obj) : NULL;
}

static PyObject *
attach_view(cot_encoder *encoder, PyObject *view)
{
    cot_codec *codec = encoder->codec;
    cot_object *object = codec->share(codec->context, view);
    if (object == NULL) {
        return NULL;
    }
    Py_ssize_t at = cot_encoder_attach(encoder, object);
    cot_object_unref(object);
    return at < 0 ? NULL : PyLong_FromSsize_t(at);
}

static PyObject *
attach(PyObject *attachments, PyObject *obj)
{
    cot_encoder *encoder;
    cot_object *object = unwrap(attachments, obj, &encoder);
    if (encoder != NULL && PyMemoryView_Check(obj)
        && encoder->codec->share != NULL) {
        return attach_view(encoder, obj);
    }
    if (object == NULL) {
        return encoder ? Py_NewRef(Py_None) : NULL;
    }
    Py_ssize_t at = cot_encoder_attach(encoder, object);
    return at < 0 ? NULL : PyLong_FromSsize_t(at);
}

static PyMethodDef attach_method = {
    "attach",
    attach,
    METH_O,
    "attach($module, obj, /)\n--\n\nThe number for a shared object, or None.",
};

// What no instance of a class is, but for a few descriptors.
static bool
is_special(PyObject *obj)
{
    return PyType_Check(obj) || Py_TYPE(obj)->tp_descr_get != NULL
           || PyCFunction_CheckExact(obj) || PyModule_Check(obj)
           || PyCell_Check(obj) || PyMemoryView_Check(obj);
}

// Asked by the pickler for each object that is no built-in data: so in C.
// `watch` is a pair: the capsule, and the function in Python.
static PyObject *
override(PyObject *watch, PyObject *obj)
{
    cot_encoder *encoder;
    if (is_special(obj)
        || unwrap(PyTuple_GET_ITEM(watch, 0), obj, &encoder) != NULL) {
        return PyObject_CallOneArg(PyTuple_GET_ITEM(watch, 1), obj);
    }
    return encoder ? Py_NewRef(Py_NotImplemented) : NULL;
}

static PyMethodDef override_method = {
    "reducer_override",
    override,
    METH_O,
    "reducer_override($module, obj, /)\n--\n\nA reduction.",
};

static PyObject *
watch(PyObject *attachments, PyObject *function)
{
    PyObject *pair = PyTuple_Pack(2, attachments, function);
    if (pair == NULL) {
        return NULL;
    }
    PyObject *result = PyCFunction_New(&override_method, pair);
    Py_DECREF(pair);
    return result;
}

static PyMethodDef watch_method = {
    "watch",
    watch,
    METH_O,
    "watch($module, function, /)\n--\n\nA reducer_override.",
};

static PyObject *
dump(cot_codec *codec, PyObject *obj, PyObject *attachments)
{
    PyObject *bytes = NULL;
    PyObject *attacher = PyCFunction_New(&attach_method, attachments);
    PyObject *watcher = PyCFunction_New(&watch_method, attachments);
    if (attacher != NULL && watcher != NULL) {
        PyObject *arguments[] = {obj, attacher, watcher};
        bytes = PyObject_Vectorcall(codec->dump, arguments, 3, NULL);
    }
    Py_XDECREF(attacher);
    Py_XDECREF(watcher);
    if (bytes != NULL && !PyBytes_CheckExact(bytes)) {
        PyErr_SetString(PyExc_SystemError, "coterie._pickling: no bytes");
        Py_CLEAR(bytes);
    }
    return bytes;
}

PyObject *
cot_pickle(cot_encoder *encoder, PyObject *obj)
{
    cot_codec *codec = encoder->codec;
    if (need_pickling(codec) < 0) {
        return NULL;
    }
    PyObject *attachments = PyCapsule_New(encoder, ATTACHMENTS, NULL);
    if (attachments == NULL) {
        return NULL;
    }
    PyObject *bytes = dump(codec, obj, attachments);
    // A traceback may keep the functions: they must not find the encoder then.
    PyCapsule_SetName(attachments, "gone");
    Py_DECREF(attachments);
    return bytes;
}

// Loading

static PyObject *
wrap_objects(cot_codec *codec, cot_object *const *objects, uint32_t len)
{
    PyObject *list = PyTuple_New(len);
    for (uint32_t i = 0; list != NULL && i < len; i++) {
        PyObject *wrapped = codec->wrap(codec->context, objects[i]);
        if (wrapped == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyTuple_SET_ITEM(list, i, wrapped);
    }
    return list;
}

static PyObject *
load(cot_codec *codec, PyObject *data, cot_object *const *objects,
     uint32_t objects_len)
{
    if (objects_len == 0) {
        return PyObject_CallOneArg(codec->load, data);
    }
    PyObject *wrapped = wrap_objects(codec, objects, objects_len);
    if (wrapped == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_CallMethod(codec->pickling, "loads", "OO",
                                           data, wrapped);
    Py_DECREF(wrapped);
    return result;
}

// A traceback may keep the view: it must not find the bytes then.
static int
release(PyObject *view)
{
    PyObject *error = PyErr_GetRaisedException();
    PyObject *done = PyObject_CallMethod(view, "release", NULL);
    Py_XDECREF(done);
    Py_DECREF(view);
    if (error != NULL) {
        PyErr_SetRaisedException(error);
        return -1;
    }
    return done ? 0 : -1;
}

PyObject *
cot_unpickle(cot_codec *codec, const uint8_t *bytes, size_t len,
             cot_object *const *objects, uint32_t objects_len)
{
    if (need_pickling(codec) < 0) {
        return NULL;
    }
    PyObject *result;
    if (len <= COPIED) {
        PyObject *copy = PyBytes_FromStringAndSize((const char *)bytes,
                                                   (Py_ssize_t)len);
        if (copy == NULL) {
            return NULL;
        }
        result = load(codec, copy, objects, objects_len);
        Py_DECREF(copy);
        return result;
    }
    PyObject *view = PyMemoryView_FromMemory((char *)(uintptr_t)bytes,
                                             (Py_ssize_t)len, PyBUF_READ);
    if (view == NULL) {
        return NULL;
    }
    result = load(codec, view, objects, objects_len);
    if (release(view) < 0) {
        Py_CLEAR(result);
    }
    return result;
}
