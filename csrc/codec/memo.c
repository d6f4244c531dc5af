#include "codec/memo.h"

#include "port/memory.h"

enum {
    FIRST_SLOTS = 64,
    KEPT_SLOTS = 1 << 14,  // a bigger table is not kept between calls
};

#define UNFINISHED UINT32_C(0x80000000)

int
cot_memo_init(cot_memo *memo)
{
    memo->slots = cot_alloc_zeroed(FIRST_SLOTS * sizeof(*memo->slots));
    memo->mask = FIRST_SLOTS - 1;
    memo->len = 0;
    memo->stamp = 1;
    memo->holds = false;
    return memo->slots ? 0 : -1;
}

static void
let_go(cot_memo *memo)
{
    memo->holds = false;
    for (size_t i = 0; i <= memo->mask; i++) {
        if (memo->slots[i].stamp == memo->stamp) {
            Py_DECREF(memo->slots[i].object);
        }
    }
}

void
cot_memo_clear(cot_memo *memo)
{
    if (memo->holds) {
        let_go(memo);
    }
    memo->len = 0;
    if (memo->mask >= KEPT_SLOTS) {
        cot_memo_slot *small = cot_alloc_zeroed(FIRST_SLOTS * sizeof(*small));
        if (small != NULL) {
            cot_free(memo->slots);
            memo->slots = small;
            memo->mask = FIRST_SLOTS - 1;
            memo->stamp = 0;
        }
    }
    if (++memo->stamp == 0) {
        // Numbers of old rounds would be taken for new ones.
        memset(memo->slots, 0, (memo->mask + 1) * sizeof(*memo->slots));
        memo->stamp = 1;
    }
}

void
cot_memo_fini(cot_memo *memo)
{
    if (memo->slots != NULL && memo->holds) {
        let_go(memo);
    }
    cot_free(memo->slots);
    memo->slots = NULL;
}

// The slot of the object, or the free one where it belongs.
static inline cot_memo_slot *
find(const cot_memo *memo, PyObject *object)
{
    uint64_t hash = (uint64_t)(uintptr_t)object;
    hash = (hash >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(hash >> 32) & memo->mask;
    for (;;) {
        cot_memo_slot *slot = &memo->slots[i];
        if (slot->stamp != memo->stamp || slot->object == object) {
            return slot;
        }
        i = (i + 1) & memo->mask;
    }
}

static int
grow(cot_memo *memo)
{
    cot_memo bigger = *memo;
    bigger.mask = memo->mask * 4 + 3;
    bigger.stamp = 1;
    bigger.slots = cot_alloc_zeroed((bigger.mask + 1) * sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i <= memo->mask; i++) {
        cot_memo_slot *slot = &memo->slots[i];
        if (slot->stamp == memo->stamp) {
            cot_memo_slot *to = find(&bigger, slot->object);
            *to = *slot;
            to->stamp = bigger.stamp;
        }
    }
    cot_free(memo->slots);
    *memo = bigger;
    return 0;
}

static inline cot_memo_answer
add(cot_memo *memo, PyObject *object, uint32_t *number, uint32_t flag)
{
    cot_memo_slot *slot = find(memo, object);
    if (slot->stamp == memo->stamp) {
        *number = slot->number & ~UNFINISHED;
        return slot->number & UNFINISHED ? COT_MEMO_UNFINISHED
                                         : COT_MEMO_KNOWN;
    }
    if ((size_t)memo->len * 3 > memo->mask * 2) {
        if (memo->len >= UNFINISHED / 2 || grow(memo) < 0) {
            return COT_MEMO_NO_MEMORY;
        }
        slot = find(memo, object);
    }
    *number = memo->len++;
    slot->object = memo->holds ? Py_NewRef(object) : object;
    slot->stamp = memo->stamp;
    slot->number = *number | flag;
    return COT_MEMO_NEW;
}

cot_memo_answer
cot_memo_add(cot_memo *memo, PyObject *object, uint32_t *number)
{
    return add(memo, object, number, 0);
}

cot_memo_answer
cot_memo_add_unfinished(cot_memo *memo, PyObject *object, uint32_t *number)
{
    return add(memo, object, number, UNFINISHED);
}

void
cot_memo_finish(cot_memo *memo, PyObject *object)
{
    find(memo, object)->number &= ~UNFINISHED;
}

void
cot_memo_hold(cot_memo *memo)
{
    if (memo->holds) {
        return;
    }
    memo->holds = true;
    for (size_t i = 0; i <= memo->mask; i++) {
        if (memo->slots[i].stamp == memo->stamp) {
            Py_INCREF(memo->slots[i].object);
        }
    }
}
