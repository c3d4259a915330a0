/* SPDX-License-Identifier: MIT */
/*
 * Goal: the syntax and the limits of a request head, RFC 9112 sections 2, 3 and 5.
 * Method: tables of heads with the verdict on each, parsed whole, cut in two at every place and one
 * byte at a time; heads made to length for the limits.
 */
#include "harness.h"
#include "http1_cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rfc9112_2_2_one_empty_line_before_the_request_line_is_forgiven(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not an HTTP request"),
        HEAD_CASE("\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not an HTTP request"),
        HEAD_CASE("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not an HTTP request"),
        HEAD_CASE("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("\r\nGET\r\n", 400, "invalid character in the method"),
        HEAD_CASE("\r", -EAGAIN, NULL),
        HEAD_CASE("\r\n", -EAGAIN, NULL),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_2_2_a_bare_cr_or_lf_ends_nothing_and_is_refused(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("GET / HTTP/1.1\nHost: a\n\n", 400, "LF without CR"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "LF without CR"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "LF without CR"),
        HEAD_CASE("GET / HTTP/1.1\r\n\nHost: a\r\n\r\n", 400, "LF without CR"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", 400, "LF without CR"),
        HEAD_CASE("GET / HTTP/1.1\rHost: a\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", 400, "CR without LF"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\n\rA: b\r\n\r\n", 400, "CR without LF"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_2_3_versions(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("GET / HTTP/1.0\r\n\r\n", 0, NULL),
        HEAD_CASE("GET / HTTP/1.9\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE("GET / HTTP/2.0\r\n\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are served here"),
        HEAD_CASE("GET / HTTP/0.9\r\n\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are served here"),
        HEAD_CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505,
                  "only HTTP/1.0 and HTTP/1.1 are served here"),
        HEAD_CASE("GET / http/1.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1.\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/11.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "control character"),
        HEAD_CASE("GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/+1.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/x.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1 1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / H\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / ICAP/1.0\r\n\r\n", 400, "invalid protocol version"),
    };
    check_heads(cases, CASES_COUNT(cases));

    struct http1_head head = parse_valid_head("GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.version, 10);
    head = parse_valid_head("GET / HTTP/1.7\r\nHost: a\r\n\r\n");
    assert_int_equal(head.version, 11);
}

static void rfc9112_3_spaces_of_the_request_line(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not an HTTP request"),
        HEAD_CASE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400,
                  "more than one space in the request line"),
        HEAD_CASE("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "control character"),
        HEAD_CASE("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the method"),
        HEAD_CASE("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the target"),
        HEAD_CASE("GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", 400, "control character"),
        HEAD_CASE("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the method"),
        HEAD_CASE("GET /\r\n", 400, "no protocol version"),
        HEAD_CASE("GET / \r\n", 400, "invalid protocol version"),
        HEAD_CASE("GET\r\n", 400, "invalid character in the method"),
        HEAD_CASE("GET \r\n", 400, "no protocol version"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_3_1_methods(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("get / HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE("!#$%&'*+-.^_`|~09AZaz / HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT is not served"),
        HEAD_CASE("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT is not served"),
        HEAD_CASE("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the method"),
        HEAD_CASE("GET: / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the method"),
        HEAD_CASE("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the method"),
        HEAD_CASE("G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", 400,
                  "invalid character in the method"),
        HEAD_CASE("\x16\x03\x01\x02\x00\x01", 400, "not an HTTP request"),
        HEAD_CASE("{\"a\":1}", 400, "not an HTTP request"),
        HEAD_CASE("", -EAGAIN, NULL),
        HEAD_CASE("GET / HTTP/1.1\r", -EAGAIN, NULL),
        HEAD_CASE("GET / HTTP/1.1\rx", -EAGAIN, NULL),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_3_2_bytes_of_the_target(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("GET /~!$&'()*+,;=:@-._%20?/?|{}[]^`\"<>\\ HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "fragment in the target"),
        HEAD_CASE("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400,
                  "invalid character in the target"),
        HEAD_CASE("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the target"),
        HEAD_CASE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid character in the target"),
        HEAD_CASE("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400,
                  "invalid character in the target"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_5_fields(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(WITH_FIELD("A:"), 0, NULL),
        HEAD_CASE(WITH_FIELD("A: \t "), 0, NULL),
        HEAD_CASE(WITH_FIELD("A:b"), 0, NULL),
        HEAD_CASE(WITH_FIELD("A: b\tc \x80\xff : \"d\""), 0, NULL),
        HEAD_CASE(WITH_FIELD("!#$%&'*+-.^_`|~09AZaz: b"), 0, NULL),
        HEAD_CASE(WITH_FIELD(": b"), 400, "empty field name"),
        HEAD_CASE(WITH_FIELD("A"), 400, "field line without a colon"),
        HEAD_CASE(WITH_FIELD("A b: c"), 400, "blank between field name and colon"),
        HEAD_CASE(WITH_FIELD("A(b): c"), 400, "invalid character in a field name"),
        HEAD_CASE(WITH_FIELD("(b): c"), 400, "invalid character in a field name"),
        HEAD_CASE(WITH_FIELD("A\xe9: c"), 400, "invalid character in a field name"),
        HEAD_CASE(WITH_FIELD("A\0: c"), 400, "invalid character in a field name"),
        HEAD_CASE(WITH_FIELD("A: b\0c"), 400, "control character"),
        HEAD_CASE(WITH_FIELD("A: b\x01"), 400, "control character"),
        HEAD_CASE(WITH_FIELD("A: b\x7f"), 400, "control character"),
        HEAD_CASE(WITH_FIELD("A: bbbbbbbbbbbbbbbbbbbbbbbb\x1fzzzzzzzzzzzzzzzzzzzzzzz"), 400,
                  "control character"),
        HEAD_CASE(WITH_FIELD("A: b") "\0\0body", 0, NULL),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\nA: \0", -EAGAIN, NULL),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_5_1_blank_before_the_colon_is_refused(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(WITH_FIELD("Content-Length : 5"), 400, "blank between field name and colon"),
        HEAD_CASE(WITH_FIELD("Transfer-Encoding\t: chunked"), 400,
                  "blank between field name and colon"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_5_2_folded_lines_are_refused(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(WITH_FIELD("A: b\r\n c"), 400, "folded field line"),
        HEAD_CASE(WITH_FIELD("A: b\r\n\tc: d"), 400, "folded field line"),
        HEAD_CASE(WITH_FIELD("A:\r\n b"), 400, "folded field line"),
        HEAD_CASE(WITH_FIELD("A: b\r\n "), 400, "folded field line"),
        HEAD_CASE("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "blank before the first field"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void spans_say_where_everything_stands(void **state)
{
    static const char text[] = "\r\nPUT /a?b=c HTTP/1.1\r\nHost:a:8080\r\nEmpty: \t\r\n"
                               "Content-LENGTH: \t 5 \t\r\nX-Y: z  z\t \r\n\r\n";
    struct http1_head head = parse_valid_head(text);
    assert_span(text, head.method, "PUT");
    assert_span(text, head.target, "/a?b=c");
    assert_span(text, head.path, "/a?b=c");
    assert_span(text, head.host, "a:8080");
    assert_int_equal(head.fields_count, 4);
    assert_span(text, head.fields[0].name, "Host");
    assert_span(text, head.fields[0].value, "a:8080");
    assert_span(text, head.fields[1].name, "Empty");
    assert_span(text, head.fields[1].value, "");
    assert_span(text, head.fields[2].name, "Content-LENGTH");
    assert_span(text, head.fields[2].value, "5");
    assert_span(text, head.fields[3].value, "z  z");
    assert_true(head.has_content_length);
    assert_int_equal(head.content_length, 5);
}

static void a_second_request_behind_the_first_is_left_alone(void **state)
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    struct http1_field fields[HTTP1_FIELDS_MAX];
    struct http1_head head = {.fields = fields};
    assert_int_equal(http1_parse_head(text, strlen(text), 0, &limits, &head), 0);
    assert_span(text, head.target, "/1");
    const char *rest = text + head.head_len;
    head = parse_valid_head(rest);
    assert_span(rest, head.target, "/2");
    assert_span(rest, head.host, "b");
}

static void a_refusal_tells_what_the_request_line_said(void **state)
{
    static const char text[] = "HEAD /x HTTP/1.0\r\nA\r\n\r\n";
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    struct http1_field fields[HTTP1_FIELDS_MAX];
    struct http1_head head = {.fields = fields};
    assert_int_equal(http1_parse_head(text, strlen(text), 0, &limits, &head), 400);
    assert_span(text, head.method, "HEAD");
    assert_span(text, head.target, "/x");
    assert_int_equal(head.version, 10);
    assert_int_equal(http1_parse_head("GET / HTTP/3\r\n", 14, 0, &limits, &head), 400);
    assert_int_equal(head.version, 0);
}

/* The verdict on a head whose request line has line_len bytes and whose fields have fields_len. */
static int verdict_of_length(size_t prefix_len, size_t line_len, size_t fields_len, uint32_t count)
{
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    static const char line_end[] = " HTTP/1.1\r\n";
    const size_t len = prefix_len + line_len + 2 + fields_len;
    struct http1_field fields[HTTP1_FIELDS_MAX];
    struct http1_head head = {.fields = fields};
    struct head_case head_case = {.len = len};
    char *text = malloc(len + 32);
    assert_non_null(text);
    memset(text, 'a', len);
    memcpy(text, "\r\n", prefix_len);
    memcpy(text + prefix_len, "GET /", 5);
    memcpy(text + prefix_len + line_len + 2 - strlen(line_end), line_end, strlen(line_end));
    char *p = text + prefix_len + line_len + 2;
    memcpy(p, "Host: a\r\n", 9);
    p += 9;
    for (uint32_t i = 1; i + 1 < count; i++, p += 4)
        memcpy(p, "b:\r\n", 4);
    if (count > 1)
        memcpy(p, "c:", 2);
    memcpy(text + len - 4, "\r\n\r\n", 4);
    head_case.text = text;
    head_case.verdict = http1_parse_head(text, len, 0, &limits, &head);
    head_case.reason = head.reason;
    check_long_head(&head_case, &limits, &head);
    assert_true(head_case.verdict != 0 || (head.head_len == len && head.fields_count == count));
    free(text);
    return head_case.verdict;
}

static void request_line_is_limited(void **state)
{
    for (size_t prefix_len = 0; prefix_len <= 2; prefix_len += 2) {
        assert_int_equal(verdict_of_length(prefix_len, HTTP1_REQUEST_LINE_MAX - 1, 40, 2), 0);
        assert_int_equal(verdict_of_length(prefix_len, HTTP1_REQUEST_LINE_MAX, 40, 2), 0);
        assert_int_equal(verdict_of_length(prefix_len, HTTP1_REQUEST_LINE_MAX + 1, 40, 2), 414);
        assert_int_equal(verdict_of_length(prefix_len, HTTP1_REQUEST_LINE_MAX * 9, 40, 2), 414);
    }
}

static void fields_are_limited_in_length(void **state)
{
    const size_t line_lens[] = {30, HTTP1_REQUEST_LINE_MAX};
    for (size_t i = 0; i < 4; i++) {
        size_t prefix_len = i / 2 * 2, line_len = line_lens[i % 2];
        const size_t max = HTTP1_FIELDS_LEN_MAX;
        assert_int_equal(verdict_of_length(prefix_len, line_len, max - 1, 2), 0);
        assert_int_equal(verdict_of_length(prefix_len, line_len, max, 2), 0);
        assert_int_equal(verdict_of_length(prefix_len, line_len, max + 1, 2), 431);
        assert_int_equal(verdict_of_length(prefix_len, line_len, max * 3, 2), 431);
    }
}

static void fields_are_limited_in_number(void **state)
{
    assert_int_equal(verdict_of_length(0, 30, 2000, HTTP1_FIELDS_MAX - 1), 0);
    assert_int_equal(verdict_of_length(0, 30, 2000, HTTP1_FIELDS_MAX), 0);
    assert_int_equal(verdict_of_length(0, 30, 2000, HTTP1_FIELDS_MAX + 1), 431);
}

static void method_is_limited(void **state)
{
    static const int verdicts[] = {0, 0, 501};
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        struct http1_field fields[HTTP1_FIELDS_MAX];
        struct http1_head head = {.fields = fields};
        static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
        memset(text, 'M', sizeof(text));
        snprintf(text + HTTP1_METHOD_MAX - 1 + i, 64, " / HTTP/1.1\r\nHost: a\r\n\r\n");
        struct head_case head_case = {text, strlen(text), verdicts[i],
                                      verdicts[i] == 0 ? NULL : "unknown method"};
        check_heads(&head_case, 1);
        check_long_head(&head_case, &limits, &head);
    }
}

static void a_line_without_an_end_or_a_method_is_refused_at_the_limit(void **state)
{
    static const struct http1_limits limits = {HTTP1_METHOD_MAX, 64, 1};
    static const char text[] = "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM";
    struct http1_field fields[1];
    struct http1_head head = {.fields = fields};
    struct head_case head_case = {text, HTTP1_METHOD_MAX + 2, 400, "no method"};
    check_long_head(&head_case, &limits, &head);
    head_case = (struct head_case){text, HTTP1_METHOD_MAX + 1, -EAGAIN, NULL};
    check_long_head(&head_case, &limits, &head);
}

static void a_head_of_the_largest_size_fits_the_buffer_it_is_promised(void **state)
{
    static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;
    assert_int_equal(http1_head_len_max(&limits),
                     2 + HTTP1_REQUEST_LINE_MAX + 2 + HTTP1_FIELDS_LEN_MAX);
    assert_int_equal(verdict_of_length(2, HTTP1_REQUEST_LINE_MAX, HTTP1_FIELDS_LEN_MAX, 2), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc9112_2_2_one_empty_line_before_the_request_line_is_forgiven),
    cmocka_unit_test(rfc9112_2_2_a_bare_cr_or_lf_ends_nothing_and_is_refused),
    cmocka_unit_test(rfc9112_2_3_versions),
    cmocka_unit_test(rfc9112_3_spaces_of_the_request_line),
    cmocka_unit_test(rfc9112_3_1_methods),
    cmocka_unit_test(rfc9112_3_2_bytes_of_the_target),
    cmocka_unit_test(rfc9112_5_fields),
    cmocka_unit_test(rfc9112_5_1_blank_before_the_colon_is_refused),
    cmocka_unit_test(rfc9112_5_2_folded_lines_are_refused),
    cmocka_unit_test(spans_say_where_everything_stands),
    cmocka_unit_test(a_second_request_behind_the_first_is_left_alone),
    cmocka_unit_test(a_refusal_tells_what_the_request_line_said),
    cmocka_unit_test(request_line_is_limited),
    cmocka_unit_test(fields_are_limited_in_length),
    cmocka_unit_test(fields_are_limited_in_number),
    cmocka_unit_test(method_is_limited),
    cmocka_unit_test(a_line_without_an_end_or_a_method_is_refused_at_the_limit),
    cmocka_unit_test(a_head_of_the_largest_size_fits_the_buffer_it_is_promised),
};

HARNESS_MAIN(tests)
