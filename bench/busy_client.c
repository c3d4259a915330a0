/* SPDX-License-Identifier: MIT */
/*
 * busy_client.c - asks a server for the same thing all the time, and counts what is lost.
 *
 * Usage: busy_client PORT PATH KEPT NEW
 * KEPT connections are kept as long as the server lets them, NEW ones are closed after an answer.
 * A connection that is closed before any byte of an answer is asked again on another one, as RFC
 * 9112 section 9.3.1 allows, unless it was new.  Everything else that is no whole answer of 200 is
 * a failure, and so is a connection that is refused.  At SIGTERM it prints one line of JSON:
 * answers, asked_again, failures, of these refused, connections, and the longest time without an
 * answer in ms.
 */
#include "loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define ANSWER_MAX      4096

struct connection {
    int fd;
    bool is_kept, has_answered; /* on this connection */
    size_t len;
    char answer[ANSWER_MAX + 1];
};

static struct connection connections[CONNECTIONS_MAX];
static struct sockaddr_in address;
static char request[256];
static int epoll_fd;
static uint64_t answers, asked_again, failures, refused, made, gap_ns_max, answered_ns;
static volatile sig_atomic_t is_over;

static uint64_t mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static void fail(const char *what, const struct connection *c)
{
    if (failures++ < 10)
        fprintf(stderr, "busy_client: %s: %s: %.60s\n", what, strerror(errno), c->answer);
}

static void ask(struct connection *c)
{
    c->len = 0;
    c->answer[0] = '\0';
    if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
        errno != ECONNRESET) /* these are seen when it is read */
        fail("send", c);
}

static void open_anew(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->has_answered = false;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        refused++;
        fail("connect", c);
        usleep(1000);
    }
    made++;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
    ask(c);
}

/* The length of the whole answer that has begun; 0: its head is not all there. */
static size_t wanted_len(const struct connection *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (end == NULL || length == NULL || length > end)
        return 0;
    return (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
}

static void take_answer(struct connection *c)
{
    const uint64_t now_ns = mono_ns();
    const char *said = strcasestr(c->answer, "\r\nconnection: close");
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0)
        fail("status", c);
    answers++;
    gap_ns_max = now_ns - answered_ns > gap_ns_max ? now_ns - answered_ns : gap_ns_max;
    answered_ns = now_ns;
    c->has_answered = true;
    if (c->is_kept && said == NULL)
        ask(c);
    else
        open_anew(c);
}

static void read_more(struct connection *c)
{
    ssize_t len = recv(c->fd, c->answer + c->len, ANSWER_MAX - c->len, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len > 0) {
        c->len += (size_t)len;
        c->answer[c->len] = '\0';
        const size_t wanted = wanted_len(c);
        if (wanted != 0 && c->len >= wanted)
            take_answer(c);
        return;
    }
    if (c->len == 0 && c->has_answered)
        asked_again++;
    else
        fail("closed", c);
    open_anew(c);
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    if (argc != 5)
        return 2;
    address = loopback_address(argv[1]);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[2]);
    const size_t kept = strtoul(argv[3], NULL, 10), count = kept + strtoul(argv[4], NULL, 10);
    if (count > CONNECTIONS_MAX)
        return 2;
    signal(SIGTERM, on_signal);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    answered_ns = mono_ns();
    for (size_t i = 0; i < count; i++) {
        connections[i] = (struct connection){.fd = -1, .is_kept = i < kept};
        open_anew(&connections[i]);
    }
    while (!is_over) {
        int ready = epoll_wait(epoll_fd, events, 64, 1000);
        for (int i = 0; i < ready; i++)
            read_more(events[i].data.ptr);
    }
    printf(
        "{\"answers\":%lu,\"asked_again\":%lu,\"failures\":%lu,\"refused\":%lu,\"connections\":%lu,"
        "\"gap_ms_max\":%.1f}\n",
        answers, asked_again, failures, refused, made, (double)gap_ns_max / 1e6);
    return 0;
}
