// The operations that select and the tasks of event loops wait for: what each
// blocking method does, without its thread.
//
// A turn is one such operation that has begun.  It ends in one of three ways:
// finish() makes of its status what the method would return or raise; drop()
// frees what it held, if it was not done; undo() gives back what somebody else
// did for it, if nobody is there any more to take it.

#ifndef COT_TYPES_WAITABLE_H
#define COT_TYPES_WAITABLE_H

#include "types/blocking.h"

#include <stddef.h>

typedef struct waitable waitable;

typedef struct {
    const waitable *how;  // borrowed, static
    module_state *state;  // borrowed: the target's
    PyObject *target;     // owned, once it has begun
    cot_owner owner;      // whose turn it is
    void *arg;  // what the operation is given: `room`, if `begin` sets
                // nothing else
    union {
        max_align_t aligned;
        char bytes[128];
    } room;
} turn;

// The room, as what the operation keeps there: zeroed at first.
#define TURN_ROOM(own, type)           \
    ((type *)(void *)(own)->room.bytes \
     + 0 * sizeof(char[sizeof(type) <= sizeof((own)->room) ? 1 : -1]))

struct waitable {
    const char *name;                   // of the operation: "get"
    const blocking_op *op;              // borrowed, static
    cot_status (*withdraw)(void *arg);  // see cot_case; or NULL
    // -1 with an exception set.  `value` is lent: the item, or NULL.  May put
    // another in its place (own->how).
    int (*begin)(turn *own, PyObject *value);
    // Steals what the turn holds.  NULL with an exception set.
    PyObject *(*finish)(turn *own, cot_status status);
    void (*drop)(turn *own);     // or NULL: it holds nothing
    bool (*is_late)(turn *own);  // time is up, but it has to wait on; or NULL
    void (*undo)(turn *own, cot_status status);  // if it can be withdrawn
};

// Begins the operation of that name; NULL: the usual one of the target's type,
// or, with a value, the one that takes it.  -1 with a TypeError or another
// exception set: it has not begun, and holds nothing.
int turn_begin(module_state *state, turn *own, PyObject *target,
               const char *name, PyObject *value, cot_owner owner);

PyObject *turn_finish(turn *own, cot_status status);
void turn_drop(turn *own);
void turn_undo(turn *own, cot_status status);

// Time is up: false, and it is to be finished, or true: it has to wait on, for as
// long as it takes.
bool turn_is_late(turn *own);

// What the types contribute; see the table in waitable.c.
extern const waitable waitable_queue_get;
extern const waitable waitable_queue_put;
extern const waitable waitable_queue_join;
extern const waitable waitable_queue_get_many;
extern const waitable waitable_queue_put_many;
extern const waitable waitable_interpreter_queue_get;
extern const waitable waitable_interpreter_queue_put;
extern const waitable waitable_recv;
extern const waitable waitable_send;
extern const waitable waitable_send_buffer;
extern const waitable waitable_channel_recv;
extern const waitable waitable_channel_send;
extern const waitable waitable_channel_send_buffer;
extern const waitable waitable_lock_acquire;
extern const waitable waitable_condition_acquire;
extern const waitable waitable_condition_wait;
extern const waitable waitable_semaphore_acquire;
extern const waitable waitable_event_wait;
extern const waitable waitable_barrier_wait;
extern const waitable waitable_rwlock_read;
extern const waitable waitable_rwlock_write;
extern const waitable waitable_rwlock_hold;
extern const waitable waitable_once_call;
extern const waitable waitable_once_get;
extern const waitable waitable_future_result;

#endif
