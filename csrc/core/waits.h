// Who waits now: one list of all waits of the process, for humans who look for
// a dead lock.
//
// A wait is on the list from just before its thread lets go of its interpreter
// until it is over.  Its record lies on the waiter's stack, and what it points
// to lives as long as it is listed.  Who reads copies, under the list's lock.
//
//      waiter                                  visitor
//      ------                                  -------
//      begin(record)
//      park                 <---------------   visit: record->guests = 1
//      end(record)                             attach to its interpreter, look
//        guests? then wait  <---------------   leave: record->guests = 0
//      back to its interpreter
//
// A record with guests stays, and with it the interpreter whose thread waits: a
// visitor may attach to it.  That costs the waiter nothing that he would not
// wait for anyway: he wants the same GIL.  Whoever holds that GIL knows more:
// the thread of a wait that is listed then is in that very call, as it cannot
// get back to Python.

#ifndef COT_CORE_WAITS_H
#define COT_CORE_WAITS_H

#include "core/object.h"
#include "core/park.h"
#include "port/thread.h"

typedef enum {
    COT_WAIT_THREAD,  // a thread is parked
    COT_WAIT_TASK,    // a task of an event loop: nobody may visit it
} cot_wait_kind;

// What is known of a wait; constant while it is listed.
typedef struct {
    cot_wait_kind kind;
    const char *verb;     // static: "get", or "Future.result" without object
    cot_object *object;   // what is waited for, or NULL; in a record borrowed
                          // from the waiter, in a copy one reference
    const void *awaited;  // the call (cot_task) that is waited for; compared,
                          // never followed, as the next; or NULL
    const void *serves;   // the call that the waiter runs for others, or NULL
    int64_t since_ns;
    int64_t deadline_ns;
    int64_t interpreter;      // its id
    cot_thread_ident thread;  // of a task: that of its event loop
    void *thread_state;  // borrowed: the layer above's, for who holds the GIL
} cot_wait_facts;

typedef struct cot_wait_record {
    cot_wait_facts facts;
    const char *label;  // borrowed: a task's name, or NULL
    void *host;         // borrowed: what the layer above visits it by

    // The list's, under its lock.
    uint64_t id;          // never used twice in a process
    uint64_t generation;  // of the list that it is in
    struct cot_wait_record *next;
    struct cot_wait_record *prev;
    uint32_t guests;
    cot_waitlist leaving;  // the waiter, until they left
} cot_wait_record;

enum { COT_WAIT_LABEL = 64 };

typedef struct {
    uint64_t id;
    cot_wait_facts facts;
    char label[COT_WAIT_LABEL];  // cut; "" for none
} cot_wait_copy;

// Zeroed memory is an empty list.  There is one: cot_runtime_waits().
typedef struct {
    cot_lock lock;  // guards all below, and what is said so in the records
    uint64_t generation;     // counts the forks that the process comes from
    cot_wait_record *first;  // borrowed: waiters own themselves
    cot_wait_record *last;
} cot_waits;

// Puts the record, zeroed but for its first part, on the list.
void cot_waits_begin(cot_wait_record *record);

// Takes it off, once it has no guests.  They want the interpreter's GIL, so the
// caller must hold none if it is a thread's.
void cot_waits_end(cot_wait_record *record);

// Copies of up to `len` waits, those first that began first; how many there are
// in all.  `interpreter` NULL: of all, else of the one with that id.  Each copy
// has a reference to its object, the caller's.
size_t cot_waits_list(const int64_t *interpreter, cot_wait_copy *copies,
                      size_t len);

// A wait of a thread of that interpreter, which has one more guest now: the
// interpreter lives on until the guest leaves.  NULL: there is none.
cot_wait_record *cot_waits_visit(int64_t interpreter);
void cot_waits_leave(cot_wait_record *record);

// In the child of a fork: what waits there stayed behind, but for who forked
// (in a handler of signals, say), whose cot_waits_end does nothing.
void cot_waits_after_fork_in_child(cot_waits *waits);

#endif
