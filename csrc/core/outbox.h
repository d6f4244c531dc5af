// Ended tasks on their way to the interpreter that asked for them.
//
// Only watched tasks come here: those whose end has callbacks or listeners in
// the asker's interpreter.  Threads of that interpreter, the takers, take them
// out.  Posting never waits and never fails.
//
// What workers have to tell otherwise comes the same way, as notes: tasks that
// nobody runs, in order with the others.
//
//      posted --- take ---> published ---> due --- next_due ---> delivered
//                     one taker at a time     one taker at a time, the caller
//
// To publish is short.  What is due are callbacks, code of the user's that may
// wait for the end of other tasks: so while one taker calls, another one goes on
// publishing.  Both go in the order of the posts.

#ifndef COT_CORE_OUTBOX_H
#define COT_CORE_OUTBOX_H

#include "core/task.h"

// An outbox with one reference; NULL if there is no memory.
cot_outbox *cot_outbox_create(void);

void cot_outbox_ref(cot_outbox *outbox);

// NULL is allowed.
void cot_outbox_unref(cot_outbox *outbox);

// Adds one reference to the task, which the taker gets.
void cot_outbox_post(cot_outbox *outbox, cot_task *task);

// Posts a note; adopts the payload.  COT_SHUT_DOWN: nobody takes it.
// COT_NO_MEMORY.  The payload is gone in any case.
COT_MUST_CHECK cot_status cot_outbox_tell(cot_outbox *outbox,
                                          cot_payload *note,
                                          cot_call_kind kind);

// Waits for the next ended task and moves its reference out: the caller is to
// publish it.  COT_SHUT_DOWN: empty and closed.
COT_MUST_CHECK cot_status cot_outbox_take(cot_outbox *outbox,
                                          cot_parker *parker,
                                          int64_t deadline_ns,
                                          cot_task **task);

// The task that was taken last is published, and now due; its reference goes
// back.  True: nobody calls, so the caller of this is who calls, until nothing is
// due.
COT_MUST_CHECK bool cot_outbox_published(cot_outbox *outbox, cot_task *task);

// For who calls: the one before is delivered; moves a reference to the next one
// out.  NULL: nothing is due, and he calls no more.
cot_task *cot_outbox_next_due(cot_outbox *outbox);

// A taker's life.  True: the caller, or a thread that he starts, is a taker now,
// of an open outbox; false: there are as many as `max` already.
COT_MUST_CHECK bool cot_outbox_claim(cot_outbox *outbox, uint32_t max);

// Waits until all that was posted before is delivered.  Returns at once on a
// thread that publishes or calls, and where there is no taker.
COT_MUST_CHECK cot_status cot_outbox_settle(cot_outbox *outbox,
                                            cot_parker *parker,
                                            int64_t deadline_ns);

// A taker's last act.
void cot_outbox_resign(cot_outbox *outbox);

// Makes the takers end once the outbox is empty.
void cot_outbox_close(cot_outbox *outbox);

// Waits until there is no taker.
COT_MUST_CHECK cot_status cot_outbox_join(cot_outbox *outbox,
                                          cot_parker *parker,
                                          int64_t deadline_ns);

// In the child of a fork: the takers' threads are not there any more.
void cot_outbox_after_fork_in_child(cot_outbox *outbox);

#endif
