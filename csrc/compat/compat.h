// What differs between versions of CPython, or is not promised to stay.
//
// The only file that may use such things.  Each entry says why, and what the
// fallback is.

#ifndef COT_COMPAT_COMPAT_H
#define COT_COMPAT_COMPAT_H

#include <Python.h>

#include <stdbool.h>

#if PY_VERSION_HEX < 0x030D0000
#error "coterie needs CPython 3.13 or newer"
#endif

#ifdef Py_GIL_DISABLED
#error \
    "coterie needs a CPython with a GIL: on the free-threaded build, threads are parallel by themselves"
#endif

#define COT_TRACING_REFUSAL                                                  \
    "tracemalloc is tracing: below CPython 3.15 this crashes or hangs with " \
    "several interpreters (gh-134604); call tracemalloc.stop() first"

// Whether tracemalloc runs on a CPython that cannot bear it together with
// interpreters.  No GIL needed.
bool cot_compat_is_tracing_unsafe(void);

// Before 3.14 CPython never gives back what the allocator of an interpreter has
// taken (1.7 MB at least): interpreters that are closed are used again there.
// Fallback: they are ended.
#define COT_COMPAT_LEAKS_INTERPRETERS (PY_VERSION_HEX < 0x030E0000)

// Before 3.14 sys._current_frames looks at the frames of all interpreters with one
// GIL held: memory is corrupted once another one runs.  Fallback: it is refused
// while interpreters of ours live.
#define COT_COMPAT_FRAMES_CRASH (PY_VERSION_HEX < 0x030E0000)

// Lets threading forget the calling thread before its interpreter ends, on 3.13.
//
// What threading.current_thread() makes up for a thread that it has not started
// lives until the thread does; on 3.13 it then looks for names of a module that
// is gone, and complains.  Where it is kept is private.  Fallback: it complains.
void cot_compat_forget_thread(void);

// Lets go of the interpreter's import lock, if the calling thread has it.
//
// An exception that was set in a thread from outside can come up between its
// taking of that lock and the beginning of the block that lets go of it
// (importlib._bootstrap), and then whoever imports waits for ever.  The function
// is in a private module.  Fallback: the lock stays taken.
void cot_compat_release_import_lock(void);

// A new dict that is about to get `len` items.
//
// No public function makes a dict with room (it saves a quarter of the decoding
// of a big one).  _PyDict_NewPresized is declared in CPython's own public
// headers, exported, and used by Cython; it bounds the room itself.  Fallback:
// PyDict_New.
static inline PyObject *
cot_compat_new_dict(size_t len)
{
#if PY_VERSION_HEX < 0x03100000
    return len > 8 ? _PyDict_NewPresized((Py_ssize_t)len) : PyDict_New();
#else
    return PyDict_New();
#endif
}

#endif
