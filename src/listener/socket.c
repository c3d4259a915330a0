/* SPDX-License-Identifier: MIT */
#include "listener/socket.h"

#include "eventer/event.h"
#include "eventer/pool.h"
#include "listener/inherit.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAUSE_US           100000
#define COMPLAINT_EVERY_NS CLOCK_NS_PER_S

/* ---- binding --------------------------------------------------------------------- */

/* Remove the unix socket at a's path if nobody answers there. */
static void remove_dead(const struct address *a)
{
    struct stat st;
    if (a->any.sa_family != AF_UNIX || lstat(a->local.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &a->any, a->len) != 0 && errno == ECONNREFUSED)
        unlink(a->local.sun_path);
    close(fd);
}

static int set_options(int fd, const struct address *a, bool no_delay)
{
    const int on = 1;
    bool is_tcp = a->any.sa_family != AF_UNIX;
    if (is_tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return -errno;
    if (a->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
        return -errno;
    if (is_tcp && no_delay) /* what is accepted inherits it: tcp(7) */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return 0;
}

/* Use the inherited socket fd (taken): it is bound, and what can change is set anew. */
static int adopt(struct listen_socket *s, int fd, int backlog, bool no_delay)
{
    const int flag = no_delay;
    int err = address_of(fd, &s->address);
    if (err == 0 && s->address.any.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &flag, sizeof(flag));
    if (err == 0 && listen(fd, backlog) != 0) /* another backlog */
        err = -errno;
    if (err != 0) {
        close(fd);
        return err;
    }
    s->fd = fd;
    address_format(&s->address, s->text);
    return 0;
}

/* An inherited socket for a, or -ENOENT. */
static int take_inherited(const struct address *a)
{
    bool is_any = (a->any.sa_family == AF_INET && a->v4.sin_port == 0) ||
                  (a->any.sa_family == AF_INET6 && a->v6.sin6_port == 0);
    return inherited_take(a, is_any);
}

int listen_socket_bind(struct listen_socket *s, int backlog, bool no_delay)
{
    struct address *a = &s->address;
    int inherited = take_inherited(a);
    if (inherited >= 0)
        return adopt(s, inherited, backlog, no_delay);
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    remove_dead(a);
    int err = set_options(fd, a, no_delay);
    if (err == 0 && bind(fd, &a->any, a->len) != 0)
        err = -errno;
    if (err == 0 && listen(fd, backlog) != 0) {
        err = -errno;
        if (a->any.sa_family == AF_UNIX)
            unlink(a->local.sun_path);
    }
    if (err == 0 && a->any.sa_family != AF_UNIX && getsockname(fd, &a->any, &a->len) != 0)
        err = -errno; /* port 0 became a real one */
    if (err != 0) {
        close(fd);
        return err;
    }
    s->fd = fd;
    address_format(a, s->text);
    return 0;
}

/* ---- accepting ------------------------------------------------------------------- */

static int resume(eventer_t timer, int mask, void *closure, struct timeval *now)
{
    eventer_t e = closure;
    (void)timer;
    (void)mask;
    (void)now;
    if (e->fd >= 0)
        eventer_update(e, EVENTER_READ | EVENTER_EXCEPTION);
    eventer_free(e);
    return 0;
}

/* The system is out of fds or memory: say so once a second, and look again in a moment. */
static int pause_accepting(struct listen_socket *s, int err)
{
    if (loop_self->now_ns - s->last_complaint_ns >= COMPLAINT_EVERY_NS) {
        mtevL(mtev_error, "listener %s: accept: %s; connections wait\n", s->text, strerror(err));
        s->last_complaint_ns = loop_self->now_ns;
    }
    eventer_ref(s->e);
    if (eventer_add_in_s_us(resume, s->e, 0, PAUSE_US) == NULL) {
        eventer_free(s->e);
        return EVENTER_READ | EVENTER_EXCEPTION; /* not even a timer: try at once */
    }
    return EVENTER_EXCEPTION;
}

static bool is_about_the_peer(int err)
{
    return err == ECONNABORTED || err == EINTR || err == EPROTO || err == EPERM ||
           err == ENETDOWN || err == EHOSTDOWN || err == EHOSTUNREACH || err == ENETUNREACH ||
           err == ENOPROTOOPT || err == EOPNOTSUPP || err == ENONET; /* accept(2), "Linux passes" */
}

static int accept_burst(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct listen_socket *s = closure;
    (void)now;
    for (int i = 0; i < SOCKET_ACCEPT_BURST_MAX; i++) {
        struct sockaddr_storage remote;
        socklen_t len = sizeof(remote);
        memset(&remote, 0, sizeof(remote.ss_family));
        int fd = accept4(e->fd, (struct sockaddr *)&remote, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && is_about_the_peer(errno))
            continue;
        if (fd < 0 && errno == EAGAIN)
            break;
        if (fd < 0)
            return pause_accepting(s, errno);
        struct loop *loop = s->fans_out ? pool_next_loop(s->pool) : loop_self;
        if (acceptor_hand_over(s->type, loop, fd, &remote, len) != 0) {
            close(fd);
            return pause_accepting(s, ENOMEM);
        }
    }
    if (mask & EVENTER_EXCEPTION) /* the kernel could not watch it, for want of memory */
        return pause_accepting(s, ENOMEM);
    return EVENTER_READ | EVENTER_EXCEPTION;
}

int listen_socket_start(struct listen_socket *s)
{
    s->e = eventer_alloc_fd(accept_burst, s, s->fd, EVENTER_READ | EVENTER_EXCEPTION);
    if (s->e == NULL)
        return -ENOMEM;
    event_set_owner(s->e, s->pool->loops[0]);
    eventer_ref(s->e); /* one for the eventer, one for us */
    eventer_add(s->e);
    return 0;
}

/* In the loop that accepts. */
static void unregister(void *arg)
{
    struct listen_socket *s = arg;
    if (eventer_remove(s->e) != NULL)
        eventer_free(s->e);
    s->e->fd = -1; /* for a pause that is to end later */
    eventer_free(s->e);
    s->e = NULL;
}

void listen_socket_hand_over(struct listen_socket *s)
{
    s->is_handed_over = true;
    if (s->e != NULL)
        loop_call(event_owner(s->e), unregister, s);
}

void listen_socket_stop(struct listen_socket *s)
{
    if (s->e != NULL)
        loop_call(event_owner(s->e), unregister, s);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
        if (s->address.any.sa_family == AF_UNIX && !s->is_handed_over)
            unlink(s->address.local.sun_path);
    }
}
