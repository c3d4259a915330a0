/* SPDX-License-Identifier: MIT */
/*
 * Goal: a keep-alive request costs one receive and one send, no change of what the kernel watches,
 * and no allocation; a coroutine that streams keeps little in memory however slow its peer is.
 * Method: the connection's own operations and its loop's poller are replaced by ones that count.
 */
#include "../unit/http/server.h"

#include "base/alloc.h"

#define ROUNDS      1000
#define STREAM_SIZE ((size_t)64 << 20)

static struct calls {
    int reads, empty_reads, writes, watches, waits;
} calls, total; /* the loop counts in calls; the test reads total */

static eventer_fd_opset_t wire;
static struct eventer_fd_opset counting_wire;
static const struct poller_ops *poller;
static struct poller_ops counting_poller;
static size_t out_max; /* capacity of the output of a stream */

static int count_read(int fd, void *buffer, size_t len, int *mask, void *e)
{
    int rv = wire->read(fd, buffer, len, mask, e);
    calls.reads++;
    calls.empty_reads += rv <= 0;
    return rv;
}

static int count_write(int fd, const void *buffer, size_t len, int *mask, void *e)
{
    calls.writes++;
    return wire->write(fd, buffer, len, mask, e);
}

static int count_watch(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    calls.watches++;
    return poller->watch(p, fd, was, interest, tag);
}

static int count_wait(struct poller *p, struct poller_ready *ready, int max, uint64_t deadline_ns)
{
    calls.waits++;
    return poller->wait(p, ready, max, deadline_ns);
}

/* From the next request on, count what its connection and its loop do. */
static int count_from_here(mtev_http_session_ctx *ctx)
{
    wire = ctx->e->wire;
    counting_wire = *wire;
    counting_wire.read = count_read;
    counting_wire.write = count_write;
    ctx->e->wire = &counting_wire;
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int say(mtev_http_session_ctx *ctx)
{
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_append_str(ctx, "Hello, world!\n");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static int stream(mtev_http_session_ctx *ctx)
{
    static const char piece[1000];
    for (size_t sent = 0; sent < STREAM_SIZE; sent += sizeof(piece)) {
        check(mtev_http_response_append(ctx, piece, sizeof(piece)));
        size_t size = ctx->x->out.capacity + ctx->x->response.body.capacity;
        out_max = size > out_max ? size : out_max;
    }
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static const struct handler handlers[] = {
    {"/count", count_from_here, false},
    {"/say", say, false},
    {"/say-co", say, true},
    {"/stream", stream, true},
};

static void count_poller(void *closure)
{
    (void)closure;
    poller = loop_self->poller->ops;
    counting_poller = *poller;
    counting_poller.watch = count_watch;
    counting_poller.wait = count_wait;
    loop_self->poller->ops = &counting_poller;
}

static void uncount_poller(void *closure)
{
    (void)closure;
    loop_self->poller->ops = poller;
    total = calls;
}

static void hold(void *closure)
{
    wait_until(closure, 1);
}

/* Run fn in the loop while nobody else looks at its poller, as whoever posts to it may. */
static void with_poller(void (*fn)(void *closure))
{
    _Atomic int posted = 0;
    struct errand first, second;
    errand_post(&first, 0, hold, &posted);
    errand_post(&second, 0, fn, NULL);
    atomic_store(&posted, 1);
    errand_wait(&first);
    errand_wait(&second);
}

static void clear(void *closure)
{
    (void)closure;
    memset(&calls, 0, sizeof(calls));
}

/* slab_objects: what a request takes from its loop's slabs, which is no call of malloc(3). */
static void assert_cost(const char *text, int slab_objects)
{
    struct client client;
    with_poller(count_poller);
    client_open(&client);
    client_asks(&client, "GET /count HTTP/1.1\r\nHost: x\r\n\r\n", 200, "");
    for (int i = 0; i < 3; i++) /* whatever is made on first use */
        client_asks(&client, text, 200, "Hello, world!\n");
    in_loop(0, clear, NULL);
    alloc_fail_nth(UINT64_MAX, 0);
    for (int i = 0; i < ROUNDS; i++)
        client_asks(&client, text, 200, "Hello, world!\n");
    uint64_t asked = alloc_asked();
    alloc_fail_nth(0, 0);
    with_poller(uncount_poller);
    assert_int_equal(asked, ROUNDS * slab_objects);
    assert_int_equal(total.reads, ROUNDS);
    assert_int_equal(total.empty_reads, 0);
    assert_int_equal(total.writes, ROUNDS);
    assert_int_equal(total.watches, 0);
    assert_in_range(total.waits, 1, ROUNDS + 10);
    client_close(&client);
}

static void a_classic_request_is_one_receive_and_one_send(void **state)
{
    (void)state;
    assert_cost("GET /say HTTP/1.1\r\nHost: x\r\n\r\n", 0);
}

static void a_request_in_a_coroutine_is_one_receive_and_one_send(void **state)
{
    (void)state;
    assert_cost("GET /say-co HTTP/1.1\r\nHost: x\r\n\r\n", 1);
}

static void a_stream_to_a_slow_reader_takes_little_memory(void **state)
{
    (void)state;
    struct client client;
    size_t len = 0;
    char line[32];
    client_open(&client);
    client_send(&client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client_head(&client);
    assert_true(answer.is_chunked);
    for (size_t chunk = 1; chunk > 0; len += chunk) { /* byte by byte: slower than the server */
        client_line(&client, line, sizeof(line));
        chunk = strtoul(line, NULL, 16);
        for (size_t i = 0; i < chunk; i++)
            (void)client_byte(&client);
        client_line(&client, line, sizeof(line));
    }
    assert_true(len >= STREAM_SIZE);
    assert_checks();
    assert_in_range(out_max, HTTP_FLUSH_AT, 4 * HTTP_FLUSH_AT + 8192);
    client_close(&client);
}

static const struct CMUnitTest tests[] = {
    served_test(a_classic_request_is_one_receive_and_one_send),
    served_test(a_request_in_a_coroutine_is_one_receive_and_one_send),
    served_test(a_stream_to_a_slow_reader_takes_little_memory),
};

int main(void)
{
    server_start(handlers, sizeof(handlers) / sizeof(handlers[0]), 1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
