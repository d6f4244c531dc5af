#include "port/thread.h"

#include "port/memory.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_SIZE 16  // Linux' limit, with the ending NUL

typedef struct {
    void (*body)(void *);
    void *arg;
    char name[NAME_SIZE];
} launch;

void
cot_thread_rename(const char *name)
{
    char cut[NAME_SIZE];
    snprintf(cut, sizeof(cut), "%.*s", NAME_SIZE - 1, name);
#ifdef __APPLE__
    pthread_setname_np(cut);
#else
    pthread_setname_np(pthread_self(), cut);
#endif
}

static void *
run_thread(void *arg)
{
    launch own = *(launch *)arg;
    cot_free(arg);
    cot_thread_rename(own.name);
    own.body(own.arg);
    return NULL;
}

static int
create_detached(launch *start, size_t stack_size)
{
    pthread_attr_t attr;
    int err = pthread_attr_init(&attr);
    if (err != 0) {
        return err;
    }
    err = pthread_attr_setstacksize(&attr, stack_size);
    if (err == 0) {
        err = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    if (err == 0) {
        pthread_t thread;
        err = pthread_create(&thread, &attr, run_thread, start);
    }
    pthread_attr_destroy(&attr);
    return err;
}

cot_status
cot_thread_start(void (*body)(void *), void *arg, size_t stack_size,
                 const char *name)
{
    launch *start = cot_alloc(sizeof(*start));
    if (start == NULL) {
        return COT_NO_MEMORY;
    }
    *start = (launch){.body = body, .arg = arg};
    strncpy(start->name, name, NAME_SIZE - 1);

    int err = create_detached(start, stack_size);
    if (err != 0) {
        cot_free(start);
        return COT_NO_THREAD;
    }
    return COT_OK;
}

cot_thread_ident
cot_thread_self(void)
{
    return (cot_thread_ident)pthread_self();
}

void
cot_thread_name(cot_thread_ident thread, char *name, size_t size)
{
    if (pthread_getname_np((pthread_t)thread, name, size) != 0) {
        name[0] = '\0';
    }
}

bool
cot_thread_is_first(void)
{
#ifdef __APPLE__
    return pthread_main_np() != 0;
#else
    return getpid() == (pid_t)syscall(SYS_gettid);
#endif
}

void
cot_thread_yield(void)
{
    sched_yield();
}

cot_status
cot_local_create(cot_local *local, void (*at_end)(void *))
{
    return pthread_key_create(local, at_end) == 0 ? COT_OK : COT_NO_MEMORY;
}

void *
cot_local_get(const cot_local *local)
{
    return pthread_getspecific(*local);
}

cot_status
cot_local_set(cot_local *local, void *value)
{
    return pthread_setspecific(*local, value) == 0 ? COT_OK : COT_NO_MEMORY;
}

cot_status
cot_thread_at_fork(void (*before)(void), void (*in_parent)(void),
                   void (*in_child)(void))
{
    return pthread_atfork(before, in_parent, in_child) == 0 ? COT_OK
                                                            : COT_NO_MEMORY;
}
