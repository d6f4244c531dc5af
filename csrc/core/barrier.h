// Where a number of threads wait until all of them have come.
//
// Those who wait together share a round.  Who comes last closes it: it does what
// the barrier's users want done, and then lets the others pass; meanwhile those
// who come for the next round wait outside.  What became of a round stays
// written in it, for as long as one of its waits lasts, so a reset, or a round
// that begins at once, confuses nobody who has yet to look.
//
// A wait is its waiter's from its first attempt to its end, also between two
// attempts.  One that ends early breaks the round: all pass, or none.  That is
// how no interpreter that ends leaves others waiting: its waits end first.

#ifndef COT_CORE_BARRIER_H
#define COT_CORE_BARRIER_H

#include "core/object.h"
#include "core/park.h"
#include "core/payload.h"

typedef struct cot_barrier cot_barrier;
typedef struct cot_barrier_round cot_barrier_round;

extern const cot_class cot_barrier_class;

// Zeroed memory is a wait that has not begun.
typedef struct {
    cot_barrier_round *round;  // counted; NULL: it is outside
    size_t idx;                // how many had come before
    bool is_late;              // its time was up, but it had to wait on
} cot_barrier_wait;

typedef enum {
    COT_BARRIER_LAST,    // all have come: the caller is to release them
    COT_BARRIER_PASSED,  // all have come
    COT_BARRIER_BROKEN,
} cot_barrier_outcome;

// A barrier with one reference, the caller's; NULL if there is no memory.  It
// keeps for its users the action (adopted, unless it fails; NULL: none) and the
// usual timeout, in seconds.
cot_barrier *cot_barrier_create(size_t parties, cot_payload *action,
                                double timeout);

cot_object *cot_barrier_object(cot_barrier *barrier);
cot_barrier *cot_barrier_from_object(cot_object *object);

// Waits until the outcome is known (COT_OK); again, if need be.
COT_MUST_CHECK cot_status cot_barrier_wait_on(cot_barrier *barrier,
                                              cot_barrier_wait *wait,
                                              cot_parker *parker,
                                              int64_t deadline_ns,
                                              cot_barrier_outcome *outcome);

// Its time is up: false, and the barrier is broken, or true: the last has come
// and is at it, so it waits on, and is late if another round is needed.
bool cot_barrier_is_late(cot_barrier *barrier, cot_barrier_wait *wait);

// Whoever came last has done what was to do: all pass, or the barrier is broken.
// False: the round was broken meanwhile.
bool cot_barrier_release(cot_barrier *barrier, cot_barrier_wait *wait,
                         bool is_done);

// Ends the wait, whatever came of it: once, after the last attempt.
void cot_barrier_end(cot_barrier *barrier, cot_barrier_wait *wait);

// Breaks the round of those who wait.  The barrier is then broken, or like new.
void cot_barrier_abort(cot_barrier *barrier);
void cot_barrier_reset(cot_barrier *barrier);

size_t cot_barrier_parties(const cot_barrier *barrier);
const cot_payload *cot_barrier_action(const cot_barrier *barrier);  // lent
double cot_barrier_timeout(const cot_barrier *barrier);

// Look at a changing state: hints.  Whether the wait would go on at once.
size_t cot_barrier_len(const cot_barrier *barrier);
bool cot_barrier_is_broken(const cot_barrier *barrier);
bool cot_barrier_can_go_on(const cot_barrier *barrier,
                           const cot_barrier_wait *wait);

#endif
