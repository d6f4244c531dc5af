// Shared objects that can be found by number: queues, channels.
//
// The numbers are those that users see as ids: in each class 1, 2, 3... in the
// order of registration, none used twice in a process.  (cot_object.id counts
// objects of all kinds, so it would show how many others there were.)
//
// The registry is weak: it keeps nothing alive.  An object stands in it until
// its destroy takes it out, so for a moment it is found with no reference left;
// such an object counts as gone, and nothing brings it back.

#ifndef COT_CORE_REGISTRY_H
#define COT_CORE_REGISTRY_H

#include "core/lock.h"
#include "core/object.h"

enum { COT_REGISTRY_CLASSES = 8, COT_REGISTRY_BUCKETS = 64 };

typedef struct {
    const cot_class *cls;  // borrowed, static; NULL: a free row
    uint64_t last;         // the number given last
    cot_object *buckets[COT_REGISTRY_BUCKETS];  // borrowed, by number
} cot_registry_row;

// Zeroed memory is an empty registry.  There is one: cot_runtime_registry().
typedef struct {
    cot_lock lock;  // guards all below
    cot_registry_row rows[COT_REGISTRY_CLASSES];
} cot_registry;

// Gives the object its number.  Once for an object, by who has created it;
// what visit and interpreter_ended may meet must be ready.
void cot_registry_add(cot_object *object);

// Called by the object's destroy.  One that was never added is allowed.
void cot_registry_remove(cot_object *object);

// The object of that class and number: a new reference, or NULL.
cot_object *cot_registry_get(const cot_class *cls, uint64_t number);

// Calls visit(object, arg) for each object of the class, in no order, with the
// object lent and no lock held.  Those registered meanwhile may be missed.
void cot_registry_each(const cot_class *cls,
                       void (*visit)(cot_object *object, void *arg),
                       void *arg);

// Tells each object whose class wants to know, with no lock held.  Called once,
// when nothing of that interpreter uses shared objects any more.
void cot_registry_interpreter_ended(const cot_home *home);

#endif
