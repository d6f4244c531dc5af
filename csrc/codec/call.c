// The arguments of a call: written without a tuple around them, and read
// straight into the array that the call takes.

#include "codec/decoder.h"
#include "codec/encoder.h"

#include "compat/compat.h"

enum { NEAR_ARGUMENTS = 8 };

// Encoding

static int
encode_arguments(cot_encoder *encoder, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames, Py_ssize_t *culprit)
{
    Py_ssize_t names = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (cot_put_head(encoder, COT_TAG_CALL, (size_t)nargs) < 0
        || cot_encoder_reserve(encoder, COT_HEAD_SIZE) < 0) {
        return -1;
    }
    cot_put_size(encoder, (size_t)names);
    for (Py_ssize_t i = 0; i < names; i++) {
        if (cot_encode_value(encoder, PyTuple_GET_ITEM(kwnames, i)) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < nargs + names; i++) {
        // Two arguments may be one object that nobody but its variable holds.
        if (cot_encode_root(encoder, args[i]) < 0) {
            *culprit = i;
            return -1;
        }
    }
    return 0;
}

// After the whole could not be pickled: which one is it?  The exception is
// replaced by the one of that value alone.
static void
find_culprit(cot_codec *codec, PyObject *const *args, Py_ssize_t count,
             Py_ssize_t *culprit)
{
    PyObject *error = PyErr_GetRaisedException();
    for (Py_ssize_t i = 0; i < count; i++) {
        cot_payload *payload = cot_encode(codec, args[i]);
        if (payload == NULL) {
            *culprit = i;
            Py_DECREF(error);
            return;
        }
        cot_payload_destroy(payload);
    }
    PyErr_SetRaisedException(error);
}

static cot_payload *
pickle_arguments(cot_encoder *encoder, PyObject *const *args, Py_ssize_t count,
                 PyObject *kwnames)
{
    PyObject *values = PyTuple_New(count);
    if (values == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(values, i, Py_NewRef(args[i]));
    }
    PyObject *whole = PyTuple_Pack(2, values, kwnames ? kwnames : Py_None);
    Py_DECREF(values);
    if (whole == NULL) {
        return NULL;
    }
    cot_payload *payload = cot_encode_pickled(encoder, whole);
    Py_DECREF(whole);
    return payload;
}

cot_payload *
cot_encode_call(cot_codec *codec, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames, Py_ssize_t *culprit)
{
    Py_ssize_t count = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    Py_ssize_t ignored;
    culprit = culprit ? culprit : &ignored;
    *culprit = -1;
    cot_encoder *encoder = cot_encoder_take(codec, 0);
    if (encoder == NULL) {
        return NULL;
    }
    cot_payload *payload = NULL;
    if (encode_arguments(encoder, args, nargs, kwnames, culprit) == 0) {
        payload = cot_encoder_take_payload(encoder);
    }
    else if (encoder->gave_up) {
        *culprit = -1;
        payload = pickle_arguments(encoder, args, count, kwnames);
        if (payload == NULL && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
            find_culprit(codec, args, count, culprit);
        }
    }
    cot_encoder_give_back(encoder);
    return payload;
}

// Decoding

static PyObject *
decode_names(cot_decoder *decoder, size_t len)
{
    PyObject *names = PyTuple_New((Py_ssize_t)len);
    for (size_t i = 0; names != NULL && i < len; i++) {
        PyObject *name = cot_decode_value(decoder);
        if (name == NULL || !PyUnicode_CheckExact(name)) {
            if (name != NULL) {
                Py_DECREF(name);
                cot_decoder_refuse("a name");
            }
            Py_CLEAR(names);
            break;
        }
        PyUnicode_InternInPlace(&name);
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
    }
    return names;
}

// Fills `values` with new references: how many there are then.  Less than
// `len` of them, with an exception set, when one cannot be read.
static size_t
decode_values(cot_decoder *decoder, PyObject **values, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        decoder->promised = len - i - 1;
        values[i] = cot_decode_value(decoder);
        if (values[i] == NULL) {
            return i;
        }
    }
    if (cot_decoder_expect_end(decoder) < 0) {
        Py_DECREF(values[len - 1]);
        return len - 1;
    }
    return len;
}

static PyObject *
call(cot_decoder *decoder, PyObject *callable, size_t nargs, PyObject *names,
     int *was_called)
{
    size_t len = nargs + (names ? (size_t)PyTuple_GET_SIZE(names) : 0);
    // One more in front, which vectorcall may use.
    PyObject *near[NEAR_ARGUMENTS + 1];
    PyObject **slots = near;
    if (len > NEAR_ARGUMENTS) {
        slots = PyMem_New(PyObject *, len + 1);
        if (slots == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject **args = slots + 1;
    PyObject *result = NULL;
    size_t count = len > 0 ? decode_values(decoder, args, len) : 0;
    // Let go now: the call may take long, and change what it was given.
    cot_decoder_fini(decoder);
    decoder->known_len = 0;
    decoder->known = decoder->near;
    if (count == len && !(len == 0 && cot_decoder_expect_end(decoder) < 0)) {
        *was_called = 1;
        result = PyObject_Vectorcall(
            callable, args, nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
    }
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(args[i]);
    }
    if (slots != near) {
        PyMem_Free(slots);
    }
    return result;
}

static PyObject *
call_native(cot_decoder *decoder, PyObject *callable, int *was_called)
{
    size_t nargs;
    size_t names_len;
    if (decoder->pos == decoder->end || *decoder->pos++ != COT_TAG_CALL) {
        return cot_decoder_refuse("no call");
    }
    if (cot_decode_count(decoder, &nargs) < 0
        || cot_decode_count(decoder, &names_len) < 0) {
        return NULL;
    }
    if (names_len == 0) {
        return call(decoder, callable, nargs, NULL, was_called);
    }
    PyObject *names = decode_names(decoder, names_len);
    if (names == NULL) {
        return NULL;
    }
    PyObject *result = call(decoder, callable, nargs, names, was_called);
    Py_DECREF(names);
    return result;
}

static PyObject *
call_pickled(cot_codec *codec, const cot_payload *payload, PyObject *callable,
             int *was_called)
{
    PyObject *whole = cot_decode(codec, payload);
    PyObject *values;
    PyObject *names;
    PyObject *result = NULL;
    if (whole == NULL) {
        return NULL;
    }
    if (PyArg_ParseTuple(whole, "O!O", &PyTuple_Type, &values, &names)) {
        size_t nargs = (size_t)PyTuple_GET_SIZE(values);
        if (names == Py_None) {
            names = NULL;
        }
        else {
            nargs -= (size_t)PyTuple_GET_SIZE(names);
        }
        *was_called = 1;
        result = PyObject_Vectorcall(callable, PySequence_Fast_ITEMS(values),
                                     nargs, names);
    }
    Py_DECREF(whole);
    return result;
}

PyObject *
cot_decode_and_call(cot_codec *codec, const cot_payload *payload,
                    PyObject *callable, int *was_called)
{
    *was_called = 0;
    if (payload->format == COT_PICKLED) {
        return call_pickled(codec, payload, callable, was_called);
    }
    cot_decoder decoder;
    cot_decoder_init(&decoder, codec, payload->bytes, payload->len,
                     payload->objects, payload->objects_len);
    PyObject *result = call_native(&decoder, callable, was_called);
    cot_decoder_fini(&decoder);
    return result;
}
