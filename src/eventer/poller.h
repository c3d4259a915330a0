/* SPDX-License-Identifier: MIT */
/*
 * poller.h - who asks the kernel which fds are ready.  One file each; chosen by name.
 *
 * Layer: eventer.  Interest and readiness are POLL* bits of poll(2), which are also EPOLL*'s.
 */
#ifndef EVENTER_EVENTER_POLLER_H
#define EVENTER_EVENTER_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define POLLER_FOREVER UINT64_MAX

struct poller { /* embedded first in each kind's own struct */
    const struct poller_ops *ops;
};

struct poller_ops {
    const char *name;
    int (*open)(struct poller **out); /* 0 or -errno; the caller owns it */
    void (*close)(struct poller *p);
    /*
     * Watch fd for the POLL* bits of interest (0: no longer) and report it with tag.  was: the
     * interest before, 0 if it was not watched.  Any thread.  0 or -errno.
     */
    int (*watch)(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag);
    /*
     * Wait up to timeout_ns and give at most max ready fds: events = POLL* bits, data.u64 = tag.
     * Returns their number; 0 also after a signal or a wake.
     */
    int (*wait)(struct poller *p, struct epoll_event *ready, int max, uint64_t timeout_ns);
    void (*wake)(struct poller *p); /* end a wait, or the next one.  Any thread. */
};

#define POLLER_EDGE     (1u << 31) /* in interest: report changes only (EPOLLET) */
#define POLLER_TAG_WAKE UINT64_MAX /* no registration has these tags */
#define POLLER_TAG_WALL (UINT64_MAX - 1)

extern const struct poller_ops poller_epoll;

#endif
