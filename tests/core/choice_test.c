#include "core/choice.h"

#include "core/channel.h"
#include "core/event.h"
#include "core/mutex.h"
#include "core/queue.h"
#include "support/check.h"

// ---- the cases -----------------------------------------------------------

typedef struct {
    cot_queue *queue;
    cot_payload *payload;
} queue_turn;

static cot_status
attempt_get(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    queue_turn *turn = arg;
    return cot_queue_get(turn->queue, parker, deadline_ns, &turn->payload);
}

static cot_status
attempt_put(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    queue_turn *turn = arg;
    return cot_queue_put(turn->queue, parker, deadline_ns, turn->payload);
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_event_wait(arg, 0, parker, deadline_ns);
}

static cot_status
attempt_acquire(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_mutex_acquire(arg, cot_owner_here(1), parker, deadline_ns);
}

static cot_queue *
new_queue(size_t capacity)
{
    cot_queue *queue = cot_queue_create(capacity);
    CHECK(queue != NULL);
    return queue;
}

static cot_channel *
new_channel(size_t capacity)
{
    cot_channel *channel = cot_channel_create(capacity, COT_UNBOUND_REPLACE);
    CHECK(channel != NULL);
    return channel;
}

static cot_event *
new_event(void)
{
    cot_event *event = cot_event_create();
    CHECK(event != NULL);
    return event;
}

static void
put_number(cot_queue *queue, uint64_t number)
{
    cot_parker parker = {0};
    CHECK_EQ(cot_queue_put(queue, &parker, COT_NEVER, number_payload(number)),
             COT_OK);
}

// ---- one at a time -------------------------------------------------------

static void
nothing_to_wait_for(void)
{
    cot_choice choice;
    cot_parker parker = {0};
    cot_choice_init(&choice, NULL, 0, NULL);
    CHECK_EQ(cot_choice_wait(&choice, &parker, COT_NOW), COT_TIMED_OUT);
    CHECK_EQ(cot_choice_wait(&choice, &parker, cot_clock_after(COT_MS)),
             COT_TIMED_OUT);
    cot_parker_interrupt(&parker);
    CHECK_EQ(cot_choice_wait(&choice, &parker, COT_NEVER), COT_INTERRUPTED);
}

static void
each_that_is_ready_has_its_turn(void)
{
    queue_turn turns[3];
    size_t seen[3] = {0};
    cot_parker parker = {0};
    for (size_t i = 0; i < 3; i++) {
        turns[i] = (queue_turn){.queue = new_queue(0)};
        for (uint64_t j = 0; j < 1000; j++) {
            put_number(turns[i].queue, i);
        }
    }
    for (size_t i = 0; i < 900; i++) {
        cot_case cases[3];
        for (size_t j = 0; j < 3; j++) {
            cases[j] = (cot_case){attempt_get, NULL, &turns[j]};
        }
        cot_choice choice;
        cot_choice_init(&choice, cases, 3, NULL);
        CHECK_EQ(cot_choice_wait(&choice, &parker, COT_NEVER), COT_OK);
        CHECK_EQ(choice.status, COT_OK);
        CHECK_EQ(take_number(turns[choice.decided].payload), choice.decided);
        seen[choice.decided]++;
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(seen[i] > 100);
        CHECK_EQ(cot_queue_len(turns[i].queue), 1000 - seen[i]);
        cot_object_unref(cot_queue_object(turns[i].queue));
    }
}

typedef struct {
    cot_queue *queue;
    cot_parker parker;
} getter;

static void
get_one(void *arg, size_t idx)
{
    (void)idx;
    getter *own = arg;
    cot_payload *payload;
    CHECK_EQ(cot_queue_get(own->queue, &own->parker, COT_NEVER, &payload),
             COT_OK);
    take_number(payload);
}

static void
ignore(cot_choice *choice)
{
    (void)choice;
}

// The choice stands before the getter, and is woken by the item; but the event
// is set, too.  Whichever it takes, the getter has what is left.
static void
what_it_does_not_use_is_passed_on(void)
{
    bool took_item = false, took_event = false;
    while (!took_item || !took_event) {
        getter own = {.queue = new_queue(0)};
        cot_event *event = new_event();
        queue_turn get = {.queue = own.queue};
        cot_case cases[] = {
            {attempt_get, NULL, &get},
            {attempt_wait, NULL, event},
        };
        cot_choice choice;
        cot_choice_init(&choice, cases, 2, ignore);
        CHECK(!cot_choice_try(&choice));
        CHECK_EQ(cot_choice_stand(&choice), COT_TIMED_OUT);
        test_threads threads;
        start_threads(&threads, 1, get_one, &own);
        WAIT_UNTIL(is_asleep(&own.parker));
        put_number(own.queue, 7);
        cot_event_set(event);
        CHECK(!cot_choice_leave(&choice));
        CHECK(cot_choice_try(&choice));
        if (choice.decided == 0) {
            CHECK_EQ(take_number(get.payload), 7);
            put_number(own.queue, 8);
            took_item = true;
        }
        else {
            took_event = true;
        }
        join_threads(&threads);
        cot_object_unref(cot_queue_object(own.queue));
        cot_object_unref(cot_event_object(event));
    }
}

static void
who_gives_up_passes_it_on(void)
{
    getter own = {.queue = new_queue(0)};
    queue_turn get = {.queue = own.queue};
    cot_case one = {attempt_get, NULL, &get};
    cot_choice choice;
    cot_choice_init(&choice, &one, 1, ignore);
    CHECK_EQ(cot_choice_stand(&choice), COT_TIMED_OUT);
    test_threads threads;
    start_threads(&threads, 1, get_one, &own);
    WAIT_UNTIL(is_asleep(&own.parker));
    put_number(own.queue, 7);
    CHECK(!cot_choice_leave(&choice));
    cot_choice_give_up(&choice);
    join_threads(&threads);
    cot_object_unref(cot_queue_object(own.queue));
}

static void
a_lock_is_not_kept_for_it(void)
{
    cot_mutex *mutex = cot_mutex_create(false);
    cot_owner other = cot_owner_here(2);
    cot_parker parker = {0};
    cot_case one = {attempt_acquire, NULL, mutex};
    cot_choice choice;
    CHECK_EQ(cot_mutex_acquire(mutex, other, &parker, COT_NOW), COT_OK);
    cot_choice_init(&choice, &one, 1, ignore);
    CHECK(!cot_choice_try(&choice));
    CHECK_EQ(cot_choice_stand(&choice), COT_TIMED_OUT);
    CHECK_EQ(cot_mutex_release(mutex, other), COT_OK);
    CHECK_EQ(cot_mutex_acquire(mutex, other, &parker, COT_NOW), COT_OK);
    CHECK_EQ(cot_mutex_release(mutex, other), COT_OK);
    CHECK(!cot_choice_leave(&choice));
    CHECK(cot_choice_try(&choice));
    CHECK_EQ(choice.status, COT_OK);
    CHECK_EQ(cot_mutex_release(mutex, cot_owner_here(1)), COT_OK);
    cot_object_unref(cot_mutex_object(mutex));
}

// ---- meeting -------------------------------------------------------------

static void
it_is_claimed_once(void)
{
    cot_parker parker = {0};
    cot_channel *channels[] = {new_channel(0), new_channel(0)};
    cot_channel_turn turns[2] = {
        {.channel = channels[0], .payload = number_payload(1)},
        {.channel = channels[1]},
    };
    cot_case cases[2] = {
        {cot_channel_attempt_send, cot_channel_withdraw_send, &turns[0]},
        {cot_channel_attempt_recv, cot_channel_withdraw_recv, &turns[1]},
    };
    cot_choice choice;
    cot_payload *payload;
    cot_choice_init(&choice, cases, 2, ignore);
    CHECK(!cot_choice_try(&choice));
    CHECK_EQ(cot_choice_stand(&choice), COT_TIMED_OUT);
    CHECK_EQ(cot_channel_recv(channels[0], &parker, COT_NOW, &payload),
             COT_OK);
    CHECK_EQ(take_number(payload), 1);
    payload = number_payload(2);
    CHECK_EQ(cot_channel_send(channels[1], &parker, COT_NOW, payload),
             COT_TIMED_OUT);
    CHECK(cot_choice_leave(&choice));
    CHECK_EQ(choice.decided, 0);
    CHECK_EQ(choice.status, COT_OK);
    CHECK_EQ(take_number(payload), 2);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(cot_channel_len(channels[i]), 0);
        cot_object_unref(cot_channel_object(channels[i]));
    }
}

static void
it_does_not_meet_itself(void)
{
    cot_channel *channel = new_channel(0);
    cot_parker parker = {0};
    cot_channel_turn turns[2] = {
        {.channel = channel, .payload = number_payload(1)},
        {.channel = channel},
    };
    cot_case cases[2] = {
        {cot_channel_attempt_send, cot_channel_withdraw_send, &turns[0]},
        {cot_channel_attempt_recv, cot_channel_withdraw_recv, &turns[1]},
    };
    cot_choice choice;
    cot_choice_init(&choice, cases, 2, NULL);
    CHECK_EQ(cot_choice_wait(&choice, &parker, cot_clock_after(COT_MS)),
             COT_TIMED_OUT);
    CHECK_EQ(take_number(turns[0].payload), 1);
    cot_object_unref(cot_channel_object(channel));
}

static void
a_close_is_an_answer(void)
{
    for (int side = 0; side < 2; side++) {
        cot_channel *channel = new_channel(0);
        cot_channel_turn turn = {
            .channel = channel,
            .payload = side ? NULL : number_payload(3),
        };
        cot_case one = {
            side ? cot_channel_attempt_recv : cot_channel_attempt_send,
            side ? cot_channel_withdraw_recv : cot_channel_withdraw_send,
            &turn,
        };
        cot_choice choice;
        cot_choice_init(&choice, &one, 1, ignore);
        CHECK_EQ(cot_choice_stand(&choice), COT_TIMED_OUT);
        CHECK_EQ(cot_channel_close(channel, COT_RECV_END, false), COT_OK);
        CHECK(cot_choice_leave(&choice));
        CHECK_EQ(choice.status, COT_SHUT_DOWN);
        if (!side) {
            CHECK_EQ(take_number(turn.payload), 3);
        }
        cot_object_unref(cot_channel_object(channel));
    }
}

static void
what_was_received_is_put_back(void)
{
    cot_channel *channel = new_channel(0);
    cot_parker parker = {0};
    cot_payload *payload;
    bool was_awaited;
    for (uint64_t i = 1; i <= 2; i++) {
        CHECK_EQ(cot_channel_post(channel, number_payload(i), &was_awaited),
                 COT_OK);
    }
    CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &payload), COT_OK);
    cot_channel_put_back(channel, payload);
    for (uint64_t i = 1; i <= 2; i++) {
        CHECK_EQ(cot_channel_recv(channel, &parker, COT_NOW, &payload),
                 COT_OK);
        CHECK_EQ(take_number(payload), i);
    }
    CHECK_EQ(cot_channel_close(channel, COT_RECV_END, true), COT_OK);
    cot_channel_put_back(channel, number_payload(9));
    CHECK_EQ(cot_channel_len(channel), 0);
    cot_object_unref(cot_channel_object(channel));
}

// ---- many, without end ---------------------------------------------------

#define SIDE 3
#define ITEMS 2000
#define PLACES 3  // two channels and a queue

typedef struct {
    cot_channel *channels[2];
    cot_queue *queue;
    cot_parker parkers[SIDE * 2];
    atomic_int fates[SIDE * ITEMS];  // 1 sent, 2 received; added up
    atomic_bool is_over;
    atomic_size_t traded;
    uint64_t seed;
} fair;

typedef struct {
    cot_channel_turn channel_turns[2][2];  // by channel and direction
    queue_turn puts, gets;
    cot_case cases[6];
    size_t len;
} stall;

enum { SENDS = 1, RECEIVES = 2 };

static void
set_up_stall(stall *own, fair *all, int directions, uint64_t number)
{
    cot_payload *payload = NULL;
    *own = (stall){.len = 0};
    if (directions & SENDS) {
        payload = number_payload(number);
    }
    for (int i = 0; i < 2; i++) {
        own->channel_turns[i][0] = (cot_channel_turn){
            .channel = all->channels[i], .payload = payload};
        own->channel_turns[i][1] = (cot_channel_turn){
            .channel = all->channels[i]};
        if (directions & SENDS) {
            own->cases[own->len++] = (cot_case){cot_channel_attempt_send,
                                                cot_channel_withdraw_send,
                                                &own->channel_turns[i][0]};
        }
        if (directions & RECEIVES) {
            own->cases[own->len++] = (cot_case){cot_channel_attempt_recv,
                                                cot_channel_withdraw_recv,
                                                &own->channel_turns[i][1]};
        }
    }
    own->puts = (queue_turn){all->queue, payload};
    own->gets = (queue_turn){.queue = all->queue};
    if (directions & SENDS) {
        own->cases[own->len++] = (cot_case){attempt_put, NULL, &own->puts};
    }
    if (directions & RECEIVES) {
        own->cases[own->len++] = (cot_case){attempt_get, NULL, &own->gets};
    }
}

// What came of it: a number is received, or is sent.
static void
note_fate(stall *own, fair *all, const cot_choice *choice, uint64_t number)
{
    const cot_case *one = &own->cases[choice->decided];
    cot_payload *received = NULL;
    if (one->attempt == attempt_get) {
        received = own->gets.payload;
    }
    else if (one->attempt == cot_channel_attempt_recv) {
        received = ((cot_channel_turn *)one->arg)->payload;
    }
    if (received != NULL) {
        atomic_fetch_add(&all->fates[take_number(received)], 2);
    }
    else {
        atomic_fetch_add(&all->fates[number], 1);
    }
    atomic_fetch_add(&all->traded, 1);
}

static bool
was_sent(const stall *own, const cot_choice *choice)
{
    const cot_case *one = &own->cases[choice->decided];
    return one->attempt == attempt_put
           || one->attempt == cot_channel_attempt_send;
}

// Waits for ever: a wake-up that is lost is the end of it.
static void
trade_in_earnest(void *arg, size_t idx)
{
    fair *all = arg;
    for (uint64_t i = 0; i < ITEMS; i++) {
        uint64_t number = (idx % SIDE) * ITEMS + i;
        stall own;
        cot_choice choice;
        set_up_stall(&own, all, idx < SIDE ? SENDS : RECEIVES, number);
        cot_choice_init(&choice, own.cases, own.len, NULL);
        CHECK_EQ(cot_choice_wait(&choice, &all->parkers[idx], COT_NEVER),
                 COT_OK);
        CHECK_EQ(choice.status, COT_OK);
        note_fate(&own, all, &choice, number);
    }
}

static void
open_fair(fair *all)
{
    *all = (fair){
        .channels = {new_channel(0), new_channel(1)},
        .queue = new_queue(1),
        .seed = test_seed(),
    };
}

static void
close_fair(fair *all)
{
    for (size_t i = 0; i < 2; i++) {
        cot_object_unref(cot_channel_object(all->channels[i]));
    }
    cot_object_unref(cot_queue_object(all->queue));
}

static void
all_is_traded_once(void)
{
    static fair all;
    open_fair(&all);
    test_threads threads;
    start_threads(&threads, SIDE * 2, trade_in_earnest, &all);
    join_threads(&threads);
    for (size_t i = 0; i < SIDE * ITEMS; i++) {
        CHECK_EQ(atomic_load(&all.fates[i]), 3);
    }
    close_fair(&all);
}

static bool
is_closed(const stall *own, const cot_choice *choice)
{
    (void)own;
    return choice->status == COT_SHUT_DOWN;
}

// Everybody sends and receives at once, and gives up now and then.
static void
trade_in_passing(void *arg, size_t idx)
{
    fair *all = arg;
    uint64_t random = all->seed + idx;
    uint64_t number = (idx % SIDE) * ITEMS + (idx / SIDE) * (ITEMS / 2);
    uint64_t end = number + ITEMS / 2;
    bool is_over = false;
    while (!is_over) {
        int directions = number == end ? RECEIVES
                                       : 1 + (int)random_below(&random, 3);
        int64_t deadline_ns = idx < 2 || random_below(&random, 2)
                                  ? cot_clock_after(random_below(&random, 60)
                                                    * COT_US)
                                  : COT_NEVER;
        stall own;
        cot_choice choice;
        set_up_stall(&own, all, directions, number);
        cot_choice_init(&choice, own.cases, own.len, NULL);
        cot_status status = cot_choice_wait(&choice, &all->parkers[idx],
                                            deadline_ns);
        if (status == COT_INTERRUPTED) {
            CHECK(cot_parker_calm(&all->parkers[idx]));
        }
        bool sent = false;
        if (status == COT_OK && !is_closed(&own, &choice)) {
            CHECK_EQ(choice.status, COT_OK);
            note_fate(&own, all, &choice, number);
            sent = was_sent(&own, &choice);
        }
        is_over = status == COT_OK && is_closed(&own, &choice);
        if ((directions & SENDS) && !sent) {
            CHECK_EQ(take_number(own.puts.payload), number);
        }
        number += sent;
    }
}

static void
disturb(fair *all, test_threads *threads)
{
    uint64_t random = all->seed + SIDE * 2;
    while (atomic_load(&all->traded) < SIDE * ITEMS) {
        size_t victim = random_below(&random, SIDE * 2);
        if (random_below(&random, 2)) {
            send_signal(threads->all[victim].thread);
        }
        else {
            cot_parker_interrupt(&all->parkers[victim]);
        }
        int64_t until_ns = cot_clock_after(random_below(&random, 50) * COT_US);
        while (cot_clock_ns() < until_ns) {
            cot_thread_yield();
        }
    }
}

static void
nothing_is_lost_when_all_meet_all(void)
{
    static fair all;
    open_fair(&all);
    test_threads threads;
    start_threads(&threads, SIDE * 2, trade_in_passing, &all);
    disturb(&all, &threads);
    cot_queue_shut_down(all.queue, true);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(cot_channel_close(all.channels[i], COT_RECV_END, true),
                 COT_OK);
    }
    join_threads(&threads);
    size_t dropped = 0;
    for (size_t i = 0; i < SIDE * ITEMS; i++) {
        int fate = atomic_load(&all.fates[i]);
        CHECK(fate == 0 || fate == 1 || fate == 3);
        dropped += fate == 1;
    }
    // What was in line: one in the channel, one in the queue.
    CHECK(dropped <= 2);
    close_fair(&all);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(nothing_to_wait_for),
        TEST(each_that_is_ready_has_its_turn),
        TEST(what_it_does_not_use_is_passed_on),
        TEST(who_gives_up_passes_it_on),
        TEST(a_lock_is_not_kept_for_it),
        TEST(it_is_claimed_once),
        TEST(it_does_not_meet_itself),
        TEST(a_close_is_an_answer),
        TEST(what_was_received_is_put_back),
        TEST(all_is_traded_once),
        TEST(nothing_is_lost_when_all_meet_all),
        {0},
    };
    return run_tests(tests, argc, argv);
}
