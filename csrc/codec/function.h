// Functions that are sent: encoded once, decoded once in each interpreter.
//
// Needs an attached thread state of the interpreter that `codec` belongs to.

#ifndef COT_CODEC_FUNCTION_H
#define COT_CODEC_FUNCTION_H

#include "codec/codec.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    cot_object object;
    cot_payload *definition;  // owned
    atomic_bool is_retired;   // the sender will not send it again
} cot_function;

// The definition of `callable` as it is now: a new reference in *function, the
// same one as last time if nothing that it was made of has changed.  NULL in
// *function (and 0): it cannot be referenced by itself (a partial, a bound
// method, an instance): send it among the arguments.  -1 with an exception
// set: it cannot be sent.
int cot_function_get(cot_codec *codec, PyObject *callable,
                     cot_function **function);

// The callable in this interpreter: a new reference.
PyObject *cot_function_load(cot_codec *codec, cot_function *function);

#endif
