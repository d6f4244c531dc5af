// The one clock: monotonic nanoseconds.
//
// A deadline is a point on this clock.  COT_NOW never waits, COT_NEVER never
// ends; both compare rightly with every real deadline.

#ifndef COT_PORT_CLOCK_H
#define COT_PORT_CLOCK_H

#include <stdint.h>

#define COT_NOW ((int64_t)0)
#define COT_NEVER INT64_MAX

#define COT_MS ((int64_t)1000 * 1000)
#define COT_US ((int64_t)1000)
#define COT_SECOND ((int64_t)1000 * COT_MS)

int64_t cot_clock_ns(void);

// The deadline that lies `timeout_ns` ahead; saturates to COT_NEVER.
int64_t cot_clock_after(int64_t timeout_ns);

#endif
