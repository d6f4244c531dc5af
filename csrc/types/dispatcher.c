#include "types/dispatcher.h"

#include "port/memory.h"
#include "types/blocking.h"
#include "types/errors.h"
#include "types/future_type.h"

#define STACK_SIZE ((size_t)16 << 20)

typedef struct {
    cot_home *home;                   // shared: one reference
    module_state *state;              // borrowed: as the interpreter
    PyInterpreterState *interpreter;  // borrowed: it joins us before it ends
} post;

static int start_taker(module_state *state, uint32_t max);

static PyObject *
read_note(module_state *state, const cot_task *task)
{
    if (task->call_kind == COT_CALL_NOTE) {
        return cot_decode(&state->codec, task->call);
    }
    return Py_BuildValue("ss#", "warning", (const char *)task->call->bytes,
                         (Py_ssize_t)task->call->len);
}

static void
deliver_note(module_state *state, cot_task *task)
{
    PyObject *take = state_import(state, LAZY_TAKE_NOTE);
    PyObject *note = take ? read_note(state, task) : NULL;
    PyObject *done = note ? PyObject_CallOneArg(take, note) : NULL;
    if (done == NULL) {
        PyErr_FormatUnraisable("Exception ignored in a note of a worker");
    }
    Py_XDECREF(done);
    Py_XDECREF(note);
    cot_task_unref(task);
}

static bool
is_note(const cot_task *task)
{
    return task->call_kind >= COT_CALL_NOTE;
}

static void
call_due(module_state *state, cot_outbox *outbox)
{
    cot_task *task;
    while ((task = cot_outbox_next_due(outbox)) != NULL) {
        if ((is_note(task) || future_has_callbacks(task))
            && start_taker(state, 2) < 0) {
            PyErr_Clear();  // others are told later, then
        }
        if (is_note(task)) {
            deliver_note(state, task);
        }
        else {
            future_call_back(task);
        }
    }
}

static void
deliver_all(module_state *state, cot_outbox *outbox)
{
    cot_parker parker = {0};
    cot_task *task;
    for (;;) {
        PyThreadState *tstate = PyEval_SaveThread();
        cot_status status = cot_outbox_take(outbox, &parker, COT_NEVER, &task);
        PyEval_RestoreThread(tstate);
        if (status == COT_SHUT_DOWN) {
            return;
        }
        if (status == COT_OK && !is_note(task)) {
            future_publish(task);
        }
        if (status == COT_OK && cot_outbox_published(outbox, task)) {
            call_due(state, outbox);
        }
    }
}

static void
run_dispatcher(void *arg)
{
    post own = *(post *)arg;
    cot_free(arg);
    cot_outbox *outbox = cot_home_outbox(own.home);
    PyThreadState *tstate = PyThreadState_New(own.interpreter);
    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        deliver_all(own.state, outbox);
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
    }
    cot_outbox_resign(outbox);
    cot_home_unref(own.home);
}

static int
start_taker(module_state *state, uint32_t max)
{
    cot_outbox *outbox = cot_home_outbox(state->home);
    if (!cot_outbox_claim(outbox, max)) {
        return 0;
    }
    cot_status status = COT_NO_MEMORY;
    post *start = cot_alloc(sizeof(*start));
    if (start != NULL) {
        *start = (post){state->home, state, state->interpreter};
        cot_home_ref(state->home);
        status = cot_thread_start(run_dispatcher, start, STACK_SIZE,
                                  "coterie-notify");
    }
    if (status != COT_OK) {
        if (start != NULL) {
            cot_home_unref(start->home);
            cot_free(start);
        }
        cot_outbox_resign(outbox);
        raise_status(state, status);
        return -1;
    }
    return 0;
}

int
dispatcher_ensure(module_state *state)
{
    return start_taker(state, 1);
}

static bool
never_ready(void *arg)
{
    return false;
}

static cot_status
attempt_join(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_outbox_join(arg, parker, deadline_ns);
}

static const blocking_op join_op = {never_ready, attempt_join,
                                    "the end of the interpreter"};

static cot_status
attempt_settle(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_outbox_settle(arg, parker, deadline_ns);
}

static const blocking_op settle_op = {never_ready, attempt_settle};

int
dispatcher_settle(module_state *state, int64_t deadline_ns)
{
    cot_status status;
    if (cot_block(state, &settle_op, cot_home_outbox(state->home), deadline_ns,
                  &status)
        < 0) {
        return -1;
    }
    return status == COT_OK;
}

int
dispatcher_end(module_state *state, int64_t deadline_ns)
{
    cot_outbox *outbox = cot_home_outbox(state->home);
    cot_status status;
    cot_outbox_close(outbox);
    return cot_block(state, &join_op, outbox, deadline_ns, &status);
}
