// Ctrl-C while the process' first thread is inside an interpreter.
//
// CPython handles signals on the first thread when that is back in the main
// interpreter, which may take long.  So while it is inside another one, a thread
// of ours is told of the signal, and interrupts what runs there:
//
//   SIGINT --> handler, on any thread --> the handler that was there before
//                     |                   (CPython's: notes it for later)
//                     `-- a byte --> pipe --> watcher thread --> callback
//
// The handler that was there stays in force; ours is put before it whenever the
// first thread enters and finds another.  A default or ignored SIGINT is left as
// it is.

#ifndef COT_CORE_SIGINT_H
#define COT_CORE_SIGINT_H

#include "core/interpreter.h"

// Called on the watcher thread, which has a reference to `inside`.
typedef void (*cot_sigint_callback)(cot_interpreter *inside);

// The first thread enters (not NULL).  What it was inside before, or NULL; where
// there is no thread or pipe to be had, Ctrl-C waits as long as in CPython.
cot_interpreter *cot_sigint_enter(cot_interpreter *interpreter,
                                  cot_sigint_callback callback);

// How many signals have come while there was a handler of ours.  The one that
// comes after the first thread has entered, and before what it runs there can
// be interrupted, is told by this number only.
unsigned cot_sigint_count(void);

// The first thread is back where it was.
void cot_sigint_leave(cot_interpreter *outer);

#endif
