#include "core/panic.h"

#include <stdio.h>
#include <stdlib.h>

void
cot_panic(const char *what)
{
    fprintf(stderr, "coterie: internal error: %s\n", what);
    abort();
}
