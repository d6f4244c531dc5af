// For systems without eventfd: a pipe.

#include "port/notifier.h"

#include <fcntl.h>
#include <unistd.h>

cot_status
cot_notifier_open(cot_notifier *notifier)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return COT_NO_MEMORY;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    *notifier = (cot_notifier){ends[0], ends[1]};
    return COT_OK;
}

// A pipe that is full is readable, too.
void
cot_notifier_ring(const cot_notifier *notifier)
{
    ssize_t ignored = write(notifier->writable, "!", 1);
    (void)ignored;
}

void
cot_notifier_calm(const cot_notifier *notifier)
{
    char bytes[64];
    while (read(notifier->readable, bytes, sizeof(bytes)) > 0) {
    }
}

void
cot_notifier_close(cot_notifier *notifier)
{
    (void)close(notifier->readable);
    (void)close(notifier->writable);
}
