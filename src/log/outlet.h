/* SPDX-License-Identifier: MIT */
/*
 * outlet.h - where log lines become material: a file, or a descriptor that somebody else opened.
 *
 * Layer: log, for this layer alone.  outlet_write() may be called from any thread; the other calls
 * need that no other thread uses the outlet meanwhile (the lock of the streams sees to it).
 */
#ifndef EVENTER_LOG_OUTLET_H
#define EVENTER_LOG_OUTLET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define OUTLET_STALL_MS_MAX 50 /* longest wait for a full pipe, once per stall */
#define OUTLET_PIECES_MAX   2  /* pieces of a line: what is put before it, and the message */

struct outlet;

struct outlet_ops { /* a kind of outlet */
    const char *type;
    int (*open)(struct outlet *o); /* sets o->fd; 0 or -errno, and then o is untouched */
    /* Write all of the pieces (which it may change), or return -errno; *written tells how much. */
    int (*write)(struct outlet *o, struct iovec *pieces, int count, size_t *written);
    void (*close)(struct outlet *o);
};

struct outlet {
    const struct outlet_ops *ops; /* NULL: free */
    char *path;                   /* owned; NULL for a descriptor */
    pthread_mutex_t lock;         /* one line at a time; guards all below but fd */
    int fd;
    int reason;          /* errno of the last loss */
    uint64_t lost;       /* lines lost since the beginning, whole or in part */
    uint64_t lost_named; /* of these, how many a line in the log has told of */
    bool torn;           /* the last line has no end: the next begins with a newline */
    bool stalled;        /* the last wait was in vain: do not wait before a write succeeds */
};

#define OUTLET_STDERR                                                                              \
    {                                                                                              \
        .ops = &outlet_descriptor, .fd = 2, .lock = PTHREAD_MUTEX_INITIALIZER                      \
    }

extern const struct outlet_ops outlet_file;       /* opens path to append */
extern const struct outlet_ops outlet_descriptor; /* borrows fd, for as long as it is used */

/*
 * Make o an outlet of that kind, in place of what it was if it was in use.  path (copied) for a
 * file, fd for a descriptor.  Returns 0, -ENOMEM or what open(2) says; then o is as it was.
 */
int outlet_open(struct outlet *o, const struct outlet_ops *ops, const char *path, int fd);

/*
 * Open a file anew; nothing to do for a descriptor.  0, or -errno and it goes on with the old one.
 */
int outlet_reopen(struct outlet *o);

/* End o; it is free then. */
void outlet_close(struct outlet *o);

/* Return how many lines were lost, whole or in part. */
uint64_t outlet_lost(struct outlet *o);

/*
 * Write the count (<= OUTLET_PIECES_MAX) pieces as one line, in one writev(2) if the system lets it
 * be one.  A short write goes on; a full pipe is waited for, OUTLET_STALL_MS_MAX at most and once;
 * what is lost then is counted, and told before the next line that gets through.
 * Returns 0 or -errno.
 */
int outlet_write(struct outlet *o, const struct iovec *pieces, int count);

#endif
