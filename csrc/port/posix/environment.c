#include "port/environment.h"

#include <stddef.h>
#include <stdlib.h>

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

// FNV-1a; its last bits are mixed once more, since the sums of many are compared.
static uint64_t
digest_string(const char *text)
{
    uint64_t digest = 0xcbf29ce484222325;
    for (; *text != '\0'; text++) {
        digest = (digest ^ (unsigned char)*text) * 0x100000001b3;
    }
    digest ^= digest >> 32;
    return digest * 0x9e3779b97f4a7c15;
}

char *const *
cot_environment_all(void)
{
    return environ;
}

uint64_t
cot_environment_digest(void)
{
    uint64_t sum = 0;
    char *const *variables = cot_environment_all();
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++) {
        sum += digest_string(variables[i]);
    }
    return sum ? sum : 1;
}

const char *
cot_environment_get(const char *name)
{
    return getenv(name);
}

void
cot_environment_set(const char *name, const char *value)
{
    (void)(value != NULL ? setenv(name, value, 1) : unsetenv(name));
}
