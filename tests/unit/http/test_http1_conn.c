/* SPDX-License-Identifier: MIT */
/*
 * Goal: a connection serves one request after the other, in order and for as long as both sides
 * want; it refuses what is no request so that the peer reads why, and it ends when its time is up
 * or the peer is gone, whatever it was doing.
 * Method: a server of two loops in this process and a blocking client.  Deadlines are shortened
 * where a test waits for one; nothing else depends on time.
 */
#include "server.h"

#define MS         CLOCK_NS_PER_MS
#define SOON       (80 * MS)                 /* a deadline that a test waits for */
#define LARGE_SIZE ((size_t)8 * 1024 * 1024) /* more than socket buffers take */

static char large[LARGE_SIZE];
static _Atomic int begun;   /* handlers that wait */
static _Atomic bool may_go; /* what they wait for */

/* ---- handlers -------------------------------------------------------------------- */

static int answer_text(mtev_http_session_ctx *ctx)
{
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_append_str(ctx,
                                  mtev_http_request_method_str(mtev_http_session_request(ctx)));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int answer_query(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(
        ctx, mtev_http_request_orig_querystring(mtev_http_session_request(ctx)));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Keeps its loop for a millisecond. */
static int answer_slowly(mtev_http_session_ctx *ctx)
{
    const uint64_t until_ns = clock_mono_ns() + MS;
    while (clock_mono_ns() < until_ns)
        ;
    return answer_query(ctx);
}

static int answer_late(mtev_http_session_ctx *ctx)
{
    sleep_ms(2);
    return answer_query(ctx);
}

static int answer_large(mtev_http_session_ctx *ctx)
{
    bool ok = mtev_http_response_append(ctx, large, sizeof(large)) == mtev_true;
    ok = mtev_http_response_append(ctx, large, sizeof(large)) == mtev_true && ok;
    mtev_http_response_end(ctx);
    check(ok || mtev_http_response_closed(ctx));
    return HTTP_DISPATCH_DONE;
}

/* Waits in a coroutine until the test lets it go on, and then says much. */
static int answer_when_told(mtev_http_session_ctx *ctx)
{
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_go))
        sleep_ms(1);
    return answer_large(ctx);
}

/* Waits in a coroutine until the peer is gone. */
static int wait_for_the_end(mtev_http_session_ctx *ctx)
{
    atomic_fetch_add(&begun, 1);
    while (!mtev_http_response_closed(ctx))
        sleep_ms(1);
    check(!mtev_http_response_append_str(ctx, "nobody hears it"));
    check(!mtev_http_response_flush(ctx, mtev_false));
    check(!mtev_http_response_end(ctx));
    return HTTP_DISPATCH_DONE;
}

static int read_body(mtev_http_session_ctx *ctx)
{
    char bytes[512];
    int mask, count;
    atomic_fetch_add(&begun, 1);
    while ((count =
                mtev_http_session_req_consume(ctx, bytes, sizeof(bytes), sizeof(bytes), &mask)) > 0)
        ;
    if (count < 0 && errno == EAGAIN)
        return mask;
    if (count < 0 && errno == ETIMEDOUT)
        http_respond_simply(ctx, 408, "the body is late");
    else if (count < 0)
        http_respond_simply(ctx, 400, "no body");
    else
        answer_text(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Classic: says something each time the connection can take it, ten times. */
static int answer_in_turns(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    static _Atomic int turn;
    (void)req;
    mtev_http_response_append(ctx, large, 2 * HTTP_FLUSH_AT);
    mtev_http_response_flush(ctx, mtev_false);
    if (atomic_fetch_add(&turn, 1) % 10 < 9 && !mtev_http_response_closed(ctx))
        return EVENTER_WRITE | EVENTER_EXCEPTION;
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

/* Classic: sends the beginning, and goes on once the body has come. */
static int answer_before_the_body(mtev_http_session_ctx *ctx)
{
    int mask;
    if (!mtev_http_response_closed(ctx) && ctx->x->response.is_started == false) {
        mtev_http_response_append(ctx, large, sizeof(large));
        mtev_http_response_flush(ctx, mtev_false);
    }
    if (mtev_http_session_req_consume(ctx, NULL, 1024, 0, &mask) < 0 && errno == EAGAIN)
        return mask;
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int never_answer(mtev_http_session_ctx *ctx)
{
    (void)ctx;
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/text", answer_text, false},
    {"/text-co", answer_text, true},
    {"/query", answer_query, false},
    {"/late", answer_late, true},
    {"/slow", answer_slowly, false},
    {"/large", answer_large, false},
    {"/large-co", answer_large, true},
    {"/told", answer_when_told, true},
    {"/gone", wait_for_the_end, true},
    {"/body", read_body, false},
    {"/body-co", read_body, true},
    {"/turns", answer_in_turns, false},
    {"/early", answer_before_the_body, false},
    {"/early-co", answer_before_the_body, true},
    {"/never", never_answer, false},
};

static int begin(void **state)
{
    (void)state;
    atomic_store(&begun, 0);
    atomic_store(&may_go, false);
    return 0;
}

static int end(void **state)
{
    atomic_store(&may_go, true);
    return server_clean(state);
}

#define conn_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* ---- one request after the other ------------------------------------------------- */

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 100; i++) {
        client_asks(&client, i % 2 == 0 ? GET("/text") : GET("/text-co"), 200, "GET");
        assert_null(answer_field("Connection"));
        assert_true(answer.has_length);
    }
    client_close(&client);
}

static void who_asks_for_the_end_gets_it(void **state)
{
    (void)state;
    client_asks_once("GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, "GET");
    client_asks_once("GET /text HTTP/1.1\r\nHost: x\r\nConnection: a, CLOSE\r\n\r\n", 200, "GET");
    client_asks_once("GET /text HTTP/1.0\r\n\r\n", 200, "GET");
    client_asks_once("GET /text-co HTTP/1.0\r\nConnection: close\r\n\r\n", 200, "GET");
}

static void http_10_is_kept_alive_when_it_asks(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 3; i++) {
        client_asks(&client, "GET /query?q HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "q");
        assert_true(answer_says("Connection", "keep-alive"));
    }
    client_asks(&client, "GET /text HTTP/1.0\r\n\r\n", 200, "GET");
    client_sees_end(&client);
    client_close(&client);
}

static void a_streamed_answer_to_http_10_ends_with_the_connection(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, "GET /turns HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, NULL);
    assert_false(answer.is_chunked || answer.has_length);
    assert_int_equal(answer.len, 10 * 2 * HTTP_FLUSH_AT);
    client_close(&client);
}

static void a_head_may_come_byte_by_byte(void **state)
{
    (void)state;
    static const char head[] = "\r\nGET /text HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    const int on = 1;
    struct client client;
    client_open(&client);
    setsockopt(client.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (int i = 0; i < 2; i++) {
        for (const char *at = head; *at != '\0'; at++) {
            assert_true(client_try_send(&client, at, 1));
            for (unsigned loop = 0; loop < 2; loop++) /* so that it is read alone */
                settle(loop);
        }
        client_read(&client, true);
        assert_string_equal(answer.body, "GET");
    }
    client_close(&client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    static char text[300 * 64];
    struct client client;
    size_t len = 0;
    client_open(&client);
    for (int i = 0; i < 300; i++) /* classic ones and coroutines in turn, past HTTP_STEPS_MAX */
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "GET /%s?%d HTTP/1.1\r\nHost: x\r\n\r\n",
                                i % 3 == 0 ? "late" : "query", i);
    client_send(&client, text);
    for (int i = 0; i < 300; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", i);
        client_read(&client, true);
        assert_string_equal(answer.body, number);
    }
    client_close(&client);
}

static void answers_to_one_segment_leave_in_one(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int round = 0; round < 5; round++) {
        client_send(&client, GET("/text") GET("/query?a") GET("/text"));
        client_read(&client, true); /* one recv(2) has brought all three */
        assert_true(client.len - client.start > 2 * 60);
        size_t len = client.len;
        client_read(&client, true);
        client_read(&client, true);
        assert_int_equal(client.len, len);
        assert_int_equal(client.start, len);
    }
    client_close(&client);
}

static void many_large_answers_are_pipelined(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/query?first") GET("/large-co") GET("/turns") GET("/query?last"));
    client_read(&client, true);
    assert_string_equal(answer.body, "first");
    for (int i = 0; i < 2; i++) /* chunks of them would not fit into answer at once */
        client_head(&client), answer.is_chunked ? client_chunks(&client) : (void)0;
    client_read(&client, true);
    assert_string_equal(answer.body, "last");
    client_close(&client);
}

static void what_follows_the_last_request_is_not_looked_at(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, "GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/text"),
                200, "GET");
    client_sees_end(&client);
    client_close(&client);
}

static void a_half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/late?a") GET("/query?b"));
    shutdown(client.fd, SHUT_WR);
    client_read(&client, true);
    client_read(&client, true);
    assert_string_equal(answer.body, "b");
    client_sees_end(&client);
    client_close(&client);
}

/* ---- refusals -------------------------------------------------------------------- */

static void what_is_no_request_is_refused_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"\x16\x03\x01", 400}, /* TLS */
        {"GET /text HTTP/1.1\r\n\r\n", 400},
        {"GET /text HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GET /text HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         400},
        {"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET /text HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST /body-co HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_asks_once(cases[i].text, cases[i].status, NULL);
        assert_true(answer_says("Content-Type", "text/plain"));
    }
}

static void answers_of_before_a_refusal_are_sent(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/query?1") GET("/late?2") "nonsense\r\n\r\n");
    for (int i = 0; i < 2; i++)
        client_read(&client, true), assert_int_equal(answer.status, 200);
    client_read(&client, true);
    assert_int_equal(answer.status, 400);
    client_sees_end(&client);
    client_close(&client);
}

static void a_refusal_of_head_has_no_body(void **state)
{
    (void)state;
    static const char *const texts[] = {"HEAD /text HTTP/1.1\r\n\r\n",
                                        "HEAD /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "HEAD /text HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct client client;
        client_open(&client);
        client_send(&client, texts[i]);
        client_read(&client, false);
        assert_int_equal(answer.status, 400);
        client_sees_end(&client);
        client_close(&client);
    }
}

static void expect_limit(const char *text, int status)
{
    if (status != 200) {
        client_asks_once(text, status, NULL);
        return;
    }
    struct client client;
    client_open(&client);
    client_asks(&client, text, 200, NULL);
    client_close(&client);
}

static void the_limits_of_a_head_are_exact(void **state)
{
    (void)state;
    static char text[HTTP1_REQUEST_LINE_MAX + HTTP1_FIELDS_LEN_MAX + 4096];
    for (int by = -1; by <= 1; by++) {
        const int pad = HTTP1_REQUEST_LINE_MAX - (int)sizeof("GET /query? HTTP/1.1") + 1 + by;
        snprintf(text, sizeof(text), "GET /query?%0*d HTTP/1.1\r\nHost: x\r\n\r\n", pad, 0);
        expect_limit(text, by <= 0 ? 200 : 414);

        const int left = HTTP1_FIELDS_LEN_MAX - (int)sizeof("Host: x\r\nA: \r\n\r\n") + 1 + by;
        snprintf(text, sizeof(text), "GET /text HTTP/1.1\r\nHost: x\r\nA: %0*d\r\n\r\n", left, 0);
        expect_limit(text, by <= 0 ? 200 : 431);

        size_t len = (size_t)snprintf(text, sizeof(text), "GET /text HTTP/1.1\r\nHost: x\r\n");
        for (int i = 0; i < HTTP1_FIELDS_MAX - 1 + by; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "A: b\r\n");
        snprintf(text + len, sizeof(text) - len, "\r\n");
        expect_limit(text, by <= 0 ? 200 : 431);
    }
}

static void a_large_head_leaves_room_for_its_body(void **state)
{
    (void)state;
    static char text[HTTP1_FIELDS_LEN_MAX + 4096], body[20000];
    memset(body, 'b', sizeof(body));
    for (int pad = 100; pad < 32000; pad += 1500) { /* past each size of the input buffer */
        struct client client;
        client_open(&client);
        client_send(&client, GET("/text"));
        snprintf(text, sizeof(text),
                 "POST /body-co HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\nA: %0*d\r\n\r\n",
                 sizeof(body), pad, 0);
        client_send(&client, text);
        assert_true(client_try_send(&client, body, sizeof(body)));
        client_send(&client, GET("/query?q"));
        client_read(&client, true);
        client_read(&client, true);
        assert_string_equal(answer.body, "POST");
        client_read(&client, true);
        assert_string_equal(answer.body, "q");
        client_close(&client);
    }
}

/* Sends far more than socket buffers hold before it looks. */
static void a_client_that_keeps_sending_reads_why_it_was_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "POST /body HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
        "POST /text-co HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"};
    static const int statuses[] = {400, 200, 200};
    for (int i = 0; i < 3; i++) {
        struct client client;
        client_open(&client);
        client_send(&client, heads[i]);
        assert_true(client_try_send(&client, large, sizeof(large)));
        client_read(&client, true);
        assert_int_equal(answer.status, statuses[i]);
        assert_true(answer_says("Connection", "close"));
        client_sees_end(&client);
        client_close(&client);
    }
}

static void a_handler_that_does_not_answer_is_500(void **state)
{
    (void)state;
    client_asks_once(GET("/never"), 500, NULL);
    assert_logged(1, "/never: the handler did not end its response");
}

/* ---- deadlines ------------------------------------------------------------------- */

static void a_head_that_does_not_arrive_in_time_is_408(void **state)
{
    (void)state;
    static const char *const texts[] = {"G", "GET /text HTTP/1.1\r\n", GET("/text") "GET /te"};
    server_times((struct http_times){.head = SOON});
    for (int i = 0; i < 3; i++) {
        struct client client;
        client_open(&client);
        client_send(&client, texts[i]);
        if (i == 2)
            client_read(&client, true);
        client_read(&client, true);
        assert_int_equal(answer.status, 408);
        assert_true(answer_says("Connection", "close"));
        client_sees_end(&client);
        client_close(&client);
    }
}

/* The method of the request before must not speak for one of which nothing is known. */
static void a_late_head_behind_head_has_a_body(void **state)
{
    (void)state;
    struct client client;
    server_times((struct http_times){.head = SOON});
    client_open(&client);
    client_send(&client, "HEAD /text HTTP/1.1\r\nHost: x\r\n\r\nGET /te");
    client_read(&client, false);
    client_read(&client, true);
    assert_int_equal(answer.status, 408);
    assert_true(answer.len > 0);
    client_sees_end(&client);
    client_close(&client);
}

static void a_silent_connection_ends_silently(void **state)
{
    (void)state;
    struct client client, used;
    server_times((struct http_times){.head = SOON, .keepalive = SOON});
    client_open(&client);
    client_open(&used);
    client_asks(&used, GET("/text"), 200, "GET");
    client_sees_end(&client);
    client_sees_end(&used);
    client_close(&client);
    client_close(&used);
}

static void a_body_that_does_not_arrive_in_time_is_408(void **state)
{
    (void)state;
    server_times((struct http_times){.body = SOON});
    client_asks_once("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", 408, NULL);
    client_asks_once("POST /body-co HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", 408, NULL);
}

static void a_peer_that_takes_nothing_is_cut_off(void **state)
{
    (void)state;
    static const char *const texts[] = {GET("/large"), GET("/large-co"), GET("/turns")};
    server_times((struct http_times){.write = SOON, .body = SOON});
    for (int i = 0; i < 2; i++) {
        struct client client;
        client_open(&client);
        client_send(&client, texts[i]);
        client_byte(&client);
        server_empty();
        client_sees_any_end(&client);
        client_close(&client);
    }
}

/* A deadline for the peer's taking of a byte, not of the whole. */
static void a_peer_that_takes_a_little_at_a_time_gets_all(void **state)
{
    (void)state;
    struct client client;
    const uint64_t deadline_ns = CLOCK_NS_PER_S; /* no turn of a loop takes so long */
    const uint64_t begin_ns = clock_mono_ns();
    size_t len = 0;
    ssize_t count = 1;
    server_times((struct http_times){.write = deadline_ns});
    client.fd = client_connect(1 << 18); /* it makes room in small steps */
    client_send(&client, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while (count > 0) { /* until later than the first deadline */
        count = recv(client.fd, client.in, sizeof(client.in), MSG_WAITALL);
        len += count > 0 ? (size_t)count : 0;
        while (clock_mono_ns() - begin_ns < deadline_ns * 3 / 2 * len / (2 * LARGE_SIZE))
            usleep(1000);
    }
    assert_int_equal(count, 0);
    assert_true(len > 2 * LARGE_SIZE);
    client_close(&client);
}

/* The loop needs longer for what has come than the peer had for a head. */
static void a_busy_connection_is_not_late(void **state)
{
    (void)state;
    static char text[200 * 64];
    struct client client;
    size_t len = 0;
    server_times((struct http_times){.head = 20 * MS, .keepalive = 20 * MS});
    client_open(&client);
    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, GET("/slow?%d"), i);
    client_send(&client, text);
    for (int i = 0; i < 200; i++) {
        client_read(&client, true);
        assert_int_equal(answer.status, 200);
    }
    client_close(&client);
}

static void lingering_ends(void **state)
{
    (void)state;
    struct client client;
    server_times((struct http_times){.linger = SOON});
    client_open(&client);
    client_asks(&client, "nonsense\r\n", 400, NULL);
    client_sees_end(&client);
    server_empty();
    client_close(&client);
}

/* ---- output while a handler waits ------------------------------------------------- */

static void a_classic_handler_may_wait_for_room(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 3; i++) {
        client_asks(&client, GET("/turns"), 200, NULL);
        assert_int_equal(answer.len, 10 * 2 * HTTP_FLUSH_AT);
        assert_true(answer.is_chunked);
    }
    client_close(&client);
}

/* What was flushed is sent while the handler waits for the body, on which the client waits. */
static void flushed_output_is_sent_while_a_body_is_awaited(void **state)
{
    (void)state;
    static const char *const paths[] = {"/early", "/early-co"};
    for (int i = 0; i < 2; i++) {
        char text[128], line[64];
        struct client client;
        client_open(&client);
        snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n",
                 paths[i]);
        client_send(&client, text);
        client_head(&client);
        assert_true(answer.is_chunked);
        client_line(&client, line, sizeof(line));
        assert_int_equal(strtoul(line, NULL, 16), LARGE_SIZE);
        client_body(&client, LARGE_SIZE);
        client_send(&client, "abc");
        answer.len = 0;
        client_line(&client, line, sizeof(line));
        client_chunks(&client);
        client_asks(&client, GET("/text"), 200, "GET");
        client_close(&client);
    }
}

static void earlier_answers_are_sent_while_a_coroutine_waits(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/large"));
    client_send(&client, "POST /body-co HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    client_read(&client, true);
    assert_int_equal(answer.len, 2 * LARGE_SIZE);
    client_send(&client, "abc");
    client_read(&client, true);
    assert_string_equal(answer.body, "POST");
    client_close(&client);
}

/* ---- a peer that goes ------------------------------------------------------------- */

/* Do something to the connection once the request is under way; then it must be over. */
static void leave(const char *text, void (*go)(struct client *client), int wanted_begun)
{
    struct client client;
    int over = atomic_load(&server_requests_over);
    atomic_store(&begun, 0);
    atomic_store(&may_go, false);
    client_open(&client);
    client_send(&client, text);
    wait_until(&begun, wanted_begun);
    go(&client);
    atomic_store(&may_go, true);
    if (wanted_begun > 0)
        wait_until(&server_requests_over, over + 1);
    server_empty();
}

static void a_peer_may_go_at_every_stage(void **state)
{
    (void)state;
    static void (*const ways[])(struct client *) = {client_close, client_reset};
    for (int i = 0; i < 2; i++) {
        leave("", ways[i], 0);
        leave("GET /te", ways[i], 0);
        leave(GET("/text"), ways[i], 0);
        leave(GET("/late?x"), ways[i], 0);
        leave("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", ways[i], 1);
        leave("POST /body-co HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", ways[i], 1);
        leave(GET("/told"), ways[i], 1); /* while it waits for something else */
        leave(GET("/large"), ways[i], 0);
        leave(GET("/large-co"), ways[i], 0);
        leave("nonsense\r\n", ways[i], 0);
    }
}

/* It has nothing to say, and so would not find out by itself. */
static void a_handler_that_waits_is_told_of_a_reset(void **state)
{
    (void)state;
    struct client client;
    int over = atomic_load(&server_requests_over);
    client_open(&client);
    client_send(&client, GET("/gone"));
    wait_until(&begun, 1);
    client_reset(&client);
    wait_until(&server_requests_over, over + 1);
    assert_checks();
}

static const struct CMUnitTest tests[] = {
    conn_test(a_connection_serves_many_requests),
    conn_test(who_asks_for_the_end_gets_it),
    conn_test(http_10_is_kept_alive_when_it_asks),
    conn_test(a_streamed_answer_to_http_10_ends_with_the_connection),
    conn_test(a_head_may_come_byte_by_byte),
    conn_test(pipelined_requests_are_answered_in_order),
    conn_test(answers_to_one_segment_leave_in_one),
    conn_test(many_large_answers_are_pipelined),
    conn_test(what_follows_the_last_request_is_not_looked_at),
    conn_test(a_half_closed_client_gets_its_answers),
    conn_test(what_is_no_request_is_refused_and_closed),
    conn_test(answers_of_before_a_refusal_are_sent),
    conn_test(a_refusal_of_head_has_no_body),
    conn_test(the_limits_of_a_head_are_exact),
    conn_test(a_large_head_leaves_room_for_its_body),
    conn_test(a_client_that_keeps_sending_reads_why_it_was_refused),
    conn_test(a_handler_that_does_not_answer_is_500),
    conn_test(a_head_that_does_not_arrive_in_time_is_408),
    conn_test(a_late_head_behind_head_has_a_body),
    conn_test(a_silent_connection_ends_silently),
    conn_test(a_body_that_does_not_arrive_in_time_is_408),
    conn_test(a_peer_that_takes_nothing_is_cut_off),
    conn_test(a_peer_that_takes_a_little_at_a_time_gets_all),
    conn_test(a_busy_connection_is_not_late),
    conn_test(lingering_ends),
    conn_test(a_classic_handler_may_wait_for_room),
    conn_test(flushed_output_is_sent_while_a_body_is_awaited),
    conn_test(earlier_answers_are_sent_while_a_coroutine_waits),
    conn_test(a_peer_may_go_at_every_stage),
    conn_test(a_handler_that_waits_is_told_of_a_reset),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
