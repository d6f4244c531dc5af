// coterie.queue.Queue: queue.Queue's interface on a core queue.

#ifndef COT_TYPES_QUEUE_TYPE_H
#define COT_TYPES_QUEUE_TYPE_H

#include "core/queue.h"
#include "types/state.h"

extern PyType_Spec cot_queue_spec;

// cot_queue_put and cot_queue_get, waiting by cot_block and answering as it
// does.  The payload is adopted, and destroyed if it was not put.
int queue_block_to_put(module_state *state, cot_queue *queue,
                       cot_payload *payload, int64_t deadline_ns,
                       cot_status *status);
int queue_block_to_get(module_state *state, cot_queue *queue,
                       int64_t deadline_ns, cot_status *status,
                       cot_payload **payload);

#endif
