/* SPDX-License-Identifier: MIT */
/*
 * wire.h - reading and writing below the coroutine's opset: the system calls, or what stands for
 * them.
 *
 * Layer: eventer.  The system calls are inlined where they are made: each frame between them and
 * their user costs a mispredicted return (bench/README.md).
 */
#ifndef EVENTER_EVENTER_WIRE_H
#define EVENTER_EVENTER_WIRE_H

#include "base/hot.h"
#include "eventer/event.h"

#include <limits.h>
#include <sys/socket.h>

/*
 * On a socket recv(2) and send(2) go straight to it; read(2) and write(2) pass the file layer
 * first.  What an fd is, the first call tells.
 */
static inline bool posix_is_file(const struct _event *e)
{
    return __builtin_expect(atomic_load_explicit(&e->is_file, memory_order_relaxed), 0);
}

/*
 * What is left to do when a call for sockets was not made, or has failed: errno says why.  They
 * repeat what a signal has ended, and call for files from now on if it is one.  As an opset's
 * calls.
 */
int posix_read_on(struct _event *e, int fd, void *buffer, size_t len, int *mask);
int posix_write_on(struct _event *e, int fd, const void *buffer, size_t len, int *mask);

/* An opset's read: at most INT_MAX bytes; a signal does not end it. */
static inline HOT int posix_read(int fd, void *buffer, size_t len, int *mask, void *closure)
{
    ssize_t count = -1;
    if (len > INT_MAX)
        len = INT_MAX;
    if (!posix_is_file(closure))
        count = recv(fd, buffer, len, 0);
    return __builtin_expect(count >= 0, 1) ? (int)count
                                           : posix_read_on(closure, fd, buffer, len, mask);
}

/* An opset's write: the same, and SIGPIPE is not raised for a socket. */
static inline HOT int posix_write(int fd, const void *buffer, size_t len, int *mask, void *closure)
{
    ssize_t count = -1;
    if (len > INT_MAX)
        len = INT_MAX;
    if (!posix_is_file(closure))
        count = send(fd, buffer, len, MSG_NOSIGNAL);
    return __builtin_expect(count >= 0, 1) ? (int)count
                                           : posix_write_on(closure, fd, buffer, len, mask);
}

/* Read or write as e's wire does; the count, or -1 with errno, and *mask set for EAGAIN. */
static inline int wire_read(eventer_t e, void *buffer, size_t len, int *mask)
{
    return __builtin_expect(e->wire == &posix_opset, 1)
               ? posix_read(e->fd, buffer, len, mask, e)
               : e->wire->read(e->fd, buffer, len, mask, e);
}

static inline int wire_write(eventer_t e, const void *buffer, size_t len, int *mask)
{
    return __builtin_expect(e->wire == &posix_opset, 1)
               ? posix_write(e->fd, buffer, len, mask, e)
               : e->wire->write(e->fd, buffer, len, mask, e);
}

/* Say that nothing more will be written: the peer reads its end.  0, or -1 with errno. */
static inline int wire_finish(eventer_t e)
{
    return e->wire->finish(e->fd, e);
}

#endif
