// Keys of a priority queue: bytes that memcmp orders as Python orders the
// objects.
//
// An encoded value is a tag and what follows from it; none begins another, so
// values may stand one after the other:
//
//      end of a tuple   00
//      number           -inf, negative, zero, positive, inf: one tag each
//      str, bytes       tag, bytes, 00; in them 00 is 01 01, and 01 is 01 02
//      tuple            tag, values, end
//
// A number that is neither zero nor infinite is the place of its first binary
// digit (8 bytes), then its digits from there on as bytes, without zeros at the
// end: an int and a float that are equal are the same bytes.  Of a negative one
// all bits are inverted.  A str is its code points in UTF-8, surrogates too.
//
// So what Python can compare is ordered as there.  What it cannot is ordered by
// kind: numbers, str, bytes, tuples.

#ifndef COT_CODEC_KEY_H
#define COT_CODEC_KEY_H

#include "core/payload.h"

#include <Python.h>

// The key of int, float, str, bytes, or a tuple of them: of the type, or of one
// that derives from it and compares as it does.  NULL with a TypeError set for
// anything else, and a ValueError for a NaN; they say where it is, within `what`.
cot_key *cot_encode_key(PyObject *obj, const char *what);

#endif
