// Sleep until a word changes: the only place where a thread of ours sleeps.
//
// On Linux the kernel's futex; elsewhere a table of mutex and condition pairs
// hashed by address.  Wake-ups may be spurious: callers look at the word again.

#ifndef COT_PORT_FUTEX_H
#define COT_PORT_FUTEX_H

#include "port/status.h"

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic(uint32_t) cot_word;

// Sleeps while *word == expected.  COT_OK: woken, or the word differs;
// COT_TIMED_OUT: `deadline_ns` passed; COT_SIGNALLED: a signal handler ran.
COT_MUST_CHECK cot_status cot_futex_wait(cot_word *word, uint32_t expected,
                                         int64_t deadline_ns);

// Wakes one sleeper on the word, if there is one.
void cot_futex_wake_one(cot_word *word);

#endif
