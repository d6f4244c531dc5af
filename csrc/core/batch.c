#include "core/batch.h"

#include "port/memory.h"

cot_status
cot_batch_reserve(cot_batch *batch, size_t more)
{
    if (more <= batch->size - batch->len) {
        return COT_OK;
    }
    if (more > SIZE_MAX / sizeof(*batch->payloads) / 2 - batch->len) {
        return COT_NO_MEMORY;
    }
    size_t size = batch->len + more;
    if (size < batch->size * 2) {
        size = batch->size * 2;
    }
    cot_payload **grown = cot_realloc(batch->payloads, size * sizeof(*grown));
    if (grown == NULL) {
        return COT_NO_MEMORY;
    }
    batch->payloads = grown;
    batch->size = size;
    return COT_OK;
}

cot_status
cot_batch_add(cot_batch *batch, cot_payload *payload)
{
    cot_status status = cot_batch_reserve(batch, 1);
    if (status == COT_OK) {
        batch->payloads[batch->len++] = payload;
    }
    return status;
}

void
cot_batch_clear(cot_batch *batch)
{
    for (size_t i = 0; i < batch->len; i++) {
        cot_payload_destroy(batch->payloads[i]);
    }
    cot_free(batch->payloads);
    *batch = (cot_batch){0};
}
