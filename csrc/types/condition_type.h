// coterie.sync.Condition: what stands for a core condition.

#ifndef COT_TYPES_CONDITION_TYPE_H
#define COT_TYPES_CONDITION_TYPE_H

#include "core/condition.h"

#include <Python.h>

extern PyType_Spec cot_condition_spec;

#endif
