/* SPDX-License-Identifier: MIT */
#include "listener/inherit.h"

#include "base/alloc.h"
#include "listener/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

struct inherited {
    struct inherited *next;
    int fd;           /* owned */
    bool is_reserved; /* not for those who take any port */
    struct address address;
};

static struct inherited *offered; /* in the order in which they were offered */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* 0, or -errno: fd is no stream socket that listens. */
static int check(int fd)
{
    int type = 0, listens = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        return -errno;
    len = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0)
        return -errno;
    return type == SOCK_STREAM && listens != 0 ? 0 : -EINVAL;
}

/* As sockets that are made here are. */
static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL), fd_flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fd_flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) != 0)
        return -errno;
    return 0;
}

int listener_inherit(int fd)
{
    int err = check(fd);
    struct inherited *made = err == 0 ? alloc_zeroed(1, sizeof(*made)) : NULL;
    if (err == 0 && made == NULL)
        err = -ENOMEM;
    if (err == 0)
        err = address_of(fd, &made->address);
    if (err == 0)
        err = set_flags(fd);
    if (err != 0) {
        alloc_free(made);
        return err;
    }
    made->fd = fd;
    pthread_mutex_lock(&lock);
    struct inherited **last = &offered;
    while (*last != NULL)
        last = &(*last)->next;
    *last = made;
    pthread_mutex_unlock(&lock);
    return 0;
}

static bool is_wanted(const struct inherited *at, const struct address *wanted, bool any_port)
{
    return address_is_same(&at->address, wanted, any_port) && !(any_port && at->is_reserved);
}

void inherited_reserve(const struct address *wanted)
{
    pthread_mutex_lock(&lock);
    for (struct inherited *at = offered; at != NULL; at = at->next)
        if (address_is_same(&at->address, wanted, false))
            at->is_reserved = true;
    pthread_mutex_unlock(&lock);
}

int inherited_take(const struct address *wanted, bool any_port)
{
    int fd = -ENOENT;
    pthread_mutex_lock(&lock);
    struct inherited **at = &offered;
    while (*at != NULL && !is_wanted(*at, wanted, any_port))
        at = &(*at)->next;
    struct inherited *found = *at;
    if (found != NULL) {
        *at = found->next;
        fd = found->fd;
        alloc_free(found);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

uint32_t inherited_count(const struct address *wanted, bool any_port)
{
    const struct inherited *first = NULL;
    uint32_t count = 0;
    pthread_mutex_lock(&lock);
    for (const struct inherited *at = offered; at != NULL; at = at->next) {
        if (first == NULL && is_wanted(at, wanted, any_port))
            first = at;
        count += first != NULL && address_is_same(&at->address, &first->address, false);
    }
    pthread_mutex_unlock(&lock);
    return count;
}

void listener_drop_inherited(void)
{
    char text[ADDRESS_TEXT_MAX];
    pthread_mutex_lock(&lock);
    while (offered != NULL) {
        struct inherited *dropped = offered;
        offered = dropped->next;
        address_format(&dropped->address, text);
        mtevL(mtev_error, "no listener takes the inherited socket of %s; it is closed\n", text);
        close(dropped->fd);
        alloc_free(dropped);
    }
    pthread_mutex_unlock(&lock);
}
