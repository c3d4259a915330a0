/* SPDX-License-Identifier: MIT */
/*
 * ops.c - accept, read, write and close on an event's fd, and the plain ones of POSIX.
 */
#include "base/alloc.h"
#include "base/hot.h"
#include "eventer/asynch.h"
#include "eventer/event.h"
#include "eventer/loop.h"
#include "eventer/wire.h"
#include "jobq/jobq.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifndef EBADFD
#define EBADFD EBADF
#endif

/* ---- POSIX ----------------------------------------------------------------------- */

static int posix_accept(int fd, struct sockaddr *addr, socklen_t *len, int *mask, void *closure)
{
    (void)closure;
    int conn;
    do
        conn = accept4(fd, addr, len, SOCK_CLOEXEC);
    while (conn < 0 && errno == EINTR);
    if (conn < 0 && errno == EAGAIN)
        *mask = EVENTER_READ | EVENTER_EXCEPTION;
    return conn;
}

/* Has errno said that a call for sockets was refused because it is a file?  Then none is made
 * again. */
static bool turns_out_a_file(struct _event *e)
{
    if (errno != ENOTSOCK || posix_is_file(e))
        return false;
    atomic_store_explicit(&e->is_file, true, memory_order_relaxed); /* nothing depends on it */
    return true;
}

/* Has a call failed in a way that another would not? */
static bool is_worth_another(struct _event *e, ssize_t count)
{
    return count < 0 && (errno == EINTR || turns_out_a_file(e));
}

COLD int posix_read_on(struct _event *e, int fd, void *buffer, size_t len, int *mask)
{
    ssize_t count = -1;
    if (posix_is_file(e))
        errno = EINTR; /* nothing was tried */
    while (is_worth_another(e, count))
        count = posix_is_file(e) ? read(fd, buffer, len) : recv(fd, buffer, len, 0);
    if (count < 0 && errno == EAGAIN)
        *mask = EVENTER_READ | EVENTER_EXCEPTION;
    return (int)count;
}

COLD int posix_write_on(struct _event *e, int fd, const void *buffer, size_t len, int *mask)
{
    ssize_t count = -1;
    if (posix_is_file(e))
        errno = EINTR;
    while (is_worth_another(e, count))
        count = posix_is_file(e) ? write(fd, buffer, len) : send(fd, buffer, len, MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN)
        *mask = EVENTER_WRITE | EVENTER_EXCEPTION;
    return (int)count;
}

struct lingering_close {
    struct jobq_job job;
    int fd;
};

static void close_slowly(struct jobq_job *job)
{
    struct lingering_close *slow = list_entry(job, struct lingering_close, job);
    close(slow->fd);
    alloc_free(slow);
}

/*
 * Closing a socket that lingers (socket(7), SO_LINGER) may block, so a thread of the queue does it.
 */
static bool hand_over_lingering(int fd)
{
    struct linger linger = {0, 0};
    socklen_t len = sizeof(linger);
    struct jobq *q = asynch_default_queue();
    if (q == NULL || getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) != 0 ||
        linger.l_onoff == 0 || linger.l_linger == 0)
        return false;
    struct lingering_close *slow = alloc_bytes(sizeof(*slow));
    if (slow == NULL)
        return false;
    slow->job.run = close_slowly;
    slow->fd = fd;
    if (jobq_submit(q, &slow->job, 0) == 0)
        return true;
    alloc_free(slow); /* the queue was shut down */
    return false;
}

static int posix_close(int fd, int *mask, void *closure)
{
    (void)mask;
    (void)closure;
    return hand_over_lingering(fd) ? 0 : close(fd);
}

static int posix_finish(int fd, void *closure)
{
    (void)closure;
    return shutdown(fd, SHUT_WR);
}

bool wire_is_direct;

static __attribute__((constructor)) void look_at_calls(void)
{
    Dl_info plain, reads, writes;
    wire_is_direct = dladdr((void *)(uintptr_t)getpid, &plain) != 0 &&
                     dladdr((void *)(uintptr_t)recv, &reads) != 0 &&
                     dladdr((void *)(uintptr_t)send, &writes) != 0 &&
                     reads.dli_fbase == plain.dli_fbase && writes.dli_fbase == plain.dli_fbase;
}

const struct eventer_fd_opset posix_opset = {
    .name = "POSIX",
    .accept = posix_accept,
    .read = posix_read,
    .write = posix_write,
    .close = posix_close,
    .finish = posix_finish,
};

const eventer_fd_opset_t eventer_POSIX_fd_opset = &posix_opset;

eventer_fd_accept_t eventer_fd_opset_get_accept(eventer_fd_opset_t opset)
{
    return opset->accept;
}

eventer_fd_read_t eventer_fd_opset_get_read(eventer_fd_opset_t opset)
{
    return opset->read;
}

eventer_fd_write_t eventer_fd_opset_get_write(eventer_fd_opset_t opset)
{
    return opset->write;
}

eventer_fd_close_t eventer_fd_opset_get_close(eventer_fd_opset_t opset)
{
    return opset->close;
}

eventer_fd_opset_t eventer_get_fd_opset(eventer_t e)
{
    return e->opset;
}

/* ---- on an event ----------------------------------------------------------------- */

int eventer_accept(eventer_t e, struct sockaddr *addr, socklen_t *len, int *mask)
{
    return e->opset->accept(e->fd, addr, len, mask, e);
}

HOT int eventer_read(eventer_t e, void *buffer, size_t len, int *mask)
{
    return e->opset->read(e->fd, buffer, len, mask, e);
}

HOT int eventer_write(eventer_t e, const void *buffer, size_t len, int *mask)
{
    return e->opset->write(e->fd, buffer, len, mask, e);
}

int eventer_close(eventer_t e, int *mask)
{
    int fd = e->fd;
    if (fd < 0 || e->kind != EVENT_FD) {
        errno = EBADFD;
        return -1;
    }
    if (e->is_aco)
        return e->opset->close(fd, mask, e);
    bool was_registered = fd_event_remove(e) != NULL;
    e->fd = -1;
    int rv = e->wire->close(fd, mask, e);
    /*
     * The eventer's reference: the callback's return drops it, and where none runs it is dropped
     * here.
     */
    if (was_registered && (event_owner(e) != loop_self || e->running == 0))
        eventer_free(e);
    return rv;
}

static int set_flag(int fd, bool nonblocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags ? 0 : fcntl(fd, F_SETFL, wanted);
}

int eventer_set_fd_nonblocking(int fd)
{
    return set_flag(fd, true) == 0 ? 0 : -1;
}

int eventer_set_fd_blocking(int fd)
{
    return set_flag(fd, false) == 0 ? 0 : -1;
}
