/* SPDX-License-Identifier: MIT */
#include "log/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(struct outlet *o, int *ret_fd)
{
    /* O_NONBLOCK: a FIFO that nobody reads is an error, not a start that hangs. */
    int fd = open(o->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd == -1)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int check_file(const char *path)
{
    char folder[PATH_MAX] = ".";
    struct stat found;
    const char *slash = strrchr(path, '/');
    if (path[0] == '\0' || strlen(path) >= sizeof(folder))
        return path[0] == '\0' ? -ENOENT : -ENAMETOOLONG;
    if (stat(path, &found) == 0)
        return S_ISDIR(found.st_mode) ? -EISDIR : 0;
    if (slash != NULL)
        snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path), path);
    return stat(folder, &found) == 0 ? 0 : -errno;
}

static ssize_t write_file(struct outlet *o, const char *bytes, size_t len)
{
    ssize_t result;
    do
        result = write(o->fd, bytes, len);
    while (result == -1 && errno == EINTR);
    return result == -1 ? -errno : result;
}

/*
 * Whether another process's descriptor blocks is not ours to change: so a pipe, or a terminal, is
 * asked before each write, and no more is written than what then goes through: up to PIPE_BUF, and
 * whole lines as far as that is possible.  Source: pipe(7).
 */
static ssize_t write_pipe(struct outlet *o, const char *bytes, size_t len)
{
    struct pollfd ready = {.fd = o->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0)
        return (fcntl(o->fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? -EBADF : -EAGAIN;
    if (len > PIPE_BUF) {
        const char *end = memrchr(bytes, '\n', PIPE_BUF);
        len = end == NULL ? PIPE_BUF : (size_t)(end - bytes) + 1;
    }
    return write_file(o, bytes, len);
}

static ssize_t write_descriptor(struct outlet *o, const char *bytes, size_t len)
{
    if (o->file_type == 0) /* standard error, which was there before anybody could look */
        outlet_learn_fd(o);
    if (o->file_type == S_IFREG)
        return write_file(o, bytes, len);
    if (o->file_type != S_IFSOCK)
        return write_pipe(o, bytes, len);
    ssize_t result = send(o->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return result == -1 ? -errno : result;
}

const struct outlet_ops outlet_file = {.type = "file",
                                       .is_queued = true,
                                       .has_file = true,
                                       .check = check_file,
                                       .open = open_file,
                                       .write = write_file};
const struct outlet_ops outlet_file_synch = {.type = "file_synch",
                                             .has_file = true,
                                             .check = check_file,
                                             .open = open_file,
                                             .write = write_file};
const struct outlet_ops outlet_descriptor = {.type = "fd", .write = write_descriptor};
