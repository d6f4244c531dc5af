// coterie.sync.AtomicReference: what stands for a core reference.

#ifndef COT_TYPES_REFERENCE_TYPE_H
#define COT_TYPES_REFERENCE_TYPE_H

#include "core/reference.h"
#include "types/state.h"

extern PyType_Spec cot_reference_spec;

#endif
