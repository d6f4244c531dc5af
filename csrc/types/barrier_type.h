// coterie.sync.Barrier: what stands for a core barrier.

#ifndef COT_TYPES_BARRIER_TYPE_H
#define COT_TYPES_BARRIER_TYPE_H

#include "core/barrier.h"
#include "types/state.h"

extern PyType_Spec cot_barrier_spec;

#endif
