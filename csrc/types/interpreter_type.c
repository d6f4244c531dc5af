#include "types/interpreter_type.h"

#include "compat/compat.h"
#include "core/interpreter.h"
#include "core/registry.h"
#include "core/runtime.h"
#include "core/sigint.h"
#include "port/memory.h"
#include "types/async_wait.h"
#include "types/blocking.h"
#include "types/environment.h"
#include "types/errors.h"
#include "types/interrupt.h"
#include "types/opening.h"
#include "types/parking.h"
#include "types/run.h"

#include <stddef.h>
#include <string.h>

// Ends an interpreter that nobody holds: destructors run on it.
#define STACK_SIZE ((size_t)16 << 20)

// In seconds: how long the main thread waits inside without a look for signals.
#define SLICE (BLOCK_SLICE / 1e9)

typedef struct {
    PyObject_HEAD
    module_state *state;           // borrowed: the type keeps the module
    cot_interpreter *interpreter;  // shared: one reference; NULL: not ours
    int64_t id;                    // -1 until it is known
    PyObject *weakrefs;
} InterpreterObject;

#define InterpreterObject_CAST(op) ((InterpreterObject *)(op))

// What an interpreter has while it is not closed.  Whoever has its claim, and
// visitors of a run, look at it.
typedef struct {
    run_host run;      // first: visitors know no more
    PyObject *module;  // owned, over there: keeps run.state; NULL until needed
    PyObject *stock;   // owned, over there: to be used again by; or NULL
} interpreter_host;

// ---- entering and leaving ------------------------------------------------

// One thread inside one interpreter.
typedef struct {
    cot_interpreter *interpreter;  // borrowed
    PyThreadState *outer;          // where the thread came from
    cot_interpreter *before;       // what the first thread was inside
    bool is_watched;               // the first thread: for Ctrl-C
    unsigned signals;              // Ctrl-C that Python's handler has run for
} stay;

// What the handle stands for, or NULL if that is not ours.  Between CPython's
// making of an interpreter and ours it looks as if it were another's.
static cot_interpreter *
look_up(InterpreterObject *self)
{
    if (self->interpreter == NULL && self->id >= 0) {
        self->interpreter = cot_interpreter_find(self->id);
    }
    return self->interpreter;
}

static int
raise_closed(module_state *state, int64_t id)
{
    raise_lazy(state, LAZY_INTERPRETER_NOT_FOUND,
               "unrecognized interpreter ID %lld", (long long)id);
    return -1;
}

static bool
is_current(const InterpreterObject *self)
{
    return self->id == self->state->id;
}

// Attached to the interpreter, with its claim: what threads left behind.
static void
clear_seats(cot_interpreter *interpreter, bool any)
{
    PyThreadState *left;
    while ((left = cot_interpreter_take_seat(interpreter, any)) != NULL) {
        PyThreadState_Clear(left);
        PyThreadState_Delete(left);
    }
}

// With the claim: the calling thread's own thread state there, made if need be;
// NULL if there is no memory.
static PyThreadState *
take_seat(cot_interpreter *interpreter, bool *is_new)
{
    PyThreadState *tstate = cot_interpreter_seat(interpreter);
    *is_new = tstate == NULL;
    if (tstate == NULL) {
        const interpreter_host *host = interpreter->host;
        tstate = PyThreadState_New(host->run.interpreter);
        if (tstate != NULL
            && cot_interpreter_sit(interpreter, tstate) != COT_OK) {
            PyThreadState_Delete(tstate);
            tstate = NULL;
        }
    }
    return tstate;
}

static void
on_sigint(cot_interpreter *inside)
{
    // Whoever cannot be interrupted has to be waited for, as ever.
    cot_status status = interrupt_run(inside, NULL);
    (void)status;
}

// With the claim.  -1 with an exception set, still outside.
static int
go_in(cot_interpreter *interpreter, stay *own)
{
    bool is_new;
    PyThreadState *tstate = take_seat(interpreter, &is_new);
    if (tstate == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    own->interpreter = interpreter;
    own->outer = PyThreadState_Swap(tstate);
    if (is_new) {
        clear_seats(interpreter, false);
    }
    return 0;
}

static void
come_out(stay *own)
{
    (void)PyThreadState_Swap(own->outer);
}

// Inside for the first time: our module there.
static int
furnish(const cot_interpreter *interpreter)
{
    interpreter_host *host = interpreter->host;
    if (host->module != NULL) {
        return 0;
    }
    module_state *state = opening_state();
    PyObject *module = state ? PyImport_ImportModule("coterie._core") : NULL;
    if (module == NULL) {
        return -1;
    }
    host->module = module;
    host->run.state = state;
    state->id = interpreter->id;
    cot_home_settle(state->home, state->id);
    return 0;
}

// The exception now set inside, as an InterpreterError outside.
static void
carry_out_failure(stay *own, module_state *state)
{
    char reason[512] = "";
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyObject_Str(exc);
    const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
    PyOS_snprintf(reason, sizeof(reason), "%s: %s", Py_TYPE(exc)->tp_name,
                  utf8 ? utf8 : "");
    PyErr_Clear();
    Py_XDECREF(text);
    Py_DECREF(exc);
    come_out(own);
    raise_lazy(state, LAZY_INTERPRETER_ERROR,
               "coterie cannot be imported in the interpreter: %s", reason);
}

// -1 with an exception set: Ctrl-C came before, and its handler raises.
static int
begin_watch(stay *own, cot_interpreter *interpreter)
{
    // Also from inside another one: what is interrupted is the innermost.
    own->is_watched = cot_interpreter_on_first_thread();
    if (!own->is_watched) {
        return 0;
    }
    own->before = cot_sigint_enter(interpreter, on_sigint);
    own->signals = cot_sigint_count();
    return PyErr_CheckSignals();
}

static void
end_watch(const stay *own)
{
    if (own->is_watched) {
        cot_sigint_leave(own->before);
    }
}

// Inside: from now on what runs can be interrupted.
static void
open_run(cot_interpreter *interpreter, const stay *own)
{
    interpreter_host *host = interpreter->host;
    host->run.thread = cot_thread_self();
    host->run.ident = PyThread_get_thread_ident();
    host->run.parker = &interpreter->parker;
    host->run.state->host = &host->run;
    cot_interpreter_open_visits(interpreter);
    if (own->is_watched && cot_sigint_count() != own->signals) {
        // The watcher has found nothing to interrupt, perhaps.
        run_interrupt(&host->run, Py_NewRef(PyExc_KeyboardInterrupt));
    }
}

// From IDLE to running code inside.  -1 with an exception set.
static int
enter(InterpreterObject *self, stay *own)
{
    cot_interpreter *interpreter = self->interpreter;
    cot_status status = cot_interpreter_begin(interpreter);
    if (status != COT_OK) {
        if (status != COT_AGAIN) {
            return raise_closed(self->state, self->id);
        }
        raise_lazy(self->state, LAZY_INTERPRETER_ERROR,
                   "interpreter already running");
        return -1;
    }
    if (begin_watch(own, interpreter) == 0 && go_in(interpreter, own) == 0) {
        if (furnish(interpreter) == 0) {
            open_run(interpreter, own);
            return 0;
        }
        carry_out_failure(own, self->state);
    }
    end_watch(own);
    cot_interpreter_end(interpreter);
    return -1;
}

// Inside: the call is over, and cannot be interrupted any more.
static void
end_run(stay *own)
{
    interpreter_host *host = own->interpreter->host;
    cot_interpreter_end_visits(own->interpreter);
    run_calm(&host->run);
}

static void
leave(stay *own)
{
    interpreter_host *host = own->interpreter->host;
    host->run.state->host = NULL;
    come_out(own);
    end_watch(own);
    cot_interpreter_end(own->interpreter);
}

// ---- the end of an interpreter -------------------------------------------

// Attached to it by `own`, with its claim; after that to nothing.
static void
end_interpreter(cot_interpreter *interpreter, PyThreadState *own)
{
    interpreter_host *host = interpreter->host;
    if (host->run.state != NULL) {
        host->run.state->host = NULL;
        // Now, although its state may be freed later, or be kept by somebody.
        async_waits_end(host->run.state);
        cot_registry_interpreter_ended(host->run.state->home);
    }
    Py_CLEAR(host->module);
    clear_seats(interpreter, true);
    cot_interpreter_stand_up(interpreter);
    if (!parking_keep(own, host->stock)) {
        opening_end(own);
    }
    interpreter->host = NULL;
    cot_free(host);
    cot_interpreter_closed(interpreter);
}

// On a thread of its own: the last reference fell where none can be ended.
static void
end_orphan(void *arg)
{
    cot_interpreter *interpreter = arg;
    bool is_new;
    PyThreadState *tstate = take_seat(interpreter, &is_new);
    if (tstate != NULL) {
        PyEval_RestoreThread(tstate);
        end_interpreter(interpreter, tstate);
        cot_interpreter_unref(interpreter);
    }
}

static void
adopt_orphan(cot_interpreter *interpreter)
{
    // Without a thread it stays, until the process ends.
    cot_status status = cot_thread_start(end_orphan, interpreter, STACK_SIZE,
                                         "coterie-end");
    (void)status;
}

// Waits for the threads that code inside has started (`seconds` < 0: as long as
// it takes): 1 if they have ended, 0 if not in time, -1 with an exception set.
static int
join_threads(double seconds)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *threading = PyDict_GetItemString(modules, "threading");
    if (threading == NULL) {
        return 1;
    }
    PyObject *inside = PyImport_ImportModule("coterie._inside");
    PyObject *done = inside ? PyObject_CallMethod(inside, "join_threads", "d",
                                                  seconds)
                            : NULL;
    int answer = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    Py_XDECREF(inside);
    return answer;
}

// With the claim of closing, as join_threads: 1 if it is closed now.
static int
close_within(InterpreterObject *self, double seconds)
{
    stay own;
    if (go_in(self->interpreter, &own) < 0) {
        return -1;
    }
    int answer = join_threads(seconds);
    if (answer > 0) {
        end_interpreter(self->interpreter, PyThreadState_Get());
        PyEval_RestoreThread(own.outer);
    }
    else if (answer == 0) {
        come_out(&own);
    }
    else {
        carry_out_failure(&own, self->state);
    }
    return answer;
}

// With the claim of closing.  1: closed.  0: threads inside go on, and so does
// the interpreter.  -1 with an exception set.
static int
close_claimed(InterpreterObject *self, double seconds)
{
    module_state *state = self->state;
    PyThreadState *tstate = PyEval_SaveThread();
    cot_interpreter_see_off(self->interpreter);
    PyEval_RestoreThread(tstate);
    // Inside, nothing looks for signals.
    bool needs_slices = block_needs_slices(state);
    int answer = 0;
    for (bool is_last = false; answer == 0 && !is_last;) {
        is_last = !needs_slices || (seconds >= 0 && seconds <= SLICE);
        answer = close_within(self, is_last ? seconds : SLICE);
        seconds -= seconds >= 0 ? SLICE : 0;
        if (answer == 0 && block_check_signals(state) < 0) {
            answer = -1;
        }
    }
    if (answer <= 0) {
        cot_interpreter_reopen(self->interpreter);
    }
    return answer;
}

// ---- life of a handle ----------------------------------------------------

static PyObject *
interpreter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    module_state *state = state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    InterpreterObject *self = (InterpreterObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = state;
        self->id = -1;
    }
    return (PyObject *)self;
}

static int
interpreter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

// The last handle, and nobody else can get another: ends the interpreter.  Not
// while it is the current one (a thread inside had the handle): it is ended
// from elsewhere then.
static void
close_unheld(InterpreterObject *self)
{
    if (is_current(self)) {
        return;
    }
    cot_parker parker = {0};
    PyObject *pending = PyErr_GetRaisedException();
    if (cot_interpreter_begin_close(self->interpreter, &parker, COT_NOW)
            == COT_OK
        && close_claimed(self, -1) < 0) {
        // Not the handle itself: it is being deallocated.
        PyErr_FormatUnraisable("Exception ignored while closing "
                               "interpreter %lld",
                               (long long)self->id);
    }
    PyErr_SetRaisedException(pending);
}

static void
interpreter_dealloc(PyObject *op)
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    // At the very end of the program it is too late: a thread is stuck in it.
    if (self->interpreter != NULL && !Py_IsFinalizing()
        && cot_interpreter_is_last(self->interpreter)) {
        close_unheld(self);
    }
    cot_interpreter_unref(self->interpreter);
    type->tp_free(op);
    Py_DECREF(type);
}

cot_object *
interpreter_unwrap(module_state *state, PyObject *obj)
{
    if (!PyObject_TypeCheck(obj, state->interpreter_type)) {
        return NULL;
    }
    cot_interpreter *interpreter = InterpreterObject_CAST(obj)->interpreter;
    return interpreter ? &interpreter->object : NULL;
}

PyObject *
interpreter_wrap(module_state *state, cot_object *object)
{
    PyObject *cls = state_import(state, LAZY_INTERPRETER);
    int64_t id = ((cot_interpreter *)object)->id;
    return cls ? PyObject_CallFunction(cls, "L", (long long)id) : NULL;
}

// All that are not closed, as an array of references, to be let go of by
// drop_all; NULL if there is no memory.
static cot_interpreter **
take_all(size_t *len)
{
    size_t room = cot_interpreter_list(NULL, 0);
    cot_interpreter **all = cot_alloc((room + 1) * sizeof(*all));
    size_t count = all ? cot_interpreter_list(all, room) : 0;
    *len = count < room ? count : room;
    return all;
}

static void
drop_all(cot_interpreter **all, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        cot_interpreter_unref(all[i]);
    }
    cot_free(all);
}

PyObject *
interpreter_ids(void)
{
    size_t len;
    cot_interpreter **all = take_all(&len);
    PyObject *ids = all ? PyList_New(0) : PyErr_NoMemory();
    for (size_t i = 0; i < len && ids != NULL; i++) {
        if (cot_interpreter_get_state(all[i]) < COT_INTERPRETER_CLOSING
            && parking_append_id(ids, all[i]->id) < 0) {
            Py_CLEAR(ids);
        }
    }
    drop_all(all, len);
    return ids;
}

PyObject *
interpreter_hidden_ids(void)
{
    size_t len;
    cot_interpreter **all = take_all(&len);
    PyObject *ids = all ? parking_ids() : PyErr_NoMemory();
    for (size_t i = 0; i < len && ids != NULL; i++) {
        if (all[i]->number != all[i]->id
            && parking_append_id(ids, all[i]->number) < 0) {
            Py_CLEAR(ids);
        }
    }
    drop_all(all, len);
    return ids;
}

// ---- making and finding --------------------------------------------------

// Attached to the new interpreter; on failure to what was before.
static cot_interpreter *
move_in(module_state *state, PyThreadState *tstate, PyThreadState *outer,
        const cot_payload *settings, bool has_own_gil, PyObject *stock)
{
    interpreter_host *host = cot_alloc_zeroed(sizeof(*host));
    cot_interpreter *interpreter = NULL;
    if (host != NULL) {
        host->run.interpreter = PyThreadState_GetInterpreter(tstate);
        host->stock = stock;
        // One that is used again gets another number than it had.
        int64_t id = stock ? parking_new_id()
                           : PyInterpreterState_GetID(host->run.interpreter);
        interpreter = cot_interpreter_create(
            id, PyInterpreterState_GetID(host->run.interpreter), host,
            adopt_orphan);
    }
    if (interpreter == NULL
        || cot_interpreter_sit(interpreter, tstate) != COT_OK) {
        // Nobody knows of it: as if it had not been.
        parking_drop_stock(stock);
        opening_end(tstate);
        PyEval_RestoreThread(outer);
        cot_free(host);
        if (interpreter != NULL) {
            cot_interpreter_closed(interpreter);
            cot_interpreter_unref(interpreter);
        }
        PyErr_NoMemory();
        return NULL;
    }
    stay own = {.interpreter = interpreter, .outer = outer};
    if (opening_apply(settings, has_own_gil) < 0
        || (stock != NULL && parking_resume() < 0)) {
        carry_out_failure(&own, state);
    }
    else {
        come_out(&own);
    }
    return interpreter;
}

static const char *
open_new(bool has_own_gil, bool checks_imports, PyThreadState **tstate)
{
    PyInterpreterConfig config = OPENING_OWN_GIL;
    if (!has_own_gil) {
        // Extension modules that share the GIL may share the allocator too.
        config.gil = PyInterpreterConfig_SHARED_GIL;
        config.use_main_obmalloc = 1;
        config.check_multi_interp_extensions = checks_imports;
    }
    cot_runtime_interpreter_opens();
    const char *problem = opening_create(&config, tstate);
    if (problem != NULL) {
        cot_runtime_interpreter_closed();
    }
    return problem;
}

PyDoc_STRVAR(create_doc,
             "_create($self, settings, has_own_gil, checks_imports, /)\n--\n\n"
             "Make this the handle of a new interpreter: whether that is new\n"
             "indeed, and may be used again.");

static PyObject *
interpreter_create(PyObject *op, PyObject *args)
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    PyObject *settings;
    int has_own_gil, checks_imports;
    if (!PyArg_ParseTuple(args, "Opp:_create", &settings, &has_own_gil,
                          &checks_imports)) {
        return NULL;
    }
    cot_payload *encoded = cot_encode(&self->state->codec, settings);
    if (encoded == NULL) {
        return NULL;
    }
    PyThreadState *outer = PyThreadState_Get();
    PyObject *stock = NULL;
    PyThreadState *tstate = NULL;
    const char *problem = NULL;
    bool is_plain = has_own_gil && checks_imports;
    if (is_plain) {
        tstate = parking_take(&stock);
    }
    if (tstate == NULL) {
        problem = open_new(has_own_gil, checks_imports, &tstate);
    }
    if (problem != NULL) {
        raise_lazy(self->state, LAZY_INTERPRETER_ERROR, "%s", problem);
    }
    else {
        self->interpreter = move_in(self->state, tstate, outer, encoded,
                                    has_own_gil, stock);
        self->id = self->interpreter ? self->interpreter->id : -1;
    }
    cot_payload_destroy(encoded);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(is_plain && stock == NULL);
}

PyDoc_STRVAR(take_stock_doc,
             "_take_stock($self, /)\n--\n\n"
             "Arrange for the new interpreter to be used again once closed.");

static PyObject *
interpreter_take_stock(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    if (!COT_COMPAT_LEAKS_INTERPRETERS
        || cot_interpreter_begin(self->interpreter) != COT_OK) {
        Py_RETURN_NONE;
    }
    stay own;
    int failed = go_in(self->interpreter, &own);
    if (!failed) {
        interpreter_host *host = self->interpreter->host;
        host->stock = parking_take_stock();
        environment_watch();
        come_out(&own);
    }
    cot_interpreter_end(self->interpreter);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(find_doc,
             "_find($self, id, /)\n--\n\n"
             "Make this the handle of the interpreter with that id: whether\n"
             "it is one that coterie made and that can be entered.");

static PyObject *
interpreter_find(PyObject *op, PyObject *id)
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    long long number = PyLong_AsLongLong(id);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    self->id = number;
    return PyBool_FromLong(look_up(self) != NULL);
}

// ---- the end of the program ----------------------------------------------

static bool
is_closed(void *arg)
{
    return cot_interpreter_get_state(arg) == COT_INTERPRETER_CLOSED;
}

static cot_status
attempt_wait(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_interpreter_wait_closed(arg, parker, deadline_ns);
}

static const blocking_op wait_op = {is_closed, attempt_wait,
                                    "the end of the interpreter"};

// One that is being ended: a new reference, or NULL.
static cot_interpreter *
find_closing(void)
{
    size_t len;
    cot_interpreter **all = take_all(&len);
    cot_interpreter *found = NULL;
    for (size_t i = 0; i < len && found == NULL; i++) {
        if (cot_interpreter_get_state(all[i]) == COT_INTERPRETER_CLOSING) {
            cot_interpreter_ref(all[i]);
            found = all[i];
        }
    }
    drop_all(all, len);
    return found;
}

PyObject *
interpreter_join_closing(module_state *state, PyObject *timeout)
{
    int64_t deadline_ns;
    cot_interpreter *one;
    if (deadline_from_timeout(timeout, true, &deadline_ns) < 0) {
        return NULL;
    }
    while ((one = find_closing()) != NULL) {
        cot_status status;
        int failed = cot_block(state, &wait_op, one, deadline_ns, &status);
        cot_interpreter_unref(one);
        if (failed < 0) {
            return NULL;
        }
        if (status != COT_OK) {
            Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

// ---- calls ---------------------------------------------------------------

static int
check_ours(InterpreterObject *self, const char *what)
{
    if (look_up(self) != NULL) {
        return 0;
    }
    raise_lazy(self->state, LAZY_INTERPRETER_ERROR,
               "cannot %s unrecognized interpreter %lld", what,
               (long long)self->id);
    return -1;
}

// Raises what the account says.
static PyObject *
raise_account(module_state *state, const cot_payload *outcome)
{
    PyObject *failed = state_import(state, LAZY_EXECUTION_FAILED);
    PyObject *account = failed ? cot_decode(&state->codec, outcome) : NULL;
    PyObject *exc = account ? PyObject_CallOneArg(failed, account) : NULL;
    Py_XDECREF(account);
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
    return NULL;
}

// Adopts the outcome.
static PyObject *
tell_outcome(InterpreterObject *self, cot_outcome_kind kind,
             cot_payload *outcome)
{
    module_state *state = self->state;
    PyObject *result = NULL;
    switch (kind) {
        case COT_OUTCOME_NONE:
            result = Py_NewRef(Py_None);
            break;
        case COT_OUTCOME_VALUE:
            result = cot_decode(&state->codec, outcome);
            break;
        case COT_OUTCOME_RAISED:
            result = raise_account(state, outcome);
            break;
        case COT_OUTCOME_STOPPED:
        case COT_OUTCOME_LATE:
        case COT_OUTCOME_LOST:
            raise_lazy(state, LAZY_INTERPRETER_ERROR,
                       "interpreter %lld had no memory left to tell what "
                       "was raised",
                       (long long)self->id);
            break;
    }
    cot_payload_destroy(outcome);
    return result;
}

// Borrows all it is given.
static PyObject *
run_inside(InterpreterObject *self, cot_function *function,
           const cot_payload *call)
{
    stay own;
    cot_payload *outcome = NULL;
    if (enter(self, &own) < 0) {
        return NULL;
    }
    interpreter_host *host = own.interpreter->host;
    module_state *inner = host->run.state;
    PyObject *result = run_call(inner, function, call, COT_CALL_ONE, NULL);
    if (result == NULL) {
        // What is told of it is not interrupted.
        PyObject *exc = PyErr_GetRaisedException();
        end_run(&own);
        PyErr_SetRaisedException(exc);
    }
    cot_outcome_kind kind = run_outcome(inner, COT_CALL_ONE, result, &outcome);
    end_run(&own);
    Py_XDECREF(result);
    leave(&own);
    // Ctrl-C meanwhile: Python's handler runs now, and says what becomes of it.
    if (own.is_watched && PyErr_CheckSignals() < 0) {
        cot_payload_destroy(outcome);
        return NULL;
    }
    return tell_outcome(self, kind, outcome);
}

static PyObject *
call_it(InterpreterObject *self, PyObject *const *args, Py_ssize_t nargs,
        PyObject *kwnames)
{
    module_state *state = self->state;
    cot_function *function;
    bool is_among_args;
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError,
                        "call() missing 1 required positional argument: "
                        "'callable'");
        return NULL;
    }
    if (!PyCallable_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "expected a callable, got %R", args[0]);
        return NULL;
    }
    if (check_ours(self, "make a call in") < 0
        || run_get_function(state, args[0], &function, &is_among_args) < 0) {
        return NULL;
    }
    PyObject *const *call_args = is_among_args ? args : args + 1;
    Py_ssize_t call_nargs = is_among_args ? nargs : nargs - 1;
    cot_payload *call = NULL;
    PyObject *result = NULL;
    if (call_nargs > 0 || kwnames != NULL) {
        call = cot_encode_call(&state->codec, call_args, call_nargs, kwnames,
                               NULL);
    }
    if (PyErr_Occurred()) {
        raise_not_shareable(state, "args not shareable");
    }
    else {
        result = run_inside(self, function, call);
    }
    cot_payload_destroy(call);
    cot_object_unref(&function->object);
    return result;
}

static PyObject *
get_sys_dict(void)
{
    PyObject *sys = PyImport_ImportModule("sys");
    PyObject *dict = sys ? Py_NewRef(PyModule_GetDict(sys)) : NULL;
    Py_XDECREF(sys);
    return dict;
}

// Whether somebody has put a stream of his own in the place of sys.stdout or
// sys.stderr: what the call prints is to go there then.
static int
streams_are_redirected(module_state *state)
{
    static const char *const names[] = {"stdout", "__stdout__", "stderr",
                                        "__stderr__"};
    PyObject *found[4];
    if (state->sys_names == NULL) {
        state->sys_names = Py_BuildValue("ssss", names[0], names[1], names[2],
                                         names[3]);
        state->sys_dict = state->sys_names ? get_sys_dict() : NULL;
        if (state->sys_dict == NULL) {
            Py_CLEAR(state->sys_names);
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < 4; i++) {
        PyObject *name = PyTuple_GET_ITEM(state->sys_names, i);
        found[i] = PyDict_GetItemWithError(state->sys_dict, name);
        if (found[i] == NULL && PyErr_Occurred()) {
            return -1;
        }
    }
    return found[0] != found[1] || found[2] != found[3];
}

// By coterie._output.relayed_call(self, callable, *args, **kwargs).
static PyObject *
call_relayed(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    PyObject *relay = state_import(InterpreterObject_CAST(op)->state,
                                   LAZY_RELAYED_CALL);
    Py_ssize_t count = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    PyObject **all = relay ? cot_alloc((size_t)(count + 1) * sizeof(*all))
                           : NULL;
    if (all == NULL) {
        return relay ? PyErr_NoMemory() : NULL;
    }
    all[0] = op;
    memcpy(all + 1, args, (size_t)count * sizeof(*all));
    PyObject *result = PyObject_Vectorcall(relay, all, (size_t)nargs + 1,
                                           kwnames);
    cot_free(all);
    return result;
}

PyDoc_STRVAR(call_doc,
             "call($self, callable, /, *args, **kwargs)\n--\n\n"
             "Call it in the interpreter, on this thread: its result.\n\n"
             "Any function, arguments and result that can be sent.  What it\n"
             "raises is raised as ExecutionFailed, with the exception itself\n"
             "as its __cause__ if that can be sent.");

static PyObject *
interpreter_call(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    module_state *state = InterpreterObject_CAST(op)->state;
    int is_redirected = streams_are_redirected(state);
    if (is_redirected < 0) {
        return NULL;
    }
    if (is_redirected && nargs > 0) {
        return call_relayed(op, args, nargs, kwnames);
    }
    return call_it(InterpreterObject_CAST(op), args, nargs, kwnames);
}

PyDoc_STRVAR(call_plainly_doc,
             "_call($self, callable, /, *args, **kwargs)\n--\n\n"
             "The same; what it prints goes to the process's own streams.");

static PyObject *
interpreter_call_plainly(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    return call_it(InterpreterObject_CAST(op), args, nargs, kwnames);
}

// ---- interrupt, close ----------------------------------------------------

PyDoc_STRVAR(
    interrupt_doc,
    "_interrupt($self, exc, /)\n--\n\n"
    "Raise the exception type (None: KeyboardInterrupt) in what runs\n"
    "there now, without waiting: whether something runs.");

static PyObject *
interpreter_interrupt(PyObject *op, PyObject *exc)
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    cot_payload *type = NULL;
    if (check_ours(self, "interrupt") < 0) {
        return NULL;
    }
    if (exc != Py_None && exc != PyExc_KeyboardInterrupt) {
        type = cot_encode(&self->state->codec, exc);
        if (type == NULL) {
            return raise_not_shareable(self->state, "exc not shareable");
        }
    }
    cot_status status = interrupt_run(self->interpreter, type);
    if (status != COT_OK && status != COT_AGAIN) {
        raise_status(self->state, status);
        return NULL;
    }
    return PyBool_FromLong(status == COT_OK);
}

static bool
is_idle(void *arg)
{
    return cot_interpreter_get_state(arg) != COT_INTERPRETER_RUNNING;
}

static cot_status
attempt_close(void *arg, cot_parker *parker, int64_t deadline_ns)
{
    return cot_interpreter_begin_close(arg, parker, deadline_ns);
}

static const blocking_op close_op = {is_idle, attempt_close,
                                     "Interpreter.close"};

PyDoc_STRVAR(close_doc,
             "_close($self, timeout, seconds, /)\n--\n\n"
             "Wait until nothing runs there, for threads inside *seconds*\n"
             "(below 0: as long as it takes), and end it: 1.  0: it runs\n"
             "still.  -1: threads inside run still.");

static PyObject *
interpreter_close(PyObject *op, PyObject *args)
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    PyObject *timeout;
    double seconds;
    int64_t deadline_ns;
    cot_status status;
    if (!PyArg_ParseTuple(args, "Od:_close", &timeout, &seconds)
        || deadline_from_timeout(timeout, true, &deadline_ns) < 0
        || check_ours(self, "destroy") < 0) {
        return NULL;
    }
    if (is_current(self)) {
        raise_lazy(self->state, LAZY_INTERPRETER_ERROR,
                   "cannot destroy the current interpreter");
        return NULL;
    }
    if (cot_interpreter_is_mine(self->interpreter)) {
        // A frame further out runs in it: waiting would not help.
        raise_lazy(self->state, LAZY_INTERPRETER_ERROR, "interpreter running");
        return NULL;
    }
    if (cot_block(self->state, &close_op, self->interpreter, deadline_ns,
                  &status)
        < 0) {
        return NULL;
    }
    if (status != COT_OK) {
        // Also if somebody else is about to close it: as for who calls it then.
        if (cot_interpreter_get_state(self->interpreter)
            >= COT_INTERPRETER_CLOSING) {
            (void)raise_closed(self->state, self->id);
            return NULL;
        }
        return PyLong_FromLong(0);
    }
    int answer = close_claimed(self, seconds);
    return answer < 0 ? NULL : PyLong_FromLong(answer ? 1 : -1);
}

static PyObject *
interpreter_is_running(PyObject *op, void *Py_UNUSED(closure))
{
    InterpreterObject *self = InterpreterObject_CAST(op);
    if (look_up(self) == NULL) {
        Py_RETURN_NONE;
    }
    switch (cot_interpreter_get_state(self->interpreter)) {
        case COT_INTERPRETER_IDLE:
            Py_RETURN_FALSE;
        case COT_INTERPRETER_RUNNING:
            Py_RETURN_TRUE;
        case COT_INTERPRETER_CLOSING:
        case COT_INTERPRETER_CLOSED:
            break;
    }
    (void)raise_closed(self->state, self->id);
    return NULL;
}

// The thread that runs in it now, or None: a hint.
static PyObject *
interpreter_get_runner(PyObject *op, void *Py_UNUSED(closure))
{
    const cot_interpreter *own = InterpreterObject_CAST(op)->interpreter;
    if (own == NULL
        || cot_interpreter_get_state(own) != COT_INTERPRETER_RUNNING) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLong(own->runner);
}

static PyObject *
interpreter_is_closed(PyObject *op, void *Py_UNUSED(closure))
{
    const cot_interpreter *own = InterpreterObject_CAST(op)->interpreter;
    return PyBool_FromLong(own != NULL
                           && cot_interpreter_get_state(own)
                                  == COT_INTERPRETER_CLOSED);
}

static PyObject *
interpreter_is_ours(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(look_up(InterpreterObject_CAST(op)) != NULL);
}

static PyObject *
interpreter_get_id(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(InterpreterObject_CAST(op)->id);
}

static Py_hash_t
interpreter_hash(PyObject *op)
{
    return (Py_hash_t)InterpreterObject_CAST(op)->id;
}

static PyMethodDef interpreter_methods[] = {
    {"call", (PyCFunction)(void (*)(void))interpreter_call,
     METH_FASTCALL | METH_KEYWORDS, call_doc},
    {"_call", (PyCFunction)(void (*)(void))interpreter_call_plainly,
     METH_FASTCALL | METH_KEYWORDS, call_plainly_doc},
    {"_create", interpreter_create, METH_VARARGS, create_doc},
    {"_take_stock", interpreter_take_stock, METH_NOARGS, take_stock_doc},
    {"_find", interpreter_find, METH_O, find_doc},
    {"_interrupt", interpreter_interrupt, METH_O, interrupt_doc},
    {"_close", interpreter_close, METH_VARARGS, close_doc},
    {NULL},
};

static PyGetSetDef interpreter_getset[] = {
    {"id", interpreter_get_id, NULL,
     PyDoc_STR("The number of the interpreter, unique in the process.")},
    {"_runner", interpreter_get_runner, NULL, NULL},
    {"_is_closed", interpreter_is_closed, NULL, NULL},
    {"_is_ours", interpreter_is_ours, NULL, NULL},
    {"_is_running", interpreter_is_running, NULL, NULL},
    {NULL},
};

static PyMemberDef interpreter_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET,
     offsetof(InterpreterObject, weakrefs), Py_READONLY},
    {NULL},
};

PyDoc_STRVAR(interpreter_doc,
             "The base of coterie.interpreters.Interpreter: a handle.");

static PyType_Slot interpreter_slots[] = {
    {Py_tp_doc, (void *)interpreter_doc},
    {Py_tp_new, interpreter_new},
    {Py_tp_traverse, interpreter_traverse},
    {Py_tp_dealloc, interpreter_dealloc},
    {Py_tp_hash, interpreter_hash},
    {Py_tp_methods, interpreter_methods},
    {Py_tp_members, interpreter_members},
    {Py_tp_getset, interpreter_getset},
    {0, NULL},
};

PyType_Spec cot_interpreter_spec = {
    .name = "coterie._core.Interpreter",
    .basicsize = sizeof(InterpreterObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = interpreter_slots,
};
