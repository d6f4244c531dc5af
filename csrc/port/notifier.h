// Something that a thread waits for in poll(2), and any other thread rings.

#ifndef COT_PORT_NOTIFIER_H
#define COT_PORT_NOTIFIER_H

#include "port/status.h"

typedef struct {
    int readable;  // owned: readable once rung, until calmed
    int writable;  // owned; may be the same
} cot_notifier;

// COT_NO_MEMORY: the system has no more room for such.
COT_MUST_CHECK cot_status cot_notifier_open(cot_notifier *notifier);

void cot_notifier_ring(const cot_notifier *notifier);
void cot_notifier_calm(const cot_notifier *notifier);
void cot_notifier_close(cot_notifier *notifier);

#endif
