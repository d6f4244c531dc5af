// One walk over an object, and the memory it writes to.
//
// An encoder is taken for one call and given back: its block, and the table of
// known objects, are used again by the next call.  A hook that runs Python
// code may start another walk, which then gets an encoder of its own.

#ifndef COT_CODEC_ENCODER_H
#define COT_CODEC_ENCODER_H

#include "codec/codec.h"
#include "codec/format.h"
#include "codec/memo.h"

#include <stdbool.h>
#include <string.h>

typedef enum {
    // The result is a block of coterie.dumps: starts with a header, and no
    // object that lives in this process only is allowed in it.
    COT_PORTABLE = 1,
    // The same value gives the same bytes: they do not depend on reference
    // counts.
    COT_CANONICAL = 2,
    // To be compared, not decoded: shared objects are written by id.
    COT_COMPARED = 4,
    // No Python code may run: gives up instead.
    COT_PURE = 8,
    // The payload will soon be gone: it may be cut from a slab.
    COT_PASSING = 16,
} cot_encoder_flags;

struct cot_encoder {
    uint8_t *pos;
    uint8_t *end;
    uint8_t *start;      // of what was written
    cot_payload *block;  // owned: holds start..end, unless `bytes` does
    cot_slab *slab;      // owned, or NULL: what passing payloads are cut from
    PyObject *bytes;     // owned: where a big portable result grows
    cot_codec *codec;    // borrowed
    cot_memo memo;
    PyObject *kept;  // owned list: what hooks gave, alive until the end
    unsigned flags;
    bool remembers_next;  // the next object, whatever its reference count
    bool remembers_none;  // nothing can be met twice
    bool has_bare_cells;  // inside a function's arguments
    bool gave_up;         // failed without an exception: pickle it
};

typedef struct cot_encoder cot_encoder;

// NULL with a MemoryError.
cot_encoder *cot_encoder_take(cot_codec *codec, unsigned flags);
void cot_encoder_give_back(cot_encoder *encoder);
void cot_encoder_destroy(cot_encoder *encoder);

// Back to the start, with nothing written and no object known.
void cot_encoder_forget(cot_encoder *encoder);

// Makes room for `need` more bytes.
int cot_encoder_grow(cot_encoder *encoder, size_t need);

// Moves what was written into a new payload or bytes object.
cot_payload *cot_encoder_take_payload(cot_encoder *encoder);
PyObject *cot_encoder_take_bytes(cot_encoder *encoder);

// Keeps `object` alive until the walk ends: steals the reference.
int cot_encoder_keep(cot_encoder *encoder, PyObject *object);

// Adds a shared object to the payload: the number that stands for it, or -1
// with an exception.
Py_ssize_t cot_encoder_attach(cot_encoder *encoder, cot_object *object);

// The walk (encode.c).  -1 with an exception set, or with gave_up.
int cot_encode_value(cot_encoder *encoder, PyObject *obj);

// For what is no data.
int cot_encode_special(cot_encoder *encoder, PyObject *obj);

// For an object that its caller may hold by a borrowed reference only.
int cot_encode_root(cot_encoder *encoder, PyObject *obj);

// The same, if it is all there is to encode.
int cot_encode_only(cot_encoder *encoder, PyObject *obj);

// After a walk that gave up: the payload of a pickle.
cot_payload *cot_encode_pickled(cot_encoder *encoder, PyObject *obj);

// As cot_encode, in another manner.
cot_payload *cot_encode_with(cot_codec *codec, PyObject *obj, unsigned flags);

static inline int
cot_encoder_reserve(cot_encoder *encoder, size_t need)
{
    if ((size_t)(encoder->end - encoder->pos) < need) {
        return cot_encoder_grow(encoder, need);
    }
    return 0;
}

// The writers below need room that was reserved.
enum { COT_HEAD_SIZE = 10 };  // of a tag and a size, at most

static inline void
cot_put_byte(cot_encoder *encoder, unsigned byte)
{
    *encoder->pos++ = (uint8_t)byte;
}

static inline void
cot_put(cot_encoder *encoder, const void *from, size_t len)
{
    memcpy(encoder->pos, from, len);
    encoder->pos += len;
}

static inline void
cot_put_size(cot_encoder *encoder, size_t size)
{
    if (size < COT_SIZE16) {
        cot_put_byte(encoder, (unsigned)size);
    }
    else if (size <= UINT16_MAX) {
        uint16_t narrow = (uint16_t)size;
        cot_put_byte(encoder, COT_SIZE16);
        cot_put(encoder, &narrow, sizeof(narrow));
    }
    else if (size <= UINT32_MAX) {
        uint32_t narrow = (uint32_t)size;
        cot_put_byte(encoder, COT_SIZE32);
        cot_put(encoder, &narrow, sizeof(narrow));
    }
    else {
        uint64_t wide = size;
        cot_put_byte(encoder, COT_SIZE64);
        cot_put(encoder, &wide, sizeof(wide));
    }
}

static inline int
cot_put_head(cot_encoder *encoder, unsigned tag, size_t size)
{
    if (cot_encoder_reserve(encoder, COT_HEAD_SIZE) < 0) {
        return -1;
    }
    cot_put_byte(encoder, tag);
    cot_put_size(encoder, size);
    return 0;
}

#endif
