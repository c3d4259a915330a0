/* SPDX-License-Identifier: MIT */
/*
 * fetching.h - what tests of fetches share: an HTTP server in this process (../http/server.h), a
 * peer that sends what a test wants, and the end of what loops keep for requests to come.
 *
 * fetching_start() goes first in main().
 */
#ifndef EVENTER_TESTS_FETCHING_H
#define EVENTER_TESTS_FETCHING_H

#include "../http/server.h"

#include "client/fetch_impl.h"

#include <eventer_fetch.h>

#include <poll.h>

#define FETCHING_LOOPS 2

static inline void fetching_start(const struct handler *handlers, size_t count)
{
    unsetenv("http_proxy");
    server_start(handlers, count, FETCHING_LOOPS);
    harness_keep_fds();
}

static inline void fetching_end_home(void *closure)
{
    (void)closure;
    if (loop_self->client != NULL)
        fetch_home_free(loop_self->client);
}

/* Close the connections that loops have kept. */
static inline void fetching_end_homes(void)
{
    for (unsigned i = 0; i < FETCHING_LOOPS; i++)
        in_loop(i, fetching_end_home, NULL);
}

/* Connections that are open to the server in this process, as it sees them. */
static inline int fetching_clean(void **state)
{
    fetching_end_homes();
    return server_clean(state);
}

#define fetching_test(test) cmocka_unit_test_teardown(test, fetching_clean)

/* The URL of path at a port of this machine; good until the thread's eighth call after it. */
static inline const char *fetching_url_at(uint16_t port, const char *path)
{
    static __thread char urls[8][128];
    static __thread unsigned turn;
    char *url = urls[turn++ % 8];
    snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%d%s", port, path);
    return url;
}

static inline const char *fetching_url(const char *path)
{
    return fetching_url_at(client_port, path);
}

static inline bool fetching_body_is(const eventer_fetch_t *reply, const char *text)
{
    size_t len;
    const char *body = eventer_fetch_body(reply, &len);
    return len == strlen(text) && strcmp(body, text) == 0;
}

/* In a coroutine: check that this fails with err, and says why. */
static inline void fetching_fails(const eventer_fetch_options_t *options, int err)
{
    eventer_fetch_t *reply;
    if (check_int(eventer_aco_http_fetch(options, &reply), -1))
        check_int(errno, err);
    check(eventer_fetch_error(reply)[0] != '\0');
    eventer_fetch_free(reply);
}

/* ---- a peer that knows what to say ----------------------------------------------- */

struct peer {
    int listener;
    uint16_t port;
    void (*serve)(int fd, const void *closure); /* one connection after another; it is closed */
    const void *closure;
    _Atomic int accepted;
    pthread_t thread;
};

static inline void *peer_run(void *arg)
{
    struct peer *peer = arg;
    int fd;
    while ((fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        atomic_fetch_add(&peer->accepted, 1);
        peer->serve(fd, peer->closure);
        close(fd);
    }
    return NULL;
}

static inline void peer_start(struct peer *peer, void (*serve)(int fd, const void *closure),
                              const void *closure)
{
    *peer = (struct peer){.serve = serve, .closure = closure};
    peer->listener = harness_listen(&peer->port);
    assert_int_equal(eventer_set_fd_blocking(peer->listener), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline void peer_end(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

/* Read a request's head; false: there was none. */
static inline bool peer_read_head(int fd)
{
    char head[4096];
    size_t len = 0;
    while (len < sizeof(head) && recv(fd, head + len, 1, 0) == 1) {
        len++;
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static inline bool peer_send(int fd, const char *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t count = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

/* Answer with the text at closure, and close. */
static inline void peer_say(int fd, const void *closure)
{
    if (peer_read_head(fd))
        peer_send(fd, closure, strlen(closure));
}

/* Wait until the other side is gone. */
static inline void peer_await_end(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
}

static inline void peer_reset(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

#endif
