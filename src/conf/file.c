/* SPDX-License-Identifier: MIT */
#include "conf/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536

static int read_all(int fd, size_t max, struct buf *text)
{
    for (;;) {
        int err = buf_reserve(text, READ_SIZE);
        if (err != 0)
            return err == -ENOSPC ? -EFBIG : err;
        ssize_t len = read(fd, text->bytes + text->len, READ_SIZE);
        if (len == -1 && errno != EINTR)
            return -errno;
        if (len == 0)
            return 0;
        if (len > 0)
            text->len += (size_t)len;
        if (text->len > max)
            return -EFBIG;
    }
}

int file_read(const char *path, size_t max, bool must_be_regular, struct buf *text,
              struct stat *ret_stat)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (must_be_regular ? O_NONBLOCK : 0));
    if (fd == -1)
        return -errno;
    int err = fstat(fd, ret_stat) == 0 ? 0 : -errno;
    if (err == 0 && must_be_regular && !S_ISREG(ret_stat->st_mode))
        err = S_ISDIR(ret_stat->st_mode) ? -EISDIR : -EINVAL;
    if (err == 0)
        err = read_all(fd, max, text);
    close(fd);
    return err;
}

char *file_beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    if (name[0] == '/' || slash == NULL)
        return alloc_text(name);
    size_t folder = (size_t)(slash - file) + 1;
    size_t len = strlen(name);
    char *path = alloc_bytes(folder + len + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, file, folder);
    memcpy(path + folder, name, len + 1);
    return path;
}

char *file_absolute(const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '/' || getcwd(folder, sizeof(folder) - 1) == NULL)
        return alloc_text(path);
    size_t len = strlen(folder);
    folder[len] = '/';
    folder[len + 1] = '\0';
    return file_beside(folder, path);
}

/* ---- replacing ------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);
        if (done == -1 && errno != EINTR)
            return -errno;
        if (done > 0) {
            bytes += done;
            len -= (size_t)done;
        }
    }
    return 0;
}

/* Have the new name of a file survive a crash. */
static int sync_folder(const char *path)
{
    char *folder = file_beside(path, ".");
    if (folder == NULL)
        return -ENOMEM;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    alloc_free(folder);
    if (fd == -1)
        return -errno;
    int err = fsync(fd) == 0 || errno == EINVAL ? 0 : -errno; /* some cannot, and need not */
    close(fd);
    return err;
}

/* Give the new file at fd what the old one had. */
static int keep_rights(int fd, const char *path)
{
    struct stat was;
    if (stat(path, &was) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISREG(was.st_mode))
        return -EINVAL;
    if (fchown(fd, was.st_uid, was.st_gid) != 0 && errno != EPERM)
        return -errno;
    return fchmod(fd, was.st_mode & 07777) == 0 ? 0 : -errno;
}

/* Write a file called made, whose last bytes are X, and give it the name path. */
static int write_and_rename(char *made, const char *path, const char *bytes, size_t len)
{
    int fd = mkostemp(made, O_CLOEXEC);
    if (fd == -1)
        return -errno;
    int err = keep_rights(fd, path);
    if (err == 0)
        err = write_all(fd, bytes, len);
    if (err == 0 && fsync(fd) != 0)
        err = -errno;
    close(fd);
    if (err == 0 && rename(made, path) != 0)
        err = -errno;
    if (err != 0) {
        unlink(made);
        return err;
    }
    return sync_folder(path);
}

int file_replace(const char *path, const char *bytes, size_t len)
{
    char real[PATH_MAX], made[PATH_MAX];
    if (realpath(path, real) == NULL) {
        if (errno != ENOENT)
            return -errno;
        if (strlen(path) >= sizeof(real))
            return -ENAMETOOLONG;
        memcpy(real, path, strlen(path) + 1);
    }
    if ((size_t)snprintf(made, sizeof(made), "%s.XXXXXX", real) >= sizeof(made))
        return -ENAMETOOLONG;
    return write_and_rename(made, real, bytes, len);
}
