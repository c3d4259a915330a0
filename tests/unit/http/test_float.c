/* SPDX-License-Identifier: MIT */
/*
 * Goal: a handler may return and have its request answered later, from any thread; what programs
 * for libmtev do with the event of such a connection does no harm.
 * Method: handlers float their request; the main thread, which is no loop, takes it from there when
 * it likes.
 */
#include "server.h"

static _Atomic(mtev_http_session_ctx *) floated; /* by a handler */
static _Atomic int calls;                        /* of a handler since the test began */

static mtev_http_connection *connection_of(mtev_http_session_ctx *ctx)
{
    return mtev_http_session_connection(ctx);
}

/* ---- handlers -------------------------------------------------------------------- */

/* Float at the first call, as a program for libmtev does; answer at the second. */
static int float_then_answer(mtev_http_session_ctx *ctx)
{
    if (atomic_fetch_add(&calls, 1) > 0) {
        check(!http_session_is_floated(ctx));
        mtev_http_response_append_str(ctx, "second call");
        mtev_http_response_end(ctx);
        return HTTP_DISPATCH_DONE;
    }
    eventer_t e = mtev_http_connection_event_float(connection_of(ctx));
    check(e != NULL && e == mtev_http_connection_event(connection_of(ctx)));
    check(eventer_remove_fde(e) == NULL);
    check(http_session_is_floated(ctx));
    atomic_store(&floated, ctx);
    return EVENTER_WRITE; /* not looked at */
}

static int float_and_resume(mtev_http_session_ctx *ctx)
{
    if (atomic_fetch_add(&calls, 1) > 0) {
        mtev_http_response_append_str(ctx, "second call");
        mtev_http_response_end(ctx);
        return HTTP_DISPATCH_DONE;
    }
    eventer_t e = mtev_http_connection_event_float(connection_of(ctx));
    if (strcmp(mtev_http_request_uri_str(mtev_http_session_request(ctx)), "/trigger-at-once") == 0)
        eventer_trigger(e, EVENTER_READ | EVENTER_WRITE);
    else
        mtev_http_session_resume_after_float(ctx);
    mtev_http_session_resume_after_float(ctx); /* once is enough */
    check_int(atomic_load(&calls), 1);
    return 0;
}

static int do_not_float(mtev_http_session_ctx *ctx)
{
    check(mtev_http_connection_event_float(connection_of(ctx)) == NULL);
    check(!http_session_is_floated(ctx));
    mtev_http_session_resume_after_float(ctx); /* nothing happens */
    mtev_http_response_append_str(ctx, "waited here");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/float", float_then_answer, false},
    {"/at-once", float_and_resume, false},
    {"/trigger-at-once", float_and_resume, false},
    {"/coroutine", do_not_float, true},
};

/* ---- the main thread ------------------------------------------------------------- */

static void ask(struct client *client, const char *request)
{
    atomic_store(&floated, NULL);
    atomic_store(&calls, 0);
    client_open(client);
    client_send(client, request);
}

static mtev_http_session_ctx *await_floated(void)
{
    mtev_http_session_ctx *ctx;
    while ((ctx = atomic_load(&floated)) == NULL)
        usleep(200);
    return ctx;
}

static void expect(struct client *client, const char *body)
{
    client_read(client, true);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, body);
    assert_checks();
}

/* ---- tests ----------------------------------------------------------------------- */

static void what_another_thread_has_ended_is_sent_when_it_resumes(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/float") GET("/coroutine"));
    mtev_http_session_ctx *ctx = await_floated();
    assert_true(mtev_http_response_append_str(ctx, "by another thread"));
    assert_true(mtev_http_response_end(ctx));
    mtev_http_session_resume_after_float(ctx);
    expect(&client, "by another thread");
    assert_int_equal(atomic_load(&calls), 1);
    expect(&client, "waited here"); /* the request behind it was not forgotten */
    client_close(&client);
}

static void a_response_that_has_not_ended_is_for_the_handler(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/float"));
    mtev_http_session_ctx *ctx = await_floated();
    assert_true(mtev_http_response_append_str(ctx, "first, "));
    mtev_http_session_resume_after_float(ctx);
    expect(&client, "first, second call");
    assert_int_equal(atomic_load(&calls), 2);
    client_close(&client);
}

static void a_trigger_of_the_event_resumes(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/float"));
    mtev_http_session_ctx *ctx = await_floated();
    eventer_trigger(mtev_http_connection_event(connection_of(ctx)), EVENTER_READ | EVENTER_WRITE);
    expect(&client, "second call");
    client_close(&client);
}

static void what_the_peer_sends_meanwhile_resumes_nothing(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/float"));
    mtev_http_session_ctx *ctx = await_floated();
    client_send(&client, GET("/coroutine"));
    server_connections(); /* each loop has had a turn since */
    assert_int_equal(atomic_load(&calls), 1);
    mtev_http_session_resume_after_float(ctx);
    expect(&client, "second call");
    expect(&client, "waited here");
    client_close(&client);
}

static void it_may_be_resumed_before_the_handler_returns(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/at-once"));
    expect(&client, "second call");
    client_close(&client);
    ask(&client, GET("/trigger-at-once"));
    expect(&client, "second call");
    client_close(&client);
}

static void a_coroutine_does_not_float(void **state)
{
    (void)state;
    struct client client;
    ask(&client, GET("/coroutine"));
    expect(&client, "waited here");
    client_close(&client);
}

static void a_peer_that_has_gone_is_seen(void **state)
{
    (void)state;
    struct client client;
    int over = atomic_load(&server_requests_over);
    ask(&client, GET("/float"));
    mtev_http_session_ctx *ctx = await_floated();
    client_reset(&client);
    while (!mtev_http_response_closed(ctx))
        usleep(200);
    assert_false(mtev_http_response_append_str(ctx, "nobody reads it"));
    assert_int_equal(atomic_load(&server_requests_over), over);
    mtev_http_session_resume_after_float(ctx);
    while (atomic_load(&server_requests_over) == over)
        usleep(200);
    assert_checks();
}

static void what_is_not_resumed_loses_its_connection_and_may_be_resumed_still(void **state)
{
    (void)state;
    struct client client;
    server_times((struct http_times){.floated = CLOCK_NS_PER_MS});
    ask(&client, GET("/float"));
    mtev_http_session_ctx *ctx = await_floated();
    client_sees_any_end(&client);
    client_close(&client);
    assert_false(mtev_http_response_append_str(ctx, "too late"));
    mtev_http_session_resume_after_float(ctx);
    server_empty();
    assert_logged(1, "http: /float: its handler floated the request and has not resumed it");
}

static const struct CMUnitTest tests[] = {
    served_test(what_another_thread_has_ended_is_sent_when_it_resumes),
    served_test(a_response_that_has_not_ended_is_for_the_handler),
    served_test(a_trigger_of_the_event_resumes),
    served_test(what_the_peer_sends_meanwhile_resumes_nothing),
    served_test(it_may_be_resumed_before_the_handler_returns),
    served_test(a_coroutine_does_not_float),
    served_test(a_peer_that_has_gone_is_seen),
    served_test(what_is_not_resumed_loses_its_connection_and_may_be_resumed_still),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
