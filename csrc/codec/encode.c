// The walk: from objects to the codec's own format.

#include "codec/remember.h"

#include "compat/compat.h"

enum {
    RUN_MIN = 4,  // shorter runs are not worth a look
};

// Leaves

static int
encode_big_int(cot_encoder *encoder, PyObject *obj)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (!overflow) {
        int64_t wide = value;
        cot_put_byte(encoder, COT_TAG_INT64);
        cot_put(encoder, &wide, sizeof(wide));
        return 0;
    }
    Py_ssize_t len = PyLong_AsNativeBytes(obj, NULL, 0, 1);
    if (len < 0 || cot_encoder_reserve(encoder, COT_HEAD_SIZE + (size_t)len)) {
        return -1;
    }
    cot_put_byte(encoder, COT_TAG_INT);
    cot_put_size(encoder, (size_t)len);
    if (PyLong_AsNativeBytes(obj, encoder->pos, len, 1) < 0) {
        return -1;
    }
    encoder->pos += len;
    return 0;
}

static inline int
encode_int(cot_encoder *encoder, PyObject *obj)
{
    if (cot_encoder_reserve(encoder, 16) < 0) {
        return -1;
    }
    if (!PyUnstable_Long_IsCompact((PyLongObject *)obj)) {
        return encode_big_int(encoder, obj);
    }
    Py_ssize_t value = PyUnstable_Long_CompactValue((PyLongObject *)obj);
    if (value >= INT8_MIN && value <= INT8_MAX) {
        cot_put_byte(encoder, COT_TAG_INT8);
        cot_put_byte(encoder, (unsigned)value & 0xff);
    }
    else if (value >= INT32_MIN && value <= INT32_MAX) {
        int32_t narrow = (int32_t)value;
        cot_put_byte(encoder, COT_TAG_INT32);
        cot_put(encoder, &narrow, sizeof(narrow));
    }
    else {
        int64_t wide = value;
        cot_put_byte(encoder, COT_TAG_INT64);
        cot_put(encoder, &wide, sizeof(wide));
    }
    return 0;
}

static inline int
encode_float(cot_encoder *encoder, PyObject *obj)
{
    if (cot_encoder_reserve(encoder, 1 + sizeof(double)) < 0) {
        return -1;
    }
    double value = PyFloat_AS_DOUBLE(obj);
    cot_put_byte(encoder, COT_TAG_FLOAT);
    cot_put(encoder, &value, sizeof(value));
    return 0;
}

static int
encode_complex(cot_encoder *encoder, PyObject *obj)
{
    if (cot_encoder_reserve(encoder, 1 + 2 * sizeof(double)) < 0) {
        return -1;
    }
    Py_complex value = PyComplex_AsCComplex(obj);
    cot_put_byte(encoder, COT_TAG_COMPLEX);
    cot_put(encoder, &value.real, sizeof(double));
    cot_put(encoder, &value.imag, sizeof(double));
    return 0;
}

// `len` counts characters of `width` bytes.
static int
encode_block(cot_encoder *encoder, unsigned tag, const void *from, size_t len,
             size_t width)
{
    size_t size = len * width;
    if (cot_encoder_reserve(encoder, COT_HEAD_SIZE + size) < 0) {
        return -1;
    }
    cot_put_byte(encoder, tag);
    cot_put_size(encoder, len);
    cot_put(encoder, from, size);
    return 0;
}

static inline int
encode_str(cot_encoder *encoder, PyObject *obj)
{
    int flag = remember(encoder, obj);
    if (flag < 0) {
        return after_remember(flag);
    }
    const void *from = PyUnicode_DATA(obj);
    size_t len = (size_t)PyUnicode_GET_LENGTH(obj);
    unsigned tag = COT_TAG_ASCII;
    size_t kind = (size_t)PyUnicode_KIND(obj);
    if (PyUnicode_IS_ASCII(obj)) {
        if (len < 256) {
            if (cot_encoder_reserve(encoder, 2 + 256) < 0) {
                return -1;
            }
            cot_put_byte(encoder, COT_TAG_SHORT_ASCII | (unsigned)flag);
            cot_put_byte(encoder, (unsigned)len);
            cot_put(encoder, from, len);
            return 0;
        }
    }
    else if (kind == PyUnicode_1BYTE_KIND) {
        tag = COT_TAG_LATIN1;
    }
    else {
        tag = kind == PyUnicode_2BYTE_KIND ? COT_TAG_UCS2 : COT_TAG_UCS4;
    }
    return encode_block(encoder, tag | (unsigned)flag, from, len, kind);
}

static int
encode_bytes(cot_encoder *encoder, PyObject *obj)
{
    int flag = remember(encoder, obj);
    if (flag < 0) {
        return after_remember(flag);
    }
    if (PyBytes_CheckExact(obj)) {
        return encode_block(encoder, COT_TAG_BYTES | (unsigned)flag,
                            PyBytes_AS_STRING(obj),
                            (size_t)PyBytes_GET_SIZE(obj), 1);
    }
    return encode_block(encoder, COT_TAG_BYTEARRAY | (unsigned)flag,
                        PyByteArray_AS_STRING(obj),
                        (size_t)PyByteArray_GET_SIZE(obj), 1);
}

// Tuples and lists

// The length of the run of floats that `items` starts with.
static Py_ssize_t
count_floats(PyObject *const *items, Py_ssize_t len)
{
    Py_ssize_t count = 0;
    while (count < len && PyFloat_CheckExact(items[count])) {
        count++;
    }
    return count;
}

static int
encode_floats(cot_encoder *encoder, PyObject *const *items, Py_ssize_t len)
{
    if (cot_encoder_reserve(encoder,
                            COT_HEAD_SIZE + (size_t)len * sizeof(double))) {
        return -1;
    }
    cot_put_byte(encoder, COT_TAG_FLOATS);
    cot_put_size(encoder, (size_t)len);
    uint8_t *to = encoder->pos;
    for (Py_ssize_t i = 0; i < len; i++) {
        double value = PyFloat_AS_DOUBLE(items[i]);
        memcpy(to, &value, sizeof(value));
        to += sizeof(value);
    }
    encoder->pos = to;
    return 0;
}

// The length of the run of ints of 32 bits that `items` starts with; *width is
// how many bytes the widest needs.
static Py_ssize_t
count_ints(PyObject *const *items, Py_ssize_t len, int *width)
{
    // Negative numbers turned over: then one OR finds the widest.
    uint64_t seen = 0;
    Py_ssize_t count = 0;
    for (; count < len; count++) {
        PyLongObject *item = (PyLongObject *)items[count];
        if (!PyLong_CheckExact(items[count])
            || !PyUnstable_Long_IsCompact(item)) {
            break;
        }
        int64_t value = PyUnstable_Long_CompactValue(item);
        uint64_t magnitude = (uint64_t)(value ^ (value >> 63));
        if (magnitude > INT32_MAX) {
            break;
        }
        seen |= magnitude;
    }
    *width = seen <= INT8_MAX ? 1 : seen <= INT16_MAX ? 2 : 4;
    return count;
}

static inline int64_t
int_at(PyObject *const *items, Py_ssize_t i)
{
    return PyUnstable_Long_CompactValue((PyLongObject *)items[i]);
}

static int
encode_ints(cot_encoder *encoder, PyObject *const *items, Py_ssize_t len,
            int width)
{
    if (cot_encoder_reserve(encoder,
                            COT_HEAD_SIZE + (size_t)len * (size_t)width)) {
        return -1;
    }
    unsigned tag = width == 1   ? COT_TAG_INTS8
                   : width == 2 ? COT_TAG_INTS16
                                : COT_TAG_INTS32;
    cot_put_byte(encoder, tag);
    cot_put_size(encoder, (size_t)len);
    uint8_t *to = encoder->pos;
    for (Py_ssize_t i = 0; i < len; i++) {
        int32_t wide = (int32_t)int_at(items, i);
        int16_t narrow = (int16_t)wide;
        if (width == 1) {
            *to = (uint8_t)wide;
        }
        else if (width == 2) {
            memcpy(to, &narrow, 2);
        }
        else {
            memcpy(to, &wide, 4);
        }
        to += width;
    }
    encoder->pos = to;
    return 0;
}

// Writes the run that `items` starts with, if it is one: its length, 0 if it
// is none, -1 on failure.
static Py_ssize_t
encode_run(cot_encoder *encoder, PyObject *const *items, Py_ssize_t len)
{
    PyTypeObject *type = Py_TYPE(items[0]);
    if (!Py_IS_TYPE(items[1], type) || !Py_IS_TYPE(items[2], type)
        || !Py_IS_TYPE(items[3], type)) {
        return 0;
    }
    if (type == &PyFloat_Type) {
        Py_ssize_t count = count_floats(items, len);
        return encode_floats(encoder, items, count) < 0 ? -1 : count;
    }
    if (type == &PyLong_Type) {
        int width;
        Py_ssize_t count = count_ints(items, len, &width);
        if (count < RUN_MIN) {
            return 0;
        }
        return encode_ints(encoder, items, count, width) < 0 ? -1 : count;
    }
    return 0;
}

static int
refuse_changed(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "a container changed its size while it was encoded");
    return -1;
}

static int
encode_items(cot_encoder *encoder, PyObject *sequence, Py_ssize_t len)
{
    for (Py_ssize_t i = 0; i < len;) {
        if (PySequence_Fast_GET_SIZE(sequence) != len) {
            return refuse_changed();
        }
        PyObject **items = PySequence_Fast_ITEMS(sequence);
        if (len - i >= RUN_MIN) {
            Py_ssize_t count = encode_run(encoder, items + i, len - i);
            if (count != 0) {
                if (count < 0) {
                    return -1;
                }
                i += count;
                continue;
            }
        }
        if (cot_encode_value(encoder, items[i]) < 0) {
            return -1;
        }
        i++;
    }
    return 0;
}

static int
encode_list(cot_encoder *encoder, PyObject *list, unsigned flag)
{
    Py_ssize_t len = PyList_GET_SIZE(list);
    if (cot_put_head(encoder, COT_TAG_LIST | flag, (size_t)len) < 0) {
        return -1;
    }
    return encode_items(encoder, list, len);
}

static int
encode_tuple(cot_encoder *encoder, PyObject *tuple, unsigned flag)
{
    Py_ssize_t len = PyTuple_GET_SIZE(tuple);
    if (cot_put_head(encoder, COT_TAG_TUPLE | flag, (size_t)len) < 0) {
        return -1;
    }
    return encode_items(encoder, tuple, len);
}

// Dicts and sets

// A key that is no str may lead to a hook, which may let go of the value.
static int
encode_odd_pair(cot_encoder *encoder, PyObject *key, PyObject *value)
{
    Py_INCREF(value);
    int failed = cot_encode_value(encoder, key);
    if (failed || !encoder->memo.holds) {
        Py_DECREF(value);
    }
    else if (cot_encoder_keep(encoder, value) < 0) {
        return -1;
    }
    return failed ? failed : cot_encode_value(encoder, value);
}

static int
encode_dict(cot_encoder *encoder, PyObject *dict, unsigned flag)
{
    Py_ssize_t len = PyDict_GET_SIZE(dict);
    if (cot_put_head(encoder, COT_TAG_DICT | flag, (size_t)len) < 0) {
        return -1;
    }
    Py_ssize_t count = 0;
    Py_ssize_t at = 0;
    PyObject *key;
    PyObject *value;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (count++ == len) {
            return refuse_changed();
        }
        int failed;
        if (PyUnicode_CheckExact(key)) {
            failed = encode_str(encoder, key)
                     || cot_encode_value(encoder, value);
        }
        else {
            failed = encode_odd_pair(encoder, key, value);
        }
        if (failed) {
            return -1;
        }
    }
    return count == len ? 0 : refuse_changed();
}

static int
encode_members(cot_encoder *encoder, PyObject *set, Py_ssize_t len)
{
    PyObject *iterator = PyObject_GetIter(set);
    if (iterator == NULL) {
        return -1;
    }
    PyObject *member;
    int failed = 0;
    while (!failed && (member = PyIter_Next(iterator)) != NULL) {
        // Back to the set's own reference, for remember().
        Py_DECREF(member);
        failed = len-- == 0 ? refuse_changed()
                            : cot_encode_value(encoder, member);
    }
    Py_DECREF(iterator);
    if (failed || PyErr_Occurred()) {
        return -1;
    }
    return len == 0 ? 0 : refuse_changed();
}

static int
encode_set(cot_encoder *encoder, PyObject *set, unsigned flag)
{
    unsigned tag = PyFrozenSet_CheckExact(set) ? COT_TAG_FROZENSET
                                               : COT_TAG_SET;
    Py_ssize_t len = PySet_GET_SIZE(set);
    if (cot_put_head(encoder, tag | flag, (size_t)len) < 0) {
        return -1;
    }
    return encode_members(encoder, set, len);
}

typedef int (*container_encoder)(cot_encoder *, PyObject *, unsigned);

static inline int
encode_inside(cot_encoder *encoder, PyObject *obj, container_encoder body,
              int flag)
{
    if (Py_EnterRecursiveCall(" while encoding an object")) {
        return -1;
    }
    Py_INCREF(obj);
    int failed = body(encoder, obj, (unsigned)flag);
    Py_DECREF(obj);
    Py_LeaveRecursiveCall();
    return failed;
}

static inline int
encode_mutable(cot_encoder *encoder, PyObject *obj, container_encoder body)
{
    int flag = remember(encoder, obj);
    return flag < 0 ? after_remember(flag)
                    : encode_inside(encoder, obj, body, flag);
}

static inline int
encode_immutable(cot_encoder *encoder, PyObject *obj, container_encoder body)
{
    int flag = remember_unfinished(encoder, obj);
    if (flag < 0) {
        return after_remember(flag);
    }
    int failed = encode_inside(encoder, obj, body, flag);
    if (flag) {
        cot_memo_finish(&encoder->memo, obj);
    }
    return failed;
}

static int
encode_constant(cot_encoder *encoder, unsigned tag)
{
    if (cot_encoder_reserve(encoder, 1) < 0) {
        return -1;
    }
    cot_put_byte(encoder, tag);
    return 0;
}

int
cot_encode_value(cot_encoder *encoder, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (type == &PyUnicode_Type) {
        return encode_str(encoder, obj);
    }
    if (type == &PyLong_Type) {
        return encode_int(encoder, obj);
    }
    if (type == &PyFloat_Type) {
        return encode_float(encoder, obj);
    }
    if (obj == Py_None) {
        return encode_constant(encoder, COT_TAG_NONE);
    }
    if (type == &PyBool_Type) {
        return encode_constant(encoder,
                               obj == Py_True ? COT_TAG_TRUE : COT_TAG_FALSE);
    }
    if (type == &PyTuple_Type) {
        if (PyTuple_GET_SIZE(obj) == 0) {
            return encode_constant(encoder, COT_TAG_EMPTY_TUPLE);
        }
        return encode_immutable(encoder, obj, encode_tuple);
    }
    if (type == &PyList_Type) {
        return encode_mutable(encoder, obj, encode_list);
    }
    if (type == &PyDict_Type) {
        return encode_mutable(encoder, obj, encode_dict);
    }
    if (type == &PyBytes_Type || type == &PyByteArray_Type) {
        return encode_bytes(encoder, obj);
    }
    if (type == &PySet_Type) {
        return encode_mutable(encoder, obj, encode_set);
    }
    if (type == &PyFrozenSet_Type) {
        return encode_immutable(encoder, obj, encode_set);
    }
    if (type == &PyComplex_Type) {
        return encode_complex(encoder, obj);
    }
    if (obj == Py_Ellipsis) {
        return encode_constant(encoder, COT_TAG_ELLIPSIS);
    }
    if (obj == Py_NotImplemented) {
        return encode_constant(encoder, COT_TAG_NOT_IMPLEMENTED);
    }
    return cot_encode_special(encoder, obj);
}

int
cot_encode_root(cot_encoder *encoder, PyObject *obj)
{
    encoder->remembers_next = true;
    int failed = cot_encode_value(encoder, obj);
    encoder->remembers_next = false;
    return failed;
}

// Small tuples of scalars are what most messages are.  With no two items the
// same there is nothing to remember, not even the tuple: it is not in itself.
enum { FLAT_MAX = 8 };

static bool
is_flat_item(PyObject *const *items, Py_ssize_t at)
{
    PyTypeObject *type = Py_TYPE(items[at]);
    if (type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type
        || items[at] == Py_None) {
        return true;
    }
    if (type != &PyUnicode_Type && type != &PyBytes_Type) {
        return false;
    }
    for (Py_ssize_t i = 0; i < at; i++) {
        if (items[i] == items[at]) {
            return false;
        }
    }
    return true;
}

static bool
is_flat(PyObject *obj)
{
    if (!PyTuple_CheckExact(obj) || PyTuple_GET_SIZE(obj) > FLAT_MAX) {
        return false;
    }
    PyObject **items = PySequence_Fast_ITEMS(obj);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(obj); i++) {
        if (!is_flat_item(items, i)) {
            return false;
        }
    }
    return PyTuple_GET_SIZE(obj) > 0;
}

int
cot_encode_only(cot_encoder *encoder, PyObject *obj)
{
    if (!is_flat(obj)) {
        return cot_encode_root(encoder, obj);
    }
    encoder->remembers_none = true;
    Py_ssize_t len = PyTuple_GET_SIZE(obj);
    int failed = cot_put_head(encoder, COT_TAG_TUPLE, (size_t)len);
    for (Py_ssize_t i = 0; i < len && !failed; i++) {
        failed = cot_encode_value(encoder, PyTuple_GET_ITEM(obj, i));
    }
    encoder->remembers_none = false;
    return failed;
}
