// coterie.interpreters.queues.Queue: the interface of the queues of
// concurrent.interpreters on a core queue that is registered, and whose items
// are bound to the interpreter that put them.

#ifndef COT_TYPES_INTERPRETER_QUEUE_TYPE_H
#define COT_TYPES_INTERPRETER_QUEUE_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_interpreter_queue_spec;

#endif
