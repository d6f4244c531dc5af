// What may live in several interpreters at once: counted by atomics, freed by
// whoever lets go last.
//
// A queue, a function's definition, a pool: anything that a payload can point
// to starts with a cot_object.  Nothing here knows an interpreter, so the last
// reference may fall on any thread; `destroy` must not need one either.
//
// Shared objects may hold others, as deep as a user likes (a queue in a queue in
// a queue...).  So the last reference is let go of in a loop, not by recursion:
// what an object held, and nobody else does, goes to a list of the dead.

#ifndef COT_CORE_OBJECT_H
#define COT_CORE_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cot_object cot_object;
typedef struct cot_home cot_home;

typedef struct {
    const char *name;  // the public name: "Queue"
    // Frees the object; called once.  Releases what it held to `dead`.
    void (*destroy)(cot_object *object, cot_object **dead);
    // Or NULL.  For registered objects: the interpreter with that home ends.
    void (*interpreter_ended)(cot_object *object, const cot_home *home);
} cot_class;

struct cot_object {
    atomic_size_t refs;
    const cot_class *cls;  // borrowed, static
    uint64_t id;           // never used twice in a process
    cot_object *next;      // among the dead

    // The registry's (core/registry.h).
    uint64_t number;              // 0: not registered
    cot_object *next_registered;  // borrowed
    cot_object *prev_registered;  // borrowed
};

// The caller owns the one reference that the object starts with.
void cot_object_init(cot_object *object, const cot_class *cls);

void cot_object_ref(cot_object *object);

// A reference for who has none: false if the last one is gone.  The caller
// knows by other means that the memory is not freed yet.
bool cot_object_try_ref(cot_object *object);

// NULL is allowed.
void cot_object_unref(cot_object *object);

// The two halves of it.  Lets go of one reference, and puts the object on the
// list if it was the last; NULL is allowed.  Then: destroys all on the list, and
// what they put there.
void cot_object_release(cot_object *object, cot_object **dead);
void cot_object_bury(cot_object *dead);

#endif
