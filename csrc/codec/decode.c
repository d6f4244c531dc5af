#include "codec/reader.h"

#include "compat/compat.h"

#include "port/memory.h"

PyObject *
cot_decoder_refuse(const char *what)
{
    PyErr_Format(PyExc_ValueError, "not a block of coterie, or damaged: %s",
                 what);
    return NULL;
}

void
cot_decoder_init(cot_decoder *decoder, cot_codec *codec, const uint8_t *bytes,
                 size_t len, cot_object *const *objects, uint32_t objects_len)
{
    decoder->pos = bytes;
    decoder->end = bytes + len;
    decoder->promised = 0;
    decoder->known = decoder->near;
    decoder->known_len = 0;
    decoder->known_capacity = COT_NEAR_OBJECTS;
    decoder->codec = codec;
    decoder->objects = objects;
    decoder->objects_len = objects_len;
}

void
cot_decoder_fini(cot_decoder *decoder)
{
    for (size_t i = 0; i < decoder->known_len; i++) {
        Py_XDECREF(decoder->known[i]);
    }
    if (decoder->known != decoder->near) {
        cot_free(decoder->known);
    }
}

int
cot_decode_count(cot_decoder *decoder, size_t *count)
{
    if (take_size(decoder, count) < 0) {
        return -1;
    }
    // A value is at least one byte, and other containers wait for theirs.
    if (count_left(decoder) < decoder->promised
        || *count > count_left(decoder) - decoder->promised) {
        cot_decoder_refuse("too short");
        return -1;
    }
    return 0;
}

int
cot_decoder_expect_end(cot_decoder *decoder)
{
    if (decoder->pos != decoder->end) {
        cot_decoder_refuse("too long");
        return -1;
    }
    return 0;
}

// Remembered objects

int
cot_decoder_grow(cot_decoder *decoder)
{
    size_t capacity = decoder->known_capacity * 4;
    bool is_near = decoder->known == decoder->near;
    PyObject **known = cot_realloc(is_near ? NULL : decoder->known,
                                   capacity * sizeof(*known));
    if (known == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (is_near) {
        memcpy(known, decoder->near, sizeof(decoder->near));
    }
    decoder->known = known;
    decoder->known_capacity = capacity;
    return 0;
}

static PyObject *
decode_ref(cot_decoder *decoder)
{
    size_t number;
    if (take_size(decoder, &number) < 0) {
        return NULL;
    }
    if (number >= decoder->known_len || decoder->known[number] == NULL) {
        return cot_decoder_refuse("a reference to nothing");
    }
    return Py_NewRef(decoder->known[number]);
}

static PyObject *
remember_leaf(cot_decoder *decoder, PyObject *obj)
{
    size_t number;
    if (obj != NULL) {
        if (reserve_number(decoder, true, &number) < 0) {
            Py_DECREF(obj);
            return NULL;
        }
        set_known(decoder, number, obj);
    }
    return obj;
}

// Tuples and lists

static inline bool
is_run(uint8_t tag)
{
    return tag >= COT_TAG_FLOATS && tag <= COT_TAG_INTS32;
}

static PyObject *
make_number(const uint8_t *at, cot_tag tag)
{
    double real;
    int16_t narrow;
    int32_t wide;
    switch (tag) {
        case COT_TAG_FLOATS:
            memcpy(&real, at, sizeof(real));
            return PyFloat_FromDouble(real);
        case COT_TAG_INTS8:
            return PyLong_FromLong((int8_t)*at);
        case COT_TAG_INTS16:
            memcpy(&narrow, at, sizeof(narrow));
            return PyLong_FromLong(narrow);
        default:
            memcpy(&wide, at, sizeof(wide));
            return PyLong_FromLong(wide);
    }
}

static inline int
make_numbers(PyObject **slots, size_t len, const uint8_t *at, cot_tag tag,
             size_t width)
{
    for (size_t i = 0; i < len; i++) {
        slots[i] = make_number(at, tag);
        if (slots[i] == NULL) {
            return -1;
        }
        at += width;
    }
    return 0;
}

// Fills the first of `len` slots: how many, or -1.
static Py_ssize_t
decode_run(cot_decoder *decoder, PyObject **slots, size_t len)
{
    cot_tag tag = *decoder->pos++;
    size_t count;
    if (take_size(decoder, &count) < 0) {
        return -1;
    }
    if (count == 0 || count > len) {
        cot_decoder_refuse("a run");
        return -1;
    }
    static const uint8_t widths[] = {8, 1, 2, 4};
    size_t width = widths[tag - COT_TAG_FLOATS];
    const uint8_t *at = take(decoder, count * width);
    if (at == NULL) {
        return -1;
    }
    // One call with a constant tag each: the loop has no switch then.
    int failed;
    switch (tag) {
        case COT_TAG_FLOATS:
            failed = make_numbers(slots, count, at, COT_TAG_FLOATS, 8);
            break;
        case COT_TAG_INTS8:
            failed = make_numbers(slots, count, at, COT_TAG_INTS8, 1);
            break;
        case COT_TAG_INTS16:
            failed = make_numbers(slots, count, at, COT_TAG_INTS16, 2);
            break;
        default:
            failed = make_numbers(slots, count, at, COT_TAG_INTS32, 4);
    }
    return failed ? -1 : (Py_ssize_t)count;
}

// Fills a new tuple or list.  Code that runs meanwhile (a function is made)
// might have found and changed a list, so its size is looked at every time.
static int
decode_items(cot_decoder *decoder, PyObject *sequence, Py_ssize_t len)
{
    size_t before = decoder->promised;
    Py_ssize_t i = 0;
    while (i < len) {
        PyObject **slots = PySequence_Fast_ITEMS(sequence);
        if (decoder->pos < decoder->end && is_run(*decoder->pos)) {
            Py_ssize_t count = decode_run(decoder, slots + i,
                                          (size_t)(len - i));
            if (count < 0) {
                return -1;
            }
            i += count;
            continue;
        }
        decoder->promised = before + (size_t)(len - i - 1);
        PyObject *item = cot_decode_value(decoder);
        if (item == NULL) {
            return -1;
        }
        if (PySequence_Fast_GET_SIZE(sequence) != len) {
            Py_DECREF(item);
            cot_decoder_refuse("a list changed while it was made");
            return -1;
        }
        PySequence_Fast_ITEMS(sequence)[i++] = item;
    }
    decoder->promised = before;
    return 0;
}

static PyObject *
decode_tuple(cot_decoder *decoder, bool is_remembered)
{
    size_t len;
    size_t number;
    if (cot_decode_count(decoder, &len) < 0
        || reserve_number(decoder, is_remembered, &number) < 0) {
        return NULL;
    }
    PyObject *tuple = PyTuple_New((Py_ssize_t)len);
    if (tuple == NULL) {
        return NULL;
    }
    if (decode_items(decoder, tuple, (Py_ssize_t)len) < 0) {
        Py_DECREF(tuple);
        return NULL;
    }
    // Only now: nobody may meet (or hash) a tuple which is not complete.
    set_known(decoder, number, tuple);
    return tuple;
}

static PyObject *
decode_list(cot_decoder *decoder, bool is_remembered)
{
    size_t len;
    size_t number;
    if (cot_decode_count(decoder, &len) < 0
        || reserve_number(decoder, is_remembered, &number) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New((Py_ssize_t)len);
    if (list == NULL) {
        return NULL;
    }
    if (is_remembered) {
        // It can be met while it is not complete.  None is immortal: no
        // reference is lost when an item takes its place.
        for (size_t i = 0; i < len; i++) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, Py_None);
        }
        set_known(decoder, number, list);
    }
    if (decode_items(decoder, list, (Py_ssize_t)len) < 0) {
        Py_DECREF(list);
        return NULL;
    }
    return list;
}

// Dicts and sets

static int
decode_pairs(cot_decoder *decoder, PyObject *dict, size_t len)
{
    size_t before = decoder->promised;
    for (size_t i = 0; i < len; i++) {
        decoder->promised = before + 2 * (len - i - 1) + 1;
        PyObject *key = cot_decode_value(decoder);
        if (key == NULL) {
            return -1;
        }
        decoder->promised--;
        PyObject *value = cot_decode_value(decoder);
        if (value == NULL) {
            Py_DECREF(key);
            return -1;
        }
        int failed = PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed) {
            return -1;
        }
    }
    decoder->promised = before;
    return 0;
}

static PyObject *
decode_dict(cot_decoder *decoder, bool is_remembered)
{
    size_t len;
    size_t number;
    if (cot_decode_count(decoder, &len) < 0
        || reserve_number(decoder, is_remembered, &number) < 0) {
        return NULL;
    }
    if (2 * len > count_left(decoder) - decoder->promised) {
        return cot_decoder_refuse("too short");
    }
    PyObject *dict = cot_compat_new_dict(len);
    if (dict == NULL) {
        return NULL;
    }
    set_known(decoder, number, dict);
    if (decode_pairs(decoder, dict, len) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static int
decode_members(cot_decoder *decoder, PyObject *set, size_t len)
{
    size_t before = decoder->promised;
    for (size_t i = 0; i < len; i++) {
        decoder->promised = before + (len - i - 1);
        PyObject *member = cot_decode_value(decoder);
        if (member == NULL) {
            return -1;
        }
        int failed = PySet_Add(set, member);
        Py_DECREF(member);
        if (failed) {
            return -1;
        }
    }
    decoder->promised = before;
    return 0;
}

static PyObject *
decode_set(cot_decoder *decoder, bool is_remembered, bool is_frozen)
{
    size_t len;
    size_t number;
    if (cot_decode_count(decoder, &len) < 0
        || reserve_number(decoder, is_remembered, &number) < 0) {
        return NULL;
    }
    PyObject *set = is_frozen ? PyFrozenSet_New(NULL) : PySet_New(NULL);
    if (set == NULL) {
        return NULL;
    }
    if (!is_frozen) {
        set_known(decoder, number, set);
    }
    if (decode_members(decoder, set, len) < 0) {
        Py_DECREF(set);
        return NULL;
    }
    if (is_frozen) {
        set_known(decoder, number, set);
    }
    return set;
}

static PyObject *
decode_nested(cot_decoder *decoder, cot_tag tag, bool is_remembered)
{
    if (Py_EnterRecursiveCall(" while decoding an object")) {
        return NULL;
    }
    PyObject *obj;
    switch (tag) {
        case COT_TAG_TUPLE:
            obj = decode_tuple(decoder, is_remembered);
            break;
        case COT_TAG_LIST:
            obj = decode_list(decoder, is_remembered);
            break;
        case COT_TAG_DICT:
            obj = decode_dict(decoder, is_remembered);
            break;
        case COT_TAG_SET:
        case COT_TAG_FROZENSET:
            obj = decode_set(decoder, is_remembered, tag == COT_TAG_FROZENSET);
            break;
        case COT_TAG_SHARED:
        case COT_TAG_GLOBAL:
        case COT_TAG_MODULE:
        case COT_TAG_FUNCTION:
        case COT_TAG_CELL:
        case COT_TAG_EMPTY_CELL:
            obj = cot_decode_special(decoder, tag, is_remembered);
            break;
        default:
            obj = cot_decoder_refuse("a tag");
    }
    Py_LeaveRecursiveCall();
    return obj;
}

static PyObject *
decode_memorable(cot_decoder *decoder, uint8_t byte)
{
    bool is_remembered = byte & COT_REMEMBER;
    cot_tag tag = byte & ~COT_REMEMBER;
    PyObject *leaf;
    if (tag >= COT_TAG_SHORT_ASCII && tag <= COT_TAG_UCS4) {
        leaf = cot_decode_text(decoder, tag);
    }
    else if (tag == COT_TAG_BYTES || tag == COT_TAG_BYTEARRAY) {
        leaf = cot_decode_bytes(decoder, tag);
    }
    else {
        return decode_nested(decoder, tag, is_remembered);
    }
    return is_remembered ? remember_leaf(decoder, leaf) : leaf;
}

PyObject *
cot_decode_value(cot_decoder *decoder)
{
    if (decoder->pos == decoder->end) {
        return cot_decoder_refuse("too short");
    }
    uint8_t tag = *decoder->pos++;
    switch (tag) {
        case COT_TAG_NONE:
            return Py_NewRef(Py_None);
        case COT_TAG_FALSE:
            return Py_NewRef(Py_False);
        case COT_TAG_TRUE:
            return Py_NewRef(Py_True);
        case COT_TAG_ELLIPSIS:
            return Py_NewRef(Py_Ellipsis);
        case COT_TAG_NOT_IMPLEMENTED:
            return Py_NewRef(Py_NotImplemented);
        case COT_TAG_INT8:
        case COT_TAG_INT32:
        case COT_TAG_INT64:
        case COT_TAG_INT:
            return cot_decode_int(decoder, tag);
        case COT_TAG_FLOAT:
            return decode_float(decoder);
        case COT_TAG_COMPLEX:
            return cot_decode_complex(decoder);
        case COT_TAG_REF:
            return decode_ref(decoder);
        case COT_TAG_EMPTY_TUPLE:
            return PyTuple_New(0);
        case COT_TAG_SHORT_ASCII: {
            // Once more, as most text is short and met once.
            const uint8_t *at = take(decoder, 1);
            return at ? decode_ascii(decoder, *at) : NULL;
        }
        default:
            return decode_memorable(decoder, tag);
    }
}
