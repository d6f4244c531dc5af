#include "types/memory.h"

#include "core/runtime.h"
#include "port/memory.h"

#include <Python.h>

// CPython also takes the stacks of its evaluation loop here, which are smaller;
// where the allocator of objects is another one (PYTHONMALLOC), only those.
#define SMALLEST_ARENA ((size_t)256 << 10)

// Not by the context that CPython passes: others may ask while it is set.
static const PyObjectArenaAllocator *
usual(void)
{
    return atomic_load_explicit(&cot_runtime_arenas()->source,
                                memory_order_acquire);
}

static void *
take_arena(void *Py_UNUSED(context), size_t size)
{
    void *address = usual()->alloc(usual()->ctx, size);
    PyThreadState *tstate = PyThreadState_GetUnchecked();
    if (address != NULL && tstate != NULL && size >= SMALLEST_ARENA) {
        PyInterpreterState *owner = PyThreadState_GetInterpreter(tstate);
        cot_arenas_add(cot_runtime_arenas(), address, size,
                       PyInterpreterState_GetID(owner));
    }
    return address;
}

static void
give_arena(void *Py_UNUSED(context), void *address, size_t size)
{
    // First: once it is given back, another interpreter may get it.
    if (size >= SMALLEST_ARENA) {
        cot_arenas_remove(cot_runtime_arenas(), address);
    }
    usual()->free(usual()->ctx, address, size);
}

void
memory_watch(void)
{
    cot_arenas *arenas = cot_runtime_arenas();
    PyObjectArenaAllocator *source;
    if (!cot_arenas_claim(arenas)
        || (source = cot_alloc(sizeof(*source))) == NULL) {
        return;
    }
    PyObject_GetArenaAllocator(source);
    atomic_store_explicit(&arenas->source, source, memory_order_release);
    PyObjectArenaAllocator ours = {NULL, take_arena, give_arena};
    PyObject_SetArenaAllocator(&ours);
}

int64_t
memory_of(int64_t interpreter_id)
{
    size_t bytes = cot_arenas_of(cot_runtime_arenas(), interpreter_id);
    // Each interpreter has one at least, or the objects are elsewhere.
    return bytes > 0 ? (int64_t)bytes : -1;
}
