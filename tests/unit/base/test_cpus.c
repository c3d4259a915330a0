/* SPDX-License-Identifier: MIT */
/*
 * Goal: a process counts as many processors as it may run on, and no more than its control groups,
 * and those that they are in, let it keep busy.
 * Method: a folder that looks like /sys/fs/cgroup, and a file like /proc/self/cgroup.
 */
#include "harness.h"

#include "base/cpus.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALLOWED 64

static char folder[32], self_cgroup[64];

static int begin(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_cpus.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(self_cgroup, sizeof(self_cgroup), "%s/self", folder);
    return 0;
}

static int end(void **state)
{
    harness_remove_folder(folder);
    return 0;
}

/* Write text to a file below the folder; the folders between are made. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static unsigned usable(void)
{
    return cpus_usable_by(self_cgroup, folder, ALLOWED);
}

static void without_groups_it_is_the_processors(void **state)
{
    assert_int_equal(usable(), ALLOWED);
    put("self", "0::/\n");
    assert_int_equal(usable(), ALLOWED);
    assert_int_equal(cpus_usable_by(self_cgroup, folder, 0), 1);
}

static void the_least_limit_up_to_the_mount_counts(void **state)
{
    put("self", "0::/outer/inner\n");
    put("outer/inner/cpu.max", "800000 100000\n");
    assert_int_equal(usable(), 8);
    put("outer/cpu.max", "300000 100000\n");
    assert_int_equal(usable(), 3);
    put("cpu.max", "150000 100000\n");
    assert_int_equal(usable(), 2); /* rounded up */
    put("cpu.max", "1000 100000\n");
    assert_int_equal(usable(), 1);
    put("cpu.max", "max 100000\n");
    assert_int_equal(usable(), 3);
    put("outer/cpu.max", "100000000 100000\n");
    assert_int_equal(usable(), 8);
}

/* The group is named as another namespace sees it. */
static void a_group_that_is_not_mounted_has_the_limits_of_the_mount(void **state)
{
    put("self", "0::/elsewhere/0123\n");
    put("cpu.max", "200000 100000\n");
    assert_int_equal(usable(), 2);
}

static void version_1_has_files_of_its_own(void **state)
{
    put("self", "5:cpuset:/a\n4:cpuacct,cpu:/a/b\n3:cpuacctx:/c\n0::/\n");
    put("cpu/a/b/cpu.cfs_quota_us", "-1\n");
    put("cpu/a/b/cpu.cfs_period_us", "100000\n");
    assert_int_equal(usable(), ALLOWED);
    put("cpu/a/cpu.cfs_quota_us", "250000\n");
    put("cpu/a/cpu.cfs_period_us", "50000\n");
    assert_int_equal(usable(), 5);
    put("self", "3:cpuacctx:/a\n"); /* no such controller */
    assert_int_equal(usable(), ALLOWED);
    put("self", "0::/x\n");
    put("unified/x/cpu.max", "400000 100000\n");
    assert_int_equal(usable(), 4);
}

static void what_is_no_limit_is_none(void **state)
{
    static const char *const texts[] = {"",           "\n",          "max\n",
                                        "100000\n",   "x 100000\n",  "100000 0\n",
                                        "100000 x\n", "-1 10\n",     "1e5 10\n",
                                        "  \n",       "0x10 0x10\n", "99999999999999999999999 1\n"};
    put("self", "0::/\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put("cpu.max", texts[i]);
        assert_int_equal(usable(), ALLOWED);
    }
    put("cpu.max", "18446744073709551615 1\n");
    assert_int_equal(usable(), ALLOWED);
    static const char *const lines[] = {"", "\n", "0", "0:", "::", "0::", ":::\n", "4:cpu\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        put("self", lines[i]);
        assert_int_equal(usable(), ALLOWED);
    }
}

static void a_group_with_a_name_too_long_is_left_out(void **state)
{
    char text[2 * PATH_MAX];
    memset(text, 'x', sizeof(text));
    memcpy(text, "0::/", 4);
    text[sizeof(text) - 1] = '\0';
    put("self", text);
    assert_int_equal(usable(), ALLOWED);
}

static void this_process_has_some(void **state)
{
    assert_in_range(cpus_usable(), 1, sysconf(_SC_NPROCESSORS_CONF));
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    in_folder(without_groups_it_is_the_processors),
    in_folder(the_least_limit_up_to_the_mount_counts),
    in_folder(a_group_that_is_not_mounted_has_the_limits_of_the_mount),
    in_folder(version_1_has_files_of_its_own),
    in_folder(what_is_no_limit_is_none),
    in_folder(a_group_with_a_name_too_long_is_left_out),
    cmocka_unit_test(this_process_has_some),
};
HARNESS_MAIN(tests)
