#include "types/reference_type.h"

#include "types/arguments.h"
#include "types/errors.h"
#include "types/lock_type.h"
#include "types/shared.h"

// The value in this interpreter, as long as it is the one with that number.
typedef struct {
    SharedObject shared;
    PyObject *value;  // owned, or NULL
    uint64_t number;
} ReferenceObject;

#define ReferenceObject_CAST(op) ((ReferenceObject *)(op))

static cot_reference *
reference_of(PyObject *op)
{
    return cot_reference_from_object(SharedObject_CAST(op)->object);
}

static module_state *
state_of(PyObject *op)
{
    return SharedObject_CAST(op)->state;
}

// ---- what may be in it ---------------------------------------------------

static int find_mutable(module_state *state, PyObject *value, PyObject **path,
                        PyTypeObject **type);

// Of an item that is mutable: the path begins at what it is in.
static int
find_in_item(module_state *state, PyObject *item, Py_ssize_t idx,
             PyObject **path, PyTypeObject **type)
{
    int found = find_mutable(state, item, path, type);
    if (found > 0) {
        Py_XSETREF(*path,
                   idx < 0 ? PyUnicode_FromFormat("{...}%V", *path, "")
                           : PyUnicode_FromFormat("[%zd]%V", idx, *path, ""));
        return *path ? 1 : -1;
    }
    return found;
}

static int
find_in_set(module_state *state, PyObject *set, PyObject **path,
            PyTypeObject **type)
{
    int found = 0;
    PyObject *item;
    PyObject *iterator = PyObject_GetIter(set);
    if (iterator == NULL) {
        return -1;
    }
    while (found == 0 && (item = PyIter_Next(iterator)) != NULL) {
        found = find_in_item(state, item, -1, path, type);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : found;
}

static int
find_in_tuple(module_state *state, PyObject *tuple, PyObject **path,
              PyTypeObject **type)
{
    int found = 0;
    for (Py_ssize_t i = 0; found == 0 && i < PyTuple_GET_SIZE(tuple); i++) {
        found = find_in_item(state, PyTuple_GET_ITEM(tuple, i), i, path, type);
    }
    return found;
}

static bool
is_immutable_scalar(PyObject *value)
{
    return value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value)
           || PyFloat_CheckExact(value) || PyComplex_CheckExact(value)
           || PyUnicode_CheckExact(value) || PyBytes_CheckExact(value);
}

// 1 with the type of a part that is mutable, and where it is (a new reference,
// or NULL: it is the value itself); 0 if none is; -1 with an exception set.
static int
find_mutable(module_state *state, PyObject *value, PyObject **path,
             PyTypeObject **type)
{
    bool is_tuple = PyTuple_CheckExact(value);
    if (is_tuple || PyFrozenSet_CheckExact(value)) {
        if (Py_EnterRecursiveCall(" in an AtomicReference")) {
            return -1;
        }
        int found = is_tuple ? find_in_tuple(state, value, path, type)
                             : find_in_set(state, value, path, type);
        Py_LeaveRecursiveCall();
        return found;
    }
    if (is_immutable_scalar(value)
        || state->codec.unwrap(state, value) != NULL) {
        return 0;
    }
    *type = Py_TYPE(value);
    return 1;
}

static int
check_immutable(module_state *state, PyObject *value, const char *name)
{
    PyObject *path = NULL;
    PyTypeObject *type = NULL;
    int found = find_mutable(state, value, &path, &type);
    if (found > 0) {
        PyErr_Format(
            PyExc_TypeError,
            "%s%V must be None, a bool, int, float, complex, str or "
            "bytes, a tuple or frozenset of such, or a shared object, "
            "not %.200s",
            name, path, "", type->tp_name);
    }
    Py_XDECREF(path);
    return found ? -1 : 0;
}

// What of the object is kept; NULL with an exception set.
static cot_value *
value_from(module_state *state, PyObject *obj)
{
    if (check_immutable(state, obj, "value") < 0) {
        return NULL;
    }
    cot_payload *payload = cot_encode(&state->codec, obj);
    if (payload == NULL) {
        raise_not_shareable(state, "value not shareable");
        return NULL;
    }
    cot_value *value = cot_value_create(payload);
    if (value == NULL) {
        cot_payload_destroy(payload);
        PyErr_NoMemory();
    }
    return value;
}

// ---- life ----------------------------------------------------------------

static void
remember(PyObject *op, PyObject *obj, uint64_t number)
{
    ReferenceObject *self = ReferenceObject_CAST(op);
    PyObject *before = self->value;
    self->value = Py_NewRef(obj);
    self->number = number;
    Py_XDECREF(before);
}

static PyObject *
reference_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"value", NULL};
    PyObject *obj = Py_None;
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:AtomicReference",
                                        keywords, &obj)) {
        return NULL;
    }
    cot_value *value = value_from(state, obj);
    if (value == NULL) {
        return NULL;
    }
    uint64_t number = cot_value_number(value);
    cot_reference *reference = cot_reference_create(value);
    if (reference == NULL) {
        cot_value_unref(value);
        return PyErr_NoMemory();
    }
    PyObject *op = shared_adopt(state, type, cot_reference_object(reference));
    if (op != NULL) {
        remember(op, obj, number);
    }
    return op;
}

static int
reference_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(ReferenceObject_CAST(op)->value);
    return shared_traverse(op, visit, arg);
}

static int
reference_clear(PyObject *op)
{
    ReferenceObject_CAST(op)->number = 0;
    Py_CLEAR(ReferenceObject_CAST(op)->value);
    return 0;
}

static void
reference_dealloc(PyObject *op)
{
    PyObject *value = ReferenceObject_CAST(op)->value;
    ReferenceObject_CAST(op)->value = NULL;
    shared_dealloc(op);
    Py_XDECREF(value);
}

// ---- steps ---------------------------------------------------------------

// The object of that value in this interpreter: a new reference.
static PyObject *
object_of(PyObject *op, const cot_value *value)
{
    ReferenceObject *self = ReferenceObject_CAST(op);
    uint64_t number = cot_value_number(value);
    if (self->value != NULL && self->number == number) {
        return Py_NewRef(self->value);
    }
    PyObject *obj = cot_decode(&state_of(op)->codec, cot_value_payload(value));
    if (obj != NULL && cot_reference_number(reference_of(op)) == number) {
        remember(op, obj, number);
    }
    return obj;
}

static PyObject *
get(PyObject *op)
{
    ReferenceObject *self = ReferenceObject_CAST(op);
    if (self->value != NULL
        && self->number == cot_reference_number(reference_of(op))) {
        return Py_NewRef(self->value);
    }
    cot_value *value = cot_reference_get(reference_of(op));
    PyObject *obj = object_of(op, value);
    cot_value_unref(value);
    return obj;
}

static PyObject *
reference_repr(PyObject *op)
{
    PyObject *obj = get(op);
    PyObject *text = obj ? PyUnicode_FromFormat(
                               "<coterie.sync.AtomicReference at %p: %R>", op,
                               obj)
                         : NULL;
    Py_XDECREF(obj);
    return text;
}

PyDoc_STRVAR(get_doc, "get($self, /)\n--\n\nThe value.");

static PyObject *
reference_get(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return get(op);
}

// A value for this place; not the place itself, which would then never go.
static cot_value *
value_for(PyObject *op, PyObject *obj)
{
    cot_value *value = value_from(state_of(op), obj);
    if (value == NULL) {
        return NULL;
    }
    const cot_payload *payload = cot_value_payload(value);
    for (uint32_t i = 0; i < payload->objects_len; i++) {
        if (payload->objects[i] == SharedObject_CAST(op)->object) {
            cot_value_unref(value);
            PyErr_SetString(PyExc_ValueError,
                            "value holds the AtomicReference that it is for");
            return NULL;
        }
    }
    return value;
}

// The value that was there, with its reference; NULL with an exception set.
static cot_value *
put(PyObject *op, PyObject *obj)
{
    cot_value *value = value_for(op, obj);
    if (value == NULL) {
        return NULL;
    }
    uint64_t number = cot_value_number(value);
    cot_value *before = cot_reference_exchange(reference_of(op), value);
    remember(op, obj, number);
    return before;
}

PyDoc_STRVAR(set_doc, "set($self, value, /)\n--\n\nChange the value.");

static PyObject *
reference_set(PyObject *op, PyObject *obj)
{
    cot_value *before = put(op, obj);
    if (before == NULL) {
        return NULL;
    }
    cot_value_unref(before);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(exchange_doc, "exchange($self, value, /)\n--\n\n"
                           "Change the value: what it was before.");

static PyObject *
reference_exchange(PyObject *op, PyObject *obj)
{
    cot_value *before = put(op, obj);
    if (before == NULL) {
        return NULL;
    }
    PyObject *result = cot_decode(&state_of(op)->codec,
                                  cot_value_payload(before));
    cot_value_unref(before);
    return result;
}

// 1 if it was as expected, and is changed (then the value is adopted); -1 with
// an exception set.
static int
replace(PyObject *op, PyObject *expected, PyObject *obj, cot_value *value)
{
    uint64_t number = cot_value_number(value);
    for (;;) {
        cot_value *current = cot_reference_get(reference_of(op));
        PyObject *found = object_of(op, current);
        int is_equal = found ? PyObject_RichCompareBool(found, expected, Py_EQ)
                             : -1;
        Py_XDECREF(found);
        cot_value *before = is_equal > 0
                                ? cot_reference_replace(
                                      reference_of(op),
                                      cot_value_number(current), value)
                                : NULL;
        cot_value_unref(current);
        if (before != NULL) {
            remember(op, obj, number);
            cot_value_unref(before);
            return 1;
        }
        if (is_equal <= 0) {
            return is_equal;
        }
    }
}

PyDoc_STRVAR(
    compare_exchange_doc,
    "compare_exchange($self, /, expected, value)\n--\n\n"
    "Change the value if it equals what is expected: whether so.\n\n"
    "They are compared by ==, as Python compares: 1 equals 1.0 and True.");

static PyObject *
reference_compare_exchange(PyObject *op, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames)
{
    static const signature compare_exchange = {
        "compare_exchange", 2, 2, {"expected", "value"}};
    PyObject *values[2];
    if (parse_arguments(&compare_exchange, args, nargs, kwnames, values) < 0
        || check_immutable(state_of(op), values[0], "expected") < 0) {
        return NULL;
    }
    cot_value *value = value_for(op, values[1]);
    if (value == NULL) {
        return NULL;
    }
    int was_equal = replace(op, values[0], values[1], value);
    if (was_equal <= 0) {
        cot_value_unref(value);
    }
    return was_equal < 0 ? NULL : PyBool_FromLong(was_equal);
}

// ---- type ----------------------------------------------------------------

static PyMethodDef reference_methods[] = {
    {"get", reference_get, METH_NOARGS, get_doc},
    {"set", reference_set, METH_O, set_doc},
    {"exchange", reference_exchange, METH_O, exchange_doc},
    {"compare_exchange",
     (PyCFunction)(void (*)(void))reference_compare_exchange,
     METH_FASTCALL | METH_KEYWORDS, compare_exchange_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    reference_doc,
    "AtomicReference(value=None)\n--\n\n"
    "A place for one immutable value that threads of any interpreters change\n"
    "in one step.\n\n"
    "The value is None, a bool, int, float, complex, str or bytes, a tuple or\n"
    "frozenset of such, or a shared object of coterie; TypeError is raised\n"
    "for anything else.  It can be sent; on the other side it is the same\n"
    "one.");

static PyType_Slot reference_slots[] = {
    {Py_tp_doc, (void *)reference_doc},
    {Py_tp_new, reference_new},
    {Py_tp_traverse, reference_traverse},
    {Py_tp_clear, reference_clear},
    {Py_tp_dealloc, reference_dealloc},
    {Py_tp_repr, reference_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, reference_methods},
    {Py_tp_members, shared_members},
    {0, NULL},
};

PyType_Spec cot_reference_spec = {
    .name = "coterie.sync.AtomicReference",
    .basicsize = sizeof(ReferenceObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reference_slots,
};
