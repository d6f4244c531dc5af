#include "core/heap.h"

#include <stdbool.h>
#include <string.h>

static bool
is_before(const cot_payload *a, const cot_payload *b)
{
    size_t len = a->key->len < b->key->len ? a->key->len : b->key->len;
    int order = memcmp(a->key->bytes, b->key->bytes, len);
    if (order == 0 && a->key->len != b->key->len) {
        return a->key->len < b->key->len;
    }
    return order < 0 || (order == 0 && a->key->turn < b->key->turn);
}

void
cot_heap_push(cot_payload **heap, size_t len, cot_payload *payload)
{
    size_t idx = len;
    while (idx > 0 && is_before(payload, heap[(idx - 1) / 2])) {
        heap[idx] = heap[(idx - 1) / 2];
        idx = (idx - 1) / 2;
    }
    heap[idx] = payload;
}

cot_payload *
cot_heap_pop(cot_payload **heap, size_t len)
{
    cot_payload *first = heap[0];
    cot_payload *last = heap[--len];
    size_t idx = 0;
    for (size_t child = 1; child < len; child = 2 * idx + 1) {
        if (child + 1 < len && is_before(heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_before(heap[child], last)) {
            break;
        }
        heap[idx] = heap[child];
        idx = child;
    }
    heap[idx] = last;
    return first;
}
