// The one process-wide struct of the package.
//
// Everything else belongs to an object, or to one interpreter's module state.
// It needs no initialisation: zeroed memory is a runtime without interpreters.

#ifndef COT_CORE_RUNTIME_H
#define COT_CORE_RUNTIME_H

#include "core/arenas.h"
#include "core/ledger.h"
#include "core/lock.h"
#include "core/lot.h"
#include "core/registry.h"
#include "core/waits.h"
#include "port/thread.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A number that no other object of this process has or had; never 0.
uint64_t cot_runtime_next_id(void);

// A number that tells this process from others, and a child from its parent
// that it was forked from; never 0, the low 32 bits are.
uint64_t cot_runtime_process_id(void);

// Interpreters that coterie has made and that are not ended, counted from the
// moment before one is made to the moment after it ended.
void cot_runtime_interpreter_opens(void);
void cot_runtime_interpreter_closed(void);
uint64_t cot_runtime_interpreters(void);

// The interpreters that callers enter; see core/interpreter.h.
typedef struct {
    cot_lock lock;  // guards the list
    struct cot_interpreter *first;
    struct cot_interpreter *last;
} cot_interpreters;

cot_interpreters *cot_runtime_interpreter_list(void);

// What each thread keeps its seats by; `leave` is called with them at the
// thread's end.  NULL if the system has no more room for such.
typedef struct cot_thread_seats cot_thread_seats;
cot_local *cot_runtime_seats(void (*leave)(void *seats));

typedef void (*cot_plain_handler)(int number);
typedef void (*cot_info_handler)(int number, siginfo_t *info, void *context);

// What core/sigint.c keeps.
typedef struct {
    cot_lock lock;  // held to take a reference to `inside`, and to change it
    _Atomic(struct cot_interpreter *) inside;  // borrowed: who runs has it
    void (*callback)(struct cot_interpreter *inside);
    atomic_uint count;  // of signals
    // The handler that ours calls first: of the kind of SA_SIGINFO, or else of
    // the other.  Ours may run on another thread while they are written.
    _Atomic(cot_info_handler) usual_with_info;
    _Atomic(cot_plain_handler) usual;
    int pipe[2];     // owned: from the handler to the watcher
    bool is_set_up;  // by the first thread only
} cot_sigint;

cot_sigint *cot_runtime_sigint(void);

// Interpreters that were closed and wait to be used again; see types/parking.h.
enum { COT_PARKED_MAX = 8 };
typedef struct {
    cot_lock lock;  // guards all
    size_t len;
    struct {
        void *interpreter;
        void *stock;
    } places[COT_PARKED_MAX];
} cot_parked;

cot_parked *cot_runtime_parked(void);

// Threads of workers that ended, which keep their interpreters.
cot_lot *cot_runtime_lot(void);

// True for the first caller in this process, and for nobody after.
bool cot_runtime_claim_setup(void);

// Where shared objects are found by number.
cot_registry *cot_runtime_registry(void);

// Who waits now.
cot_waits *cot_runtime_waits(void);

// Which home belongs to which interpreter; see core/home.h.
typedef struct {
    cot_lock lock;  // guards the list
    cot_home *first;
} cot_homes;

cot_homes *cot_runtime_homes(void);

// Whose memory is whose; see types/memory.h.
cot_arenas *cot_runtime_arenas(void);

// Whose changes of the environment are to be undone.
cot_ledger *cot_runtime_ledger(void);

// In the child of a fork, which had no interpreters of ours alive.
void cot_runtime_after_fork_in_child(void);

#endif
