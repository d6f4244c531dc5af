#include "core/atomic.h"

#include "port/memory.h"

struct cot_atomic {
    cot_object object;
    _Atomic(int64_t) value;
};

static void
atomic_destroy(cot_object *object, cot_object **dead)
{
    (void)dead;
    cot_free(cot_atomic_from_object(object));
}

const cot_class cot_atomic_int_class = {"AtomicInt", atomic_destroy, NULL};
const cot_class cot_atomic_flag_class = {"AtomicFlag", atomic_destroy, NULL};

cot_atomic *
cot_atomic_create(const cot_class *cls, int64_t value)
{
    cot_atomic *atomic = cot_alloc_zeroed(sizeof(*atomic));
    if (atomic != NULL) {
        cot_object_init(&atomic->object, cls);
        atomic_init(&atomic->value, value);
    }
    return atomic;
}

cot_object *
cot_atomic_object(cot_atomic *atomic)
{
    return &atomic->object;
}

cot_atomic *
cot_atomic_from_object(cot_object *object)
{
    return (cot_atomic *)((char *)object - offsetof(cot_atomic, object));
}

int64_t
cot_atomic_load(const cot_atomic *atomic)
{
    return atomic_load(&atomic->value);
}

int64_t
cot_atomic_exchange(cot_atomic *atomic, int64_t value)
{
    return atomic_exchange(&atomic->value, value);
}

bool
cot_atomic_compare_exchange(cot_atomic *atomic, int64_t expected,
                            int64_t value)
{
    return atomic_compare_exchange_strong(&atomic->value, &expected, value);
}

// False if the result does not fit.
static bool
compute(cot_atomic_op op, int64_t value, int64_t operand, int64_t *result)
{
    switch (op) {
        case COT_ATOMIC_ADD:
            return !__builtin_add_overflow(value, operand, result);
        case COT_ATOMIC_SUB:
            return !__builtin_sub_overflow(value, operand, result);
        case COT_ATOMIC_AND:
            *result = value & operand;
            return true;
        case COT_ATOMIC_OR:
            *result = value | operand;
            return true;
        case COT_ATOMIC_XOR:
            *result = value ^ operand;
            return true;
        case COT_ATOMIC_MAX:
            *result = value > operand ? value : operand;
            return true;
        case COT_ATOMIC_MIN:
            *result = value < operand ? value : operand;
            return true;
    }
    return false;
}

bool
cot_atomic_change(cot_atomic *atomic, cot_atomic_op op, int64_t operand,
                  int64_t *before, int64_t *after)
{
    *before = cot_atomic_load(atomic);
    do {
        if (!compute(op, *before, operand, after)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&atomic->value, before, *after));
    return true;
}
