/* SPDX-License-Identifier: MIT */
/*
 * echo_raw.c - the yardstick of bench/echo: the least work that a one-thread epoll server can do.
 *
 * A message costs 1 recv, 1 send and its share of an epoll_wait.  A connection is registered once,
 * edge-triggered; a recv that does not fill its buffer has emptied the socket, so EAGAIN is never
 * probed for.  A peer that does not take its answer at once is dropped.
 *
 * `echo_raw PORT threads` has a second thread, which sleeps: what a process pays for having one.
 */
#include "echo.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>

#define READY_MAX 256

static void accept_all(int epoll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept_next(listen_fd)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
    }
}

static void serve(int fd, uint32_t events)
{
    static char buffer[BUFFER_SIZE];
    bool more = true;
    while (more) {
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got) {
            close(fd);
            return;
        }
        more = got == sizeof(buffer) || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    }
}

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc > 2)
        require(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0, "pthread_create");
    int listen_fd = listen_on(port_of(argc, argv)), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
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
