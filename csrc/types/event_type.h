// coterie.sync.Event: what stands for a core event.

#ifndef COT_TYPES_EVENT_TYPE_H
#define COT_TYPES_EVENT_TYPE_H

#include "core/event.h"

#include <Python.h>

extern PyType_Spec cot_event_spec;

#endif
