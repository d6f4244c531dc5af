// Threads whose worker has ended, and which keep what a worker needs for the
// next one: of any pool.
//
//   a worker ends --> enter --> wait ---> serves the worker that it was given
//                                    `--> told to go, or waited too long: ends
//
// A thread enters before its worker counts as gone: so who has waited for that
// worker finds it here.  A thread that was told to go counts as leaving until it
// says that it left: what it keeps is ended then.
//
// Nobody may stay at first.

#ifndef COT_CORE_LOT_H
#define COT_CORE_LOT_H

#include "core/park.h"

#include <stdint.h>

struct cot_worker;

// A thread's place; on its stack.  Zeroed memory is one that is nowhere.
typedef struct cot_spot {
    struct cot_spot *next;      // in the lot's list, under its lock
    struct cot_spot *prev;      // likewise
    struct cot_worker *worker;  // adopted: what it shall serve
    int64_t interpreter_id;     // of what it keeps; constant
    bool is_listed;
    cot_waitlist waiters;  // the thread itself
} cot_spot;

typedef struct {
    cot_lock lock;    // guards all
    cot_spot *first;  // borrowed: the last that came
    uint32_t len;
    uint32_t max;
    uint32_t leaving;  // threads
    bool is_closed;    // for good
    cot_waitlist joiners;
} cot_lot;

// Lets up to `max` threads stay, unless it was closed.
void cot_lot_open(cot_lot *lot, uint32_t max);

// Tells all to go.  If it `closes`, nobody may stay any more.
void cot_lot_clear(cot_lot *lot, bool closes);

// A hint: whether one more may stay.
bool cot_lot_has_room(cot_lot *lot);

// The thread stays; false if it may not.
COT_MUST_CHECK bool cot_lot_enter(cot_lot *lot, cot_spot *spot);

// Waits for the worker that the thread shall serve.  NULL: it shall end what it
// keeps, and then say that it left.
struct cot_worker *cot_lot_wait(cot_lot *lot, cot_spot *spot,
                                int64_t deadline_ns);
void cot_lot_left(cot_lot *lot);

// Gives the worker to a thread that waits; false if none does.
COT_MUST_CHECK bool cot_lot_give(cot_lot *lot, struct cot_worker *worker);

// A hint: whether a join would not wait.
bool cot_lot_is_empty(cot_lot *lot);

// The ids of the interpreters that are kept: `len` of them, to be freed; NULL if
// there is no memory.
int64_t *cot_lot_copy_ids(cot_lot *lot, size_t *len);

// Waits until all who were told to go, and all who wait, have left.
COT_MUST_CHECK cot_status cot_lot_join(cot_lot *lot, cot_parker *parker,
                                       int64_t deadline_ns);

// In the child of a fork, where none of the threads is.
void cot_lot_after_fork_in_child(cot_lot *lot);

#endif
