/* SPDX-License-Identifier: MIT */
/*
 * Other daemons that take lines: syslog, and systemd-journald.  Each line is one datagram; a daemon
 * that is slow, or is started anew, makes lines wait.
 */
#include "log/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define SYSLOG_SOCKET  "/dev/log"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const struct {
    const char *name;
    int priority;
} facilities[] =
    {
        {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},
        {"daemon", LOG_DAEMON}, {"ftp", LOG_FTP},           {"kern", LOG_KERN},
        {"lpr", LOG_LPR},       {"mail", LOG_MAIL},         {"news", LOG_NEWS},
        {"syslog", LOG_SYSLOG}, {"user", LOG_USER},         {"uucp", LOG_UUCP},
        {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2},
        {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
        {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
},
  severities[] = {
      {"emerg", LOG_EMERG},     {"alert", LOG_ALERT},   {"crit", LOG_CRIT}, {"err", LOG_ERR},
      {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

/* ---- sockets --------------------------------------------------------------------- */

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len + 1);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
}

static int open_socket(const char *path, int *ret_fd)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -errno;
    int err = connect_to(fd, path);
    if (err != 0) {
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

/* Where the daemon's socket is: behind the '@' of path, all of it, or where it is everywhere. */
static const char *socket_of(const struct outlet *o)
{
    if (o->ops == &outlet_journal)
        return o->path;
    const char *at = strchr(o->path, '@');
    return at == NULL ? SYSLOG_SOCKET : at + 1;
}

/* The daemon that took our datagrams is gone; perhaps another one is there. */
static bool is_gone(int err)
{
    return err == ECONNREFUSED || err == ENOTCONN || err == ECONNRESET || err == EPIPE ||
           err == ENOENT;
}

static ssize_t send_datagram(struct outlet *o, const char *bytes, size_t len)
{
    ssize_t result = send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result == -1 && is_gone(errno) && connect_to(o->fd, socket_of(o)) == 0)
        result = send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result >= 0)
        return result;
    return errno == ENOBUFS || errno == EINTR ? -EAGAIN : -errno;
}

/* ---- syslog ---------------------------------------------------------------------- */

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* Read FACILITY[.SEVERITY][,rfc5424][@SOCKET]. */
static int read_address(const char *path, struct line_address *ret_address,
                        enum line_format *ret_format)
{
    struct line_address address = {.priority = -1, .severity = -1};
    size_t len = strcspn(path, ".,@");
    for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
        if (is_word(path, len, facilities[i].name))
            address.priority = facilities[i].priority;
    const char *rest = path + len;
    if (*rest == '.') {
        len = strcspn(++rest, ",@");
        for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++)
            if (is_word(rest, len, severities[i].name))
                address.severity = severities[i].priority;
        if (address.severity < 0)
            return -EINVAL;
        rest += len;
    }
    len = strcspn(rest, "@");
    bool is_new = is_word(rest, len, ",rfc5424");
    if (address.priority < 0 || (len > 0 && !is_new) || strcmp(rest + len, "@") == 0)
        return -EINVAL;
    *ret_address = address;
    *ret_format = is_new ? LINE_RFC5424 : LINE_SYSLOG;
    return 0;
}

static int check_syslog(const char *path)
{
    struct line_address address;
    enum line_format format;
    return read_address(path, &address, &format);
}

static int open_syslog(struct outlet *o, int *ret_fd)
{
    enum line_format format = LINE_SYSLOG;
    int err = read_address(o->path, &o->address, &format);
    o->format = format;
    return err != 0 ? err : open_socket(socket_of(o), ret_fd);
}

/* ---- the journal ----------------------------------------------------------------- */

static int open_journal(struct outlet *o, int *ret_fd)
{
    o->address = (struct line_address){.priority = LOG_DAEMON, .severity = -1};
    o->format = LINE_JOURNAL;
    return open_socket(socket_of(o), ret_fd);
}

/* Make a file in memory that holds the len bytes and cannot be changed any more; -1 and errno. */
static int seal(const char *bytes, size_t len)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int fd = memfd_create("journal line", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1)
        return -1;
    if (write(fd, bytes, len) == (ssize_t)len && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    close(fd);
    return -1;
}

/* What is too large for a datagram is passed as a file.  Source: the journal's native protocol. */
static ssize_t send_sealed(struct outlet *o, const char *bytes, size_t len)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
    int fd = seal(bytes, len);
    if (fd == -1)
        return -errno;
    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    ssize_t result = sendmsg(o->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    int err = errno;
    close(fd);
    return result >= 0 ? (ssize_t)len : -err;
}

static ssize_t write_journal(struct outlet *o, const char *bytes, size_t len)
{
    ssize_t result = send_datagram(o, bytes, len);
    return result == -EMSGSIZE ? send_sealed(o, bytes, len) : result;
}

const struct outlet_ops outlet_syslog = {.type = "syslog",
                                         .default_path = "daemon",
                                         .is_queued = true,
                                         .is_datagram = true,
                                         .check = check_syslog,
                                         .open = open_syslog,
                                         .write = send_datagram};
const struct outlet_ops outlet_journal = {.type = "journald",
                                          .default_path = JOURNAL_SOCKET,
                                          .is_queued = true,
                                          .is_datagram = true,
                                          .open = open_journal,
                                          .write = write_journal};
