#include "types/shared.h"

#include <stddef.h>

// The interpreter's dictionary {id: weak reference to the object}, lent.  No
// callbacks in it: an interrupt could be raised in one, and so be lost.
static PyObject *
known_objects(module_state *state)
{
    if (state->wrapped == NULL) {
        state->wrapped = PyDict_New();
    }
    return state->wrapped;
}

static PyObject *
remember(SharedObject *self, PyObject *known, PyObject *key)
{
    self->reference = PyWeakref_NewRef((PyObject *)self, NULL);
    if (self->reference == NULL
        || PyDict_SetItem(known, key, self->reference) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->known = Py_NewRef(known);
    self->key = Py_NewRef(key);
    return (PyObject *)self;
}

// By the object that goes.  Another one may have taken its place.
static void
forget(SharedObject *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    if (PyDict_GetItemWithError(self->known, self->key) == self->reference) {
        (void)PyDict_DelItem(self->known, self->key);
    }
    PyErr_SetRaisedException(pending);
}

static PyObject *
make(module_state *state, PyTypeObject *type, cot_object *object,
     PyObject *known, PyObject *key)
{
    SharedObject *self = (SharedObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->object = object;
    cot_object_ref(object);
    return remember(self, known, key);
}

PyObject *
shared_wrap(module_state *state, PyTypeObject *type, cot_object *object)
{
    PyObject *obj = NULL;
    PyObject *known = known_objects(state);
    PyObject *key = known ? PyLong_FromUnsignedLongLong(object->id) : NULL;
    if (key == NULL) {
        return NULL;
    }
    PyObject *reference = PyDict_GetItemWithError(known, key);
    if (reference != NULL) {
        (void)PyWeakref_GetRef(reference, &obj);
    }
    if (obj == NULL && !PyErr_Occurred()) {
        obj = make(state, type, object, known, key);
    }
    Py_DECREF(key);
    return obj;
}

PyObject *
shared_adopt(module_state *state, PyTypeObject *type, cot_object *object)
{
    PyObject *obj = shared_wrap(state, type, object);
    cot_object_unref(object);
    return obj;
}

int
shared_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

void
shared_dealloc(PyObject *op)
{
    SharedObject *self = SharedObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->known != NULL) {
        forget(self);
    }
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Py_CLEAR(self->known);
    Py_CLEAR(self->key);
    Py_CLEAR(self->reference);
    cot_object_unref(self->object);
    type->tp_free(op);
    Py_DECREF(type);
}

Py_hash_t
shared_hash(PyObject *op)
{
    return (Py_hash_t)SharedObject_CAST(op)->object->id;
}

PyObject *
shared_richcompare(PyObject *op, PyObject *other, int how)
{
    if ((how != Py_EQ && how != Py_NE) || !Py_IS_TYPE(other, Py_TYPE(op))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool is_same = SharedObject_CAST(op)->object
                   == SharedObject_CAST(other)->object;
    return PyBool_FromLong(is_same == (how == Py_EQ));
}

PyMemberDef shared_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(SharedObject, weakrefs),
     Py_READONLY},
    {NULL},
};

PyObject *
shared_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyErr_Format(SharedObject_CAST(op)->state->not_shareable_error,
                 "a %s lives in this process only: it travels between "
                 "interpreters, not in a pickle",
                 Py_TYPE(op)->tp_name);
    return NULL;
}
