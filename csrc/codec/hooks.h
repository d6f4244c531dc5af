// The codec's way to Python's part of it, and to the import system.
//
// coterie._byvalue says how functions travel, coterie._pickling does what the
// codec's own format cannot.  Both are imported when they are first needed: an
// interpreter that only meets data and importable functions never does.

#ifndef COT_CODEC_HOOKS_H
#define COT_CODEC_HOOKS_H

#include "codec/encoder.h"

// The codec behind a handle; NULL with an exception once it is gone.
cot_codec *cot_hook_codec(PyObject *handle);

// Imports coterie._byvalue, and tells it what it needs; once.
int cot_hook_prepare(cot_codec *codec);

// How `obj` is to be written: (kind, arguments, state), or None if only a
// pickle can hold it.
PyObject *cot_hook_reduce(cot_codec *codec, PyObject *obj);

// A function without its state, and then with it.
PyObject *cot_hook_make(cot_codec *codec, PyObject *arguments);
int cot_hook_fill(cot_codec *codec, PyObject *function, PyObject *state);

PyObject *cot_hook_import(PyObject *name);

// The object at the dotted path `name` in a module, which is imported.
PyObject *cot_hook_find(PyObject *module, PyObject *name);

// What is called in the place of a builtin that looks for its caller's frame.
PyObject *cot_hook_give_frame(PyObject *builtin);

// What coterie._byvalue.witnesses() says of a callable.
PyObject *cot_hook_witnesses(cot_codec *codec, PyObject *callable);

// pickles.c: as the encoder's flags say: a bytes object.  Shared objects are
// attached to the encoder's payload.
PyObject *cot_pickle(cot_encoder *encoder, PyObject *obj);

PyObject *cot_unpickle(cot_codec *codec, const uint8_t *bytes, size_t len,
                       cot_object *const *objects, uint32_t objects_len);

#endif
