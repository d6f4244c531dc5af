#include "core/line.h"

#include "core/outbox.h"
#include "support/check.h"

#include <stdlib.h>

static cot_outbox *outbox;

// A task that holds a number, with one reference; NULL if there is no memory.
static cot_task *
make_task(int64_t priority, int64_t number)
{
    cot_terms *terms = NULL;
    if (priority != 0
        && (terms = cot_terms_create(number, priority, NULL)) == NULL) {
        return NULL;
    }
    cot_task *task = cot_task_create(NULL, NULL, COT_CALL_ONE, outbox);
    if (task == NULL) {
        cot_terms_unref(terms);
        return NULL;
    }
    task->terms = terms;
    return task;
}

static cot_task *
add(cot_line *line, int64_t priority)
{
    cot_task *task = make_task(priority, 0);
    CHECK(task != NULL);
    CHECK_EQ(cot_line_add(line, task), COT_OK);
    cot_task_unref(task);
    return task;
}

static void
take(cot_line *line, const cot_task *expected)
{
    cot_task *task = cot_line_take(line);
    CHECK(task == expected);
    cot_task_unref(task);
}

static void
without_priorities_the_first_is_first(void)
{
    cot_line line = {0};
    cot_task *tasks[5];
    CHECK(cot_line_take(&line) == NULL);
    for (int i = 0; i < 5; i++) {
        tasks[i] = add(&line, 0);
        CHECK_EQ(line.len, i + 1);
    }
    for (int i = 0; i < 5; i++) {
        take(&line, tasks[i]);
    }
    CHECK_EQ(line.len, 0);
    CHECK(line.heap == NULL);
    cot_line_fini(&line);
}

static void
the_highest_is_first_and_equals_keep_their_order(void)
{
    static const int64_t priorities[] = {0, -1, 5,         0, 7,
                                         5, -1, INT64_MAX, 5, INT64_MIN};
    static const int order[] = {7, 4, 2, 5, 8, 0, 3, 1, 6, 9};
    cot_line line = {0};
    cot_task *tasks[10];
    for (int i = 0; i < 10; i++) {
        tasks[i] = add(&line, priorities[i]);
    }
    for (int i = 0; i < 10; i++) {
        take(&line, tasks[order[i]]);
        CHECK_EQ(line.len, 9 - i);
    }
    CHECK(cot_line_take(&line) == NULL);
    cot_line_fini(&line);
}

// Against the plainest line there is.
static void
any_order_comes_out_sorted(void)
{
    enum { LEN = 400 };
    uint64_t state = test_seed();
    cot_line line = {0};
    cot_task *waiting[LEN];
    int len = 0;
    for (int step = 0; step < 5000; step++) {
        if (len < LEN && random_below(&state, 100) < 52) {
            waiting[len++] = add(&line, (int64_t)random_below(&state, 9) - 4);
            continue;
        }
        int best = 0;
        for (int i = 1; i < len; i++) {
            const cot_terms *a = waiting[i]->terms, *b = waiting[best]->terms;
            if ((a ? a->priority : 0) > (b ? b->priority : 0)) {
                best = i;
            }
        }
        if (len == 0) {
            CHECK(cot_line_take(&line) == NULL);
            continue;
        }
        cot_task *expected = waiting[best];
        for (int i = best; i + 1 < len; i++) {
            waiting[i] = waiting[i + 1];
        }
        len--;
        take(&line, expected);
    }
    while (len-- > 0) {
        cot_task_unref(cot_line_take(&line));
    }
    CHECK(cot_line_take(&line) == NULL);
    cot_line_fini(&line);
}

static bool
fill(void *arg)
{
    cot_line line = {0};
    bool is_whole = true;
    for (int i = 1; i <= 40 && is_whole; i++) {
        cot_task *task = make_task(i, i);
        is_whole = task != NULL;
        if (is_whole && cot_line_add(&line, task) != COT_OK) {
            CHECK_EQ(atomic_load(&task->refs), 1);
            is_whole = false;
        }
        cot_task_unref(task);
    }
    cot_task *task;
    while ((task = cot_line_take(&line)) != NULL) {
        cot_task_unref(task);
    }
    cot_line_fini(&line);
    return is_whole;
}

static void
memory_may_run_out(void)
{
    CHECK(fail_each_allocation(fill, NULL) > 80);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(without_priorities_the_first_is_first),
        TEST(the_highest_is_first_and_equals_keep_their_order),
        TEST(any_order_comes_out_sorted),
        TEST(memory_may_run_out),
        {0},
    };
    outbox = cot_outbox_create();
    int rc = run_tests(tests, argc, argv);
    cot_outbox_unref(outbox);
    return rc;
}
