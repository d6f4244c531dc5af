#include "port/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#ifdef COT_FAULT_INJECTION
#include <stdatomic.h>
#include <stdbool.h>

static atomic_long fail_countdown;

long
cot_memory_fail_at(long n)
{
    long left = atomic_exchange(&fail_countdown, n);
    return left > 0 ? left : 0;
}

static bool
must_fail(void)
{
    return atomic_load(&fail_countdown) > 0
           && atomic_fetch_sub(&fail_countdown, 1) == 1;
}
#else
#define must_fail() 0
#endif

void *
cot_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *
cot_alloc_zeroed(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *
cot_realloc(void *block, size_t size)
{
    return must_fail() ? NULL : realloc(block, size ? size : 1);
}

void
cot_free(void *block)
{
    free(block);
}

bool
cot_memory_has_room(size_t size)
{
    // Not by malloc: glibc takes the freeing of a big block as a sign that
    // such blocks are better kept, and then keeps all of them.
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
        return false;
    }
    munmap(room, size);
    return true;
}
