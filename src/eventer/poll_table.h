/* SPDX-License-Identifier: MIT */
/*
 * poll_table.h - what is watched, for pollers whose kernel keeps no such table of its own.
 *
 * Layer: eventer (uses base).  An entry for each fd, found by its number.  Like epoll(7) it forgets
 * an fd that was closed: an entry remembers which file its fd was (device and inode; those that
 * share one inode, such as eventfds, cannot be told apart).
 * Not thread safe: each poller has its lock.
 */
#ifndef EVENTER_EVENTER_POLL_TABLE_H
#define EVENTER_EVENTER_POLL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct poll_entry {
    uint32_t interest; /* as of poller.h; 0: not watched */
    uint32_t armed;    /* io_uring: which request the kernel has; 0: none */
    uint64_t tag;
    uint64_t added; /* the how manieth of all that were added it is */
    dev_t device;
    ino_t inode;
    int next_changed; /* io_uring: a chain of fds */
    bool is_changed;  /* it is on it */
};

struct poll_table {             /* zeroed = empty */
    struct poll_entry *entries; /* owned: capacity of them, by fd */
    size_t capacity;
    uint64_t added; /* so many were */
};

/* Free what t holds. */
void poll_table_free(struct poll_table *t);

/* Do what poller_ops.watch() says, but for telling a kernel.  The same errors. */
int poll_table_watch(struct poll_table *t, int fd, uint32_t was, uint32_t interest, uint64_t tag);

/* Forget fd, which is watched, if it was closed; returns whether it was.  Cost: an fstat(2). */
bool poll_table_forget_closed(struct poll_table *t, int fd);

/* The entry of fd, or NULL if it never had one (borrowed until the next poll_table_watch()). */
static inline struct poll_entry *poll_table_find(const struct poll_table *t, int fd)
{
    return (size_t)fd < t->capacity ? &t->entries[fd] : NULL;
}

#endif
