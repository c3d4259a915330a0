/* SPDX-License-Identifier: MIT */
/*
 * Goal: files are rotated by size and by age, at the end of a line, and no line is lost; what is
 * too old or too much is removed, and nothing else; repeated lines are folded, and told.
 * Method: files in a temporary folder, and a wall clock that the test turns on.
 */
#include "said.h"

#include "base/clock.h"
#include "log/rotate.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

static uint64_t ahead_s; /* that the wall clock is */
static mtev_log_stream_t file;

static int clock_ahead(clockid_t clock, struct timespec *out)
{
    int result = clock_gettime(clock, out);
    if (clock == CLOCK_REALTIME)
        out->tv_sec += (time_t)ahead_s;
    return result;
}

static int set_up(void **state)
{
    if (folder_set_up(state) != 0)
        return -1;
    clock_source.gettime = clock_ahead;
    ahead_s = 0;
    file = mtev_log_stream_new("rotated", "file", folder_path("log"), NULL, NULL);
    return file == NULL;
}

static int tear_down(void **state)
{
    mtev_log_stream_close(file);
    mtev_log_stream_remove("rotated");
    clock_source.gettime = clock_gettime;
    return folder_tear_down(state);
}

static void flush(void)
{
    assert_int_equal(log_flush(SAID_LONG_NS), 0);
}

/* Say lines of 1 KiB with these numbers. */
static void say_from(int first, int last)
{
    for (int i = first; i <= last; i++)
        mtevL(file, "%01023d\n", i);
}

static int next_number; /* that is to come */
static char rotated_name[32];

static void check_numbers(const char *name)
{
    static char text[262144];
    int fd = open(folder_path(name), O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    assert_int_equal(len % 1024, 0);
    for (ssize_t at = 0; at < len; at += 1024) {
        assert_int_equal(strtol(text + at, NULL, 10), next_number++);
        assert_int_equal(text[at + 1023], '\n');
    }
}

static void note_rotated(const char *name)
{
    if (strcmp(name, "log") != 0)
        snprintf(rotated_name, sizeof(rotated_name), "%.31s", name);
}

static void a_full_file_is_rotated_at_the_end_of_a_line(void **state)
{
    mtev_log_stream_set_property(file, "rotate_bytes", "102400");
    say_from(0, 98);
    flush();
    assert_int_equal(mtev_log_stream_size(file), 99 * 1024);
    assert_int_equal(folder_each(note_rotated), 1);
}

static void nothing_is_lost_when_a_file_is_rotated(void **state)
{
    mtev_log_stream_set_property(file, "rotate_bytes", "102400");
    say_from(0, 99);
    flush();
    assert_int_equal(folder_each(note_rotated), 2);
    assert_int_equal(mtev_log_stream_size(file), 0);
    say_from(100, 120);
    flush();
    next_number = 0;
    check_numbers(rotated_name);
    assert_int_equal(next_number, 100);
    check_numbers("log");
    assert_int_equal(next_number, 121);
    assert_int_equal(mtev_log_stream_written(file), 121 * 1024);
}

static void an_old_file_is_rotated_unless_it_is_empty(void **state)
{
    mtev_log_stream_set_property(file, "rotate_seconds", "600");
    ahead_s = 10000;
    flush();
    assert_int_equal(folder_each(note_rotated), 1);
    ahead_s = 0;
    say_from(0, 0);
    flush();
    assert_int_equal(folder_each(note_rotated), 1);
    ahead_s = 590;
    flush();
    assert_int_equal(folder_each(note_rotated), 1);
    ahead_s = 610;
    flush();
    assert_int_equal(folder_each(note_rotated), 2);
    next_number = 0;
    check_numbers(rotated_name);
    assert_int_equal(next_number, 1);
    assert_int_equal(mtev_log_stream_size(file), 0);
}

static void a_file_that_somebody_else_moved_is_not_renamed(void **state)
{
    mtev_log_stream_set_property(file, "rotate_bytes", "102400");
    say_from(0, 50);
    flush();
    assert_int_equal(rename(folder_path("log"), folder_path("moved")), 0);
    say_from(51, 99);
    flush();
    assert_int_equal(folder_each(note_rotated), 2);
    next_number = 0;
    check_numbers("moved");
    assert_int_equal(next_number, 100);
}

static void what_cannot_be_rotated_is_told(void **state)
{
    assert_int_equal(mkdir(folder_path("sub"), 0700), 0);
    mtev_log_stream_t other =
        mtev_log_stream_new("unrotatable", "file", folder_path("sub/log"), NULL, NULL);
    mtev_log_stream_set_property(other, "rotate_bytes", "102400");
    assert_int_equal(rename(folder_path("sub"), folder_path("away")), 0);
    for (int i = 0; i < 100; i++)
        mtevL(other, "%01023d\n", i);
    flush();
    mtevL(other, "more\n");
    flush();
    int fd = open(folder_path("away/log"), O_RDONLY | O_CLOEXEC);
    char text[256] = "";
    assert_true(pread(fd, text, sizeof(text) - 1, 102400) > 0);
    assert_string_equal(text,
                        "[log: the file cannot be rotated: No such file or directory]\nmore\n");
    close(fd);
    mtev_log_stream_close(other);
    unlink(folder_path("away/log"));
    rmdir(folder_path("away"));
}

/* Make a file that was rotated age seconds ago. */
static void make_old(uint64_t age_s, size_t size)
{
    char name[64];
    snprintf(name, sizeof(name), "log.%llu",
             (unsigned long long)(clock_wall_ns() / CLOCK_NS_PER_S - age_s));
    int fd = open(folder_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void make_all(void)
{
    static const char *const others[] = {"log.x", "log.12x",         "log.",    "log.999999999",
                                         "log.1", "log.01000000000", "other.1", "logs.1"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        close(open(folder_path(others[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    make_old(50, 100);
    make_old(150, 100);
    make_old(250, 100);
    make_old(350, 100);
    assert_int_equal(folder_each(note_rotated), 13);
}

static void what_is_too_old_or_too_much_is_removed(void **state)
{
    make_all();
    assert_int_equal(mtev_log_stream_cull(file, -1, -1), 0);
    assert_int_equal(folder_each(note_rotated), 13);
    assert_int_equal(mtev_log_stream_cull(file, 300, -1), 0);
    assert_int_equal(folder_each(note_rotated), 12);
    assert_int_equal(mtev_log_stream_cull(file, -1, 250), 0);
    assert_int_equal(folder_each(note_rotated), 11);
    assert_int_equal(mtev_log_stream_cull(file, 100, 0), 0);
    assert_int_equal(folder_each(note_rotated), 9);
}

static void a_rotation_removes_what_is_not_retained(void **state)
{
    make_all();
    mtev_log_stream_set_property(file, "rotate_bytes", "102400");
    mtev_log_stream_set_property(file, "retain_seconds", "200");
    say_from(0, 99);
    flush();
    assert_int_equal(folder_each(note_rotated), 12);
    mtev_log_stream_set_property(file, "retain_seconds", NULL);
    mtev_log_stream_set_property(file, "retain_bytes", "102500");
    say_from(0, 99);
    flush();
    assert_int_equal(folder_each(note_rotated), 10); /* the newest alone */
}

static void a_file_may_be_renamed(void **state)
{
    mtevL(file, "old\n");
    flush();
    assert_int_equal(mtev_log_stream_rename(file, folder_path("else")), 0);
    assert_int_equal(mtev_log_stream_reopen(file), 0);
    mtevL(file, "new\n");
    assert_string_equal(file_text(folder_path("log")), "new\n");
    assert_string_equal(file_text(folder_path("else")), "old\n");
    assert_int_equal(mtev_log_stream_rename(file, MTEV_LOG_RENAME_AUTOTIME), 0);
    assert_int_equal(mtev_log_stream_reopen(file), 0);
    assert_int_equal(mtev_log_stream_rename(file, MTEV_LOG_RENAME_AUTOTIME), 0); /* same second */
    assert_int_equal(folder_each(note_rotated), 3);
    assert_int_equal(mtev_log_stream_rename(mtev_stderr, "x"), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mtev_log_stream_cull(NULL, 1, 1), -1);
    assert_int_equal(mtev_log_stream_size(mtev_notice), 0);
    assert_int_equal(mtev_log_stream_written(NULL), 0);
}

/* ---- all at the same time -------------------------------------------------------- */

enum {
    TALKERS = 4,
    LINES_EACH = 1500,
    LINE_LEN = 128
};

static unsigned char times_seen[TALKERS * LINES_EACH];
static _Atomic int talking;

static void *talk(void *closure)
{
    const int first = (int)(intptr_t)closure * LINES_EACH;
    for (int i = first; i < first + LINES_EACH; i++)
        mtevL(file, "%0*d\n", LINE_LEN - 1, i);
    atomic_fetch_sub(&talking, 1);
    return NULL;
}

static void see_lines(const char *name)
{
    char line[LINE_LEN + 2];
    FILE *lines = fopen(folder_path(name), "re");
    assert_non_null(lines);
    while (fgets(line, sizeof(line), lines) != NULL) {
        long number = strtol(line, NULL, 10);
        assert_int_equal(strlen(line), LINE_LEN);
        assert_in_range(number, 0, TALKERS * LINES_EACH - 1);
        times_seen[number]++;
    }
    fclose(lines);
}

static void a_storm_of_reopening_loses_and_doubles_nothing(void **state)
{
    pthread_t threads[TALKERS];
    mtev_log_stream_set_property(file, "rotate_bytes", "102400");
    atomic_store(&talking, TALKERS);
    for (intptr_t i = 0; i < TALKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, (void *)i), 0);
    while (atomic_load(&talking) > 0) {
        assert_int_equal(mtev_log_reopen_all(), 0);
        if (folder_each(note_rotated) < 50)
            (void)mtev_log_stream_rename(file, MTEV_LOG_RENAME_AUTOTIME); /* or it is not there */
    }
    for (size_t i = 0; i < TALKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    flush();
    assert_true(folder_each(see_lines) > 1);
    for (size_t i = 0; i < sizeof(times_seen); i++)
        assert_int_equal(times_seen[i], 1);
    assert_int_equal(log_stream_lost(file), 0);
}

static void repeated_lines_are_folded(void **state)
{
    mtev_log_stream_set_property(file, "dedup_seconds", "86400");
    for (int i = 0; i < 4; i++)
        mtevL(file, "same\n");
    mtevL(file, "other\n");
    mtevL(file, "other\n");
    mtevEL(file, MLKV(MLKV_NUM("n", 1), MLKV_END), "other\n");
    assert_string_equal(file_text(folder_path("log")),
                        "same\n[log: last message repeated 3 times]\nother\n"
                        "[log: last message repeated 1 time]\nother n=1\n");
    assert_int_equal(mtev_log_stream_set_format(file, MTEV_LOG_FORMAT_JSON), 0);
    mtevEL(file, MLKV(MLKV_NUM("n", 1), MLKV_END), "other\n");
    mtevL(file, "end\n");
    const char *at = strstr(file_text(folder_path("log")), "other n=1\n{");
    assert_non_null(at);
    assert_non_null(strstr(at, "\"facility\":\"log\""));
    assert_non_null(strstr(at, "\"message\":\"last message repeated 1 time\"}\n{"));
}

static void say_twice(mtev_log_stream_t ls)
{
    mtevL(ls, "same\n");
    mtevL(ls, "same\n");
}

static void folding_is_told_at_the_end(void **state)
{
    static const char *const types[] = {"file", "file_synch"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const char *path = folder_path(types[i]);
        mtev_log_stream_t other = mtev_log_stream_new("folded", types[i], path, NULL, NULL);
        mtev_log_stream_set_property(other, "dedup_seconds", "86400");
        say_twice(other);
        assert_int_equal(log_flush(SAID_LONG_NS), 0);
        say_twice(other); /* is not more of the same: that was told */
        log_emergency_flush();
        say_twice(other);
        mtev_log_stream_close(other);
        assert_string_equal(file_text(folder_path(types[i])),
                            "same\n[log: last message repeated 1 time]\n"
                            "same\n[log: last message repeated 1 time]\n"
                            "same\n[log: last message repeated 1 time]\n");
    }
}

static void folding_is_told_in_time(void **state)
{
    int fds[2];
    char path[64], text[128] = "";
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
    mtev_log_stream_t other = mtev_log_stream_new("folded", "file_synch", path, NULL, NULL);
    mtev_log_stream_set_property(other, "dedup_seconds", "1");
    for (int i = 0; i < 3; i++)
        mtevL(other, "same\n");
    assert_int_equal(read(fds[0], text, sizeof(text)), 5);
    assert_true(read(fds[0], text, sizeof(text)) > 0); /* waits for it */
    assert_string_equal(text, "[log: last message repeated 2 times]\n");
    mtev_log_stream_close(other);
    close(fds[0]);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(a_full_file_is_rotated_at_the_end_of_a_line),
    TEST(nothing_is_lost_when_a_file_is_rotated),
    TEST(an_old_file_is_rotated_unless_it_is_empty),
    TEST(a_file_that_somebody_else_moved_is_not_renamed),
    TEST(what_cannot_be_rotated_is_told),
    TEST(what_is_too_old_or_too_much_is_removed),
    TEST(a_rotation_removes_what_is_not_retained),
    TEST(a_file_may_be_renamed),
    TEST(a_storm_of_reopening_loses_and_doubles_nothing),
    TEST(repeated_lines_are_folded),
    TEST(folding_is_told_at_the_end),
    TEST(folding_is_told_in_time),
};
HARNESS_MAIN(tests)
