#include "types/waitable.h"

#include <string.h>

typedef enum {
    TAKES_NOTHING,
    TAKES_VALUE,
} role;

// The first row of a type that is usual is its usual one; likewise the first
// that takes a value.
static const struct {
    size_t type;  // its offset in module_state
    const waitable *how;
    role role;
    bool is_usual;
} rows[] = {
#define ROW(type, how, role, is_usual) \
    {offsetof(module_state, type##_type), &waitable_##how, role, is_usual}
    ROW(queue, queue_get, TAKES_NOTHING, true),
    ROW(queue, queue_put, TAKES_VALUE, true),
    ROW(queue, queue_join, TAKES_NOTHING, false),
    ROW(queue, queue_get_many, TAKES_VALUE, false),
    ROW(queue, queue_put_many, TAKES_VALUE, false),
    ROW(lifo_queue, queue_get, TAKES_NOTHING, true),
    ROW(lifo_queue, queue_put, TAKES_VALUE, true),
    ROW(lifo_queue, queue_join, TAKES_NOTHING, false),
    ROW(lifo_queue, queue_get_many, TAKES_VALUE, false),
    ROW(lifo_queue, queue_put_many, TAKES_VALUE, false),
    ROW(priority_queue, queue_get, TAKES_NOTHING, true),
    ROW(priority_queue, queue_put, TAKES_VALUE, true),
    ROW(priority_queue, queue_join, TAKES_NOTHING, false),
    ROW(priority_queue, queue_get_many, TAKES_VALUE, false),
    ROW(priority_queue, queue_put_many, TAKES_VALUE, false),
    ROW(simple_queue, queue_get, TAKES_NOTHING, true),
    ROW(simple_queue, queue_put, TAKES_VALUE, true),
    ROW(simple_queue, queue_get_many, TAKES_VALUE, false),
    ROW(simple_queue, queue_put_many, TAKES_VALUE, false),
    ROW(interpreter_queue, interpreter_queue_get, TAKES_NOTHING, true),
    ROW(interpreter_queue, interpreter_queue_put, TAKES_VALUE, true),
    ROW(receiver, recv, TAKES_NOTHING, true),
    ROW(sender, send, TAKES_VALUE, true),
    ROW(sender, send_buffer, TAKES_VALUE, false),
    ROW(recv_channel, channel_recv, TAKES_NOTHING, true),
    ROW(send_channel, channel_send, TAKES_VALUE, true),
    ROW(send_channel, channel_send_buffer, TAKES_VALUE, false),
    ROW(lock, lock_acquire, TAKES_NOTHING, true),
    ROW(rlock, lock_acquire, TAKES_NOTHING, true),
    ROW(condition, condition_acquire, TAKES_NOTHING, false),
    ROW(condition, condition_wait, TAKES_NOTHING, false),
    ROW(semaphore, semaphore_acquire, TAKES_NOTHING, true),
    ROW(bounded_semaphore, semaphore_acquire, TAKES_NOTHING, true),
    ROW(event, event_wait, TAKES_NOTHING, true),
    ROW(barrier, barrier_wait, TAKES_NOTHING, false),
    ROW(rwlock, rwlock_read, TAKES_NOTHING, false),
    ROW(rwlock, rwlock_write, TAKES_NOTHING, false),
    ROW(rwlock_hold, rwlock_hold, TAKES_NOTHING, true),
    ROW(once, once_call, TAKES_NOTHING, false),
    ROW(once, once_get, TAKES_NOTHING, false),
#undef ROW
};

static PyTypeObject *
type_at(module_state *state, size_t offset)
{
    return *(PyTypeObject **)((char *)state + offset);
}

static const waitable *
find(module_state *state, PyObject *target, const char *name, bool has_value)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (Py_TYPE(target) == type_at(state, rows[i].type)
            && (name ? strcmp(name, rows[i].how->name) == 0
                     : rows[i].is_usual
                           && (rows[i].role == TAKES_VALUE) == has_value)) {
            return rows[i].how;
        }
    }
    return NULL;
}

static int
begin(module_state *state, turn *own, PyObject *target, const waitable *how,
      PyObject *value, cot_owner owner)
{
    *own = (turn){
        .how = how,
        .state = state,
        .target = target,
        .owner = owner,
    };
    own->arg = own->room.bytes;
    if (how->begin(own, value) < 0) {
        return -1;
    }
    Py_INCREF(target);
    return 0;
}

int
turn_begin(module_state *state, turn *own, PyObject *target, const char *name,
           PyObject *value, cot_owner owner)
{
    const waitable *how = find(state, target, name, value != NULL);
    if (how == NULL && value == NULL
        && PyObject_TypeCheck(target, state->future_type)) {
        how = &waitable_future_result;
    }
    if (how == NULL) {
        PyErr_Format(PyExc_TypeError,
                     value ? "a value cannot be sent to a %.200s object"
                           : "a %.200s object cannot be waited for%s",
                     Py_TYPE(target)->tp_name,
                     Py_TYPE(target) == state->rwlock_type
                         ? ": its read() and its write() can"
                         : "");
        return -1;
    }
    return begin(state, own, target, how, value, owner);
}

PyObject *
turn_finish(turn *own, cot_status status)
{
    return own->how->finish(own, status);
}

void
turn_drop(turn *own)
{
    if (own->how->drop != NULL) {
        own->how->drop(own);
    }
}

bool
turn_is_late(turn *own)
{
    return own->how->is_late != NULL && own->how->is_late(own);
}

void
turn_undo(turn *own, cot_status status)
{
    own->how->undo(own, status);
}
