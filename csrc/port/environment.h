// The environment of the process, which all interpreters share.

#ifndef COT_PORT_ENVIRONMENT_H
#define COT_PORT_ENVIRONMENT_H

#include <stdint.h>

// What tells one environment from another, whatever the order of its variables;
// never 0.
uint64_t cot_environment_digest(void);

// All of it, each as "name=value", NULL after the last: lent until somebody changes
// it; or NULL.
char *const *cot_environment_all(void);

// The variable's value, lent until somebody changes it; NULL: there is none.
const char *cot_environment_get(const char *name);

// NULL removes it.  Nothing happens without memory.
void cot_environment_set(const char *name, const char *value);

#endif
