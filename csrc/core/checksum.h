// A 64-bit checksum, to tell a damaged block from a whole one.
//
// Four lanes take one word each; a lane's step (xor, multiply by an odd number,
// rotate) can be undone, so two blocks that differ within one word of 8 bytes
// always have different sums.  It says nothing against somebody who means to
// deceive: it is no cryptographic hash.

#ifndef COT_CORE_CHECKSUM_H
#define COT_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COT_CHECKSUM_LANES 4

static inline uint64_t
cot_checksum_load(const uint8_t *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof(word));
    return word;
}

static inline uint64_t
cot_checksum_step(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return (lane << 29) | (lane >> 35);
}

// What four lanes make of the 32-byte groups that `data` starts with, as one.
static inline uint64_t
cot_checksum_groups(const uint8_t *at, size_t groups, uint64_t seed)
{
    uint64_t lanes[COT_CHECKSUM_LANES] = {
        seed ^ UINT64_C(0xa0761d6478bd642f),
        seed ^ UINT64_C(0xe7037ed1a0b428db),
        seed ^ UINT64_C(0x8ebc6af09c88c6e3),
        seed ^ UINT64_C(0x589965cc75374cc3),
    };
    for (; groups > 0; groups--, at += sizeof(lanes)) {
        for (size_t i = 0; i < COT_CHECKSUM_LANES; i++) {
            lanes[i] = cot_checksum_step(lanes[i],
                                         cot_checksum_load(at + 8 * i));
        }
    }
    uint64_t sum = lanes[0];
    for (size_t i = 1; i < COT_CHECKSUM_LANES; i++) {
        sum = cot_checksum_step(sum, lanes[i]);
    }
    return sum;
}

// The sum of `len` bytes; another `seed` gives another sum.
static inline uint64_t
cot_checksum(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *at = data;
    size_t groups = len / (8 * COT_CHECKSUM_LANES);
    size_t left = len % (8 * COT_CHECKSUM_LANES);
    uint64_t sum = seed;
    if (groups > 0) {
        sum = cot_checksum_groups(at, groups, seed);
        at += groups * 8 * COT_CHECKSUM_LANES;
    }
    for (; left >= 8; left -= 8, at += 8) {
        sum = cot_checksum_step(sum, cot_checksum_load(at));
    }
    if (left > 0) {
        // The length is part of the sum, so zeros at the end are no risk.
        uint64_t word = 0;
        memcpy(&word, at, left);
        sum = cot_checksum_step(sum, word);
    }
    return sum ^ (uint64_t)len;
}

#endif
