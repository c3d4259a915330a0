/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hot.h"
#include "base/list.h"
#include "eventer/poller.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI &&
                  POLLERR == EPOLLERR && POLLHUP == EPOLLHUP,
              "poll(2) bits are epoll(7) bits");
static_assert(POLLER_EDGE == (uint32_t)EPOLLET, "the edge bit is epoll's");
static_assert(sizeof(struct poller_ready) == sizeof(struct epoll_event) &&
                  offsetof(struct poller_ready, bits) == offsetof(struct epoll_event, events) &&
                  offsetof(struct poller_ready, tag) == offsetof(struct epoll_event, data),
              "epoll_wait(2) writes struct poller_ready");

struct epoll_poller {
    struct poller base;
    int fd;
    int wake_fd; /* an eventfd, edge-triggered: it is never read */
};

static _Atomic bool lacks_pwait2; /* kernels before 5.11, and user-mode emulation */

static int epoll_watch(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    struct epoll_poller *self = list_entry(p, struct epoll_poller, base);
    struct epoll_event event = {.events = interest, .data.u64 = tag};
    int op = interest == 0 ? EPOLL_CTL_DEL : was == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    return epoll_ctl(self->fd, op, fd, &event) == 0 ? 0 : -errno;
}

static void epoll_close(struct poller *p)
{
    struct epoll_poller *self = list_entry(p, struct epoll_poller, base);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    if (self->fd >= 0)
        close(self->fd);
    alloc_free(self);
}

static int epoll_open(struct poller **out)
{
    struct epoll_poller *self = alloc_zeroed(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->base.ops = &poller_epoll;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err =
        self->fd < 0 || self->wake_fd < 0
            ? -errno
            : epoll_watch(&self->base, self->wake_fd, 0, POLLIN | POLLER_EDGE, POLLER_TAG_WAKE);
    if (err != 0) {
        epoll_close(&self->base);
        return err;
    }
    *out = &self->base;
    return 0;
}

static int wait_ms(struct epoll_poller *self, struct epoll_event *ready, int max, uint64_t left_ns)
{
    int timeout_ms = -1;
    if (left_ns != POLLER_FOREVER) {
        uint64_t ms = left_ns / CLOCK_NS_PER_MS + (left_ns % CLOCK_NS_PER_MS != 0);
        timeout_ms = ms > INT32_MAX ? INT32_MAX : (int)ms;
    }
    return epoll_wait(self->fd, ready, max, timeout_ms);
}

static HOT int epoll_poller_wait(struct poller *p, struct poller_ready *ready, int max,
                                 uint64_t deadline_ns)
{
    struct epoll_poller *self = list_entry(p, struct epoll_poller, base);
    struct epoll_event *events = (void *)ready;
    uint64_t left_ns = poller_left_ns(deadline_ns);
    int count = -1;
    if (left_ns == 0 || left_ns == POLLER_FOREVER ||
        atomic_load_explicit(&lacks_pwait2, memory_order_relaxed)) {
        count = wait_ms(self, events, max, left_ns);
    } else {
        struct timespec timeout = clock_timespec(left_ns);
        count = epoll_pwait2(self->fd, events, max, &timeout, NULL);
        if (count < 0 && errno == ENOSYS) {
            atomic_store(&lacks_pwait2, true);
            count = wait_ms(self, events, max, left_ns);
        }
    }
    assert(count >= 0 || errno == EINTR);
    return count < 0 ? 0 : count;
}

static void epoll_wake(struct poller *p)
{
    struct epoll_poller *self = list_entry(p, struct epoll_poller, base);
    poller_raise(self->wake_fd);
}

const struct poller_ops poller_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .watch = epoll_watch,
    .wait = epoll_poller_wait,
    .wake = epoll_wake,
};
