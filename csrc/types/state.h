// What the extension keeps for one interpreter.
//
// Types and exceptions are rows of the tables in module/module.c; a name that
// only some programs need is imported when first asked for.

#ifndef COT_TYPES_STATE_H
#define COT_TYPES_STATE_H

#include "codec/codec.h"
#include "core/home.h"
#include "core/owner.h"
#include "core/pool.h"

#include <Python.h>

// Names from other modules; rows of the table in types/state.c.
typedef enum {
    LAZY_CANCELLED_ERROR,
    LAZY_CONDITION,
    LAZY_EMPTY,
    LAZY_FULL,
    LAZY_SHUT_DOWN,
    LAZY_BROKEN_POOL,
    LAZY_ACCOUNT_FOR,
    LAZY_REBUILD,
    LAZY_LET_INTERRUPT_IN,
    LAZY_FUTURE,
    LAZY_PREPARE,
    LAZY_INITIALIZER_FAILED,
    LAZY_TAKE_NOTE,
    LAZY_RUN_SOURCE,
    LAZY_WRAP,
    LAZY_BREAKPOINT,
    LAZY_CALL,
    LAZY_INTERPRETER,
    LAZY_INTERPRETER_ERROR,
    LAZY_INTERPRETER_NOT_FOUND,
    LAZY_EXECUTION_FAILED,
    LAZY_RELAYED_CALL,
    LAZY_QUEUE_EMPTY,
    LAZY_QUEUE_FULL,
    LAZY_QUEUE_NOT_FOUND,
    LAZY_QUEUE_ITEM_DESTROYED,
    LAZY_QUEUE_FLAG_OF,
    LAZY_QUEUE_CONSTANT_OF,
    LAZY_CLOSED,
    LAZY_CHANNEL_NOT_FOUND,
    LAZY_CHANNEL_CLOSED,
    LAZY_CHANNEL_EMPTY,
    LAZY_CHANNEL_NOT_EMPTY,
    LAZY_CHANNEL_INFO,
    LAZY_CHANNEL_FLAG_OF,
    LAZY_CHANNEL_CONSTANT_OF,
    LAZY_CHANNEL_TAKE_UNBOUND,
    LAZY_ACTOR,
    LAZY_PERFORM,
    LAZY_ASYNC_RELEASE,
    LAZY_ASYNC_NEXT,
    LAZY_ASYNC_CONDITION,
    LAZY_ASYNC_ONCE,
    LAZY_BROKEN_BARRIER,
    LAZY_LEN,
} lazy_name;

typedef struct run_host run_host;
typedef struct buffer_owner buffer_owner;
typedef struct async_wait async_wait;
typedef struct InboxObject InboxObject;

typedef struct {
    cot_codec codec;
    cot_home *home;         // shared: one reference
    buffer_owner *buffers;  // shared: one reference
    bool is_main;           // of the main interpreter
    bool is_leaving;        // the interpreter is about to end
    bool was_interrupted;   // KeyboardInterrupt has left a wait of ours
    bool has_actors;        // tasks of event loops have acquired locks
    bool has_audit_hooks;   // code has added some, and nothing removes them
    PyInterpreterState *interpreter;  // borrowed: this one
    int64_t id;                       // of it, unique in the process

    run_host *host;  // borrowed: of who runs calls in this interpreter now
                     // and may be interrupted (types/run.h), or NULL

    async_wait *waits;     // borrowed: of event loops, that have not ended
    InboxObject *inboxes;  // borrowed: of event loops

    PyTypeObject *queue_type;  // owned, as all below
    PyTypeObject *lifo_queue_type;
    PyTypeObject *priority_queue_type;
    PyTypeObject *simple_queue_type;
    PyTypeObject *interpreter_queue_type;
    PyTypeObject *future_type;
    PyTypeObject *pool_type;
    PyTypeObject *interpreter_type;
    PyTypeObject *recv_channel_type;
    PyTypeObject *send_channel_type;
    PyTypeObject *receiver_type;
    PyTypeObject *sender_type;
    PyTypeObject *source_type;
    PyTypeObject *shared_buffer_type;
    PyTypeObject *lock_type;
    PyTypeObject *rlock_type;
    PyTypeObject *condition_type;
    PyTypeObject *event_type;
    PyTypeObject *semaphore_type;
    PyTypeObject *bounded_semaphore_type;
    PyTypeObject *wait_type;
    PyTypeObject *inbox_type;
    PyTypeObject *barrier_type;
    PyTypeObject *rwlock_type;
    PyTypeObject *rwlock_hold_type;
    PyTypeObject *once_type;
    PyTypeObject *atomic_int_type;
    PyTypeObject *atomic_flag_type;
    PyTypeObject *atomic_reference_type;
    PyObject *coterie_error;
    PyObject *not_shareable_error;
    PyObject *remote_error;
    PyObject *worker_lost;
    PyObject *fork_refused;
    PyObject *interrupted;
    PyObject *owner_died;
    PyObject *wrapped;    // dictionary: shared objects' ids to ours, weakly
    PyObject *sys_names;  // of the streams in sys_dict, or NULL
    PyObject *sys_dict;
    PyObject *lazy[LAZY_LEN];
} module_state;

// The object of that name, lent; NULL with an exception set.
PyObject *state_import(module_state *state, lazy_name name);

// The state of the interpreter that this thread is attached to, or NULL with
// an exception set; imports the module if need be.
module_state *state_of_current(void);

// The state of the interpreter that a type of ours, or one derived from it,
// belongs to; NULL with an exception set.
module_state *state_of_type(PyTypeObject *type);

// The calling thread, as who holds locks.
static inline cot_owner
owner_here(const module_state *state)
{
    return cot_owner_here(cot_home_id(state->home));
}

// The definition that module/module.c gives to PyModule_Create and friends.
extern PyModuleDef cot_module_def;

#endif
