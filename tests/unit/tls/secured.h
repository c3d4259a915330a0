/* SPDX-License-Identifier: MIT */
/*
 * secured.h - what tests of TLS in loops share: pairs of sockets of which one is an event of ours
 * and the other a raw peer's.
 *
 * Call secured_begin() in main() and secured_end() after the tests.
 */
#ifndef EVENTER_TESTS_SECURED_H
#define EVENTER_TESTS_SECURED_H

#include "clean.h"
#include "in_coroutine.h"
#include "raw_peer.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/event.h"
#include "tls/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>

static SSL_CTX *secured_client, *secured_server; /* raw */

static inline void secured_begin(unsigned loops)
{
    logged_begin();
    start_loops(loops);
    authority_begin();
    secured_client = raw_context(true);
    secured_server = raw_context(false);
}

static inline void secured_end(void)
{
    SSL_CTX_free(secured_client);
    SSL_CTX_free(secured_server);
    authority_end();
}

/* A connection over TCP; neither end blocks. */
static inline void secured_connect(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    uint16_t port;
    int listener = harness_listen(&port);
    address.sin_port = htons(port);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[0], (const struct sockaddr *)&address, len), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fds[1] >= 0);
    assert_int_equal(eventer_set_fd_nonblocking(fds[0]), 0);
    close(listener);
}

/* The TLS side of a server or client of ours, with the authority's files; the caller owns it. */
static inline eventer_ssl_ctx_t *secured_new(eventer_ssl_orientation_t type)
{
    if (type == SSL_SERVER)
        return eventer_ssl_ctx_new(SSL_SERVER, NULL, authority_path("server.pem"),
                                   authority_path("server.key"), NULL, NULL);
    return eventer_ssl_ctx_new(SSL_CLIENT, NULL, NULL, NULL, authority_path("ca.pem"), NULL);
}

static inline int secured_never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

/* Set the keys of settings: pairs of name and value, ended by NULL. */
static inline struct tls_settings secured_settings(const char *name, ...)
{
    struct tls_settings settings;
    const char *why = NULL;
    va_list pairs;
    memset(&settings, 0, sizeof(settings));
    va_start(pairs, name);
    for (const char *key = name; key != NULL; key = va_arg(pairs, const char *))
        authority_require(tls_settings_set(&settings, key, va_arg(pairs, const char *), &why) == 0,
                          key);
    va_end(pairs);
    return settings;
}

/* The context for these settings (taken), of which there are count; the caller shares it. */
static inline struct tls_context *secured_get(eventer_ssl_orientation_t type,
                                              struct tls_settings *settings, size_t count)
{
    struct tls_context *context = NULL;
    char reason[TLS_REASON_SIZE] = "";
    if (tls_context_get(type, settings, count, &context, reason) != 0) {
        print_message("%s\n", reason);
        fail();
    }
    return context;
}

/* The same for a server with the authority's certificate, and more keys as secured_settings(). */
#define secured_context(...)                                                                       \
    secured_get(SSL_SERVER,                                                                        \
                &(struct tls_settings[1]){                                                         \
                    secured_settings("certificate", authority_path("server.pem"), "key",           \
                                     authority_path("server.key"), __VA_ARGS__)}[0],               \
                1)

/* Make fd an event of the running coroutine. */
static inline eventer_aco_t secured_adopt(int fd)
{
    return eventer_set_eventer_aco(eventer_alloc_fd(secured_never, NULL, fd, EVENTER_READ));
}

/* A coroutine of ours as server of fd, and a raw client. */
struct secured {
    struct errand errand;
    struct raw_peer peer;
    int fd;
    struct tls_context *context; /* NULL: the authority's server */
    int err;                     /* of the handshake: 0, or an errno */
    void (*serve)(struct secured *s, eventer_aco_t e);
    void *more; /* of the test */
};

static inline void secured_serve(void *closure)
{
    struct secured *s = closure;
    struct timeval patience = {.tv_sec = 10};
    eventer_aco_t e = secured_adopt(s->fd);
    eventer_ssl_ctx_t *ctx =
        s->context == NULL ? secured_new(SSL_SERVER) : tls_connection_new(s->context);
    if (eventer_aco_SSL_accept(e, ctx, &patience) != 0)
        s->err = errno;
    else if (s->serve != NULL)
        s->serve(s, e);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Let serve run in a coroutine of loop 0, once the handshake with the raw peer is over. */
static inline void secured_begin_with(struct secured *s, struct tls_context *context, SSL_CTX *peer)
{
    int fds[2];
    secured_connect(fds);
    s->fd = fds[1];
    s->context = context;
    s->peer = raw_open(peer, fds[0]);
    coroutine_post(&s->errand, 0, secured_serve, s);
}

/* The same, with the usual context and peer; returns when the handshake is over. */
static inline void secured_start(struct secured *s,
                                 void (*serve)(struct secured *s, eventer_aco_t e), void *more)
{
    *s = (struct secured){.serve = serve, .more = more};
    secured_begin_with(s, NULL, secured_client);
    assert_true(raw_handshake(&s->peer));
}

static inline void secured_wait(struct secured *s)
{
    errand_wait(&s->errand);
    raw_close(&s->peer);
    assert_checks();
}

#define SECURED_MAIN(tests)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        secured_begin(2);                                                                          \
        harness_keep_fds();                                                                        \
        int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof((tests)[0]));             \
        secured_end();                                                                             \
        return status;                                                                             \
    }

#endif
