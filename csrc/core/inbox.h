// What has happened, on its way to one event loop.
//
// The loop waits, in poll(2), for the inbox to be readable; then it takes out
// what is in it.  Posting never waits and never fails; a note that is in an inbox
// already is not posted twice.

#ifndef COT_CORE_INBOX_H
#define COT_CORE_INBOX_H

#include "core/lock.h"
#include "port/notifier.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct cot_note cot_note;

// Zeroed memory is a note that is in no inbox.
struct cot_note {
    cot_note *next;  // borrowed; the inbox's, under its lock
    cot_note *prev;  // borrowed; likewise
    bool is_posted;  // likewise
    void *asker;     // whose it is; only the loop's interpreter reads it
};

typedef struct {
    atomic_size_t refs;
    cot_notifier notifier;
    cot_lock lock;    // guards what follows
    cot_note *first;  // borrowed: notes are their askers'
    cot_note *last;
} cot_inbox;

// An inbox with one reference; NULL if the system has no room for it.
cot_inbox *cot_inbox_create(void);

void cot_inbox_ref(cot_inbox *inbox);

// NULL is allowed.
void cot_inbox_unref(cot_inbox *inbox);

// What to poll for reading.
int cot_inbox_file(const cot_inbox *inbox);

void cot_inbox_post(cot_inbox *inbox, cot_note *note);

// Takes the note out, if it is in.  Who posts it must be done.
void cot_inbox_remove(cot_inbox *inbox, cot_note *note);

// Makes it readable, though nothing may be in it.
void cot_inbox_ring(cot_inbox *inbox);

// Before the notes are taken: the inbox is not readable until the next post.
void cot_inbox_calm(cot_inbox *inbox);

// The oldest note, taken out; or NULL.
cot_note *cot_inbox_take(cot_inbox *inbox);

#endif
