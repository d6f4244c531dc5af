#include "types/waits.h"

#include "core/event.h"
#include "core/interpreter.h"
#include "core/mutex.h"
#include "core/once.h"
#include "core/rwlock.h"
#include "core/waits.h"
#include "port/memory.h"
#include "types/blocking.h"

#include <string.h>

#define STACK_SIZE ((size_t)16 << 20)
#define NAME_SIZE 64

// ---- copies --------------------------------------------------------------

typedef struct {
    size_t len;
    cot_wait_copy *all;  // owned, each with its reference
} copies;

// -1 with an exception set.
static int
take_copies(const int64_t *interpreter, copies *taken)
{
    size_t room = cot_waits_list(interpreter, NULL, 0);
    taken->len = 0;
    taken->all = cot_alloc((room + 1) * sizeof(*taken->all));
    if (taken->all == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    // What began since is left out.
    size_t count = cot_waits_list(interpreter, taken->all, room);
    taken->len = count < room ? count : room;
    return 0;
}

static void
drop_copies(copies *taken)
{
    for (size_t i = 0; i < taken->len; i++) {
        cot_object_unref(taken->all[i].facts.object);
    }
    cot_free(taken->all);
}

// ---- the list ------------------------------------------------------------

// This interpreter's object for what is waited for: a new reference.
static PyObject *
target_of(module_state *state, cot_object *object)
{
    // A handle would take part in who ends that interpreter.
    if (object == NULL || object->cls == &cot_interpreter_class) {
        Py_RETURN_NONE;
    }
    return state->codec.wrap(state->codec.context, object);
}

static bool
find_holder(cot_object *object, cot_owner *owner)
{
    const cot_class *cls = object->cls;
    if (cls == &cot_mutex_class || cls == &cot_recursive_mutex_class) {
        return cot_mutex_holder(cot_mutex_from_object(object), owner);
    }
    if (cls == &cot_rwlock_class) {
        return cot_rwlock_holder(cot_rwlock_from_object(object), owner);
    }
    return cls == &cot_once_class
           && cot_once_holder(cot_once_from_object(object), owner);
}

// (interpreter, thread) of who holds what is waited for, 0 for what is not
// known: a new reference.
static PyObject *
holder_of(cot_object *object)
{
    cot_owner owner;
    if (object == NULL || !find_holder(object, &owner)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue(
        "LK", (long long)cot_home_find_interpreter(owner.home),
        (unsigned long long)(cot_owner_is_task(owner) ? 0 : owner.actor));
}

static double
seconds_from(int64_t from_ns, int64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

// None for never.
static PyObject *
timeout_of(const cot_wait_facts *facts)
{
    if (facts->deadline_ns == COT_NEVER) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(
        seconds_from(facts->since_ns, facts->deadline_ns));
}

static PyObject *
make_row(const cot_wait_copy *copy, int64_t now_ns)
{
    const cot_wait_facts *facts = &copy->facts;
    cot_object *object = facts->object;
    return Py_BuildValue(
        "KssKzLkNdNKKN", (unsigned long long)copy->id,
        facts->kind == COT_WAIT_TASK ? "task" : "thread", facts->verb,
        (unsigned long long)(object ? object->id : 0),
        object ? object->cls->name : NULL, (long long)facts->interpreter,
        facts->thread,
        copy->label[0]
            ? PyUnicode_DecodeUTF8(copy->label,
                                   (Py_ssize_t)strlen(copy->label), "replace")
            : Py_NewRef(Py_None),
        seconds_from(facts->since_ns, now_ns), timeout_of(facts),
        (unsigned long long)(uintptr_t)facts->awaited,
        (unsigned long long)(uintptr_t)facts->serves, holder_of(object));
}

static int
add_row(module_state *state, PyObject *rows, const cot_wait_copy *copy,
        int64_t now_ns)
{
    PyObject *target = target_of(state, copy->facts.object);
    PyObject *row = target ? make_row(copy, now_ns) : NULL;
    PyObject *both = row ? PyTuple_Pack(2, row, target) : NULL;
    int failed = both == NULL || PyList_Append(rows, both) < 0;
    Py_XDECREF(both);
    Py_XDECREF(row);
    Py_XDECREF(target);
    return failed ? -1 : 0;
}

PyObject *
waits_list(module_state *state)
{
    copies taken;
    if (take_copies(NULL, &taken) < 0) {
        return NULL;
    }
    int64_t now_ns = cot_clock_ns();
    PyObject *rows = PyList_New(0);
    for (size_t i = 0; i < taken.len && rows != NULL; i++) {
        if (add_row(state, rows, &taken.all[i], now_ns) < 0) {
            Py_CLEAR(rows);
        }
    }
    drop_copies(&taken);
    return rows;
}

// ---- stacks of the interpreter whose GIL is held -------------------------

static PyObject *
describe_frame(PyFrameObject *frame)
{
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *name = file ? PyObject_GetAttrString(code, "co_name") : NULL;
    Py_DECREF(code);
    if (name == NULL) {
        Py_XDECREF(file);
        return NULL;
    }
    return Py_BuildValue("NiN", file, PyFrame_GetLineNumber(frame), name);
}

// The GIL is not let go of since the thread was seen to wait: it is in there.
static PyObject *
describe_stack(PyThreadState *tstate)
{
    PyObject *stack = PyList_New(0);
    PyFrameObject *frame = stack ? PyThreadState_GetFrame(tstate) : NULL;
    while (frame != NULL) {
        PyObject *line = describe_frame(frame);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
        if (line == NULL || PyList_Append(stack, line) < 0) {
            Py_CLEAR(stack);
            Py_CLEAR(frame);
        }
        Py_XDECREF(line);
    }
    if (stack != NULL && PyList_Reverse(stack) < 0) {
        Py_CLEAR(stack);
    }
    return stack;
}

static int
add_stack(PyObject *stacks, const cot_wait_copy *copy)
{
    char name[NAME_SIZE];
    cot_thread_name(copy->facts.thread, name, sizeof(name));
    PyObject *stack = describe_stack(copy->facts.thread_state);
    PyObject *text = stack ? PyUnicode_DecodeUTF8(
                                 name, (Py_ssize_t)strlen(name), "replace")
                           : NULL;
    PyObject *row = text ? Py_BuildValue("KOO", (unsigned long long)copy->id,
                                         text, stack)
                         : NULL;
    int failed = row == NULL || PyList_Append(stacks, row) < 0;
    Py_XDECREF(row);
    Py_XDECREF(text);
    Py_XDECREF(stack);
    return failed ? -1 : 0;
}

// A new list; NULL with an exception set.
static PyObject *
stacks_here(int64_t interpreter)
{
    copies taken;
    if (take_copies(&interpreter, &taken) < 0) {
        return NULL;
    }
    PyObject *stacks = PyList_New(0);
    for (size_t i = 0; i < taken.len && stacks != NULL; i++) {
        if (taken.all[i].facts.kind == COT_WAIT_THREAD
            && add_stack(stacks, &taken.all[i]) < 0) {
            Py_CLEAR(stacks);
        }
    }
    drop_copies(&taken);
    return stacks;
}

// ---- visits --------------------------------------------------------------

typedef struct {
    atomic_uint holders;      // who asks, and the visitor
    int64_t interpreter;      // its id
    cot_wait_record *record;  // borrowed, by the visitor: it is its guest
    cot_event *over;          // shared: one reference
    cot_payload *stacks;      // owned; written before `over` is set; or NULL
} visit;

static void
let_go(visit *own)
{
    if (atomic_fetch_sub_explicit(&own->holders, 1, memory_order_acq_rel)
        == 1) {
        cot_object_unref(cot_event_object(own->over));
        cot_payload_destroy(own->stacks);
        cot_free(own);
    }
}

static void
look_around(visit *own, module_state *there)
{
    PyObject *stacks = stacks_here(own->interpreter);
    own->stacks = stacks ? cot_encode(&there->codec, stacks) : NULL;
    Py_XDECREF(stacks);
    PyErr_Clear();
}

static void
run_visit(void *arg)
{
    visit *own = arg;
    module_state *there = own->record->host;
    PyThreadState *tstate = PyThreadState_New(there->interpreter);
    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        look_around(own, there);
        PyThreadState_Clear(tstate);
        PyThreadState_DeleteCurrent();
    }
    cot_waits_leave(own->record);
    cot_event_set(own->over);
    let_go(own);
}

// NULL: nobody waits there any more, or memory is short.
static visit *
set_out(int64_t interpreter)
{
    visit *own = cot_alloc_zeroed(sizeof(*own));
    cot_event *over = own ? cot_event_create() : NULL;
    cot_wait_record *record = over ? cot_waits_visit(interpreter) : NULL;
    if (record != NULL) {
        atomic_init(&own->holders, 2);
        own->interpreter = interpreter;
        own->record = record;
        own->over = over;
        if (cot_thread_start(run_visit, own, STACK_SIZE, "coterie-visit")
            == COT_OK) {
            return own;
        }
        cot_waits_leave(record);
    }
    cot_object_unref(over ? cot_event_object(over) : NULL);
    cot_free(own);
    return NULL;
}

static bool
is_over(void *arg)
{
    return cot_event_is_over(arg, 0);
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_event_wait(arg, 0, parker, deadline_ns);
}

static const blocking_op visit_op = {is_over, attempt_wait,
                                     "coterie.debug.waiters"};

// -1 with an exception set, but not for what comes too late.
static int
await_stacks(module_state *state, visit *own, int64_t deadline_ns,
             PyObject *stacks)
{
    cot_status status;
    if (cot_block(state, &visit_op, own->over, deadline_ns, &status) < 0) {
        return -1;
    }
    if (status != COT_OK || own->stacks == NULL) {
        return 0;
    }
    PyObject *found = cot_decode(&state->codec, own->stacks);
    Py_ssize_t len = PyList_GET_SIZE(stacks);
    int failed = found == NULL || PyList_SetSlice(stacks, len, len, found) < 0;
    Py_XDECREF(found);
    return failed ? -1 : 0;
}

// All set out before one is waited for.
static int
visit_all(module_state *state, const int64_t *ids, size_t len,
          int64_t deadline_ns, PyObject *stacks)
{
    visit **visits = cot_alloc_zeroed((len + 1) * sizeof(*visits));
    int failed = 0;
    if (visits == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        bool is_far = ids[i] != state->id && deadline_ns != COT_NOW;
        visits[i] = is_far ? set_out(ids[i]) : NULL;
    }
    for (size_t i = 0; i < len; i++) {
        if (visits[i] != NULL) {
            failed = failed < 0
                         ? failed
                         : await_stacks(state, visits[i], deadline_ns, stacks);
            let_go(visits[i]);
        }
    }
    cot_free(visits);
    return failed;
}

// Owned; NULL with an exception set.
static int64_t *
ids_from(PyObject *list)
{
    Py_ssize_t len = PyList_GET_SIZE(list);
    int64_t *ids = cot_alloc(((size_t)len + 1) * sizeof(*ids));
    if (ids == NULL) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < len && ids != NULL; i++) {
        ids[i] = PyLong_AsLongLong(PyList_GET_ITEM(list, i));
        if (ids[i] == -1 && PyErr_Occurred()) {
            cot_free(ids);
            ids = NULL;
        }
    }
    return ids;
}

PyObject *
waits_stacks(module_state *state, PyObject *list, PyObject *timeout)
{
    int64_t deadline_ns;
    if (deadline_from_timeout(timeout, false, &deadline_ns) < 0) {
        return NULL;
    }
    size_t len = (size_t)PyList_GET_SIZE(list);
    int64_t *ids = ids_from(list);
    PyObject *stacks = ids ? stacks_here(state->id) : NULL;
    if (stacks != NULL
        && visit_all(state, ids, len, deadline_ns, stacks) < 0) {
        Py_CLEAR(stacks);
    }
    cot_free(ids);
    return stacks;
}
