// An interpreter that callers enter on their own threads, one at a time.
//
//               begin             end
//     IDLE ------------> RUNNING -------> IDLE
//       |  begin_close           closed
//       `--------------> CLOSING -------> CLOSED
//
// Who moves it out of IDLE has the claim: nobody else runs in it or ends it.
// Each thread that enters has a seat in it, with what the layer above keeps for
// one thread in one interpreter (CPython: a thread state, which only the thread
// that made it may use).  Seats are looked at by who has the claim.
//
//     interpreter ---> seat ---> seat          the claim guards this list
//                       ^          ^
//     thread -----------'          |           a thread's list is its own
//     thread ----------------------'
//
// A seat belongs to both.  A thread that ends marks its seats as left; who has
// the claim next clears them away.  An interpreter that ends takes what is in
// its seats along and marks them as void; their threads drop them later.
//
// Other threads may visit a run, to interrupt it: an interpreter with visitors
// is not ended.

#ifndef COT_CORE_INTERPRETER_H
#define COT_CORE_INTERPRETER_H

#include "core/object.h"
#include "core/park.h"
#include "port/thread.h"

typedef struct cot_interpreter cot_interpreter;
typedef struct cot_seat cot_seat;

typedef enum {
    COT_INTERPRETER_IDLE,
    COT_INTERPRETER_RUNNING,
    COT_INTERPRETER_CLOSING,
    COT_INTERPRETER_CLOSED,
} cot_interpreter_state;

extern const cot_class cot_interpreter_class;

// What the layer above does when the last reference to an interpreter that is
// not closed goes, on a thread that cannot be expected to end one: it closes and
// unrefs it, later and elsewhere.  The reference is the hook's.
typedef void (*cot_interpreter_orphan)(cot_interpreter *interpreter);

struct cot_interpreter {
    cot_object object;  // first: it is one
    atomic_uint state;  // cot_interpreter_state and a flag; see the .c file
    atomic_uint_fast64_t run;  // the number of the run that goes on, or 0
    _Atomic(cot_thread_ident) runner;  // who runs in it, or 0
    uint64_t last_run;                 // by who has the claim, as what follows
    cot_seat *seats;                   // owned
    cot_lock lock;                     // guards what follows
    cot_waitlist waiters;  // for the end of a run, or of the visits
    uint32_t visitors;
    cot_parker parker;              // of the waits of who runs
    int64_t id;                     // unique in the process; constant
    int64_t number;                 // as the layer above counts them; constant
    void *host;                     // owned by the layer above, until closed
    cot_interpreter_orphan orphan;  // constant
    cot_interpreter *next;          // in the runtime's list, under its lock
    cot_interpreter *prev;
};

// An idle interpreter with one reference, in the runtime's list.  NULL if there
// is no memory.
cot_interpreter *cot_interpreter_create(int64_t id, int64_t number, void *host,
                                        cot_interpreter_orphan orphan);

static inline void
cot_interpreter_ref(cot_interpreter *interpreter)
{
    cot_object_ref(&interpreter->object);
}

// NULL is allowed.
void cot_interpreter_unref(cot_interpreter *interpreter);

// Whether nobody but the caller holds it: then nobody can get at it either.
bool cot_interpreter_is_last(const cot_interpreter *interpreter);

// The one with that id that is not closed: a new reference, or NULL.
cot_interpreter *cot_interpreter_find(int64_t id);

// References to up to `len` interpreters that are not closed; how many there
// are in all.
size_t cot_interpreter_list(cot_interpreter **list, size_t len);

cot_interpreter_state
cot_interpreter_get_state(const cot_interpreter *interpreter);

// IDLE to RUNNING.  COT_AGAIN: it runs already; COT_SHUT_DOWN: it is closed, or
// is being closed.
COT_MUST_CHECK cot_status cot_interpreter_begin(cot_interpreter *interpreter);

// Between these two a run may be visited.  What visitors look at is written
// before the first.  The second is called where no visitor can be, under the
// interpreter's own lock (the GIL): a visitor that comes later sees a run of
// another number.
void cot_interpreter_open_visits(cot_interpreter *interpreter);
void cot_interpreter_end_visits(cot_interpreter *interpreter);

// Whether the calling thread runs in it, in whatever frame.
bool cot_interpreter_is_mine(const cot_interpreter *interpreter);

// RUNNING to IDLE.
void cot_interpreter_end(cot_interpreter *interpreter);

// Waits while it runs, or somebody else closes it, then moves it from IDLE to
// CLOSING.  COT_SHUT_DOWN: somebody has closed it.
COT_MUST_CHECK cot_status cot_interpreter_begin_close(
    cot_interpreter *interpreter, cot_parker *parker, int64_t deadline_ns);

// Waits until no visitor is left, with the claim of closing: none comes any
// more.  They want the interpreter's GIL, so the caller must hold none.
void cot_interpreter_see_off(cot_interpreter *interpreter);

// Waits while it is being closed.
COT_MUST_CHECK cot_status cot_interpreter_wait_closed(
    cot_interpreter *interpreter, cot_parker *parker, int64_t deadline_ns);

// CLOSING to IDLE: it is not closed after all.
void cot_interpreter_reopen(cot_interpreter *interpreter);

// CLOSING to CLOSED; all seats must be taken away, and the list forgets it.
void cot_interpreter_closed(cot_interpreter *interpreter);

// The number of the run that may be visited: a new visitor of it.  0: there is
// none, and no visitor.
uint64_t cot_interpreter_visit(cot_interpreter *interpreter);
void cot_interpreter_leave(cot_interpreter *interpreter);

// Whether that run goes on; asked where it cannot end (under the GIL).
bool cot_interpreter_is_at(const cot_interpreter *interpreter, uint64_t run);

// ---- seats: for who has the claim ----------------------------------------

// What the calling thread keeps there, or NULL.
void *cot_interpreter_seat(cot_interpreter *interpreter);

// Keeps `host` for the calling thread.
COT_MUST_CHECK cot_status cot_interpreter_sit(cot_interpreter *interpreter,
                                              void *host);

// Takes away one seat: of a thread that has ended, or (`any`) of whomever but
// the caller.  What was kept there, or NULL when there is no such seat.
void *cot_interpreter_take_seat(cot_interpreter *interpreter, bool any);

// Takes away the caller's own seat.
void cot_interpreter_stand_up(cot_interpreter *interpreter);

// Whether the calling thread is the process' first one; cheap.
bool cot_interpreter_on_first_thread(void);

#endif
