/* SPDX-License-Identifier: MIT */
/*
 * poller.h - who asks the kernel which fds are ready.  One file each; chosen by name.
 *
 * Layer: eventer.  Interest and readiness are POLL* bits of poll(2).  A registration of an fd is
 * level-triggered, or with POLLER_EDGE edge-triggered: it is told when it becomes ready, and once
 * when it is registered or its interest changes while it is ready.  It may be told too often, but
 * never of an fd that was closed, and never less.
 *
 * A poller that no file here knows (of another kernel, or a simulator's) is one more struct
 * poller_ops.
 */
#ifndef EVENTER_EVENTER_POLLER_H
#define EVENTER_EVENTER_POLLER_H

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

#define POLLER_KINDS    (POLLIN | POLLPRI | POLLOUT | POLLRDHUP) /* what poll(2) may be asked for */
#define POLLER_EDGE     (1u << 31) /* in interest: report changes only */
#define POLLER_TAG_WAKE UINT64_MAX /* no registration has these tags */
#define POLLER_TAG_WALL (UINT64_MAX - 1)

#define POLLER_AT_ONCE UINT64_C(0) /* deadlines: do not sleep */
#define POLLER_FOREVER UINT64_MAX

struct poller { /* embedded first in each kind's own struct */
    const struct poller_ops *ops;
    /*
     * Which POLL* bits the user of an edge-triggered registration (its tag) has not been told of,
     * or has used up since; 0: the registration is over.  Called by wait(), for kinds whose kernel
     * does not know what an edge is.  Set by whoever opens the poller, before the first wait.
     */
    uint32_t (*awaited)(uint64_t tag);
};

struct poller_ready { /* what epoll_wait(2) writes, so that it need not be copied */
    uint32_t bits;    /* POLL* */
    uint64_t tag;
}
#ifdef __x86_64__
__attribute__((packed))
#endif
;

struct poller_ops {
    const char *name;
    int (*open)(struct poller **out); /* 0 or -errno; the caller owns it */
    void (*close)(struct poller *p);  /* nobody uses it any more */
    /*
     * Watch fd for the POLL* bits of interest (0: no longer; POLLERR and POLLHUP always) and report
     * it with tag.  was: the interest before, 0 if it was not watched.  Any thread; one at a time
     * for an fd.  Returns 0, or -EPERM: it is of a kind that cannot be watched and always ready;
     * -ENOENT, -EBADF: it was closed, and was forgotten; -EEXIST, -ENOMEM, -ENOSPC.
     */
    int (*watch)(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag);
    /*
     * Wait until an fd is ready, until deadline_ns (absolute, of the monotonic clock; or
     * POLLER_AT_ONCE, POLLER_FOREVER) or a wake, and give at most max ready fds.  Returns their
     * number; 0 also after a signal or without reason.  One thread.
     */
    int (*wait)(struct poller *p, struct poller_ready *ready, int max, uint64_t deadline_ns);
    void (*wake)(struct poller *p); /* end a wait, or the next one.  Any thread. */
};

/* How long a wait may sleep: 0 to POLLER_FOREVER ns.  Reads the clock only where it has to. */
static inline uint64_t poller_left_ns(uint64_t deadline_ns)
{
    if (deadline_ns == POLLER_AT_ONCE || deadline_ns == POLLER_FOREVER)
        return deadline_ns;
    uint64_t now_ns = clock_mono_ns();
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

extern const struct poller_ops poller_epoll; /* the default */
extern const struct poller_ops poller_poll;  /* poll(2), for every kernel: a wait costs O(fds) */
extern const struct poller_ops
    poller_uring; /* io_uring; where it is forbidden, epoll with a line */

/* Raise the count of an eventfd that a loop waits for. */
static inline void poller_raise(int event_fd)
{
    while (write(event_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno == EINTR)
        ; /* EAGAIN: the count is full, so the edge was raised long ago */
}

#endif
