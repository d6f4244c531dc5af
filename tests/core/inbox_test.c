#include "core/inbox.h"

#include "port/thread.h"
#include "support/check.h"

#include <poll.h>

static bool
is_readable(const cot_inbox *inbox, int timeout_ms)
{
    struct pollfd polled = {.fd = cot_inbox_file(inbox), .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static cot_inbox *
new_inbox(void)
{
    cot_inbox *inbox = cot_inbox_create();
    CHECK(inbox != NULL);
    return inbox;
}

static void
notes_come_out_in_order(void)
{
    cot_inbox *inbox = new_inbox();
    cot_note notes[3] = {0};
    CHECK(!is_readable(inbox, 0));
    CHECK(cot_inbox_take(inbox) == NULL);
    for (size_t i = 0; i < 3; i++) {
        cot_inbox_post(inbox, &notes[i]);
        cot_inbox_post(inbox, &notes[0]);
    }
    CHECK(is_readable(inbox, 0));
    cot_inbox_remove(inbox, &notes[1]);
    cot_inbox_remove(inbox, &notes[1]);
    cot_inbox_calm(inbox);
    CHECK(!is_readable(inbox, 0));
    CHECK(cot_inbox_take(inbox) == &notes[0]);
    CHECK(cot_inbox_take(inbox) == &notes[2]);
    CHECK(cot_inbox_take(inbox) == NULL);
    cot_inbox_post(inbox, &notes[2]);
    CHECK(is_readable(inbox, 0));
    CHECK(cot_inbox_take(inbox) == &notes[2]);
    cot_inbox_ref(inbox);
    cot_inbox_unref(inbox);
    cot_inbox_unref(inbox);
    cot_inbox_unref(NULL);
}

#define POSTS 20000

typedef struct {
    cot_inbox *inbox;
    cot_note notes[4];
    atomic_bool may_post[4];
} post_office;

// Each has one note, and posts it again once it has been taken.
static void
post_often(void *arg, size_t idx)
{
    post_office *own = arg;
    for (int i = 0; i < POSTS / 4; i++) {
        while (!atomic_exchange(&own->may_post[idx], false)) {
            cot_thread_yield();
        }
        cot_inbox_post(own->inbox, &own->notes[idx]);
    }
}

static void
no_note_is_missed(void)
{
    post_office own = {.inbox = new_inbox()};
    test_threads threads;
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&own.may_post[i], true);
    }
    start_threads(&threads, 4, post_often, &own);
    for (int left = POSTS; left > 0;) {
        CHECK(is_readable(own.inbox, 20000));
        cot_inbox_calm(own.inbox);
        cot_note *note;
        while ((note = cot_inbox_take(own.inbox)) != NULL) {
            atomic_store(&own.may_post[note - own.notes], true);
            left--;
        }
    }
    join_threads(&threads);
    CHECK(cot_inbox_take(own.inbox) == NULL);
    cot_inbox_unref(own.inbox);
}

static bool
attempt_create(void *arg)
{
    (void)arg;
    cot_inbox *inbox = cot_inbox_create();
    cot_inbox_unref(inbox);
    return inbox != NULL;
}

static void
memory_may_run_out(void)
{
    CHECK_EQ(fail_each_allocation(attempt_create, NULL), 1);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(notes_come_out_in_order),
        TEST(no_note_is_missed),
        TEST(memory_may_run_out),
        {0},
    };
    return run_tests(tests, argc, argv);
}
