#include "core/queue.h"

#include "core/heap.h"
#include "core/hint.h"
#include "core/home.h"
#include "core/registry.h"
#include "port/memory.h"

#include <stddef.h>

typedef enum {
    FIRST_OUT,
    LAST_OUT,
    LEAST_OUT,  // the ring is a heap, and `first` is 0
} order;

// Payloads stand in a ring that grows by doubling; `len` and the other numbers
// are written under the lock and read anywhere as hints.
//
// Who puts many waits on a list of his own: how much room he needs is not known
// to who makes room, so all on it look for themselves.
struct cot_queue {
    cot_object object;
    cot_lock lock;       // guards all below
    cot_payload **ring;  // owned, with the payloads in it
    size_t ring_size;    // 0 or a power of two
    size_t first;        // index of the oldest
    atomic_size_t len;
    atomic_size_t unfinished;
    size_t capacity;         // 0: without bound; constant
    cot_queue_rules rules;   // constant
    order order;             // constant
    uint64_t turn;           // of the key that was put last
    cot_payload *key_maker;  // owned, or NULL; constant
    atomic_bool is_shut_down;
    bool is_dropping;  // what is inside, since the shutdown
    cot_waitlist getters;
    cot_waitlist putters;
    cot_waitlist many_putters;
    cot_waitlist joiners;
};

static void
queue_destroy(cot_object *object, cot_object **dead)
{
    cot_queue *queue = cot_queue_from_object(object);
    cot_registry_remove(object);
    for (size_t i = 0; i < queue->len; i++) {
        size_t idx = (queue->first + i) & (queue->ring_size - 1);
        cot_payload_dissolve(queue->ring[idx], dead);
    }
    cot_payload_dissolve(queue->key_maker, dead);
    cot_free(queue->ring);
    cot_free(queue);
}

static void queue_interpreter_ended(cot_object *object, const cot_home *home);

const cot_class cot_queue_class = {"Queue", queue_destroy};
const cot_class cot_simple_queue_class = {"queue.SimpleQueue", queue_destroy};
const cot_class cot_lifo_queue_class = {"queue.LifoQueue", queue_destroy};
const cot_class cot_priority_queue_class = {
    "queue.PriorityQueue",
    queue_destroy,
};
const cot_class cot_bound_queue_class = {
    "Queue",
    queue_destroy,
    queue_interpreter_ended,
};

static cot_queue *
create(const cot_class *cls, size_t capacity)
{
    cot_queue *queue = cot_alloc_zeroed(sizeof(*queue));
    if (queue != NULL) {
        cot_object_init(&queue->object, cls);
        queue->capacity = capacity;
        queue->order = cls == &cot_lifo_queue_class       ? LAST_OUT
                       : cls == &cot_priority_queue_class ? LEAST_OUT
                                                          : FIRST_OUT;
    }
    return queue;
}

cot_queue *
cot_queue_create(size_t capacity)
{
    return create(&cot_queue_class, capacity);
}

cot_queue *
cot_queue_create_as(const cot_class *cls, size_t capacity)
{
    return create(cls, capacity);
}

void
cot_queue_set_key_maker(cot_queue *queue, cot_payload *maker)
{
    queue->key_maker = maker;
}

const cot_payload *
cot_queue_key_maker(const cot_queue *queue)
{
    return queue->key_maker;
}

cot_queue *
cot_queue_create_bound(size_t capacity, cot_queue_rules rules)
{
    cot_queue *queue = create(&cot_bound_queue_class, capacity);
    if (queue != NULL) {
        queue->rules = rules;
        cot_registry_add(&queue->object);
    }
    return queue;
}

cot_queue_rules
cot_queue_get_rules(const cot_queue *queue)
{
    return queue->rules;
}

cot_object *
cot_queue_object(cot_queue *queue)
{
    return &queue->object;
}

cot_queue *
cot_queue_from_object(cot_object *object)
{
    return (cot_queue *)((char *)object - offsetof(cot_queue, object));
}

static cot_status
grow(cot_queue *queue, size_t needed)
{
    size_t old_size = queue->ring_size;
    size_t size = old_size ? old_size * 2 : 16;
    while (size < needed && size <= SIZE_MAX / 2) {
        size *= 2;
    }
    if (size > SIZE_MAX / sizeof(cot_payload *)) {
        return COT_NO_MEMORY;
    }
    cot_payload **ring = cot_alloc(size * sizeof(*ring));
    if (ring == NULL) {
        return COT_NO_MEMORY;
    }
    for (size_t i = 0; i < old_size; i++) {
        ring[i] = queue->ring[(queue->first + i) & (old_size - 1)];
    }
    cot_free(queue->ring);
    queue->ring = ring;
    queue->ring_size = size;
    queue->first = 0;
    return COT_OK;
}

// There is room for it.
static void
add_locked(cot_queue *queue, cot_payload *payload)
{
    size_t len = cot_hint_get(&queue->len);
    if (queue->order == LEAST_OUT) {
        cot_heap_push(queue->ring, len, payload);
    }
    else {
        queue->ring[(queue->first + len) & (queue->ring_size - 1)] = payload;
    }
    cot_hint_set(&queue->len, len + 1);
}

// Takes all or nothing.
static cot_status
put_locked(cot_queue *queue, cot_payload *const *payloads, size_t count)
{
    size_t len = cot_hint_get(&queue->len);
    size_t capacity = queue->capacity;
    if (queue->is_shut_down) {
        return COT_SHUT_DOWN;
    }
    if (capacity != 0 && count > (capacity > len ? capacity - len : 0)) {
        return COT_AGAIN;
    }
    if (queue->ring_size - len < count && grow(queue, len + count) != COT_OK) {
        return COT_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        if (queue->order == LEAST_OUT) {
            payloads[i]->key->turn = ++queue->turn;
        }
        add_locked(queue, payloads[i]);
    }
    cot_hint_set(&queue->unfinished, cot_hint_get(&queue->unfinished) + count);
    return COT_OK;
}

// There is one.
static cot_payload *
take_locked(cot_queue *queue)
{
    size_t len = cot_hint_get(&queue->len);
    size_t mask = queue->ring_size - 1;
    cot_payload *payload = NULL;
    switch (queue->order) {
        case FIRST_OUT:
            payload = queue->ring[queue->first];
            queue->first = (queue->first + 1) & mask;
            break;
        case LAST_OUT:
            payload = queue->ring[(queue->first + len - 1) & mask];
            break;
        case LEAST_OUT:
            payload = cot_heap_pop(queue->ring, len);
            break;
    }
    cot_hint_set(&queue->len, len - 1);
    return payload;
}

static cot_status
get_locked(cot_queue *queue, cot_payload **payload)
{
    if (cot_hint_get(&queue->len) == 0) {
        return queue->is_shut_down ? COT_SHUT_DOWN : COT_AGAIN;
    }
    *payload = take_locked(queue);
    return COT_OK;
}

static void
release_and_unpark(cot_queue *queue, cot_parker *parker)
{
    cot_lock_release(&queue->lock);
    if (parker != NULL) {
        cot_unpark(parker);
    }
}

cot_status
cot_queue_put(cot_queue *queue, cot_parker *parker, int64_t deadline_ns,
              cot_payload *payload)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&queue->lock);
    while ((status = put_locked(queue, &payload, 1)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&queue->putters, &queue->lock, parker,
                                 deadline_ns);
    }
    release_and_unpark(
        queue, status == COT_OK ? cot_waitlist_pop(&queue->getters) : NULL);
    return status == COT_AGAIN ? waited : status;
}

cot_status
cot_queue_get(cot_queue *queue, cot_parker *parker, int64_t deadline_ns,
              cot_payload **payload)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&queue->lock);
    while ((status = get_locked(queue, payload)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&queue->getters, &queue->lock, parker,
                                 deadline_ns);
    }
    cot_parker *putter = NULL;
    if (status == COT_OK) {
        putter = cot_waitlist_pop(&queue->putters);
        cot_waitlist_wake_all(&queue->many_putters);
    }
    release_and_unpark(queue, putter);
    return status == COT_AGAIN ? waited : status;
}

// Wakes the first ones, up to `count`.
static void
wake_locked(cot_waitlist *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cot_parker *parker = cot_waitlist_pop(list);
        if (parker == NULL) {
            return;
        }
        cot_unpark(parker);
    }
}

cot_status
cot_queue_put_many(cot_queue *queue, cot_parker *parker, int64_t deadline_ns,
                   cot_batch *batch)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&queue->lock);
    while ((status = put_locked(queue, batch->payloads, batch->len))
               == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&queue->many_putters, &queue->lock, parker,
                                 deadline_ns);
    }
    if (status == COT_OK) {
        wake_locked(&queue->getters, batch->len);
        batch->len = 0;
    }
    cot_lock_release(&queue->lock);
    return status == COT_AGAIN ? waited : status;
}

static cot_status
get_many_locked(cot_queue *queue, size_t max, cot_batch *batch)
{
    size_t len = cot_hint_get(&queue->len);
    if (len == 0) {
        return queue->is_shut_down ? COT_SHUT_DOWN : COT_AGAIN;
    }
    size_t count = max < len ? max : len;
    if (cot_batch_reserve(batch, count) != COT_OK) {
        return COT_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        batch->payloads[batch->len++] = take_locked(queue);
    }
    return COT_OK;
}

cot_status
cot_queue_get_many(cot_queue *queue, cot_parker *parker, int64_t deadline_ns,
                   size_t max, cot_batch *batch)
{
    cot_status status, waited = COT_OK;
    cot_lock_acquire(&queue->lock);
    while ((status = get_many_locked(queue, max, batch)) == COT_AGAIN
           && waited == COT_OK) {
        waited = cot_wait_locked(&queue->getters, &queue->lock, parker,
                                 deadline_ns);
    }
    if (status == COT_OK) {
        wake_locked(&queue->putters, batch->len);
        cot_waitlist_wake_all(&queue->many_putters);
    }
    cot_lock_release(&queue->lock);
    return status == COT_AGAIN ? waited : status;
}

// There is room for it.
static void
return_locked(cot_queue *queue, cot_payload *payload)
{
    if (queue->order == FIRST_OUT) {
        queue->first = (queue->first - 1) & (queue->ring_size - 1);
        queue->ring[queue->first] = payload;
        cot_hint_set(&queue->len, cot_hint_get(&queue->len) + 1);
    }
    else {
        add_locked(queue, payload);
    }
}

static void
count_done_locked(cot_queue *queue, size_t done)
{
    // An item may be called done before it is gotten: never below zero.
    size_t unfinished = cot_hint_get(&queue->unfinished);
    size_t left = unfinished > done ? unfinished - done : 0;
    cot_hint_set(&queue->unfinished, left);
    if (left == 0) {
        cot_waitlist_wake_all(&queue->joiners);
    }
}

cot_status
cot_queue_task_done(cot_queue *queue)
{
    cot_status status = COT_OVERDONE;
    cot_lock_acquire(&queue->lock);
    if (cot_hint_get(&queue->unfinished) > 0) {
        count_done_locked(queue, 1);
        status = COT_OK;
    }
    cot_lock_release(&queue->lock);
    return status;
}

cot_status
cot_queue_join(cot_queue *queue, cot_parker *parker, int64_t deadline_ns)
{
    cot_status status = COT_OK;
    cot_lock_acquire(&queue->lock);
    while (cot_hint_get(&queue->unfinished) > 0 && status == COT_OK) {
        status = cot_wait_locked(&queue->joiners, &queue->lock, parker,
                                 deadline_ns);
    }
    if (cot_hint_get(&queue->unfinished) == 0) {
        status = COT_OK;
    }
    cot_lock_release(&queue->lock);
    return status;
}

static cot_status
put_back_locked(cot_queue *queue, cot_batch *batch)
{
    size_t len = cot_hint_get(&queue->len);
    if (queue->is_dropping) {
        count_done_locked(queue, batch->len);
        return COT_SHUT_DOWN;
    }
    if (queue->ring_size - len < batch->len
        && grow(queue, len + batch->len) != COT_OK) {
        return COT_NO_MEMORY;
    }
    for (size_t i = batch->len; i > 0; i--) {
        return_locked(queue, batch->payloads[i - 1]);
    }
    wake_locked(&queue->getters, batch->len);
    batch->len = 0;
    return COT_OK;
}

cot_status
cot_queue_put_back(cot_queue *queue, cot_batch *batch)
{
    cot_lock_acquire(&queue->lock);
    cot_status status = put_back_locked(queue, batch);
    cot_lock_release(&queue->lock);
    if (status == COT_NO_MEMORY) {
        return status;
    }
    cot_batch_clear(batch);
    return COT_OK;
}

// Takes the items out, as a ring of their own: they are destroyed without the
// lock, since destroying one may free another queue.
static size_t
take_all_locked(cot_queue *queue, cot_payload ***ring, size_t *first,
                size_t *size)
{
    size_t len = cot_hint_get(&queue->len);
    *ring = queue->ring;
    *first = queue->first;
    *size = queue->ring_size;
    queue->ring = NULL;
    queue->ring_size = queue->first = 0;
    cot_hint_set(&queue->len, 0);
    count_done_locked(queue, len);
    return len;
}

void
cot_queue_shut_down(cot_queue *queue, bool immediate)
{
    cot_payload **ring = NULL;
    size_t first = 0, size = 0, len = 0;
    cot_lock_acquire(&queue->lock);
    queue->is_shut_down = true;
    if (immediate) {
        queue->is_dropping = true;
        len = take_all_locked(queue, &ring, &first, &size);
    }
    cot_waitlist_wake_all(&queue->getters);
    cot_waitlist_wake_all(&queue->putters);
    cot_waitlist_wake_all(&queue->many_putters);
    cot_lock_release(&queue->lock);
    for (size_t i = 0; i < len; i++) {
        cot_payload_destroy(ring[(first + i) & (size - 1)]);
    }
    cot_free(ring);
}

// Answers how many were removed; the others stand closer then.
static size_t
unbind_locked(cot_queue *queue, uint64_t origin, cot_object **dead)
{
    size_t len = cot_hint_get(&queue->len);
    size_t mask = queue->ring_size - 1;
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        cot_payload *payload = queue->ring[(queue->first + i) & mask];
        if (payload->origin == origin) {
            payload = cot_payload_unbind(payload, dead);
        }
        if (payload != NULL) {
            queue->ring[(queue->first + kept++) & mask] = payload;
        }
    }
    cot_hint_set(&queue->len, kept);
    return len - kept;
}

static void
queue_interpreter_ended(cot_object *object, const cot_home *home)
{
    cot_queue *queue = cot_queue_from_object(object);
    cot_object *dead = NULL;
    cot_lock_acquire(&queue->lock);
    size_t removed = unbind_locked(queue, cot_home_id(home), &dead);
    if (removed > 0) {
        count_done_locked(queue, removed);
        cot_waitlist_wake_all(&queue->putters);
        cot_waitlist_wake_all(&queue->many_putters);
    }
    cot_lock_release(&queue->lock);
    cot_object_bury(dead);
}

size_t
cot_queue_len(const cot_queue *queue)
{
    return cot_hint_get(&queue->len);
}

size_t
cot_queue_capacity(const cot_queue *queue)
{
    return queue->capacity;
}

bool
cot_queue_is_shut_down(const cot_queue *queue)
{
    return queue->is_shut_down;
}

bool
cot_queue_can_get(const cot_queue *queue)
{
    return cot_hint_get(&queue->len) > 0 || queue->is_shut_down;
}

bool
cot_queue_can_put(const cot_queue *queue)
{
    return queue->capacity == 0 || cot_hint_get(&queue->len) < queue->capacity
           || queue->is_shut_down;
}

bool
cot_queue_is_done(const cot_queue *queue)
{
    return cot_hint_get(&queue->unfinished) == 0;
}
