/* SPDX-License-Identifier: MIT */
/*
 * Goal: a proxy's header of either version says who the client is, whatever way it is split; what
 * is no such header is refused, and no limit is missed by one.
 * Method: tables of headers and of what is wrong; each is given whole and in every prefix, in
 * memory of exactly its size.
 */
#include "harness.h"

#include "listener/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START "\r\n\r\n\0\r\nQUIT\n"

struct bytes {
    const char *at;
    size_t len;
};
#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static int parse(const char *bytes, size_t len, struct proxy_header *out, const char **ret_reason)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    int err = proxy_parse(copy, len, out, ret_reason);
    free(copy);
    return err;
}

/* How many bytes it takes until there is a verdict, which every longer input has, too. */
static size_t verdict_at(const char *bytes, size_t len, int *out, struct proxy_header *header)
{
    const char *why = NULL;
    size_t at = 0;
    int err = -EAGAIN;
    while (at < len && err == -EAGAIN)
        err = parse(bytes, ++at, header, &why);
    assert_int_equal(err == -EPROTO, why != NULL);
    for (size_t more = at; more <= len && err != -EAGAIN; more++) {
        struct proxy_header again;
        assert_int_equal(parse(bytes, more, &again, &why), err);
        if (err == 0) {
            assert_int_equal(again.len, header->len);
            assert_memory_equal(&again.source, &header->source, sizeof(again.source));
        }
    }
    *out = err;
    return at;
}

static void headers_are_understood(void **state)
{
    (void)state;
    static const struct {
        struct bytes header;
        const char *source;
    } cases[] = {
        {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\n"), "192.0.2.1:5000"},
        {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
         "255.255.255.255:65535"},
        {BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0"},
        {BYTES("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "[2001:db8::1]:1"},
        {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {BYTES("PROXY UNKNOWN\r\n"), NULL},
        {BYTES("PROXY UNKNOWN anything at all\r\n"), NULL},
        {BYTES(START "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x13\x88\0\x50"), "192.0.2.1:5000"},
        {BYTES(START "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2"),
         "[2001:db8::1]:1"},
        {BYTES(START "\x20\0\0\0"), NULL},       /* LOCAL */
        {BYTES(START "\x20\x11\0\0"), NULL},     /* with a family, and no addresses */
        {BYTES(START "\x21\0\0\0"), NULL},       /* PROXY of nobody knows what */
        {BYTES(START "\x21\0\0\3\1\2\3"), NULL}, /* the same, with what is to be skipped */
        {BYTES(START "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\x13\x88\0\x50\4\0\0"),
         "192.0.2.1:5000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes header = cases[i].header;
        char more[512], text[ADDRESS_TEXT_MAX];
        struct proxy_header out;
        int err;
        memcpy(more, header.at, header.len);
        memcpy(more + header.len, "GET / HTTP/1.1\r\n", 16); /* does not matter */
        size_t at = verdict_at(more, header.len + 16, &err, &out);
        assert_int_equal(err, 0);
        assert_int_equal(out.len, header.len);
        assert_true(at <= header.len && at <= PROXY_LOOK_LEN);
        assert_int_equal(out.source.len == 0, cases[i].source == NULL);
        if (cases[i].source == NULL)
            continue;
        address_format(&out.source, text);
        assert_string_equal(text, cases[i].source);
    }
}

static void what_is_no_header_is_refused(void **state)
{
    (void)state;
    static const struct bytes cases[] = {
        BYTES("GET / HTTP/1.1\r\n"),
        BYTES("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY\r\n"),
        BYTES("PROXY \r\n"),
        BYTES("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4\r\n"),
        BYTES("PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"),
        BYTES("PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 ::1 ::1 1 1\r\n"),
        BYTES("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"),
        BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rx"),
        BYTES("PROXY TCP4\t1.2.3.4 1.2.3.4 1 1\r\n"),
        BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 1\r\n"),
        BYTES("PROXY UNKNOWN \x80\r\n"),
        BYTES("\r\n\r\n\0\r\nQUIT\r\x21\0\0\0"),
        BYTES(START "\x11\0\0\0"),                             /* version 1 */
        BYTES(START "\x22\0\0\0"),                             /* no such command */
        BYTES(START "\x21\x12\0\x0c\1\2\3\4\1\2\3\4\0\1\0\1"), /* UDP */
        BYTES(START "\x20\x41\0\0"),                           /* no such family */
        BYTES(START "\x21\x11\0\x0b\1\2\3\4\1\2\3\4\0\1\0"),   /* too short */
        BYTES(START "\x21\x31\0\x0c\1\2\3\4\1\2\3\4\0\1\0\1"), /* the same */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_header out = {.len = 7};
        int err;
        verdict_at(cases[i].at, cases[i].len, &err, &out);
        if (err != -EPROTO)
            print_message("case %zu\n", i);
        assert_int_equal(err, -EPROTO);
        assert_int_equal(out.len, 7);
    }
}

static void the_limit_of_a_line_is_exact(void **state)
{
    (void)state;
    for (int by = -1; by <= 1; by++) {
        char line[PROXY_V1_LEN_MAX + 2];
        size_t len = (size_t)(PROXY_V1_LEN_MAX + by);
        struct proxy_header out;
        int err;
        memset(line, 'x', sizeof(line));
        memcpy(line, "PROXY UNKNOWN ", 14);
        memcpy(line + len - 2, "\r\n", 2);
        verdict_at(line, len, &err, &out);
        assert_int_equal(err, by <= 0 ? 0 : -EPROTO);
        if (by <= 0)
            assert_int_equal(out.len, len);
    }
}

static void the_limit_of_a_binary_header_is_exact(void **state)
{
    (void)state;
    for (int by = -1; by <= 1; by++) {
        char header[] = START "\x21\0\0\0";
        size_t rest = (size_t)(PROXY_V2_LEN_MAX + by - 16);
        struct proxy_header out;
        const char *why;
        header[14] = (char)(rest >> 8);
        header[15] = (char)(rest & 0xff);
        assert_int_equal(parse(header, 16, &out, &why), by <= 0 ? 0 : -EPROTO);
        if (by <= 0)
            assert_int_equal(out.len, 16 + rest);
    }
}

/* The longest header of which all is looked at. */
static void paths_of_unix_sockets_are_taken(void **state)
{
    (void)state;
    char header[16 + 216] = START "\x21\x31\0\xd8/run/client";
    char text[ADDRESS_TEXT_MAX];
    struct proxy_header out;
    int err;
    assert_int_equal(verdict_at(header, sizeof(header), &err, &out), PROXY_LOOK_LEN);
    assert_int_equal(err, 0);
    address_format(&out.source, text);
    assert_string_equal(text, "/run/client");
    for (int last = 106; last <= 107; last++) { /* the NUL has to be in it */
        memset(header + 16, 'p', (size_t)last + 1);
        verdict_at(header, sizeof(header), &err, &out);
        assert_int_equal(err, last == 106 ? 0 : -EPROTO);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(headers_are_understood),
    cmocka_unit_test(what_is_no_header_is_refused),
    cmocka_unit_test(the_limit_of_a_line_is_exact),
    cmocka_unit_test(the_limit_of_a_binary_header_is_exact),
    cmocka_unit_test(paths_of_unix_sockets_are_taken),
};
HARNESS_MAIN(tests)
