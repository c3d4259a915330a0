/* SPDX-License-Identifier: MIT */
/*
 * Goal: an outlet that cannot take a line loses no more than it must, counts it, and tells of it
 * before the next line that gets through; an interruption loses nothing.
 * Method: a pipe that is full or half full, /dev/full, a limit on the size of files, and a signal
 * while the write blocks.
 */
#include "harness.h"

#include "log/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 65536

static int write_text(struct outlet *o, const char *text)
{
    char copy[256];
    size_t len = strlen(text);
    assert_true(len < sizeof(copy));
    memcpy(copy, text, len);
    const struct iovec pieces[] = {{copy, len / 2}, {copy + len / 2, len - len / 2}};
    return outlet_write(o, pieces, 2);
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

/* Make an outlet on the writing end of a pipe. */
static void open_pipe(int fds[2], struct outlet *out)
{
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    memset(out, 0, sizeof(*out));
    assert_int_equal(outlet_open(out, &outlet_descriptor, NULL, fds[1]), 0);
}

static void close_pipe(int fds[2], struct outlet *o)
{
    outlet_close(o);
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

static void writes_the_pieces_as_one(void **state)
{
    int fds[2];
    struct outlet o;
    open_pipe(fds, &o);
    assert_int_equal(write_text(&o, "a line\n"), 0);
    assert_reads(fds[0], "a line\n");
    close_pipe(fds, &o);
}

static void a_full_pipe_loses_lines_and_tells_how_many(void **state)
{
    int fds[2];
    struct outlet o;
    open_pipe(fds, &o);
    size_t filled = fill(fds[1]);
    assert_int_equal(write_text(&o, "lost\n"), -EAGAIN);
    assert_true(o.stalled);
    assert_int_equal(write_text(&o, "lost too\n"), -EAGAIN);
    assert_int_equal(outlet_lost(&o), 2);
    drain(fds[0], filled);
    assert_int_equal(write_text(&o, "through\n"), 0);
    assert_int_equal(write_text(&o, "again\n"), 0);
    assert_false(o.stalled);
    assert_reads(fds[0], "[log: 2 lines lost, the last for: Resource temporarily unavailable]\n"
                         "through\nagain\n");
    close_pipe(fds, &o);
}

static _Atomic int signals_seen;

static int draining_fd;

static void on_alarm(int number)
{
    char junk[4096];
    (void)number;
    if (read(draining_fd, junk, sizeof(junk)) > 0)
        atomic_fetch_add(&signals_seen, 1);
}

static void a_pipe_that_drains_in_time_loses_nothing(void **state)
{
    int fds[2];
    struct outlet o;
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigaction before;
    const struct itimerval soon = {.it_value = {.tv_usec = 1000}};
    open_pipe(fds, &o);
    size_t filled = fill(fds[1]);
    draining_fd = fds[0];
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    /* The alarm comes before the write or during the wait: on this thread, so never after it. */
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_int_equal(write_text(&o, "patient\n"), 0);
    assert_int_equal(atomic_exchange(&signals_seen, 0), 1);
    assert_int_equal(outlet_lost(&o), 0);
    drain(fds[0], filled - 4096);
    assert_reads(fds[0], "patient\n");
    sigaction(SIGALRM, &before, NULL);
    close_pipe(fds, &o);
}

static void a_torn_line_is_ended_before_the_next(void **state)
{
    char path[] = "/tmp/test_outlet.XXXXXX";
    char text[256] = "";
    struct rlimit before;
    struct outlet o = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(outlet_open(&o, &outlet_file, path, -1), 0);
    const struct rlimit ten = {10, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &ten), 0);
    int first = write_text(&o, "0123456789abcdef\n");
    int second = write_text(&o, "nothing of this\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(first, -EFBIG);
    assert_int_equal(second, -EFBIG);
    assert_int_equal(write_text(&o, "whole\n"), 0);
    assert_int_equal(outlet_lost(&o), 2);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text,
                        "0123456789\n[log: 2 lines lost, the last for: File too large]\nwhole\n");
    outlet_close(&o);
    close(fd);
    unlink(path);
}

static void a_full_disk_is_an_error_that_is_counted(void **state)
{
    struct outlet o = {0};
    assert_int_equal(outlet_open(&o, &outlet_file, "/dev/full", -1), 0);
    assert_int_equal(write_text(&o, "lost\n"), -ENOSPC);
    assert_int_equal(outlet_lost(&o), 1);
    outlet_close(&o);
}

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
}

struct blocked {
    struct outlet o;
    int err;
};

static void *write_blocked(void *closure)
{
    struct blocked *b = closure;
    b->err = write_text(&b->o, "through\n");
    return NULL;
}

static void an_interrupted_write_goes_on(void **state)
{
    int fds[2];
    struct blocked b = {.err = -1};
    pthread_t writer;
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: write(2) gives EINTR */
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    open_pipe(fds, &b.o);
    size_t filled = fill(fds[1]);
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0); /* blocks from here on */
    assert_int_equal(pthread_create(&writer, NULL, write_blocked, &b), 0);
    while (atomic_load(&signals_seen) < 3) {
        pthread_kill(writer, SIGUSR1);
        sched_yield();
    }
    drain(fds[0], filled);
    pthread_join(writer, NULL);
    assert_int_equal(b.err, 0);
    assert_int_equal(outlet_lost(&b.o), 0);
    assert_reads(fds[0], "through\n");
    close_pipe(fds, &b.o);
    sigaction(SIGUSR1, &before, NULL);
}

static void a_closed_descriptor_is_an_error_that_is_counted(void **state)
{
    int fds[2];
    struct outlet o = {0};
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(outlet_open(&o, &outlet_descriptor, NULL, fds[0]), 0); /* cannot be written */
    assert_int_equal(write_text(&o, "lost\n"), -EBADF);
    assert_int_equal(outlet_lost(&o), 1);
    outlet_close(&o);
    close(fds[0]);
    close(fds[1]);
}

static void a_file_that_cannot_be_opened_leaves_the_outlet_as_it_was(void **state)
{
    int fds[2];
    struct outlet o;
    open_pipe(fds, &o);
    assert_int_equal(outlet_open(&o, &outlet_file, "/nowhere/at/all", -1), -ENOENT);
    assert_int_equal(outlet_open(&o, &outlet_file, "/tmp", -1), -EISDIR);
    assert_int_equal(write_text(&o, "still here\n"), 0);
    assert_reads(fds[0], "still here\n");
    close_pipe(fds, &o);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(writes_the_pieces_as_one),
    cmocka_unit_test(a_full_pipe_loses_lines_and_tells_how_many),
    cmocka_unit_test(a_pipe_that_drains_in_time_loses_nothing),
    cmocka_unit_test(a_torn_line_is_ended_before_the_next),
    cmocka_unit_test(a_full_disk_is_an_error_that_is_counted),
    cmocka_unit_test(an_interrupted_write_goes_on),
    cmocka_unit_test(a_closed_descriptor_is_an_error_that_is_counted),
    cmocka_unit_test(a_file_that_cannot_be_opened_leaves_the_outlet_as_it_was),
};
HARNESS_MAIN(tests)
