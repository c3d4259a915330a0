/* SPDX-License-Identifier: MIT */
/*
 * Goal: the hash is SipHash-1-3.
 * Method: values of another implementation, CPython 3.11's hash() of bytes with PYTHONHASHSEED=0,
 * which is SipHash-1-3 under the key 0; and that each bit of the key and of the bytes counts.
 */
#include "harness.h"

#include "base/siphash.h"

static void it_agrees_with_another_implementation(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        {1, UINT64_C(0x68a914128e01e473)},  {2, UINT64_C(0x010bac45c41e3669)},
        {7, UINT64_C(0x2f098ab0c751325a)},  {8, UINT64_C(0xead411e67ebe2eea)},
        {9, UINT64_C(0x75927f9d95124362)},  {15, UINT64_C(0xf30eb725bb91c9ea)},
        {16, UINT64_C(0x8972188433a5c5b7)}, {17, UINT64_C(0x4883c49a2c009c1d)},
        {63, UINT64_C(0x385d3e39e5f37359)},
    };
    const uint64_t key[2] = {0, 0};
    unsigned char bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(siphash(bytes, known[i].len, key) == known[i].hash);
}

static void every_bit_counts(void **state)
{
    uint64_t key[2] = {1, 2};
    unsigned char bytes[20] = {0};
    uint64_t hash = siphash(bytes, sizeof(bytes), key);
    for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
        bytes[i / 8] ^= (unsigned char)(1U << i % 8);
        assert_true(siphash(bytes, sizeof(bytes), key) != hash);
        bytes[i / 8] ^= (unsigned char)(1U << i % 8);
    }
    for (size_t i = 0; i < 128; i++) {
        key[i / 64] ^= UINT64_C(1) << i % 64;
        assert_true(siphash(bytes, sizeof(bytes), key) != hash);
        key[i / 64] ^= UINT64_C(1) << i % 64;
    }
    assert_true(siphash(bytes, sizeof(bytes), key) == hash);
}

static void no_bytes_have_a_hash(void **state)
{
    const uint64_t key[2] = {1, 2}, other[2] = {1, 3};
    assert_true(siphash(NULL, 0, key) == siphash("", 0, key));
    assert_true(siphash(NULL, 0, key) != siphash(NULL, 0, other));
    assert_true(siphash("\0", 1, key) != siphash("\0", 0, key));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_agrees_with_another_implementation),
    cmocka_unit_test(every_bit_counts),
    cmocka_unit_test(no_bytes_have_a_hash),
};
HARNESS_MAIN(tests)
