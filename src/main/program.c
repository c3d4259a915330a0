/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_LEN_MAX ((size_t)1 << 20)
#define READ_SIZE         4096

static struct buf words; /* the arguments, each NUL-terminated */
static char **arguments; /* into words; owned */
static char folder[PATH_MAX];

/* Read all of /proc/self/cmdline: nobody hands the arguments of main() down to us. */
static int read_words(void)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = 0;
    for (ssize_t len = 1; err == 0 && len > 0;) {
        err = buf_reserve(&words, READ_SIZE);
        len = err != 0 ? 0 : read(fd, words.bytes + words.len, READ_SIZE);
        if (len < 0)
            err = -errno;
        words.len += len > 0 ? (size_t)len : 0;
    }
    close(fd);
    return err == 0 && (words.len == 0 || words.bytes[words.len - 1] != '\0') ? -EIO : err;
}

static int split_words(void)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < words.len; i++)
        count += words.bytes[i] == '\0';
    char **split = alloc_zeroed(count + 1, sizeof(*split));
    if (split == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        split[i] = words.bytes + at;
        at += strlen(split[i]) + 1;
    }
    arguments = split;
    return 0;
}

int program_remember(void)
{
    if (arguments != NULL)
        return 0;
    if (getcwd(folder, sizeof(folder)) == NULL)
        return -errno;
    buf_init(&words, ARGUMENTS_LEN_MAX);
    int err = read_words();
    if (err == 0)
        err = split_words();
    if (err != 0)
        buf_free(&words);
    return err == -ENOENT ? 0 : err;
}

const char *program_path(void)
{
    return arguments == NULL ? "what was called, without /proc," : arguments[0];
}

int program_execute(void)
{
    if (arguments == NULL)
        return -ENOENT;
    if (chdir(folder) != 0)
        return -errno;
    execvp(arguments[0], arguments); /* by its name: it may be a link that leads elsewhere now */
    return -errno;
}

char *program_absolute(const char *path)
{
    char *absolute = NULL;
    if (path[0] == '/' || folder[0] == '\0')
        return alloc_text(path);
    size_t size = strlen(folder) + strlen(path) + 2;
    absolute = alloc_bytes(size);
    if (absolute != NULL)
        snprintf(absolute, size, "%s/%s", folder, path);
    return absolute;
}
