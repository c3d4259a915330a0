/* SPDX-License-Identifier: MIT */
#include "main/lockfile.h"

#include "base/clock.h"
#include "base/number.h"

#include <mtev_log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define LINE_SIZE 32 /* of the line with the id */

int lockfile_take(const char *path, bool waits, int *out)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd == -1)
        return -errno;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rv;
    while ((rv = fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &whole)) != 0 && errno == EINTR)
        ;
    if (rv == 0)
        rv = ftruncate(fd, 0); /* the one before, whose id is in there, may be somebody else now */
    if (rv != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

int lockfile_sign(int fd)
{
    char line[LINE_SIZE];
    errno = 0;
    int len = snprintf(line, sizeof(line), "%d\n", (int)getpid());
    /* Written over, then cut: who reads meanwhile finds the old id or the new one. */
    if (pwrite(fd, line, (size_t)len, 0) != len || ftruncate(fd, len) != 0)
        return errno == 0 ? -EIO : -errno;
    return 0;
}

static int read_holder(int fd, pid_t *out)
{
    char line[LINE_SIZE];
    uint64_t id;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &whole) != 0)
        return -errno;
    if (whole.l_type == F_UNLCK)
        return -ESRCH;
    ssize_t len = pread(fd, line, sizeof(line), 0);
    const char *end = len <= 0 ? NULL : memchr(line, '\n', (size_t)len);
    if (end == NULL || number_u64(line, (size_t)(end - line), INT_MAX, &id) != 0 || id == 0)
        return -ESRCH;
    *out = (pid_t)id;
    return 0;
}

int lockfile_holder(const char *path, pid_t *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd == -1)
        return errno == ENOENT ? -ESRCH : -errno;
    int err = read_holder(fd, out);
    close(fd);
    return err;
}

/* Tell the process to end, and wait until it has. */
static int end_process(pid_t pid, int pidfd, uint64_t patience_ns)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) != 0) {
        int err = -errno;
        mtevL(mtev_error, "process %d cannot be told to end: %s\n", (int)pid,
              strerrordesc_np(-err));
        return err;
    }
    (void)pidfd_send_signal(pidfd, SIGCONT, NULL, 0); /* it may have been stopped */
    const uint64_t end_ns = clock_mono_ns() + patience_ns;
    for (uint64_t now_ns; (now_ns = clock_mono_ns()) < end_ns;)
        if (poll(&end, 1, (int)((end_ns - now_ns) / CLOCK_NS_PER_MS) + 1) > 0)
            return 0;
    mtevL(mtev_error, "process %d has not ended\n", (int)pid);
    return -ETIMEDOUT;
}

/* lockfile_end_holder(), or -EAGAIN: the lock has passed to somebody else meanwhile. */
static int try_to_end_holder(const char *path, uint64_t patience_ns, pid_t *out)
{
    pid_t now;
    int err = lockfile_holder(path, out);
    if (err != 0)
        return err;
    int pidfd = pidfd_open(*out, 0);
    if (pidfd < 0) {
        err = -errno; /* -ESRCH: it has ended meanwhile */
        if (err != -ESRCH)
            mtevL(mtev_error, "process %d cannot be watched: %s\n", (int)*out,
                  strerrordesc_np(-err));
        return err;
    }
    err = lockfile_holder(path, &now);
    if (err == 0) /* else pidfd may be of somebody who got its id */
        err = now == *out ? end_process(*out, pidfd, patience_ns) : -EAGAIN;
    close(pidfd);
    return err;
}

int lockfile_end_holder(const char *path, uint64_t patience_ns, pid_t *out)
{
    int err;
    do
        err = try_to_end_holder(path, patience_ns, out);
    while (err == -EAGAIN);
    return err;
}
