/* SPDX-License-Identifier: MIT */
/*
 * said.h - a stream on a pipe, whose lines are read back; and files in a folder of their own.
 */
#ifndef EVENTER_TESTS_UNIT_LOG_SAID_H
#define EVENTER_TESTS_UNIT_LOG_SAID_H

#include "harness.h"

#include "log/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAID_SIZE    65536
#define SAID_LONG_NS UINT64_C(30000000000)

static mtev_log_stream_t said_stream;
static int said_fds[2];
static char said_text[SAID_SIZE];
static char said_folder[32];

static inline int said_set_up(void **state)
{
    if (pipe2(said_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    said_stream = mtev_log_stream_new_on_fd("said", said_fds[1], NULL);
    return said_stream == NULL;
}

static inline int said_tear_down(void **state)
{
    mtev_log_stream_close(said_stream);
    close(said_fds[0]);
    close(said_fds[1]);
    return 0;
}

/* Return what was said since the last call, NUL-terminated. */
static inline const char *said(void)
{
    ssize_t len = read(said_fds[0], said_text, sizeof(said_text) - 1);
    said_text[len > 0 ? len : 0] = '\0';
    return said_text;
}

static inline int folder_set_up(void **state)
{
    snprintf(said_folder, sizeof(said_folder), "/tmp/test_log.XXXXXX");
    return mkdtemp(said_folder) == NULL;
}

/* Call visit (NULL: remove) for each file in the folder.  Returns how many there were. */
static inline int folder_each(void (*visit)(const char *name))
{
    DIR *dir = opendir(said_folder);
    const struct dirent *entry;
    int count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (visit != NULL)
            visit(entry->d_name);
        else
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return count;
}

static inline int folder_tear_down(void **state)
{
    folder_each(NULL);
    return rmdir(said_folder);
}

/* The path of a file in the folder; good until the next call but one. */
static inline const char *folder_path(const char *name)
{
    static char paths[2][320];
    static int turn;
    turn = 1 - turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", said_folder, name);
    return paths[turn];
}

/* Return what a file holds when all is written, NUL-terminated. */
static inline const char *file_text(const char *path)
{
    assert_int_equal(log_flush(SAID_LONG_NS), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, said_text, sizeof(said_text) - 1);
    said_text[len > 0 ? len : 0] = '\0';
    close(fd);
    return said_text;
}

#endif
