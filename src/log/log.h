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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOG_STREAMS_MAX  1024  /* streams in a process */
#define LOG_MATERIAL_MAX 64    /* streams that are a file or a descriptor; one bit each */
#define LOG_OUTLETS_MAX  16    /* outlets a stream has itself */
#define LOG_NAME_MAX     511   /* bytes in the name of a stream */
#define LOG_MESSAGE_MAX  3840  /* bytes of a message, after which it is cut */
#define LOG_PREFIX_MAX   256   /* bytes of what is put before a message */
#define LOG_HEXDUMP_MAX  65536 /* bytes of one dump */

/* A line that a pipe takes in one piece cannot be mixed with another process's. */
static_assert(LOG_MESSAGE_MAX + LOG_PREFIX_MAX <= PIPE_BUF, "a line must fit an atomic write");

/*
 * Find the stream of that name (NUL-terminated) or make it, as mtev_log_stream_find() does.
 * Returns 0, -ENAMETOOLONG, -ENOSPC (LOG_STREAMS_MAX) or -ENOMEM.
 */
int log_stream_get(const char *name, mtev_log_stream_t *out);

struct log_outlet {
    mtev_log_stream_t stream;
    struct filter *filter; /* which lines pass (log/filter.h); NULL: all */
};

/*
 * Replace the outlets of ls by the count at chosen, in one step: no line is lost between.  Their
 * filters are taken.  Returns 0, or -ENOSPC (LOG_OUTLETS_MAX).
 */
int log_stream_set_outlets(mtev_log_stream_t ls, struct log_outlet *chosen, size_t count);

/* True if there is a type of that name. */
bool log_type_is_known(const char *type);

/* What a type needs no path for; NULL: it needs one. */
const char *log_type_default_path(const char *type);

/*
 * Can a log of that type (a known one) be where path says, as far as can be told without it?  0,
 * -EINVAL, or, of a file, -EISDIR or what stat(2) says of the folder.
 */
int log_check_path(const char *type, const char *path);

/* Does a type have a format of its own? */
bool log_type_has_format(const char *type);

/* Numbers that a material stream may be told; 0 is off, or the default.  In the order of the enum.
 */
enum log_limit_index {
    LOG_ROTATE_SECONDS = 0,
    LOG_ROTATE_BYTES,
    LOG_RETAIN_SECONDS,
    LOG_RETAIN_BYTES,
    LOG_DEDUP_SECONDS,
    LOG_QUEUE_BYTES,
    LOG_LIMITS_COUNT
};

struct log_limit {
    const char *name;
    int64_t min, max;
};

extern const struct log_limit log_limits[LOG_LIMITS_COUNT];

/* Set all of them for what ls is.  Returns 0, or -EINVAL: it is not material. */
int log_stream_set_limits(mtev_log_stream_t ls, const int64_t values[static LOG_LIMITS_COUNT]);

/*
 * Of the lines that ls, of the type memory, has: the index of the oldest, and the one that the next
 * line will have.  0, or -EINVAL: it is not of that type.
 */
int log_memory_span(mtev_log_stream_t ls, uint64_t *first, uint64_t *end);

/* As mtev_log_memory_lines() for those with an index from first on, and before end. */
int log_memory_lines_between(mtev_log_stream_t ls, uint64_t first, uint64_t end,
                             int (*visit)(uint64_t index, const struct timeval *when,
                                          const char *text, size_t len, void *closure),
                             void *closure);

/* Return how many lines, or parts of one, the file or descriptor of ls has lost so far. */
uint64_t log_stream_lost(mtev_log_stream_t ls);

/*
 * Give the log files that are open to that user and group, so that they can be opened anew when the
 * process is theirs.  -1 leaves one as it is.  Returns 0, or the last of what fchown(2) says.
 */
int log_give_files(uid_t user, gid_t group);

/*
 * Write all that waits for writers, for timeout_ns at most.  Returns 0, or -EAGAIN: some still
 * waits.  exit(3) does that, for a second at most; _exit(2) does not.
 */
int log_flush(uint64_t timeout_ns);

/* This process is one that takes another's place: mtevStartupTerminate() is a death in it. */
void log_is_restarted(void);

/*
 * The same for a process that dies: async-signal-safe, and from any thread, also one that died in
 * the middle of a line.  Waits 0.2 s at most for an outlet that does not take anything.  A line
 * that is being written at this moment may be there twice.
 */
void log_emergency_flush(void);

#endif
