/* SPDX-License-Identifier: MIT */
/*
 * accept.c - what a connection costs that asks one thing and ends, by who accepts it.
 *
 * A server on one core, a client on another.  The client keeps connections under way: each sends 64
 * bytes, gets them back and ends.  The server is a raw epoll loop, which is also run beside itself,
 * or a listener whose connections get a coroutine each: accepted by its loop, or by a thread of
 * their own.  Each measurement is made in processes of its own; all kinds alternate.  Times are the
 * server's, user and kernel; medians are printed, and those of the ratios to the raw server.
 */
#include "loopback.h"
#include "measure.h"

#include <eventer_listen.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define RUN_COUNT        15
#define MESSAGE_SIZE     64
#define UNDER_WAY        32
#define CONNECTION_COUNT 20000
#define WARM_UP_COUNT    2000

enum kind {
    RAW,
    RAW_AGAIN,
    LOOP,
    THREAD,
    KIND_COUNT,
};

static const char *const names[KIND_COUNT] = {"raw-epoll", "raw-epoll-again", "eventer-loop",
                                              "eventer-thread"};
static enum kind kind;

static void stay_on_core(int core)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(core, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ---- the client ------------------------------------------------------------------ */

static int begin_connection(const struct sockaddr_in *server)
{
    static const char message[MESSAGE_SIZE];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct linger at_once = {.l_onoff = 1}; /* no port is left in TIME-WAIT */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    require(connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0, "connect");
    require(send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message), "send");
    return fd;
}

static void end_connection(int fd)
{
    char message[MESSAGE_SIZE];
    require(recv(fd, message, sizeof(message), MSG_WAITALL) == sizeof(message), "recv");
    close(fd);
}

static void make_connections(const struct sockaddr_in *server, unsigned count)
{
    int fds[UNDER_WAY];
    for (unsigned i = 0; i < count; i++) {
        if (i >= UNDER_WAY)
            end_connection(fds[i % UNDER_WAY]);
        fds[i % UNDER_WAY] = begin_connection(server);
    }
    for (unsigned i = 0; i < UNDER_WAY; i++)
        end_connection(fds[i]);
}

/* Tell the server over fd when the first connections are done, and when all are. */
static void be_client(uint16_t port, int fd)
{
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on_core(1);
    make_connections(&server, WARM_UP_COUNT);
    require(send(fd, "w", 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1, "a word");
    make_connections(&server, CONNECTION_COUNT);
    require(send(fd, "d", 1, 0) == 1, "a word");
    _exit(0);
}

/* ---- servers --------------------------------------------------------------------- */

static double cpu_us(void)
{
    return (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000;
}

static void serve_raw(int listen_fd)
{
    struct epoll_event ready[64], event = {.events = EPOLLIN, .data.fd = listen_fd};
    char message[MESSAGE_SIZE];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), fd;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            fd = ready[i].data.fd;
            if (fd != listen_fd) {
                ssize_t len = recv(fd, message, sizeof(message), 0);
                if (len > 0)
                    (void)!send(fd, message, (size_t)len, MSG_NOSIGNAL);
                close(fd);
                continue;
            }
            while ((fd = accept_next(listen_fd)) >= 0) {
                event =
                    (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}

static void *serve_raw_for_ever(void *arg)
{
    serve_raw(*(int *)arg);
    return NULL;
}

static void answer(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char message[MESSAGE_SIZE];
    int len = eventer_aco_read(e, message, sizeof(message), NULL);
    if (len > 0)
        eventer_aco_write(e, message, (size_t)len, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Serve in other threads; returns the port. */
static uint16_t begin_serving(void)
{
    static int listen_fd;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    pthread_t thread;
    if (kind == RAW || kind == RAW_AGAIN) {
        listen_fd = listen_on("0");
        require(getsockname(listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
        require(pthread_create(&thread, NULL, serve_raw_for_ever, &listen_fd) == 0, "a thread");
        return ntohs(address.sin_port);
    }
    require(eventer_propset("concurrency", "1") == 0 && eventer_init() == 0, "eventer_init");
    eventer_listener_t *l =
        eventer_listen(&(struct eventer_listen_opts){.address = "127.0.0.1",
                                                     .coroutine = answer,
                                                     .backlog = LISTEN_BACKLOG,
                                                     .accept_thread = kind == THREAD});
    require(l != NULL, "eventer_listen");
    eventer_loop_return();
    return eventer_listener_port(l);
}

/* Write the microseconds of this process for each connection to output. */
static void run(int output)
{
    int ends[2];
    char byte;
    stay_on_core(0);
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    uint16_t port = begin_serving();
    if (fork() == 0)
        be_client(port, ends[1]);
    require(recv(ends[0], &byte, 1, 0) == 1, "a word");
    double before_us = cpu_us();
    require(send(ends[0], "g", 1, 0) == 1 && recv(ends[0], &byte, 1, 0) == 1, "a word");
    double us = (cpu_us() - before_us) / CONNECTION_COUNT;
    require(write(output, &us, sizeof(us)) == sizeof(us), "write");
    _exit(0);
}

int main(void)
{
    static double values[KIND_COUNT][RUN_COUNT], ratios[KIND_COUNT][RUN_COUNT];
    for (int i = 0; i < RUN_COUNT; i++)
        for (int turn = 0; turn < KIND_COUNT; turn++) {
            kind = (enum kind)((i + turn) % KIND_COUNT);
            in_child(run, &values[kind][i], 1);
        }
    for (int k = 0; k < KIND_COUNT; k++)
        for (int i = 0; i < RUN_COUNT; i++)
            ratios[k][i] = values[k][i] / values[RAW][i];
    for (int k = 0; k < KIND_COUNT; k++)
        printf("{\"bench\":\"accept\",\"server\":\"%s\",\"cpu_us_per_connection\":%.2f,"
               "\"to_raw\":%.3f,\"runs\":%d}\n",
               names[k], median(values[k], RUN_COUNT), median(ratios[k], RUN_COUNT), RUN_COUNT);
    return 0;
}
