#include "core/registry.h"

#include "core/home.h"
#include "core/runtime.h"
#include "support/check.h"

#include <stdlib.h>

#define THREADS 4
#define ROUNDS 2000

typedef struct {
    cot_object object;
    const cot_home *ended;
    int told;
} thing;

static atomic_int alive;

static void
destroy_thing(cot_object *object, cot_object **dead)
{
    cot_registry_remove(object);
    atomic_fetch_sub(&alive, 1);
    free(object);
}

static void
note_end(cot_object *object, const cot_home *home)
{
    thing *self = (thing *)object;
    self->ended = home;
    self->told++;
}

static const cot_class thing_class = {
    .name = "Thing",
    .destroy = destroy_thing,
    .interpreter_ended = note_end,
};
static const cot_class other_class = {
    .name = "Other",
    .destroy = destroy_thing,
};
static const cot_class unused_class = {
    .name = "Unused",
    .destroy = destroy_thing,
};

static thing *
new_thing(const cot_class *cls)
{
    thing *self = calloc(1, sizeof(*self));
    CHECK(self != NULL);
    cot_object_init(&self->object, cls);
    cot_registry_add(&self->object);
    atomic_fetch_add(&alive, 1);
    return self;
}

static void
drop(thing *self)
{
    cot_object_unref(&self->object);
}

static void
count(cot_object *object, void *arg)
{
    CHECK(atomic_load(&object->refs) > 0);
    ++*(int *)arg;
}

static int
count_of(const cot_class *cls)
{
    int found = 0;
    cot_registry_each(cls, count, &found);
    return found;
}

// ---- one thread ----------------------------------------------------------

static void
numbers_are_small_and_each_class_has_its_own(void)
{
    thing *first = new_thing(&thing_class), *other = new_thing(&other_class);
    thing *second = new_thing(&thing_class);
    CHECK_EQ(first->object.number, 1);
    CHECK_EQ(second->object.number, 2);
    CHECK_EQ(other->object.number, 1);
    drop(second);
    thing *third = new_thing(&thing_class);
    CHECK_EQ(third->object.number, 3);
    drop(first);
    drop(other);
    drop(third);
    CHECK_EQ(atomic_load(&alive), 0);
}

static void
a_number_leads_to_its_object(void)
{
    thing *self = new_thing(&thing_class);
    uint64_t number = self->object.number;
    CHECK(cot_registry_get(&thing_class, number) == &self->object);
    CHECK_EQ(atomic_load(&self->object.refs), 2);
    CHECK(cot_registry_get(&thing_class, number + 1) == NULL);
    CHECK(cot_registry_get(&thing_class, number + COT_REGISTRY_BUCKETS)
          == NULL);
    CHECK(cot_registry_get(&thing_class, 0) == NULL);
    CHECK(cot_registry_get(&other_class, number) == NULL);
    CHECK(cot_registry_get(&unused_class, number) == NULL);
    drop(self);
    drop(self);
    CHECK(cot_registry_get(&thing_class, number) == NULL);
}

static void
what_is_dying_is_not_found(void)
{
    thing *self = new_thing(&thing_class);
    cot_object *dead = NULL;
    cot_object_release(&self->object, &dead);
    CHECK(dead == &self->object);
    CHECK(cot_registry_get(&thing_class, self->object.number) == NULL);
    CHECK_EQ(count_of(&thing_class), 0);
    CHECK_EQ(atomic_load(&self->object.refs), 0);
    cot_object_bury(dead);
    CHECK_EQ(atomic_load(&alive), 0);
}

static void
what_was_not_added_may_be_removed(void)
{
    thing self = {0};
    cot_object_init(&self.object, &thing_class);
    cot_registry_remove(&self.object);
    CHECK_EQ(self.object.number, 0);
}

static void
each_meets_all_that_live(void)
{
    enum { COUNT = 3 * COT_REGISTRY_BUCKETS };
    thing *all[COUNT];
    CHECK_EQ(count_of(&unused_class), 0);
    for (int i = 0; i < COUNT; i++) {
        all[i] = new_thing(&thing_class);
    }
    thing *other = new_thing(&other_class);
    CHECK_EQ(count_of(&thing_class), COUNT);
    CHECK_EQ(count_of(&other_class), 1);
    // From the middle, the head and the tail of their buckets.
    for (int i = 0; i < COUNT; i += 2) {
        drop(all[i]);
        CHECK_EQ(count_of(&thing_class), COUNT - i / 2 - 1);
    }
    for (int i = COUNT - 1; i > 0; i -= 2) {
        CHECK_EQ(atomic_load(&all[i]->object.refs), 1);
        drop(all[i]);
        CHECK_EQ(count_of(&thing_class), (i - 1) / 2);
    }
    drop(other);
}

static void
drop_it(cot_object *object, void *arg)
{
    ++*(int *)arg;
    cot_object_unref(object);  // the owner's; each holds its own
}

static void
what_is_visited_may_go(void)
{
    enum { COUNT = 2 * COT_REGISTRY_BUCKETS };
    int visited = 0;
    for (int i = 0; i < COUNT; i++) {
        (void)new_thing(&thing_class);
    }
    cot_registry_each(&thing_class, drop_it, &visited);
    CHECK_EQ(visited, COUNT);
    CHECK_EQ(atomic_load(&alive), 0);
}

static void
the_end_of_an_interpreter_is_told_to_who_wants_to_know(void)
{
    cot_home *home = cot_home_create();
    thing *one = new_thing(&thing_class), *two = new_thing(&thing_class);
    thing *other = new_thing(&other_class);
    cot_registry_interpreter_ended(home);
    CHECK(one->told == 1 && one->ended == home);
    CHECK(two->told == 1 && two->ended == home);
    CHECK_EQ(other->told, 0);
    drop(one);
    drop(two);
    drop(other);
    cot_home_unref(home);
}

static void
a_child_can_use_it(void)
{
    cot_lock_acquire(&cot_runtime_registry()->lock);
    cot_runtime_after_fork_in_child();
    drop(new_thing(&thing_class));
}

// ---- several threads -----------------------------------------------------

typedef struct {
    atomic_uint_fast64_t newest;
    atomic_int makers;
} traffic;

// Half of them make and drop; half look for what is just being dropped.
static void
come_and_go(void *arg, size_t idx)
{
    traffic *all = arg;
    if (idx % 2 == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            thing *self = new_thing(&thing_class);
            atomic_store(&all->newest, self->object.number);
            drop(self);
        }
        atomic_fetch_sub(&all->makers, 1);
        return;
    }
    while (atomic_load(&all->makers) > 0) {
        uint64_t number = atomic_load(&all->newest);
        cot_object *object = cot_registry_get(&thing_class, number);
        if (object != NULL) {
            CHECK_EQ(object->number, number);
            cot_object_unref(object);
        }
        CHECK(count_of(&thing_class) >= 1);  // the one that stays
    }
}

static void
objects_come_and_go_while_others_look(void)
{
    traffic all = {.makers = THREADS / 2};
    thing *stays = new_thing(&thing_class);
    test_threads threads;
    start_threads(&threads, THREADS, come_and_go, &all);
    join_threads(&threads);
    CHECK_EQ(atomic_load(&alive), 1);
    CHECK_EQ(atomic_load(&stays->object.refs), 1);
    drop(stays);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        // First: no number is taken yet.
        TEST(numbers_are_small_and_each_class_has_its_own),
        TEST(a_number_leads_to_its_object),
        TEST(what_is_dying_is_not_found),
        TEST(what_was_not_added_may_be_removed),
        TEST(each_meets_all_that_live),
        TEST(what_is_visited_may_go),
        TEST(the_end_of_an_interpreter_is_told_to_who_wants_to_know),
        TEST(a_child_can_use_it),
        TEST(objects_come_and_go_while_others_look),
        {0},
    };
    return run_tests(tests, argc, argv);
}
