#include "codec/codec.h"

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/hooks.h"
#include "codec/tables.h"

int
cot_codec_traverse(cot_codec *codec, visitproc visit, void *arg)
{
    Py_VISIT(codec->by_value);
    Py_VISIT(codec->pickling);
    Py_VISIT(codec->dump);
    Py_VISIT(codec->load);
    Py_VISIT(codec->reduce);
    Py_VISIT(codec->make);
    Py_VISIT(codec->fill);
    Py_VISIT(codec->handle);
    int stop = cot_sent_traverse(codec->sent, visit, arg);
    return stop ? stop : cot_loaded_traverse(codec->loaded, visit, arg);
}

void
cot_codec_clear(cot_codec *codec)
{
    if (codec->handle != NULL) {
        // Python's part may outlive the codec, and must not find it then.
        PyCapsule_SetName(codec->handle, "gone");
    }
    cot_sent_clear(codec);
    cot_loaded_clear(codec);
    Py_CLEAR(codec->handle);
    Py_CLEAR(codec->reduce);
    Py_CLEAR(codec->make);
    Py_CLEAR(codec->fill);
    Py_CLEAR(codec->pickling);
    Py_CLEAR(codec->dump);
    Py_CLEAR(codec->load);
    Py_CLEAR(codec->by_value);
    cot_encoder_destroy(codec->spare);
    codec->spare = NULL;
}

// Turns a pickle into a payload, with what the encoder attached.
static cot_payload *
wrap_pickle(cot_encoder *encoder, PyObject *bytes)
{
    encoder->pos = encoder->start;
    size_t len = (size_t)PyBytes_GET_SIZE(bytes);
    if (cot_encoder_reserve(encoder, len) < 0) {
        return NULL;
    }
    cot_put(encoder, PyBytes_AS_STRING(bytes), len);
    cot_payload *payload = cot_encoder_take_payload(encoder);
    if (payload != NULL) {
        payload->format = COT_PICKLED;
    }
    return payload;
}

cot_payload *
cot_encode_with(cot_codec *codec, PyObject *obj, unsigned flags)
{
    cot_encoder *encoder = cot_encoder_take(codec, flags);
    if (encoder == NULL) {
        return NULL;
    }
    cot_payload *payload = NULL;
    if (cot_encode_only(encoder, obj) == 0) {
        payload = cot_encoder_take_payload(encoder);
    }
    else if (encoder->gave_up) {
        payload = cot_encode_pickled(encoder, obj);
    }
    cot_encoder_give_back(encoder);
    return payload;
}

cot_payload *
cot_encode_pickled(cot_encoder *encoder, PyObject *obj)
{
    cot_encoder_forget(encoder);
    PyObject *bytes = cot_pickle(encoder, obj);
    if (bytes == NULL) {
        return NULL;
    }
    cot_payload *payload = wrap_pickle(encoder, bytes);
    Py_DECREF(bytes);
    return payload;
}

cot_payload *
cot_encode(cot_codec *codec, PyObject *obj)
{
    return cot_encode_with(codec, obj, 0);
}

cot_payload *
cot_encode_passing(cot_codec *codec, PyObject *obj)
{
    return cot_encode_with(codec, obj, COT_PASSING);
}

PyObject *
cot_decode(cot_codec *codec, const cot_payload *payload)
{
    return cot_decode_whole(codec, payload->format, payload->bytes,
                            payload->len, payload->objects,
                            payload->objects_len);
}

PyObject *
cot_decode_whole(cot_codec *codec, uint32_t format, const uint8_t *bytes,
                 size_t len, cot_object *const *objects, uint32_t objects_len)
{
    if (format == COT_PICKLED) {
        return cot_unpickle(codec, bytes, len, objects, objects_len);
    }
    cot_decoder decoder;
    cot_decoder_init(&decoder, codec, bytes, len, objects, objects_len);
    PyObject *obj = cot_decode_value(&decoder);
    if (obj != NULL && cot_decoder_expect_end(&decoder) < 0) {
        Py_CLEAR(obj);
    }
    cot_decoder_fini(&decoder);
    return obj;
}
