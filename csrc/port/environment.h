// The environment of the process, which all interpreters share.

#ifndef COT_PORT_ENVIRONMENT_H
#define COT_PORT_ENVIRONMENT_H

#include <stdint.h>

// What tells one environment from another, whatever the order of its variables;
// never 0.
uint64_t cot_environment_digest(void);

#endif
