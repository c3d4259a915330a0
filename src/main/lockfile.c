/* SPDX-License-Identifier: MIT */
#include "main/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int lockfile_take(const char *path, bool waits, int *out)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd == -1)
        return -errno;
    while (flock(fd, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        int err = -errno;
        if (err == -EINTR)
            continue;
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}
