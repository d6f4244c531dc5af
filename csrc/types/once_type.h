// coterie.sync.Once: what stands for a core once.

#ifndef COT_TYPES_ONCE_TYPE_H
#define COT_TYPES_ONCE_TYPE_H

#include "core/once.h"
#include "types/state.h"

extern PyType_Spec cot_once_spec;

#endif
