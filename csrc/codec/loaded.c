// The receiving side of codec/function.h: each definition is decoded once.

#include "codec/hooks.h"
#include "codec/tables.h"

#include "port/memory.h"

enum {
    FIRST_SLOTS = 16,
    // Up to here, every load looks for entries that nobody will ask for again.
    SMALL_TABLE = 64,
};

typedef struct {
    cot_function *function;  // shared, refcounted; NULL: a free slot
    PyObject *callable;      // owned
} entry;

struct cot_loaded {
    entry *slots;
    size_t mask;  // number of slots - 1
    size_t len;
};

static inline entry *
find_slot(const struct cot_loaded *loaded, const cot_function *function)
{
    uint64_t hash = (uint64_t)(uintptr_t)function >> 4;
    size_t i = (size_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    for (;; i++) {
        entry *slot = &loaded->slots[i & loaded->mask];
        if (slot->function == NULL || slot->function == function) {
            return slot;
        }
    }
}

static bool
is_retired(const entry *one)
{
    return atomic_load_explicit(&one->function->is_retired,
                                memory_order_acquire);
}

static void
destroy_slots(entry *slots, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (slots[i].function != NULL) {
            cot_object_unref(&slots[i].function->object);
            Py_DECREF(slots[i].callable);
        }
    }
    cot_free(slots);
}

static size_t
count_active(const struct cot_loaded *loaded)
{
    size_t count = 0;
    for (size_t i = 0; i <= loaded->mask; i++) {
        const entry *one = &loaded->slots[i];
        count += one->function != NULL && !is_retired(one);
    }
    return count;
}

// Makes the table anew, without the retired, and with room for as many more as
// stay: the next time is not before that many came.
static int
sweep(struct cot_loaded *loaded)
{
    size_t slots_len = loaded->mask + 1;
    size_t wanted = 4 * (count_active(loaded) + 1);
    entry *retired = cot_alloc_zeroed((loaded->len + 1) * sizeof(entry));
    size_t retired_len = 0;
    struct cot_loaded next = {.mask = FIRST_SLOTS - 1};
    while (wanted > next.mask) {
        next.mask = next.mask * 2 + 1;
    }
    next.slots = cot_alloc_zeroed((next.mask + 1) * sizeof(entry));
    if (next.slots == NULL || retired == NULL) {
        cot_free(next.slots);
        cot_free(retired);
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < slots_len; i++) {
        entry *one = &loaded->slots[i];
        // Asked once: it may change at any time.
        if (one->function == NULL) {
            continue;
        }
        if (is_retired(one)) {
            retired[retired_len++] = *one;
        }
        else {
            *find_slot(&next, one->function) = *one;
            next.len++;
        }
    }
    cot_free(loaded->slots);
    *loaded = next;
    // Last, since this may run code that comes back here.
    destroy_slots(retired, retired_len);
    return 0;
}

static struct cot_loaded *
need_loaded(cot_codec *codec)
{
    if (codec->loaded == NULL) {
        struct cot_loaded *loaded = cot_alloc_zeroed(sizeof(*loaded));
        entry *slots = cot_alloc_zeroed(FIRST_SLOTS * sizeof(entry));
        if (loaded == NULL || slots == NULL) {
            cot_free(loaded);
            cot_free(slots);
            PyErr_NoMemory();
            return NULL;
        }
        loaded->slots = slots;
        loaded->mask = FIRST_SLOTS - 1;
        codec->loaded = loaded;
    }
    return codec->loaded;
}

static int
keep(cot_codec *codec, cot_function *function, PyObject *callable)
{
    struct cot_loaded *loaded = need_loaded(codec);
    if (loaded == NULL) {
        return -1;
    }
    if ((loaded->len <= SMALL_TABLE || loaded->len * 2 >= loaded->mask)
        && sweep(loaded) < 0) {
        return -1;
    }
    entry *slot = find_slot(loaded, function);
    if (slot->function == NULL) {
        cot_object_ref(&function->object);
        slot->function = function;
        slot->callable = Py_NewRef(callable);
        loaded->len++;
    }
    return 0;
}

// Whether it is a builtin that looks for the frame of its caller, who is C code.
static bool
needs_frame(PyObject *callable)
{
    static const char *const names[] = {"dir",     "eval",   "exec",
                                        "globals", "locals", "vars"};
    PyObject *module = PyCFunction_CheckExact(callable)
                           ? PyCFunction_GET_SELF(callable)
                           : NULL;
    if (module == NULL || !PyModule_Check(module)
        || PyModule_GetDict(module) != PyEval_GetBuiltins()) {
        return false;
    }
    const char *name = ((PyCFunctionObject *)callable)->m_ml->ml_name;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

PyObject *
cot_function_load(cot_codec *codec, cot_function *function)
{
    if (codec->loaded != NULL) {
        entry *slot = find_slot(codec->loaded, function);
        if (slot->function != NULL) {
            return Py_NewRef(slot->callable);
        }
    }
    PyObject *callable = cot_sent_find(codec, function);
    if (callable != NULL) {
        return callable;
    }
    callable = cot_decode(codec, function->definition);
    if (callable != NULL && needs_frame(callable)) {
        Py_SETREF(callable, cot_hook_give_frame(callable));
    }
    if (callable != NULL && keep(codec, function, callable) < 0) {
        Py_CLEAR(callable);
    }
    return callable;
}

int
cot_loaded_traverse(struct cot_loaded *loaded, visitproc visit, void *arg)
{
    for (size_t i = 0; loaded != NULL && i <= loaded->mask; i++) {
        Py_VISIT(loaded->slots[i].callable);
    }
    return 0;
}

void
cot_loaded_clear(cot_codec *codec)
{
    struct cot_loaded *loaded = codec->loaded;
    codec->loaded = NULL;
    if (loaded != NULL) {
        destroy_slots(loaded->slots, loaded->mask + 1);
        cot_free(loaded);
    }
}
