/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz programs share.
 *
 * fuzz_NAME.c takes one input, of any bytes.  replay.c gives it those of corpus/NAME; libFuzzer,
 * where it was asked for (-Dfuzz=true), makes more of them.  An input for which a program ends
 * otherwise than by returning has found a defect.
 */
#ifndef EVENTER_FUZZ_H
#define EVENTER_FUZZ_H

#include <mtev_log.h>

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* End the program unless condition holds, whatever the build makes of assert(). */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* Take one input: size bytes, borrowed.  Returns 0.  The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Return a block of exactly len bytes, copied, so that a read past them is seen; free() it. */
static inline char *fuzz_copy(const uint8_t *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    REQUIRE(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* Return how many lines mtev_error got since the last call; the first call begins to listen. */
static inline size_t fuzz_lines_logged(void)
{
    static int fds[2] = {-1, -1};
    static char text[65536];
    size_t lines = 0;
    ssize_t len;
    if (fds[0] == -1) {
        REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
        REQUIRE(mtev_log_stream_new_on_fd("error", fds[1], NULL) != NULL);
    }
    while ((len = read(fds[0], text, sizeof(text))) > 0)
        for (ssize_t i = 0; i < len; i++)
            lines += text[i] == '\n';
    return lines;
}

#endif
