/* SPDX-License-Identifier: MIT */
#include "kernel_faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FDS_MAX 4096 /* an fd past it is not known */

static _Atomic unsigned counts[FAULT_CALLS];
static struct {
    _Atomic enum fault_call call;
    _Atomic int error;
    _Atomic unsigned nth;
    _Atomic bool has_struck, was_repeated;
} armed;

static _Thread_local bool is_spared;
static _Thread_local enum fault_call just_struck; /* the last call here failed; else none */

struct watched { /* what epoll was last told of an fd */
    int epoll_fd;
    struct epoll_event event;
};

static struct watched watched[FDS_MAX];
static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_eventfd[FDS_MAX];

/* ---- when ------------------------------------------------------------------------ */

void fault_arm(enum fault_call call, int error, unsigned nth)
{
    atomic_store(&armed.call, FAULT_NONE);
    for (int i = 0; i < FAULT_CALLS; i++)
        atomic_store(&counts[i], 0);
    atomic_store(&armed.has_struck, false);
    atomic_store(&armed.was_repeated, false);
    atomic_store(&armed.error, error);
    atomic_store(&armed.nth, nth);
    atomic_store(&armed.call, call);
}

bool fault_disarm(void)
{
    atomic_store(&armed.call, FAULT_NONE);
    return atomic_load(&armed.has_struck);
}

bool fault_was_repeated(void)
{
    return atomic_load(&armed.was_repeated);
}

unsigned fault_count(enum fault_call call)
{
    return atomic_load(&counts[call]);
}

void fault_spare_thread(bool is)
{
    is_spared = is;
}

const char *fault_name(enum fault_call call)
{
    static const char *const names[FAULT_CALLS] = {
        [FAULT_NONE] = "nothing",
        [FAULT_ACCEPT4] = "accept4",
        [FAULT_READ] = "read",
        [FAULT_WRITE] = "write",
        [FAULT_WAKE] = "write to eventfd",
        [FAULT_RECV] = "recv",
        [FAULT_SEND] = "send",
        [FAULT_EPOLL_ADD] = "epoll_ctl ADD",
        [FAULT_EPOLL_MOD] = "epoll_ctl MOD",
        [FAULT_EPOLL_WAIT] = "epoll_wait",
        [FAULT_EPOLL_PWAIT2] = "epoll_pwait2",
        [FAULT_EPOLL_CREATE1] = "epoll_create1",
        [FAULT_EVENTFD] = "eventfd",
        [FAULT_TIMERFD_CREATE] = "timerfd_create",
        [FAULT_SOCKET] = "socket",
        [FAULT_BIND] = "bind",
        [FAULT_LISTEN] = "listen",
        [FAULT_MMAP] = "mmap",
        [FAULT_THREAD] = "pthread_create",
    };
    return names[call];
}

/* Returns the error that this call is to fail with, or 0. */
static int struck(enum fault_call call)
{
    if (is_spared)
        return 0;
    unsigned count = atomic_fetch_add(&counts[call], 1) + 1;
    if (just_struck == call)
        atomic_store(&armed.was_repeated, true);
    just_struck = FAULT_NONE;
    if (atomic_load(&armed.call) != call || count != atomic_load(&armed.nth))
        return 0;
    atomic_store(&armed.has_struck, true);
    just_struck = call;
    return atomic_load(&armed.error);
}

/* True, with errno, if this call is to fail. */
static bool fails(enum fault_call call)
{
    int error = struck(call);
    if (error != 0)
        errno = error;
    return error != 0;
}

/* ---- what the kernel reports afterwards ------------------------------------------ */

int __real_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    if ((op == EPOLL_CTL_ADD && fails(FAULT_EPOLL_ADD)) ||
        (op == EPOLL_CTL_MOD && fails(FAULT_EPOLL_MOD)))
        return -1;
    if (fd >= 0 && fd < FDS_MAX) {
        pthread_mutex_lock(&watched_lock);
        watched[fd] = op == EPOLL_CTL_DEL ? (struct watched){.epoll_fd = 0}
                                          : (struct watched){epoll_fd, *event};
        pthread_mutex_unlock(&watched_lock);
    }
    return __real_epoll_ctl(epoll_fd, op, fd, event);
}

/* What there is now counts as having just come. */
static void report_again(int fd)
{
    const int err = errno;
    if (fd < 0 || fd >= FDS_MAX)
        return;
    pthread_mutex_lock(&watched_lock);
    if (watched[fd].epoll_fd != 0) /* of an fd that was closed since: fails */
        (void)__real_epoll_ctl(watched[fd].epoll_fd, EPOLL_CTL_MOD, fd, &watched[fd].event);
    pthread_mutex_unlock(&watched_lock);
    errno = err;
}

/*
 * What becomes of moving *len bytes: true, with errno, if it fails; *len may be less afterwards,
 * and then *is_short.
 */
static bool moving_fails(enum fault_call call, int fd, size_t *len, bool *is_short)
{
    int error = struck(call);
    *is_short = error == FAULT_SHORT && *len > 1;
    if (*is_short)
        *len = 1;
    if (error == 0 || error == FAULT_SHORT)
        return false;
    errno = error;
    if (error == EAGAIN)
        report_again(fd);
    return true;
}

#define WRAP_MOVING(result, call, fd, len, real)                                                   \
    do {                                                                                           \
        bool is_short_;                                                                            \
        if (moving_fails((call), (fd), &(len), &is_short_))                                        \
            return -1;                                                                             \
        result = (real);                                                                           \
        if (is_short_)                                                                             \
            report_again(fd);                                                                      \
    } while (0)

ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
    ssize_t result;
    WRAP_MOVING(result, FAULT_RECV, fd, len, __real_recv(fd, bytes, len, flags));
    return result;
}

ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
    ssize_t result;
    WRAP_MOVING(result, FAULT_SEND, fd, len, __real_send(fd, bytes, len, flags));
    return result;
}

ssize_t __real_read(int fd, void *bytes, size_t len);
ssize_t __wrap_read(int fd, void *bytes, size_t len);

ssize_t __wrap_read(int fd, void *bytes, size_t len)
{
    ssize_t result;
    WRAP_MOVING(result, FAULT_READ, fd, len, __real_read(fd, bytes, len));
    return result;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    ssize_t result;
    if (fd >= 0 && fd < FDS_MAX && atomic_load(&is_eventfd[fd]))
        return fails(FAULT_WAKE) ? -1 : __real_write(fd, bytes, len);
    WRAP_MOVING(result, FAULT_WRITE, fd, len, __real_write(fd, bytes, len));
    return result;
}

/* ---- calls that just fail -------------------------------------------------------- */

#define WRAP(type, name, call, failed, parameters, arguments)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(call) ? (failed) : __real_##name arguments;                                   \
    }

WRAP(int, accept4, FAULT_ACCEPT4, -1, (int fd, struct sockaddr *a, socklen_t *len, int flags),
     (fd, a, len, flags))
WRAP(int, epoll_wait, FAULT_EPOLL_WAIT, -1, (int fd, struct epoll_event *events, int max, int ms),
     (fd, events, max, ms))
WRAP(int, epoll_pwait2, FAULT_EPOLL_PWAIT2, -1,
     (int fd, struct epoll_event *events, int max, const struct timespec *timeout,
      const sigset_t *mask),
     (fd, events, max, timeout, mask))
WRAP(int, epoll_create1, FAULT_EPOLL_CREATE1, -1, (int flags), (flags))
WRAP(int, timerfd_create, FAULT_TIMERFD_CREATE, -1, (int clock, int flags), (clock, flags))
WRAP(int, socket, FAULT_SOCKET, -1, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, bind, FAULT_BIND, -1, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len))
WRAP(int, listen, FAULT_LISTEN, -1, (int fd, int backlog), (fd, backlog))
/* With offsets of 64 bits, as Meson asks for, mmap(2) is called so. */
WRAP(void *, mmap64, FAULT_MMAP, MAP_FAILED,
     (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);

int __wrap_eventfd(unsigned count, int flags)
{
    int fd = fails(FAULT_EVENTFD) ? -1 : __real_eventfd(count, flags);
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&is_eventfd[fd], true);
    return fd;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    int error = struck(FAULT_THREAD);
    return error != 0 ? error : __real_pthread_create(thread, attr, fn, arg);
}
