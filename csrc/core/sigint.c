#include "core/sigint.h"

#include "core/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

// It only starts other threads.
#define STACK_SIZE ((size_t)256 << 10)

static void
handle(int number, siginfo_t *info, void *context)
{
    cot_sigint *own = cot_runtime_sigint();
    cot_info_handler with_info = atomic_load(&own->usual_with_info);
    cot_plain_handler usual = atomic_load(&own->usual);
    if (with_info != NULL) {
        with_info(number, info, context);
    }
    else if (usual != NULL) {
        usual(number);
    }
    atomic_fetch_add(&own->count, 1);
    if (atomic_load(&own->inside) != NULL) {
        int saved = errno;
        // A full pipe has told it already.
        ssize_t written = write(own->pipe[1], "", 1);
        (void)written;
        errno = saved;
    }
}

static void
watch(void *arg)
{
    cot_sigint *own = arg;
    char byte;
    for (;;) {
        ssize_t count = read(own->pipe[0], &byte, 1);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return;
        }
        cot_lock_acquire(&own->lock);
        cot_interpreter *inside = atomic_load(&own->inside);
        if (inside != NULL) {
            cot_interpreter_ref(inside);
        }
        cot_lock_release(&own->lock);
        if (count == 1 && inside != NULL) {
            own->callback(inside);
        }
        cot_interpreter_unref(inside);
    }
}

static bool
open_pipe(int ends[2])
{
    if (pipe(ends) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    }
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    return true;
}

// On the first thread only.
static void
set_up(cot_sigint *own, cot_sigint_callback callback)
{
    if (!open_pipe(own->pipe)) {
        return;
    }
    own->callback = callback;
    if (cot_thread_start(watch, own, STACK_SIZE, "coterie-sigint") != COT_OK) {
        close(own->pipe[0]);
        close(own->pipe[1]);
        return;
    }
    own->is_set_up = true;
}

static void
put_handler(cot_sigint *own)
{
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) != 0
        || ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle)
        || (!(now.sa_flags & SA_SIGINFO)
            && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))) {
        return;
    }
    // The first is preferred, so one of them is there at any time.
    if (now.sa_flags & SA_SIGINFO) {
        atomic_store(&own->usual_with_info, now.sa_sigaction);
    }
    else {
        atomic_store(&own->usual, now.sa_handler);
        atomic_store(&own->usual_with_info, NULL);
    }
    now.sa_flags |= SA_SIGINFO;
    now.sa_sigaction = handle;
    (void)sigaction(SIGINT, &now, NULL);
}

static cot_interpreter *
change(cot_sigint *own, cot_interpreter *interpreter)
{
    cot_lock_acquire(&own->lock);
    cot_interpreter *before = atomic_exchange(&own->inside, interpreter);
    cot_lock_release(&own->lock);
    return before;
}

cot_interpreter *
cot_sigint_enter(cot_interpreter *interpreter, cot_sigint_callback callback)
{
    cot_sigint *own = cot_runtime_sigint();
    if (!own->is_set_up) {
        set_up(own, callback);
    }
    if (own->is_set_up) {
        put_handler(own);
    }
    return change(own, interpreter);
}

unsigned
cot_sigint_count(void)
{
    return atomic_load(&cot_runtime_sigint()->count);
}

void
cot_sigint_leave(cot_interpreter *outer)
{
    (void)change(cot_runtime_sigint(), outer);
}
