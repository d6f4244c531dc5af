#include "codec/key.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    TAG_END = 0x00,
    TAG_MINUS_INFINITY = 0x10,
    TAG_NEGATIVE,
    TAG_ZERO,
    TAG_POSITIVE,
    TAG_INFINITY,
    TAG_STR = 0x20,
    TAG_BYTES = 0x30,
    TAG_TUPLE = 0x40,
};

// Where in a tuple in a tuple.
typedef struct place {
    const struct place *outer;
    Py_ssize_t idx;
} place;

typedef struct {
    const char *what;  // is encoded: for errors
    uint8_t *bytes;    // owned, unless it is `small`
    size_t len;
    size_t size;
    uint8_t small[128];
} writer;

// ---- bytes ---------------------------------------------------------------

// Room for `more` bytes.  -1 with an exception set.
static int
reserve(writer *out, size_t more)
{
    if (more <= out->size - out->len) {
        return 0;
    }
    if (more > PY_SSIZE_T_MAX / 2 - out->size) {
        PyErr_NoMemory();
        return -1;
    }
    size_t size = (out->size + more) * 2;
    bool is_small = out->bytes == out->small;
    uint8_t *grown = PyMem_Realloc(is_small ? NULL : out->bytes, size);
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (is_small) {
        memcpy(grown, out->small, out->len);
    }
    out->bytes = grown;
    out->size = size;
    return 0;
}

static int
write_byte(writer *out, uint8_t byte)
{
    if (reserve(out, 1) < 0) {
        return -1;
    }
    out->bytes[out->len++] = byte;
    return 0;
}

// There is room for two.
static inline void
put_escaped(writer *out, uint8_t byte)
{
    if (byte <= 1) {
        out->bytes[out->len++] = 1;
        byte++;
    }
    out->bytes[out->len++] = byte;
}

static int
write_escaped(writer *out, const uint8_t *bytes, size_t len)
{
    if (len > PY_SSIZE_T_MAX / 4 || reserve(out, 2 * len + 1) < 0) {
        return PyErr_Occurred() ? -1 : (PyErr_NoMemory(), -1);
    }
    for (size_t i = 0; i < len; i++) {
        put_escaped(out, bytes[i]);
    }
    out->bytes[out->len++] = TAG_END;
    return 0;
}

// ---- numbers -------------------------------------------------------------

// `digits` begin with a bit that is set, which stands at that place: 0 for 1.
static int
write_number(writer *out, bool is_negative, int64_t place_of_first,
             const uint8_t *digits, size_t len)
{
    if (write_byte(out, is_negative ? TAG_NEGATIVE : TAG_POSITIVE) < 0
        || reserve(out, 8) < 0) {
        return -1;
    }
    size_t begin = out->len;
    uint64_t biased = (uint64_t)place_of_first + (UINT64_C(1) << 63);
    for (int shift = 56; shift >= 0; shift -= 8) {
        out->bytes[out->len++] = (uint8_t)(biased >> shift);
    }
    while (len > 0 && digits[len - 1] == 0) {
        len--;
    }
    if (write_escaped(out, digits, len) < 0) {
        return -1;
    }
    for (size_t i = begin; is_negative && i < out->len; i++) {
        out->bytes[i] = (uint8_t)~out->bytes[i];
    }
    return 0;
}

// magnitude * 2 ** exponent, which is not zero.
static int
write_word(writer *out, bool is_negative, uint64_t magnitude, int64_t exponent)
{
    int64_t first = 63;
    while (!(magnitude >> 63)) {
        magnitude <<= 1;
        first--;
    }
    uint8_t digits[8];
    for (int i = 0; i < 8; i++) {
        digits[i] = (uint8_t)(magnitude >> (56 - 8 * i));
    }
    return write_number(out, is_negative, first + exponent, digits, 8);
}

static void
negate(uint8_t *bytes, size_t len)
{
    unsigned carry = 1;
    for (size_t i = len; i > 0; i--) {
        carry += (uint8_t)~bytes[i - 1];
        bytes[i - 1] = (uint8_t)carry;
        carry >>= 8;
    }
}

// The magnitude as big-endian bytes, its first bit moved to the front.
static int
write_magnitude(writer *out, bool is_negative, uint8_t *bytes, size_t len)
{
    while (bytes[0] == 0) {
        bytes++;
        len--;
    }
    int shift = 0;
    while (!(bytes[0] << shift & 0x80)) {
        shift++;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned next = i + 1 < len ? bytes[i + 1] : 0;
        bytes[i] = (uint8_t)((bytes[i] << shift) | (next >> (8 - shift)));
    }
    return write_number(out, is_negative, (int64_t)len * 8 - shift - 1, bytes,
                        len);
}

static int
write_long_int(writer *out, PyObject *obj, bool is_negative)
{
    int flags = Py_ASNATIVEBYTES_BIG_ENDIAN;
    Py_ssize_t len = PyLong_AsNativeBytes(obj, NULL, 0, flags);
    uint8_t *bytes = len < 0 ? NULL : PyMem_Malloc((size_t)len);
    if (bytes == NULL) {
        return len < 0 ? -1 : (PyErr_NoMemory(), -1);
    }
    int failed = PyLong_AsNativeBytes(obj, bytes, len, flags) < 0;
    if (!failed) {
        if (is_negative) {
            negate(bytes, (size_t)len);
        }
        failed = write_magnitude(out, is_negative, bytes, (size_t)len);
    }
    PyMem_Free(bytes);
    return failed ? -1 : 0;
}

static int
write_int(writer *out, PyObject *obj)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow) {
        return write_long_int(out, obj, overflow < 0);
    }
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value == 0) {
        return write_byte(out, TAG_ZERO);
    }
    bool is_negative = value < 0;
    uint64_t magnitude = is_negative ? 0 - (uint64_t)value : (uint64_t)value;
    return write_word(out, is_negative, magnitude, 0);
}

static int
write_float(writer *out, double value)
{
    if (value == 0) {
        return write_byte(out, TAG_ZERO);
    }
    bool is_negative = value < 0;
    if (isinf(value)) {
        return write_byte(out,
                          is_negative ? TAG_MINUS_INFINITY : TAG_INFINITY);
    }
    int exponent;
    double fraction = frexp(fabs(value), &exponent);
    return write_word(out, is_negative, (uint64_t)ldexp(fraction, 64),
                      (int64_t)exponent - 64);
}

// ---- the others ----------------------------------------------------------

// UTF-8, but for what would be refused there.  There is room for 4, or for 2 if
// the code point is below 128.
static inline void
put_code_point(writer *out, Py_UCS4 point)
{
    uint8_t *end = out->bytes + out->len;
    if (point < 0x80) {
        put_escaped(out, (uint8_t)point);
        return;
    }
    if (point < 0x800) {
        *end++ = (uint8_t)(0xC0 | point >> 6);
    }
    else {
        if (point < 0x10000) {
            *end++ = (uint8_t)(0xE0 | point >> 12);
        }
        else {
            *end++ = (uint8_t)(0xF0 | point >> 18);
            *end++ = (uint8_t)(0x80 | (point >> 12 & 0x3F));
        }
        *end++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    }
    *end++ = (uint8_t)(0x80 | (point & 0x3F));
    out->len = (size_t)(end - out->bytes);
}

static int
write_str(writer *out, PyObject *obj)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(obj);
    int kind = PyUnicode_KIND(obj);
    const void *data = PyUnicode_DATA(obj);
    size_t room = kind == PyUnicode_1BYTE_KIND ? 2 : 4;
    if (len > PY_SSIZE_T_MAX / 8) {
        PyErr_NoMemory();
        return -1;
    }
    if (reserve(out, (size_t)len * room + 2) < 0) {
        return -1;
    }
    out->bytes[out->len++] = TAG_STR;
    for (Py_ssize_t i = 0; i < len; i++) {
        put_code_point(out, PyUnicode_READ(kind, data, i));
    }
    out->bytes[out->len++] = TAG_END;
    return 0;
}

static int write_value(writer *out, PyObject *obj, const place *at);

static int
write_tuple(writer *out, PyObject *obj, const place *at)
{
    if (write_byte(out, TAG_TUPLE) < 0
        || Py_EnterRecursiveCall(" in a key") != 0) {
        return -1;
    }
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(obj); i++) {
        place here = {at, i};
        failed = write_value(out, PyTuple_GET_ITEM(obj, i), &here);
    }
    Py_LeaveRecursiveCall();
    return failed ? -1 : write_byte(out, TAG_END);
}

// "[1][0]", a new reference.
static PyObject *
text_of(const place *at)
{
    if (at == NULL) {
        return PyUnicode_FromString("");
    }
    PyObject *outer = text_of(at->outer);
    if (outer == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("%U[%zd]", outer, at->idx);
    Py_DECREF(outer);
    return text;
}

static int
refuse(const writer *out, PyObject *obj, const place *at)
{
    PyObject *where = text_of(at);
    if (where == NULL) {
        return -1;
    }
    if (PyFloat_Check(obj)) {
        PyErr_Format(PyExc_ValueError, "%s%U: a NaN has no order", out->what,
                     where);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "%s%U: %.200s has no order here, only int, float, str, "
                     "bytes and tuples of them; else PriorityQueue(key=...)",
                     out->what, where, Py_TYPE(obj)->tp_name);
    }
    Py_DECREF(where);
    return -1;
}

// Whether it is one, and compares as one.
static bool
is_a(PyObject *obj, PyTypeObject *type)
{
    return Py_IS_TYPE(obj, type)
           || (PyObject_TypeCheck(obj, type)
               && Py_TYPE(obj)->tp_richcompare == type->tp_richcompare);
}

static int
write_value(writer *out, PyObject *obj, const place *at)
{
    if (is_a(obj, &PyLong_Type)) {
        return write_int(out, obj);
    }
    if (is_a(obj, &PyFloat_Type) && !isnan(PyFloat_AS_DOUBLE(obj))) {
        return write_float(out, PyFloat_AS_DOUBLE(obj));
    }
    if (is_a(obj, &PyUnicode_Type)) {
        return write_str(out, obj);
    }
    if (is_a(obj, &PyBytes_Type)) {
        return write_byte(out, TAG_BYTES) < 0
                   ? -1
                   : write_escaped(out,
                                   (const uint8_t *)PyBytes_AS_STRING(obj),
                                   (size_t)PyBytes_GET_SIZE(obj));
    }
    if (is_a(obj, &PyTuple_Type)) {
        return write_tuple(out, obj, at);
    }
    return refuse(out, obj, at);
}

cot_key *
cot_encode_key(PyObject *obj, const char *what)
{
    writer out;
    out.what = what;
    out.bytes = out.small;
    out.len = 0;
    out.size = sizeof(out.small);
    cot_key *key = NULL;
    if (write_value(&out, obj, NULL) == 0) {
        key = cot_key_create(out.len);
        if (key == NULL) {
            PyErr_NoMemory();
        }
        else {
            memcpy(key->bytes, out.bytes, out.len);
        }
    }
    if (out.bytes != out.small) {
        PyMem_Free(out.bytes);
    }
    return key;
}
