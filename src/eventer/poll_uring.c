/* SPDX-License-Identifier: MIT */
/*
 * poll_uring.c - io_uring: what changes is told to the kernel by the call that waits.
 *
 * An edge-triggered registration is a multishot poll request: the kernel reports each change until
 * the request is taken back.  A level-triggered one is a request for one report, which is made anew
 * in the next wait: the kernel then looks whether the fd is still ready.
 *
 * A request lives as long as the thread that submitted it, and its reports come when that thread
 * asks for them; so the loop's thread alone uses the ring.  Others write what they want into the
 * table, and wake it.  The kernel holds an fd's file until its request is gone: the loop takes one
 * back at once, another thread only with the loop's next turn.
 *
 * What a report says is what the wake-up said that it comes from, and sockets say POLLPRI together
 * with each POLLIN.  So poll(2) is asked about such reports, once for all that a wait gave: the
 * answer is what epoll would have said.  Since a request keeps a file alive that was closed without
 * being taken back first, the others are looked at for that.
 */
#include "eventer/poller.h"

#include <mtev_log.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static int fall_back(struct poller **out, const char *why)
{
    static _Atomic bool was_said;
    if (!atomic_exchange(&was_said, true))
        mtevL(mtev_notice, "eventer: io_uring cannot be used (%s): epoll is\n", why);
    return poller_epoll.open(out);
}

#ifndef EVENTER_LIBURING

static int uring_open(struct poller **out)
{
    return fall_back(out, "this library was built without liburing");
}

const struct poller_ops poller_uring = {.name = "io_uring", .open = uring_open};

#else

#include "base/alloc.h"
#include "base/list.h"
#include "eventer/poll_table.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SUBMISSION_COUNT 256  /* requests told to the kernel at once */
#define COMPLETION_COUNT 4096 /* reports that fit; the kernel keeps those that do not */
#define REPORT_MAX       256  /* reports of one wait */
#define CHAIN_END        (-1)

#define DATA_IGNORED UINT64_C(0) /* what taking back a request says: nothing */
#define DATA_WAKE    UINT64_MAX  /* of the eventfd; all others are a request's number and its fd */

struct uring_poller {
    struct poller base;
    struct io_uring ring;               /* of the thread that waits alone */
    int wake_fd;                        /* an eventfd, edge-triggered: it is never read */
    bool has_wake;                      /* it is watched */
    struct pollfd reported[REPORT_MAX]; /* of the last wait: which fd, and its interest */

    pthread_mutex_t lock; /* of the rest */
    struct poll_table table;
    int changed, changed_last; /* a chain: fds whose registration the kernel does not have as is */
    uint32_t request;          /* number of the last one */
    bool is_enabled;           /* somebody waited: */
    pthread_t submitter;       /* he; nobody else may submit */
};

/* ---- requests: the submitter, with the lock ------------------------------------- */

static struct io_uring_sqe *next_request(struct uring_poller *self)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (sqe == NULL) { /* all are used: the kernel takes them */
        (void)io_uring_submit(&self->ring);
        sqe = io_uring_get_sqe(&self->ring);
    }
    return sqe;
}

static uint64_t data_of(int fd, uint32_t request)
{
    return (uint64_t)request << 32 | (uint32_t)fd;
}

/* Take back what the kernel has of fd.  False: no room now. */
static bool disarm(struct uring_poller *self, int fd, struct poll_entry *entry)
{
    if (entry->armed == 0)
        return true;
    struct io_uring_sqe *sqe = next_request(self);
    if (sqe == NULL)
        return false;
    io_uring_prep_poll_remove(sqe, data_of(fd, entry->armed));
    io_uring_sqe_set_data64(sqe, DATA_IGNORED);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    entry->armed = 0;
    return true;
}

static bool arm(struct uring_poller *self, int fd, struct poll_entry *entry)
{
    if (entry->interest == 0)
        return true;
    struct io_uring_sqe *sqe = next_request(self);
    if (sqe == NULL)
        return false;
    if (++self->request == 0)
        self->request = 1; /* 0: none */
    entry->armed = self->request;
    if (entry->interest & POLLER_EDGE)
        io_uring_prep_poll_multishot(sqe, fd, entry->interest & ~POLLER_EDGE);
    else
        io_uring_prep_poll_add(sqe, fd, entry->interest);
    io_uring_sqe_set_data64(sqe, data_of(fd, entry->armed));
    return true;
}

static bool arm_wake(struct uring_poller *self)
{
    struct io_uring_sqe *sqe = self->has_wake ? NULL : next_request(self);
    if (sqe == NULL)
        return self->has_wake;
    io_uring_prep_poll_multishot(sqe, self->wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, DATA_WAKE);
    return self->has_wake = true;
}

/* Write down requests for all that has changed.  False: some has to wait for the next time. */
static bool submit_changes(struct uring_poller *self)
{
    if (!arm_wake(self))
        return false;
    while (self->changed != CHAIN_END) {
        int fd = self->changed;
        struct poll_entry *entry = &self->table.entries[fd];
        if (!disarm(self, fd, entry) || !arm(self, fd, entry))
            return false;
        self->changed = entry->next_changed;
        entry->is_changed = false;
    }
    return true;
}

static void note_change(struct uring_poller *self, int fd, struct poll_entry *entry)
{
    if (entry->is_changed)
        return;
    entry->is_changed = true;
    entry->next_changed = CHAIN_END;
    if (self->changed == CHAIN_END)
        self->changed = fd;
    else
        self->table.entries[self->changed_last].next_changed = fd;
    self->changed_last = fd;
}

/* ---- what a poller does ---------------------------------------------------------- */

static void uring_wake(struct poller *p)
{
    struct uring_poller *self = list_entry(p, struct uring_poller, base);
    poller_raise(self->wake_fd);
}

static int uring_watch(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    struct uring_poller *self = list_entry(p, struct uring_poller, base);
    pthread_mutex_lock(&self->lock);
    struct poll_entry *entry = poll_table_find(&self->table, fd), before = {.interest = 0};
    if (entry != NULL)
        before = *entry;
    int err = poll_table_watch(&self->table, fd, was, interest, tag);
    entry = poll_table_find(&self->table, fd);
    bool is_other = self->is_enabled && !pthread_equal(self->submitter, pthread_self());
    bool is_changed =
        entry != NULL && (entry->interest != before.interest || entry->added != before.added);
    if (is_changed && entry->interest == 0 && entry->armed != 0 && self->is_enabled && !is_other &&
        disarm(self, fd, entry))
        (void)io_uring_submit_and_get_events(&self->ring); /* and it lets go of the file */
    else if (is_changed)
        note_change(self, fd, entry);
    pthread_mutex_unlock(&self->lock);
    if (is_changed && is_other)
        uring_wake(p);
    return err;
}

/* Once the ring was made. */
static void uring_close(struct poller *p)
{
    struct uring_poller *self = list_entry(p, struct uring_poller, base);
    io_uring_queue_exit(&self->ring);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    poll_table_free(&self->table);
    pthread_mutex_destroy(&self->lock);
    alloc_free(self);
}

static int uring_open(struct poller **out)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETION_COUNT,
    };
    struct uring_poller *self = alloc_zeroed(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    int err = io_uring_queue_init_params(SUBMISSION_COUNT, &self->ring, &params);
    if (err != 0) {
        alloc_free(self);
        if (err == -EINVAL)
            return fall_back(out, "Linux 6.1 is needed");
        return err == -ENOSYS || err == -EPERM || err == -EACCES
                   ? fall_back(out, strerrordesc_np(-err))
                   : err;
    }
    self->base.ops = &poller_uring;
    self->changed = CHAIN_END;
    pthread_mutex_init(&self->lock, NULL);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0) {
        err = -errno;
        uring_close(&self->base);
        return err;
    }
    *out = &self->base;
    return 0;
}

/* Put what the kernel says into *ready and *reported; false: nothing that is of interest. */
static bool report(struct uring_poller *self, const struct io_uring_cqe *cqe,
                   struct poller_ready *ready, struct pollfd *reported)
{
    if (cqe->user_data == DATA_WAKE && !(cqe->flags & IORING_CQE_F_MORE))
        self->has_wake = false;
    if (cqe->user_data == DATA_WAKE || cqe->user_data == DATA_IGNORED)
        return false;
    int fd = (int)(uint32_t)cqe->user_data;
    struct poll_entry *entry = &self->table.entries[fd];
    if (entry->armed != cqe->user_data >> 32)
        return false; /* of a request that was taken back */
    if (!(cqe->flags & IORING_CQE_F_MORE))
        entry->armed = 0;
    if (entry->interest == 0 || entry->is_changed)
        return false; /* of what was registered before; the next wait makes the request anew */
    if (entry->armed == 0) {
        if (cqe->res >= 0 || cqe->res == -ENOMEM)
            note_change(self, fd, entry); /* to be made anew */
        else if (cqe->res == -EBADF)
            entry->interest = 0; /* it was closed before the kernel heard of it */
    }
    if (cqe->res == -ENOMEM || entry->interest == 0)
        return false;
    uint32_t bits = cqe->res < 0 ? (uint32_t)POLLERR : (uint32_t)cqe->res;
    if (!(bits & POLLPRI) && poll_table_forget_closed(&self->table, fd)) {
        note_change(self, fd, entry); /* the request kept the file alive */
        return false;
    }
    *ready = (struct poller_ready){.bits = bits & (entry->interest | POLLERR | POLLHUP),
                                   .tag = entry->tag};
    *reported = (struct pollfd){.fd = fd, .events = (short)(entry->interest & POLLER_KINDS)};
    return ready->bits != 0;
}

/* Have poll(2) say what the fds of reports with POLLPRI are ready for; returns how many are. */
static int confirm(struct uring_poller *self, struct poller_ready *ready, int count)
{
    int doubtful = 0, left = 0;
    for (int i = 0; i < count; i++) {
        if (ready[i].bits & POLLPRI)
            doubtful++;
        else
            self->reported[i].fd = -1; /* passed over */
    }
    if (doubtful == 0 || poll(self->reported, (nfds_t)count, 0) < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (self->reported[i].fd >= 0)
            ready[i].bits =
                (uint32_t)(unsigned short)self->reported[i].revents & ~(uint32_t)POLLNVAL;
        if (ready[i].bits != 0)
            ready[left++] = ready[i];
    }
    return left;
}

/* Tell the kernel what has changed, and wait unless something was reported before. */
static void submit_and_wait(struct uring_poller *self, uint64_t deadline_ns)
{
    struct io_uring_cqe *cqe;
    pthread_mutex_lock(&self->lock);
    if (!self->is_enabled) {
        self->is_enabled = true;
        self->submitter = pthread_self();
        /* io_uring_enable_rings(), which the shared liburing 2.3 does not export */
        (void)io_uring_register((unsigned)self->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                                0);
    }
    bool may_sleep = submit_changes(self) && io_uring_cq_ready(&self->ring) == 0;
    pthread_mutex_unlock(&self->lock);

    uint64_t left_ns = may_sleep ? poller_left_ns(deadline_ns) : 0;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(left_ns / CLOCK_NS_PER_S),
                                        .tv_nsec = (long long)(left_ns % CLOCK_NS_PER_S)};
    if (left_ns == 0)
        (void)io_uring_submit_and_get_events(&self->ring);
    else /* -ETIME and -EINTR, too: what is there is seen below */
        (void)io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1,
                                               left_ns == POLLER_FOREVER ? NULL : &timeout, NULL);
}

static int uring_wait(struct poller *p, struct poller_ready *ready, int max, uint64_t deadline_ns)
{
    struct uring_poller *self = list_entry(p, struct uring_poller, base);
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    int reported = 0;
    if (max > REPORT_MAX)
        max = REPORT_MAX;
    submit_and_wait(self, deadline_ns);
    pthread_mutex_lock(&self->lock);
    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        if (reported == max)
            break;
        seen++;
        reported += report(self, cqe, &ready[reported], &self->reported[reported]);
    }
    io_uring_cq_advance(&self->ring, seen);
    pthread_mutex_unlock(&self->lock);
    return confirm(self, ready, reported);
}

const struct poller_ops poller_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .watch = uring_watch,
    .wait = uring_wait,
    .wake = uring_wake,
};

#endif
