/* SPDX-License-Identifier: MIT */
/*
 * Goal: what a listener's settings mean for HTTP: who is one too many is answered 503, also if he
 * asks before he listens, and idle_timeout is how long a next request is waited for.
 * Method: listeners of a type that speaks HTTP; clients from here.
 */
#include "../listener/listening.h"

#include "http/http.h"

#include <eventer_listen.h>
#include <mtev_http.h>

#define REQUEST "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

static int say(mtev_http_session_ctx *ctx)
{
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_append_str(ctx, "here\n");
    mtev_http_response_end(ctx);
    return HTTP_DISPATCH_DONE;
}

static eventer_listener_t *listen_with(uint32_t max_connections, uint32_t idle_timeout)
{
    eventer_listener_t *l =
        eventer_listen(&(struct eventer_listen_opts){.address = "127.0.0.1",
                                                     .type = "http_listened",
                                                     .max_connections = max_connections,
                                                     .idle_timeout = idle_timeout});
    assert_non_null(l);
    return l;
}

static int client_of(eventer_listener_t *l)
{
    char text[256];
    eventer_listener_address(l, text, sizeof(text));
    return connect_to(text);
}

static struct eventer_listener_stats stats_of(eventer_listener_t *l)
{
    struct eventer_listener_stats stats;
    eventer_listener_get_stats(l, &stats);
    return stats;
}

/* Read until what has come ends in end. */
static void await_text(int fd, const char *end)
{
    char text[1024];
    size_t len = 0, wanted = strlen(end);
    do {
        ssize_t count = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        assert_true(count > 0);
        len += (size_t)count;
    } while (len < wanted || memcmp(text + len - wanted, end, wanted) != 0);
}

static void end(eventer_listener_t *l)
{
    while (stats_of(l).connections != 0)
        sched_yield();
    eventer_listener_free(l);
}

static void one_too_many_is_answered_503(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(2, 0);
    int fds[2];
    char text[1024];
    for (int i = 0; i < 2; i++) {
        fds[i] = client_of(l);
        assert_int_equal(send(fds[i], REQUEST, strlen(REQUEST), 0), (ssize_t)strlen(REQUEST));
        await_text(fds[i], "here\n");
    }
    int silent = client_of(l);
    read_all(silent, text, sizeof(text));
    assert_int_equal(strncmp(text, "HTTP/1.1 503 Service Unavailable\r\n", 34), 0);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
    int eager = client_of(l);
    (void)!send(eager, REQUEST, strlen(REQUEST), MSG_NOSIGNAL);
    read_all(eager, text, sizeof(text));
    assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
    assert_int_equal(stats_of(l).refused_full, 2);
    close(fds[0]);
    close(fds[1]);
    end(l);
}

/* The default is 75 s: a connection that ends sooner ended because of idle_timeout. */
static void idle_timeout_is_of_the_next_request(void **state)
{
    (void)state;
    eventer_listener_t *l = listen_with(0, 50);
    int fd = client_of(l);
    char text[16];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(fd, REQUEST, strlen(REQUEST), 0), (ssize_t)strlen(REQUEST));
        await_text(fd, "here\n");
    }
    uint64_t begin_ns = clock_mono_ns();
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, "");
    assert_true(clock_mono_ns() - begin_ns >= 40 * CLOCK_NS_PER_MS);
    end(l);
    assert_nothing_logged();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_too_many_is_answered_503),
    cmocka_unit_test(idle_timeout_is_of_the_next_request),
};

int main(void)
{
    listening_begin(2);
    if (http_register_listener("http_listened", say) != 0)
        return 1;
    eventer_loop_return();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
