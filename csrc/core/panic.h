// For broken invariants only: prints one line and aborts.  Never reached by
// what a user does.

#ifndef COT_CORE_PANIC_H
#define COT_CORE_PANIC_H

_Noreturn void cot_panic(const char *what);

#endif
