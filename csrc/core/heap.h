// A binary heap of payloads in an array of the caller's: the least key first,
// equal ones first in, first out.
//
// Keys are bytes that memcmp orders, the shorter one first where one begins as
// the other does; what they mean is the encoder's business.

#ifndef COT_CORE_HEAP_H
#define COT_CORE_HEAP_H

#include "core/payload.h"

// Adds the payload, which has a key, to the `len` ones in the heap.  There is
// room for it.
void cot_heap_push(cot_payload **heap, size_t len, cot_payload *payload);

// Takes the first of the `len` ones out, which are 1 or more.
cot_payload *cot_heap_pop(cot_payload **heap, size_t len);

#endif
