// coterie.sync.Semaphore and BoundedSemaphore: what stands for a core semaphore.

#ifndef COT_TYPES_SEMAPHORE_TYPE_H
#define COT_TYPES_SEMAPHORE_TYPE_H

#include "core/semaphore.h"

#include <Python.h>

extern PyType_Spec cot_semaphore_spec;
extern PyType_Spec cot_bounded_semaphore_spec;

#endif
