// The sending side of codec/function.h: which callable has which definition.

#include "codec/definition.h"
#include "codec/encoder.h"
#include "codec/hooks.h"
#include "codec/tables.h"

#include "port/memory.h"

enum { FIRST_SLOTS = 16 };

typedef struct {
    PyObject *callable;          // borrowed: an address, maybe of a dead one
    PyObject *weakref;           // owned
    cot_function *function;      // shared, refcounted
    cot_definition *definition;  // owned
} entry;

struct cot_sent {
    entry **slots;  // owned, each of them
    size_t mask;    // number of slots - 1
    size_t len;
    size_t dead_len;     // entries whose callable died
    PyObject *on_death;  // owned: callback of the weak references
};

// The shared object

static void
destroy_function(cot_object *object, cot_object **dead)
{
    cot_function *function = (cot_function *)object;
    cot_payload_dissolve(function->definition, dead);
    cot_free(function);
}

static const cot_class function_class = {
    .name = "function",
    .destroy = destroy_function,
};

// Takes the payload, also when it fails.
static cot_function *
create_function(cot_payload *payload)
{
    cot_function *function = cot_alloc_zeroed(sizeof(*function));
    if (function == NULL) {
        cot_payload_destroy(payload);
        PyErr_NoMemory();
        return NULL;
    }
    cot_object_init(&function->object, &function_class);
    function->definition = payload;
    atomic_init(&function->is_retired, false);
    return function;
}

static void
retire(cot_function *function)
{
    if (function != NULL) {
        atomic_store_explicit(&function->is_retired, true,
                              memory_order_release);
        cot_object_unref(&function->object);
    }
}

// The table

static void
destroy_entry(entry *one)
{
    retire(one->function);
    cot_definition_destroy(one->definition);
    Py_XDECREF(one->weakref);
    cot_free(one);
}

static bool
is_alive(const entry *one)
{
    PyObject *callable;
    if (PyWeakref_GetRef(one->weakref, &callable) != 1) {
        return false;
    }
    Py_DECREF(callable);
    return true;
}

static inline entry **
find_slot(const struct cot_sent *sent, PyObject *callable)
{
    uint64_t hash = (uint64_t)(uintptr_t)callable >> 4;
    size_t i = (size_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    for (;; i++) {
        entry **slot = &sent->slots[i & sent->mask];
        if (*slot == NULL || (*slot)->callable == callable) {
            return slot;
        }
    }
}

// Makes the table anew, without the dead, and with room for one more.
static int
sweep(struct cot_sent *sent)
{
    size_t live = 0;
    for (size_t i = 0; i <= sent->mask; i++) {
        live += sent->slots[i] != NULL && is_alive(sent->slots[i]);
    }
    struct cot_sent next = *sent;
    next.mask = FIRST_SLOTS - 1;
    while ((live + 1) * 2 > next.mask) {
        next.mask = next.mask * 2 + 1;
    }
    next.slots = cot_alloc_zeroed((next.mask + 1) * sizeof(entry *));
    entry **dead = cot_alloc((sent->len + 1) * sizeof(entry *));
    if (next.slots == NULL || dead == NULL) {
        cot_free(next.slots);
        cot_free(dead);
        PyErr_NoMemory();
        return -1;
    }
    size_t dead_len = 0;
    for (size_t i = 0; i <= sent->mask; i++) {
        entry *one = sent->slots[i];
        if (one != NULL && is_alive(one)) {
            *find_slot(&next, one->callable) = one;
        }
        else if (one != NULL) {
            dead[dead_len++] = one;
        }
    }
    cot_free(sent->slots);
    next.len = live;
    next.dead_len = 0;
    *sent = next;
    // Last, since this may run code that comes back here.
    for (size_t i = 0; i < dead_len; i++) {
        destroy_entry(dead[i]);
    }
    cot_free(dead);
    return 0;
}

static PyObject *
note_death(PyObject *handle, PyObject *weakref)
{
    cot_codec *codec = cot_hook_codec(handle);
    struct cot_sent *sent = codec ? codec->sent : NULL;
    if (sent == NULL
        || (++sent->dead_len * 4 >= sent->len && sweep(sent) < 0)) {
        PyErr_Clear();  // it is tried again at the next death
    }
    Py_RETURN_NONE;
}

static PyMethodDef death_method = {
    "note_death",
    note_death,
    METH_O,
    "note_death($module, weakref, /)\n--\n\nA function that was sent died.",
};

static struct cot_sent *
need_sent(cot_codec *codec)
{
    if (codec->sent != NULL) {
        return codec->sent;
    }
    struct cot_sent *sent = cot_alloc_zeroed(sizeof(*sent));
    if (sent == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    sent->slots = cot_alloc_zeroed(FIRST_SLOTS * sizeof(entry *));
    sent->mask = FIRST_SLOTS - 1;
    sent->on_death = PyCFunction_New(&death_method, codec->handle);
    if (sent->slots == NULL || sent->on_death == NULL) {
        if (sent->slots == NULL) {
            PyErr_NoMemory();
        }
        cot_free(sent->slots);
        Py_XDECREF(sent->on_death);
        cot_free(sent);
        return NULL;
    }
    codec->sent = sent;
    return sent;
}

// The entry of a living callable, or NULL.
static inline entry *
find(cot_codec *codec, PyObject *callable)
{
    if (codec->sent == NULL) {
        return NULL;
    }
    entry *one = *find_slot(codec->sent, callable);
    return one != NULL && is_alive(one) ? one : NULL;
}

// An entry without function and definition.
static entry *
add(cot_codec *codec, PyObject *callable)
{
    struct cot_sent *sent = need_sent(codec);
    if (sent == NULL) {
        return NULL;
    }
    if ((*find_slot(sent, callable) != NULL || sent->len * 2 >= sent->mask)
        && sweep(sent) < 0) {
        return NULL;
    }
    entry *one = cot_alloc_zeroed(sizeof(*one));
    if (one == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    one->callable = callable;
    one->weakref = PyWeakref_NewRef(callable, sent->on_death);
    if (one->weakref == NULL) {
        cot_free(one);
        return NULL;
    }
    *find_slot(sent, callable) = one;
    sent->len++;
    return one;
}

// What codec/function.h promises

static bool
is_equal(const cot_payload *a, const cot_payload *b)
{
    return a->len == b->len && a->format == b->format
           && a->objects_len == b->objects_len
           && memcmp(a->bytes, b->bytes, a->len) == 0
           && (a->objects_len == 0
               || memcmp(a->objects, b->objects,
                         a->objects_len * sizeof(*a->objects))
                      == 0);
}

// Takes definition and payload, also when it fails.
static cot_function *
install(cot_codec *codec, PyObject *callable, cot_definition *definition,
        cot_payload *payload)
{
    // Only now, as another thread may have been here meanwhile.
    entry *one = find(codec, callable);
    if (one == NULL) {
        one = add(codec, callable);
    }
    if (one == NULL) {
        cot_definition_destroy(definition);
        cot_payload_destroy(payload);
        return NULL;
    }
    cot_definition *old_definition = one->definition;
    cot_function *old = one->function;
    one->definition = definition;
    if (old != NULL && is_equal(old->definition, payload)) {
        cot_payload_destroy(payload);
        old = NULL;
    }
    else {
        one->function = create_function(payload);
    }
    cot_function *function = one->function;
    if (function != NULL) {
        cot_object_ref(&function->object);
    }
    retire(old);
    cot_definition_destroy(old_definition);
    return function;
}

// Spares what is bound to an object the question of what it is made of.
static bool
is_bound(PyObject *callable)
{
    if (PyCFunction_CheckExact(callable)) {
        PyObject *self = PyCFunction_GET_SELF(callable);
        return self != NULL && !PyModule_Check(self);
    }
    return PyMethod_Check(callable);
}

static int
define(cot_codec *codec, PyObject *callable, cot_function **function)
{
    // What changes after this look and before the encoding is seen next time.
    cot_definition *definition = cot_definition_create(codec, callable);
    if (definition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    cot_payload *payload = cot_encode_with(codec, callable, COT_CANONICAL);
    if (payload == NULL) {
        cot_definition_destroy(definition);
        return -1;
    }
    *function = install(codec, callable, definition, payload);
    return *function ? 0 : -1;
}

static cot_function *
share(entry *one)
{
    cot_object_ref(&one->function->object);
    return one->function;
}

// For a definition which only its encoding can compare.
static int
encode_again(cot_codec *codec, PyObject *callable, cot_function **function)
{
    cot_payload *payload = cot_encode_with(codec, callable, COT_CANONICAL);
    if (payload == NULL) {
        return -1;
    }
    entry *one = find(codec, callable);
    bool is_same = one != NULL && one->function != NULL
                   && is_equal(one->function->definition, payload);
    cot_payload_destroy(payload);
    if (is_same) {
        *function = share(one);
        return 0;
    }
    return define(codec, callable, function);
}

int
cot_function_get(cot_codec *codec, PyObject *callable, cot_function **function)
{
    *function = NULL;
    entry *one = find(codec, callable);
    if (one == NULL || one->function == NULL) {
        return is_bound(callable) ? 0 : define(codec, callable, function);
    }
    switch (cot_definition_check(codec, one->definition, callable)) {
        case COT_FRESH:
            *function = share(one);
            return 0;
        case COT_UNSURE:
            return encode_again(codec, callable, function);
        case COT_CHANGED:
            break;
    }
    return define(codec, callable, function);
}

PyObject *
cot_sent_find(cot_codec *codec, const cot_function *function)
{
    struct cot_sent *sent = codec->sent;
    for (size_t i = 0; sent != NULL && i <= sent->mask; i++) {
        PyObject *callable;
        if (sent->slots[i] != NULL && sent->slots[i]->function == function
            && PyWeakref_GetRef(sent->slots[i]->weakref, &callable) == 1) {
            return callable;
        }
    }
    return NULL;
}

int
cot_sent_traverse(struct cot_sent *sent, visitproc visit, void *arg)
{
    if (sent == NULL) {
        return 0;
    }
    Py_VISIT(sent->on_death);
    for (size_t i = 0; i <= sent->mask; i++) {
        entry *one = sent->slots[i];
        if (one != NULL) {
            Py_VISIT(one->weakref);
            int stop = one->definition ? cot_definition_traverse(
                                             one->definition, visit, arg)
                                       : 0;
            if (stop) {
                return stop;
            }
        }
    }
    return 0;
}

void
cot_sent_clear(cot_codec *codec)
{
    struct cot_sent *sent = codec->sent;
    codec->sent = NULL;
    if (sent == NULL) {
        return;
    }
    for (size_t i = 0; i <= sent->mask; i++) {
        if (sent->slots[i] != NULL) {
            destroy_entry(sent->slots[i]);
        }
    }
    cot_free(sent->slots);
    Py_XDECREF(sent->on_death);
    cot_free(sent);
}
