#include "types/async_wait.h"

#include "core/inbox.h"
#include "core/waits.h"
#include "port/memory.h"
#include "types/arguments.h"
#include "types/errors.h"
#include "types/selection.h"

struct InboxObject {
    PyObject_HEAD
    cot_inbox *inbox;     // shared: one reference
    module_state *state;  // borrowed; NULL: its interpreter has ended
    InboxObject *next;    // borrowed: in the state's list
    InboxObject *prev;
};

#define InboxObject_CAST(op) ((InboxObject *)(op))

// Not in Python's memory, which may be gone while others still look at it.
struct async_wait {
    selection selection;
    cot_note note;
    cot_inbox *inbox;        // shared: one reference
    PyObject *waker;         // owned: what is told when it may go on, or NULL
    PyObject *cases;         // owned: of a select, or NULL
    PyObject *label;         // owned: the task's name, a str, or NULL
    cot_wait_record record;  // listed while it stands
    bool is_listed;
    int64_t since_ns;
    module_state *state;
    async_wait *next;  // borrowed: in the state's list, until it is over
    async_wait *prev;
    bool is_over;
};

typedef struct {
    PyObject_HEAD
    async_wait *own;  // owned
} WaitObject;

#define WaitObject_CAST(op) ((WaitObject *)(op))

// ---- inbox ---------------------------------------------------------------

static PyObject *
inbox_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    module_state *state = state_of_type(type);
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, ":Inbox", keywords)) {
        return NULL;
    }
    InboxObject *self = (InboxObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->inbox = cot_inbox_create();
    if (self->inbox == NULL) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_OSError,
                        "there are no file descriptors left for the inbox of "
                        "an event loop");
        return NULL;
    }
    self->state = state;
    self->next = state->inboxes;
    if (self->next != NULL) {
        self->next->prev = self;
    }
    state->inboxes = self;
    return (PyObject *)self;
}

static void
leave_list(InboxObject *self)
{
    if (self->state != NULL) {
        *(self->prev ? &self->prev->next : &self->state->inboxes) = self->next;
        if (self->next != NULL) {
            self->next->prev = self->prev;
        }
        self->state = NULL;
    }
}

void
async_ring(module_state *state)
{
    for (const InboxObject *at = state->inboxes; at != NULL; at = at->next) {
        cot_inbox_ring(at->inbox);
    }
}

static void
inbox_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    leave_list(InboxObject_CAST(op));
    cot_inbox_unref(InboxObject_CAST(op)->inbox);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
inbox_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(cot_inbox_file(InboxObject_CAST(op)->inbox));
}

PyDoc_STRVAR(take_doc, "take($self, /)\n--\n\n"
                       "The wakers of the waits that may go on.");

static PyObject *
inbox_take(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cot_inbox *inbox = InboxObject_CAST(op)->inbox;
    PyObject *wakers = PyList_New(0);
    cot_note *note;
    cot_inbox_calm(inbox);
    while (wakers != NULL && (note = cot_inbox_take(inbox)) != NULL) {
        async_wait *own = note->asker;
        if (own->waker != NULL && PyList_Append(wakers, own->waker) < 0) {
            Py_CLEAR(wakers);
        }
    }
    return wakers;
}

static PyMethodDef inbox_methods[] = {
    {"fileno", inbox_fileno, METH_NOARGS,
     PyDoc_STR("fileno($self, /)\n--\n\nWhat to poll for reading.")},
    {"take", inbox_take, METH_NOARGS, take_doc},
    {NULL},
};

PyDoc_STRVAR(inbox_doc, "Inbox()\n--\n\n"
                        "Where an event loop hears which waits may go on.");

static PyType_Slot inbox_slots[] = {
    {Py_tp_doc, (void *)inbox_doc},
    {Py_tp_new, inbox_new},
    {Py_tp_dealloc, inbox_dealloc},
    {Py_tp_methods, inbox_methods},
    {0, NULL},
};

PyType_Spec cot_inbox_spec = {
    .name = "coterie._core.Inbox",
    .basicsize = sizeof(InboxObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = inbox_slots,
};

// ---- wait ----------------------------------------------------------------

static void
post(cot_choice *choice)
{
    async_wait *own = (async_wait *)((char *)choice
                                     - offsetof(async_wait, selection)
                                     - offsetof(selection, choice));
    cot_inbox_post(own->inbox, &own->note);
}

static void
enlist(async_wait *own)
{
    own->next = own->state->waits;
    if (own->next != NULL) {
        own->next->prev = own;
    }
    own->state->waits = own;
}

// For coterie.debug.  What it says of a wait for several things is that it is one.
static void
list_wait(async_wait *own)
{
    const turn *first = &own->selection.turns[0];
    const blocking_op *op = own->selection.len == 1 ? first->how->op : NULL;
    const char *label = own->label ? PyUnicode_AsUTF8(own->label) : NULL;
    if (label == NULL) {
        PyErr_Clear();
    }
    own->record = (cot_wait_record){
        .facts = {.kind = COT_WAIT_TASK,
                  .verb = op ? op->verb : "coterie.aio.select",
                  .object = op && op->object ? op->object(first->arg) : NULL,
                  .awaited = op && op->awaited ? op->awaited(first->arg)
                                               : NULL,
                  .since_ns = own->since_ns,
                  .deadline_ns = COT_NEVER,
                  .interpreter = own->state->id,
                  .thread = cot_thread_self()},
        .label = label,
    };
    own->is_listed = true;
    cot_waits_begin(&own->record);
}

static void
delist_wait(async_wait *own)
{
    if (own->is_listed) {
        own->is_listed = false;
        cot_waits_end(&own->record);
    }
}

// Its place in all lines is empty from here on, and nobody posts it any more.
// Whether it was decided meanwhile.
static bool
withdraw(async_wait *own)
{
    delist_wait(own);
    bool is_decided = cot_choice_leave(&own->selection.choice);
    cot_inbox_remove(own->inbox, &own->note);
    return is_decided;
}

static void
end(async_wait *own)
{
    own->is_over = true;
    *(own->prev ? &own->prev->next : &own->state->waits) = own->next;
    if (own->next != NULL) {
        own->next->prev = own->prev;
    }
}

static void
cancel(async_wait *own)
{
    if (own->is_over) {
        return;
    }
    end(own);
    if (withdraw(own)) {
        selection_undo(&own->selection);
    }
    else {
        cot_choice_give_up(&own->selection.choice);
        selection_drop(&own->selection);
    }
}

void
async_waits_end(module_state *state)
{
    while (state->waits != NULL) {
        cancel(state->waits);
    }
    while (state->inboxes != NULL) {
        leave_list(state->inboxes);
    }
}

// What Wait() is given.
static int
begin_cases(async_wait *own, module_state *state, const char *name,
            PyObject *cases, cot_owner owner)
{
    selection *all = &own->selection;
    Py_ssize_t len = PyTuple_GET_SIZE(cases);
    if (selection_open(all, (size_t)len) < 0) {
        return -1;
    }
    if (name != NULL) {
        return selection_add(all, state, PyTuple_GET_ITEM(cases, 0), name,
                             len > 1 ? PyTuple_GET_ITEM(cases, 1) : NULL,
                             owner);
    }
    for (Py_ssize_t i = 0; i < len; i++) {
        if (selection_add_case(all, state, PyTuple_GET_ITEM(cases, i), owner)
            < 0) {
            selection_drop(all);
            return -1;
        }
    }
    own->cases = Py_NewRef(cases);
    return 0;
}

static void
destroy(async_wait *own)
{
    selection_close(&own->selection);
    cot_inbox_unref(own->inbox);
    Py_CLEAR(own->waker);
    Py_CLEAR(own->cases);
    Py_CLEAR(own->label);
    cot_free(own);
}

static PyObject *
wait_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"inbox", "actor", "name", "cases", NULL};
    module_state *state = state_of_type(type);
    PyObject *inbox, *cases;
    unsigned long long actor;
    const char *name;
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O!KzO!:Wait", keywords,
                                        state->inbox_type, &inbox, &actor,
                                        &name, &PyTuple_Type, &cases)) {
        return NULL;
    }
    async_wait *own = cot_alloc_zeroed(sizeof(*own));
    if (own == NULL) {
        return PyErr_NoMemory();
    }
    cot_owner owner = owner_here(state);
    if (actor != 0) {
        owner.actor = actor;
    }
    own->state = state;
    own->inbox = InboxObject_CAST(inbox)->inbox;
    cot_inbox_ref(own->inbox);
    own->note.asker = own;
    WaitObject *self = (WaitObject *)type->tp_alloc(type, 0);
    if (self == NULL || begin_cases(own, state, name, cases, owner) < 0) {
        Py_XDECREF(self);
        destroy(own);
        return NULL;
    }
    selection_ready(&own->selection, post);
    own->since_ns = cot_clock_ns();
    enlist(own);
    self->own = own;
    return (PyObject *)self;
}

static int
wait_traverse(PyObject *op, visitproc visit, void *arg)
{
    async_wait *own = WaitObject_CAST(op)->own;
    Py_VISIT(Py_TYPE(op));
    if (own != NULL) {
        Py_VISIT(own->waker);
        Py_VISIT(own->cases);
        for (size_t i = 0; i < own->selection.len; i++) {
            Py_VISIT(own->selection.turns[i].target);
        }
    }
    return 0;
}

static int
wait_clear(PyObject *op)
{
    async_wait *own = WaitObject_CAST(op)->own;
    if (own != NULL) {
        Py_CLEAR(own->waker);
    }
    return 0;
}

static void
wait_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    async_wait *own = WaitObject_CAST(op)->own;
    if (own != NULL) {
        cancel(own);
        destroy(own);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

static bool
is_over(async_wait *own)
{
    if (own->is_over) {
        PyErr_SetString(PyExc_RuntimeError, "the wait is over");
    }
    return own->is_over;
}

static PyObject *
outcome(async_wait *own)
{
    size_t idx = own->selection.choice.decided;
    end(own);
    PyObject *value = selection_finish(
        &own->selection,
        own->cases ? PyTuple_GET_ITEM(own->cases, (Py_ssize_t)idx) : NULL);
    return value ? Py_BuildValue("nN", (Py_ssize_t)idx, value) : NULL;
}

PyDoc_STRVAR(step_doc,
             "step($self, /)\n--\n\n"
             "(index, value) of the case that was done; or None: the waker\n"
             "comes out of the inbox when it may go on, to step again.");

static PyObject *
wait_step(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    async_wait *own = WaitObject_CAST(op)->own;
    cot_choice *choice = &own->selection.choice;
    if (is_over(own)) {
        return NULL;
    }
    cot_status status = withdraw(own) ? COT_OK : COT_AGAIN;
    while (status == COT_AGAIN) {
        status = cot_choice_try(choice) ? COT_OK : cot_choice_stand(choice);
    }
    if (status == COT_TIMED_OUT) {
        list_wait(own);
        Py_RETURN_NONE;
    }
    return outcome(own);
}

PyDoc_STRVAR(expire_doc,
             "expire($self, /)\n--\n\n"
             "Time is up: (index, value), of a single case also if it was\n"
             "not done; or None.  If it is not over, it has to wait on.");

static PyObject *
wait_expire(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    async_wait *own = WaitObject_CAST(op)->own;
    cot_choice *choice = &own->selection.choice;
    if (is_over(own)) {
        return NULL;
    }
    if (withdraw(own) || cot_choice_try(choice)) {
        return outcome(own);
    }
    if (own->selection.len == 1) {
        if (turn_is_late(&own->selection.turns[0])) {
            Py_RETURN_NONE;
        }
        choice->decided = 0;
        choice->status = COT_TIMED_OUT;
        return outcome(own);
    }
    end(own);
    selection_drop(&own->selection);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cancel_doc,
             "cancel($self, /)\n--\n\n"
             "End it: what was done, but not taken yet, is given back.");

static PyObject *
wait_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cancel(WaitObject_CAST(op)->own);
    Py_RETURN_NONE;
}

static PyObject *
wait_get_over(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(WaitObject_CAST(op)->own->is_over);
}

static PyObject *
wait_get_waker(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *waker = WaitObject_CAST(op)->own->waker;
    return Py_NewRef(waker ? waker : Py_None);
}

static int
wait_set_waker(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(WaitObject_CAST(op)->own->waker,
               value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static PyObject *
wait_get_label(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *label = WaitObject_CAST(op)->own->label;
    return Py_NewRef(label ? label : Py_None);
}

static int
wait_set_label(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    async_wait *own = WaitObject_CAST(op)->own;
    if (value == NULL || !PyUnicode_CheckExact(value) || own->is_listed) {
        PyErr_SetString(PyExc_TypeError,
                        "label must be a str, set before the wait begins");
        return -1;
    }
    Py_XSETREF(own->label, Py_NewRef(value));
    return 0;
}

static PyMethodDef wait_methods[] = {
    {"step", wait_step, METH_NOARGS, step_doc},
    {"expire", wait_expire, METH_NOARGS, expire_doc},
    {"cancel", wait_cancel, METH_NOARGS, cancel_doc},
    {NULL},
};

static PyGetSetDef wait_getset[] = {
    {"over", wait_get_over, NULL, PyDoc_STR("Whether it has ended."), NULL},
    {"waker", wait_get_waker, wait_set_waker,
     PyDoc_STR("What comes out of the inbox, or None."), NULL},
    {"label", wait_get_label, wait_set_label,
     PyDoc_STR("The task's name, for coterie.debug; or None."), NULL},
    {NULL},
};

PyDoc_STRVAR(wait_doc,
             "Wait(inbox, actor, name, cases)\n--\n\n"
             "A wait of a task: for the operation of that name on cases[0],\n"
             "with the value cases[1] if there is one; or, if name is None,\n"
             "for the first of select's cases.  The actor is the task's, or\n"
             "0 where it does not matter.");

static PyType_Slot wait_slots[] = {
    {Py_tp_doc, (void *)wait_doc},   {Py_tp_new, wait_new},
    {Py_tp_traverse, wait_traverse}, {Py_tp_clear, wait_clear},
    {Py_tp_dealloc, wait_dealloc},   {Py_tp_methods, wait_methods},
    {Py_tp_getset, wait_getset},     {0, NULL},
};

PyType_Spec cot_wait_spec = {
    .name = "coterie._core.Wait",
    .basicsize = sizeof(WaitObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = wait_slots,
};
