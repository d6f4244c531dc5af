#include "types/shared_buffer.h"

#include "core/lock.h"
#include "port/memory.h"

#include <stddef.h>
#include <string.h>

typedef struct shared_buffer {
    cot_object object;
    Py_buffer view;       // constant
    buffer_owner *owner;  // shared: one reference; NULL if `root` is not
    cot_object *root;     // shared: one reference, or NULL
    struct shared_buffer *next;  // among what has come back
    Py_ssize_t geometry[];       // of a view of a view: shape, strides...
} shared_buffer;

struct buffer_owner {
    atomic_size_t refs;
    PyInterpreterState *interpreter;  // borrowed; valid until has_ended
    bool is_main;                     // constant
    cot_lock lock;                    // guards what follows
    _Atomic(shared_buffer *) returned;
    bool has_ended;
    bool is_called;  // a pending call is under way
};

typedef struct {
    PyObject_HEAD
    cot_object *object;  // shared: one reference
} SharedBufferObject;

#define SharedBufferObject_CAST(op) ((SharedBufferObject *)(op))

static shared_buffer *
buffer_from_object(cot_object *object)
{
    return (shared_buffer *)((char *)object - offsetof(shared_buffer, object));
}

// ---- owners --------------------------------------------------------------

buffer_owner *
buffer_owner_create(void)
{
    buffer_owner *owner = cot_alloc_zeroed(sizeof(*owner));
    if (owner != NULL) {
        atomic_init(&owner->refs, 1);
        owner->interpreter = PyInterpreterState_Get();
        owner->is_main = owner->interpreter == PyInterpreterState_Main();
    }
    return owner;
}

static void
owner_ref(buffer_owner *owner)
{
    atomic_fetch_add_explicit(&owner->refs, 1, memory_order_relaxed);
}

static void
owner_unref(buffer_owner *owner)
{
    if (atomic_fetch_sub_explicit(&owner->refs, 1, memory_order_acq_rel)
        == 1) {
        cot_free(owner);
    }
}

// All that has come back, as a list; with `ends`, nothing comes any more.
static shared_buffer *
take_returned(buffer_owner *owner, bool ends)
{
    cot_lock_acquire(&owner->lock);
    shared_buffer *returned = atomic_load(&owner->returned);
    atomic_store(&owner->returned, NULL);
    owner->has_ended |= ends;
    cot_lock_release(&owner->lock);
    return returned;
}

static void
release_all(buffer_owner *owner, shared_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    PyObject *pending = PyErr_GetRaisedException();
    while (buffer != NULL) {
        shared_buffer *next = buffer->next;
        PyBuffer_Release(&buffer->view);
        cot_free(buffer);
        owner_unref(owner);
        buffer = next;
    }
    PyErr_SetRaisedException(pending);
}

void
buffer_owner_reclaim(buffer_owner *owner)
{
    // Without the lock: what comes back just now can wait.
    if (atomic_load_explicit(&owner->returned, memory_order_relaxed) != NULL) {
        release_all(owner, take_returned(owner, false));
    }
}

void
buffer_owner_end(buffer_owner *owner)
{
    if (owner != NULL) {
        release_all(owner, take_returned(owner, true));
        owner_unref(owner);
    }
}

// On the main thread, in the main interpreter.
static int
reclaim_in_pending_call(void *arg)
{
    buffer_owner *owner = arg;
    cot_lock_acquire(&owner->lock);
    owner->is_called = false;
    bool has_ended = owner->has_ended;
    cot_lock_release(&owner->lock);
    if (!has_ended && PyInterpreterState_Get() == owner->interpreter) {
        buffer_owner_reclaim(owner);
    }
    owner_unref(owner);
    return 0;
}

static bool
is_attached_to(const buffer_owner *owner)
{
    PyThreadState *tstate = PyThreadState_GetUnchecked();
    return tstate != NULL
           && PyThreadState_GetInterpreter(tstate) == owner->interpreter;
}

// On any thread, attached or not.
static void
hand_back(shared_buffer *buffer)
{
    buffer_owner *owner = buffer->owner;
    bool is_home = is_attached_to(owner);
    cot_lock_acquire(&owner->lock);
    bool has_ended = owner->has_ended;
    bool needs_call = owner->is_main && !owner->is_called && !has_ended
                      && !is_home;
    if (!has_ended) {
        buffer->next = atomic_load(&owner->returned);
        atomic_store(&owner->returned, buffer);
        owner->is_called |= needs_call;
    }
    if (needs_call) {
        owner_ref(owner);
    }
    cot_lock_release(&owner->lock);
    if (has_ended) {
        // What the Py_buffer belongs to is gone: it is left as it is.
        cot_free(buffer);
        owner_unref(owner);
    }
    else if (is_home) {
        buffer_owner_reclaim(owner);
    }
    if (needs_call && Py_AddPendingCall(reclaim_in_pending_call, owner) < 0) {
        // Too many are pending: the next that comes back tries again.
        cot_lock_acquire(&owner->lock);
        owner->is_called = false;
        cot_lock_release(&owner->lock);
        owner_unref(owner);
    }
}

// ---- shared buffers ------------------------------------------------------

static void
buffer_destroy(cot_object *object, cot_object **dead)
{
    shared_buffer *buffer = buffer_from_object(object);
    if (buffer->root != NULL) {
        cot_object_release(buffer->root, dead);
        cot_free(buffer);
        return;
    }
    hand_back(buffer);
}

const cot_class cot_shared_buffer_class = {
    .name = "memoryview",
    .destroy = buffer_destroy,
};

static shared_buffer *
new_buffer(size_t geometry_len)
{
    shared_buffer *buffer = cot_alloc_zeroed(
        sizeof(*buffer) + geometry_len * sizeof(Py_ssize_t));
    if (buffer == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    cot_object_init(&buffer->object, &cot_shared_buffer_class);
    return buffer;
}

// Of memory of this interpreter.
static cot_object *
create_first(module_state *state, PyObject *view)
{
    shared_buffer *buffer = new_buffer(0);
    if (buffer == NULL) {
        return NULL;
    }
    // In its place at once: it may point into itself.
    if (PyObject_GetBuffer(view, &buffer->view, PyBUF_FULL_RO) < 0) {
        cot_free(buffer);
        return NULL;
    }
    buffer->owner = state->buffers;
    owner_ref(buffer->owner);
    return &buffer->object;
}

static void
copy_geometry(Py_ssize_t **numbers, int ndim, Py_ssize_t **free_place)
{
    if (*numbers != NULL) {
        memcpy(*free_place, *numbers, (size_t)ndim * sizeof(Py_ssize_t));
        *numbers = *free_place;
        *free_place += ndim;
    }
}

// Of a view of a view.  The format belongs to the first, or to nobody.
static cot_object *
create_next(const Py_buffer *shown, shared_buffer *first)
{
    shared_buffer *buffer = new_buffer(3 * (size_t)shown->ndim);
    if (buffer == NULL) {
        return NULL;
    }
    Py_ssize_t *place = buffer->geometry;
    buffer->view = *shown;
    buffer->view.obj = NULL;
    copy_geometry(&buffer->view.shape, shown->ndim, &place);
    copy_geometry(&buffer->view.strides, shown->ndim, &place);
    copy_geometry(&buffer->view.suboffsets, shown->ndim, &place);
    buffer->root = first->root ? first->root : &first->object;
    cot_object_ref(buffer->root);
    return &buffer->object;
}

cot_object *
shared_buffer_create(module_state *state, PyObject *view)
{
    // A view that was released has no base any more: it refuses this.
    Py_buffer shown;
    if (PyObject_GetBuffer(view, &shown, PyBUF_FULL_RO) < 0) {
        return NULL;
    }
    PyObject *base = PyMemoryView_GET_BASE(view);
    cot_object *object;
    if (base != NULL && Py_IS_TYPE(base, state->shared_buffer_type)) {
        cot_object *first = SharedBufferObject_CAST(base)->object;
        object = create_next(&shown, buffer_from_object(first));
    }
    else {
        object = create_first(state, view);
    }
    PyBuffer_Release(&shown);
    return object;
}

// ---- exporters -----------------------------------------------------------

PyObject *
shared_buffer_view(module_state *state, cot_object *object)
{
    PyTypeObject *type = state->shared_buffer_type;
    SharedBufferObject *self = (SharedBufferObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->object = object;
    cot_object_ref(object);
    PyObject *view = PyMemoryView_FromObject((PyObject *)self);
    Py_DECREF(self);
    return view;
}

static int
shared_buffer_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    const Py_buffer *shown =
        &buffer_from_object(SharedBufferObject_CAST(op)->object)->view;
    view->obj = NULL;
    // A memoryview can answer all the others.
    if ((flags & PyBUF_FULL_RO) != PyBUF_FULL_RO) {
        PyErr_SetString(PyExc_BufferError,
                        "take the memoryview of it, not the object itself");
        return -1;
    }
    if ((flags & PyBUF_WRITABLE) && shown->readonly) {
        PyErr_SetString(PyExc_BufferError, "the memory is read-only");
        return -1;
    }
    *view = *shown;
    view->obj = Py_NewRef(op);
    view->internal = NULL;
    return 0;
}

static void
shared_buffer_dealloc(PyObject *op)
{
    SharedBufferObject *self = SharedBufferObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    cot_object_unref(self->object);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
shared_buffer_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

PyDoc_STRVAR(shared_buffer_doc, "What a memoryview from another interpreter "
                                "is a view of.");

static PyType_Slot shared_buffer_slots[] = {
    {Py_tp_doc, (void *)shared_buffer_doc},
    {Py_tp_traverse, shared_buffer_traverse},
    {Py_tp_dealloc, shared_buffer_dealloc},
    {Py_bf_getbuffer, shared_buffer_getbuffer},
    {0, NULL},
};

PyType_Spec cot_shared_buffer_spec = {
    .name = "coterie._core.SharedBuffer",
    .basicsize = sizeof(SharedBufferObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = shared_buffer_slots,
};
