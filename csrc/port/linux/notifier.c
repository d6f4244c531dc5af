#include "port/notifier.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

cot_status
cot_notifier_open(cot_notifier *notifier)
{
    int file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *notifier = (cot_notifier){file, file};
    return file < 0 ? COT_NO_MEMORY : COT_OK;
}

// A counter that is full is readable, too.
void
cot_notifier_ring(const cot_notifier *notifier)
{
    uint64_t once = 1;
    ssize_t ignored = write(notifier->writable, &once, sizeof(once));
    (void)ignored;
}

void
cot_notifier_calm(const cot_notifier *notifier)
{
    uint64_t count;
    ssize_t ignored = read(notifier->readable, &count, sizeof(count));
    (void)ignored;
}

void
cot_notifier_close(cot_notifier *notifier)
{
    (void)close(notifier->readable);
}
