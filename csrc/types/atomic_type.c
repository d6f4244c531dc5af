#include "types/atomic_type.h"

#include "types/arguments.h"
#include "types/lock_type.h"
#include "types/shared.h"

static cot_atomic *
atomic_of(PyObject *op)
{
    return cot_atomic_from_object(SharedObject_CAST(op)->object);
}

static PyObject *
create(PyTypeObject *type, const cot_class *cls, int64_t value)
{
    module_state *state = state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    cot_atomic *atomic = cot_atomic_create(cls, value);
    return atomic ? shared_adopt(state, type, cot_atomic_object(atomic))
                  : PyErr_NoMemory();
}

// ---- AtomicInt: life -----------------------------------------------------

static PyObject *
raise_overflow(void)
{
    PyErr_SetString(PyExc_OverflowError,
                    "an AtomicInt holds an int of 64 bits, with its sign");
    return NULL;
}

// An argument as a number; -1 with an exception set.
static int
number_from(PyObject *arg, const char *name, int64_t *number)
{
    int overflow;
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %.200s", name,
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    PyObject *index = PyNumber_Index(arg);
    if (index == NULL) {
        return -1;
    }
    *number = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow != 0) {
        raise_overflow();
        return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
int_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"value", NULL};
    PyObject *value = NULL;
    int64_t number = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:AtomicInt", keywords,
                                     &value)
        || (value != NULL && number_from(value, "value", &number) < 0)) {
        return NULL;
    }
    return create(type, &cot_atomic_int_class, number);
}

static PyObject *
int_get(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(cot_atomic_load(atomic_of(op)));
}

static PyObject *
int_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coterie.sync.AtomicInt at %p: %lld>", op,
                                (long long)cot_atomic_load(atomic_of(op)));
}

// ---- AtomicInt: steps ----------------------------------------------------

PyDoc_STRVAR(get_doc, "get($self, /)\n--\n\nThe value.");

PyDoc_STRVAR(set_doc, "set($self, value, /)\n--\n\nChange the value.");

static PyObject *
int_set(PyObject *op, PyObject *arg)
{
    int64_t number;
    if (number_from(arg, "value", &number) < 0) {
        return NULL;
    }
    (void)cot_atomic_exchange(atomic_of(op), number);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(exchange_doc, "exchange($self, value, /)\n--\n\n"
                           "Change the value: what it was before.");

static PyObject *
int_exchange(PyObject *op, PyObject *arg)
{
    int64_t number;
    if (number_from(arg, "value", &number) < 0) {
        return NULL;
    }
    return PyLong_FromLongLong(cot_atomic_exchange(atomic_of(op), number));
}

PyDoc_STRVAR(compare_exchange_doc,
             "compare_exchange($self, /, expected, value)\n--\n\n"
             "Change the value if it is as expected: whether so.");

static PyObject *
int_compare_exchange(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static const signature compare_exchange = {
        "compare_exchange", 2, 2, {"expected", "value"}};
    PyObject *values[2];
    int64_t expected;
    int64_t number;
    if (parse_arguments(&compare_exchange, args, nargs, kwnames, values) < 0
        || number_from(values[0], "expected", &expected) < 0
        || number_from(values[1], "value", &number) < 0) {
        return NULL;
    }
    return PyBool_FromLong(
        cot_atomic_compare_exchange(atomic_of(op), expected, number));
}

// What it was before, or is after.
static PyObject *
change(PyObject *op, PyObject *arg, const char *name, cot_atomic_op how,
       bool wants_after)
{
    int64_t number;
    int64_t before;
    int64_t after;
    if (number_from(arg, name, &number) < 0) {
        return NULL;
    }
    if (!cot_atomic_change(atomic_of(op), how, number, &before, &after)) {
        return raise_overflow();
    }
    return PyLong_FromLongLong(wants_after ? after : before);
}

PyDoc_STRVAR(add_doc, "add($self, n, /)\n--\n\n"
                      "Add n: what it is then.\n\n"
                      "Raises OverflowError, and changes nothing, if that "
                      "needs\nmore than 64 bits.");

static PyObject *
int_add_number(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_ADD, true);
}

PyDoc_STRVAR(sub_doc, "sub($self, n, /)\n--\n\n"
                      "Subtract n: what it is then.\n\n"
                      "Raises OverflowError, and changes nothing, if that "
                      "needs\nmore than 64 bits.");

static PyObject *
int_sub_number(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_SUB, true);
}

PyDoc_STRVAR(fetch_add_doc,
             "fetch_add($self, n, /)\n--\n\n"
             "Add n: what it was before."
             "\n\n"
             "Raises OverflowError, and changes nothing, if the result needs\n"
             "more than 64 bits.");

static PyObject *
int_fetch_add(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_ADD, false);
}

PyDoc_STRVAR(fetch_sub_doc,
             "fetch_sub($self, n, /)\n--\n\n"
             "Subtract n: what it was before."
             "\n\n"
             "Raises OverflowError, and changes nothing, if the result needs\n"
             "more than 64 bits.");

static PyObject *
int_fetch_sub(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_SUB, false);
}

PyDoc_STRVAR(fetch_and_doc,
             "fetch_and($self, n, /)\n--\n\n"
             "Keep the bits that are in n too: what it was before.");

static PyObject *
int_fetch_and(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_AND, false);
}

PyDoc_STRVAR(fetch_or_doc, "fetch_or($self, n, /)\n--\n\n"
                           "Add the bits of n: what it was before.");

static PyObject *
int_fetch_or(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_OR, false);
}

PyDoc_STRVAR(fetch_xor_doc, "fetch_xor($self, n, /)\n--\n\n"
                            "Turn the bits of n round: what it was before.");

static PyObject *
int_fetch_xor(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_XOR, false);
}

PyDoc_STRVAR(fetch_max_doc,
             "fetch_max($self, n, /)\n--\n\n"
             "Change it to n, if that is more: what it was before.");

static PyObject *
int_fetch_max(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_MAX, false);
}

PyDoc_STRVAR(fetch_min_doc,
             "fetch_min($self, n, /)\n--\n\n"
             "Change it to n, if that is less: what it was before.");

static PyObject *
int_fetch_min(PyObject *op, PyObject *arg)
{
    return change(op, arg, "n", COT_ATOMIC_MIN, false);
}

// ---- AtomicInt: as a number ----------------------------------------------

static PyObject *
int_int(PyObject *op)
{
    return int_get(op, NULL);
}

static bool
is_atomic_int(PyObject *obj)
{
    return PyType_GetSlot(Py_TYPE(obj), Py_nb_index) == (void *)int_int;
}

// The operand, an AtomicInt as the int that it is now: a new reference.
static PyObject *
operand_of(PyObject *obj)
{
    return is_atomic_int(obj) ? int_int(obj) : Py_NewRef(obj);
}

static PyObject *
binary(binaryfunc function, PyObject *one, PyObject *other)
{
    PyObject *left = operand_of(one);
    PyObject *right = operand_of(other);
    PyObject *result = left && right ? function(left, right) : NULL;
    Py_XDECREF(left);
    Py_XDECREF(right);
    return result;
}

static PyObject *
unary(unaryfunc function, PyObject *op)
{
    PyObject *number = int_int(op);
    PyObject *result = number ? function(number) : NULL;
    Py_XDECREF(number);
    return result;
}

static PyObject *
int_add(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Add, one, other);
}

static PyObject *
int_subtract(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Subtract, one, other);
}

static PyObject *
int_multiply(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Multiply, one, other);
}

static PyObject *
int_remainder(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Remainder, one, other);
}

static PyObject *
int_divmod(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Divmod, one, other);
}

static PyObject *
int_lshift(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Lshift, one, other);
}

static PyObject *
int_rshift(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Rshift, one, other);
}

static PyObject *
int_and(PyObject *one, PyObject *other)
{
    return binary(PyNumber_And, one, other);
}

static PyObject *
int_xor(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Xor, one, other);
}

static PyObject *
int_or(PyObject *one, PyObject *other)
{
    return binary(PyNumber_Or, one, other);
}

static PyObject *
int_floor_divide(PyObject *one, PyObject *other)
{
    return binary(PyNumber_FloorDivide, one, other);
}

static PyObject *
int_true_divide(PyObject *one, PyObject *other)
{
    return binary(PyNumber_TrueDivide, one, other);
}

static PyObject *
int_negative(PyObject *op)
{
    return unary(PyNumber_Negative, op);
}

static PyObject *
int_positive(PyObject *op)
{
    return unary(PyNumber_Positive, op);
}

static PyObject *
int_absolute(PyObject *op)
{
    return unary(PyNumber_Absolute, op);
}

static PyObject *
int_invert(PyObject *op)
{
    return unary(PyNumber_Invert, op);
}

static PyObject *
int_float(PyObject *op)
{
    return unary(PyNumber_Float, op);
}

static PyObject *
int_power(PyObject *one, PyObject *other, PyObject *modulus)
{
    PyObject *base = operand_of(one);
    PyObject *exponent = operand_of(other);
    PyObject *rest = operand_of(modulus);
    PyObject *result = base && exponent && rest
                           ? PyNumber_Power(base, exponent, rest)
                           : NULL;
    Py_XDECREF(base);
    Py_XDECREF(exponent);
    Py_XDECREF(rest);
    return result;
}

static int
int_bool(PyObject *op)
{
    return cot_atomic_load(atomic_of(op)) != 0;
}

// ---- AtomicInt: in place -------------------------------------------------

static PyObject *
change_in_place(PyObject *op, PyObject *other, cot_atomic_op how)
{
    PyObject *after = change(op, other, "operand", how, true);
    if (after == NULL) {
        return NULL;
    }
    Py_DECREF(after);
    return Py_NewRef(op);
}

// The function of what it is and the operand, until nobody came between.
static PyObject *
in_place(PyObject *op, PyObject *other, binaryfunc function)
{
    int64_t operand;
    int64_t before;
    int64_t after;
    if (number_from(other, "operand", &operand) < 0) {
        return NULL;
    }
    do {
        before = cot_atomic_load(atomic_of(op));
        PyObject *left = PyLong_FromLongLong(before);
        PyObject *right = PyLong_FromLongLong(operand);
        PyObject *result = left && right ? function(left, right) : NULL;
        Py_XDECREF(left);
        Py_XDECREF(right);
        int failed = result ? number_from(result, "the result", &after) : -1;
        Py_XDECREF(result);
        if (failed) {
            return NULL;
        }
    } while (!cot_atomic_compare_exchange(atomic_of(op), before, after));
    return Py_NewRef(op);
}

static PyObject *
int_inplace_add(PyObject *op, PyObject *other)
{
    return change_in_place(op, other, COT_ATOMIC_ADD);
}

static PyObject *
int_inplace_subtract(PyObject *op, PyObject *other)
{
    return change_in_place(op, other, COT_ATOMIC_SUB);
}

static PyObject *
int_inplace_and(PyObject *op, PyObject *other)
{
    return change_in_place(op, other, COT_ATOMIC_AND);
}

static PyObject *
int_inplace_or(PyObject *op, PyObject *other)
{
    return change_in_place(op, other, COT_ATOMIC_OR);
}

static PyObject *
int_inplace_xor(PyObject *op, PyObject *other)
{
    return change_in_place(op, other, COT_ATOMIC_XOR);
}

static PyObject *
int_inplace_multiply(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_Multiply);
}

static PyObject *
int_inplace_remainder(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_Remainder);
}

static PyObject *
int_inplace_lshift(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_Lshift);
}

static PyObject *
int_inplace_rshift(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_Rshift);
}

static PyObject *
int_inplace_floor_divide(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_FloorDivide);
}

static PyObject *
int_inplace_true_divide(PyObject *op, PyObject *other)
{
    return in_place(op, other, PyNumber_TrueDivide);
}

static PyObject *
plain_power(PyObject *base, PyObject *exponent)
{
    return PyNumber_Power(base, exponent, Py_None);
}

static PyObject *
int_inplace_power(PyObject *op, PyObject *other, PyObject *Py_UNUSED(modulus))
{
    return in_place(op, other, plain_power);
}

// ---- AtomicInt: comparing ------------------------------------------------

// Equality is identity, and so is the hash: both stay as they are while the
// number changes, and are the same in all interpreters.  Who compares it with a
// number by == has probably not meant that.
static PyObject *
int_richcompare(PyObject *op, PyObject *other, int how)
{
    if (how != Py_EQ && how != Py_NE) {
        PyObject *left = operand_of(op);
        PyObject *right = operand_of(other);
        PyObject *result = left && right
                               ? PyObject_RichCompare(left, right, how)
                               : NULL;
        Py_XDECREF(left);
        Py_XDECREF(right);
        return result;
    }
    if ((PyLong_Check(other) || PyFloat_Check(other))
        && PyErr_WarnEx(PyExc_RuntimeWarning,
                        "an AtomicInt equals itself only: compare its get() "
                        "with a number",
                        1)
               < 0) {
        return NULL;
    }
    return shared_richcompare(op, other, how);
}

// Far from the small numbers, so that dictionaries seldom compare it with them.
static Py_hash_t
int_hash(PyObject *op)
{
    uint64_t id = SharedObject_CAST(op)->object->id;
    return (Py_hash_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 2);
}

// ---- AtomicInt: type -----------------------------------------------------

static PyMethodDef int_methods[] = {
    {"get", int_get, METH_NOARGS, get_doc},
    {"set", int_set, METH_O, set_doc},
    {"add", int_add_number, METH_O, add_doc},
    {"sub", int_sub_number, METH_O, sub_doc},
    {"exchange", int_exchange, METH_O, exchange_doc},
    {"compare_exchange", (PyCFunction)(void (*)(void))int_compare_exchange,
     METH_FASTCALL | METH_KEYWORDS, compare_exchange_doc},
    {"fetch_add", int_fetch_add, METH_O, fetch_add_doc},
    {"fetch_sub", int_fetch_sub, METH_O, fetch_sub_doc},
    {"fetch_and", int_fetch_and, METH_O, fetch_and_doc},
    {"fetch_or", int_fetch_or, METH_O, fetch_or_doc},
    {"fetch_xor", int_fetch_xor, METH_O, fetch_xor_doc},
    {"fetch_max", int_fetch_max, METH_O, fetch_max_doc},
    {"fetch_min", int_fetch_min, METH_O, fetch_min_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    int_doc,
    "AtomicInt(value=0)\n--\n\n"
    "An int of 64 bits that threads of any interpreters change in one step.\n\n"
    "What needs more bits raises OverflowError.  It counts and orders as the\n"
    "int that it is: int(), arithmetic, < and >; += and its kin change it in\n"
    "one step.  But == and hash() are those of the object, as for all that is\n"
    "shared, so that it can be a key while it changes: == with a number is\n"
    "False, and warns; compare get().  It can be sent; on the other side it\n"
    "is the same one.");

static PyType_Slot int_slots[] = {
    {Py_tp_doc, (void *)int_doc},
    {Py_tp_new, int_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, int_repr},
    {Py_tp_hash, int_hash},
    {Py_tp_richcompare, int_richcompare},
    {Py_tp_methods, int_methods},
    {Py_tp_members, shared_members},
    {Py_nb_int, int_int},
    {Py_nb_index, int_int},
    {Py_nb_bool, int_bool},
    {Py_nb_power, int_power},
    {Py_nb_inplace_power, int_inplace_power},
    {Py_nb_add, int_add},
    {Py_nb_subtract, int_subtract},
    {Py_nb_multiply, int_multiply},
    {Py_nb_remainder, int_remainder},
    {Py_nb_divmod, int_divmod},
    {Py_nb_lshift, int_lshift},
    {Py_nb_rshift, int_rshift},
    {Py_nb_and, int_and},
    {Py_nb_xor, int_xor},
    {Py_nb_or, int_or},
    {Py_nb_floor_divide, int_floor_divide},
    {Py_nb_true_divide, int_true_divide},
    {Py_nb_negative, int_negative},
    {Py_nb_positive, int_positive},
    {Py_nb_absolute, int_absolute},
    {Py_nb_invert, int_invert},
    {Py_nb_float, int_float},
    {Py_nb_inplace_add, int_inplace_add},
    {Py_nb_inplace_subtract, int_inplace_subtract},
    {Py_nb_inplace_multiply, int_inplace_multiply},
    {Py_nb_inplace_remainder, int_inplace_remainder},
    {Py_nb_inplace_lshift, int_inplace_lshift},
    {Py_nb_inplace_rshift, int_inplace_rshift},
    {Py_nb_inplace_and, int_inplace_and},
    {Py_nb_inplace_xor, int_inplace_xor},
    {Py_nb_inplace_or, int_inplace_or},
    {Py_nb_inplace_floor_divide, int_inplace_floor_divide},
    {Py_nb_inplace_true_divide, int_inplace_true_divide},
    {0, NULL},
};

PyType_Spec cot_atomic_int_spec = {
    .name = "coterie.sync.AtomicInt",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = int_slots,
};

// ---- AtomicFlag ----------------------------------------------------------

static PyObject *
flag_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"value", NULL};
    int value = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:AtomicFlag", keywords,
                                     &value)) {
        return NULL;
    }
    return create(type, &cot_atomic_flag_class, value);
}

static PyObject *
flag_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coterie.sync.AtomicFlag at %p: %s>", op,
                                cot_atomic_load(atomic_of(op)) ? "set"
                                                               : "clear");
}

static int
flag_bool(PyObject *op)
{
    return cot_atomic_load(atomic_of(op)) != 0;
}

PyDoc_STRVAR(test_doc, "test($self, /)\n--\n\nWhether the flag is set.");

static PyObject *
flag_test(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(flag_bool(op));
}

PyDoc_STRVAR(flag_set_doc, "set($self, /)\n--\n\nSet the flag.");

static PyObject *
flag_set(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    (void)cot_atomic_exchange(atomic_of(op), 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\nClear the flag.");

static PyObject *
flag_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    (void)cot_atomic_exchange(atomic_of(op), 0);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(test_and_set_doc,
             "test_and_set($self, /)\n--\n\n"
             "Set the flag: whether it was set before.  Of those who do it,\n"
             "one finds it clear.");

static PyObject *
flag_test_and_set(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_atomic_exchange(atomic_of(op), 1) != 0);
}

PyDoc_STRVAR(test_and_clear_doc, "test_and_clear($self, /)\n--\n\n"
                                 "Clear the flag: whether it was set before.");

static PyObject *
flag_test_and_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(cot_atomic_exchange(atomic_of(op), 0) != 0);
}

static PyMethodDef flag_methods[] = {
    {"test", flag_test, METH_NOARGS, test_doc},
    {"set", flag_set, METH_NOARGS, flag_set_doc},
    {"clear", flag_clear, METH_NOARGS, clear_doc},
    {"test_and_set", flag_test_and_set, METH_NOARGS, test_and_set_doc},
    {"test_and_clear", flag_test_and_clear, METH_NOARGS, test_and_clear_doc},
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyDoc_STRVAR(
    flag_doc,
    "AtomicFlag(value=False)\n--\n\n"
    "A flag that threads of any interpreters look at and change in one\n"
    "step.\n\n"
    "bool() of it is test().  It can be sent; on the other side it is the\n"
    "same one.");

static PyType_Slot flag_slots[] = {
    {Py_tp_doc, (void *)flag_doc},
    {Py_tp_new, flag_new},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_repr, flag_repr},
    {Py_tp_hash, shared_hash},
    {Py_tp_richcompare, shared_richcompare},
    {Py_tp_methods, flag_methods},
    {Py_tp_members, shared_members},
    {Py_nb_bool, flag_bool},
    {0, NULL},
};

PyType_Spec cot_atomic_flag_spec = {
    .name = "coterie.sync.AtomicFlag",
    .basicsize = sizeof(SharedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = flag_slots,
};
