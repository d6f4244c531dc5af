// Waiting for the first of several things; also without a thread.
//
// Each thing is waited for by an operation: an attempt with a parker and a
// deadline, as cot_queue_get.  A choice tries all of them; if none succeeds, its
// stands take the place of a waiter in the line of each, and whoever wakes one of
// them notifies the choice, which leaves all lines before it tries again:
//
//      try all ---- one succeeds --------------------------------> decided
//       ^   | none
//       |   v
//       |  stand in all lines
//       |   | notified
//       |   v
//       +- leave all lines ------- one was claimed meanwhile ----> decided
//
// So while it stands it takes nothing, and while it takes nobody sees it: exactly
// one thing is done.  A wake-up that was for another case than the one that was
// taken is passed on to the next in that line: none is lost.
//
// Where two must meet (a channel), somebody else acts for the one who stands: he
// claims the choice first, and only one such claim succeeds.  Who cannot be
// claimed is skipped.  Two choices meet if one of them acts, so an attempt of
// one that stands, and finds somebody to meet, does nothing and answers
// COT_AGAIN: the choice leaves, and tries.
//
// tests/model/choice.pml is a model of this that is checked: change both.

#ifndef COT_CORE_CHOICE_H
#define COT_CORE_CHOICE_H

#include "core/park.h"

typedef struct cot_choice cot_choice;

// A choice's place in one line.
struct cot_stand {
    cot_parker parker;    // what its operation is given
    cot_waiter waiter;    // in the line
    cot_waitlist *list;   // borrowed: the object's that it stood in last
    cot_lock *lock;       // borrowed: guards the list
    cot_choice *choice;   // borrowed: the one whose stand it is
    bool is_standing;     // this and the next are the choice's own
    bool was_woken;       // and that has neither been used nor passed on
    atomic_bool is_told;  // set last by who takes it off the list
};

// One of the things.  What `arg` points to, and the object it is about, live as
// long as the choice.
typedef struct {
    cot_status (*attempt)(void *arg, cot_parker *parker, int64_t deadline_ns);
    // For what may be claimed, else NULL.  Takes back what a standing attempt
    // has left; COT_TIMED_OUT: nobody has acted on it.
    cot_status (*withdraw)(void *arg);
    void *arg;  // borrowed
    cot_stand stand;
} cot_case;

struct cot_choice {
    cot_case *cases;  // borrowed
    size_t len;
    cot_parker *sleeper;  // borrowed: of who is in cot_choice_wait
    // Called, perhaps several times, with the lock of some object held: only
    // wakes or posts.
    void (*notify)(cot_choice *choice);
    atomic_bool is_claimed;
    uint64_t seed;      // where the next round of attempts begins
    size_t decided;     // which case, once it is decided
    cot_status status;  // what it answered: not COT_TIMED_OUT
};

// `notify`: NULL if only cot_choice_wait is used.
void cot_choice_init(cot_choice *choice, cot_case *cases, size_t len,
                     void (*notify)(cot_choice *choice));

// Tries all, beginning anywhere.  Not while it stands.  True: it is decided.
COT_MUST_CHECK bool cot_choice_try(cot_choice *choice);

// Stands in all lines.  COT_OK: it is decided instead; COT_TIMED_OUT: it stands,
// until cot_choice_leave; COT_AGAIN: it does not, and is to try again.
COT_MUST_CHECK cot_status cot_choice_stand(cot_choice *choice);

// Leaves all lines; one that stands nowhere is allowed.  True: it is decided, by
// somebody else.  Its notices are over then.
bool cot_choice_leave(cot_choice *choice);

// Gives up, after it has left: wake-ups it has got go to others.
void cot_choice_give_up(cot_choice *choice);

// All of it, on this thread.  COT_OK: it is decided.
COT_MUST_CHECK cot_status cot_choice_wait(cot_choice *choice,
                                          cot_parker *parker,
                                          int64_t deadline_ns);

// ---- for lines -----------------------------------------------------------

// What cot_wait_locked does for a parker that stands.
cot_status cot_stand_in_line_locked(cot_stand *stand, cot_waitlist *list,
                                    cot_lock *lock);

// What cot_unpark does for it.
void cot_stand_notify(cot_stand *stand);

// Whether one may act for who waits with that parker: always, if it is a
// thread's.  With the lock of the line held.
COT_MUST_CHECK bool cot_parker_claim(cot_parker *parker);

#endif
