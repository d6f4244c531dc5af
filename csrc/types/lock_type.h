// coterie.sync.Lock and RLock: what stands for a core mutex.

#ifndef COT_TYPES_LOCK_TYPE_H
#define COT_TYPES_LOCK_TYPE_H

#include "core/mutex.h"
#include "types/waitable.h"

extern PyType_Spec cot_lock_spec;
extern PyType_Spec cot_rlock_spec;

// blocking and timeout, as threading.Lock has them (NULL: not given), as a
// deadline.  -1 with an exception set.
int deadline_from_blocking(PyObject *blocking, PyObject *timeout,
                           int64_t *deadline_ns);

// Waits for the lock: COT_OK, COT_TIMED_OUT or COT_OWNER_DIED.  -1 with an
// exception set: it is not held.
int lock_block(module_state *state, cot_mutex *mutex, int64_t deadline_ns,
               cot_status *status);

// acquire() and release() of the lock, as Python calls them.
PyObject *lock_acquire_mutex(module_state *state, cot_mutex *mutex,
                             PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames);
PyObject *lock_release_mutex(module_state *state, cot_mutex *mutex);

// Who holds the mutex, if it is this thread or the task that runs on it now; else
// the thread.
cot_owner lock_owner(module_state *state, const cot_mutex *mutex);

// A turn's acquire of the mutex (types/waitable.h).
extern const blocking_op lock_acquire_op;
void lock_begin_turn(turn *own, cot_mutex *mutex);
PyObject *lock_finish_turn(turn *own, cot_status status);

#endif
