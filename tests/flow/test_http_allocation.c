/* SPDX-License-Identifier: MIT */
/*
 * Goal: whichever allocation fails while a request is served, it is answered as it should be, or
 * with 503, or its connection ends; nothing is lost, and the next request is served.
 * Method: the same conversation again and again, with the 1st allocation failing, then the 2nd, and
 * so on, on a server in this process.  The client allocates nothing that the hook counts.
 */
#include "../unit/http/server.h"

#include "base/alloc.h"

static int answer_classic(mtev_http_session_ctx *ctx)
{
    mtev_http_request *req = mtev_http_session_request(ctx);
    const char *value = mtev_http_request_querystring(req, "q");
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "%s", value == NULL ? "no q" : value);
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static void work(void *closure)
{
    mtev_http_response_append_str(closure, "job,");
}

/* Takes a body, a job, a gate, and streams. */
static int answer_in_coroutine(mtev_http_session_ctx *ctx)
{
    static const char piece[HTTP_FLUSH_AT];
    int mask;
    while (mtev_http_session_req_consume(ctx, NULL, 1000, 0, &mask) > 0)
        ;
    eventer_aco_simple_asynch(work, ctx);
    mtev_http_response_append(ctx, piece, sizeof(piece));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/classic", answer_classic, false},
    {"/coroutine", answer_in_coroutine, true},
};

static const char *request;
static size_t wanted_len; /* of the body of a 200 */

/* Send the request and read up to the end of the connection. */
static void ask(void *closure)
{
    struct client client;
    (void)closure;
    client_open(&client);
    if (client_try_send(&client, request, strlen(request)) && client_receive(&client) > 0) {
        int status = (int)strtol(client.in + 9, NULL, 10);
        assert_true(status == 200 || status == 503 || status == 400);
        client_sees_any_end(&client); /* the request says Connection: close */
    }
    client_close(&client);
}

static void ask_well(void)
{
    struct client client;
    client_open(&client);
    client_send(&client, request);
    client_read(&client, true);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.len, wanted_len);
    client_close(&client);
}

static void bear(const char *text, size_t len)
{
    request = text;
    wanted_len = len;
    for (int i = 0; i < 2; i++) {
        harness_fail_each_allocation(ask, NULL);
        ask_well();
    }
    server_settle();
    logged_clear();
}

static void a_classic_request_bears_it(void **state)
{
    (void)state;
    bear("GET /classic?q=a%20b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 3);
}

static void a_request_in_a_coroutine_bears_it(void **state)
{
    (void)state;
    bear("POST /coroutine HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
         4 + HTTP_FLUSH_AT);
}

static void a_large_head_bears_it(void **state)
{
    (void)state;
    static char text[HTTP1_FIELDS_LEN_MAX];
    snprintf(text, sizeof(text),
             "GET /classic?q=q HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: %030000d\r\n\r\n", 0);
    bear(text, 1);
}

static const struct CMUnitTest tests[] = {
    served_test(a_classic_request_bears_it),
    served_test(a_request_in_a_coroutine_bears_it),
    served_test(a_large_head_bears_it),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
