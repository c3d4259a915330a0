/* SPDX-License-Identifier: MIT */
/*
 * Goal: a connection of HTTP/2 serves many requests at once, in either direction no faster than the
 * other side reads; it begins in each of the ways there are, and ends so that no request is lost.
 * Method: a server of two loops in this process and a blocking client that sends frames as a test
 * writes them.  Deadlines are shortened where a test waits for one.
 */
#include "server.h"

#include "http2_client.h"

#include "http/http2_conn.h"

#define MS         CLOCK_NS_PER_MS
#define SOON       (80 * MS)                 /* a deadline that a test waits for */
#define LARGE_SIZE ((size_t)4 * 1024 * 1024) /* more than windows and buffers take */

static char large[LARGE_SIZE];
static struct h2 client;
static _Atomic int begun;    /* handlers that wait */
static _Atomic int last_err; /* errno of the last read that failed */
static _Atomic bool may_go;  /* what they wait for */
static _Atomic bool has_floated;
static _Atomic(mtev_http_session_ctx *) floated;

/* ---- handlers -------------------------------------------------------------------- */

static int answer_text(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "%s %s", mtev_http_request_method_str(req),
                               mtev_http_request_protocol_str(req));
    check(mtev_http_request_protocol(req) == MTEV_HTTP20 ||
          mtev_http_request_protocol(req) == MTEV_HTTP11);
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Answers with the value of a field of the request; the query names it. */
static int answer_field_of(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    const char *value = mtev_http_request_header(req, mtev_http_request_orig_querystring(req));
    mtev_http_response_append_str(ctx, value == NULL ? "(none)" : value);
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int answer_late(mtev_http_session_ctx *ctx)
{
    sleep_ms(2);
    return answer_text(ctx);
}

/* Floats at the first call; the query says whether the main thread ends the response. */
static int float_once(mtev_http_session_ctx *ctx)
{
    mtev_http_connection *conn = mtev_http_session_connection(ctx);
    if (atomic_exchange(&has_floated, true))
        return answer_text(ctx);
    check(mtev_http_connection_event_float(conn) == NULL);
    check(mtev_http_connection_event(conn) == NULL);
    check(http_session_is_floated(ctx));
    atomic_store(&floated, ctx);
    return 0;
}

static int answer_large(mtev_http_session_ctx *ctx)
{
    bool ok = mtev_http_response_append(ctx, large, sizeof(large)) == mtev_true;
    ok = mtev_http_response_append(ctx, large, sizeof(large)) == mtev_true && ok;
    mtev_http_response_end(ctx);
    check(ok || mtev_http_response_closed(ctx));
    return HTTP_DISPATCH_DONE;
}

/* Waits in a coroutine until the test lets it go on. */
static int answer_when_told(mtev_http_session_ctx *ctx)
{
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_go))
        sleep_ms(1);
    atomic_fetch_sub(&begun, 1);
    return answer_text(ctx);
}

/* Waits in a coroutine until the peer is gone. */
static int wait_for_the_end(mtev_http_session_ctx *ctx)
{
    int mask;
    atomic_fetch_add(&begun, 1);
    while (!mtev_http_response_closed(ctx))
        sleep_ms(1);
    check(!mtev_http_response_append_str(ctx, "nobody hears it"));
    check(!mtev_http_response_flush(ctx, mtev_false));
    check(mtev_http_session_req_consume(ctx, NULL, 10, 10, &mask) <= 0);
    while (!atomic_load(&may_go)) /* it takes its time */
        sleep_ms(1);
    check(!mtev_http_response_end(ctx));
    atomic_fetch_sub(&begun, 1);
    return HTTP_DISPATCH_DONE;
}

/* Answers with how many bytes the body has. */
static int read_body(mtev_http_session_ctx *ctx)
{
    char bytes[512];
    int mask, count;
    mtev_http_request *req = mtev_http_session_request(ctx);
    atomic_fetch_add(&begun, 1);
    while ((count =
                mtev_http_session_req_consume(ctx, bytes, sizeof(bytes), sizeof(bytes), &mask)) > 0)
        check(bytes[count - 1] == 'b');
    if (count < 0 && errno == EAGAIN)
        return mask;
    if (count < 0) {
        atomic_store(&last_err, errno);
        http_respond_simply(ctx, errno == ETIMEDOUT ? 408 : 400, "no body");
        return HTTP_DISPATCH_DONE;
    }
    check(mtev_http_request_payload_complete(req));
    mtev_http_response_appendf(ctx, "%zu", mtev_http_request_content_length_read(req));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Classic: says something each time it can leave, ten times. */
static int answer_in_turns(mtev_http_session_ctx *ctx)
{
    int *turn = http_request_alloc(ctx, sizeof(*turn)); /* zeroed, and one for each call */
    static _Atomic int turns;
    (void)turn;
    mtev_http_response_append(ctx, large, 2 * HTTP_FLUSH_AT);
    mtev_http_response_flush(ctx, mtev_false);
    if (atomic_fetch_add(&turns, 1) % 10 < 9 && !mtev_http_response_closed(ctx))
        return EVENTER_WRITE | EVENTER_EXCEPTION;
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int answer_nothing(mtev_http_session_ctx *ctx)
{
    const char *query = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    int status = (int)strtol(query, NULL, 10);
    mtev_http_response_status_set(ctx, status, "X");
    mtev_http_response_append_str(ctx, "a body that is none");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Announces ten bytes; the query says how many come. */
static int answer_with_length(mtev_http_session_ctx *ctx)
{
    const char *query = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    mtev_http_response_header_set(ctx, "Content-Length", "10");
    mtev_http_response_header_set(ctx, "Keep-Alive", "no");
    mtev_http_response_header_set(ctx, "Connection", "x");
    mtev_http_response_header_set(ctx, "X-Padded", "  a b\t");
    mtev_http_response_append(ctx, "0123456789abcdef", (size_t)strtol(query, NULL, 10));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int never_answer(mtev_http_session_ctx *ctx)
{
    (void)ctx;
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/text", answer_text, false},      {"/text-co", answer_text, true},
    {"/field", answer_field_of, false}, {"/late", answer_late, true},
    {"/float", float_once, false},      {"/large", answer_large, false},
    {"/large-co", answer_large, true},  {"/told", answer_when_told, true},
    {"/gone", wait_for_the_end, true},  {"/body", read_body, false},
    {"/body-co", read_body, true},      {"/turns", answer_in_turns, false},
    {"/status", answer_nothing, false}, {"/length", answer_with_length, false},
    {"/never", never_answer, false},
};

static int begin(void **state)
{
    (void)state;
    atomic_store(&begun, 0);
    atomic_store(&last_err, 0);
    atomic_store(&may_go, false);
    return 0;
}

static int end(void **state)
{
    atomic_store(&may_go, true);
    return server_clean(state);
}

#define h2_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* ---- requests -------------------------------------------------------------------- */

static void a_request_is_answered(void **state)
{
    (void)state;
    h2_open(&client);
    for (uint32_t id = 1; id < 200; id += 2) {
        struct h2_stream *s =
            h2_gets(&client, id, id % 4 == 1 ? "/text" : "/text-co", 200, "GET HTTP/2.0");
        assert_non_null(strstr(s->head, "\ncontent-length: 12\n"));
        assert_non_null(strstr(s->head, "\ncontent-type: text/plain\n"));
        assert_non_null(strstr(s->head, "\ndate: "));
        assert_null(strstr(s->head, "chunked"));
    }
    h2_gets(&client, 201, "/nothing", 404, NULL);
    h2_close(&client);
}

static void a_hundred_requests_are_answered_at_once(void **state)
{
    (void)state;
    h2_open(&client);
    for (int round = 0; round < 3; round++) {
        const uint32_t first = (uint32_t)round * 200 + 1;
        for (uint32_t i = 0; i < HTTP2_STREAMS_MAX; i++)
            h2_get(&client, first + 2 * i,
                   i % 3 == 0   ? "/late"
                   : i % 3 == 1 ? "/text"
                                : "/text-co");
        for (uint32_t i = 0; i < HTTP2_STREAMS_MAX; i++)
            assert_string_equal(h2_wait(&client, first + 2 * i)->body, "GET HTTP/2.0");
    }
    h2_close(&client);
}

static void answers_to_one_segment_leave_in_one(void **state)
{
    (void)state;
    static uint8_t bytes[8192];
    const char *const fields[] = {":method", "GET",        ":scheme", "http", ":path",
                                  "/text",   ":authority", "x",       NULL};
    size_t len = 0;
    h2_open(&client);
    h2_settle(&client);
    for (uint32_t id = 1; id <= 19; id += 2) {
        size_t block = h2_put_fields(bytes + len + 9, fields);
        h2_put_head(bytes + len, block, NGHTTP2_HEADERS, H2_WHOLE, id);
        len += 9 + block;
    }
    client.grants = false;
    assert_true(client_try_send(&client.tcp, bytes, len));
    h2_wait(&client, 1);
    const size_t arrived = client.tcp.len; /* with the first */
    for (uint32_t id = 3; id <= 19; id += 2)
        h2_wait(&client, id);
    assert_int_equal(client.tcp.len, arrived);
    h2_close(&client);
}

static void answers_without_content_have_none(void **state)
{
    (void)state;
    h2_open(&client);
    h2_ask(&client, 1, H2_WHOLE, "HEAD", "/text", NULL);
    struct h2_stream *s = h2_wait(&client, 1);
    assert_int_equal(s->len, 0);
    assert_non_null(strstr(s->head, "\ncontent-length: 13\n"));
    h2_gets(&client, 3, "/status?204", 204, "");
    assert_null(strstr(h2_stream(&client, 3)->head, "content-length"));
    h2_gets(&client, 5, "/status?304", 304, "");
    h2_get(&client, 7, "/status?100"); /* no answer at all */
    h2_sees_reset(&client, 7, NGHTTP2_INTERNAL_ERROR);
    h2_gets(&client, 9, "/status?599", 599, "a body that is none");
    h2_close(&client);
}

static void an_announced_length_is_kept(void **state)
{
    (void)state;
    h2_open(&client);
    struct h2_stream *s = h2_gets(&client, 1, "/length?10", 200, "0123456789");
    assert_non_null(strstr(s->head, "\ncontent-length: 10\n"));
    assert_null(strstr(s->head, "keep-alive"));
    assert_null(strstr(s->head, "connection"));
    assert_non_null(strstr(s->head, "\nx-padded: a b\n"));
    h2_gets(&client, 3, "/length?12", 200, "0123456789");
    h2_get(&client, 5, "/length?9");
    h2_sees_reset(&client, 5, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(h2_stream(&client, 5)->has_ended, false);
    h2_close(&client);
    assert_logged(1, "longer than its Content-Length");
}

static void who_does_not_answer_is_answered_for(void **state)
{
    (void)state;
    h2_open(&client);
    h2_gets(&client, 1, "/never", 500, NULL);
    h2_gets(&client, 3, "/text", 200, NULL); /* the connection goes on */
    h2_close(&client);
    assert_logged(1, "did not end its response");
}

/* ---- fields ---------------------------------------------------------------------- */

static void fields_are_as_in_http_1(void **state)
{
    (void)state;
    const char *const cookies[] = {"cookie", "a=1",      "x-a",    "v",   "cookie", "b=2",
                                   "cookie", "c=3; d=4", "accept", "*/*", NULL};
    h2_open(&client);
    h2_ask(&client, 1, H2_WHOLE, "GET", "/field?Cookie", cookies);
    assert_string_equal(h2_wait(&client, 1)->body, "a=1; b=2; c=3; d=4");
    h2_ask(&client, 3, H2_WHOLE, "GET", "/field?accept", cookies);
    assert_string_equal(h2_wait(&client, 3)->body, "*/*");
    h2_ask(&client, 5, H2_WHOLE, "GET", "/field?X-A", cookies);
    assert_string_equal(h2_wait(&client, 5)->body, "v");
    h2_ask(&client, 7, H2_WHOLE, "GET", "/field?host", cookies);
    assert_string_equal(h2_wait(&client, 7)->body, "x");
    h2_ask(&client, 9, H2_WHOLE, "GET", "/field?te", NULL);
    assert_string_equal(h2_wait(&client, 9)->body, "(none)");
    h2_close(&client);
}

#define REQUEST(method, path) ":method", method, ":scheme", "http", ":path", path

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *fields[16];
        int status; /* 0: the stream is reset */
    } cases[] = {
        {{REQUEST("GET", "/text"), ":authority", "x", NULL}, 200},
        {{REQUEST("GET", "/text"), "host", "x", NULL}, 200},
        {{REQUEST("GET", "/text"), ":authority", "x", "host", "x", NULL}, 200},
        {{REQUEST("OPTIONS", "*"), ":authority", "x", NULL}, 404},
        {{REQUEST("GET", "/text"), ":authority", "x", "te", "trailers", NULL}, 200},
        {{REQUEST("GET", "/text"), ":authority", "x", "host", "y", NULL}, 400},
        {{REQUEST("GET", "/text"), ":authority", "a/b", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "u@b", NULL}, 400},
        {{REQUEST("GET", "/te#xt"), ":authority", "x", NULL}, 400},
        {{REQUEST("GET", "/%0"), ":authority", "x", NULL}, 400},
        {{REQUEST("METHOD-OF-MORE-THAN-32-CHARACTERS", "/"), ":authority", "x", NULL}, 501},
        {{":method", "CONNECT", ":authority", "x:1", NULL}, 501},
        {{":method", "GET", ":scheme", "ftp", ":path", "/", ":authority", "x", NULL}, 400},
        {{REQUEST("GET", "/text"), NULL}, 0},
        {{REQUEST("GET", ""), ":authority", "x", NULL}, 0},
        {{REQUEST("GET", "text"), ":authority", "x", NULL}, 0},
        {{REQUEST("GET", "*"), ":authority", "x", NULL}, 0},
        {{":method", "GET", ":scheme", "http", ":authority", "x", NULL}, 0},
        {{":method", "GET", ":path", "/", ":authority", "x", NULL}, 0},
        {{":scheme", "http", ":path", "/", ":authority", "x", NULL}, 0},
        {{REQUEST("GET", "/"), ":authority", "x", ":method", "GET", NULL}, 0},
        {{REQUEST("GET", "/"), ":authority", "x", ":status", "200", NULL}, 0},
        {{REQUEST("GET", "/"), ":authority", "x", ":other", "1", NULL}, 0},
        {{":method", "GET", "a", "b", ":scheme", "http", ":path", "/", ":authority", "x", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "Upper", "1", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "a b", "1", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "a", "1\r\nb: 2", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "a", " 1", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "a", "1 ", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "connection", "close", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "keep-alive", "1", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "transfer-encoding", "chunked", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "upgrade", "h2c", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "te", "gzip", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "content-length", "1", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "content-length", "x", NULL}, 0},
        {{REQUEST("GET", "/text"), ":authority", "x", "content-length", "0", "content-length", "0",
          NULL},
         0},
    };
    uint32_t id = 1;
    h2_open(&client);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++, id += 2) {
        h2_ask_raw(&client, id, H2_WHOLE, cases[i].fields);
        if (cases[i].status == 0) {
            struct h2_stream *stream = h2_stream(&client, id);
            while (stream->reset == H2_NO_CODE && !stream->has_ended)
                h2_must(&client);
            if (stream->has_ended)
                fail_msg("case %zu was answered with %d", i, stream->status);
        } else if (h2_wait(&client, id)->status != cases[i].status) {
            fail_msg("case %zu was answered with %d", i, h2_stream(&client, id)->status);
        }
    }
    h2_gets(&client, id, "/text", 200, NULL); /* the connection was not theirs alone */
    h2_close(&client);
}

/* ---- bodies ---------------------------------------------------------------------- */

/* Send a body of len bytes as the windows let it. */
static void send_body(uint32_t id, size_t len)
{
    static char bytes[H2_PAYLOAD_MAX];
    const int64_t full = sizeof(bytes);
    memset(bytes, 'b', sizeof(bytes));
    for (size_t sent = 0; sent < len;) {
        size_t count = MIN(len - sent, sizeof(bytes));
        while (h2_stream(&client, id)->window < full || client.window < full)
            h2_must(&client);
        h2_data(&client, id, sent + count == len ? H2_END : 0, bytes, count);
        sent += count;
    }
}

static void a_body_is_read_as_it_comes(void **state)
{
    (void)state;
    static const char *const paths[] = {"/body", "/body-co"};
    h2_open(&client);
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t id = 4 * i + 1;
        h2_ask(&client, id, H2_END_HEADERS, "POST", paths[i], NULL);
        send_body(id, 1000000);
        assert_string_equal(h2_wait(&client, id)->body, "1000000");
        const char *const fields[] = {"content-length", "3", NULL};
        h2_ask(&client, id + 2, H2_END_HEADERS, "POST", paths[i], fields);
        h2_data(&client, id + 2, 0, "bb", 2);
        h2_settle(&client);
        h2_data(&client, id + 2, H2_END, "b", 1);
        assert_string_equal(h2_wait(&client, id + 2)->body, "3");
    }
    h2_close(&client);
}

static void a_body_may_be_empty_or_end_with_trailers(void **state)
{
    (void)state;
    const char *const trailers[] = {"x-checksum", "1", NULL};
    h2_open(&client);
    h2_ask(&client, 1, H2_END_HEADERS, "POST", "/body-co", NULL);
    h2_data(&client, 1, H2_END, NULL, 0);
    assert_string_equal(h2_wait(&client, 1)->body, "0");
    h2_ask(&client, 3, H2_END_HEADERS, "POST", "/body-co", NULL);
    h2_data(&client, 3, 0, "bbbb", 4);
    h2_ask_raw(&client, 3, H2_WHOLE, trailers);
    assert_string_equal(h2_wait(&client, 3)->body, "4");
    h2_close(&client);
}

static void a_body_that_is_not_as_announced_resets_its_stream(void **state)
{
    (void)state;
    const char *const fields[] = {"content-length", "3", NULL};
    h2_open(&client);
    h2_ask(&client, 1, H2_END_HEADERS, "POST", "/body-co", fields);
    h2_data(&client, 1, H2_END, "bb", 2);
    h2_sees_reset(&client, 1, NGHTTP2_PROTOCOL_ERROR);
    h2_ask(&client, 3, H2_END_HEADERS, "POST", "/body", fields);
    h2_data(&client, 3, 0, "bbbb", 4);
    h2_sees_reset(&client, 3, NGHTTP2_PROTOCOL_ERROR);
    h2_gets(&client, 5, "/text", 200, NULL);
    h2_close(&client);
    server_empty();
    assert_int_equal(atomic_load(&last_err), ECONNRESET);
}

static void who_waits_to_be_asked_for_the_body_is_asked(void **state)
{
    (void)state;
    const char *const fields[] = {"expect", "100-continue", NULL};
    h2_open(&client);
    h2_ask(&client, 1, H2_END_HEADERS, "POST", "/body-co", fields);
    while (h2_stream(&client, 1)->interim == 0)
        h2_must(&client);
    h2_data(&client, 1, H2_END, "bb", 2);
    assert_string_equal(h2_wait(&client, 1)->body, "2");
    h2_ask(&client, 3, H2_END_HEADERS, "POST", "/text", fields); /* it is not read */
    assert_int_equal(h2_wait(&client, 3)->interim, 0);
    h2_sees_reset(&client, 3, NGHTTP2_NO_ERROR);
    h2_close(&client);
}

static void a_body_that_nobody_reads_gives_its_window_back(void **state)
{
    (void)state;
    static char bytes[H2_PAYLOAD_MAX];
    h2_open(&client);
    /* Altogether more than the window of the connection, on streams that are answered at once. */
    for (uint32_t id = 1; id < 200; id += 2) {
        h2_ask(&client, id, H2_END_HEADERS, "POST", "/text", NULL);
        h2_data(&client, id, 0, bytes, sizeof(bytes));
        h2_data(&client, id, H2_END, bytes, sizeof(bytes));
        h2_wait(&client, id);
    }
    h2_gets(&client, 201, "/text", 200, NULL);
    h2_close(&client);
}

static void large_answers_go_as_fast_as_they_are_read(void **state)
{
    (void)state;
    h2_open(&client);
    h2_get(&client, 1, "/large");
    h2_get(&client, 3, "/large-co");
    h2_get(&client, 5, "/turns");
    assert_int_equal(h2_wait(&client, 1)->len, 2 * LARGE_SIZE);
    assert_int_equal(h2_wait(&client, 3)->len, 2 * LARGE_SIZE);
    assert_int_equal(h2_wait(&client, 5)->len, 10 * 2 * HTTP_FLUSH_AT);
    assert_null(strstr(h2_stream(&client, 3)->head, "content-length"));
    h2_close(&client);
}

/* ---- beginnings ------------------------------------------------------------------ */

static void a_preface_may_come_byte_by_byte(void **state)
{
    (void)state;
    h2_connect(&client);
    for (const char *at = H2_PREFACE; *at != '\0'; at++) {
        assert_true(client_try_send(&client.tcp, at, 1));
        for (unsigned loop = 0; loop < 2; loop++) /* so that it is read alone */
            settle(loop);
    }
    h2_frame(&client, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_gets(&client, 1, "/text", 200, "GET HTTP/2.0");
    h2_close(&client);
}

static void what_begins_like_a_preface_may_be_http_1(void **state)
{
    (void)state;
    client_asks_once("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505, NULL);
    client_asks_once("PRI /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200,
                     "PRI HTTP/1.1");
}

static const char upgrade_head[] = "GET /text HTTP/1.1\r\nHost: x\r\n"
                                   "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                   "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";

static void read_switching(void)
{
    client_head(&client.tcp);
    assert_int_equal(answer.status, 101);
    assert_true(answer_says("Upgrade", "h2c"));
    assert_true(answer_says("Connection", "Upgrade"));
}

static void a_connection_is_upgraded(void **state)
{
    (void)state;
    h2_connect(&client);
    client.grants = false; /* nothing goes before the preface */
    client_asks(&client.tcp, GET("/text"), 200, "GET HTTP/1.1");
    client_send(&client.tcp, upgrade_head);
    read_switching();
    assert_string_equal(h2_wait(&client, 1)->body, "GET HTTP/2.0");
    client_send(&client.tcp, H2_PREFACE);
    h2_frame(&client, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_gets(&client, 3, "/text-co", 200, "GET HTTP/2.0");
    h2_close(&client);
}

static void the_preface_may_come_before_the_switch(void **state)
{
    (void)state;
    char bytes[sizeof(upgrade_head) + 64];
    const int len = snprintf(bytes, sizeof(bytes), "%s%s", upgrade_head, H2_PREFACE);
    h2_connect(&client);
    h2_put_head((uint8_t *)bytes + len, 0, NGHTTP2_SETTINGS, 0, 0);
    assert_true(client_try_send(&client.tcp, bytes, (size_t)len + 9));
    read_switching();
    assert_string_equal(h2_wait(&client, 1)->body, "GET HTTP/2.0");
    h2_gets(&client, 3, "/text", 200, "GET HTTP/2.0");
    h2_close(&client);
}

static void an_upgrade_that_cannot_be_is_passed_over(void **state)
{
    (void)state;
    static const char *const heads[] = {
        /* not named, not there, twice, not whole, not base64, another protocol, a body */
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "Upgrade: h2c\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAAB\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAAB!\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\n"
        "HTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "Content-Length: 1\r\nHTTP2-Settings: AAMAAABk\r\n\r\nb",
    };
    struct client http1;
    client_open(&http1);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        client_asks(&http1, heads[i], 200, "GET HTTP/1.1");
    client_close(&http1);
}

/* ---- floating -------------------------------------------------------------------- */

static mtev_http_session_ctx *float_one(uint32_t id)
{
    mtev_http_session_ctx *ctx;
    atomic_store(&has_floated, false);
    atomic_store(&floated, NULL);
    h2_get(&client, id, "/float");
    while ((ctx = atomic_load(&floated)) == NULL)
        usleep(200);
    return ctx;
}

static void a_floated_request_goes_on_when_it_is_resumed(void **state)
{
    (void)state;
    h2_open(&client);
    mtev_http_session_ctx *ctx = float_one(1);
    h2_gets(&client, 3, "/text", 200, NULL); /* others are not held up */
    assert_true(mtev_http_response_append_str(ctx, "by another thread"));
    assert_true(mtev_http_response_end(ctx));
    mtev_http_session_resume_after_float(ctx);
    assert_string_equal(h2_wait(&client, 1)->body, "by another thread");
    ctx = float_one(5);
    mtev_http_session_resume_after_float(ctx);
    assert_string_equal(h2_wait(&client, 5)->body, "GET HTTP/2.0");
    h2_close(&client);
}

static void a_floated_request_outlives_its_connection(void **state)
{
    (void)state;
    h2_open(&client);
    mtev_http_session_ctx *ctx = float_one(1);
    client_reset(&client.tcp);
    nghttp2_hd_inflate_del(client.inflater);
    while (!mtev_http_response_closed(ctx))
        usleep(200);
    assert_false(mtev_http_response_append_str(ctx, "nobody reads it"));
    mtev_http_session_resume_after_float(ctx);
    server_empty();
}

/* ---- ends ------------------------------------------------------------------------ */

static void a_cancelled_handler_is_told(void **state)
{
    (void)state;
    h2_open(&client);
    h2_get(&client, 1, "/gone");
    h2_ask(&client, 3, H2_END_HEADERS, "POST", "/body-co", NULL);
    h2_ask(&client, 5, H2_END_HEADERS, "POST", "/body", NULL);
    h2_get(&client, 7, "/large-co");
    h2_settle(&client);
    for (uint32_t id = 1; id <= 7; id += 2)
        h2_reset(&client, id);
    h2_gets(&client, 9, "/text", 200, NULL);
    assert_int_equal(atomic_load(&last_err), ECONNRESET);
    atomic_store(&may_go, true);
    h2_close(&client);
}

static void a_handler_outlives_its_connection(void **state)
{
    (void)state;
    h2_open(&client);
    h2_get(&client, 1, "/gone");
    h2_get(&client, 3, "/told");
    h2_ask(&client, 5, H2_END_HEADERS, "POST", "/body", NULL);
    h2_ask(&client, 7, H2_END_HEADERS, "POST", "/body-co", NULL);
    h2_settle(&client);
    client_reset(&client.tcp);
    nghttp2_hd_inflate_del(client.inflater);
    while (atomic_load(&last_err) == 0)
        usleep(200);
    assert_true(server_connections() > 0);
    atomic_store(&may_go, true);
    server_empty();
}

static const struct CMUnitTest tests[] = {
    h2_test(a_request_is_answered),
    h2_test(a_hundred_requests_are_answered_at_once),
    h2_test(answers_to_one_segment_leave_in_one),
    h2_test(answers_without_content_have_none),
    h2_test(an_announced_length_is_kept),
    h2_test(who_does_not_answer_is_answered_for),
    h2_test(fields_are_as_in_http_1),
    h2_test(what_is_no_request_is_refused),
    h2_test(a_body_is_read_as_it_comes),
    h2_test(a_body_may_be_empty_or_end_with_trailers),
    h2_test(a_body_that_is_not_as_announced_resets_its_stream),
    h2_test(who_waits_to_be_asked_for_the_body_is_asked),
    h2_test(a_body_that_nobody_reads_gives_its_window_back),
    h2_test(large_answers_go_as_fast_as_they_are_read),
    h2_test(a_preface_may_come_byte_by_byte),
    h2_test(what_begins_like_a_preface_may_be_http_1),
    h2_test(a_connection_is_upgraded),
    h2_test(the_preface_may_come_before_the_switch),
    h2_test(an_upgrade_that_cannot_be_is_passed_over),
    h2_test(a_floated_request_goes_on_when_it_is_resumed),
    h2_test(a_floated_request_outlives_its_connection),
    h2_test(a_cancelled_handler_is_told),
    h2_test(a_handler_outlives_its_connection),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
