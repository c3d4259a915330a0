/* SPDX-License-Identifier: MIT */
/*
 * Goal: root becomes a user for good; nobody else becomes another, and is told.
 * Method: processes of their own, which look at what the kernel says of them.  What only root can
 * do is tested by root, and by others that it is refused.
 */
#include "child.h"
#include "logged.h"

#include "main/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define USER  "nobody"
#define OTHER "daemon" /* another user, and a group */

static bool is_root(void)
{
    return geteuid() == 0;
}

/* Print the value behind key in /proc/self/status. */
static void print_status(const char *key)
{
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            printf("%s", line);
    if (file != NULL)
        fclose(file);
}

static const char *wanted_user;

static int become_user(void)
{
    int err = privileges_drop(wanted_user, NULL);
    if (err != 0)
        return 7;
    print_status("Uid:");
    print_status("Gid:");
    print_status("NoNewPrivs:");
    print_status("CapEff:");
    return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 ? 8 : 5;
}

static unsigned long long said_number(const char *key, int base)
{
    const char *at = strstr(child_said, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, base);
}

static void root_becomes_a_user_for_good(void **state)
{
    char ids[128], refusal[128];
    const struct passwd *user = getpwnam(USER);
    assert_non_null(user);
    if (user->pw_uid == geteuid()) /* then becoming it is no change */
        user = getpwnam(OTHER);
    wanted_user = user->pw_name;
    int status = child_status(become_user);
    if (!is_root()) {
        assert_int_equal(status, 7);
        snprintf(refusal, sizeof(refusal), "user %s: Operation not permitted\n", user->pw_name);
        assert_string_equal(child_said, refusal);
        return;
    }
    assert_int_equal(status, 5);
    snprintf(ids, sizeof(ids), "Uid:\t%u\t%u\t%u\t%u\n", user->pw_uid, user->pw_uid, user->pw_uid,
             user->pw_uid);
    assert_non_null(strstr(child_said, ids));
    snprintf(ids, sizeof(ids), "Gid:\t%u\t%u\t%u\t%u\n", user->pw_gid, user->pw_gid, user->pw_gid,
             user->pw_gid);
    assert_non_null(strstr(child_said, ids));
    assert_int_equal(said_number("NoNewPrivs:", 10), 1);
    /* No more than CAP_NET_BIND_SERVICE, number 10. */
    assert_int_equal(said_number("CapEff:", 16) & ~(1ULL << 10), 0);
}

static int groups_of(const char *user, const char *group)
{
    gid_t groups[64];
    int err = privileges_drop(user, group);
    if (err != 0)
        return 7;
    int count = getgroups(64, groups);
    printf("%d %d %d\n", (int)getuid(), (int)getgid(), count > 0 ? (int)groups[0] : -1);
    return 5;
}

static int become_numbers(void)
{
    return groups_of("54321", "54322");
}

static int become_number_alone(void)
{
    return groups_of("54321", NULL);
}

static int become_group_alone(void)
{
    return groups_of(NULL, OTHER);
}

static int become_both(void)
{
    return groups_of(USER, OTHER);
}

static char log_path[] = "/tmp/test_privileges.XXXXXX";

static int log_as_number(void)
{
    struct stat found;
    mtev_log_stream_t log = mtev_log_stream_new("given", "file", log_path, NULL, NULL);
    if (log == NULL || privileges_drop("54321", "54322") != 0 || stat(log_path, &found) != 0)
        return 7;
    printf("%d %d %o\n", (int)found.st_uid, (int)found.st_gid, found.st_mode & 0777);
    return mtev_log_stream_reopen(log) == 0 ? 5 : 8;
}

static void log_files_can_be_opened_anew_afterwards(void **state)
{
    int fd = mkstemp(log_path);
    assert_true(fd >= 0);
    assert_int_equal(child_status(log_as_number), is_root() ? 5 : 7);
    if (is_root())
        assert_string_equal(child_said, "54321 54322 600\n");
    close(fd);
    unlink(log_path);
}

static void numbers_and_groups_are_taken(void **state)
{
    char wanted[64];
    if (!is_root()) {
        assert_int_equal(child_status(become_group_alone), 7);
        assert_string_equal(child_said, "group " OTHER ": Operation not permitted\n");
        return;
    }
    const gid_t other = getgrnam(OTHER)->gr_gid;
    assert_int_equal(child_status(become_numbers), 5);
    assert_string_equal(child_said, "54321 54322 54322\n");
    assert_int_equal(child_status(become_number_alone), 5);
    assert_string_equal(child_said, "54321 54321 54321\n"); /* and no group of root's */
    assert_int_equal(child_status(become_group_alone), 5);
    snprintf(wanted, sizeof(wanted), "0 %u %u\n", other, other);
    assert_string_equal(child_said, wanted);
    assert_int_equal(child_status(become_both), 5);
    snprintf(wanted, sizeof(wanted), "%u %u %u\n", getpwnam(USER)->pw_uid, other, other);
    assert_string_equal(child_said, wanted);
}

/* Who is that user already need be nobody else. */
static int become_again(void)
{
    const char *user = is_root() ? USER : NULL;
    char number[16];
    if (user == NULL)
        snprintf(number, sizeof(number), "%u", getuid());
    int err = privileges_drop(user != NULL ? user : number, NULL);
    return err == 0 && privileges_drop(user != NULL ? user : number, NULL) == 0 ? 5 : 7;
}

static void whoever_is_that_user_stays_it(void **state)
{
    assert_int_equal(child_status(become_again), 5);
    assert_string_equal(child_said, "");
}

static void nothing_asked_is_nothing_done(void **state)
{
    assert_int_equal(privileges_drop(NULL, NULL), 0);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void who_is_not_known_is_named(void **state)
{
    assert_int_equal(privileges_drop("no such user", NULL), -ENOENT);
    assert_logged_lines("user no such user: there is none of that name\n");
    assert_int_equal(privileges_drop(NULL, "-1"), -ENOENT);
    assert_logged_lines("group -1: there is none of that name\n");
    assert_int_equal(privileges_drop("4294967295", NULL), -ENOENT); /* which means: as it is */
    assert_logged_lines("user 4294967295: there is none of that name\n");
}

static void drop_with_little_memory(void *closure)
{
    int err = privileges_drop("no such user", NULL);
    assert_true(err == -ENOENT || err == -ENOMEM);
    err = privileges_drop(NULL, "no such group");
    assert_true(err == -ENOENT || err == -ENOMEM);
    assert_string_not_equal(logged_take(), "");
}

static void every_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(drop_with_little_memory, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(root_becomes_a_user_for_good),
    cmocka_unit_test(log_files_can_be_opened_anew_afterwards),
    cmocka_unit_test(numbers_and_groups_are_taken),
    cmocka_unit_test(whoever_is_that_user_stays_it),
    logged_test(nothing_asked_is_nothing_done),
    logged_test(who_is_not_known_is_named),
    logged_test(every_allocation_may_fail),
};

HARNESS_MAIN(tests)
