#include "core/slab.h"

#include "support/check.h"

#include <string.h>

enum { COUNT = 1000 };

static cot_payload *
cut(cot_slab **slab, size_t len, unsigned mark)
{
    cot_payload *payload = cot_slab_cut(slab, len, COT_NATIVE);
    CHECK(payload != NULL);
    CHECK_EQ(payload->len, len);
    CHECK_EQ((uintptr_t)payload % 16, 0);
    memset(payload->bytes, (int)mark, len);
    return payload;
}

static void
check_and_destroy(cot_payload *payload, size_t len, unsigned mark)
{
    CHECK_EQ(payload->len, len);
    CHECK_EQ(payload->format, COT_NATIVE);
    CHECK_EQ(payload->origin, 0);
    for (size_t i = 0; i < len; i++) {
        CHECK_EQ(payload->bytes[i], (uint8_t)mark);
    }
    cot_payload_destroy(payload);
}

static size_t
len_of(size_t i)
{
    return i * 37 % 700;
}

// What a use after the free, or a leak, would be is the sanitizer's to say.
static void
payloads_go_in_any_order(void)
{
    static const size_t steps[] = {1, 7, 333, 999};
    for (size_t turn = 0; turn < 4; turn++) {
        cot_slab *slab = NULL;
        cot_payload *all[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            all[i] = cut(&slab, len_of(i), (unsigned)i);
        }
        for (size_t i = 0; i < COUNT; i++) {
            if (i == COUNT / 2) {
                cot_slab_retire(slab);
            }
            size_t at = i * steps[turn] % COUNT;
            check_and_destroy(all[at], len_of(at), (unsigned)at);
        }
    }
}

static void
a_slab_without_payloads_goes_when_it_is_retired(void)
{
    cot_slab *slab = NULL;
    cot_slab_retire(slab);
    check_and_destroy(cut(&slab, 10, 1), 10, 1);
    CHECK(slab != NULL);
    cot_slab_retire(slab);
}

static void
big_payloads_have_blocks_of_their_own(void)
{
    cot_slab *slab = NULL;
    cot_payload *big = cut(&slab, 100000, 3);
    CHECK(slab == NULL);
    CHECK(big->slab == NULL);
    cot_payload *small = cut(&slab, 0, 0);
    CHECK(small->slab == slab);
    check_and_destroy(big, 100000, 3);
    check_and_destroy(small, 0, 0);
    cot_slab_retire(slab);
}

static void
several_are_released_at_once(void)
{
    cot_slab *slab = NULL;
    for (int i = 0; i < 5; i++) {
        cut(&slab, 8, 1);
    }
    cot_slab_release(slab, 5);
    cot_slab_retire(slab);
}

static void
one_that_is_unbound_stays_in_its_slab(void)
{
    cot_slab *slab = NULL;
    cot_object *dead = NULL;
    cot_payload *payload = cut(&slab, 100, 1);
    cot_payload_bind(payload, 7, COT_UNBOUND_REPLACE);
    cot_slab_retire(slab);
    CHECK(cot_payload_unbind(payload, &dead) == payload);
    CHECK_EQ(payload->format, COT_UNBOUND);
    cot_payload_destroy(payload);
}

static bool
cut_many(void *arg)
{
    (void)arg;
    cot_slab *slab = NULL;
    cot_payload *all[200];
    size_t len = 0;
    while (len < 200) {
        all[len] = cot_slab_cut(&slab, 50, COT_NATIVE);
        if (all[len] == NULL) {
            break;
        }
        len++;
    }
    for (size_t i = 0; i < len; i++) {
        cot_payload_destroy(all[i]);
    }
    cot_slab_retire(slab);
    return len == 200;
}

static void
memory_may_run_out(void)
{
    CHECK(fail_each_allocation(cut_many, NULL) > 1);
}

// One cuts, the other destroys: through a ring of which each has an end.
typedef struct {
    _Atomic(cot_payload *) ring[64];
} passage;

static void
cut_or_destroy(void *arg, size_t idx)
{
    passage *through = arg;
    cot_slab *slab = NULL;
    for (size_t i = 0; i < 20000; i++) {
        _Atomic(cot_payload *) *place = &through->ring[i % 64];
        cot_payload *payload = idx == 0 ? cut(&slab, i % 90, (unsigned)i)
                                        : NULL;
        if (idx == 0) {
            WAIT_UNTIL(atomic_load(place) == NULL);
            atomic_store(place, payload);
        }
        else {
            WAIT_UNTIL((payload = atomic_load(place)) != NULL);
            atomic_store(place, NULL);
            check_and_destroy(payload, i % 90, (unsigned)i);
        }
    }
    cot_slab_retire(slab);
}

static void
payloads_are_cut_here_and_destroyed_there(void)
{
    passage through = {0};
    test_threads threads;
    start_threads(&threads, 2, cut_or_destroy, &through);
    join_threads(&threads);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(payloads_go_in_any_order),
        TEST(a_slab_without_payloads_goes_when_it_is_retired),
        TEST(big_payloads_have_blocks_of_their_own),
        TEST(several_are_released_at_once),
        TEST(one_that_is_unbound_stays_in_its_slab),
        TEST(memory_may_run_out),
        TEST(payloads_are_cut_here_and_destroyed_there),
        {0},
    };
    return run_tests(tests, argc, argv);
}
