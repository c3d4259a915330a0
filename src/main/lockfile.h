/* SPDX-License-Identifier: MIT */
/*
 * lockfile.h - one process at a time.
 *
 * Layer: main.  Source: flock(2).
 */
#ifndef EVENTER_MAIN_LOCKFILE_H
#define EVENTER_MAIN_LOCKFILE_H

#include <stdbool.h>

/*
 * Make the file path if it is not there and lock it; waits: for as long as another process holds
 * it. Gives the fd in *out: the lock lasts until it is closed.  Returns 0, -EWOULDBLOCK (held, and
 * not waits) or as open(2) and flock(2).
 */
int lockfile_take(const char *path, bool waits, int *out);

#endif
