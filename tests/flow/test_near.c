/* SPDX-License-Identifier: MIT */
/*
 * Goal: the nearest name is the one that a finger that slipped meant, and nothing is proposed for
 * what is a name of its own.
 * Method: pairs of names and what is found among all of them; names at the limit of length.
 */
#include "harness.h"

#include "command/check.h"

#include <string.h>

static const char *const names[] = {"port", "address", "type", "fanout", "backlog", "ssl", "a", ""};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static void assert_nearest(const char *wanted, const char *nearest)
{
    char found[NEAR_NAME_LEN_MAX + 1] = "";
    struct near near = near_begin(wanted);
    for (size_t i = 0; i < NAME_COUNT; i++)
        near_offer(&near, names[i], strlen(names[i]));
    if (near.found != NULL)
        memcpy(found, near.found, near.len);
    assert_string_equal(found, nearest);
}

static void a_slip_is_found(void **state)
{
    assert_nearest("prot", "port");  /* exchanged */
    assert_nearest("prt", "port");   /* left out */
    assert_nearest("portt", "port"); /* doubled */
    assert_nearest("pork", "port");  /* replaced */
    assert_nearest("adress", "address");
    assert_nearest("adres", "address");
    assert_nearest("fan_out", "fanout");
    assert_nearest("backlogs", "backlog");
    assert_nearest("port", "port");
    assert_nearest("sll", "ssl");
    assert_nearest("tpye", "type");
}

static void what_is_far_is_not(void **state)
{
    assert_nearest("colour", "");
    assert_nearest("sport_car", "");
    assert_nearest("tls1", "");
    assert_nearest("", "");
    assert_nearest("sslow", "");
}

static void of_two_the_nearer_one_is_found(void **state)
{
    struct near near = near_begin("listner");
    near_offer(&near, "listeners", 9);
    near_offer(&near, "listener", 8);
    near_offer(&near, "lister", 6);
    assert_int_equal(near.len, 8);
    assert_int_equal(near.distance, 1);
}

static void check_length(size_t len, bool is_compared)
{
    char name[NEAR_NAME_LEN_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[len] = '\0';
    struct near near = near_begin(name);
    near_offer(&near, name, len);
    assert_int_equal(near.found != NULL, is_compared);
    near = near_begin("n");
    near_offer(&near, name, len);
    assert_null(near.found);
}

static void names_have_a_limit(void **state)
{
    check_length(NEAR_NAME_LEN_MAX - 1, true);
    check_length(NEAR_NAME_LEN_MAX, true);
    check_length(NEAR_NAME_LEN_MAX + 1, false);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_slip_is_found),
    cmocka_unit_test(what_is_far_is_not),
    cmocka_unit_test(of_two_the_nearer_one_is_found),
    cmocka_unit_test(names_have_a_limit),
};
HARNESS_MAIN(tests)
