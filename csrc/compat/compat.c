#include "compat/compat.h"

// No public function says whether tracemalloc traces without importing its
// module.  PyTraceMalloc_Untrack is public, answers -2 when it does not, and
// forgets nothing for an address that was never tracked.
bool
cot_compat_is_tracing_unsafe(void)
{
#if PY_VERSION_HEX >= 0x030F0000
    return false;
#else
    static const unsigned int no_domain = 0xC07E;
    return PyTraceMalloc_Untrack(no_domain, 0) != -2;
#endif
}
