// coterie.sync.RWLock: what stands for a core rwlock; and its two context managers.

#ifndef COT_TYPES_RWLOCK_TYPE_H
#define COT_TYPES_RWLOCK_TYPE_H

#include "core/rwlock.h"
#include "types/state.h"

extern PyType_Spec cot_rwlock_spec;
extern PyType_Spec cot_rwlock_hold_spec;

#endif
