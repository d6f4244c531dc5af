#include "core/heap.h"

#include "support/check.h"

#include <string.h>

static cot_payload *
keyed(const char *key, size_t len, uint64_t turn)
{
    cot_payload *payload = number_payload(turn);
    payload->key = cot_key_create(len);
    CHECK(payload->key != NULL);
    memcpy(payload->key->bytes, key, len);
    payload->key->turn = turn;
    return payload;
}

static int
compare(const cot_payload *a, const cot_payload *b)
{
    size_t len = a->key->len < b->key->len ? a->key->len : b->key->len;
    int order = memcmp(a->key->bytes, b->key->bytes, len);
    if (order == 0) {
        order = (a->key->len > b->key->len) - (a->key->len < b->key->len);
    }
    return order;
}

static void
keys_are_ordered_as_bytes(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } keys[] = {
        {"", 0},     {"\0", 1},   {"\0\0", 2}, {"\1", 1},
        {"a", 1},    {"a\0", 2},  {"ab", 2},   {"b", 1},
        {"\x7f", 1}, {"\x80", 1}, {"\xff", 1},
    };
    enum { COUNT = sizeof(keys) / sizeof(keys[0]) };
    cot_payload *heap[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t which = (i * 7) % COUNT;
        cot_heap_push(heap, i,
                      keyed(keys[which].bytes, keys[which].len, which));
    }
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(take_number(cot_heap_pop(heap, COUNT - i)), i);
    }
}

static void
equal_keys_come_in_turn(void)
{
    enum { COUNT = 300 };
    cot_payload *heap[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        cot_heap_push(heap, i, keyed("same", 4, i));
    }
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(take_number(cot_heap_pop(heap, COUNT - i)), i);
    }
}

// Whatever is pushed and popped when: what comes is the least of all.
static void
the_least_comes_first(void)
{
    enum { ROOM = 200 };
    uint64_t random = test_seed(), turn = 0;
    cot_payload *heap[ROOM];
    size_t len = 0;
    for (int step = 0; step < 20000; step++) {
        if (len < ROOM && (len == 0 || random_below(&random, 2))) {
            char key[3];
            size_t key_len = random_below(&random, 4);
            for (size_t i = 0; i < key_len; i++) {
                key[i] = (char)random_below(&random, 3);
            }
            cot_heap_push(heap, len++, keyed(key, key_len, turn++));
            continue;
        }
        cot_payload *first = cot_heap_pop(heap, len--);
        for (size_t i = 0; i < len; i++) {
            int order = compare(first, heap[i]);
            CHECK(order < 0
                  || (order == 0 && first->key->turn < heap[i]->key->turn));
        }
        cot_payload_destroy(first);
    }
    while (len > 0) {
        cot_payload_destroy(heap[--len]);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(keys_are_ordered_as_bytes),
        TEST(equal_keys_come_in_turn),
        TEST(the_least_comes_first),
        {0},
    };
    return run_tests(tests, argc, argv);
}
