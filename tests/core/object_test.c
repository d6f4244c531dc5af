#include "core/object.h"

#include "support/check.h"

#define THREADS 4
#define ROUNDS 2000

typedef struct {
    cot_object object;
    atomic_int destroyed;
    long counts[THREADS];  // one per thread, without a lock
    long total;
} thing;

static void
destroy_thing(cot_object *object, cot_object **dead)
{
    thing *self = (thing *)object;
    for (int i = 0; i < THREADS; i++) {
        self->total += self->counts[i];
    }
    atomic_fetch_add(&self->destroyed, 1);
}

static const cot_class thing_class = {"Thing", destroy_thing};

static void
an_object_starts_with_one_reference(void)
{
    thing self = {0};
    cot_object_init(&self.object, &thing_class);
    CHECK(self.object.cls == &thing_class);
    CHECK_EQ(atomic_load(&self.object.refs), 1);
    cot_object_unref(&self.object);
    CHECK_EQ(atomic_load(&self.destroyed), 1);
}

static void
ids_are_never_used_twice(void)
{
    thing self = {0};
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        cot_object_init(&self.object, &thing_class);
        CHECK(self.object.id > last);
        last = self.object.id;
    }
}

static void
the_last_reference_destroys(void)
{
    thing self = {0};
    cot_object_init(&self.object, &thing_class);
    cot_object_ref(&self.object);
    cot_object_ref(&self.object);
    cot_object_unref(&self.object);
    cot_object_unref(&self.object);
    CHECK_EQ(atomic_load(&self.destroyed), 0);
    cot_object_unref(&self.object);
    CHECK_EQ(atomic_load(&self.destroyed), 1);
}

static void
what_is_gone_cannot_be_had_again(void)
{
    thing self = {0};
    cot_object *dead = NULL;
    cot_object_init(&self.object, &thing_class);
    CHECK(cot_object_try_ref(&self.object));
    CHECK_EQ(atomic_load(&self.object.refs), 2);
    cot_object_unref(&self.object);
    cot_object_release(&self.object, &dead);
    CHECK(!cot_object_try_ref(&self.object));
    CHECK_EQ(atomic_load(&self.object.refs), 0);
    cot_object_bury(dead);
    CHECK_EQ(atomic_load(&self.destroyed), 1);
}

static void
unref_takes_null(void)
{
    cot_object_unref(NULL);
}

static void
count_and_let_go(void *arg, size_t idx)
{
    thing *self = arg;
    for (int i = 0; i < ROUNDS; i++) {
        cot_object_ref(&self->object);
        self->counts[idx]++;
        cot_object_unref(&self->object);
    }
    self->counts[idx]++;
    cot_object_unref(&self->object);  // the thread's own
}

static void
who_destroys_sees_what_all_wrote(void)
{
    for (int round = 0; round < 20; round++) {
        thing self = {0};
        cot_object_init(&self.object, &thing_class);
        for (int i = 0; i < THREADS; i++) {
            cot_object_ref(&self.object);
        }
        test_threads threads;
        start_threads(&threads, THREADS, count_and_let_go, &self);
        cot_object_unref(&self.object);
        join_threads(&threads);
        CHECK_EQ(atomic_load(&self.destroyed), 1);
        CHECK_EQ(self.total, THREADS * (ROUNDS + 1));
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(an_object_starts_with_one_reference),
        TEST(ids_are_never_used_twice),
        TEST(the_last_reference_destroys),
        TEST(what_is_gone_cannot_be_had_again),
        TEST(unref_takes_null),
        TEST(who_destroys_sees_what_all_wrote),
        {0},
    };
    return run_tests(tests, argc, argv);
}
