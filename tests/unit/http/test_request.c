/* SPDX-License-Identifier: MIT */
/*
 * Goal: a handler learns what the head says, and reads the body to its end or to what is wrong with
 * it, in a coroutine and on the loop's own stack; 100 is said only when the body is asked for.
 * Method: handlers of a server in this process answer with what they were told.
 */
#include "server.h"

#include <inttypes.h>

static char upload[3000000];

static const char *or_none(const char *text)
{
    return text == NULL ? "(none)" : text;
}

static int describe(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    struct timeval when;
    int64_t size = -1;
    mtev_http_request_start_time(req, &when);
    check(when.tv_sec > 1000000000);
    check(mtev_http_request_get_upload(req, &size) == NULL);
    check_int(size, 0);
    mtev_http_response_appendf(
        ctx, "%s %d|%s %d|%s|%s|q=%s|e=%s|A=%s|%d%d%d %zu %zu", mtev_http_request_method_str(req),
        mtev_http_request_method(req), mtev_http_request_protocol_str(req),
        mtev_http_request_protocol(req), mtev_http_request_uri_str(req),
        or_none(mtev_http_request_orig_querystring(req)),
        or_none(mtev_http_request_querystring(req, "q")),
        or_none(mtev_http_request_querystring(req, "e")),
        or_none(mtev_http_request_header(req, "a")), mtev_http_request_has_payload(req),
        mtev_http_request_payload_chunked(req), mtev_http_request_payload_complete(req),
        mtev_http_request_content_length(req), mtev_http_request_content_length_read(req));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

struct sum { /* of a body that is read in pieces */
    size_t len;
    uint32_t bytes;
};

static const char *error_name(int err)
{
    return err == EFBIG ? "EFBIG" : err == EBADMSG ? "EBADMSG" : strerror(err);
}

/* Read all, in pieces of an odd size, and answer with a sum. */
static int sum_body(mtev_http_session_ctx *ctx)
{
    static struct sum classic; /* one such request at a time */
    struct sum own = {0}, *sum = coro_self() == NULL ? &classic : &own;
    unsigned char bytes[509];
    int mask = -1, count;
    while ((count = mtev_http_session_req_consume(ctx, bytes, 1000, sizeof(bytes), &mask)) > 0) {
        sum->len += (size_t)count;
        for (int i = 0; i < count; i++)
            sum->bytes = sum->bytes * 31 + bytes[i];
    }
    if (count < 0 && errno == EAGAIN) {
        check(coro_self() == NULL);
        check_int(mask, EVENTER_READ | EVENTER_EXCEPTION);
        return mask;
    }
    if (count < 0)
        http_respond_simply(ctx, errno == EFBIG ? 413 : 400, error_name(errno));
    else
        mtev_http_response_appendf(ctx, "%zu %u", sum->len, sum->bytes);
    mtev_http_request *req = mtev_http_session_request(ctx);
    check(count < 0 || mtev_http_request_payload_complete(req));
    check(count < 0 || mtev_http_request_content_length_read(req) == sum->len);
    check(count < 0 || mtev_http_session_req_consume(ctx, bytes, 1, 1, NULL) == 0);
    mtev_http_response_end(ctx);
    classic = (struct sum){0};
    return HTTP_DISPATCH_DONE;
}

static int ignore_body(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(ctx, "ignored");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* The answer has begun when the body is read: it is too late for an interim one. */
static int begin_then_read(mtev_http_session_ctx *ctx)
{
    int mask;
    mtev_http_response_append_str(ctx, "begun,");
    mtev_http_response_flush(ctx, mtev_false);
    while (mtev_http_session_req_consume(ctx, NULL, 100, 0, &mask) > 0)
        ;
    mtev_http_response_append_str(ctx, "read");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int misuse(mtev_http_session_ctx *ctx)
{
    int mask;
    check_int(mtev_http_session_req_consume(ctx, upload, 0, 10, &mask), -1);
    check_int(errno, EINVAL);
    check_int(mtev_http_session_req_consume(ctx, upload, 10, 0, &mask), -1);
    check_int(errno, EINVAL);
    return ignore_body(ctx);
}

static const struct handler handlers[] = {
    {"/a b", describe, false},         {"/", describe, true},
    {"/sum", sum_body, false},         {"/sum-co", sum_body, true},
    {"/ignore", ignore_body, false},   {"/ignore-co", ignore_body, true},
    {"/begin", begin_then_read, true}, {"/misuse", misuse, false},
};

/* ---- tests ------------------------------------------------------------------------- */

static void the_head_is_told(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, "GET /a%20b?x=1&q=2+%41&q=3&e HTTP/1.1\r\nHost: x\r\nA: \t b \r\n\r\n",
                200, "GET 1|HTTP/1.1 2|/a b|x=1&q=2+%41&q=3&e|q=2 A|e=(none)|A=b|001 0 0");
    client_asks(&client, "POST http://x?q=%zz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
                200, "POST 3|HTTP/1.1 2|/|q=%zz|q=(none)|e=(none)|A=(none)|100 3 0");
    client_asks(&client,
                "PATCH / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
                "PATCH 0|HTTP/1.1 2|/|(none)|q=(none)|e=(none)|A=(none)|110 0 0");
    client_asks(&client, "GET / HTTP/1.0\r\n\r\n", 200,
                "GET 1|HTTP/1.0 1|/|(none)|q=(none)|e=(none)|A=(none)|001 0 0");
    client_close(&client);
    assert_checks();
}

static uint32_t sum_of(const char *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

/* Send the first len bytes of upload to path, in chunks of that size (0: with a length). */
static void upload_to(struct client *client, const char *path, size_t len, size_t chunk)
{
    char text[256];
    int text_len =
        chunk > 0
            ? snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", path)
            : snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, len);
    assert_true(client_try_send(client, text, (size_t)text_len));
    for (size_t at = 0; chunk > 0 && at < len; at += chunk) {
        size_t piece = len - at < chunk ? len - at : chunk;
        text_len = snprintf(text, sizeof(text), "%zX;ext=\"a\"\r\n", piece);
        assert_true(client_try_send(client, text, (size_t)text_len));
        assert_true(client_try_send(client, upload + at, piece));
        client_send(client, "\r\n");
    }
    if (chunk > 0)
        client_send(client, "0\r\nTrailer: x\r\n\r\n");
    else
        assert_true(client_try_send(client, upload, len));
    client_read(client, true);
    assert_int_equal(answer.status, 200);
    snprintf(text, sizeof(text), "%zu %u", len, sum_of(upload, len));
    assert_string_equal(answer.body, text);
}

static void a_body_is_read_to_its_end(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 508, 509, 510, 16384, 100000, sizeof(upload)};
    struct client client;
    client_open(&client);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        upload_to(&client, "/sum", lens[i], 0);
        upload_to(&client, "/sum-co", lens[i], 0);
        upload_to(&client, "/sum", lens[i], 1 + lens[i] / 7);
        upload_to(&client, "/sum-co", lens[i], 1 + lens[i] / 50);
    }
    client_close(&client);
    assert_checks();
}

static void the_limit_of_a_body_is_exact(void **state)
{
    (void)state;
    for (int by = -1; by <= 1; by++)
        for (int chunked = 0; chunked < 2; chunked++) {
            static char piece[1 << 16];
            char text[160];
            struct client client;
            uint64_t left = HTTP1_BODY_LEN_MAX + (uint64_t)(int64_t)by;
            client_open(&client);
            snprintf(text, sizeof(text),
                     chunked ? "POST /sum-co HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                               "\r\n\r\n%" PRIx64 "\r\n"
                             : "POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: %" PRIu64
                               "\r\n\r\n",
                     left);
            client_send(&client, text);
            while (left > 0) {
                size_t len = left < sizeof(piece) ? (size_t)left : sizeof(piece);
                assert_true(client_try_send(&client, piece, len));
                left -= len;
            }
            if (chunked)
                client_send(&client, "\r\n0\r\n\r\n");
            client_read(&client, true);
            assert_int_equal(answer.status, by <= 0 ? 200 : 413);
            assert_int_equal(answer_says("Connection", "close"), by > 0);
            client_close(&client);
        }
}

static void bad_framing_is_an_error_to_the_reader(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char text[160];
        snprintf(text, sizeof(text),
                 "POST /sum%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd",
                 i == 0 ? "" : "-co");
        client_asks_once(text, 400, "EBADMSG\n");
    }
}

static void a_body_that_was_not_read_is_skipped_or_ends_the_connection(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200,
                "ignored"); /* it had come with the head */
    assert_null(answer_field("Connection"));
    client_asks(&client,
                "POST /ignore-co HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0\r\n\r\n",
                200, "ignored");
    assert_null(answer_field("Connection"));
    client_close(&client);
    client_asks_once("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", 200,
                     "ignored");
    client_asks_once(
        "POST /ignore-co HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na", 200,
        "ignored");
}

static void a_hundred_is_said_when_the_body_is_asked_for(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 2; i++) {
        char text[160];
        snprintf(text, sizeof(text),
                 GET("/ignore") "POST /sum%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                "Expect: 100-continue\r\n\r\n",
                 i == 0 ? "" : "-co");
        client_send(&client, text);
        client_read(&client, true);
        assert_int_equal(answer.status, 200);
        client_read(&client, false);
        assert_int_equal(answer.status, 100);
        client_asks(&client, "abc", 200, "3 96354");
    }
    client_close(&client);
}

static void a_hundred_is_not_said_where_nobody_waits_for_it(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client,
                "POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: "
                "100-continue\r\n\r\nabc",
                200, "3 96354"); /* it sent the body at once */
    client_asks(&client,
                "POST /sum HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
                "abc",
                200, "3 96354");
    client_close(&client);
    client_asks_once("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                     "Expect: 100-continue\r\n\r\n",
                     200, "ignored");
    client_asks_once("POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
                     "Expect: 100-continue\r\n\r\n",
                     413, "EFBIG\n");
}

static void a_hundred_is_not_said_into_an_answer(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, "POST /begin HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                         "Expect: 100-continue\r\n\r\n");
    client_head(&client);
    assert_int_equal(answer.status, 200);
    client_send(&client, "abc");
    client_chunks(&client);
    assert_int_equal(strncmp(answer.body, "begun,read", 10), 0);
    client_close(&client);
}

static void a_read_of_nothing_is_refused(void **state)
{
    (void)state;
    client_asks_once("POST /misuse HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", 200,
                     "ignored");
    assert_checks();
}

static const struct CMUnitTest tests[] = {
    served_test(the_head_is_told),
    served_test(a_body_is_read_to_its_end),
    served_test(the_limit_of_a_body_is_exact),
    served_test(bad_framing_is_an_error_to_the_reader),
    served_test(a_body_that_was_not_read_is_skipped_or_ends_the_connection),
    served_test(a_hundred_is_said_when_the_body_is_asked_for),
    served_test(a_hundred_is_not_said_where_nobody_waits_for_it),
    served_test(a_hundred_is_not_said_into_an_answer),
    served_test(a_read_of_nothing_is_refused),
};

int main(void)
{
    for (size_t i = 0; i < sizeof(upload); i++)
        upload[i] = (char)(i * 7 + i / 251);
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
