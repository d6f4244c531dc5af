#include "core/slab.h"

#include "port/memory.h"

#include <stdalign.h>
#include <stdint.h>

enum {
    SIZE = 4000,    // with the allocator's own words, about a page
    BIGGEST = 512,  // payload
    GRAIN = alignof(max_align_t),
};

// While it is cut from, its count is ahead by this: payloads are counted by
// who cuts them, alone, and taken into account when it is retired.
#define AHEAD (SIZE_MAX / 2)

struct cot_slab {
    atomic_size_t count;  // of payloads that are not released
    size_t cut;           // as all below, of who cuts only
    size_t used;          // of bytes
    alignas(max_align_t) uint8_t bytes[];
};

void
cot_slab_release(cot_slab *slab, size_t count)
{
    if (atomic_fetch_sub_explicit(&slab->count, count, memory_order_acq_rel)
        == count) {
        cot_free(slab);
    }
}

void
cot_slab_retire(cot_slab *slab)
{
    if (slab != NULL) {
        cot_slab_release(slab, AHEAD - slab->cut);
    }
}

static cot_slab *
create(void)
{
    cot_slab *slab = cot_alloc(SIZE);
    if (slab != NULL) {
        atomic_init(&slab->count, AHEAD);
        slab->cut = 0;
        slab->used = 0;
    }
    return slab;
}

cot_payload *
cot_slab_cut(cot_slab **slab, size_t len, cot_format format)
{
    if (len > BIGGEST - sizeof(cot_payload)) {
        return cot_payload_create(len, format);
    }
    size_t size = (sizeof(cot_payload) + len + GRAIN - 1) / GRAIN * GRAIN;
    if (*slab == NULL || SIZE - sizeof(cot_slab) - (*slab)->used < size) {
        cot_slab *next = create();
        if (next == NULL) {
            return NULL;
        }
        cot_slab_retire(*slab);
        *slab = next;
    }
    cot_payload *payload = (cot_payload *)((*slab)->bytes + (*slab)->used);
    (*slab)->used += size;
    (*slab)->cut++;
    cot_payload_init(payload, len, format);
    payload->slab = *slab;
    return payload;
}
