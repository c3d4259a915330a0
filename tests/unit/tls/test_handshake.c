/* SPDX-License-Identifier: MIT */
/*
 * Goal: the handshake of an accepted connection goes on by itself in its loop, however its bytes
 * come, and ends with the event handed on, or closed and freed.
 * Method: raw clients, silent ones, and ones that send something else.
 */
#include "secured.h"

#include "tls/tls_impl.h"

struct shaken {
    int fd;
    struct tls_context *context;
    eventer_t e;  /* once it is done */
    int err;      /* of the begin */
    int may_read; /* when it was done */
    int pending;
    _Atomic int done, failed;
    char bytes[16];
};

static void never_ready(eventer_t e, uint32_t poll_bits)
{
    (void)e, (void)poll_bits;
}

static void on_done(eventer_t e, void *closure)
{
    struct shaken *s = closure;
    check_int(edge_register(e, never_ready), 0);
    s->e = e;
    s->may_read = e->edge.may_read;
    s->pending = SSL_has_pending(eventer_get_eventer_ssl_ctx(e)->ssl);
    if (s->may_read) {
        int mask, count = eventer_read(e, s->bytes, sizeof(s->bytes), &mask);
        check(count >= 0 || errno == EAGAIN);
    }
    atomic_fetch_add(&s->done, 1);
}

static void on_failed(void *closure)
{
    struct shaken *s = closure;
    atomic_fetch_add(&s->failed, 1);
}

static const struct tls_handshake_ops ops = {.done = on_done, .failed = on_failed};

static void begin(void *closure)
{
    struct shaken *s = closure;
    eventer_t e = eventer_alloc_fd(secured_never, NULL, s->fd, EVENTER_READ);
    s->err = e == NULL ? -ENOMEM : tls_handshake_begin(e, s->context, &ops, s);
    if (e == NULL) {
        close(s->fd);
    } else if (s->err != 0) {
        int mask;
        eventer_close(e, &mask);
        eventer_free(e);
    }
}

static void end(void *closure)
{
    struct shaken *s = closure;
    int mask;
    edge_unregister(s->e);
    eventer_close(s->e, &mask);
    eventer_free(s->e);
}

/* A client whose end of the handshake and first words come in pieces of so many bytes. */
static void shake_in_pieces(struct tls_context *context, size_t piece)
{
    int fds[2];
    char bytes[4096];
    struct shaken s = {.context = context};
    secured_connect(fds);
    s.fd = fds[1];
    struct raw_peer peer = raw_open(secured_client, fds[0]);
    in_loop(0, begin, &s);
    bool is_over = false;
    while (!is_over) {
        is_over = SSL_do_handshake(peer.ssl) == 1;
        if (is_over)
            assert_int_equal(SSL_write(peer.ssl, "hello", 5), 5);
        size_t len = raw_take(&peer, bytes, sizeof(bytes));
        for (size_t at = 0; at < len; at += piece) {
            raw_send(&peer, bytes + at, MIN(piece, len - at));
            if (piece < 1000)
                settle(0);
        }
        if (!is_over)
            assert_true(raw_fill(&peer));
    }
    wait_until(&s.done, 1);
    assert_int_equal(atomic_load(&s.failed), 0);
    if (piece >= 1000) { /* it came with the end of the handshake: nothing will tell of it later */
        assert_true(s.may_read);
        assert_string_equal(s.bytes, "hello");
    }
    in_loop(0, end, &s);
    raw_close(&peer);
}

static void a_handshake_may_come_in_pieces(void **state)
{
    struct tls_context *context = secured_context(NULL);
    shake_in_pieces(context, 1000000);
    shake_in_pieces(context, 100);
    shake_in_pieces(context, 7);
    shake_in_pieces(context, 1);
    tls_context_unref(context);
}

static void who_is_silent_is_dropped_when_his_time_is_over(void **state)
{
    struct tls_context *context = secured_context("handshake_timeout", "5", NULL);
    for (int with_hello = 0; with_hello <= 1; with_hello++) {
        int fds[2];
        char byte;
        struct shaken s = {.context = context};
        secured_connect(fds);
        s.fd = fds[1];
        struct raw_peer peer = raw_open(secured_client, fds[0]);
        in_loop(0, begin, &s);
        if (with_hello) {
            (void)SSL_do_handshake(peer.ssl);
            raw_flush(&peer);
        }
        wait_until(&s.failed, 1);
        while (raw_fill(&peer))
            ;
        assert_true(recv(peer.fd, &byte, 1, 0) <= 0);
        assert_int_equal(atomic_load(&s.done), 0);
        raw_close(&peer);
    }
    tls_context_unref(context);
}

static void what_is_no_handshake_is_dropped(void **state)
{
    static const char *const words[] = {"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff",
                                        "\x16\x03\x01\x00\x05hello", "\x80\x2e\x01\x00\x02"};
    struct tls_context *context = secured_context(NULL);
    eventer_ssl_stats_t before, after;
    eventer_ssl_get_stats(&before);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int fds[2];
        struct shaken s = {.context = context};
        secured_connect(fds);
        s.fd = fds[1];
        in_loop(0, begin, &s);
        const char *word = words[i];
        const size_t len = i == 2 ? 5 : i == 3 ? 10 : i == 4 ? 5 : strlen(word);
        assert_int_equal(send(fds[0], word, len, 0), len);
        shutdown(fds[0], SHUT_WR);
        wait_until(&s.failed, 1);
        close(fds[0]);
    }
    eventer_ssl_get_stats(&after);
    assert_int_equal(after.failed - before.failed, sizeof(words) / sizeof(words[0]));
    tls_context_unref(context);
}

static void failures_are_told_to_who_debugs_and_not_without_end(void **state)
{
    struct tls_context *context = secured_context(NULL);
    mtev_log_stream_t stream = mtev_log_stream_find("debug/eventer/ssl");
    mtev_log_stream_add_stream(stream, mtev_error);
    mtev_log_stream_set_flags(stream, mtev_log_stream_get_flags(stream) | MTEV_LOG_STREAM_ENABLED);
    for (int i = 0; i < 40; i++) {
        int fds[2];
        struct shaken s = {.context = context};
        secured_connect(fds);
        s.fd = fds[1];
        in_loop(0, begin, &s);
        assert_int_equal(send(fds[0], "hello", 5, 0), 5);
        wait_until(&s.failed, 1);
        close(fds[0]);
    }
    const unsigned lines = logged("TLS: the handshake with 127.0.0.1:");
    assert_in_range(lines, 10, 39);
    assert_true(logged("failed: wrong version number\n") + logged("failed: http request\n") > 0);
    mtev_log_stream_set_flags(stream, mtev_log_stream_get_flags(stream) & ~MTEV_LOG_STREAM_ENABLED);
    logged_clear();
    tls_context_unref(context);
}

static void handshakes_under_way_end_with_the_process(void **state)
{
    struct tls_context *context = secured_context(NULL);
    int fds[2][2];
    struct shaken s[2] = {{.context = context}, {.context = context}};
    for (int i = 0; i < 2; i++) {
        secured_connect(fds[i]);
        s[i].fd = fds[i][1];
        in_loop((uint32_t)i, begin, &s[i]);
    }
    tls_handshakes_end();
    assert_int_equal(atomic_load(&s[0].failed) + atomic_load(&s[1].failed), 2);
    close(fds[0][0]);
    close(fds[1][0]);
    tls_context_unref(context);
}

static void without_memory_the_connection_is_dropped(void **state)
{
    struct tls_context *context = secured_context(NULL);
    for (uint64_t nth = 1; nth < 8; nth++) {
        alloc_fail_nth(nth, 0);
        int fds[2];
        struct shaken s = {.context = context};
        secured_connect(fds);
        s.fd = fds[1];
        struct raw_peer peer = raw_open(secured_client, fds[0]);
        in_loop(0, begin, &s);
        (void)raw_handshake(&peer);
        alloc_fail_nth(0, 0);
        if (s.err == 0)
            while (atomic_load(&s.failed) + atomic_load(&s.done) == 0)
                sched_yield();
        if (s.e != NULL)
            in_loop(0, end, &s);
        raw_close(&peer);
    }
    logged_clear();
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_handshake_may_come_in_pieces),
    clean_test(who_is_silent_is_dropped_when_his_time_is_over),
    clean_test(what_is_no_handshake_is_dropped),
    clean_test(failures_are_told_to_who_debugs_and_not_without_end),
    clean_test(handshakes_under_way_end_with_the_process),
    clean_test(without_memory_the_connection_is_dropped),
};

SECURED_MAIN(tests)
