// Small payloads that one thread makes one after the other, cut from one block.
//
// The blocks of a stream are allocated on one thread and freed on another: the
// allocator's locks then cost more than all else.  A slab is one allocation for
// dozens of them.  It is freed with the last payload, so one that stays keeps
// it all: for what will soon be gone, the items of queues and channels.

#ifndef COT_CORE_SLAB_H
#define COT_CORE_SLAB_H

#include "core/payload.h"

// Who cuts, one thread at a time, keeps a pointer to his slab: NULL at first.

// As cot_payload_create, from *slab; it is exchanged for a new one when it is
// used up.  What is too big for a slab gets a block of its own.
cot_payload *cot_slab_cut(cot_slab **slab, size_t len, cot_format format);

// No more is cut from it.  NULL is allowed.
void cot_slab_retire(cot_slab *slab);

// One payload, or several, that were cut from it are no more.
void cot_slab_release(cot_slab *slab, size_t count);

#endif
