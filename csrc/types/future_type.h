// coterie.Future: a concurrent.futures.Future on a task of the core.
//
// The Python class derives from this type and from concurrent.futures.Future.
// Its base part costs what the transport costs; condition, listeners and
// callbacks come into being when somebody asks for them.  From then on the
// task is watched: its end is published by the dispatcher, under the condition.

#ifndef COT_TYPES_FUTURE_TYPE_H
#define COT_TYPES_FUTURE_TYPE_H

#include "types/state.h"

extern PyType_Spec cot_future_spec;

// A future of `type` for the task; adopts the reference to it.  NULL with an
// exception set.
PyObject *future_for_task(module_state *state, PyTypeObject *type,
                          cot_task *task);

// A future that has failed already: steals `exception`.
PyObject *future_failed(module_state *state, PyTypeObject *type,
                        PyObject *exception);

// The task ended and came through the outbox: publishes it to the future that
// watches it.
void future_publish(const cot_task *task);

// Then, once: calls the callbacks, if it has some.  Adopts the reference to the
// task.
bool future_has_callbacks(const cot_task *task);
void future_call_back(cot_task *task);

#endif
