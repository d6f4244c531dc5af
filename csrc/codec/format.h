// The codec's own format, byte by byte.
//
// A value is a tag and what belongs to it.  Numbers are in the byte order and
// the float format of the machine: a block does not travel between machines of
// different kinds (the header of dumps says which kind wrote it).
//
//   size       a byte below COT_SIZE16, or COT_SIZE16/32/64 and 2, 4, 8 bytes
//   text       size (of characters), then characters of 1, 2 or 4 bytes each
//   container  size, then the values (dict: key, value, key, value...)
//
// COT_REMEMBER on a tag says that the object gets the next number, counted
// from 0, and may be named by it later (COT_TAG_REF).  The number is given
// before what is inside; the object may be named once it exists, which for a
// tuple and a frozenset is after the last value, for the others before the
// first.

#ifndef COT_CODEC_FORMAT_H
#define COT_CODEC_FORMAT_H

#include <stdint.h>

#define COT_REMEMBER 0x80

#define COT_SIZE16 0xfd
#define COT_SIZE32 0xfe
#define COT_SIZE64 0xff

typedef enum {
    COT_TAG_NONE = 1,
    COT_TAG_FALSE,
    COT_TAG_TRUE,
    COT_TAG_ELLIPSIS,
    COT_TAG_NOT_IMPLEMENTED,

    COT_TAG_INT8,   // 1 byte, signed
    COT_TAG_INT32,  // 4 bytes
    COT_TAG_INT64,  // 8 bytes
    COT_TAG_INT,    // size, then bytes, least significant first, signed
    COT_TAG_FLOAT,  // 8 bytes
    COT_TAG_COMPLEX,

    COT_TAG_REF,  // size: the number of a remembered object

    // Only among the values of a tuple or list: size, then so many values of
    // 8, 1, 2, 4 bytes.
    COT_TAG_FLOATS,
    COT_TAG_INTS8,
    COT_TAG_INTS16,
    COT_TAG_INTS32,

    COT_TAG_EMPTY_TUPLE,

    // From here on, COT_REMEMBER is allowed.
    COT_TAG_SHORT_ASCII,  // 1 byte length, then characters below 128
    COT_TAG_ASCII,        // text
    COT_TAG_LATIN1,
    COT_TAG_UCS2,
    COT_TAG_UCS4,
    COT_TAG_BYTES,      // size, then bytes
    COT_TAG_BYTEARRAY,  // the same

    COT_TAG_TUPLE,
    COT_TAG_LIST,
    COT_TAG_DICT,
    COT_TAG_SET,
    COT_TAG_FROZENSET,

    COT_TAG_SHARED,      // size: an index in the payload's objects
    COT_TAG_GLOBAL,      // two str: module, qualified name
    COT_TAG_MODULE,      // str: name
    COT_TAG_FUNCTION,    // tuple for make(), then state for fill()
    COT_TAG_CELL,        // the content
    COT_TAG_EMPTY_CELL,  // no content, or one that a function's state brings

    // Only at the start: size positional values, size names, the names (str),
    // then all values.
    COT_TAG_CALL,
} cot_tag;

// What coterie._byvalue.reduce() answers.
typedef enum {
    COT_KIND_GLOBAL = 1,
    COT_KIND_MODULE,
    COT_KIND_FUNCTION,
} cot_kind;

// The start of a block of coterie.dumps.
#define COT_BLOCK_MAGIC \
    "\x93"              \
    "cot"
#define COT_BLOCK_VERSION 1

typedef struct {
    char magic[4];
    uint8_t version;
    uint8_t format;     // cot_format
    uint8_t order;      // 1: least significant byte first, 2: last
    uint8_t reserved;   // 0
    uint64_t len;       // of the body
    uint64_t checksum;  // of the body, seeded with what is above
} cot_block_header;

#endif
