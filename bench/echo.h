/* SPDX-License-Identifier: MIT */
/*
 * echo.h - what the echo servers share: each is `NAME PORT`, sends back what it receives on
 * 127.0.0.1:PORT, and has one thread if nothing else is said.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include "loopback.h"

#include <stdbool.h>
#include <unistd.h>

#define BUFFER_SIZE 512 /* more than a message has: what comes short has emptied the socket */

/* End the server with status 2 unless is_true. */
static inline void require(bool is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "bench: failed: %s\n", what);
        _exit(2);
    }
}

static inline const char *port_of(int argc, char **argv)
{
    require(argc > 1, "usage: PORT");
    return argv[1];
}

#endif
