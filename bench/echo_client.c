/* SPDX-License-Identifier: MIT */
/*
 * echo_client.c - the load of bench/echo.
 *
 * Usage: echo_client PORT CONNECTIONS ACTIVE.  Opens the connections and exchanges a message on
 * each, then says "ready" and reads its orders, a line each:
 *
 *   for MS      keep a message under way on each active connection for so long
 *   times N     until N messages came back
 *
 * The answer is how many messages came back, all that were sent.  The active connections are spread
 * evenly over all.
 */
#include "loopback.h"
#include "measure.h"

#include <inttypes.h>
#include <sys/epoll.h>

#define MESSAGE_SIZE    64
#define READY_MAX       256
#define CONNECTIONS_MAX 19000 /* and no more than the limit of fds */
#define NS_PER_MS       1000000

static char message[MESSAGE_SIZE] = "how much is it to say this";

static void put(int fd)
{
    require(send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message), "send");
}

static void get(int fd)
{
    char answer[MESSAGE_SIZE];
    require(recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer), "recv");
    require(memcmp(answer, message, sizeof(answer)) == 0, "another message came back");
}

static int open_one(const char *port)
{
    struct sockaddr_in address = loopback_address(port);
    const struct linger at_once = {.l_onoff = 1}; /* closed without a trace */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    put(fd);
    get(fd);
    return fd;
}

/* Returns how many messages came back. */
static uint64_t run(const int *fds, size_t count, int epoll_fd, uint64_t ns, uint64_t times)
{
    struct epoll_event ready[READY_MAX];
    uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + ns, done = 0;
    size_t under_way = count;
    for (size_t i = 0; i < count; i++)
        put(fds[i]);
    while (under_way > 0) {
        int len = epoll_wait(epoll_fd, ready, READY_MAX, -1);
        bool is_over = ns > 0 && clock_ns(CLOCK_MONOTONIC) >= end_ns;
        for (int i = 0; i < len; i++) {
            get(ready[i].data.fd);
            done++;
            if (is_over || (times > 0 && done + under_way > times))
                under_way--;
            else
                put(ready[i].data.fd);
        }
    }
    return done;
}

int main(int argc, char **argv)
{
    static int active[CONNECTIONS_MAX];
    require(argc == 4, "usage: echo_client PORT CONNECTIONS ACTIVE");
    size_t connections = strtoul(argv[2], NULL, 10), count = strtoul(argv[3], NULL, 10), at = 0;
    require(count > 0 && count <= connections && connections <= CONNECTIONS_MAX, "connections");
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < connections; i++) {
        int fd = open_one(argv[1]);
        if (i != at * connections / count)
            continue;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        require(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
        active[at++] = fd;
    }
    char order[32], *number;
    printf("ready\n");
    fflush(stdout);
    while (fgets(order, sizeof(order), stdin) != NULL) {
        bool is_times = strncmp(order, "times ", 6) == 0;
        uint64_t value = strtoul(order + (is_times ? 6 : 4), &number, 10);
        require(*number == '\n' && value > 0, "for MS or times N");
        uint64_t done = is_times ? run(active, count, epoll_fd, 0, value)
                                 : run(active, count, epoll_fd, value * NS_PER_MS, 0);
        printf("%" PRIu64 "\n", done);
        fflush(stdout);
    }
    return 0;
}
