// What may live in several interpreters at once: counted by atomics, freed by
// whoever lets go last.
//
// A queue, a function's definition, a pool: anything that a payload can point
// to starts with a cot_object.  Nothing here knows an interpreter, so the last
// reference may fall on any thread; `destroy` must not need one either.

#ifndef COT_CORE_OBJECT_H
#define COT_CORE_OBJECT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct cot_object cot_object;

typedef struct {
    const char *name;                     // the public name: "Queue"
    void (*destroy)(cot_object *object);  // frees it; called once
} cot_class;

struct cot_object {
    atomic_size_t refs;
    const cot_class *cls;  // borrowed, static
    uint64_t id;           // never used twice in a process
};

// The caller owns the one reference that the object starts with.
void cot_object_init(cot_object *object, const cot_class *cls);

void cot_object_ref(cot_object *object);

// NULL is allowed.
void cot_object_unref(cot_object *object);

#endif
