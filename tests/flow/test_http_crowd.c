/* SPDX-License-Identifier: MIT */
/*
 * Goal: many connections that come, ask, pause, break off and go in any order do not harm one
 * another or the server; when the server stops, what is under way is answered and what idles ends.
 * Method: a fixed random sequence of steps on many connections to a server of two loops.
 */
#include "../unit/http/server.h"

#include <fcntl.h>

#define CROWD 200
#define STEPS 20000

static char large[200000];
static _Atomic int begun;
static _Atomic bool may_go;

static int answer_small(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append_str(ctx, "small");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int answer_large(mtev_http_session_ctx *ctx)
{
    mtev_http_response_append(ctx, large, sizeof(large));
    eventer_aco_sleep(&(struct timeval){0, 500});
    mtev_http_response_append(ctx, large, sizeof(large));
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int answer_upload(mtev_http_session_ctx *ctx)
{
    int mask;
    while (mtev_http_session_req_consume(ctx, NULL, 4096, 0, &mask) > 0)
        ;
    return answer_small(ctx);
}

static int answer_when_told(mtev_http_session_ctx *ctx)
{
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_go))
        sleep_ms(1);
    return answer_small(ctx);
}

static const struct handler handlers[] = {
    {"/small", answer_small, false},   {"/small-co", answer_small, true},
    {"/large", answer_large, true},    {"/upload", answer_upload, true},
    {"/told", answer_when_told, true},
};

/* xorshift64: a fixed sequence */
static uint64_t next_random(void)
{
    static uint64_t x = UINT64_C(0x9E3779B97F4A7C15);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Do something to a connection, which may not be open (-1). */
static void step(struct client *client)
{
    static const char *const texts[] = {
        "GET /small HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /small-co HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome",
        "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "GET /small HT",
        "0123456789012345678901234567890123456789",
        "\r\n\r\n",
    };
    if (client->fd < 0) {
        client->fd = client_connect(0);
        fcntl(client->fd, F_SETFL, O_NONBLOCK);
        return;
    }
    uint64_t what = next_random() % 16;
    if (what < 8) {
        (void)client_try_send(client, texts[what], strlen(texts[what]));
    } else if (what < 13) {
        while (recv(client->fd, client->in, sizeof(client->in), 0) > 0 && next_random() % 4 != 0)
            ;
    } else if (what == 13) {
        shutdown(client->fd, SHUT_WR);
    } else {
        what == 14 ? client_reset(client) : client_close(client);
        client->fd = -1;
    }
}

static void a_crowd_comes_and_goes(void **state)
{
    (void)state;
    static struct client clients[CROWD];
    for (int i = 0; i < CROWD; i++)
        clients[i].fd = -1;
    for (int i = 0; i < STEPS; i++)
        step(&clients[next_random() % CROWD]);
    for (int i = 0; i < CROWD; i++)
        if (clients[i].fd >= 0)
            client_close(&clients[i]);
}

static void *stop_server(void *arg)
{
    (void)arg;
    while (!pool_request_stop())
        sched_yield();
    return NULL;
}

static void *loop_until_stopped(void *arg)
{
    (void)arg;
    eventer_loop();
    return NULL;
}

/* The last test: afterwards there are no loops. */
static void a_server_that_stops_answers_first(void **state)
{
    (void)state;
    struct client idle[2], busy, busy_in_pipeline; /* an idle one in each loop */
    pthread_t looping, stopping;
    for (int i = 0; i < 2; i++) {
        client_open(&idle[i]);
        client_asks(&idle[i], "GET /small HTTP/1.1\r\nHost: x\r\n\r\n", 200, "small");
    }
    client_open(&busy);
    client_send(&busy, "GET /told HTTP/1.1\r\nHost: x\r\n\r\n");
    client_open(&busy_in_pipeline);
    client_send(&busy_in_pipeline, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /told HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until(&begun, 2);
    assert_int_equal(pthread_create(&looping, NULL, loop_until_stopped, NULL), 0);
    assert_int_equal(pthread_create(&stopping, NULL, stop_server, NULL), 0);
    pthread_join(stopping, NULL);
    for (int i = 0; i < 2; i++) {
        client_sees_end(&idle[i]); /* so its loop is stopping */
        client_close(&idle[i]);
    }
    atomic_store(&may_go, true);
    client_read(&busy, true);
    assert_string_equal(answer.body, "small");
    assert_true(answer_says("Connection", "close"));
    client_sees_end(&busy);
    client_read(&busy_in_pipeline, true);
    client_read(&busy_in_pipeline, true);
    assert_true(answer_says("Connection", "close"));
    client_sees_end(&busy_in_pipeline);
    client_close(&busy);
    client_close(&busy_in_pipeline);
    pthread_join(looping, NULL);
    assert_nothing_logged();
}

static const struct CMUnitTest tests[] = {
    served_test(a_crowd_comes_and_goes),
    cmocka_unit_test(a_server_that_stops_answers_first),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
