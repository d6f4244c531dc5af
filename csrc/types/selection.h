// Several turns of which one is to be done: what select makes of its arguments.

#ifndef COT_TYPES_SELECTION_H
#define COT_TYPES_SELECTION_H

#include "core/choice.h"
#include "types/waitable.h"

typedef struct {
    cot_choice choice;  // ready once all have begun
    size_t len;         // of those that have begun
    turn *turns;        // owned
    cot_case *cases;    // owned; one for each turn
} selection;

// Room for `len` turns; -1 with an exception set.
int selection_open(selection *own, size_t len);

// Adds one, as turn_begin does.
int selection_add(selection *own, module_state *state, PyObject *target,
                  const char *name, PyObject *value, cot_owner owner);

// Adds a case as a user writes it: what to wait for, or (where to, what).
int selection_add_case(selection *own, module_state *state, PyObject *written,
                       cot_owner owner);

// All have begun.
void selection_ready(selection *own, void (*notify)(cot_choice *choice));

// Once it is decided: what the chosen operation returns, or NULL with what it
// raises.  The others are dropped.  `written`: the case as the user wrote it, to
// be noted on an exception of ours; or NULL.
PyObject *selection_finish(selection *own, PyObject *written);

// Once it is decided, and nobody takes the outcome.
void selection_undo(selection *own);

// It will not be decided.
void selection_drop(selection *own);

// After one of these three.
void selection_close(selection *own);

#endif
