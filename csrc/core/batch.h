// Several payloads that travel together, in order.

#ifndef COT_CORE_BATCH_H
#define COT_CORE_BATCH_H

#include "core/payload.h"

// Zeroed memory is an empty batch.
typedef struct {
    cot_payload **payloads;  // owned, with the payloads
    size_t len;
    size_t size;  // how many there is room for
} cot_batch;

// Room for `more` payloads behind those in it.
COT_MUST_CHECK cot_status cot_batch_reserve(cot_batch *batch, size_t more);

// Adopts the payload; it stays the caller's unless the answer is COT_OK.
COT_MUST_CHECK cot_status cot_batch_add(cot_batch *batch,
                                        cot_payload *payload);

// Destroys what is in it: it is empty then.
void cot_batch_clear(cot_batch *batch);

#endif
