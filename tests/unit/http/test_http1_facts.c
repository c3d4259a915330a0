/* SPDX-License-Identifier: MIT */
/*
 * Goal: what a head means for host, body and connection, RFC 9112 sections 3.2, 6 and 9 and RFC
 * 9110 sections 7 and 10; every ambiguity of framing is refused.
 * Method: tables of heads with the verdict on each, parsed in every way they may arrive; then the
 * facts of valid heads, one by one.
 */
#include "harness.h"
#include "http1_cases.h"

#include <stdbool.h>

#define POST_WITH(fields)   "POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n\r\n"
#define POST10_WITH(fields) "POST / HTTP/1.0\r\n" fields "\r\n\r\n"
#define HOST_IS(value)      "GET / HTTP/1.1\r\nHost:" value "\r\n\r\n"
#define TARGET_IS(target)   "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static void rfc9112_3_2_host_stands_exactly_once(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE("GET / HTTP/1.1\r\n\r\n", 400, "Host is missing"),
        HEAD_CASE("GET / HTTP/1.1\r\nHosts: a\r\n\r\n", 400, "Host is missing"),
        HEAD_CASE("GET http://a/ HTTP/1.1\r\n\r\n", 400, "Host is missing"),
        HEAD_CASE("GET / HTTP/1.0\r\n\r\n", 0, NULL),
        HEAD_CASE("GET / HTTP/1.1\r\nhOsT: a\r\n\r\n", 0, NULL),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "Host is repeated"),
        HEAD_CASE("GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n", 400, "Host is repeated"),
        HEAD_CASE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "Host is repeated"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9110_7_2_host_is_a_host_and_a_port(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(HOST_IS("example.com"), 0, NULL),
        HEAD_CASE(HOST_IS(" example.com:8080 "), 0, NULL),
        HEAD_CASE(HOST_IS("127.0.0.1:0"), 0, NULL),
        HEAD_CASE(HOST_IS("a:"), 0, NULL),
        HEAD_CASE(HOST_IS("a:65535"), 0, NULL),
        HEAD_CASE(HOST_IS("[::1]"), 0, NULL),
        HEAD_CASE(HOST_IS("[2001:db8::192.0.2.1]:443"), 0, NULL),
        HEAD_CASE(HOST_IS("[1111:2222:3333:4444:5555:6666:111.111.111.111]"), 0, NULL),
        HEAD_CASE(HOST_IS("a-._~!$&'()*+,;=%e9"), 0, NULL),
        HEAD_CASE(HOST_IS(""), 400, "invalid Host"),
        HEAD_CASE(HOST_IS(" \t"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS(":80"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a:65536"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a:000080"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a:8o"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a:-1"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a:80:80"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a b"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("user@a"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a/b"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a%"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a%4"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("a%4g"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("\xc3\xa9"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("["), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[::1"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[::1]8"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[::g]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[fe80::1%25lo]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[1.2.3.4]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[v1.a]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[1111:2222:3333:4444:5555:6666:111.111.111.1111]"), 400, "invalid Host"),
        HEAD_CASE(HOST_IS("[1111:2222:3333:4444:5555:6666:7777:8888:9999:0000]"), 400,
                  "invalid Host"),
        HEAD_CASE("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, "invalid Host"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_3_2_forms_of_the_target(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(TARGET_IS("/"), 0, NULL),
        HEAD_CASE(TARGET_IS("//a"), 0, NULL),
        HEAD_CASE(TARGET_IS("http://b"), 0, NULL),
        HEAD_CASE(TARGET_IS("HTTPS://b:443?x"), 0, NULL),
        HEAD_CASE(TARGET_IS("http://[::1]/x"), 0, NULL),
        HEAD_CASE("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL),
        HEAD_CASE(TARGET_IS("*"), 400, "target * with a method other than OPTIONS"),
        HEAD_CASE("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400,
                  "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("a"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("a:80"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("?x"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("ftp://a/"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("http:/a"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("http://"), 400, "target is neither a path nor an http URI"),
        HEAD_CASE(TARGET_IS("http:///a"), 400, "invalid authority in the target"),
        HEAD_CASE(TARGET_IS("http://?a"), 400, "invalid authority in the target"),
        HEAD_CASE(TARGET_IS("http://u:p@a/"), 400, "invalid authority in the target"),
        HEAD_CASE(TARGET_IS("http://a:99999/"), 400, "invalid authority in the target"),
        HEAD_CASE(TARGET_IS("http://a\\b/"), 400, "invalid authority in the target"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_3_2_2_authority_of_the_target_overrides_host(void **state)
{
    static const char text[] = "GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http1_head head = parse_valid_head(text);
    assert_span(text, head.host, "b:81");
    assert_span(text, head.target, "http://b:81/c?d");
    assert_span(text, head.path, "/c?d");

    static const char query[] = "GET http://b?d HTTP/1.1\r\nHost: a\r\n\r\n";
    head = parse_valid_head(query);
    assert_span(query, head.host, "b");
    assert_span(query, head.path, "?d");

    static const char bare[] = "GET http://b HTTP/1.0\r\n\r\n";
    head = parse_valid_head(bare);
    assert_span(bare, head.host, "b");
    assert_span(bare, head.path, "");
}

static void rfc9112_6_1_transfer_encoding_is_chunked_or_refused(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked"), 0, NULL),
        HEAD_CASE(POST_WITH("transfer-encoding:\tChUnKeD "), 0, NULL),
        HEAD_CASE(POST_WITH("Transfer-Encoding: gzip, chunked"), 501, "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: gzip"), 501, "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: identity"), 501, "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: xchunked"), 501, "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunkedx"), 501, "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: foo;bar=1 , chunked"), 501,
                  "unknown transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked, gzip"), 400,
                  "chunked is not the last transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked, chunked"), 400,
                  "chunked is not the last transfer coding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked;a=b"), 400, "chunked with a parameter"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked ;a"), 400, "chunked with a parameter"),
        HEAD_CASE(POST_WITH("Transfer-Encoding:"), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: ,"), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked,"), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: ,chunked"), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked foo"), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: \"chunked\""), 400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: \x80"
                            "chunked"),
                  400, "invalid Transfer-Encoding"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: \x0b"
                            "chunked"),
                  400, "control character"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400,
                  "Transfer-Encoding is repeated"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 400,
                  "Transfer-Encoding is repeated"),
        HEAD_CASE(POST10_WITH("Transfer-Encoding: chunked"), 400, "Transfer-Encoding in HTTP/1.0"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_6_2_content_length_is_one_number(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(POST_WITH("Content-Length: 0"), 0, NULL),
        HEAD_CASE(POST_WITH("content-length:005"), 0, NULL),
        HEAD_CASE(POST_WITH("Content-Length: 9223372036854775806"), 0, NULL),
        HEAD_CASE(POST_WITH("Content-Length: 9223372036854775807"), 0, NULL),
        HEAD_CASE(POST_WITH("Content-Length: 9223372036854775808"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 18446744073709551617"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length:"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: +5"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: -5"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5 5"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5, 5"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5, 6"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 0x5"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5x"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5.0"), 400, "invalid Content-Length"),
        HEAD_CASE(POST_WITH("Content-Length: 5\r\nContent-Length: 5"), 400,
                  "Content-Length is repeated"),
        HEAD_CASE(POST_WITH("Content-Length: 5\r\nA: b\r\nCONTENT-LENGTH: 6"), 400,
                  "Content-Length is repeated"),
        HEAD_CASE(POST10_WITH("Content-Length: 5"), 0, NULL),
        HEAD_CASE(POST10_WITH("Content-Length: x"), 400, "invalid Content-Length"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void rfc9112_6_3_both_framings_at_once_are_refused(void **state)
{
    static const struct head_case cases[] = {
        HEAD_CASE(POST_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400,
                  "Transfer-Encoding with Content-Length"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400,
                  "Transfer-Encoding with Content-Length"),
        HEAD_CASE(POST_WITH("Transfer-Encoding: gzip\r\nContent-Length: 0"), 400,
                  "Transfer-Encoding with Content-Length"),
    };
    check_heads(cases, CASES_COUNT(cases));
}

static void framing_facts_of_a_body(void **state)
{
    struct http1_head head = parse_valid_head(POST_WITH("Transfer-Encoding: Chunked"));
    assert_true(head.chunked && !head.has_content_length);
    head = parse_valid_head(POST_WITH("Content-Length: 9223372036854775807"));
    assert_true(!head.chunked && head.has_content_length);
    assert_true(head.content_length == INT64_MAX);
    head = parse_valid_head(POST_WITH("A: b"));
    assert_true(!head.chunked && !head.has_content_length && head.content_length == 0);
}

static void rfc9112_9_3_persistence(void **state)
{
    assert_true(parse_valid_head(POST_WITH("A: b")).keep_alive);
    assert_true(parse_valid_head(POST_WITH("Connection: closed")).keep_alive);
    assert_true(parse_valid_head(POST_WITH("Connection:")).keep_alive);
    assert_false(parse_valid_head(POST_WITH("Connection: close")).keep_alive);
    assert_false(parse_valid_head(POST_WITH("Connection: keep-alive, ,\tCLOSE ")).keep_alive);
    assert_false(parse_valid_head(POST_WITH("Connection: a\r\nConnection: close")).keep_alive);
    assert_false(parse_valid_head(POST10_WITH("A: b")).keep_alive);
    assert_true(parse_valid_head(POST10_WITH("Connection: Keep-Alive")).keep_alive);
    assert_false(parse_valid_head(POST10_WITH("Connection: keep-alive, close")).keep_alive);
}

static void rfc9110_10_1_1_expect(void **state)
{
    assert_true(
        parse_valid_head(POST_WITH("Expect: 100-Continue\r\nContent-Length: 1")).expect_continue);
    assert_true(parse_valid_head(POST_WITH("Expect: a, 100-continue")).expect_continue);
    assert_false(parse_valid_head(POST_WITH("Expect: 100-continues")).expect_continue);
    assert_false(parse_valid_head(POST_WITH("Accept: 100-continue")).expect_continue);
    assert_false(
        parse_valid_head(POST10_WITH("Expect: 100-continue\r\nContent-Length: 1")).expect_continue);
}

static void rfc9110_7_8_upgrade_needs_connection_and_http_1_1(void **state)
{
    static const char text[] =
        POST_WITH("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c");
    struct http1_head head = parse_valid_head(text);
    assert_true(head.has_upgrade);
    assert_span(text, head.upgrade, "websocket");
    head = parse_valid_head(POST_WITH("Upgrade: websocket"));
    assert_true(!head.has_upgrade && head.upgrade.len == 0);
    head = parse_valid_head(POST_WITH("Connection: upgrade"));
    assert_false(head.has_upgrade);
    head = parse_valid_head(POST10_WITH("Connection: upgrade\r\nUpgrade: websocket"));
    assert_false(head.has_upgrade);
}

static void rfc9110_10_1_4_te_is_told(void **state)
{
    struct http1_head head = parse_valid_head(POST_WITH("TE: trailers"));
    assert_true(head.has_te);
    head = parse_valid_head(POST_WITH("TX: trailers"));
    assert_false(head.has_te);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc9112_3_2_host_stands_exactly_once),
    cmocka_unit_test(rfc9110_7_2_host_is_a_host_and_a_port),
    cmocka_unit_test(rfc9112_3_2_forms_of_the_target),
    cmocka_unit_test(rfc9112_3_2_2_authority_of_the_target_overrides_host),
    cmocka_unit_test(rfc9112_6_1_transfer_encoding_is_chunked_or_refused),
    cmocka_unit_test(rfc9112_6_2_content_length_is_one_number),
    cmocka_unit_test(rfc9112_6_3_both_framings_at_once_are_refused),
    cmocka_unit_test(framing_facts_of_a_body),
    cmocka_unit_test(rfc9112_9_3_persistence),
    cmocka_unit_test(rfc9110_10_1_1_expect),
    cmocka_unit_test(rfc9110_7_8_upgrade_needs_connection_and_http_1_1),
    cmocka_unit_test(rfc9110_10_1_4_te_is_told),
};

HARNESS_MAIN(tests)
