#include "core/payload.h"

#include "support/check.h"

#include <string.h>

#define OBJECTS 100

static int destroyed;

static void
count_destroyed(cot_object *object, cot_object **dead)
{
    destroyed++;
}

static const cot_class thing_class = {"Thing", count_destroyed};

static void
a_payload_starts_without_objects(void)
{
    cot_payload *payload = cot_payload_create(5, COT_PICKLED);
    CHECK(payload != NULL);
    CHECK_EQ(payload->len, 5);
    CHECK_EQ(payload->format, COT_PICKLED);
    CHECK_EQ(payload->objects_len, 0);
    CHECK(payload->objects == NULL);
    memcpy(payload->bytes, "abcde", 5);
    cot_payload_destroy(payload);
}

static void
an_empty_payload_is_one(void)
{
    cot_payload *payload = cot_payload_create(0, COT_NATIVE);
    CHECK(payload != NULL);
    CHECK_EQ(payload->len, 0);
    cot_payload_destroy(payload);
}

static void
too_long_a_payload_is_refused(void)
{
    CHECK(cot_payload_create(SIZE_MAX, COT_NATIVE) == NULL);
    CHECK(cot_payload_create(SIZE_MAX - sizeof(cot_payload) + 1, COT_NATIVE)
          == NULL);
    CHECK(cot_payload_create(SIZE_MAX / 2, COT_NATIVE) == NULL);
}

static void
objects_are_held_in_order(void)
{
    cot_object objects[OBJECTS];
    cot_payload *payload = number_payload(7);
    destroyed = 0;
    for (uint32_t i = 0; i < OBJECTS; i++) {
        cot_object_init(&objects[i], &thing_class);
        CHECK_EQ(cot_payload_attach(payload, &objects[i]), COT_OK);
        CHECK_EQ(payload->objects_len, i + 1);
        CHECK_EQ(atomic_load(&objects[i].refs), 2);
    }
    for (int i = 0; i < OBJECTS; i++) {
        CHECK(payload->objects[i] == &objects[i]);
        cot_object_unref(&objects[i]);
    }
    CHECK_EQ(destroyed, 0);
    CHECK_EQ(take_number(payload), 7);  // destroys it
    CHECK_EQ(destroyed, OBJECTS);
}

static void
an_object_may_be_held_twice(void)
{
    cot_object object;
    cot_object_init(&object, &thing_class);
    cot_payload *payload = number_payload(7);
    CHECK_EQ(cot_payload_attach(payload, &object), COT_OK);
    CHECK_EQ(cot_payload_attach(payload, &object), COT_OK);
    CHECK_EQ(atomic_load(&object.refs), 3);
    cot_payload_destroy(payload);
    CHECK_EQ(atomic_load(&object.refs), 1);
}

static void
destroy_takes_null(void)
{
    cot_payload_destroy(NULL);
}

static void
an_unbound_payload_holds_nothing(void)
{
    cot_object object, *dead = NULL;
    cot_object_init(&object, &thing_class);
    cot_payload *payload = cot_payload_create(100000, COT_PICKLED);
    CHECK_EQ(payload->origin, 0);
    cot_payload_bind(payload, 17, COT_UNBOUND_ERROR);
    CHECK_EQ(payload->origin, 17);
    CHECK_EQ(cot_payload_attach(payload, &object), COT_OK);
    payload = cot_payload_unbind(payload, &dead);
    CHECK_EQ(payload->format, COT_UNBOUND);
    CHECK_EQ(payload->unbound_op, COT_UNBOUND_ERROR);
    CHECK_EQ(payload->origin, 0);
    CHECK_EQ(payload->len, 0);
    CHECK_EQ(payload->objects_len, 0);
    CHECK_EQ(atomic_load(&object.refs), 1);
    CHECK(dead == NULL);
    cot_payload_destroy(payload);
}

static void
a_payload_to_be_removed_is_gone(void)
{
    cot_object object, *dead = NULL;
    cot_object_init(&object, &thing_class);
    cot_payload *payload = number_payload(7);
    cot_payload_bind(payload, 17, COT_UNBOUND_REMOVE);
    CHECK_EQ(cot_payload_attach(payload, &object), COT_OK);
    cot_object_unref(&object);
    CHECK(cot_payload_unbind(payload, &dead) == NULL);
    CHECK(dead == &object);  // whom the payload alone held
}

static bool
build_with_objects(void *arg)
{
    cot_object object;
    cot_object_init(&object, &thing_class);
    cot_payload *payload = cot_payload_create(3, COT_NATIVE);
    cot_status status = payload ? COT_OK : COT_NO_MEMORY;
    for (uint32_t i = 0; i < 20 && status == COT_OK; i++) {
        status = cot_payload_attach(payload, &object);
        // Refused, it holds what it held, and is still whole.
        CHECK_EQ(payload->objects_len, i + (status == COT_OK));
        CHECK_EQ(atomic_load(&object.refs), 1 + payload->objects_len);
    }
    cot_payload_destroy(payload);
    CHECK_EQ(atomic_load(&object.refs), 1);
    CHECK(status == COT_OK || status == COT_NO_MEMORY);
    return status == COT_OK;
}

static void
memory_may_run_out(void)
{
    // The block, and the array at 1, 2, 4, 8, 16 and 32.
    CHECK_EQ(fail_each_allocation(build_with_objects, NULL), 7);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(a_payload_starts_without_objects),
        TEST(an_empty_payload_is_one),
        TEST(too_long_a_payload_is_refused),
        TEST(objects_are_held_in_order),
        TEST(an_object_may_be_held_twice),
        TEST(destroy_takes_null),
        TEST(an_unbound_payload_holds_nothing),
        TEST(a_payload_to_be_removed_is_gone),
        TEST(memory_may_run_out),
        {0},
    };
    return run_tests(tests, argc, argv);
}
