/* SPDX-License-Identifier: MIT */
/*
 * Goal: a file is replaced as a whole or not at all, and keeps what it had.
 * Method: a folder of its own; a limit on the size of files for a disk that is full; a process that
 * writes all the time and is killed.
 */
#include "harness.h"

#include "base/alloc.h"
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[40];
static char path[64];

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_file.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    harness_remove_folder(folder);
    return 0;
}

static void assert_holds(const char *name, const char *wanted)
{
    struct buf text;
    struct stat stat;
    buf_init(&text, 1 << 20);
    assert_int_equal(file_read(name, 1 << 19, true, &text, &stat), 0);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.bytes, wanted, text.len);
    buf_free(&text);
}

static mode_t mode_of(const char *name)
{
    struct stat is;
    assert_int_equal(stat(name, &is), 0);
    return is.st_mode & 07777;
}

static void a_new_file_is_the_owners_alone(void **state)
{
    assert_int_equal(file_replace(path, "one", 3), 0);
    assert_holds(path, "one");
    assert_int_equal(mode_of(path), 0600);
}

static void an_old_file_keeps_its_mode(void **state)
{
    assert_int_equal(file_replace(path, "one", 3), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(file_replace(path, "two!", 4), 0);
    assert_holds(path, "two!");
    assert_int_equal(mode_of(path), 0640);
}

static void a_link_stays(void **state)
{
    char link[64];
    struct stat is;
    snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(file_replace(path, "one", 3), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(file_replace(link, "two", 3), 0);
    assert_int_equal(lstat(link, &is), 0);
    assert_true(S_ISLNK(is.st_mode));
    assert_holds(path, "two");
}

/* How many files are there? */
static int count_files(void)
{
    char command[96];
    snprintf(command, sizeof(command), "exit $(ls %s | wc -l)", folder);
    return WEXITSTATUS(system(command));
}

static void what_cannot_be_written_leaves_the_old_one(void **state)
{
    struct rlimit old;
    static char text[8192];
    assert_int_equal(file_replace(path, "one", 3), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, old.rlim_max}), 0);
    int err = file_replace(path, text, sizeof(text));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, -EFBIG);
    assert_holds(path, "one");
    assert_int_equal(count_files(), 1);
    assert_int_equal(file_replace(folder, "x", 1), -EINVAL);
    assert_int_equal(file_replace("/nowhere/at/all", "x", 1), -ENOENT);
    assert_int_equal(count_files(), 1);
}

/* Write two texts in turn until it is killed. */
static void write_on(void)
{
    static char text[2][100000];
    memset(text[0], 'a', sizeof(text[0]));
    memset(text[1], 'b', sizeof(text[1]));
    for (unsigned i = 0;; i++)
        if (file_replace(path, text[i % 2], sizeof(text[0])) != 0)
            _exit(1);
}

static void who_is_killed_leaves_a_whole_file(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct stat stat;
        struct buf text;
        ino_t first = 0;
        int status = 0;
        assert_int_equal(file_replace(path, "start", 5), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_on();
        for (int changes = 0; changes <= i % 3;
             changes += stat.st_ino != first, first = stat.st_ino)
            assert_int_equal(lstat(path, &stat), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        buf_init(&text, 1 << 20);
        assert_int_equal(file_read(path, 1 << 19, true, &text, &stat), 0);
        assert_true(text.len == 5 || text.len == 100000);
        for (size_t k = 1; k < text.len && text.len == 100000; k++)
            assert_int_equal(text.bytes[k], text.bytes[0]);
        buf_free(&text);
    }
}

static void a_file_has_a_limit(void **state)
{
    struct buf text;
    struct stat stat;
    assert_int_equal(file_replace(path, "12345", 5), 0);
    for (size_t max = 4; max <= 6; max++) {
        buf_init(&text, 1 << 20);
        assert_int_equal(file_read(path, max, false, &text, &stat), max < 5 ? -EFBIG : 0);
        buf_free(&text);
    }
}

static void assert_beside(const char *file, const char *name, const char *wanted)
{
    char *joined = file_beside(file, name);
    assert_string_equal(joined, wanted);
    alloc_free(joined);
}

static void names_are_beside_a_file(void **state)
{
    char here[256], wanted[300];
    assert_beside("/a/b.conf", "c.conf", "/a/c.conf");
    assert_beside("/b.conf", "d/c.conf", "/d/c.conf");
    assert_beside("a/b.conf", "../c.conf", "a/../c.conf");
    assert_beside("b.conf", "c.conf", "c.conf");
    assert_beside("/a/b.conf", "/c.conf", "/c.conf");
    assert_non_null(getcwd(here, sizeof(here)));
    snprintf(wanted, sizeof(wanted), "%s/x", here);
    char *whole = file_absolute("x");
    assert_string_equal(whole, wanted);
    alloc_free(whole);
    whole = file_absolute("/x");
    assert_string_equal(whole, "/x");
    alloc_free(whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_new_file_is_the_owners_alone),
    TEST(an_old_file_keeps_its_mode),
    TEST(a_link_stays),
    TEST(what_cannot_be_written_leaves_the_old_one),
    TEST(who_is_killed_leaves_a_whole_file),
    TEST(a_file_has_a_limit),
    cmocka_unit_test(names_are_beside_a_file),
};
HARNESS_MAIN(tests)
