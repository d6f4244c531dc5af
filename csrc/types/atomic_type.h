// coterie.sync.AtomicInt and AtomicFlag: what stands for a core atomic.

#ifndef COT_TYPES_ATOMIC_TYPE_H
#define COT_TYPES_ATOMIC_TYPE_H

#include "core/atomic.h"
#include "types/state.h"

extern PyType_Spec cot_atomic_int_spec;
extern PyType_Spec cot_atomic_flag_spec;

#endif
