// What travels between interpreters: a block of bytes and the shared objects
// that the bytes point to by index.
//
// A payload belongs to one holder at a time.  It never holds a Python object.
//
// It may be bound to the interpreter that made it: its origin, which is the id
// of a home and 0 for most.  When that interpreter ends, who has the payload
// unbinds it.

#ifndef COT_CORE_PAYLOAD_H
#define COT_CORE_PAYLOAD_H

#include "core/object.h"
#include "port/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    COT_NATIVE,   // the codec's own format
    COT_PICKLED,  // a pickle, protocol 5
    COT_UNBOUND,  // nothing any more: its origin has ended
} cot_format;

// What becomes of a payload whose origin has ended.  Python knows the numbers.
typedef enum {
    COT_UNBOUND_REMOVE = 1,  // it goes at once
    COT_UNBOUND_ERROR = 2,   // an error for who takes it
    COT_UNBOUND_REPLACE = 3  // a sign for who takes it
} cot_unbound_op;

// What a priority queue orders a payload by; see core/heap.h.
typedef struct {
    size_t len;     // of bytes
    uint64_t turn;  // the queue's: counts what was put
    uint8_t bytes[];
} cot_key;

typedef struct cot_slab cot_slab;  // core/slab.h

typedef struct {
    size_t len;            // of bytes
    cot_object **objects;  // owned array of shared references, or NULL
    uint32_t objects_len;
    uint16_t format;      // cot_format
    uint16_t unbound_op;  // cot_unbound_op; without origin it has no meaning
    uint64_t origin;
    cot_key *key;    // owned, or NULL
    cot_slab *slab;  // shared: what it was cut from; NULL: its own block
    uint8_t bytes[];
} cot_payload;

// A payload of `len` bytes, not yet written, without objects; NULL if there is
// no memory.
cot_payload *cot_payload_create(size_t len, cot_format format);

// What create does, for memory that the caller has.
void cot_payload_init(cot_payload *payload, size_t len, cot_format format);

// Adds one reference to `object`, reachable at index objects_len - 1 after.
COT_MUST_CHECK cot_status cot_payload_attach(cot_payload *payload,
                                             cot_object *object);

// A key of `len` bytes, not yet written, for a payload to own; NULL if there is
// no memory.  Freed by cot_free.
cot_key *cot_key_create(size_t len);

// Binds the payload to an interpreter.
void cot_payload_bind(cot_payload *payload, uint64_t origin,
                      cot_unbound_op unbound_op);

// Its origin has ended: NULL and the payload is dissolved, or what stands in
// its place, without bytes and objects, of the format COT_UNBOUND.
COT_MUST_CHECK cot_payload *cot_payload_unbind(cot_payload *payload,
                                               cot_object **dead);

// Lets go of the objects and frees the block.  NULL is allowed.
void cot_payload_destroy(cot_payload *payload);

// The same inside a destroy of cot_class: objects go to the list of the dead.
void cot_payload_dissolve(cot_payload *payload, cot_object **dead);

#endif
