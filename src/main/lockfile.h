/* SPDX-License-Identifier: MIT */
/*
 * lockfile.h - one process at a time, which one that is, and how it is told to end.
 *
 * Layer: main.  Source: F_OFD_SETLK in fcntl(2): unlike with flock(2) one can look without locking,
 * and so never be in the way of somebody who does.
 */
#ifndef EVENTER_MAIN_LOCKFILE_H
#define EVENTER_MAIN_LOCKFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Make the file path if it is not there, lock it and make it empty; waits: for as long as another
 * process holds it.  Gives the fd in *out: the lock lasts until it, and what fork(2) made of it, is
 * closed.  Returns 0, -EWOULDBLOCK (held, and not waits) or as open(2), fcntl(2), ftruncate(2).
 */
int lockfile_take(const char *path, bool waits, int *out);

/* Write the calling process's id into the locked file.  Returns 0 or as ftruncate(2), pwrite(2). */
int lockfile_sign(int fd);

/*
 * Give the id of the process that holds the lock on path.  Returns 0; -ESRCH if nobody does, or
 * whoever does has not written it yet; or as open(2).
 */
int lockfile_holder(const char *path, pid_t *out);

/*
 * Tell the process that holds the lock on path to end (SIGTERM), wait until it has, and give its id
 * in *out.  Returns 0; as lockfile_holder(); -ETIMEDOUT if it has not ended after patience_ns; or,
 * logged like that, what the kernel says.
 */
int lockfile_end_holder(const char *path, uint64_t patience_ns, pid_t *out);

#endif
