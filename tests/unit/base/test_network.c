/* SPDX-License-Identifier: MIT */
/*
 * Goal: a block of addresses holds exactly the addresses that it names, and a text that is none is
 * refused.
 * Method: tables of texts and addresses.
 */
#include "harness.h"

#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&storage, &in, sizeof(in));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&storage, &in6, sizeof(in6));
    }
    return storage;
}

static bool holds(const char *block, const char *address)
{
    struct network network;
    struct sockaddr_storage storage = address_of(address);
    assert_int_equal(network_parse(block, &network), 0);
    return network_contains(&network, (const struct sockaddr *)&storage);
}

static void a_block_holds_what_shares_its_prefix(void **state)
{
    static const struct {
        const char *block, *address;
        bool is_held;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1/32", "127.0.0.1", true},
        {"192.168.1.128/25", "192.168.1.127", false},
        {"192.168.1.128/25", "192.168.1.128", true},
        {"192.168.1.254/31", "192.168.1.255", true},
        {"192.168.1.254/31", "192.168.1.253", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/127", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::2", false},
        {"::/0", "fe80::1", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (holds(cases[i].block, cases[i].address) != cases[i].is_held)
            fail_msg("%s and %s", cases[i].block, cases[i].address);
}

static void the_families_do_not_hold_each_other(void **state)
{
    assert_false(holds("0.0.0.0/0", "::1"));
    assert_false(holds("::/0", "127.0.0.1"));
}

static void a_mapped_address_is_one_of_ipv4(void **state)
{
    assert_true(holds("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_true(holds("::ffff:10.1.1.1", "::ffff:10.1.1.1"));
    assert_false(holds("::ffff:10.0.0.0/104", "11.1.1.1"));
    assert_false(holds("::/0", "::ffff:10.1.1.1"));
}

static void an_address_of_another_family_is_in_no_block(void **state)
{
    struct network network;
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/p"};
    assert_int_equal(network_parse("0.0.0.0/0", &network), 0);
    assert_false(network_contains(&network, (const struct sockaddr *)&path));
}

static void what_is_no_block_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " 10.0.0.0/8",
        "10.0.0.0/8 ",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0/8",
        "010.0.0.0",
        "10.0.0.256",
        "::/129",
        "::1%lo",
        "10.0.0.0/8/8",
        "any",
        "/8",
        ":",
        "10.0.0.0,11.0.0.0",
        "1:2:3:4:5:6:7:8:9",
        "10.0.0.0/99999999999999999999",
        "0000:0000:0000:0000:0000:ffff:111.111.111.111/128/and-more-than-fits",
        "00000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct network network = {.bits = 7};
        if (network_parse(texts[i], &network) != -EINVAL)
            fail_msg("\"%s\" was taken", texts[i]);
        assert_int_equal(network.bits, 7);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_block_holds_what_shares_its_prefix),
    cmocka_unit_test(the_families_do_not_hold_each_other),
    cmocka_unit_test(a_mapped_address_is_one_of_ipv4),
    cmocka_unit_test(an_address_of_another_family_is_in_no_block),
    cmocka_unit_test(what_is_no_block_is_refused),
};
HARNESS_MAIN(tests)
