// Reading of a block that may be anything.
//
// Every length is compared with what is left before it is used, so a block
// that was cut or changed is refused, and never read past its end.  No more
// memory is asked for than the block could fill.

#ifndef COT_CODEC_DECODER_H
#define COT_CODEC_DECODER_H

#include "codec/codec.h"
#include "codec/format.h"

#include <stddef.h>

enum { COT_NEAR_OBJECTS = 32 };

typedef struct {
    const uint8_t *pos;
    const uint8_t *end;
    size_t promised;   // values that enclosing containers still wait for
    PyObject **known;  // remembered objects: owned references, or NULL
    size_t known_len;
    size_t known_capacity;
    cot_codec *codec;            // borrowed
    cot_object *const *objects;  // borrowed
    uint32_t objects_len;
    PyObject *near[COT_NEAR_OBJECTS];  // what `known` is at first
} cot_decoder;

// `bytes` and `objects` must outlive the decoder.
void cot_decoder_init(cot_decoder *decoder, cot_codec *codec,
                      const uint8_t *bytes, size_t len,
                      cot_object *const *objects, uint32_t objects_len);
void cot_decoder_fini(cot_decoder *decoder);

// The next value: a new reference.
PyObject *cot_decode_value(cot_decoder *decoder);

// A size, followed by at least so many bytes.
int cot_decode_count(cot_decoder *decoder, size_t *count);

// A ValueError unless everything was read.
int cot_decoder_expect_end(cot_decoder *decoder);

// One value, from the first byte to the last, in a cot_format.
PyObject *cot_decode_whole(cot_codec *codec, uint32_t format,
                           const uint8_t *bytes, size_t len,
                           cot_object *const *objects, uint32_t objects_len);

// Sets a ValueError; always NULL.
PyObject *cot_decoder_refuse(const char *what);

#endif
