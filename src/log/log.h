/* SPDX-License-Identifier: MIT */
/*
 * log.h - what higher layers may ask of the log beyond mtev_log.h.
 *
 * Layer: log (uses base only).  Any thread; never yields.
 */
#ifndef EVENTER_LOG_LOG_H
#define EVENTER_LOG_LOG_H

#include "mtev_log.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_STREAMS_MAX  1024 /* streams in a process */
#define LOG_MATERIAL_MAX 64   /* streams that are a file or a descriptor; one bit each */
#define LOG_OUTLETS_MAX  16   /* outlets a stream has itself */
#define LOG_NAME_MAX     511  /* bytes in the name of a stream */
#define LOG_MESSAGE_MAX  3840 /* bytes of a message, after which it is cut */
#define LOG_PREFIX_MAX   256  /* bytes of what is put before a message */
#define LOG_NESTING_MAX  4    /* lines that are said while one is on its way to an outlet */

/* A line that a pipe takes in one piece cannot be mixed with another process's. */
static_assert(LOG_MESSAGE_MAX + LOG_PREFIX_MAX <= PIPE_BUF, "a line must fit an atomic write");

/*
 * Find the stream of that name (NUL-terminated) or make it, as mtev_log_stream_find() does.
 * Returns 0, -ENAMETOOLONG, -ENOSPC (LOG_STREAMS_MAX) or -ENOMEM.
 */
int log_stream_get(const char *name, mtev_log_stream_t *out);

/*
 * Replace the outlets of ls by the count streams at chosen, in one step: no line is lost between.
 * Returns 0, or -ENOSPC (LOG_OUTLETS_MAX).
 */
int log_stream_set_outlets(mtev_log_stream_t ls, const mtev_log_stream_t *chosen, size_t count);

/* Return how many lines, or parts of one, the file or descriptor of ls has lost so far. */
uint64_t log_stream_lost(mtev_log_stream_t ls);

/*
 * Write all that waits for writers, for timeout_ns at most.  Returns 0, or -EAGAIN: some still
 * waits.  exit(3) does that, for a second at most; _exit(2) does not.
 */
int log_flush(uint64_t timeout_ns);

/*
 * The same for a process that dies: async-signal-safe, and from any thread, also one that died in
 * the middle of a line.  Waits 0.2 s at most for an outlet that does not take anything.  A line
 * that is being written at this moment may be there twice.
 */
void log_emergency_flush(void);

struct outlet_ops;

/*
 * mtev_log_stream_new() for a kind of outlet; the one that is there goes on if it is of the same
 * kind and path.  0 or -errno.
 */
int log_stream_renew(const char *name, const struct outlet_ops *ops, const char *path, int fd,
                     mtev_log_stream_t *out);

#endif
