/* SPDX-License-Identifier: MIT */
/*
 * Goal: the words of a configuration become the address that they mean, or an error; an address
 * becomes text again.
 * Method: tables.
 */
#include "harness.h"

#include "listener/address.h"

#include <mtev_listener.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define PATH_MAX_HERE (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static void addresses_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
        int family;
    } cases[] = {
        {"*", "0.0.0.0:80", AF_INET},     {"inet:*", "0.0.0.0:80", AF_INET},
        {"inet6:*", "[::]:80", AF_INET6}, {"127.0.0.1", "127.0.0.1:80", AF_INET},
        {"::1", "[::1]:80", AF_INET6},    {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", AF_INET6},
        {"/run/x", "/run/x", AF_UNIX},    {"inet46:*", "[::]:80", AF_INET6},
        {"@name", "@name", AF_UNIX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        char text[ADDRESS_TEXT_MAX];
        bool is_dual;
        assert_int_equal(address_parse(cases[i].text, 80, &a, &is_dual), 0);
        assert_int_equal(a.any.sa_family, cases[i].family);
        assert_int_equal(is_dual, strcmp(cases[i].text, "inet46:*") == 0);
        assert_int_equal(address_port(&a), a.any.sa_family == AF_UNIX ? 0 : 80);
        address_format(&a, text);
        assert_string_equal(text, cases[i].formatted);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "localhost", "1.2.3", "1.2.3.4.5",    "256.0.0.1",
                                        "[::1]", "run/x",     "inet",  "inet:1.2.3.4", "@"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct address a = {.len = 7};
        bool is_dual;
        assert_int_equal(address_parse(texts[i], 80, &a, &is_dual), -EINVAL);
        assert_int_equal(a.len, 7);
    }
}

static void the_limit_of_a_path_is_exact(void **state)
{
    (void)state;
    char path[PATH_MAX_HERE + 2], text[ADDRESS_TEXT_MAX];
    struct address a;
    bool is_dual;
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    for (int by = -1; by <= 1; by++) {
        path[(int)PATH_MAX_HERE + by] = '\0';
        assert_int_equal(address_parse(path, 0, &a, &is_dual), by <= 0 ? 0 : -ENAMETOOLONG);
        if (by <= 0) {
            address_format(&a, text);
            assert_string_equal(text, path);
        }
        path[(int)PATH_MAX_HERE + by] = 'p';
    }
}

static void an_abstract_name_is_one_byte_longer_at_most(void **state)
{
    (void)state;
    char name[PATH_MAX_HERE + 3], text[ADDRESS_TEXT_MAX];
    struct address a;
    bool is_dual;
    memset(name, 'n', sizeof(name));
    name[0] = '@';
    for (size_t len = PATH_MAX_HERE; len <= PATH_MAX_HERE + 2; len++) {
        name[len] = '\0';
        assert_int_equal(address_parse(name, 0, &a, &is_dual),
                         len <= PATH_MAX_HERE + 1 ? 0 : -ENAMETOOLONG);
        if (len <= PATH_MAX_HERE + 1) {
            address_format(&a, text);
            assert_string_equal(text, name);
        }
        name[len] = 'n';
    }
}

static void addresses_are_compared(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.2.3.4", "1.2.3.5", "::1", "::2", "/a", "/ab", "@a"};
    const size_t count = sizeof(texts) / sizeof(texts[0]);
    struct address a, b;
    bool is_dual;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(address_parse(texts[i], 1, &a, &is_dual), 0);
            assert_int_equal(address_parse(texts[j], 1, &b, &is_dual), 0);
            assert_int_equal(address_is_same(&a, &b, false), i == j);
            assert_int_equal(address_parse(texts[j], 2, &b, &is_dual), 0);
            assert_int_equal(address_is_same(&a, &b, false), i == j && i >= 4);
            assert_int_equal(address_is_same(&a, &b, true), i == j);
        }
}

static void other_addresses_have_some_text(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    struct address a = {.any.sa_family = AF_UNIX};
    address_format(&a, text);
    assert_string_equal(text, "(unnamed)");
    a.any.sa_family = AF_UNSPEC;
    address_format(&a, text);
    assert_string_equal(text, "?");
}

static void a_socket_address_is_converted_to_text(void **state)
{
    (void)state;
    char text[64];
    struct address a;
    bool is_dual;
    address_parse("192.0.2.1", 80, &a, &is_dual);
    assert_int_equal(mtev_convert_sockaddr_to_buff(text, sizeof(text), &a.any), 9);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(mtev_convert_sockaddr_to_buff(text, 4, &a.any), 3);
    assert_string_equal(text, "192");
    assert_int_equal(mtev_convert_sockaddr_to_buff(text, 1, &a.any), 0);
    text[0] = 'x';
    assert_int_equal(mtev_convert_sockaddr_to_buff(text, 0, &a.any), 0);
    assert_int_equal(text[0], 'x');
    address_parse("2001:db8::1", 80, &a, &is_dual);
    mtev_convert_sockaddr_to_buff(text, sizeof(text), &a.any);
    assert_string_equal(text, "2001:db8::1");
    address_parse("/run/x", 80, &a, &is_dual);
    mtev_convert_sockaddr_to_buff(text, sizeof(text), &a.any);
    assert_string_equal(text, "/run/x");
    a.any.sa_family = AF_UNSPEC;
    assert_int_equal(mtev_convert_sockaddr_to_buff(text, sizeof(text), &a.any), 0);
    assert_string_equal(text, "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_are_understood),
    cmocka_unit_test(what_is_no_address_is_refused),
    cmocka_unit_test(the_limit_of_a_path_is_exact),
    cmocka_unit_test(an_abstract_name_is_one_byte_longer_at_most),
    cmocka_unit_test(addresses_are_compared),
    cmocka_unit_test(other_addresses_have_some_text),
    cmocka_unit_test(a_socket_address_is_converted_to_text),
};
HARNESS_MAIN(tests)
