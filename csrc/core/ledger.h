// What interpreters that end, or are used again, have changed in the process's
// environment; so that it can be undone.
//
//   write, by one of them --> original, writer, written --> undo, by the writer
//                                             '--> forget: another one's word
//
// The environment is the process's: several may change one variable.  Who has done
// so last undoes it, to what it was before the first of them, and only where it
// still is what was written.  The word of an interpreter that does not end is
// final.  A change is told of before it is made: if two threads change one
// variable at once, what was between them may be lost.
//
// Zeroed memory is an empty ledger.

#ifndef COT_CORE_LEDGER_H
#define COT_CORE_LEDGER_H

#include "core/lock.h"

#include <stdint.h>

typedef struct cot_ledger_entry {
    struct cot_ledger_entry *next;  // owned
    int64_t writer;                 // id of an interpreter: the last
    char *original;                 // owned; NULL: there was none
    char *written;                  // owned; NULL: it was removed
    char name[];
} cot_ledger_entry;

typedef struct {
    cot_lock lock;            // guards the list
    cot_ledger_entry *first;  // owned: one for each variable
} cot_ledger;

// The interpreter is about to set the variable, or to remove it (NULL).  Without
// memory it will not be undone.
void cot_ledger_write(cot_ledger *ledger, const char *name, const char *value,
                      int64_t writer);

// One that is never undone is about to change it.
void cot_ledger_forget(cot_ledger *ledger, const char *name);

// Undoes what the interpreter was the last to change.
void cot_ledger_undo(cot_ledger *ledger, int64_t writer);

#endif
