/* SPDX-License-Identifier: MIT */
/*
 * raw_epoll.c - the yardstick of bench/http: the least work a one-thread epoll server can do for a
 * keep-alive HTTP/1.1 request.
 *
 * Usage: raw_epoll PORT [FILE].  Listens on 127.0.0.1:PORT and answers every request with the bytes
 * of FILE, so that it sends exactly what the server it is compared with sends.
 *
 * A request costs 1 recv, 1 send and its share of an epoll_wait.  A connection is registered once,
 * edge-triggered; a recv that does not fill its buffer has emptied the socket, so EAGAIN is never
 * probed for.  Requests end at the empty line; those that arrive together are answered together.
 * A peer that does not take its answers at once is dropped.
 */
#include "loopback.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FD_MAX        1024 /* a connection is found by its fd */
#define REQUEST_MAX   4096 /* bytes of requests held for one connection */
#define RESPONSE_MAX  4096
#define PIPELINED_MAX 64 /* responses in one send */
#define READY_MAX     256

struct connection {
    size_t len; /* bytes of an unfinished request at the start of data */
    char data[REQUEST_MAX];
};

static struct connection connections[FD_MAX];
static char responses[PIPELINED_MAX * RESPONSE_MAX]; /* the same response, PIPELINED_MAX times */
static size_t response_len;

static void load_response(const char *path)
{
    static const char built_in[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                   "Content-Length: 13\r\n\r\nHello world.\n";
    response_len = sizeof(built_in) - 1;
    memcpy(responses, built_in, response_len);
    if (path != NULL) {
        FILE *file = fopen(path, "r");
        if (file == NULL || (response_len = fread(responses, 1, RESPONSE_MAX, file)) == 0) {
            fprintf(stderr, "raw_epoll: cannot read a response from %s\n", path);
            exit(2);
        }
        fclose(file);
    }
    for (size_t i = 1; i < PIPELINED_MAX; i++)
        memcpy(responses + i * response_len, responses, response_len);
}

static void accept_all(int epoll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept_next(listen_fd)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        if (fd >= FD_MAX || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        connections[fd].len = 0;
    }
}

static bool send_responses(int fd, size_t count)
{
    size_t len = count * response_len;
    return send(fd, responses, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Answer every complete request of c and keep the rest.  False when the connection must end. */
static bool answer(struct connection *c, int fd)
{
    const char *at = c->data, *end = c->data + c->len, *blank;
    size_t count = 0;
    while ((blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL) {
        at = blank + 4;
        if (++count == PIPELINED_MAX) {
            if (!send_responses(fd, count))
                return false;
            count = 0;
        }
    }
    c->len = (size_t)(end - at);
    if (c->len > 0 && at != c->data)
        memmove(c->data, at, c->len);
    return (count == 0 || send_responses(fd, count)) && c->len < sizeof(c->data);
}

static void serve(int fd, uint32_t events)
{
    struct connection *c = &connections[fd];
    bool more = true;
    while (more) {
        size_t room = sizeof(c->data) - c->len;
        ssize_t got = recv(fd, c->data + c->len, room, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got > 0)
            c->len += (size_t)got;
        if (got <= 0 || !answer(c, fd)) {
            close(fd);
            return;
        }
        more = (size_t)got == room || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    }
}

int main(int argc, char **argv)
{
    load_response(argc > 2 ? argv[2] : NULL);
    int listen_fd = listen_on(argc > 1 ? argv[1] : "0"), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd}, ready[READY_MAX];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, ready, READY_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listen_fd)
                accept_all(epoll_fd, listen_fd);
            else
                serve(ready[i].data.fd, ready[i].events);
        }
    }
}
