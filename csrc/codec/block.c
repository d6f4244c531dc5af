// coterie.dumps and coterie.loads: a payload with a header, as bytes.

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/hooks.h"

#include "core/checksum.h"

static uint8_t
find_byte_order(void)
{
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    return first ? 1 : 2;
}

// Of the body and the format: what else the header says has one right value.
static uint64_t
sum_block(const cot_block_header *header, const uint8_t *body)
{
    return cot_checksum(body, (size_t)header->len, header->format);
}

static void
seal(PyObject *block, cot_format format)
{
    uint8_t *start = (uint8_t *)PyBytes_AS_STRING(block);
    cot_block_header header = {
        .magic = COT_BLOCK_MAGIC,
        .version = COT_BLOCK_VERSION,
        .format = (uint8_t)format,
        .order = find_byte_order(),
        .len = (uint64_t)PyBytes_GET_SIZE(block) - sizeof(header),
    };
    header.checksum = sum_block(&header, start + sizeof(header));
    memcpy(start, &header, sizeof(header));
}

static PyObject *
dump_pickled(cot_encoder *encoder, PyObject *obj)
{
    cot_encoder_forget(encoder);
    PyObject *pickle = cot_pickle(encoder, obj);
    if (pickle == NULL) {
        return NULL;
    }
    Py_ssize_t len = PyBytes_GET_SIZE(pickle);
    PyObject *block = PyBytes_FromStringAndSize(
        NULL, len + (Py_ssize_t)sizeof(cot_block_header));
    if (block != NULL) {
        memcpy(PyBytes_AS_STRING(block) + sizeof(cot_block_header),
               PyBytes_AS_STRING(pickle), (size_t)len);
        seal(block, COT_PICKLED);
    }
    Py_DECREF(pickle);
    return block;
}

PyObject *
cot_dumps(cot_codec *codec, PyObject *obj)
{
    cot_encoder *encoder = cot_encoder_take(codec, COT_PORTABLE);
    if (encoder == NULL) {
        return NULL;
    }
    PyObject *block = NULL;
    // Room for the header, which is written at the end.
    encoder->pos += sizeof(cot_block_header);
    if (cot_encode_only(encoder, obj) == 0) {
        block = cot_encoder_take_bytes(encoder);
        if (block != NULL) {
            seal(block, COT_NATIVE);
        }
    }
    else if (encoder->gave_up) {
        block = dump_pickled(encoder, obj);
    }
    cot_encoder_give_back(encoder);
    return block;
}

static PyObject *
load(cot_codec *codec, const uint8_t *bytes, size_t len)
{
    cot_block_header header;
    if (len < sizeof(header)) {
        return cot_decoder_refuse("too short");
    }
    memcpy(&header, bytes, sizeof(header));
    if (memcmp(header.magic, COT_BLOCK_MAGIC, sizeof(header.magic)) != 0) {
        return cot_decoder_refuse("it does not start like one");
    }
    if (header.version != COT_BLOCK_VERSION) {
        return cot_decoder_refuse("of another version");
    }
    if (header.order != find_byte_order()) {
        return cot_decoder_refuse("from a machine of another byte order");
    }
    const uint8_t *body = bytes + sizeof(header);
    if (header.len != len - sizeof(header)) {
        return cot_decoder_refuse("its length is not as it says");
    }
    if (header.format > COT_PICKLED || header.reserved != 0
        || header.checksum != sum_block(&header, body)) {
        return cot_decoder_refuse("its checksum does not agree");
    }
    return cot_decode_whole(codec, header.format, body, (size_t)header.len,
                            NULL, 0);
}

PyObject *
cot_loads(cot_codec *codec, PyObject *block)
{
    if (PyBytes_CheckExact(block)) {
        return load(codec, (const uint8_t *)PyBytes_AS_STRING(block),
                    (size_t)PyBytes_GET_SIZE(block));
    }
    Py_buffer view;
    if (PyObject_GetBuffer(block, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *obj = load(codec, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return obj;
}
