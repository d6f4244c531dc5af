#include "types/selection.h"

#include "port/memory.h"

int
selection_open(selection *own, size_t len)
{
    *own = (selection){
        .turns = cot_alloc_zeroed((len + 1) * sizeof(turn)),
        .cases = cot_alloc_zeroed((len + 1) * sizeof(cot_case)),
    };
    if (own->turns == NULL || own->cases == NULL) {
        selection_close(own);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int
selection_add(selection *own, module_state *state, PyObject *target,
              const char *name, PyObject *value, cot_owner owner)
{
    turn *one = &own->turns[own->len];
    if (turn_begin(state, one, target, name, value, owner) < 0) {
        return -1;
    }
    own->cases[own->len++] = (cot_case){
        .attempt = one->how->op.attempt,
        .withdraw = one->how->withdraw,
        .arg = one->arg,
    };
    return 0;
}

// An interpreter with a thread of its own ends by an event.
static int
add_interpreter(selection *own, module_state *state, PyObject *interpreter,
                cot_owner owner)
{
    PyObject *ended = PyObject_CallMethod(interpreter, "_get_ended", NULL);
    if (ended == NULL) {
        return -1;
    }
    int failed = selection_add(own, state, ended, NULL, NULL, owner);
    Py_DECREF(ended);
    return failed;
}

int
selection_add_case(selection *own, module_state *state, PyObject *written,
                   cot_owner owner)
{
    if (PyTuple_CheckExact(written) && PyTuple_GET_SIZE(written) == 2) {
        return selection_add(own, state, PyTuple_GET_ITEM(written, 0), NULL,
                             PyTuple_GET_ITEM(written, 1), owner);
    }
    if (PyObject_TypeCheck(written, state->interpreter_type)) {
        return add_interpreter(own, state, written, owner);
    }
    return selection_add(own, state, written, NULL, NULL, owner);
}

void
selection_ready(selection *own, void (*notify)(cot_choice *choice))
{
    cot_choice_init(&own->choice, own->cases, own->len, notify);
}

static void
drop_others(selection *own, const turn *chosen)
{
    PyObject *pending = PyErr_GetRaisedException();
    for (size_t i = 0; i < own->len; i++) {
        if (&own->turns[i] != chosen) {
            turn_drop(&own->turns[i]);
        }
    }
    PyErr_SetRaisedException(pending);
}

static void
note_case(module_state *state, PyObject *written)
{
    PyObject *raised = PyErr_GetRaisedException();
    if (PyObject_TypeCheck(raised, (PyTypeObject *)state->coterie_error)
        && PyObject_SetAttrString(raised, "case", written) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(raised);
}

PyObject *
selection_finish(selection *own, PyObject *written)
{
    turn *chosen = &own->turns[own->choice.decided];
    drop_others(own, chosen);
    PyObject *value = turn_finish(chosen, own->choice.status);
    if (value == NULL && written != NULL) {
        note_case(chosen->state, written);
    }
    return value;
}

void
selection_undo(selection *own)
{
    turn *chosen = &own->turns[own->choice.decided];
    drop_others(own, chosen);
    turn_undo(chosen, own->choice.status);
}

void
selection_drop(selection *own)
{
    drop_others(own, NULL);
}

void
selection_close(selection *own)
{
    for (size_t i = 0; i < own->len; i++) {
        Py_CLEAR(own->turns[i].target);
    }
    own->len = 0;
    cot_free(own->turns);
    cot_free(own->cases);
    own->turns = NULL;
    own->cases = NULL;
}
