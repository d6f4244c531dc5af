// What a callable was made of when it was encoded, to see cheaply whether it
// still is.
//
// coterie._witnesses lists the places to look at: the code, defaults, cells
// and named globals of a function, and of the functions it reaches.  What was
// found there is kept: constants by a reference, functions and classes by a
// weak one (a strong one might keep the callable itself alive for ever), other
// data by its encoding, since it may change in place.

#ifndef COT_CODEC_DEFINITION_H
#define COT_CODEC_DEFINITION_H

#include "codec/codec.h"

typedef struct cot_definition cot_definition;

typedef enum {
    COT_FRESH,
    COT_CHANGED,
    COT_UNSURE,  // holds something that only shows when it is encoded
} cot_freshness;

// NULL without an exception: `callable` cannot be referenced by itself.
cot_definition *cot_definition_create(cot_codec *codec, PyObject *callable);

// NULL is allowed.
void cot_definition_destroy(cot_definition *definition);

int cot_definition_traverse(cot_definition *definition, visitproc visit,
                            void *arg);

// Runs no Python code, and never fails.
cot_freshness cot_definition_check(cot_codec *codec,
                                   const cot_definition *definition,
                                   PyObject *callable);

#endif
