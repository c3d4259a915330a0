/* SPDX-License-Identifier: MIT */
#include "base/cpus.h"

#include "base/number.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_LEN_MAX 128 /* of a file with a limit */

/* Read the words of the first line of the file below folder; returns how many of two there are. */
static int read_words(const char *folder, const char *name, char first[LINE_LEN_MAX],
                      char second[LINE_LEN_MAX])
{
    char path[PATH_MAX], line[LINE_LEN_MAX];
    int count = 0;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) != NULL)
        count = sscanf(line, "%127s %127s", first, second);
    fclose(file);
    return count;
}

/* Processors that so much time in so long a period is, rounded up; UINT_MAX if it is no limit. */
static unsigned processors(const char *quota, const char *period)
{
    uint64_t quota_us, period_us;
    if (number_u64(quota, strlen(quota), UINT64_MAX / 2, &quota_us) != 0 ||
        number_u64(period, strlen(period), UINT64_MAX / 2, &period_us) != 0 || period_us == 0)
        return UINT_MAX; /* "max" or -1 */
    uint64_t count = quota_us / period_us + (quota_us % period_us != 0);
    return count >= UINT_MAX ? UINT_MAX : count == 0 ? 1 : (unsigned)count;
}

static unsigned limit_of(const char *folder, bool is_version_2)
{
    char quota[LINE_LEN_MAX], period[LINE_LEN_MAX], ignored[LINE_LEN_MAX];
    if (is_version_2)
        return read_words(folder, "cpu.max", quota, period) == 2 ? processors(quota, period)
                                                                 : UINT_MAX;
    if (read_words(folder, "cpu.cfs_quota_us", quota, ignored) < 1 ||
        read_words(folder, "cpu.cfs_period_us", period, ignored) < 1)
        return UINT_MAX;
    return processors(quota, period);
}

/* The least limit of the group and of those that it is in, up to the mount. */
static unsigned limit_of_all(const char *mount, const char *group, bool is_version_2)
{
    char folder[PATH_MAX];
    unsigned least = UINT_MAX;
    const size_t mount_len = strlen(mount);
    if ((size_t)snprintf(folder, sizeof(folder), "%s%s", mount, group) >= sizeof(folder))
        return UINT_MAX;
    for (;;) {
        unsigned limit = limit_of(folder, is_version_2);
        least = limit < least ? limit : least;
        char *last = strrchr(folder, '/');
        if (last == NULL || (size_t)(last - folder) < mount_len)
            return least;
        *last = '\0';
    }
}

static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);
    for (;; list++) {
        if (strncmp(list, word, len) == 0 && (list[len] == ',' || list[len] == '\0'))
            return true;
        list = strchr(list, ',');
        if (list == NULL)
            return false;
    }
}

/* What a line ID:CONTROLLERS:GROUP says. */
static unsigned limit_of_line(const char *mount, char *line)
{
    char below[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT_MAX;
    *group++ = '\0';
    controllers++;
    const bool is_version_2 = *controllers == '\0';
    if (!is_version_2 && !has_word(controllers, "cpu"))
        return UINT_MAX;
    unsigned limit = is_version_2 ? limit_of_all(mount, group, true) : UINT_MAX;
    if ((size_t)snprintf(below, sizeof(below), "%s/%s", mount, is_version_2 ? "unified" : "cpu") >=
        sizeof(below))
        return limit;
    unsigned other = limit_of_all(below, group, is_version_2);
    return other < limit ? other : limit;
}

unsigned cpus_usable_by(const char *self_cgroup, const char *mount, unsigned allowed)
{
    char line[PATH_MAX];
    FILE *file = fopen(self_cgroup, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        unsigned limit = limit_of_line(mount, line);
        allowed = limit < allowed ? limit : allowed;
    }
    if (file != NULL)
        fclose(file);
    return allowed < 1 ? 1 : allowed;
}

/* A mask has room for some processors; the kernel says if it has more. */
static unsigned processors_allowed(void)
{
    const unsigned most = 1u << 20;
    for (unsigned room = CPU_SETSIZE; room <= most; room *= 2) {
        cpu_set_t *cpus = CPU_ALLOC(room);
        if (cpus == NULL)
            return 1;
        int count = sched_getaffinity(0, CPU_ALLOC_SIZE(room), cpus) == 0
                        ? CPU_COUNT_S(CPU_ALLOC_SIZE(room), cpus)
                        : 0;
        CPU_FREE(cpus);
        if (count > 0)
            return (unsigned)count;
    }
    return 1;
}

unsigned cpus_usable(void)
{
    return cpus_usable_by("/proc/self/cgroup", "/sys/fs/cgroup", processors_allowed());
}
