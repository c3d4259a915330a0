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
#include <sys/syscall.h>
#include <unistd.h>

/*
 * On a socket recv(2) and send(2) go straight to it; read(2) and write(2) pass the file layer
 * first.  What an fd is, the first call tells.
 */
static inline bool posix_is_file(const struct _event *e)
{
    return __builtin_expect(atomic_load_explicit(&e->is_file, memory_order_relaxed), 0);
}

/*
 * True if recv and send are the C library's own.  In a process with threads these are cancellation
 * points (pthreads(7)), which take four atomic operations a message; nobody cancels a loop, so the
 * kernel is called without them.  False where something stands in front of them, such as a
 * preloaded library or a sanitizer: then it is called.
 */
extern bool wire_is_direct __attribute__((visibility("hidden")));

static inline ssize_t wire_recv(int fd, void *buffer, size_t len)
{
    return __builtin_expect(wire_is_direct, 1)
               ? syscall(SYS_recvfrom, fd, buffer, len, 0, NULL, NULL)
               : recv(fd, buffer, len, 0);
}

static inline ssize_t wire_send(int fd, const void *buffer, size_t len)
{
    return __builtin_expect(wire_is_direct, 1)
               ? syscall(SYS_sendto, fd, buffer, len, MSG_NOSIGNAL, NULL, 0)
               : send(fd, buffer, len, MSG_NOSIGNAL);
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
        count = wire_recv(fd, buffer, len);
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
        count = wire_send(fd, buffer, len);
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
