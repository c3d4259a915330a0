/* SPDX-License-Identifier: MIT */
/*
 * socket.c - from an address to sockets that listen, and back.
 */
#include "listener/inherit.h"
#include "listener/listener_impl.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ----------------------------------------------------------------------- */

/* The path of a unix socket; NULL: it is no such address. */
static const char *path_of(const struct address *a)
{
    return a->any.sa_family == AF_UNIX && a->local.sun_path[0] == '/' ? a->local.sun_path : NULL;
}

static bool is_same_file(const struct stat *st, dev_t device, ino_t inode)
{
    return S_ISSOCK(st->st_mode) && st->st_dev == device && st->st_ino == inode;
}

/* Does nobody answer at the path of a? */
static bool is_dead(const struct address *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool is_refused = connect(fd, &a->any, a->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return is_refused;
}

/*
 * Remove what a process like us left at the path: a socket at which nobody answers, which is ours
 * or would be ours.  Anything else is left alone, and bind(2) says that it is in the way.
 */
static void remove_stale(const struct listener *l)
{
    const char *path = path_of(&l->address);
    struct stat before, now;
    if (path == NULL || lstat(path, &before) != 0 || !S_ISSOCK(before.st_mode))
        return;
    if (before.st_uid != geteuid() && before.st_uid != l->settings->v.owner)
        return;
    if (is_dead(&l->address) && lstat(path, &now) == 0 &&
        is_same_file(&now, before.st_dev, before.st_ino))
        unlink(path);
}

/*
 * Have the path belong to whom, and be open to whom, it is to: what is said, or else what it was
 * made with.  At first nobody can connect yet.
 */
static int set_permissions(const struct listen_socket *s, const char *path)
{
    const struct listen_values *v = &s->listener->settings->v;
    const uid_t owner = v->owner == LISTEN_KEEP_OWNER ? s->owner : v->owner;
    const gid_t group = v->group == LISTEN_KEEP_GROUP ? s->group : v->group;
    const mode_t mode = v->has_mode ? v->mode : s->mode;
    struct stat st;
    if (lstat(path, &st) != 0 || !is_same_file(&st, s->device, s->inode))
        return 0; /* somebody has taken it away */
    if ((st.st_uid != owner || st.st_gid != group) && lchown(path, owner, group) != 0)
        return -errno;
    return (st.st_mode & LISTEN_MODE_MAX) != mode && chmod(path, mode) != 0 ? -errno : 0;
}

/* Remember which file the path is. */
static void note_path(struct listen_socket *s)
{
    const char *path = path_of(&s->listener->address);
    struct stat st;
    bool is_there = path != NULL && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
    s->device = is_there ? st.st_dev : 0;
    s->inode = is_there ? st.st_ino : 0;
    s->owner = is_there ? st.st_uid : LISTEN_KEEP_OWNER;
    s->group = is_there ? st.st_gid : LISTEN_KEEP_GROUP;
    s->mode = is_there ? st.st_mode & LISTEN_MODE_MAX : 0;
}

static void remove_path(const struct listen_socket *s)
{
    const char *path = path_of(&s->listener->address);
    struct stat st;
    if (path != NULL && s->inode != 0 && lstat(path, &st) == 0 &&
        is_same_file(&st, s->device, s->inode))
        unlink(path);
}

/* ---- options --------------------------------------------------------------------- */

static int set_flag(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* What accepted connections inherit is set here, once: tcp(7). */
static void set_options(const struct listener *l, int fd)
{
    const struct listen_values *v = &l->settings->v;
    if (l->address.any.sa_family == AF_UNIX)
        return;
    (void)set_flag(fd, IPPROTO_TCP, TCP_NODELAY, v->no_delay);
    (void)set_flag(fd, SOL_SOCKET, SO_KEEPALIVE, v->keepalive);
    (void)set_flag(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, v->defer_accept_s);
    (void)set_flag(fd, IPPROTO_TCP, TCP_FASTOPEN, v->fast_open);
}

/* What has to be said before bind(2). */
static int prepare(const struct listener *l, int fd)
{
    const struct listen_values *v = &l->settings->v;
    int err = 0;
    if (l->address.any.sa_family == AF_UNIX)
        return 0;
    err = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && v->shares_port)
        err = set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (err == 0 && l->address.any.sa_family == AF_INET6)
        err = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !v->is_dual);
    return err;
}

/* ---- opening --------------------------------------------------------------------- */

/* Bind and listen; a path that this makes is gone again if it fails. */
static int listen_at(struct listen_socket *s, int fd)
{
    struct listener *l = s->listener;
    const char *path = path_of(&l->address);
    int err = prepare(l, fd);
    if (err == 0)
        remove_stale(l);
    if (err == 0 && bind(fd, &l->address.any, l->address.len) != 0)
        err = -errno;
    if (err != 0)
        return err;
    note_path(s);
    if (path != NULL)
        err = set_permissions(s, path);
    set_options(l, fd);
    if (err == 0 && listen(fd, l->settings->v.backlog) != 0)
        err = -errno;
    if (err != 0)
        remove_path(s);
    return err;
}

/* The socket fd is bound; have what can change be as it is to. */
static int refresh(const struct listen_socket *s, int fd)
{
    const struct listener *l = s->listener;
    const struct listen_values *v = &l->settings->v;
    const char *path = path_of(&l->address);
    set_options(l, fd);
    int err = path == NULL || s->inode == 0 ? 0 : set_permissions(s, path);
    if (err == 0 && listen(fd, v->backlog) != 0) /* another backlog */
        err = -errno;
    return err;
}

int socket_refresh_all(struct listener *l)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < l->socket_count; i++)
        if (l->sockets[i].fd >= 0)
            err = refresh(&l->sockets[i], l->sockets[i].fd);
    return err;
}

static int open_socket(struct listen_socket *s)
{
    struct listener *l = s->listener;
    int fd = inherited_take(&l->address, address_has_any_port(&l->address));
    bool is_inherited = fd >= 0;
    if (!is_inherited)
        fd = socket(l->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    s->is_inherited = is_inherited;
    if (is_inherited)
        note_path(s);
    int err = is_inherited ? refresh(s, fd) : listen_at(s, fd);
    if (err == 0)
        err = address_of(fd, &l->address); /* port 0 became a real one */
    if (err != 0) {
        close(fd);
        return err;
    }
    s->fd = fd;
    return 0;
}

int socket_open_all(struct listener *l)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < l->socket_count; i++)
        err = open_socket(&l->sockets[i]);
    if (err != 0) {
        socket_close_all(l);
        return err;
    }
    address_format(&l->address, l->text);
    l->is_open = true;
    return 0;
}

void socket_close_all(struct listener *l)
{
    l->is_open = false;
    for (uint32_t i = 0; i < l->socket_count; i++) {
        struct listen_socket *s = &l->sockets[i];
        if (s->fd < 0)
            continue;
        if (!l->is_handed_over)
            remove_path(s); /* first: who comes then is refused, and does not wait in vain */
        if (!l->is_handed_over && !s->is_inherited)
            shutdown(s->fd, SHUT_RDWR); /* at once: a loop in poll(2) may keep it open a moment */
        close(s->fd);
        s->fd = -1;
    }
}
