// A place for one value that is read and changed in one step.
//
// The value is a payload that nobody changes, counted: who reads it has a
// reference, so it is decoded without a lock, also when the place has another
// one by then.  No value is the same as an earlier one: its number tells.

#ifndef COT_CORE_REFERENCE_H
#define COT_CORE_REFERENCE_H

#include "core/lock.h"
#include "core/object.h"
#include "core/payload.h"

typedef struct cot_reference cot_reference;
typedef struct cot_value cot_value;

extern const cot_class cot_reference_class;

// A value with one reference, the caller's, that adopts the payload.  NULL if
// there is no memory: then the payload stays the caller's.
cot_value *cot_value_create(cot_payload *payload);

void cot_value_unref(cot_value *value);

const cot_payload *cot_value_payload(const cot_value *value);  // lent
uint64_t cot_value_number(const cot_value *value);             // never 0

// A place with that value (adopted, unless it fails), and one reference, the
// caller's; NULL if there is no memory.
cot_reference *cot_reference_create(cot_value *value);

cot_object *cot_reference_object(cot_reference *reference);
cot_reference *cot_reference_from_object(cot_object *object);

// The value: a new reference.
cot_value *cot_reference_get(cot_reference *reference);

// The number of the value, without a lock.
uint64_t cot_reference_number(const cot_reference *reference);

// Adopts the value: the one that was there, with its reference.
cot_value *cot_reference_exchange(cot_reference *reference, cot_value *value);

// The same if the value has this number still, else NULL: the value stays the
// caller's then.
cot_value *cot_reference_replace(cot_reference *reference, uint64_t number,
                                 cot_value *value);

#endif
