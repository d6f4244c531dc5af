#include "codec/reader.h"

#include "port/memory.h"

PyObject *
cot_decode_int(cot_decoder *decoder, cot_tag tag)
{
    const uint8_t *at;
    int32_t narrow;
    int64_t wide;
    size_t len;
    switch (tag) {
        case COT_TAG_INT8:
            at = take(decoder, 1);
            return at ? PyLong_FromLong((int8_t)*at) : NULL;
        case COT_TAG_INT32:
            at = take(decoder, sizeof(narrow));
            if (at == NULL) {
                return NULL;
            }
            memcpy(&narrow, at, sizeof(narrow));
            return PyLong_FromLong(narrow);
        case COT_TAG_INT64:
            at = take(decoder, sizeof(wide));
            if (at == NULL) {
                return NULL;
            }
            memcpy(&wide, at, sizeof(wide));
            return PyLong_FromLongLong(wide);
        default:
            if (take_size(decoder, &len) < 0) {
                return NULL;
            }
            at = take(decoder, len);
            return at ? PyLong_FromNativeBytes(at, len, 1) : NULL;
    }
}

PyObject *
cot_decode_complex(cot_decoder *decoder)
{
    double parts[2];
    const uint8_t *at = take(decoder, sizeof(parts));
    if (at == NULL) {
        return NULL;
    }
    memcpy(parts, at, sizeof(parts));
    return PyComplex_FromDoubles(parts[0], parts[1]);
}

static bool
is_ucs4(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t character;
        memcpy(&character, at + 4 * i, 4);
        if (character > 0x10ffff) {
            return false;
        }
    }
    return true;
}

// Text of characters of `width` bytes, of which none needs to be so wide: the
// string gets its proper kind.
static PyObject *
decode_wide_text(cot_decoder *decoder, size_t width)
{
    size_t len;
    if (take_size(decoder, &len) < 0) {
        return NULL;
    }
    if (len > count_left(decoder) / width) {
        return cot_decoder_refuse("too short");
    }
    const uint8_t *at = take(decoder, len * width);
    if (width == 4 && !is_ucs4(at, len)) {
        return cot_decoder_refuse("text");
    }
    if ((uintptr_t)at % width == 0) {
        return PyUnicode_FromKindAndData((int)width, at, (Py_ssize_t)len);
    }
    void *aligned = cot_alloc(len * width);
    if (aligned == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(aligned, at, len * width);
    PyObject *obj = PyUnicode_FromKindAndData((int)width, aligned,
                                              (Py_ssize_t)len);
    cot_free(aligned);
    return obj;
}

PyObject *
cot_decode_text(cot_decoder *decoder, cot_tag tag)
{
    size_t len;
    const uint8_t *at;
    switch (tag) {
        case COT_TAG_SHORT_ASCII:
            at = take(decoder, 1);
            return at ? decode_ascii(decoder, *at) : NULL;
        case COT_TAG_ASCII:
            if (take_size(decoder, &len) < 0) {
                return NULL;
            }
            return decode_ascii(decoder, len);
        case COT_TAG_LATIN1:
            return decode_wide_text(decoder, 1);
        case COT_TAG_UCS2:
            return decode_wide_text(decoder, 2);
        default:
            return decode_wide_text(decoder, 4);
    }
}

PyObject *
cot_decode_bytes(cot_decoder *decoder, cot_tag tag)
{
    size_t len;
    if (take_size(decoder, &len) < 0) {
        return NULL;
    }
    const char *at = (const char *)take(decoder, len);
    if (at == NULL) {
        return NULL;
    }
    return tag == COT_TAG_BYTES
               ? PyBytes_FromStringAndSize(at, (Py_ssize_t)len)
               : PyByteArray_FromStringAndSize(at, (Py_ssize_t)len);
}
