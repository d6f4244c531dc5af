// Which objects of a walk are remembered.
//
// Between two hooks no Python code runs, so nothing can change under the walk.
// That is why an object with a reference count of 1 needs no entry in the
// memo: its one reference is the one the walk came by, so it cannot be met
// again.  (Roots are the exception: their caller may hold them by a borrowed
// one.)  Whatever may be walked while a hook runs has a reference of its own.

#ifndef COT_CODEC_REMEMBER_H
#define COT_CODEC_REMEMBER_H

#include "codec/encoder.h"

// What remember() answers, if no tag's flag.
enum {
    WRITTEN = -2,
    FAILED = -1,
};

static inline int
write_ref(cot_encoder *encoder, uint32_t number)
{
    return cot_put_head(encoder, COT_TAG_REF, number);
}

static inline int
after_memo(cot_encoder *encoder, cot_memo_answer answer, uint32_t number)
{
    switch (answer) {
        case COT_MEMO_NEW:
            return COT_REMEMBER;
        case COT_MEMO_KNOWN:
            return write_ref(encoder, number) < 0 ? FAILED : WRITTEN;
        case COT_MEMO_UNFINISHED:
            // A tuple inside itself cannot be made front to back.
            encoder->gave_up = true;
            return FAILED;
        case COT_MEMO_NO_MEMORY:
            break;
    }
    PyErr_NoMemory();
    return FAILED;
}

// The flag for the tag of an object that is to be written now; WRITTEN if it
// is known and a reference to it was written instead.
static inline int
remember_shared(cot_encoder *encoder, PyObject *obj)
{
    uint32_t number;
    encoder->remembers_next = false;
    cot_memo_answer answer = cot_memo_add(&encoder->memo, obj, &number);
    return after_memo(encoder, answer, number);
}

static inline bool
is_shared(const cot_encoder *encoder, PyObject *obj)
{
    return (Py_REFCNT(obj) != 1 || encoder->remembers_next
            || encoder->flags & COT_CANONICAL)
           && !encoder->remembers_none;
}

static inline int
remember(cot_encoder *encoder, PyObject *obj)
{
    return is_shared(encoder, obj) ? remember_shared(encoder, obj) : 0;
}

// For what cannot be named before it is complete; cot_memo_finish() then.
static inline int
remember_unfinished(cot_encoder *encoder, PyObject *obj)
{
    uint32_t number;
    if (!is_shared(encoder, obj)) {
        return 0;
    }
    encoder->remembers_next = false;
    cot_memo_answer answer = cot_memo_add_unfinished(&encoder->memo, obj,
                                                     &number);
    return after_memo(encoder, answer, number);
}

static inline int
after_remember(int flag)
{
    return flag == WRITTEN ? 0 : -1;
}

#endif
