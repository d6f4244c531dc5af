// The one process-wide struct of the package.
//
// Everything else belongs to an object, or to one interpreter's module state.
// It needs no initialisation: zeroed memory is a runtime without interpreters.

#ifndef COT_CORE_RUNTIME_H
#define COT_CORE_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

// A number that no other object of this process has or had; never 0.
uint64_t cot_runtime_next_id(void);

// A number that tells this process from others, and a child from its parent
// that it was forked from; never 0, the low 32 bits are.
uint64_t cot_runtime_process_id(void);

// Interpreters that coterie has made and that are not ended, counted from the
// moment before one is made to the moment after it ended.
void cot_runtime_interpreter_opens(void);
void cot_runtime_interpreter_closed(void);
uint64_t cot_runtime_interpreters(void);

// True for the first caller in this process, and for nobody after.
bool cot_runtime_claim_setup(void);

// In the child of a fork, which had no interpreters of ours alive.
void cot_runtime_after_fork_in_child(void);

#endif
