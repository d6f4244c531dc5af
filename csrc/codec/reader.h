// The small steps of decoding, shared by decode.c and its neighbours.

#ifndef COT_CODEC_READER_H
#define COT_CODEC_READER_H

#include "codec/decoder.h"

#include "compat/compat.h"

#include <stdbool.h>
#include <string.h>

// A number for an object that is not remembered.
#define NOWHERE SIZE_MAX

PyObject *cot_decode_int(cot_decoder *decoder, cot_tag tag);
PyObject *cot_decode_complex(cot_decoder *decoder);
PyObject *cot_decode_text(cot_decoder *decoder, cot_tag tag);
PyObject *cot_decode_bytes(cot_decoder *decoder, cot_tag tag);
PyObject *cot_decode_special(cot_decoder *decoder, cot_tag tag,
                             bool is_remembered);

// Room for more remembered objects.
int cot_decoder_grow(cot_decoder *decoder);

static inline size_t
count_left(const cot_decoder *decoder)
{
    return (size_t)(decoder->end - decoder->pos);
}

// Lends the next `len` bytes, or NULL with an exception.
static inline const uint8_t *
take(cot_decoder *decoder, size_t len)
{
    if (len > count_left(decoder)) {
        cot_decoder_refuse("too short");
        return NULL;
    }
    const uint8_t *at = decoder->pos;
    decoder->pos += len;
    return at;
}

static inline int
take_size(cot_decoder *decoder, size_t *size)
{
    const uint8_t *at = take(decoder, 1);
    if (at == NULL) {
        return -1;
    }
    if (*at < COT_SIZE16) {
        *size = *at;
        return 0;
    }
    size_t width = *at == COT_SIZE16 ? 2 : *at == COT_SIZE32 ? 4 : 8;
    at = take(decoder, width);
    if (at == NULL) {
        return -1;
    }
    uint16_t narrow;
    uint32_t middle;
    uint64_t wide;
    switch (width) {
        case 2:
            memcpy(&narrow, at, sizeof(narrow));
            *size = narrow;
            return 0;
        case 4:
            memcpy(&middle, at, sizeof(middle));
            *size = middle;
            return 0;
        default:
            memcpy(&wide, at, sizeof(wide));
            *size = wide;
            return 0;
    }
}

// Gives the next number, for an object that is made later.
static inline int
reserve_number(cot_decoder *decoder, bool is_remembered, size_t *number)
{
    *number = NOWHERE;
    if (is_remembered) {
        if (decoder->known_len == decoder->known_capacity
            && cot_decoder_grow(decoder) < 0) {
            return -1;
        }
        *number = decoder->known_len++;
        decoder->known[*number] = NULL;
    }
    return 0;
}

static inline void
set_known(cot_decoder *decoder, size_t number, PyObject *obj)
{
    if (number != NOWHERE) {
        decoder->known[number] = Py_NewRef(obj);
    }
}

static inline PyObject *
decode_float(cot_decoder *decoder)
{
    double value;
    const uint8_t *at = take(decoder, sizeof(value));
    if (at == NULL) {
        return NULL;
    }
    memcpy(&value, at, sizeof(value));
    return PyFloat_FromDouble(value);
}

static inline bool
is_ascii(const uint8_t *at, size_t len)
{
    uint64_t seen = 0;
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        seen |= word;
    }
    for (; len > 0; len--, at++) {
        seen |= *at;
    }
    return !(seen & UINT64_C(0x8080808080808080));
}

static inline PyObject *
decode_ascii(cot_decoder *decoder, size_t len)
{
    const uint8_t *at = take(decoder, len);
    if (at == NULL) {
        return NULL;
    }
    if (!is_ascii(at, len)) {
        return cot_decoder_refuse("text");
    }
    if (len == 1) {
        return PyUnicode_FromOrdinal(*at);  // always the same object
    }
    PyObject *obj = PyUnicode_New((Py_ssize_t)len, 127);
    if (obj != NULL && len > 0) {
        memcpy(PyUnicode_DATA(obj), at, len);
    }
    return obj;
}

#endif
