/* SPDX-License-Identifier: MIT */
/*
 * Goal: the coding that a request would take, RFC 9110 section 12.5.3.
 * Method: a table of values of Accept-Encoding, with what is chosen of what is allowed.
 */
#include "harness.h"

#include "http/coding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(coding) (1u << (coding))
#define ALL                                                                                        \
    (BIT(CODING_ZSTD) | BIT(CODING_BR) | BIT(CODING_GZIP) | BIT(CODING_DEFLATE) | BIT(CODING_LZ4F))

/* Note value from a block of its size. */
static void note(struct coding_offer *offer, const char *value)
{
    size_t len = strlen(value);
    char *block = malloc(len + 1);
    assert_non_null(block);
    memcpy(block, value, len);
    block = realloc(block, len > 0 ? len : 1);
    assert_non_null(block);
    coding_offer_note(offer, block, len);
    free(block);
}

static enum coding choose(const char *value, unsigned allowed)
{
    struct coding_offer offer;
    coding_offer_init(&offer);
    note(&offer, value);
    return coding_offer_choose(&offer, allowed);
}

static void assert_chosen(const char *value, enum coding wanted)
{
    enum coding chosen = choose(value, ALL);
    if (chosen != wanted)
        print_message("%s\n", value);
    assert_int_equal(chosen, wanted);
}

static void ours_is_the_preference_where_weights_are_equal(void **state)
{
    assert_chosen("gzip, deflate, br, zstd", CODING_ZSTD);
    assert_chosen("gzip, deflate, br", CODING_BR);
    assert_chosen("lz4f, deflate, gzip", CODING_GZIP);
    assert_chosen("lz4f, deflate", CODING_DEFLATE);
    assert_chosen("identity, lz4f", CODING_LZ4F);
    assert_chosen("GZIP;q=1", CODING_GZIP);
    assert_chosen("x-gzip", CODING_GZIP);
}

static void more_weight_wins(void **state)
{
    assert_chosen("br;q=0.5, gzip;q=0.8", CODING_GZIP);
    assert_chosen("br;q=0.501,gzip;q=0.5", CODING_BR);
    assert_chosen("zstd;q=0.9,lz4f", CODING_LZ4F);
    assert_chosen("gzip;q=0.5, identity", CODING_IDENTITY);
    assert_chosen("gzip;q=0.001", CODING_GZIP);
    assert_chosen("gzip ; q=0.1 , br\t;\tQ=0.2", CODING_BR);
}

static void what_is_not_offered_is_not_chosen(void **state)
{
    assert_chosen("", CODING_IDENTITY);
    assert_chosen("compress, sdch", CODING_IDENTITY);
    assert_chosen("gzip;q=0", CODING_IDENTITY);
    assert_chosen("gzip;q=0.000, br;q=0", CODING_IDENTITY);
    assert_int_equal(choose("br, gzip;q=0.5", BIT(CODING_GZIP)), CODING_GZIP);
    assert_int_equal(choose("br, gzip", 0), CODING_IDENTITY);
    struct coding_offer none;
    coding_offer_init(&none);
    assert_int_equal(coding_offer_choose(&none, ALL), CODING_IDENTITY);
}

static void a_star_stands_for_all_that_is_not_listed(void **state)
{
    assert_chosen("*", CODING_ZSTD);
    assert_chosen("*;q=0.5, zstd;q=0.4", CODING_BR);
    assert_chosen("gzip, *;q=0", CODING_GZIP);
    assert_chosen("*, zstd;q=0, br;q=0", CODING_GZIP);
    assert_int_equal(choose("*", BIT(CODING_LZ4F)), CODING_LZ4F);
}

static void identity_can_be_refused(void **state)
{
    assert_chosen("identity;q=0", CODING_UNKNOWN);
    assert_chosen("*;q=0", CODING_UNKNOWN);
    assert_chosen("identity;q=0, gzip;q=0.1", CODING_GZIP);
    assert_chosen("identity;q=0.5, *;q=0", CODING_IDENTITY);
    assert_int_equal(choose("identity;q=0, gzip", BIT(CODING_BR)), CODING_UNKNOWN);
}

static void what_is_malformed_is_ignored(void **state)
{
    static const char *const texts[] = {
        "br;q=2",   "br;q=1.001", "br;q=0.0001", "br;q=",  "br;q",     "br;",
        "br;q=-1",  "br;q=.5",    "br;q=1.0000", "br q=1", "br;x=1",   "br;q=1;x=2",
        "br;q=0,5", "br;q =1",    "br/1",        "\"br\"", "br;q=1x",  "b r",
        ";q=1",     ",,;,=",      "br;q=0x1",    "br\x01", "br;q=1.1", "br;q= 1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char value[64];
        assert_chosen(texts[i], CODING_IDENTITY);
        snprintf(value, sizeof(value), "%s, gzip;q=0.2", texts[i]);
        assert_chosen(value, CODING_GZIP);
    }
    assert_chosen("br;q=0.", CODING_IDENTITY); /* the grammar lets the digits be none */
    assert_chosen("br;q=1.", CODING_BR);
}

static void the_first_of_equal_ones_counts_in_all_fields(void **state)
{
    struct coding_offer offer;
    coding_offer_init(&offer);
    note(&offer, "gzip;q=0.2, gzip;q=0.9");
    note(&offer, "deflate;q=0.5");
    note(&offer, "gzip");
    assert_int_equal(coding_offer_choose(&offer, ALL), CODING_DEFLATE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ours_is_the_preference_where_weights_are_equal),
    cmocka_unit_test(more_weight_wins),
    cmocka_unit_test(what_is_not_offered_is_not_chosen),
    cmocka_unit_test(a_star_stands_for_all_that_is_not_listed),
    cmocka_unit_test(identity_can_be_refused),
    cmocka_unit_test(what_is_malformed_is_ignored),
    cmocka_unit_test(the_first_of_equal_ones_counts_in_all_fields),
};

HARNESS_MAIN(tests)
