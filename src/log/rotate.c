/* SPDX-License-Identifier: MIT */
/*
 * A file that is full, or old, gets another name: its own, a dot, and the second of that moment.
 * The writer of the outlet does that; who says lines does not notice.
 */
#include "log/rotate.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/number.h"
#include "log/outlet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_NS        (60 * CLOCK_NS_PER_S)
#define NAMES_TRIED_MAX 100                  /* seconds that a name may lie ahead of the clock */
#define SECOND_MIN      UINT64_C(1000000000) /* of 2001: what is less is another one's number */

uint64_t outlet_birth_ns(int fd)
{
    struct statx found;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &found) != 0 || !(found.stx_mask & STATX_BTIME))
        return clock_wall_ns();
    return (uint64_t)found.stx_btime.tv_sec * CLOCK_NS_PER_S + found.stx_btime.tv_nsec;
}

int rotate_rename(const char *path)
{
    char name[PATH_MAX];
    uint64_t second = clock_wall_ns() / CLOCK_NS_PER_S;
    for (int i = 0; i < NAMES_TRIED_MAX; i++, second++) {
        int len = snprintf(name, sizeof(name), "%s.%llu", path, (unsigned long long)second);
        if (len < 0 || (size_t)len >= sizeof(name))
            return -ENAMETOOLONG;
        if (renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* ---- retention ------------------------------------------------------------------- */

struct old { /* a file that was rotated away */
    uint64_t second;
    uint64_t size;
};

static int newer_first(const void *a, const void *b)
{
    const struct old *x = a, *y = b;
    return x->second < y->second ? 1 : x->second > y->second ? -1 : 0;
}

/* Find the files that rotate_rename() made of the file base in the folder dir, ROTATED_MAX at most.
 */
static size_t find_old(DIR *dir, const char *base, struct old *found)
{
    const size_t base_len = strlen(base);
    const struct dirent *entry;
    struct stat info;
    size_t count = 0;
    while (count < ROTATED_MAX && (entry = readdir(dir)) != NULL) {
        const char *digits = entry->d_name + base_len + 1;
        if (strncmp(entry->d_name, base, base_len) != 0 || entry->d_name[base_len] != '.' ||
            number_u64(digits, strlen(digits), UINT64_MAX, &found[count].second) != 0 ||
            found[count].second < SECOND_MIN || digits[0] == '0' ||
            fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        found[count++].size = (uint64_t)info.st_size;
    }
    qsort(found, count, sizeof(*found), newer_first);
    return count;
}

/* Remove what is too old, or too much. */
static int remove_old(DIR *dir, const char *base, uint64_t retain_ns, uint64_t retain_bytes)
{
    struct old *found = alloc_zeroed(ROTATED_MAX, sizeof(*found));
    if (found == NULL)
        return -ENOMEM;
    size_t count = find_old(dir, base, found);
    uint64_t now = clock_wall_ns() / CLOCK_NS_PER_S, sum = 0;
    int err = 0;
    for (size_t i = 0; i < count; i++) {
        char name[NAME_MAX + 1];
        uint64_t age = now > found[i].second ? now - found[i].second : 0;
        sum += found[i].size;
        if (age * CLOCK_NS_PER_S < retain_ns && sum <= retain_bytes)
            continue;
        int len =
            snprintf(name, sizeof(name), "%s.%llu", base, (unsigned long long)found[i].second);
        if (len > 0 && (size_t)len < sizeof(name) && unlinkat(dirfd(dir), name, 0) != 0)
            err = -errno;
    }
    alloc_free(found);
    return err;
}

int rotate_cull(const char *path, uint64_t retain_ns, uint64_t retain_bytes)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    char *folder = slash == NULL ? alloc_text(".") : alloc_text_n(path, (size_t)(base - path));
    if (folder == NULL)
        return -ENOMEM;
    DIR *dir = opendir(folder);
    int err = dir == NULL ? -errno : 0;
    alloc_free(folder);
    if (err != 0)
        return err;
    err = remove_old(dir, base, retain_ns, retain_bytes);
    closedir(dir);
    return err;
}

/* ---- rotation -------------------------------------------------------------------- */

uint64_t outlet_rotation_due_ns(const struct outlet *o)
{
    const struct outlet_settings *s = &o->settings;
    uint64_t due = UINT64_MAX;
    if (!o->ops->has_file || o->file_type != S_IFREG || o->size == 0)
        return due;
    if (s->rotate_bytes > 0 && o->size >= s->rotate_bytes)
        due = 0;
    if (due > 0 && s->rotate_ns > 0) {
        uint64_t wall_ns = clock_wall_ns();
        uint64_t age_ns = wall_ns > o->begun_ns ? wall_ns - o->begun_ns : 0;
        due = age_ns >= s->rotate_ns ? 0 : s->rotate_ns - age_ns;
    }
    if (due == UINT64_MAX || o->rotation_retry_ns == 0)
        return due;
    uint64_t now_ns = clock_mono_ns();
    return o->rotation_retry_ns > now_ns ? MAX(due, o->rotation_retry_ns - now_ns) : due;
}

/* True if the file that path names now is the one that is written to: nobody has moved it. */
static bool is_in_place(const struct outlet *o)
{
    struct stat ours, named;
    return fstat(o->fd, &ours) == 0 && stat(o->path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

static int rotate(struct outlet *o)
{
    int fd = -1;
    int err = is_in_place(o) ? rotate_rename(o->path) : 0;
    if (err == 0 || err == -ENOENT) /* somebody was faster */
        err = o->ops->open(o, &fd);
    if (err != 0)
        return err;
    close(o->fd);
    o->fd = fd;
    outlet_learn_fd(o);
    return 0;
}

void outlet_rotate(struct outlet *o)
{
    const struct outlet_settings *s = &o->settings;
    if ((s->rotate_ns == 0 && s->rotate_bytes == 0) || outlet_rotation_due_ns(o) > 0)
        return;
    int err = rotate(o);
    o->rotation_retry_ns = err == 0 ? 0 : clock_mono_ns() + RETRY_NS;
    if (err == 0 && (s->retain_ns > 0 || s->retain_bytes > 0))
        err = rotate_cull(o->path, s->retain_ns == 0 ? UINT64_MAX : s->retain_ns,
                          s->retain_bytes == 0 ? UINT64_MAX : s->retain_bytes);
    if (err != 0)
        outlet_complain(o, "the file cannot be rotated", err);
}
