// What is not data: coterie's shared objects, cells, functions, classes and
// modules.

#include "codec/hooks.h"
#include "codec/reader.h"

static PyObject *
decode_shared(cot_decoder *decoder)
{
    size_t at;
    if (take_size(decoder, &at) < 0) {
        return NULL;
    }
    if (at >= decoder->objects_len || decoder->codec->wrap == NULL) {
        return cot_decoder_refuse("a shared object");
    }
    return decoder->codec->wrap(decoder->codec->context, decoder->objects[at]);
}

static PyObject *
decode_name(cot_decoder *decoder)
{
    PyObject *name = cot_decode_value(decoder);
    if (name != NULL && !PyUnicode_CheckExact(name)) {
        Py_DECREF(name);
        return cot_decoder_refuse("a name");
    }
    return name;
}

static PyObject *
decode_global(cot_decoder *decoder)
{
    PyObject *module = decode_name(decoder);
    if (module == NULL) {
        return NULL;
    }
    PyObject *found = NULL;
    PyObject *name = decode_name(decoder);
    if (name != NULL) {
        found = cot_hook_find(module, name);
        Py_DECREF(name);
    }
    Py_DECREF(module);
    return found;
}

static PyObject *
decode_module(cot_decoder *decoder)
{
    PyObject *name = decode_name(decoder);
    if (name == NULL) {
        return NULL;
    }
    PyObject *module = cot_hook_import(name);
    Py_DECREF(name);
    return module;
}

static PyObject *
decode_function(cot_decoder *decoder, size_t number)
{
    PyObject *arguments = cot_decode_value(decoder);
    if (arguments == NULL) {
        return NULL;
    }
    if (!PyTuple_CheckExact(arguments)) {
        Py_DECREF(arguments);
        return cot_decoder_refuse("a function");
    }
    PyObject *function = cot_hook_make(decoder->codec, arguments);
    Py_DECREF(arguments);
    if (function == NULL) {
        return NULL;
    }
    set_known(decoder, number, function);
    PyObject *state = cot_decode_value(decoder);
    int failed = state == NULL
                 || cot_hook_fill(decoder->codec, function, state) < 0;
    Py_XDECREF(state);
    if (failed) {
        Py_DECREF(function);
        return NULL;
    }
    return function;
}

static PyObject *
decode_cell(cot_decoder *decoder, size_t number, bool is_empty)
{
    PyObject *cell = PyCell_New(NULL);
    if (cell == NULL) {
        return NULL;
    }
    set_known(decoder, number, cell);
    if (is_empty) {
        return cell;
    }
    PyObject *content = cot_decode_value(decoder);
    if (content == NULL || PyCell_Set(cell, content) < 0) {
        Py_XDECREF(content);
        Py_DECREF(cell);
        return NULL;
    }
    Py_DECREF(content);
    return cell;
}

PyObject *
cot_decode_special(cot_decoder *decoder, cot_tag tag, bool is_remembered)
{
    size_t number;
    PyObject *obj;
    if (reserve_number(decoder, is_remembered, &number) < 0) {
        return NULL;
    }
    switch (tag) {
        case COT_TAG_FUNCTION:
            return decode_function(decoder, number);
        case COT_TAG_CELL:
        case COT_TAG_EMPTY_CELL:
            return decode_cell(decoder, number, tag == COT_TAG_EMPTY_CELL);
        case COT_TAG_SHARED:
            obj = decode_shared(decoder);
            break;
        case COT_TAG_GLOBAL:
            obj = decode_global(decoder);
            break;
        default:
            obj = decode_module(decoder);
    }
    if (obj != NULL) {
        set_known(decoder, number, obj);
    }
    return obj;
}
