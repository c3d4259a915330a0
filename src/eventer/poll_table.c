/* SPDX-License-Identifier: MIT */
#include "eventer/poll_table.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CAPACITY_MIN 64

void poll_table_free(struct poll_table *t)
{
    alloc_free(t->entries);
    memset(t, 0, sizeof(*t));
}

static int reserve(struct poll_table *t, int fd)
{
    size_t capacity = t->capacity == 0 ? CAPACITY_MIN : t->capacity;
    while (capacity <= (size_t)fd)
        capacity *= 2;
    if (capacity == t->capacity)
        return 0;
    struct poll_entry *entries = alloc_resize(t->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return -ENOMEM;
    memset(entries + t->capacity, 0, (capacity - t->capacity) * sizeof(*entries));
    t->entries = entries;
    t->capacity = capacity;
    return 0;
}

/* Files and directories are always ready, and so are the devices null, zero and full. */
static bool is_always_ready(const struct stat *file)
{
    unsigned device = minor(file->st_rdev);
    return S_ISREG(file->st_mode) || S_ISDIR(file->st_mode) ||
           (S_ISCHR(file->st_mode) && major(file->st_rdev) == 1 &&
            (device == 3 || device == 5 || device == 7));
}

static int add(struct poll_table *t, int fd, const struct stat *file, uint32_t interest,
               uint64_t tag)
{
    if (is_always_ready(file))
        return -EPERM;
    int err = reserve(t, fd);
    if (err != 0)
        return err;
    struct poll_entry *entry = &t->entries[fd];
    entry->interest = interest;
    entry->tag = tag;
    entry->added = ++t->added;
    entry->device = file->st_dev;
    entry->inode = file->st_ino;
    return 0;
}

/* file: what fd is now, NULL: nothing. */
static bool forget_unless(struct poll_entry *entry, const struct stat *file)
{
    if (file != NULL && file->st_dev == entry->device && file->st_ino == entry->inode)
        return false;
    entry->interest = 0;
    return true;
}

bool poll_table_forget_closed(struct poll_table *t, int fd)
{
    struct stat file;
    return forget_unless(&t->entries[fd], fstat(fd, &file) == 0 ? &file : NULL);
}

int poll_table_watch(struct poll_table *t, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    struct stat file;
    struct poll_entry *entry = poll_table_find(t, fd);
    bool is_watched = entry != NULL && entry->interest != 0;
    assert(fd >= 0);
    if (interest == 0) { /* what fd is now does not matter */
        if (is_watched)
            entry->interest = 0;
        return is_watched ? 0 : -ENOENT;
    }
    int err = fstat(fd, &file) == 0 ? 0 : -errno;
    if (is_watched && forget_unless(entry, err == 0 ? &file : NULL))
        is_watched = false;
    if (err != 0)
        return err;
    if (was == 0)
        return is_watched ? -EEXIST : add(t, fd, &file, interest, tag);
    if (!is_watched)
        return -ENOENT;
    entry->interest = interest;
    entry->tag = tag;
    return 0;
}
