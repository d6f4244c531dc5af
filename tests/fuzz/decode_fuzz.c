// The decoder, given any bytes: an extension module for fuzz.py.
//
// The bytes stand in a block of their very size, so that AddressSanitizer sees
// a read past the end.  What is decoded is encoded again, as the items of a queue
// are: it must be a whole object.  Keys of priority queues are made of it, and
// must be ordered as Python orders it.  Functions are made by a stand-in, since marshal, which makes their
// code, may crash on damaged bytes: blocks from outside have a checksum.

#include "codec/codec.h"
#include "codec/decoder.h"
#include "codec/key.h"

#include "port/memory.h"

static cot_codec codec;  // the module is for one interpreter

static PyObject *
decode(const uint8_t *bytes, size_t len)
{
    uint8_t *block = cot_alloc(len);
    if (block == NULL) {
        return PyErr_NoMemory();
    }
    if (len > 0) {
        memcpy(block, bytes, len);
    }
    PyObject *obj = cot_decode_whole(&codec, COT_NATIVE, block, len, NULL, 0);
    cot_free(block);
    return obj;
}

// With an exception set: whether it shows an error of ours.
static bool
is_ours(void)
{
    return PyErr_ExceptionMatches(PyExc_SystemError)
           || PyErr_ExceptionMatches(PyExc_MemoryError);
}

static int
sign_of_keys(const cot_key *a, const cot_key *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

// 0, also if Python does not compare them; -1 with an exception set.
static int
compare(PyObject *a, PyObject *b, int sign)
{
    int is_less = PyObject_RichCompareBool(a, b, Py_LT);
    int is_equal = is_less < 0 ? -1 : PyObject_RichCompareBool(a, b, Py_EQ);
    if (is_equal < 0) {
        PyErr_Clear();
        return 0;
    }
    if (is_less != (sign < 0) || is_equal != (sign == 0)) {
        PyErr_Format(PyExc_AssertionError,
                     "the keys of %R and %R are not in their order", a, b);
        return -1;
    }
    return 0;
}

// Each item of a sequence against the one before, if both have keys.
static int
try_keys(PyObject *obj)
{
    if (!PyList_CheckExact(obj) && !PyTuple_CheckExact(obj)) {
        return 0;
    }
    cot_key *last = NULL;
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PySequence_Size(obj); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(obj, i);
        cot_key *key = cot_encode_key(item, "item");
        if (key == NULL) {
            failed = is_ours() ? -1 : 0;
            if (!failed) {
                PyErr_Clear();
            }
        }
        else if (last != NULL) {
            failed = compare(PySequence_Fast_GET_ITEM(obj, i - 1), item,
                             sign_of_keys(last, key));
        }
        cot_free(last);
        last = key;
    }
    cot_free(last);
    return failed;
}

// 0, or -1 with an exception which shows an error of ours.
static int
try_block(const uint8_t *bytes, size_t len)
{
    PyObject *obj = decode(bytes, len);
    if (obj == NULL) {
        if (is_ours()) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    if (try_keys(obj) < 0) {
        Py_DECREF(obj);
        return -1;
    }
    cot_payload *payload = cot_encode_passing(&codec, obj);
    Py_DECREF(obj);
    if (payload == NULL) {
        PyErr_Clear();  // what is no data cannot be encoded here
        return 0;
    }
    PyObject *again = cot_decode(&codec, payload);
    cot_payload_destroy(payload);
    Py_XDECREF(again);
    return again ? 0 : -1;
}

static PyObject *
fuzz_try(PyObject *module, PyObject *obj)
{
    char *bytes;
    Py_ssize_t len;
    if (PyBytes_AsStringAndSize(obj, &bytes, &len) < 0
        || try_block((const uint8_t *)bytes, (size_t)len) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
fuzz_encode(PyObject *module, PyObject *obj)
{
    cot_payload *payload = cot_encode(&codec, obj);
    if (payload == NULL) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)payload->bytes,
                                                (Py_ssize_t)payload->len);
    cot_payload_destroy(payload);
    return bytes;
}

static PyObject *
fuzz_set_hooks(PyObject *module, PyObject *args)
{
    PyObject *reduce;
    PyObject *make;
    PyObject *fill;
    if (!PyArg_ParseTuple(args, "OOO", &reduce, &make, &fill)) {
        return NULL;
    }
    Py_XSETREF(codec.reduce, Py_NewRef(reduce));
    Py_XSETREF(codec.make, Py_NewRef(make));
    Py_XSETREF(codec.fill, Py_NewRef(fill));
    Py_RETURN_NONE;
}

#ifdef COT_LIBFUZZER

int LLVMFuzzerRunDriver(int *argc, char ***argv,
                        int (*callback)(const uint8_t *data, size_t size));

static int
fuzz_one(const uint8_t *data, size_t size)
{
    static unsigned count;
    if (++count % 1000 == 0) {
        PyGC_Collect();  // else only bytecode starts it
    }
    if (try_block(data, size) < 0) {
        PyErr_Print();
        abort();  // libFuzzer keeps the input
    }
    return 0;
}

// Takes libFuzzer's arguments; does not come back.
static PyObject *
fuzz_run(PyObject *module, PyObject *list)
{
    enum { MOST = 32 };
    static char *argv[MOST + 2] = {"decode_fuzz"};
    int argc = 1;
    for (Py_ssize_t i = 0; i < PyList_Size(list) && argc <= MOST; i++) {
        const char *arg = PyUnicode_AsUTF8(PyList_GetItem(list, i));
        if (arg == NULL) {
            return NULL;
        }
        argv[argc++] = strdup(arg);
    }
    char **start = argv;
    return PyLong_FromLong(LLVMFuzzerRunDriver(&argc, &start, fuzz_one));
}

#endif

static PyMethodDef methods[] = {
    {"try_block", fuzz_try, METH_O, NULL},
    {"encode", fuzz_encode, METH_O, NULL},
    {"set_hooks", fuzz_set_hooks, METH_VARARGS, NULL},
#ifdef COT_LIBFUZZER
    {"run", fuzz_run, METH_O, NULL},
#endif
    {0},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "decode_fuzz",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_decode_fuzz(void);

PyMODINIT_FUNC
PyInit_decode_fuzz(void)
{
    return PyModule_Create(&definition);
}
