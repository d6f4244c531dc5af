#include "codec/encoder.h"

#include "core/slab.h"
#include "port/memory.h"

enum {
    FIRST_BLOCK = 2048,
    // A result up to this size is copied out of the block, which stays for the
    // next call; a bigger one takes the block away.
    COPIED = 64 * 1024,
};

static void
rewind_block(cot_encoder *encoder)
{
    encoder->start = encoder->block->bytes;
    encoder->end = encoder->start + encoder->block->len;
    encoder->pos = encoder->start;
    encoder->gave_up = false;
}

static cot_encoder *
create(void)
{
    cot_encoder *encoder = cot_alloc_zeroed(sizeof(*encoder));
    if (encoder == NULL) {
        return NULL;
    }
    if (cot_memo_init(&encoder->memo) < 0) {
        cot_free(encoder);
        return NULL;
    }
    return encoder;
}

cot_encoder *
cot_encoder_take(cot_codec *codec, unsigned flags)
{
    cot_encoder *encoder = codec->spare;
    codec->spare = NULL;
    if (encoder == NULL) {
        encoder = create();
        if (encoder == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    if (encoder->block == NULL) {
        encoder->block = cot_payload_create(FIRST_BLOCK, COT_NATIVE);
        if (encoder->block == NULL) {
            cot_encoder_destroy(encoder);
            PyErr_NoMemory();
            return NULL;
        }
    }
    encoder->codec = codec;
    encoder->flags = flags;
    encoder->remembers_next = false;
    encoder->remembers_none = false;
    encoder->has_bare_cells = false;
    rewind_block(encoder);
    return encoder;
}

static void
drop_objects(cot_payload *block)
{
    for (uint32_t i = 0; i < block->objects_len; i++) {
        cot_object_unref(block->objects[i]);
    }
    cot_free(block->objects);
    block->objects = NULL;
    block->objects_len = 0;
}

void
cot_encoder_forget(cot_encoder *encoder)
{
    cot_memo_clear(&encoder->memo);
    Py_CLEAR(encoder->kept);
    if (encoder->block != NULL && encoder->block->objects != NULL) {
        drop_objects(encoder->block);
    }
    Py_CLEAR(encoder->bytes);
    if (encoder->block != NULL) {
        rewind_block(encoder);
    }
}

void
cot_encoder_give_back(cot_encoder *encoder)
{
    cot_codec *codec = encoder->codec;
    cot_encoder_forget(encoder);
    if (encoder->block != NULL && encoder->block->len > 2 * COPIED) {
        cot_payload_destroy(encoder->block);
        encoder->block = NULL;
    }
    if (codec->spare == NULL) {
        codec->spare = encoder;
    }
    else {
        cot_encoder_destroy(encoder);
    }
}

void
cot_encoder_destroy(cot_encoder *encoder)
{
    if (encoder != NULL) {
        cot_memo_fini(&encoder->memo);
        Py_CLEAR(encoder->kept);
        Py_CLEAR(encoder->bytes);
        cot_payload_destroy(encoder->block);
        cot_slab_retire(encoder->slab);
        cot_free(encoder);
    }
}

static int
grow_bytes(cot_encoder *encoder, size_t used, size_t size)
{
    if (encoder->bytes != NULL) {
        if (_PyBytes_Resize(&encoder->bytes, (Py_ssize_t)size) < 0) {
            return -1;
        }
    }
    else {
        encoder->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (encoder->bytes == NULL) {
            return -1;
        }
        memcpy(PyBytes_AS_STRING(encoder->bytes), encoder->start, used);
    }
    encoder->start = (uint8_t *)PyBytes_AS_STRING(encoder->bytes);
    return 0;
}

static int
grow_block(cot_encoder *encoder, size_t size)
{
    cot_payload *block = cot_realloc(encoder->block, sizeof(*block) + size);
    if (block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    block->len = size;
    encoder->block = block;
    encoder->start = block->bytes;
    return 0;
}

int
cot_encoder_grow(cot_encoder *encoder, size_t need)
{
    size_t used = (size_t)(encoder->pos - encoder->start);
    if (need > (size_t)PY_SSIZE_T_MAX / 2 - used) {
        PyErr_NoMemory();
        return -1;
    }
    // By half: the end is cut off, but until then it counts as memory.
    size_t size = used + need;
    size += size < COPIED ? size : size / 2;
    int failed = (encoder->flags & COT_PORTABLE) && size > COPIED
                     ? grow_bytes(encoder, used, size)
                     : grow_block(encoder, size);
    if (failed) {
        return -1;
    }
    encoder->pos = encoder->start + used;
    encoder->end = encoder->start + size;
    return 0;
}

cot_payload *
cot_encoder_take_payload(cot_encoder *encoder)
{
    cot_payload *block = encoder->block;
    size_t len = (size_t)(encoder->pos - encoder->start);
    if (len > COPIED) {
        encoder->block = NULL;
        cot_payload *cut = cot_realloc(block, sizeof(*block) + len);
        block = cut ? cut : block;
        block->len = len;
        return block;
    }
    cot_payload *payload = encoder->flags & COT_PASSING
                               ? cot_slab_cut(&encoder->slab, len, COT_NATIVE)
                               : cot_payload_create(len, COT_NATIVE);
    if (payload == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(payload->bytes, encoder->start, len);
    payload->objects = block->objects;
    payload->objects_len = block->objects_len;
    block->objects = NULL;
    block->objects_len = 0;
    return payload;
}

PyObject *
cot_encoder_take_bytes(cot_encoder *encoder)
{
    Py_ssize_t len = encoder->pos - encoder->start;
    if (encoder->bytes == NULL) {
        return PyBytes_FromStringAndSize((const char *)encoder->start, len);
    }
    PyObject *bytes = encoder->bytes;
    encoder->bytes = NULL;
    if (_PyBytes_Resize(&bytes, len) < 0) {
        return NULL;
    }
    return bytes;
}

int
cot_encoder_keep(cot_encoder *encoder, PyObject *object)
{
    if (encoder->kept == NULL) {
        encoder->kept = PyList_New(0);
        if (encoder->kept == NULL) {
            Py_DECREF(object);
            return -1;
        }
    }
    int failed = PyList_Append(encoder->kept, object);
    Py_DECREF(object);
    return failed;
}

Py_ssize_t
cot_encoder_attach(cot_encoder *encoder, cot_object *object)
{
    cot_payload *block = encoder->block;
    if (encoder->flags & COT_PORTABLE) {
        PyErr_Format(encoder->codec->not_shareable
                         ? encoder->codec->not_shareable
                         : PyExc_TypeError,
                     "%s lives in this process only", object->cls->name);
        return -1;
    }
    if (encoder->flags & COT_COMPARED) {
        return (Py_ssize_t)object->id;
    }
    if (cot_payload_attach(block, object) != COT_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return (Py_ssize_t)block->objects_len - 1;
}
