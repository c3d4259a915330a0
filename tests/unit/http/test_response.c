/* SPDX-License-Identifier: MIT */
/*
 * Goal: what a handler says leaves with one framing and no other, in one piece where it can; what
 * it may not say is refused; a job may add to it, and a response that is torn is not taken for
 * whole. Method: handlers of a server in this process, one for each way to answer; the client reads
 * what they made of it.
 */
#include "server.h"

#include "base/alloc.h"

#define JOBS       8
#define JOB_PIECES 500

static char text[HTTP_FLUSH_AT * 2];

static int done(mtev_http_session_ctx *ctx)
{
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int say_nothing(mtev_http_session_ctx *ctx)
{
    return done(ctx);
}

static int say_status(mtev_http_session_ctx *ctx)
{
    const char *query = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    mtev_http_response_status_set(ctx, (int)strtol(query, NULL, 10), "As Asked");
    mtev_http_response_append_str(ctx, "body");
    return done(ctx);
}

/* The query is a length; the body has ten bytes. */
static int say_length(mtev_http_session_ctx *ctx)
{
    const char *query = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    check(mtev_http_response_header_set(ctx, "content-length", "99"));
    check(mtev_http_response_header_set(ctx, "Content-Length", query));
    mtev_http_response_ok(ctx, "text/plain"); /* asks for chunks; the length goes before */
    mtev_http_response_append_str(ctx, "0123456789");
    return done(ctx);
}

static int say_no_content(mtev_http_session_ctx *ctx)
{
    check(mtev_http_response_status_set(ctx, 204, "No Content"));
    check(mtev_http_response_header_set(ctx, "Content-Length", "4"));
    mtev_http_response_append_str(ctx, "body");
    return done(ctx);
}

static int stream(mtev_http_session_ctx *ctx)
{
    check(mtev_http_response_append_str(ctx, "one"));
    check(mtev_http_response_flush(ctx, mtev_false));
    check(mtev_http_response_flush(ctx, mtev_false)); /* nothing: no chunk, which would end it */
    check(mtev_http_response_append_str(ctx, ""));
    check(mtev_http_response_appendf(ctx, "%s %d", "two", 2));
    check(!mtev_http_response_header_set(ctx, "A", "too late"));
    check(!mtev_http_response_status_set(ctx, 500, "too late"));
    check(!mtev_http_response_option_set(ctx, MTEV_HTTP_CLOSE));
    check(!mtev_http_response_complete(ctx));
    check(mtev_http_response_flush(ctx, mtev_true));
    check(mtev_http_response_complete(ctx));
    check(!mtev_http_response_end(ctx));
    check(!mtev_http_response_append_str(ctx, "too late"));
    return HTTP_DISPATCH_DONE;
}

static int stream_with_length(mtev_http_session_ctx *ctx)
{
    check(mtev_http_response_header_set(ctx, "Content-Length", "6"));
    mtev_http_response_append_str(ctx, "one");
    mtev_http_response_flush(ctx, mtev_false);
    mtev_http_response_append_str(ctx, "two");
    return done(ctx);
}

static int stream_then_forget(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(ctx, "half");
    mtev_http_response_flush(ctx, mtev_false);
    return HTTP_DISPATCH_DONE;
}

static int ask_to_close(mtev_http_session_ctx *ctx)
{
    const char *query = mtev_http_request_orig_querystring(mtev_http_session_request(ctx));
    if (strcmp(query, "option") == 0)
        check(mtev_http_response_option_set(ctx, MTEV_HTTP_CLOSE));
    else
        check(mtev_http_response_header_set(ctx, "Connection", "close"));
    mtev_http_response_append_str(ctx, "bye");
    return done(ctx);
}

static int try_everything(mtev_http_session_ctx *ctx)
{
    static char value[HTTP_RESPONSE_FIELDS_LEN_MAX + 1];
    char reason[HTTP_REASON_LEN_MAX + 1];
    memset(reason, 'r', sizeof(reason));
    reason[HTTP_REASON_LEN_MAX] = '\0';
    check(!mtev_http_response_status_set(ctx, 99, "OK"));
    check(!mtev_http_response_status_set(ctx, 1000, "OK"));
    check(!mtev_http_response_status_set(ctx, 200, NULL));
    check(!mtev_http_response_status_set(ctx, 200, "OK\r\nA: b"));
    check(!mtev_http_response_status_set(ctx, 200, reason));
    reason[HTTP_REASON_LEN_MAX - 1] = '\0';
    check(mtev_http_response_status_set(ctx, 999, reason));
    check(mtev_http_response_status_set(ctx, 100, reason));
    check(mtev_http_response_status_set(ctx, 200, ""));

    check(!mtev_http_response_header_set(ctx, NULL, "b"));
    check(!mtev_http_response_header_set(ctx, "A", NULL));
    check(!mtev_http_response_header_set(ctx, "", "b"));
    check(!mtev_http_response_header_set(ctx, "A B", "b"));
    check(!mtev_http_response_header_set(ctx, "A:", "b"));
    check(!mtev_http_response_header_set(ctx, "A\r\nB", "b"));
    check(!mtev_http_response_header_set(ctx, "A", "b\r\nSet-Cookie: c"));
    check(!mtev_http_response_header_set(ctx, "A", "b\nc"));
    check(!mtev_http_response_header_set(ctx, "A", "b\rc"));
    check(!mtev_http_response_header_set(ctx, "A", "b\x7f"));
    check(!mtev_http_response_header_set(ctx, "Transfer-Encoding", "gzip"));
    check(!mtev_http_response_header_set(ctx, "Date", "today"));
    check(!mtev_http_response_header_set(ctx, "Content-Length", "-1"));
    check(!mtev_http_response_header_set(ctx, "Content-Length", "1, 1"));
    check(!mtev_http_response_header_set(ctx, "Content-Length", ""));
    check(!mtev_http_response_option_set(ctx, 0x10));

    check(mtev_http_response_header_set(ctx, "A", "first"));
    check(mtev_http_response_header_set(ctx, "AA", "kept"));
    check(mtev_http_response_header_set(ctx, "A", "second\tand \xc3\xa4"));
    check(mtev_http_response_header_set(ctx, "b", "first")); /* names have no case */
    check(mtev_http_response_header_set(ctx, "B", "second"));
    memset(value, 'v', sizeof(value)); /* "Long: " and the end take eight, what is there 30 */
    size_t used = ctx->x->response.fields.len;
    for (size_t by = 0; by < 3; by++) {
        value[HTTP_RESPONSE_FIELDS_LEN_MAX - used - sizeof("Long: \r\n") + 2 - by] = '\0';
        check_int(mtev_http_response_header_set(ctx, "Long", value), by > 0);
        value[HTTP_RESPONSE_FIELDS_LEN_MAX - used - sizeof("Long: \r\n") + 2 - by] = 'v';
    }
    check(mtev_http_response_header_set(ctx, "Long", ""));
    return done(ctx);
}

/* ---- jobs ------------------------------------------------------------------------ */

static void append_in_job(void *closure)
{
    mtev_http_session_ctx *ctx = closure;
    for (int i = 0; i < JOB_PIECES; i++) {
        check(mtev_http_response_append_str(ctx, "job,"));
        check(!mtev_http_response_closed(ctx));
        check(mtev_http_response_flush(ctx, mtev_false)); /* does nothing here */
    }
}

static void end_in_job(void *closure)
{
    mtev_http_session_ctx *ctx = closure;
    int mask;
    check(mtev_http_response_append_str(ctx, "from a job"));
    check_int(mtev_http_session_req_consume(ctx, NULL, 1, 0, &mask), -1);
    check_int(errno, EXDEV);
    check(mtev_http_response_end(ctx));
}

static int say_in_job(mtev_http_session_ctx *ctx)
{
    eventer_aco_simple_asynch(append_in_job, ctx);
    return done(ctx);
}

static int say_in_jobs_and_here(mtev_http_session_ctx *ctx)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    for (int i = 0; i < JOBS; i++)
        eventer_aco_simple_asynch_gated(gate, append_in_job, ctx);
    for (int i = 0; i < 2 * JOB_PIECES; i++) {
        check(mtev_http_response_append_str(ctx, "job,"));
        if (i % 10 == 0)
            check(mtev_http_response_flush(ctx, mtev_false));
    }
    eventer_aco_gate_wait(gate);
    return done(ctx);
}

static int let_a_job_end_it(mtev_http_session_ctx *ctx)
{
    eventer_aco_simple_asynch(end_in_job, ctx);
    check(mtev_http_response_complete(ctx));
    check(!mtev_http_response_append_str(ctx, "too late"));
    return HTTP_DISPATCH_DONE;
}

/* ---- without memory --------------------------------------------------------------- */

static int lose_the_middle(mtev_http_session_ctx *ctx)
{
    check(mtev_http_response_append_str(ctx, "begin"));
    alloc_fail_nth(1, 1);
    check(!mtev_http_response_append(ctx, text, 30000));
    alloc_fail_nth(0, 0);
    check(mtev_http_response_append_str(ctx, "end"));
    return done(ctx);
}

static int lose_the_middle_of_a_stream(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(ctx, "begin");
    mtev_http_response_flush(ctx, mtev_false);
    return lose_the_middle(ctx);
}

static int exceed_what_may_wait(mtev_http_session_ctx *ctx)
{
    static char piece[1 << 20];
    check(mtev_http_response_append(ctx, piece, 100));
    for (int i = 0; i < 70; i++) { /* without a flush, as a job would */
        struct http_response *res = &ctx->x->response;
        if (res->body.len + sizeof(piece) > HTTP_RESPONSE_LEN_MAX)
            break;
        check_int(buf_append(&res->body, piece, sizeof(piece)), 0);
    }
    size_t room = HTTP_RESPONSE_LEN_MAX - ctx->x->response.body.len;
    check(!mtev_http_response_append(ctx, piece, room + 1));
    return done(ctx);
}

static const struct handler handlers[] = {
    {"/nothing", say_nothing, false},
    {"/status", say_status, false},
    {"/length", say_length, false},
    {"/length-co", say_length, true},
    {"/no-content", say_no_content, false},
    {"/stream", stream, false},
    {"/stream-co", stream, true},
    {"/stream-length", stream_with_length, true},
    {"/stream-forget", stream_then_forget, false},
    {"/close", ask_to_close, false},
    {"/everything", try_everything, false},
    {"/job", say_in_job, true},
    {"/jobs", say_in_jobs_and_here, true},
    {"/job-ends", let_a_job_end_it, true},
    {"/torn", lose_the_middle, true},
    {"/torn-stream", lose_the_middle_of_a_stream, true},
    {"/too-much", exceed_what_may_wait, true},
};

/* ---- tests ------------------------------------------------------------------------- */

static void a_response_may_be_empty(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/nothing"), 200, "");
    assert_true(answer_says("Content-Length", "0"));
    assert_non_null(answer_field("Date"));
    assert_null(answer_field("Server"));
    client_close(&client);
}

static void statuses_without_a_body_have_none(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 2; i++) {
        client_send(&client, i == 0 ? GET("/status?204") : GET("/no-content"));
        client_read(&client, false);
        assert_int_equal(answer.status, 204);
        assert_null(answer_field("Content-Length"));
        client_send(&client, GET("/status?304"));
        client_read(&client, false);
        assert_null(answer_field("Transfer-Encoding"));
    }
    client_asks(&client, GET("/status?299"), 299, "body");
    assert_non_null(strstr(answer.head, "HTTP/1.1 299 As Asked\r\n"));
    client_close(&client);
    assert_logged(0, "cut");
}

static void an_interim_status_is_no_answer_and_closes(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/status?103"));
    client_read(&client, false);
    assert_true(answer_says("Connection", "close"));
    client_sees_end(&client);
    client_close(&client);
}

static void head_has_the_fields_of_get_and_no_body(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, HEAD("/status?200") HEAD("/stream-co") HEAD("/length?10"));
    client_read(&client, false);
    assert_true(answer_says("Content-Length", "4"));
    client_read(&client, false);
    assert_true(answer_says("Transfer-Encoding", "chunked"));
    client_read(&client, false);
    assert_true(answer_says("Content-Length", "10"));
    client_asks(&client, GET("/status?200"), 200, "body");
    client_close(&client);
}

static void a_length_that_the_handler_set_is_kept(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/length?10"), 200, "0123456789");
    client_asks(&client, GET("/length-co?10"), 200, "0123456789");
    client_asks(&client, GET("/stream-length"), 200, "onetwo");
    assert_true(answer.has_length);
    client_close(&client);
}

static void a_body_longer_than_its_length_is_cut_and_closes(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/length?4"), 200, "0123");
    client_sees_end(&client);
    client_close(&client);
    assert_logged(1, "/length: the body is longer than its Content-Length; cut");
}

static void a_body_shorter_than_its_length_closes(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/length?12"));
    client_head(&client);
    assert_true(answer_says("Content-Length", "12"));
    client_body(&client, 10);
    client_sees_end(&client);
    client_close(&client);
}

static void a_streamed_response_is_chunked(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 2; i++) {
        client_asks(&client, i == 0 ? GET("/stream") : GET("/stream-co"), 200, "onetwo 2");
        assert_true(answer.is_chunked);
        assert_int_equal(answer.chunks, 2);
        assert_null(answer_field("A"));
    }
    client_close(&client);
}

static void a_stream_that_is_not_ended_is_not_taken_for_whole(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_send(&client, GET("/stream-forget"));
    client_head(&client);
    assert_true(answer.is_chunked);
    client_sees_any_end(&client);
    assert_null(memmem(client.in, sizeof(client.in), "\r\n0\r\n", 5));
    client_close(&client);
    assert_logged(1, "/stream-forget: the handler did not end its response");
}

static void a_handler_may_ask_for_the_end_of_the_connection(void **state)
{
    (void)state;
    client_asks_once(GET("/close?option"), 200, "bye");
    client_asks_once(GET("/close?field"), 200, "bye");
}

static void what_could_not_stand_in_a_head_is_refused(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/everything"), 200, "");
    assert_checks();
    assert_true(answer_says("A", "second\tand \xc3\xa4"));
    assert_true(answer_says("AA", "kept"));
    assert_true(answer_says("B", "second"));
    assert_true(answer_says("Long", ""));
    assert_null(answer_field("Set-Cookie"));
    client_close(&client);
}

static void a_job_may_append(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/job"), 200, NULL);
    assert_int_equal(answer.len, 4 * JOB_PIECES);
    assert_true(answer.has_length);
    client_close(&client);
    assert_checks();
}

static void jobs_and_the_coroutine_append_at_once(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    for (int i = 0; i < 5; i++) {
        client_asks(&client, GET("/jobs"), 200, NULL);
        assert_int_equal(answer.len, 4 * JOB_PIECES * (JOBS + 2));
        for (size_t at = 0; at < answer.len; at += 4)
            assert_memory_equal(answer.body + at, "job,", 4);
    }
    client_close(&client);
    assert_checks();
}

static void a_job_may_end_it(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/job-ends"), 200, "from a job");
    client_asks(&client, GET("/nothing"), 200, "");
    client_close(&client);
    assert_checks();
}

static void a_torn_response_is_503_or_ends_unfinished(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_asks(&client, GET("/torn"), 503, NULL);
    client_asks(&client, GET("/too-much"), 503, NULL);
    client_send(&client, GET("/torn-stream"));
    client_head(&client);
    client_sees_any_end(&client);
    assert_null(memmem(client.in, sizeof(client.in), "\r\n0\r\n", 5));
    client_close(&client);
    assert_checks();
}

static const struct CMUnitTest tests[] = {
    served_test(a_response_may_be_empty),
    served_test(statuses_without_a_body_have_none),
    served_test(an_interim_status_is_no_answer_and_closes),
    served_test(head_has_the_fields_of_get_and_no_body),
    served_test(a_length_that_the_handler_set_is_kept),
    served_test(a_body_longer_than_its_length_is_cut_and_closes),
    served_test(a_body_shorter_than_its_length_closes),
    served_test(a_streamed_response_is_chunked),
    served_test(a_stream_that_is_not_ended_is_not_taken_for_whole),
    served_test(a_handler_may_ask_for_the_end_of_the_connection),
    served_test(what_could_not_stand_in_a_head_is_refused),
    served_test(a_job_may_append),
    served_test(jobs_and_the_coroutine_append_at_once),
    served_test(a_job_may_end_it),
    served_test(a_torn_response_is_503_or_ends_unfinished),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
