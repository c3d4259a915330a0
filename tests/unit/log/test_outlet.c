/* SPDX-License-Identifier: MIT */
/*
 * Goal: an outlet that cannot take a line keeps it as long as there is room, loses no more than it
 * must, counts that, and tells of it before the next line that gets through; nobody waits for a
 * slow reader; no line is torn.
 * Method: a pipe that is full or half full, /dev/full, a limit on the size of files, and a broken
 * pipe.
 */
#include "harness.h"

#include "base/clock.h"
#include "log/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_SIZE 65536
#define LONG_NS   (30 * CLOCK_NS_PER_S)

static const struct outlet_settings small_queue = {.queue_bytes = RING_BYTES_MIN};

static int say(struct outlet *o, const char *text)
{
    static char scratch[LINE_MAX_BYTES];
    const struct log_line line = {
        .facility = "test", .file = "test_outlet.c", .text = text, .len = strlen(text)};
    return outlet_say(o, &line, 0, scratch);
}

static int flush(struct outlet *o)
{
    return outlet_flush(o, clock_mono_ns() + LONG_NS);
}

/* Fill the non-blocking pipe to the last byte.  Returns how many there were. */
static size_t fill(int fd)
{
    char junk[4096];
    size_t filled = 0;
    memset(junk, '.', sizeof(junk));
    for (size_t len = sizeof(junk); len > 0; len /= 2) {
        ssize_t result;
        while ((result = write(fd, junk, len)) > 0)
            filled += (size_t)result;
    }
    return filled;
}

static void drain(int fd, size_t len)
{
    char junk[4096];
    while (len > 0) {
        ssize_t result = read(fd, junk, len < sizeof(junk) ? len : sizeof(junk));
        assert_true(result > 0);
        len -= (size_t)result;
    }
}

/* Make an outlet on the writing end of a pipe, which blocks, as standard error may. */
static struct outlet *open_pipe(int fds[2], const struct outlet_settings *settings)
{
    struct outlet *o = NULL;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(outlet_new(&outlet_descriptor, NULL, fds[1], NULL, settings, &o), 0);
    return o;
}

static void close_pipe(int fds[2], struct outlet *o)
{
    outlet_end(o);
    close(fds[0]);
    close(fds[1]);
}

static void assert_reads(int fd, const char *wanted)
{
    char text[TEXT_SIZE];
    ssize_t len = read(fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    assert_string_equal(text, wanted);
}

static void a_line_is_written_at_once(void **state)
{
    int fds[2];
    struct outlet *o = open_pipe(fds, &small_queue);
    assert_int_equal(say(o, "a line\n"), 0);
    assert_reads(fds[0], "a line\n");
    assert_int_equal(atomic_load(&o->writer), OUTLET_WRITER_NONE);
    close_pipe(fds, o);
}

static void a_blocked_reader_blocks_nobody_and_loses_nothing(void **state)
{
    int fds[2];
    struct outlet *o = open_pipe(fds, &small_queue);
    size_t filled = fill(fds[1]);
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0); /* a write would block from here on */
    assert_int_equal(say(o, "first\n"), 0);
    assert_int_equal(say(o, "second\n"), 0);
    drain(fds[0], filled);
    assert_int_equal(say(o, "third\n"), 0);
    assert_int_equal(flush(o), 0);
    assert_int_equal(atomic_load(&o->lost), 0);
    assert_reads(fds[0], "first\nsecond\nthird\n");
    close_pipe(fds, o);
}

/* Say lines until one is lost.  Returns how many were not. */
static unsigned fill_queue(struct outlet *o, const char *text)
{
    unsigned said = 0;
    while (say(o, text) == 0)
        said++;
    return said;
}

static void a_full_queue_loses_lines_and_tells_how_many(void **state)
{
    static char text[TEXT_SIZE + 4096];
    int fds[2];
    struct outlet *o = open_pipe(fds, &small_queue);
    size_t filled = fill(fds[1]), len = 0;
    unsigned kept = fill_queue(o, "0123456789 is kept or lost\n");
    assert_true(kept > RING_BYTES_MIN / 64 - 2 && kept <= RING_BYTES_MIN / 64 + 1);
    assert_int_equal(say(o, "0123456789 is kept or lost\n"), -ENOBUFS);
    assert_int_equal(atomic_load(&o->lost), 2);
    drain(fds[0], filled);
    assert_int_equal(flush(o), 0);
    assert_int_equal(say(o, "through\n"), 0);
    ssize_t count;
    while ((count = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)count;
    text[len] = '\0';
    const char *notice =
        strstr(text, "[log: 2 lines lost, the last for: No buffer space available]\n");
    assert_non_null(notice);
    assert_int_equal(notice - text, kept * strlen("0123456789 is kept or lost\n"));
    assert_string_equal(strchr(notice, '\n') + 1, "through\n");
    close_pipe(fds, o);
}

/* Let no file grow past ten bytes.  Returns the limit of before, to be given to setrlimit(2). */
static struct rlimit limit_files(void)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, before.rlim_max}), 0);
    return before;
}

static void a_torn_line_is_ended_before_the_next(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[256] = "";
    struct outlet *o = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(outlet_new(&outlet_file_synch, path, -1, NULL, &small_queue, &o), 0);
    const struct rlimit before = limit_files();
    int first = say(o, "0123456789abcdef\n");
    int second = say(o, "nothing of this\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(first, -EFBIG);
    assert_int_equal(second, -EFBIG);
    assert_int_equal(say(o, "whole\n"), 0);
    assert_int_equal(atomic_load(&o->lost), 2);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text,
                        "0123456789\n[log: 2 lines lost, the last for: File too large]\nwhole\n");
    outlet_end(o);
    close(fd);
    unlink(path);
}

static void a_full_disk_keeps_what_a_queue_holds_and_goes_on_in_the_middle(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[256] = "";
    struct outlet *o = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    const struct rlimit before = limit_files();
    assert_int_equal(say(o, "0123456789abcdef\n"), 0);
    assert_int_equal(say(o, "and all of this\n"), 0);
    assert_int_equal(outlet_flush(o, clock_mono_ns() + CLOCK_NS_PER_MS), -EAGAIN);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) <= 10);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(flush(o), 0);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, "0123456789abcdef\nand all of this\n");
    assert_int_equal(atomic_load(&o->lost), 0);
    outlet_end(o);
    close(fd);
    unlink(path);
}

static void a_full_disk_is_an_error_that_is_counted(void **state)
{
    struct outlet *o = NULL;
    assert_int_equal(outlet_new(&outlet_file_synch, "/dev/full", -1, NULL, &small_queue, &o), 0);
    assert_int_equal(say(o, "lost\n"), -ENOSPC);
    assert_int_equal(atomic_load(&o->lost), 1);
    outlet_end(o);
}

static void a_broken_pipe_is_an_error_that_is_counted(void **state)
{
    int fds[2];
    struct outlet *o = open_pipe(fds, &small_queue);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    close(fds[0]);
    assert_int_equal(say(o, "lost\n"), -EPIPE);
    assert_int_equal(atomic_load(&o->lost), 1);
    outlet_end(o);
    close(fds[1]);
    signal(SIGPIPE, before);
}

static void a_socket_is_written_to_without_waiting(void **state)
{
    int fds[2];
    struct outlet *o = NULL;
    harness_socketpair(fds);
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
    assert_int_equal(outlet_new(&outlet_descriptor, NULL, fds[1], NULL, &small_queue, &o), 0);
    assert_true(fill_queue(o, "0123456789\n") > RING_BYTES_MIN / 64);
    close(fds[0]);
    assert_int_equal(say(o, "lost, and no signal\n"), -ENOBUFS);
    outlet_end(o);
    close(fds[1]);
}

static void a_closed_descriptor_is_an_error_that_is_counted(void **state)
{
    int fds[2];
    struct outlet *o = NULL;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(outlet_new(&outlet_descriptor, NULL, fds[0], NULL, &small_queue, &o), 0);
    assert_int_equal(say(o, "lost\n"), -EBADF); /* it cannot be written */
    assert_int_equal(atomic_load(&o->lost), 1);
    outlet_end(o);
    close(fds[0]);
    close(fds[1]);
}

static void a_file_that_cannot_be_opened_is_no_outlet(void **state)
{
    struct outlet *o = NULL;
    assert_int_equal(outlet_new(&outlet_file, "/nowhere/at/all", -1, NULL, &small_queue, &o),
                     -ENOENT);
    assert_int_equal(outlet_new(&outlet_file, "/tmp", -1, NULL, &small_queue, &o), -EISDIR);
    assert_null(o);
}

static void files_are_readable_by_their_owner_alone(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    struct outlet *o = NULL;
    struct stat found;
    mode_t before = umask(0);
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    outlet_end(o);
    unlink(path);
    umask(before);
}

static void the_end_of_an_outlet_writes_what_waits(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[4096] = "";
    struct outlet *o = NULL;
    int fd = mkstemp(path);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(say(o, "a line\n"), 0);
    outlet_end(o);
    assert_int_equal(pread(fd, text, sizeof(text), 0), 700);
    close(fd);
    unlink(path);
}

static void the_writer_writes_without_being_asked(void **state)
{
    int fds[2];
    char path[64];
    char text[16] = "";
    struct outlet *o = NULL;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    assert_int_equal(say(o, "by itself\n"), 0);
    assert_int_equal(read(fds[0], text, sizeof(text)), 10); /* waits for it */
    assert_string_equal(text, "by itself\n");
    outlet_end(o);
    close(fds[0]);
    close(fds[1]);
}

static int no_thread(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return EAGAIN;
}

static void without_a_thread_lines_are_written_by_who_says_them(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[64] = "";
    struct outlet *o = NULL;
    const struct thread_ops before = thread_ops;
    int fd = mkstemp(path);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    thread_ops.create = no_thread;
    int err = say(o, "now\n");
    thread_ops = before;
    assert_int_equal(err, 0);
    assert_int_equal(pread(fd, text, sizeof(text), 0), 4);
    assert_int_equal(atomic_load(&o->writer), OUTLET_WRITER_NONE);
    outlet_end(o);
    close(fd);
    unlink(path);
}

static int say_in_handler(struct outlet *o, const char *text)
{
    static char scratch[LINE_MAX_BYTES];
    const struct log_line line = {
        .facility = "test", .file = "test_outlet.c", .text = text, .len = strlen(text)};
    return outlet_say_in_handler(o, &line, 0, scratch);
}

static void a_handler_does_not_wait_for_whom_it_interrupted(void **state)
{
    int fds[2];
    struct outlet *o = open_pipe(fds, &small_queue);
    assert_int_equal(say_in_handler(o, "free\n"), 0);
    assert_false(atomic_load(&o->is_stuck));
    pthread_mutex_lock(&o->lock);
    assert_int_equal(say_in_handler(o, "held\n"), 0);
    assert_true(atomic_load(&o->is_stuck));
    uint64_t before_ns = clock_mono_ns();
    for (int i = 0; i < 1000; i++) /* each waited for would be 100 s */
        assert_int_equal(say_in_handler(o, "."), 0);
    assert_true(clock_mono_ns() - before_ns < LONG_NS);
    pthread_mutex_unlock(&o->lock);
    assert_int_equal(say(o, "go on\n"), 0);
    assert_false(atomic_load(&o->is_stuck));
    char text[TEXT_SIZE];
    ssize_t len = read(fds[0], text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    assert_int_equal(len, 5 + 5 + 1000 + 6);
    assert_int_equal(strncmp(text, "free\nheld\n...", 13), 0);
    assert_string_equal(text + 1010, "go on\n");
    close_pipe(fds, o);
}

static void all_at_once_means_after_all_that_waits(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[64] = "";
    struct outlet *o = NULL;
    int fd = mkstemp(path);
    assert_int_equal(outlet_new(&outlet_file, path, -1, NULL, &small_queue, &o), 0);
    assert_int_equal(say(o, "one\n"), 0);
    outlet_all_at_once(true);
    assert_int_equal(say(o, "two\n"), 0);
    outlet_all_at_once(false);
    assert_true(pread(fd, text, sizeof(text), 0) > 0);
    assert_string_equal(text, "one\ntwo\n");
    outlet_end(o);
    close(fd);
    unlink(path);
}

static const struct CMUnitTest tests[] = {
    /* before there is any thread */
    cmocka_unit_test(without_a_thread_lines_are_written_by_who_says_them),
    cmocka_unit_test(a_line_is_written_at_once),
    cmocka_unit_test(a_blocked_reader_blocks_nobody_and_loses_nothing),
    cmocka_unit_test(a_full_queue_loses_lines_and_tells_how_many),
    cmocka_unit_test(a_torn_line_is_ended_before_the_next),
    cmocka_unit_test(a_full_disk_keeps_what_a_queue_holds_and_goes_on_in_the_middle),
    cmocka_unit_test(a_full_disk_is_an_error_that_is_counted),
    cmocka_unit_test(a_broken_pipe_is_an_error_that_is_counted),
    cmocka_unit_test(a_socket_is_written_to_without_waiting),
    cmocka_unit_test(a_closed_descriptor_is_an_error_that_is_counted),
    cmocka_unit_test(a_file_that_cannot_be_opened_is_no_outlet),
    cmocka_unit_test(files_are_readable_by_their_owner_alone),
    cmocka_unit_test(the_end_of_an_outlet_writes_what_waits),
    cmocka_unit_test(the_writer_writes_without_being_asked),
    cmocka_unit_test(all_at_once_means_after_all_that_waits),
    cmocka_unit_test(a_handler_does_not_wait_for_whom_it_interrupted),
};
HARNESS_MAIN(tests)
