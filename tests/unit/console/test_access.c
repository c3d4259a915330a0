/* SPDX-License-Identifier: MIT */
/*
 * Goal: nobody has a console over the network unless an acl says so, and a faulty one admits no
 * one. Method: peers of every kind against acls of every kind.
 */
#include "harness.h"

#include "console/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool is_allowed(const char *peer, const char *acl, bool *ret_fault)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (peer[0] == '/')
        return access_is_allowed((struct sockaddr *)&local, acl, ret_fault);
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
        return access_is_allowed((struct sockaddr *)&v4, acl, ret_fault);
    assert_int_equal(inet_pton(AF_INET6, peer, &v6.sin6_addr), 1);
    return access_is_allowed((struct sockaddr *)&v6, acl, ret_fault);
}

static void an_acl_decides_over_tcp(void **state)
{
    static const struct {
        const char *peer, *acl;
        bool is_allowed;
    } cases[] = {
        {"/socket", NULL, true},
        {"/socket", "10.0.0.1", true},
        {"/socket", "what?", true},
        {"127.0.0.1", NULL, true},
        {"127.9.9.9", NULL, true},
        {"::1", NULL, true},
        {"::ffff:127.0.0.1", NULL, true},
        {"10.0.0.1", NULL, false},
        {"::2", NULL, false},
        {"128.0.0.1", NULL, false},
        {"127.0.0.1", "", false},
        {"127.0.0.1", "10.0.0.0/8", false},
        {"10.1.2.3", "10.0.0.0/8", true},
        {"11.1.2.3", "10.0.0.0/8", false},
        {"11.1.2.3", "10.0.0.0/8, 11.0.0.0/8", true},
        {"2001:db8::1", " 10.0.0.0/8\n2001:db8::/32 ", true},
        {"::1", "0.0.0.0/0", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_faulty = true;
        if (is_allowed(cases[i].peer, cases[i].acl, &is_faulty) != cases[i].is_allowed)
            fail_msg("%s by %s", cases[i].peer, cases[i].acl);
        assert_false(is_faulty);
    }
}

static void a_faulty_acl_admits_nobody(void **state)
{
    static const char *const cases[] = {"0.0.0.0/0 what", "0.0.0.0/0,10.0.0.0/33", "0.0.0.0/0 ,x,",
                                        "what 0.0.0.0/0"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_faulty = false;
        assert_false(is_allowed("10.0.0.1", cases[i], &is_faulty));
        assert_true(is_faulty);
    }
    char text[200];
    bool is_faulty = false;
    snprintf(text, sizeof(text), "0.0.0.0/0 %0100d", 1);
    assert_false(is_allowed("10.0.0.1", text, &is_faulty));
    assert_true(is_faulty);
}

static void an_acl_has_a_most(void **state)
{
    for (int count = ACCESS_NETWORKS_MAX - 1; count <= ACCESS_NETWORKS_MAX + 1; count++) {
        char acl[ACCESS_NETWORKS_MAX * 12] = "";
        bool is_faulty;
        for (int i = 0; i < count; i++)
            snprintf(acl + strlen(acl), 12, "10.0.0.%d ", i);
        assert_int_equal(is_allowed("10.0.0.1", acl, &is_faulty), count <= ACCESS_NETWORKS_MAX);
        assert_int_equal(is_faulty, count > ACCESS_NETWORKS_MAX);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_acl_decides_over_tcp),
    cmocka_unit_test(a_faulty_acl_admits_nobody),
    cmocka_unit_test(an_acl_has_a_most),
};

HARNESS_MAIN(tests)
