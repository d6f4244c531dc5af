// What travels between interpreters: a block of bytes and the shared objects
// that the bytes point to by index.
//
// A payload belongs to one holder at a time.  It never holds a Python object.

#ifndef COT_CORE_PAYLOAD_H
#define COT_CORE_PAYLOAD_H

#include "core/object.h"
#include "port/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    COT_NATIVE,   // the codec's own format
    COT_PICKLED,  // a pickle, protocol 5
} cot_format;

typedef struct {
    size_t len;            // of bytes
    cot_object **objects;  // owned array of shared references, or NULL
    uint32_t objects_len;
    uint32_t format;  // cot_format
    uint8_t bytes[];
} cot_payload;

// A payload of `len` bytes, not yet written, without objects; NULL if there is
// no memory.
cot_payload *cot_payload_create(size_t len, cot_format format);

// Adds one reference to `object`, reachable at index objects_len - 1 after.
COT_MUST_CHECK cot_status cot_payload_attach(cot_payload *payload,
                                             cot_object *object);

// Lets go of the objects and frees the block.  NULL is allowed.
void cot_payload_destroy(cot_payload *payload);

// The same inside a destroy of cot_class: objects go to the list of the dead.
void cot_payload_dissolve(cot_payload *payload, cot_object **dead);

#endif
