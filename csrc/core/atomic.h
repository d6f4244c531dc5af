// A number that is read and changed in one step: a 64-bit integer, or a flag
// that is 0 or 1.  All steps on all of them are in one order, the same for all
// threads.

#ifndef COT_CORE_ATOMIC_H
#define COT_CORE_ATOMIC_H

#include "core/object.h"
#include "port/status.h"

typedef struct cot_atomic cot_atomic;

extern const cot_class cot_atomic_int_class;
extern const cot_class cot_atomic_flag_class;

// One of the two classes, with one reference, the caller's; NULL if there is no
// memory.
cot_atomic *cot_atomic_create(const cot_class *cls, int64_t value);

cot_object *cot_atomic_object(cot_atomic *atomic);
cot_atomic *cot_atomic_from_object(cot_object *object);

int64_t cot_atomic_load(const cot_atomic *atomic);

// Changes it to the value: what it was.
int64_t cot_atomic_exchange(cot_atomic *atomic, int64_t value);

// Changes it if it is as expected: whether so.
bool cot_atomic_compare_exchange(cot_atomic *atomic, int64_t expected,
                                 int64_t value);

typedef enum {
    COT_ATOMIC_ADD,
    COT_ATOMIC_SUB,
    COT_ATOMIC_AND,
    COT_ATOMIC_OR,
    COT_ATOMIC_XOR,
    COT_ATOMIC_MAX,
    COT_ATOMIC_MIN,
} cot_atomic_op;

// The operation of what it is and the operand: what it was, and what it is.
// False if the result does not fit, and nothing is changed.
COT_MUST_CHECK bool cot_atomic_change(cot_atomic *atomic, cot_atomic_op op,
                                      int64_t operand, int64_t *before,
                                      int64_t *after);

#endif
