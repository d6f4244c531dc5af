#include "codec/definition.h"

#include "codec/encoder.h"
#include "codec/hooks.h"

#include "compat/compat.h"
#include "port/memory.h"

#include <stdbool.h>

// Where to look; coterie._byvalue has the same numbers.
typedef enum {
    IN_CODE,
    IN_DEFAULTS,  // key: index
    IN_DEFAULTS_LEN,
    IN_KWDEFAULTS,  // key: name
    IN_KWDEFAULTS_LEN,
    IN_CELLS,       // key: index
    IN_GLOBALS,     // key: name
    IN_ATTRIBUTES,  // key: name
    IN_ATTRIBUTES_LEN,
    IN_CLASS,  // key: name
    IN_CLASS_VERSION,
    IN_MODULE,  // key: name
} place;

// What to expect there; the same holds.
typedef enum {
    IS_SAME,     // this object
    IS_HOLDER,   // the holder of this number
    IS_ABSENT,   // nothing
    IS_NUMBER,   // this length or version
    IS_CONTENT,  // an object that is encoded to these bytes
} expectation;

typedef struct {
    uint32_t holder;    // whose place it is
    uint8_t where;      // place
    uint8_t what;       // expectation
    Py_ssize_t number;  // index as a key; length, version, holder as a value
    PyObject *key;      // owned: str, or NULL
    PyObject *value;    // owned: object or bytes, or NULL
} witness;

struct cot_definition {
    Py_ssize_t holders_len;
    Py_ssize_t len;
    PyObject **holders;  // owned weak references; number 0, the callable: NULL
    witness *witnesses;
    bool is_unsure;
};

// Looking

static PyObject *
item_at(PyObject *tuple, Py_ssize_t i)
{
    return tuple && i < PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, i)
                                                : NULL;
}

static PyObject *
entry_of(PyObject *dict, PyObject *name)
{
    if (dict == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(dict, name);
    if (found == NULL) {
        PyErr_Clear();
    }
    return found;
}

static Py_ssize_t
size_of(PyObject *dict)
{
    return dict ? PyDict_GET_SIZE(dict) : 0;
}

static Py_ssize_t
version_of(PyObject *holder)
{
    PyTypeObject *type = (PyTypeObject *)holder;
    if (!PyUnstable_Type_AssignVersionTag(type)) {
        return -1;
    }
    return (Py_ssize_t)type->tp_version_tag;
}

static Py_ssize_t
number_at(const witness *one, PyObject *holder)
{
    PyFunctionObject *function = (PyFunctionObject *)holder;
    PyObject *defaults;
    switch (one->where) {
        case IN_DEFAULTS_LEN:
            defaults = PyFunction_GET_DEFAULTS(holder);
            return defaults ? PyTuple_GET_SIZE(defaults) : 0;
        case IN_KWDEFAULTS_LEN:
            return size_of(PyFunction_GET_KW_DEFAULTS(holder));
        case IN_ATTRIBUTES_LEN:
            return size_of(function->func_dict);
        default:
            return version_of(holder);
    }
}

static PyObject *
class_entry(PyObject *holder, PyObject *name)
{
    PyObject *dict = PyType_GetDict((PyTypeObject *)holder);
    PyObject *found = entry_of(dict, name);
    Py_XDECREF(dict);
    return found;
}

static PyObject *
cell_content(PyObject *closure, Py_ssize_t i)
{
    PyObject *cell = item_at(closure, i);
    return cell ? PyCell_GET(cell) : NULL;
}

// Lends what is there now, or NULL.
static inline PyObject *
object_at(const witness *one, PyObject *holder)
{
    PyFunctionObject *function = (PyFunctionObject *)holder;
    switch (one->where) {
        case IN_CODE:
            return PyFunction_GET_CODE(holder);
        case IN_DEFAULTS:
            return item_at(PyFunction_GET_DEFAULTS(holder), one->number);
        case IN_KWDEFAULTS:
            return entry_of(PyFunction_GET_KW_DEFAULTS(holder), one->key);
        case IN_CELLS:
            return cell_content(PyFunction_GET_CLOSURE(holder), one->number);
        case IN_GLOBALS:
            return entry_of(PyFunction_GET_GLOBALS(holder), one->key);
        case IN_ATTRIBUTES:
            return entry_of(function->func_dict, one->key);
        case IN_CLASS:
            return class_entry(holder, one->key);
        default:
            return entry_of(PyModule_GetDict(holder), one->key);
    }
}

// The encoding as bytes for *bytes, or compared with them; false if there is
// none without running Python code.
static bool
has_content(cot_codec *codec, PyObject *obj, PyObject **bytes)
{
    cot_encoder *encoder = cot_encoder_take(codec, COT_CANONICAL | COT_COMPARED
                                                       | COT_PURE);
    if (encoder == NULL) {
        PyErr_Clear();
        return false;
    }
    bool is_equal = false;
    if (cot_encode_root(encoder, obj) < 0) {
        PyErr_Clear();
    }
    else if (*bytes == NULL) {
        *bytes = cot_encoder_take_bytes(encoder);
        is_equal = *bytes != NULL;
    }
    else {
        Py_ssize_t len = encoder->pos - encoder->start;
        is_equal = len == PyBytes_GET_SIZE(*bytes)
                   && memcmp(encoder->start, PyBytes_AS_STRING(*bytes),
                             (size_t)len)
                          == 0;
    }
    cot_encoder_give_back(encoder);
    return is_equal;
}

// A new reference, or NULL if it is gone.
static PyObject *
get_holder(const cot_definition *definition, Py_ssize_t i, PyObject *callable)
{
    PyObject *holder;
    if (i == 0) {
        return Py_NewRef(callable);
    }
    if (PyWeakref_GetRef(definition->holders[i], &holder) < 0) {
        PyErr_Clear();
    }
    return holder;
}

static bool
is_holder(const cot_definition *definition, Py_ssize_t i, PyObject *callable,
          PyObject *found)
{
    PyObject *holder = get_holder(definition, i, callable);
    Py_XDECREF(holder);
    return holder != NULL && holder == found;
}

static bool
holds(cot_codec *codec, const cot_definition *definition, const witness *one,
      PyObject *holder, PyObject *callable)
{
    if (one->what == IS_NUMBER) {
        return number_at(one, holder) == one->number;
    }
    PyObject *found = object_at(one, holder);
    PyObject *value = one->value;
    switch (one->what) {
        case IS_SAME:
            return found == value;
        case IS_ABSENT:
            return found == NULL;
        case IS_HOLDER:
            return is_holder(definition, PyLong_AsSsize_t(value), callable,
                             found);
        default:
            return found != NULL && has_content(codec, found, &value);
    }
}

cot_freshness
cot_definition_check(cot_codec *codec, const cot_definition *definition,
                     PyObject *callable)
{
    if (definition->is_unsure) {
        return COT_UNSURE;
    }
    // The witnesses of one holder follow each other.
    Py_ssize_t at = 0;
    PyObject *holder = Py_NewRef(callable);
    bool is_fresh = true;
    for (Py_ssize_t i = 0; is_fresh && i < definition->len; i++) {
        const witness *one = &definition->witnesses[i];
        if (one->holder != at) {
            at = one->holder;
            Py_XSETREF(holder, get_holder(definition, at, callable));
        }
        is_fresh = holder != NULL
                   && holds(codec, definition, one, holder, callable);
    }
    Py_XDECREF(holder);
    return is_fresh ? COT_FRESH : COT_CHANGED;
}

// Making

void
cot_definition_destroy(cot_definition *definition)
{
    if (definition == NULL) {
        return;
    }
    for (Py_ssize_t i = 0; i < definition->holders_len; i++) {
        Py_XDECREF(definition->holders[i]);
    }
    for (Py_ssize_t i = 0; i < definition->len; i++) {
        Py_XDECREF(definition->witnesses[i].key);
        Py_XDECREF(definition->witnesses[i].value);
    }
    cot_free(definition->holders);
    cot_free(definition->witnesses);
    cot_free(definition);
}

int
cot_definition_traverse(cot_definition *definition, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < definition->holders_len; i++) {
        Py_VISIT(definition->holders[i]);
    }
    for (Py_ssize_t i = 0; i < definition->len; i++) {
        Py_VISIT(definition->witnesses[i].value);
    }
    return 0;
}

static int
set_value(cot_codec *codec, cot_definition *definition, witness *one,
          PyObject *value, PyObject *holder)
{
    if (one->what == IS_NUMBER) {
        one->number = number_at(one, holder);
        return 0;
    }
    if (one->what == IS_ABSENT) {
        return 0;
    }
    if (one->what == IS_CONTENT) {
        // Shared objects look after their own changes.
        if (codec->unwrap && codec->unwrap(codec->context, value)) {
            one->what = IS_SAME;
        }
        else {
            definition->is_unsure |= !has_content(codec, value, &one->value);
            return 0;
        }
    }
    one->value = Py_NewRef(value);
    return 0;
}

// From (holder, place, key, expectation, value).
static int
set_witness(cot_codec *codec, cot_definition *definition, witness *one,
            PyObject *row, PyObject *holders)
{
    PyObject *key;
    PyObject *value;
    unsigned int holder;
    if (!PyArg_ParseTuple(row, "IbObO", &holder, &one->where, &key, &one->what,
                          &value)) {
        return -1;
    }
    if (holder >= PyTuple_GET_SIZE(holders)) {
        PyErr_SetString(PyExc_SystemError, "coterie._byvalue: no such holder");
        return -1;
    }
    one->holder = holder;
    if (PyUnicode_Check(key)) {
        one->key = Py_NewRef(key);
    }
    else if (key != Py_None) {
        one->number = PyLong_AsSsize_t(key);
        if (one->number == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return set_value(codec, definition, one, value,
                     PyTuple_GET_ITEM(holders, holder));
}

static int
fill_definition(cot_codec *codec, cot_definition *definition,
                PyObject *holders, PyObject *rows)
{
    size_t holders_len = (size_t)PyTuple_GET_SIZE(holders);
    size_t len = (size_t)PyTuple_GET_SIZE(rows);
    definition->holders = cot_alloc_zeroed(holders_len * sizeof(PyObject *));
    definition->witnesses = cot_alloc_zeroed(len * sizeof(witness));
    if (definition->holders == NULL || definition->witnesses == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    definition->holders_len = (Py_ssize_t)holders_len;
    for (Py_ssize_t i = 1; i < definition->holders_len; i++) {
        definition->holders[i] = PyWeakref_NewRef(PyTuple_GET_ITEM(holders, i),
                                                  NULL);
        if (definition->holders[i] == NULL) {
            return -1;
        }
    }
    definition->len = (Py_ssize_t)len;
    for (Py_ssize_t i = 0; i < definition->len; i++) {
        if (set_witness(codec, definition, &definition->witnesses[i],
                        PyTuple_GET_ITEM(rows, i), holders)
            < 0) {
            return -1;
        }
    }
    return 0;
}

cot_definition *
cot_definition_create(cot_codec *codec, PyObject *callable)
{
    PyObject *answer = cot_hook_witnesses(codec, callable);
    if (answer == NULL || answer == Py_None) {
        Py_XDECREF(answer);
        return NULL;
    }
    PyObject *holders;
    PyObject *rows;
    cot_definition *definition = cot_alloc_zeroed(sizeof(*definition));
    if (definition == NULL) {
        PyErr_NoMemory();
    }
    else if (!PyArg_ParseTuple(answer, "O!O!", &PyTuple_Type, &holders,
                               &PyTuple_Type, &rows)
             || fill_definition(codec, definition, holders, rows) < 0) {
        cot_definition_destroy(definition);
        definition = NULL;
    }
    Py_DECREF(answer);
    return definition;
}
