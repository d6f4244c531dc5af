#include "core/checksum.h"

#include "support/check.h"

enum { LONGEST = 200 };

static void
fill(uint8_t *block, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        block[i] = (uint8_t)(i * 37 + (i >> 3));
    }
}

static void
every_flipped_bit_shows(void)
{
    uint8_t block[LONGEST];
    for (size_t len = 1; len <= LONGEST; len++) {
        fill(block, len);
        uint64_t sum = cot_checksum(block, len, 7);
        for (size_t bit = 0; bit < len * 8; bit++) {
            uint8_t mask = (uint8_t)(1U << (bit % 8));
            block[bit / 8] ^= mask;
            CHECK(cot_checksum(block, len, 7) != sum);
            block[bit / 8] ^= mask;
        }
        CHECK(cot_checksum(block, len, 7) == sum);
    }
}

static void
length_and_seed_count(void)
{
    uint8_t block[LONGEST] = {0};
    for (size_t len = 1; len <= LONGEST; len++) {
        // Zeros at the end, too.
        CHECK(cot_checksum(block, len, 0) != cot_checksum(block, len - 1, 0));
        CHECK(cot_checksum(block, len, 0) != cot_checksum(block, len, 1));
    }
}

static void
words_cannot_change_places(void)
{
    uint8_t block[LONGEST];
    uint8_t other[LONGEST];
    fill(block, LONGEST);
    uint64_t sum = cot_checksum(block, LONGEST, 0);
    for (size_t i = 0; i + 8 <= LONGEST; i += 8) {
        for (size_t j = i + 8; j + 8 <= LONGEST; j += 8) {
            memcpy(other, block, LONGEST);
            memcpy(other + i, block + j, 8);
            memcpy(other + j, block + i, 8);
            CHECK(cot_checksum(other, LONGEST, 0) != sum);
        }
    }
}

static void
it_does_not_matter_where_the_block_is(void)
{
    uint8_t block[LONGEST + 8];
    fill(block, LONGEST);
    uint64_t sum = cot_checksum(block, LONGEST, 3);
    for (size_t shift = 1; shift < 8; shift++) {
        memmove(block + shift, block + shift - 1, LONGEST);
        CHECK(cot_checksum(block + shift, LONGEST, 3) == sum);
    }
}

int
main(int argc, char **argv)
{
    static const test_case tests[] = {
        TEST(every_flipped_bit_shows),
        TEST(length_and_seed_count),
        TEST(words_cannot_change_places),
        TEST(it_does_not_matter_where_the_block_is),
        {0},
    };
    return run_tests(tests, argc, argv);
}
