// Ended tasks on their way to the interpreter that asked for them.
//
// Only watched tasks come here: those whose end has callbacks or listeners in
// the asker's interpreter.  One thread of that interpreter, the taker, takes
// them out.  Posting never waits and never fails.
//
// What workers have to tell otherwise comes the same way, as notes: tasks that
// nobody runs, in order with the others.

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

// Waits for the next ended task and moves its reference out.  COT_SHUT_DOWN:
// empty and closed.
COT_MUST_CHECK cot_status cot_outbox_take(cot_outbox *outbox,
                                          cot_parker *parker,
                                          int64_t deadline_ns,
                                          cot_task **task);

// The one taker's life.  True: the caller is the taker now, of an open outbox;
// false: there is one already.
COT_MUST_CHECK bool cot_outbox_claim(cot_outbox *outbox);

// Called by the taker, on its thread, before it takes for the first time.
void cot_outbox_enter(cot_outbox *outbox);

// The taker is done with what it took.
void cot_outbox_delivered(cot_outbox *outbox);

// Waits until all that was posted before is delivered.  Returns at once on the
// taker's thread, and where there is no taker.
COT_MUST_CHECK cot_status cot_outbox_settle(cot_outbox *outbox,
                                            cot_parker *parker,
                                            int64_t deadline_ns);

// The taker's last act.
void cot_outbox_resign(cot_outbox *outbox);

// Makes the taker end once the outbox is empty.
void cot_outbox_close(cot_outbox *outbox);

// Waits until there is no taker.
COT_MUST_CHECK cot_status cot_outbox_join(cot_outbox *outbox,
                                          cot_parker *parker,
                                          int64_t deadline_ns);

// In the child of a fork: the taker's thread is not there any more.
void cot_outbox_after_fork_in_child(cot_outbox *outbox);

#endif
