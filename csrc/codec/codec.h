// Python objects to payloads and back.
//
// None, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict,
// set and frozenset (exact types), coterie's shared objects, memoryviews (of
// which the memory is shared), modules, and functions and classes (by name where
// the other side can import them, else by value) are encoded by one C walk into
// one block, with shared references and cycles kept.  A value that holds anything else is pickled as a whole
// (protocol 5, coterie._pickling).
//
// Everything here needs an attached thread state of the interpreter that
// `codec` belongs to, and on failure returns NULL or -1 with an exception set.

#ifndef COT_CODEC_CODEC_H
#define COT_CODEC_CODEC_H

#include "core/payload.h"

#include <Python.h>

#include <stdint.h>

// What the codec keeps for one interpreter.  Part of the module state; zeroed
// memory, but for what the layer above sets.
typedef struct {
    // Set by the layer above.  `unwrap` lends the shared object behind a
    // coterie object, or NULL (no exception) if `obj` is none; `wrap` gives
    // this interpreter's object for a shared object: a new reference.
    cot_object *(*unwrap)(void *context, PyObject *obj);
    PyObject *(*wrap)(void *context, cot_object *object);
    // Gives a shared object for the memory that a memoryview shows: a new
    // reference, or NULL with an exception set.  Runs no Python code.
    cot_object *(*share)(void *context, PyObject *view);
    void *context;            // borrowed
    PyObject *not_shareable;  // borrowed: exception type, or NULL: TypeError
    uint64_t process_id;      // random, the same in all of this process

    // Python's part, imported when first needed; owned.
    PyObject *by_value;  // module coterie._byvalue
    PyObject *pickling;  // module coterie._pickling
    PyObject *dump;      // two functions of pickling
    PyObject *load;
    PyObject *reduce;  // three functions of by_value
    PyObject *make;
    PyObject *fill;
    PyObject *handle;  // capsule, by which Python's part calls back

    struct cot_encoder *spare;  // owned: buffers kept between calls, or NULL
    struct cot_sent *sent;      // owned: functions that were sent, or NULL
    struct cot_loaded *loaded;  // owned: functions that were loaded, or NULL
} cot_codec;

int cot_codec_traverse(cot_codec *codec, visitproc visit, void *arg);
void cot_codec_clear(cot_codec *codec);

// The payload of one object: a new one, to be destroyed by the caller.
cot_payload *cot_encode(cot_codec *codec, PyObject *obj);

// The same for an item of a queue or a channel, which will soon be gone.
cot_payload *cot_encode_passing(cot_codec *codec, PyObject *obj);

// The object: a new reference.  The payload stays the caller's, and whole: it
// may be decoded again.
PyObject *cot_decode(cot_codec *codec, const cot_payload *payload);

// The payload of a call's arguments, laid out as for vectorcall: `args` holds
// `nargs` positional values, then one value for each name in `kwnames` (a
// tuple of str, or NULL).  When a value cannot be sent, the exception is the
// original one, and *culprit (if not NULL) is its index in `args`, or -1 if
// each of them can be sent by itself.
cot_payload *cot_encode_call(cot_codec *codec, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames,
                             Py_ssize_t *culprit);

// Decodes such a payload and calls `callable` with it: its result, or NULL.
// *was_called tells an exception of the call from one of the decoding.
PyObject *cot_decode_and_call(cot_codec *codec, const cot_payload *payload,
                              PyObject *callable, int *was_called);

// coterie.dumps: one bytes object with a header (magic, version, length,
// checksum).  Objects that live in this process only are refused.
PyObject *cot_dumps(cot_codec *codec, PyObject *obj);

// coterie.loads: takes any buffer; a cut or changed block raises ValueError.
PyObject *cot_loads(cot_codec *codec, PyObject *block);

#endif
