/* SPDX-License-Identifier: MIT */
/*
 * Goal: one holder at a time; a second one is refused or waits, and can find out who it is.
 * Method: two open files of one process are two holders; a child waits in a third.
 */
#include "child.h"
#include "harness.h"

#include "main/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static char folder[32];
static char path[64];
static int held = -1;

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_lockfile.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/lock", folder);
    assert_int_equal(lockfile_take(path, false, &held), 0);
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    rmdir(folder);
    return 0;
}

static void a_second_holder_is_refused_until_the_first_lets_go(void **state)
{
    int fd = -7;
    assert_int_equal(lockfile_take(path, false, &fd), -EWOULDBLOCK);
    assert_int_equal(fd, -7);
    close(held);
    assert_int_equal(lockfile_take(path, false, &fd), 0);
    assert_true(fd >= 0);
    close(fd);
}

static int wait_for_it(void)
{
    int fd;
    return lockfile_take(path, true, &fd) == 0 ? 5 : 6;
}

static void a_holder_that_dies_lets_the_next_one_in(void **state)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        pause(); /* it shares the lock, and so keeps it */
    close(held);
    int fd;
    assert_int_equal(lockfile_take(path, false, &fd), -EWOULDBLOCK);
    assert_int_equal(kill(pid, SIGKILL), 0); /* dies while the next one waits, or before */
    assert_int_equal(child_status(wait_for_it), 5);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_file_that_cannot_be_made_is_told_as_open_does(void **state)
{
    int fd = -7;
    close(held);
    assert_int_equal(lockfile_take("/nowhere/lock", false, &fd), -ENOENT);
    assert_int_equal(lockfile_take(folder, false, &fd), -EISDIR);
    assert_int_equal(fd, -7);
}

static void the_holder_is_found(void **state)
{
    pid_t pid = -7;
    assert_int_equal(lockfile_holder(path, &pid), -ESRCH); /* it has not signed */
    assert_int_equal(lockfile_sign(held), 0);
    assert_int_equal(lockfile_holder(path, &pid), 0);
    assert_int_equal(pid, getpid());
    assert_int_equal(pwrite(held, "99999999999\n", 12, 0), 12); /* no id is that long */
    assert_int_equal(lockfile_holder(path, &pid), -ESRCH);
    assert_int_equal(pwrite(held, "1\n", 2, 0), 2);
    assert_int_equal(lockfile_sign(held), 0); /* over what was longer */
    assert_int_equal(lockfile_holder(path, &pid), 0);
    assert_int_equal(pid, getpid());
    close(held);
    assert_int_equal(lockfile_holder(path, &pid), -ESRCH);
    assert_int_equal(lockfile_holder("/nowhere/lock", &pid), -ESRCH);
    assert_int_equal(lockfile_holder("/proc/self/cmdline/lock", &pid), -ENOTDIR);
    assert_int_equal(lockfile_sign(-1), -EBADF);
}

static void the_id_of_the_one_before_does_not_count(void **state)
{
    pid_t pid = -7;
    assert_int_equal(pwrite(held, "1\n", 2, 0), 2);
    close(held);
    assert_int_equal(lockfile_take(path, false, &held), 0);
    assert_int_equal(lockfile_holder(path, &pid), -ESRCH); /* and nobody signals process 1 */
    close(held);
}

static void a_full_disk_is_told(void **state)
{
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_int_equal(lockfile_sign(full), -ENOSPC);
    close(full);
    close(held);
}

static void *look(void *goes_on)
{
    pid_t found;
    while (atomic_load((atomic_bool *)goes_on))
        (void)lockfile_holder(path, &found);
    return NULL;
}

static void who_looks_is_not_in_the_way(void **state)
{
    atomic_bool goes_on = true;
    int refused = 0;
    pthread_t thread;
    close(held);
    assert_int_equal(pthread_create(&thread, NULL, look, &goes_on), 0);
    for (int i = 0; i < 1000; i++)
        if (lockfile_take(path, false, &held) == 0)
            close(held);
        else
            refused++;
    atomic_store(&goes_on, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(refused, 0);
}

#define LOCK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    LOCK_TEST(a_second_holder_is_refused_until_the_first_lets_go),
    LOCK_TEST(a_holder_that_dies_lets_the_next_one_in),
    LOCK_TEST(the_holder_is_found),
    LOCK_TEST(the_id_of_the_one_before_does_not_count),
    LOCK_TEST(a_full_disk_is_told),
    LOCK_TEST(who_looks_is_not_in_the_way),
    LOCK_TEST(a_file_that_cannot_be_made_is_told_as_open_does),
};

HARNESS_MAIN(tests)
