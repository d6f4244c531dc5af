// What a core function answers.
//
// The core never raises, prints or aborts (but for cot_panic): it returns one
// of these, and results come through the last parameters.  One function turns
// a status into a Python exception (types/errors.h), by a switch without a
// default, so a status added here is a compiler warning there.

#ifndef COT_PORT_STATUS_H
#define COT_PORT_STATUS_H

#define COT_MUST_CHECK __attribute__((warn_unused_result))

typedef enum {
    COT_OK = 0,
    COT_AGAIN,        // not now: nothing there, no room, or already taken
    COT_TIMED_OUT,    // the deadline passed
    COT_SIGNALLED,    // a signal arrived, or the belt's slice ended: look
    COT_INTERRUPTED,  // somebody asked this waiter to give up its wait
    COT_SHUT_DOWN,    // the object does not take (or give) any more
    COT_NO_MEMORY,
    COT_NO_THREAD,   // the system refused another thread
    COT_OVERDONE,    // more task_done() than items put
    COT_NOT_OWNER,   // the lock is not held by who releases it
    COT_OWNER_DIED,  // the interpreter that held the lock has ended
} cot_status;

#endif
