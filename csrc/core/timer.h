// What is to happen at a time: alarms, and the one thread that waits for them.
//
// The thread sleeps until the first alarm is due and rings it, on itself, with
// no lock held.  An alarm is set for each call that has a timeout while it
// runs, so there are as many as busy workers at most, and they stand in a list.
// Setting or unsetting one does not wake the thread, unless it would be the
// first: a stream of short calls with long timeouts costs it nothing.
//
//   UNSET ---set---> SET ---due---> RINGING ---> UNSET     per alarm
//     ^               |                |
//     `----unset------+----------------'   (set again while it rings: SET)

#ifndef COT_CORE_TIMER_H
#define COT_CORE_TIMER_H

#include "core/park.h"

typedef struct cot_timer cot_timer;

// Zeroed memory is an alarm that is not set.
typedef struct cot_alarm {
    struct cot_alarm *next;  // borrowed, as all of them: the timer's
    struct cot_alarm *prev;
    int64_t due_ns;  // 0: not set
    bool is_ringing;
    void (*ring)(struct cot_alarm *alarm);  // its owner's, constant
} cot_alarm;

// A timer with one reference; NULL if there is no memory.
cot_timer *cot_timer_create(void);

// NULL is allowed.  The last one ends the thread, without waiting for it.
void cot_timer_unref(cot_timer *timer);

// Starts the thread unless it runs: what an alarm needs to ring.
COT_MUST_CHECK cot_status cot_timer_start(cot_timer *timer);

// Sets the alarm, or sets it anew.
void cot_timer_set(cot_timer *timer, cot_alarm *alarm, int64_t due_ns);

// The alarm does not begin to ring any more; it may still do.
void cot_timer_unset(cot_timer *timer, cot_alarm *alarm);

// The same, and it has rung: before its memory goes.  Not while it rings, on the
// timer's thread.
void cot_timer_forget(cot_timer *timer, cot_alarm *alarm);

// In the child of a fork, which had no alarms: the thread is not there.
void cot_timer_after_fork_in_child(cot_timer *timer);

#endif
