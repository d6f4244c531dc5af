// The list of all waits, and its visitors.

#include "core/waits.h"

#include "core/runtime.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
destroy_counted(cot_object *object, cot_object **dead)
{
    (void)dead;
    free(object);
}

static const cot_class counted_class = {"Counted", destroy_counted, NULL};

static cot_object *
new_object(void)
{
    cot_object *object = calloc(1, sizeof(*object));
    CHECK(object != NULL);
    cot_object_init(object, &counted_class);
    return object;
}

static cot_wait_record
record_of(int64_t interpreter, cot_object *object)
{
    return (cot_wait_record){
        .facts = {.verb = "get",
                  .object = object,
                  .interpreter = interpreter,
                  .deadline_ns = COT_NEVER,
                  .thread = cot_thread_self()},
    };
}

static void
drop(cot_wait_copy *copies, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        cot_object_unref(copies[i].facts.object);
    }
}

static void
waits_are_listed_in_the_order_in_which_they_began(void)
{
    cot_wait_copy copies[4];
    cot_object *object = new_object();
    cot_wait_record first = record_of(1, object);
    cot_wait_record second = record_of(2, NULL);
    second.label = "a task with a name that is cut, as it is far too long for "
                   "what a copy has room for";
    second.facts.kind = COT_WAIT_TASK;
    cot_waits_begin(&first);
    cot_waits_begin(&second);
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 2);
    CHECK_EQ(cot_waits_list(NULL, copies, 1), 2);
    drop(copies, 1);
    CHECK_EQ(cot_waits_list(NULL, copies, 4), 2);
    CHECK(copies[0].facts.object == object && copies[0].label[0] == '\0');
    CHECK_EQ(copies[0].facts.interpreter, 1);
    CHECK_EQ(copies[1].facts.kind, COT_WAIT_TASK);
    CHECK_EQ(strlen(copies[1].label), COT_WAIT_LABEL - 1);
    CHECK(copies[0].id < copies[1].id);
    cot_waits_end(&first);
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 1);
    cot_waits_end(&second);
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 0);
    // The copy has a reference of its own.
    cot_object_unref(object);
    CHECK_EQ(atomic_load(&copies[0].facts.object->refs), 1);
    drop(copies, 2);
}

static void
the_waits_of_one_interpreter(void)
{
    cot_wait_copy copies[4];
    cot_wait_record records[3];
    for (int i = 0; i < 3; i++) {
        records[i] = record_of(i % 2, NULL);
        cot_waits_begin(&records[i]);
    }
    int64_t even = 0, none = 7;
    CHECK_EQ(cot_waits_list(&even, copies, 4), 2);
    CHECK_EQ(copies[0].id, records[0].id);
    CHECK_EQ(copies[1].id, records[2].id);
    CHECK_EQ(cot_waits_list(&none, copies, 4), 0);
    for (int i = 0; i < 3; i++) {
        cot_waits_end(&records[(i + 1) % 3]);
    }
}

// ---- visits --------------------------------------------------------------

typedef struct {
    atomic_bool has_begun;
    atomic_bool may_end;
    atomic_bool is_over;
} stay;

static void
wait_once(void *arg, size_t idx)
{
    stay *own = arg;
    cot_wait_record record = record_of(1, NULL);
    (void)idx;
    cot_waits_begin(&record);
    atomic_store(&own->has_begun, true);
    WAIT_UNTIL(atomic_load(&own->may_end));
    cot_waits_end(&record);
    atomic_store(&own->is_over, true);
}

static bool
is_leaving(cot_wait_record *record)
{
    cot_waits *waits = cot_runtime_waits();
    cot_lock_acquire(&waits->lock);
    bool waits_for_guests = !cot_waitlist_is_empty(&record->leaving);
    cot_lock_release(&waits->lock);
    return waits_for_guests;
}

static void
a_wait_with_guests_stays(void)
{
    stay own = {0};
    test_threads threads;
    CHECK(cot_waits_visit(1) == NULL);
    start_threads(&threads, 1, wait_once, &own);
    WAIT_UNTIL(atomic_load(&own.has_begun));
    CHECK(cot_waits_visit(2) == NULL);
    cot_wait_record *record = cot_waits_visit(1);
    CHECK(record != NULL && cot_waits_visit(1) == record);
    atomic_store(&own.may_end, true);
    WAIT_UNTIL(is_leaving(record));
    cot_waits_leave(record);
    CHECK(is_leaving(record) && !atomic_load(&own.is_over));
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 1);
    cot_waits_leave(record);
    join_threads(&threads);
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 0);
}

static void
nobody_visits_a_task(void)
{
    cot_wait_record record = record_of(1, NULL);
    record.facts.kind = COT_WAIT_TASK;
    cot_waits_begin(&record);
    CHECK(cot_waits_visit(1) == NULL);
    cot_waits_end(&record);
}

// ---- many at once --------------------------------------------------------

enum { WAITERS = 4, READERS = 2, ROUNDS = 3000 };

typedef struct {
    atomic_int ended;
    atomic_size_t visits;
    atomic_size_t seen;
} traffic;

static void
come_and_go(void *arg)
{
    traffic *all = arg;
    for (int i = 0; i < ROUNDS; i++) {
        cot_object *object = new_object();
        char label[] = "label";
        int host = i;
        cot_wait_record record = record_of(i % 3, object);
        record.label = label;
        record.host = &host;
        cot_waits_begin(&record);
        if (i % 16 == 0) {
            cot_thread_yield();
        }
        cot_waits_end(&record);
        // From here on none of these is read any more.
        label[0] = 'x';
        host = -1;
        cot_object_unref(object);
    }
    atomic_fetch_add(&all->ended, 1);
}

static void
read_all(traffic *all)
{
    cot_wait_copy copies[WAITERS];
    while (atomic_load(&all->ended) < WAITERS) {
        size_t count = cot_waits_list(NULL, copies, WAITERS);
        CHECK(count <= WAITERS);
        for (size_t i = 0; i < count; i++) {
            CHECK(copies[i].facts.object->cls == &counted_class);
            CHECK_EQ(copies[i].label[0], 'l');
        }
        drop(copies, count);
        atomic_fetch_add(&all->seen, count);
        cot_wait_record *record = cot_waits_visit(1);
        if (record != NULL) {
            CHECK_EQ(*(int *)record->host % 3, 1);
            cot_waits_leave(record);
            atomic_fetch_add(&all->visits, 1);
        }
    }
}

static void
take_part(void *arg, size_t idx)
{
    if (idx < WAITERS) {
        come_and_go(arg);
    }
    else {
        read_all(arg);
    }
}

static void
waits_come_and_go_while_others_look(void)
{
    traffic all = {0};
    test_threads threads;
    start_threads(&threads, WAITERS + READERS, take_part, &all);
    join_threads(&threads);
    CHECK_EQ(cot_waits_list(NULL, NULL, 0), 0);
}

// ---- fork ----------------------------------------------------------------

static void
after_a_fork_nobody_waits(void)
{
    stay own = {0};
    test_threads threads;
    cot_wait_record mine = record_of(1, NULL);
    start_threads(&threads, 1, wait_once, &own);
    WAIT_UNTIL(atomic_load(&own.has_begun));
    cot_waits_begin(&mine);
    CHECK(cot_waits_visit(1) != NULL);
    pid_t pid = fork();
    if (pid == 0) {
        cot_runtime_after_fork_in_child();
        bool is_empty = cot_waits_list(NULL, NULL, 0) == 0;
        cot_wait_record another = record_of(1, NULL);
        cot_waits_begin(&another);
        cot_waits_end(&mine);  // who forked was in it: nothing happens
        bool is_there = cot_waits_list(NULL, NULL, 0) == 1;
        cot_waits_end(&another);
        _exit(is_empty && is_there ? 0 : 1);
    }
    int wstatus;
    CHECK_EQ(waitpid(pid, &wstatus, 0), pid);
    CHECK_EQ(wstatus, 0);
    cot_wait_record *record = cot_runtime_waits()->first;
    cot_waits_leave(record);
    cot_waits_end(&mine);
    atomic_store(&own.may_end, true);
    join_threads(&threads);
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(waits_are_listed_in_the_order_in_which_they_began),
        TEST(the_waits_of_one_interpreter),
        TEST(a_wait_with_guests_stays),
        TEST(nobody_visits_a_task),
        TEST(waits_come_and_go_while_others_look),
        TEST(after_a_fork_nobody_waits),
        {0},
    };
    return run_tests(tests, argc, argv);
}
