// A table of objects by identity: which of them are written already.
//
// It lends its objects: they must stay alive while they are in it.  As long as
// no Python code runs, they do; before some runs, the table is told to hold
// them (cot_memo_hold), and from then on it owns a reference to each.

#ifndef COT_CODEC_MEMO_H
#define COT_CODEC_MEMO_H

#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    PyObject *object;  // borrowed, or owned when the memo holds
    uint32_t number;
    uint32_t stamp;  // in use if equal to the memo's
} cot_memo_slot;

typedef struct {
    cot_memo_slot *slots;  // owned
    size_t mask;           // number of slots - 1
    uint32_t len;
    uint32_t stamp;
    bool holds;
} cot_memo;

typedef enum {
    COT_MEMO_NEW,
    COT_MEMO_KNOWN,
    COT_MEMO_UNFINISHED,
    COT_MEMO_NO_MEMORY,
} cot_memo_answer;

// Zeroed memory is a memo that needs this once.
int cot_memo_init(cot_memo *memo);
void cot_memo_fini(cot_memo *memo);

// Forgets all objects.
void cot_memo_clear(cot_memo *memo);

// Looks for `object` and, if it is new, gives it the next number; *number is
// its number in any case.
cot_memo_answer cot_memo_add(cot_memo *memo, PyObject *object,
                             uint32_t *number);

// The same for an object which then answers COT_MEMO_UNFINISHED, until it is
// finished.
cot_memo_answer cot_memo_add_unfinished(cot_memo *memo, PyObject *object,
                                        uint32_t *number);
void cot_memo_finish(cot_memo *memo, PyObject *object);

void cot_memo_hold(cot_memo *memo);

#endif
