/* SPDX-License-Identifier: MIT */
/*
 * poll_poll.c - poll(2): for kernels that offer nothing better; a wait costs O(fds).
 *
 * An edge is made from what the loop remembers.  poll(2) says only that an fd is ready, not that it
 * has become so; but of an edge-triggered registration it is asked only about what the user waits
 * for (poller.awaited): what he has used up, as read(2) or write(2) told him, and what he was never
 * told of.  So whatever comes after he has used up the last is reported, and what he has been told
 * and has left alone does not end a wait again.
 *
 * Another thread that changes the table while the loop is in poll(2), which has a copy, wakes it.
 */
#include "base/alloc.h"
#include "base/list.h"
#include "eventer/poll_table.h"
#include "eventer/poller.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CAPACITY_MIN 64

struct poll_poller {
    struct poller base;
    int wake_fd;        /* an eventfd */
    struct pollfd *fds; /* owned by the thread that waits: room for capacity, as of its last wait */
    size_t first;       /* where the next report begins, if one was too long for its reader */

    pthread_mutex_t lock; /* of the rest */
    struct poll_table table;
    struct pollfd *larger; /* owned, or NULL: the fds of the next wait */
    size_t capacity;       /* of larger, or else of fds */
    bool is_waiting;       /* in poll(2), with what the table was */
};

static void poll_wake(struct poller *p)
{
    struct poll_poller *self = list_entry(p, struct poll_poller, base);
    poller_raise(self->wake_fd);
}

/* Make room for fd, and for the eventfd, so that a wait never has to. */
static int reserve(struct poll_poller *self, int fd)
{
    size_t capacity = self->capacity == 0 ? CAPACITY_MIN : self->capacity;
    while (capacity < (size_t)fd + 2)
        capacity *= 2;
    if (capacity == self->capacity)
        return 0;
    struct pollfd *larger = alloc_bytes(capacity * sizeof(*larger));
    if (larger == NULL)
        return -ENOMEM;
    alloc_free(self->larger);
    self->larger = larger;
    self->capacity = capacity;
    return 0;
}

static int poll_watch(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    struct poll_poller *self = list_entry(p, struct poll_poller, base);
    pthread_mutex_lock(&self->lock);
    int err = reserve(self, fd);
    if (err == 0)
        err = poll_table_watch(&self->table, fd, was, interest, tag);
    bool must_wake = self->is_waiting;
    pthread_mutex_unlock(&self->lock);
    if (must_wake)
        poll_wake(p);
    return err;
}

static void poll_close(struct poller *p)
{
    struct poll_poller *self = list_entry(p, struct poll_poller, base);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    alloc_free(self->fds);
    alloc_free(self->larger);
    poll_table_free(&self->table);
    pthread_mutex_destroy(&self->lock);
    alloc_free(self);
}

static int poll_open(struct poller **out)
{
    struct poll_poller *self = alloc_zeroed(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->base.ops = &poller_poll;
    pthread_mutex_init(&self->lock, NULL);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = self->wake_fd < 0 ? -errno : reserve(self, 0);
    if (err != 0) {
        poll_close(&self->base);
        return err;
    }
    *out = &self->base;
    return 0;
}

/* Write down what to ask about; returns how much it is. */
static size_t collect(struct poll_poller *self)
{
    size_t count = 0;
    if (self->larger != NULL) {
        alloc_free(self->fds);
        self->fds = self->larger;
        self->larger = NULL;
    }
    self->fds[count++] = (struct pollfd){.fd = self->wake_fd, .events = POLLIN};
    for (size_t fd = 0; fd < self->table.capacity; fd++) {
        const struct poll_entry *entry = &self->table.entries[fd];
        uint32_t asked = entry->interest;
        if (asked & POLLER_EDGE)
            asked &= self->base.awaited(entry->tag);
        if (asked != 0)
            self->fds[count++] =
                (struct pollfd){.fd = (int)fd, .events = (short)(asked & POLLER_KINDS)};
    }
    return count;
}

/* Put what was found of the one fd into *ready; false: nothing that is still of interest. */
static bool report(struct poll_poller *self, const struct pollfd *found, uint64_t newest,
                   struct poller_ready *ready)
{
    struct poll_entry *entry = &self->table.entries[found->fd];
    uint32_t bits = (uint32_t)(unsigned short)found->revents;
    if (bits == 0 || entry->added > newest) /* added while we waited for what was there before */
        return false;
    if (bits & POLLNVAL)
        entry->interest = 0; /* it was closed */
    if (entry->interest == 0)
        return false;
    *ready = (struct poller_ready){.bits = bits & (entry->interest | POLLERR | POLLHUP),
                                   .tag = entry->tag};
    return ready->bits != 0;
}

static int poll_wait(struct poller *p, struct poller_ready *ready, int max, uint64_t deadline_ns)
{
    struct poll_poller *self = list_entry(p, struct poll_poller, base);
    pthread_mutex_lock(&self->lock);
    size_t count = collect(self);
    uint64_t newest = self->table.added;
    self->is_waiting = true;
    pthread_mutex_unlock(&self->lock);

    uint64_t left_ns = poller_left_ns(deadline_ns);
    struct timespec timeout = clock_timespec(left_ns);
    int found = ppoll(self->fds, count, left_ns == POLLER_FOREVER ? NULL : &timeout, NULL);
    assert(found >= 0 || errno == EINTR || errno == ENOMEM);

    int reported = 0;
    pthread_mutex_lock(&self->lock);
    self->is_waiting = false;
    if (found > 0 && self->fds[0].revents != 0) {
        uint64_t wakes;
        ssize_t ignored = read(self->wake_fd, &wakes, sizeof(wakes));
        (void)ignored;
    }
    size_t asked = count - 1, tried = 0;
    for (; found > 0 && tried < asked && reported < max; tried++) {
        const struct pollfd *one = &self->fds[1 + (self->first + tried) % asked];
        reported += report(self, one, newest, &ready[reported]);
    }
    self->first = tried < asked ? self->first + tried : 0;
    pthread_mutex_unlock(&self->lock);
    return reported;
}

const struct poller_ops poller_poll = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .watch = poll_watch,
    .wait = poll_wait,
    .wake = poll_wake,
};
