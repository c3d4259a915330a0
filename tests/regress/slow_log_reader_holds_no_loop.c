/* SPDX-License-Identifier: MIT */
/*
 * Defect: a loop that said a line to a pipe whose reader had stopped stood still for 50 ms, or for
 * ever if the pipe was one that blocks, as standard error may be.
 * Method: a loop says far more than a pipe takes before anybody reads; the lines are all there when
 * somebody does.
 * Shown red: have write_pipe() of log/file.c not ask poll(2).
 */
#include "in_loop.h"

#include <mtev_log.h>

#include <fcntl.h>

#define LINE_COUNT 5000 /* of 32 bytes, more than the 64 KiB of a pipe */

static mtev_log_stream_t stream;

static void say_lines(void *closure)
{
    for (int i = 0; i < LINE_COUNT; i++)
        mtevL(stream, "%031d\n", i);
}

static void a_loop_goes_on_while_nobody_reads(void **state)
{
    int fds[2];
    char line[33] = "";
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0); /* it blocks */
    stream = mtev_log_stream_new_on_fd("slow", fds[1], NULL);
    assert_non_null(stream);
    in_loop(0, say_lines, NULL);
    for (int i = 0; i < LINE_COUNT; i++) {
        for (size_t len = 0; len < 32;) {
            ssize_t count = read(fds[0], line + len, 32 - len);
            assert_true(count > 0);
            len += (size_t)count;
        }
        assert_int_equal(strtol(line, NULL, 10), i);
    }
    mtev_log_stream_close(stream);
    close(fds[0]);
    close(fds[1]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_loop_goes_on_while_nobody_reads),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
