/* SPDX-License-Identifier: MIT */
#include "console/past_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t saving = PTHREAD_MUTEX_INITIALIZER; /* two sessions may have one file */

struct past {
    History *history;
    bool is_walking; /* a line of before is shown: libedit's cursor is there */
};

struct past *past_new(void)
{
    HistEvent event;
    struct past *p = alloc_zeroed(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->history = history_init();
    if (p->history == NULL) {
        alloc_free(p);
        return NULL;
    }
    (void)history(p->history, &event, H_SETSIZE, PAST_LINES_MAX);
    (void)history(p->history, &event, H_SETUNIQUE, 1);
    return p;
}

void past_free(struct past *p)
{
    if (p == NULL)
        return;
    history_end(p->history);
    alloc_free(p);
}

void past_add(struct past *p, const char *line)
{
    HistEvent event;
    p->is_walking = false;
    (void)history(p->history, &event, H_ENTER, line);
}

const char *past_older(struct past *p)
{
    HistEvent event;
    if (history(p->history, &event, p->is_walking ? H_NEXT : H_FIRST) != 0)
        return NULL;
    p->is_walking = true;
    return event.str;
}

const char *past_newer(struct past *p)
{
    HistEvent event;
    if (p->is_walking && history(p->history, &event, H_PREV) == 0)
        return event.str;
    p->is_walking = false;
    return "";
}

/* What is in the file: 0 bytes, also if there is none, some, or as past_load(). */
static int64_t size_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return st.st_size > PAST_FILE_BYTES_MAX ? -EFBIG : st.st_size;
}

int past_load(struct past *p, const char *path)
{
    HistEvent event;
    int64_t size = size_of(path);
    p->is_walking = false;
    if (size <= 0)
        return (int)size;
    if (access(path, R_OK) != 0)
        return -errno;
    return history(p->history, &event, H_LOAD, path) >= 0 ? 0 : -EINVAL;
}

int past_save(struct past *p, const char *path)
{
    HistEvent event;
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    int err = file == NULL ? -errno : 0;
    if (file == NULL) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    pthread_mutex_lock(&saving);
    if (fchmod(fd, 0600) != 0 || ftruncate(fd, 0) != 0 ||
        history(p->history, &event, H_SAVE_FP, file) < 0)
        err = -EIO;
    if (fclose(file) != 0 && err == 0)
        err = -errno;
    pthread_mutex_unlock(&saving);
    return err;
}
