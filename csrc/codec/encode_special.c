// What is not data: coterie's shared objects, memoryviews, cells, functions, classes and
// modules.

#include "codec/hooks.h"
#include "codec/remember.h"

static int
encode_shared(cot_encoder *encoder, PyObject *obj, cot_object *object)
{
    int flag = remember_shared(encoder, obj);
    if (flag < 0) {
        return after_remember(flag);
    }
    Py_ssize_t at = cot_encoder_attach(encoder, object);
    if (at < 0) {
        return -1;
    }
    return cot_put_head(encoder, COT_TAG_SHARED | (unsigned)flag, (size_t)at);
}

// The memory is not copied: what is sent is a reference to it.
static int
encode_view(cot_encoder *encoder, PyObject *view)
{
    cot_codec *codec = encoder->codec;
    if (codec->share == NULL || (encoder->flags & COT_PURE)) {
        encoder->gave_up = true;
        return -1;
    }
    int flag = remember_shared(encoder, view);
    if (flag < 0) {
        return after_remember(flag);
    }
    cot_object *object = codec->share(codec->context, view);
    if (object == NULL) {
        return -1;
    }
    Py_ssize_t at = cot_encoder_attach(encoder, object);
    cot_object_unref(object);
    if (at < 0) {
        return -1;
    }
    return cot_put_head(encoder, COT_TAG_SHARED | (unsigned)flag, (size_t)at);
}

static int
encode_cell(cot_encoder *encoder, PyObject *cell)
{
    int flag = remember_shared(encoder, cell);
    if (flag < 0) {
        return after_remember(flag);
    }
    if (cot_encoder_reserve(encoder, 1) < 0) {
        return -1;
    }
    PyObject *content = encoder->has_bare_cells ? NULL : PyCell_Get(cell);
    if (content == NULL) {
        cot_put_byte(encoder, COT_TAG_EMPTY_CELL | (unsigned)flag);
        return 0;
    }
    cot_put_byte(encoder, COT_TAG_CELL | (unsigned)flag);
    int failed = -1;
    if (!Py_EnterRecursiveCall(" while encoding an object")) {
        failed = cot_encode_value(encoder, content);
        Py_LeaveRecursiveCall();
    }
    Py_DECREF(content);
    return failed;
}

static int
encode_names(cot_encoder *encoder, PyObject *names, Py_ssize_t expected)
{
    if (PyTuple_GET_SIZE(names) != expected) {
        PyErr_SetString(PyExc_SystemError, "coterie._byvalue: bad names");
        return -1;
    }
    for (Py_ssize_t i = 0; i < expected; i++) {
        if (cot_encode_value(encoder, PyTuple_GET_ITEM(names, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
encode_function(cot_encoder *encoder, PyObject *arguments, PyObject *state)
{
    bool had_bare_cells = encoder->has_bare_cells;
    encoder->has_bare_cells = true;
    int failed = cot_encode_value(encoder, arguments);
    encoder->has_bare_cells = false;
    failed = failed || cot_encode_value(encoder, state);
    encoder->has_bare_cells = had_bare_cells;
    return failed ? -1 : 0;
}

// `reduction` is the hook's (kind, arguments, state).
static int
encode_reduction(cot_encoder *encoder, PyObject *reduction, unsigned flag)
{
    long kind;
    PyObject *arguments;
    PyObject *state;
    if (!PyArg_ParseTuple(reduction, "lO!O", &kind, &PyTuple_Type, &arguments,
                          &state)
        || cot_encoder_reserve(encoder, 1) < 0) {
        return -1;
    }
    switch (kind) {
        case COT_KIND_GLOBAL:
            cot_put_byte(encoder, COT_TAG_GLOBAL | flag);
            return encode_names(encoder, arguments, 2);
        case COT_KIND_MODULE:
            cot_put_byte(encoder, COT_TAG_MODULE | flag);
            return encode_names(encoder, arguments, 1);
        case COT_KIND_FUNCTION:
            cot_put_byte(encoder, COT_TAG_FUNCTION | flag);
            return encode_function(encoder, arguments, state);
        default:
            PyErr_SetString(PyExc_SystemError, "coterie._byvalue: bad kind");
            return -1;
    }
}

static int
encode_by_hook(cot_encoder *encoder, PyObject *obj)
{
    if (encoder->flags & COT_PURE) {
        encoder->gave_up = true;
        return -1;
    }
    int flag = remember_shared(encoder, obj);
    if (flag < 0) {
        return after_remember(flag);
    }
    if (Py_EnterRecursiveCall(" while encoding an object")) {
        return -1;
    }
    // What is in the memo may lose its other owners while Python code runs.
    cot_memo_hold(&encoder->memo);
    int failed = -1;
    PyObject *reduction = cot_hook_reduce(encoder->codec, obj);
    if (reduction == Py_None) {
        encoder->gave_up = true;
    }
    else if (reduction != NULL
             && cot_encoder_keep(encoder, Py_NewRef(reduction)) == 0) {
        failed = encode_reduction(encoder, reduction, (unsigned)flag);
    }
    Py_XDECREF(reduction);
    Py_LeaveRecursiveCall();
    return failed;
}

int
cot_encode_special(cot_encoder *encoder, PyObject *obj)
{
    cot_codec *codec = encoder->codec;
    cot_object *object = codec->unwrap ? codec->unwrap(codec->context, obj)
                                       : NULL;
    if (object != NULL) {
        return encode_shared(encoder, obj, object);
    }
    if (PyMemoryView_Check(obj)) {
        return encode_view(encoder, obj);
    }
    if (PyCell_Check(obj)) {
        return encode_cell(encoder, obj);
    }
    if (PyFunction_Check(obj) || PyCFunction_CheckExact(obj)
        || PyModule_CheckExact(obj) || PyType_Check(obj)) {
        return encode_by_hook(encoder, obj);
    }
    encoder->gave_up = true;
    return -1;
}
